"""Carts with their prices: joins the cart, the shelf and the price policy, many in one commit."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from shop.core.cart.model import Cart, CartLine, CouponInvalid, check_quantity
from shop.core.inventory.model import OutOfStock, Sellable
from shop.core.kernel.access import person_named
from shop.core.kernel.errors import NotFound, ShopError, Unauthenticated
from shop.core.kernel.ids import CartId, LineId, UserId, VariantId
from shop.core.pricing.model import PriceLine, PricePolicy, Quote, quote
from shop.ports.cart import Carts
from shop.ports.checkout import Buyer, Buyers
from shop.ports.inventory import Shelf
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork


class VariantNotFound(NotFound):
    code = "variant-not-found"


class CartCommand(Struct, frozen=True, kw_only=True):
    """By itself it only shows the cart, and opens one for an owner who has none.

    `owner` is `user:<id>` or `cart:<SHA-256 of the guest's token in hex>`.
    """

    owner: str
    correlation: str = ""


class AddItem(CartCommand, frozen=True, kw_only=True):
    variant_id: VariantId
    quantity: int


class SetQuantity(CartCommand, frozen=True, kw_only=True):
    line_id: LineId
    quantity: int


class RemoveItem(CartCommand, frozen=True, kw_only=True):
    line_id: LineId


class SetCoupon(CartCommand, frozen=True, kw_only=True):
    """None takes the coupon out."""

    code: str | None


class MergeGuest(CartCommand, frozen=True, kw_only=True):
    """Sign-in: the guest's lines move into the customer's cart."""

    guest: str


class PricedCart(Struct, frozen=True, kw_only=True):
    cart: Cart
    goods: dict[VariantId, Sellable]
    quote: Quote


Answer = PricedCart | ShopError


class CartService:
    def __init__(
        self,
        uow: UnitOfWork,
        carts: Carts,
        buyers: Buyers,
        shelf: Shelf,
        clock: Clock,
        ids: Ids,
        policy: PricePolicy,
    ) -> None:
        self._uow = uow
        self._carts = carts
        self._buyers = buyers
        self._shelf = shelf
        self._clock = clock
        self._ids = ids
        self._policy = policy
        #: The carts that the last batch met, as it left them in the database.
        self.stored: Sequence[Cart] = ()

    async def serve_all(self, commands: Sequence[CartCommand]) -> list[Answer]:
        """Load all, decide each in turn, write all. A `StaleWrite` undoes the whole batch."""
        now = self._clock.now()
        answers: list[Answer] = []
        async with self._uow.begin():
            owners = {c.owner for c in commands}
            owners |= {c.guest for c in commands if isinstance(c, MergeGuest)}
            stored = await self._carts.find(owners)
            buyers = await self._buyers.find(_people(owners - stored.keys()))
            goods = await self._shelf.find(_variants(commands, stored))
            carts = dict(stored)
            for command in commands:
                try:
                    cart = carts.get(command.owner) or self._new(command.owner, buyers, now)
                    cart = self._apply(command, cart, carts, goods, now)
                except ShopError as refusal:
                    answers.append(refusal)
                else:
                    carts[command.owner] = cart
                    answers.append(priced(cart, goods, self._policy, now))
            self.stored = await self._write(stored, carts)
        return answers

    def _new(self, owner: str, buyers: Mapping[UserId, Buyer], now: datetime) -> Cart:
        """Nobody's cart is opened behind the deletion of their account, which took it along."""
        person = person_named(owner)
        if person is not None and person not in buyers:
            raise Unauthenticated("This account was deleted meanwhile.")
        return Cart(id=CartId(self._ids.new()), owner=owner, updated_at=now)

    async def _write(self, stored: dict[str, Cart], carts: dict[str, Cart]) -> list[Cart]:
        new = [cart for owner, cart in carts.items() if owner not in stored]
        changed = [c for owner, c in carts.items() if owner in stored and c is not stored[owner]]
        same = [cart for owner, cart in carts.items() if cart is stored.get(owner)]
        if new:
            await self._carts.add(new)
        if changed:
            changed = await self._carts.save(changed)
        return [*new, *changed, *same]

    def _apply(
        self,
        command: CartCommand,
        cart: Cart,
        carts: dict[str, Cart],
        goods: dict[VariantId, Sellable],
        now: datetime,
    ) -> Cart:
        match command:
            case AddItem():
                cart = self._add(command, cart, goods, now)
            case SetQuantity():
                check_quantity(command.quantity)
                line = cart.line(command.line_id)
                if command.quantity > line.quantity:
                    _enough(goods.get(line.variant_id), command.quantity)
                cart = cart.set_quantity(command.line_id, command.quantity, now)
            case RemoveItem():
                cart = cart.remove(command.line_id, now)
            case SetCoupon():
                cart = self._coupon(command.code, cart, goods, now)
            case MergeGuest():
                cart = self._merge(command, cart, carts, now)
        return cart

    def _merge(
        self, command: MergeGuest, cart: Cart, carts: dict[str, Cart], now: datetime
    ) -> Cart:
        guest = carts.get(command.guest)
        if guest is None or not guest.lines:
            return cart
        carts[command.guest] = guest.emptied(now)
        merged, fact = cart.merge(guest, now)
        self._uow.emit(fact, correlation=command.correlation)
        return merged

    def _add(
        self, command: AddItem, cart: Cart, goods: dict[VariantId, Sellable], now: datetime
    ) -> Cart:
        check_quantity(command.quantity)
        item = goods.get(command.variant_id)
        if item is None or not item.on_sale:
            raise VariantNotFound("There is no such item for sale.")
        self._policy.check(item.price, item.variant_id, item.title)
        line = CartLine(
            id=LineId(self._ids.new()),
            variant_id=command.variant_id,
            quantity=command.quantity,
            seen_price=item.price.amount,
        )
        changed = cart.add(line, now)
        wanted = next(x.quantity for x in changed.lines if x.variant_id == item.variant_id)
        _enough(item, wanted)
        return changed

    def _coupon(
        self, code: str | None, cart: Cart, goods: dict[VariantId, Sellable], now: datetime
    ) -> Cart:
        if code is None:
            return replace(cart, coupon=None, updated_at=now) if cart.coupon else cart
        changed = replace(cart, coupon=code.strip().upper(), updated_at=now)
        refusal = priced(changed, goods, self._policy, now).quote.coupon_refusal
        if refusal is not None:
            raise CouponInvalid("This coupon cannot be used.", reason=refusal)
        return changed


