"""Turns carts into orders, many in one transaction."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from shop.core.cart.model import Cart
from shop.core.checkout.booking import Booking
from shop.core.checkout.drafting import Draft, Drafting, PlaceOrder
from shop.core.checkout.replies import Answer, Replies, twin
from shop.core.inventory.model import Sellable
from shop.core.kernel.errors import ShopError
from shop.core.kernel.ids import UserId, VariantId
from shop.ports.cart import Carts
from shop.ports.checkout import Buyer, Buyers
from shop.ports.idempotency import IdempotencyKey
from shop.ports.inventory import Shelf
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork


class Checkout:
    """Places orders: load all, decide each, write all."""

    def __init__(
        self,
        uow: UnitOfWork,
        carts: Carts,
        buyers: Buyers,
        shelf: Shelf,
        clock: Clock,
        drafting: Drafting,
        replies: Replies,
        booking: Booking,
    ) -> None:
        self._uow = uow
        self._carts = carts
        self._buyers = buyers
        self._shelf = shelf
        self._clock = clock
        self._drafting = drafting
        self._replies = replies
        self._booking = booking
        #: The carts that the last batch emptied, as they are in the database now.
        self.stored: Sequence[Cart] = ()

    async def place_all(self, commands: Sequence[PlaceOrder]) -> list[Answer]:
        """Place each order, or refuse it alone. A `StaleWrite` undoes the whole batch.

        The key is looked up before anything else; of twins in one batch the first decides.
        """
        now = self._clock.now()
        self.stored = ()
        async with self._uow.begin():
            answers = await self._replies.known(commands, now)
            fresh: dict[IdempotencyKey, PlaceOrder] = {}
            for command in commands:
                if command.key not in answers:
                    fresh.setdefault(command.key, command)
            if fresh:
                answers |= await self._place(list(fresh.values()), now)
                refused = [c for c in fresh.values() if isinstance(answers[c.key], ShopError)]
                if refused:  # the order of a twin elsewhere may be why: look once more
                    answers |= await self._replies.known(refused, now)
        return [
            twin(command, fresh.get(command.key, command), answers[command.key])
            for command in commands
        ]

    async def _place(
        self, commands: Sequence[PlaceOrder], now: datetime
    ) -> dict[IdempotencyKey, Answer]:
        answers: dict[IdempotencyKey, Answer] = {}
        # First, in the order in which the deletion of an account goes about it.
        buyers = await self._load_buyers(commands)
        carts = await self._carts.find(command.owner for command in commands)
        goods = await self._shelf.find(
            line.variant_id for cart in carts.values() for line in cart.lines
        )
        drafts: list[Draft] = []
        sold_out_of = dict(carts)
        for command in commands:
            buyer = buyers.get(command.user_id) if command.user_id else None
            cart = sold_out_of.get(command.owner)
            try:
                draft = self._drafting.draft(command, cart, buyer, goods, now)
            except ShopError as refusal:
                answers[command.key] = refusal
                continue
            drafts.append(draft)
            _take(goods, draft)
            sold_out_of.pop(command.owner)  # a second order of one batch finds its cart empty
        if drafts:
            emptied = [carts[draft.command.owner].emptied(now) for draft in drafts]
            self.stored = await self._carts.save(emptied)
            answers |= await self._write(drafts, now)
        return answers

    async def _write(self, drafts: Sequence[Draft], now: datetime) -> dict[IdempotencyKey, Answer]:
        """What all replicas want to change comes last, to be nobody's for as short as can be: the
        stock, then the invoice counter."""
        answers = await self._keep([draft for draft in drafts if draft.waits], now)
        await self._booking.take_stock(drafts, now)
        settled = [draft for draft in drafts if not draft.waits]
        return answers | await self._keep(await self._booking.confirm(settled, now), now)

    async def _keep(self, drafts: Sequence[Draft], now: datetime) -> dict[IdempotencyKey, Answer]:
        if not drafts:
            return {}
        await self._booking.add(drafts)
        for draft in drafts:
            for fact in draft.facts:
                self._uow.emit(fact, correlation=draft.command.correlation)
        placed = await self._replies.keep(drafts, now)
        return {d.command.key: a for d, a in zip(drafts, placed, strict=True)}

    async def _load_buyers(self, commands: Sequence[PlaceOrder]) -> dict[UserId, Buyer]:
        users = {command.user_id for command in commands if command.user_id}
        return await self._buyers.find(users) if users else {}


def _take(goods: dict[VariantId, Sellable], draft: Draft) -> None:
    """What one order of the batch takes, the next cannot have."""
    for variant, quantity in draft.order.quantities():
        item = goods[variant]
        goods[variant] = replace(item, held=item.held + quantity)
