"""Decides what an order will be. Nothing is written here, and nobody is asked."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from shop.core.cart.model import Cart, CartEmpty, CartLine
from shop.core.checkout.terms import Terms
from shop.core.inventory.model import OutOfStock, Sellable
from shop.core.kernel.errors import Invalid, Malformed, NotFound, Unauthenticated
from shop.core.kernel.events import Event
from shop.core.kernel.ids import AddressId, OrderId, PaymentId, UserId, VariantId
from shop.core.kernel.money import Money
from shop.core.kernel.postal import PostalAddress
from shop.core.orders.model import Order, OrderLine, PaymentMethod, PriceChanged
from shop.core.orders.numbers import order_number
from shop.core.payments.model import Payment
from shop.core.pricing.model import PriceLine, PricePolicy, Quote, quote
from shop.ports.checkout import Buyer
from shop.ports.idempotency import IdempotencyKey
from shop.ports.payments import Gateway
from shop.ports.system import Ids


class PaymentMethodUnavailable(Invalid):
    code = "payment-method-unavailable"


class AddressUnknown(NotFound):
    code = "address-not-found"


class PlaceOrder(Struct, frozen=True, kw_only=True):
    """`owner` names the cart; `email` is a guest's, or stands in for the account's."""

    key: IdempotencyKey
    digest: bytes
    owner: str
    user_id: UserId | None = None
    email: str | None = None
    shipping_address: PostalAddress | None = None
    shipping_address_id: AddressId | None = None
    billing_address: PostalAddress | None = None
    payment_method: PaymentMethod
    shipping_method: str | None = None
    expected_total: Money | None = None
    correlation: str = ""


class Draft(Struct, frozen=True, kw_only=True):
    """One decided order, before it is written."""

    command: PlaceOrder
    order: Order
    payment: Payment
    facts: tuple[Event, ...]

    @property
    def waits(self) -> bool:
        """Whether its stock is only held, until the money comes."""
        return self.order.hold_until is not None


class Drafting:
    def __init__(self, gateway: Gateway, ids: Ids, policy: PricePolicy, terms: Terms) -> None:
        self._gateway = gateway
        self._ids = ids
        self._policy = policy
        self._terms = terms

    def draft(
        self,
        command: PlaceOrder,
        cart: Cart | None,
        buyer: Buyer | None,
        goods: Mapping[VariantId, Sellable],
        now: datetime,
    ) -> Draft:
        """Make the order, or raise the refusal that answers this command."""
        if command.user_id is not None and buyer is None:
            raise Unauthenticated("This account was deleted meanwhile.")
        if cart is None or not cart.lines:
            raise CartEmpty("The cart is empty.")
        email, address = _who_and_where(command, buyer)
        items = [_enough(goods.get(line.variant_id), line) for line in cart.lines]
        for item in items:
            self._policy.check(item.price, item.variant_id, item.title)
        method = self._policy.shipping_method(command.shipping_method)
        priced = quote(
            self._policy,
            tuple(
                PriceLine(
                    unit_price=item.price.amount,
                    quantity=line.quantity,
                    tax_basis_points=item.tax_basis_points,
                )
                for line, item in zip(cart.lines, items, strict=True)
            ),
            shipping=method,
            coupon=cart.coupon,
            at=now,
        )
        total = priced.breakdown.total
        self._check(command, total)
        # What costs nothing is paid: no gateway takes it, and nobody asks for it at the door.
        waits = command.payment_method is PaymentMethod.ONLINE and total.amount > 0
        order_id, payment_id = OrderId(self._ids.new()), PaymentId(self._ids.new())
        order, placed = Order.place(
            Order(
                id=order_id,
                number=order_number(now, order_id),
                user_id=command.user_id,
                email=email,
                lines=_lines(cart, items, priced),
                breakdown=priced.breakdown,
                shipping_address=address,
                billing_address=command.billing_address,
                shipping_method=method.code,
                payment_method=command.payment_method,
                payment_id=payment_id,
                placed_at=now,
                hold_until=now + self._terms.hold if waits else None,
            )
        )
        payment = Payment(
            id=payment_id,
            order_id=order_id,
            amount=total,
            method=command.payment_method.value,
            created_at=now,
            expires_at=self._terms.link_expiry(now) if waits else None,
            check_at=now + self._terms.check_after if waits else None,
        )
        facts: tuple[Event, ...] = (placed,)
        if not total.amount:
            payment, captured = payment.waive(now)
            order = order.paid(payment.status)
            facts = placed, captured
        if waits:
            link = self._gateway.link_now(self._terms.link_request(order, payment))
            if link is not None:
                payment = payment.linked(link.id, link.url)
        return Draft(command=command, order=order, payment=payment, facts=facts)

    def _check(self, command: PlaceOrder, total: Money) -> None:
        if command.expected_total is not None and command.expected_total != total:
            raise PriceChanged(
                "The total is no longer what was shown.",
                total=total.amount,
                currency=total.currency,
            )
        if command.payment_method is PaymentMethod.COD and not self._terms.takes_cod(total.amount):
            raise PaymentMethodUnavailable("This order cannot be paid on delivery.")


def _who_and_where(command: PlaceOrder, buyer: Buyer | None) -> tuple[str, PostalAddress]:
    email = command.email or (buyer.email if buyer else None)
    if email is None:
        raise Malformed("An e-mail address is needed.", field="email", kind="missing")
    if command.shipping_address is not None:
        if command.shipping_address_id is not None:
            raise Malformed("Give the address or its id, not both.", field="shipping_address_id")
        return email, command.shipping_address
    if command.shipping_address_id is None:
        raise Malformed("Where to?", field="shipping_address", kind="missing")
    address = buyer.addresses.get(command.shipping_address_id) if buyer else None
    if address is None:
        raise AddressUnknown("There is no such address.")
    return email, address


def _enough(item: Sellable | None, line: CartLine) -> Sellable:
    if item is not None and item.available >= line.quantity:
        return item
    raise OutOfStock(
        "There is not enough left of one of the items.",
        variant_id=line.variant_id,
        title=item.title if item else "",
        available=max(0, item.available) if item else 0,
        requested=line.quantity,
    )


def _lines(cart: Cart, items: Sequence[Sellable], priced: Quote) -> tuple[OrderLine, ...]:
    return tuple(
        OrderLine(
            variant_id=line.variant_id,
            product_id=item.product_id,
            title=item.title,
            variant_title=item.variant_title,
            sku=item.sku,
            hsn=item.hsn,
            tax_basis_points=item.tax_basis_points,
            quantity=line.quantity,
            unit_price=item.price.amount,
            discount=price.discount,
            tax=price.tax,
        )
        for line, item, price in zip(cart.lines, items, priced.lines, strict=True)
    )