def priced(
    cart: Cart, goods: dict[VariantId, Sellable], policy: PricePolicy, now: datetime
) -> PricedCart:
    """An item that is no longer sold costs nothing; the cart says so line by line."""
    found = ((line.variant_id, goods.get(line.variant_id)) for line in cart.lines)
    own = {id_: item for id_, item in found if item is not None and policy.sells(item.price)}
    lines = tuple(_price(line, own.get(line.variant_id)) for line in cart.lines)
    shipping = policy.shipping_method(None)
    costs = quote(policy, lines, shipping=shipping, coupon=cart.coupon, at=now)
    return PricedCart(cart=cart, goods=own, quote=costs)


def _price(line: CartLine, item: Sellable | None) -> PriceLine:
    if item is None:
        return PriceLine(unit_price=0, quantity=0, tax_basis_points=0)
    return PriceLine(
        unit_price=item.price.amount,
        quantity=line.quantity,
        tax_basis_points=item.tax_basis_points,
    )


def _variants(commands: Sequence[CartCommand], carts: dict[str, Cart]) -> set[VariantId]:
    wanted = {c.variant_id for c in commands if isinstance(c, AddItem)}
    return wanted | {line.variant_id for cart in carts.values() for line in cart.lines}


def _people(owners: Iterable[str]) -> set[UserId]:
    return {person for owner in owners if (person := person_named(owner)) is not None}


def _enough(item: Sellable | None, quantity: int) -> None:
    have = max(0, item.available) if item else 0
    if quantity > have:
        raise OutOfStock(
            "There is not enough left of this item.",
            variant_id=item.variant_id if item else None,
            available=have,
            requested=quantity,
        )
