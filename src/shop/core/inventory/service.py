"""What staff do to the stock."""

from uuid import UUID

import msgspec
from msgspec import Struct

from shop.core.inventory.model import (
    MoveKind,
    OutOfStock,
    Sellable,
    StockAdjusted,
    StockChange,
    StockMove,
)
from shop.core.kernel.access import Caller, Permission
from shop.core.kernel.errors import Malformed, NotFound
from shop.core.kernel.ids import VariantId
from shop.core.kernel.insisting import insist
from shop.ports.idempotency import Idempotency, IdempotencyKey, KeyReused, Remembered
from shop.ports.inventory import Shelf
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork

MOST_MOVED = 10**9


class UnknownVariant(NotFound):
    code = "variant-not-found"


class Adjust(Struct, frozen=True, kw_only=True):
    """`key` with `digest` (SHA-256 of method, path and body) makes a repetition harmless."""

    variant_id: VariantId
    delta: int
    reason: str
    key: str | None = None
    digest: bytes = b""


class Adjusted(Struct, frozen=True, kw_only=True):
    """A line of the ledger, and the figures after it."""

    id: UUID
    variant_id: VariantId
    delta: int
    reason: str
    on_hand: int
    held: int
    stock_quantity: int


class Reply(Struct, frozen=True):
    """The answer's JSON, the same for each repetition of a key."""

    body: bytes
    replayed: bool = False


class Stockroom:
    def __init__(
        self, uow: UnitOfWork, shelf: Shelf, idempotency: Idempotency, clock: Clock, ids: Ids
    ) -> None:
        self._uow = uow
        self._shelf = shelf
        self._idempotency = idempotency
        self._clock = clock
        self._ids = ids

    async def adjust(self, caller: Caller, command: Adjust) -> Reply:
        """Add to what lies on the shelf. Raises `OutOfStock` when held goods would be missing."""
        caller.require(Permission.INVENTORY_WRITE)
        if not 0 < abs(command.delta) <= MOST_MOVED:
            raise Malformed(
                "The difference must not be 0, nor beyond a thousand million.",
                field="delta",
                kind="range",
            )
        key = IdempotencyKey(command.key, caller.name) if command.key else None
        # The twin of a request may have been stored meanwhile: then its answer is ours.
        return await insist(lambda: self._once(caller, command, key))

    async def _once(self, caller: Caller, command: Adjust, key: IdempotencyKey | None) -> Reply:
        async with self._uow.begin():
            found = await self._shelf.lock([command.variant_id])
            if key and (known := (await self._idempotency.find([key])).get(key)):
                if known.digest != command.digest or known.answer is None:
                    raise KeyReused("This idempotency key was used for another request.")
                return Reply(known.answer, replayed=True)
            answer = msgspec.json.encode(await self._change(caller, command, found))
            if key:
                row = Remembered(
                    key=key,
                    digest=command.digest,
                    order_id=None,
                    answer=answer,
                    at=self._clock.now(),
                )
                await self._idempotency.add([row])
        return Reply(answer)

    async def _change(
        self, caller: Caller, command: Adjust, found: dict[VariantId, Sellable]
    ) -> Adjusted:
        have = found.get(command.variant_id)
        if have is None:
            raise UnknownVariant("There is no such variant.")
        on_hand = have.on_hand + command.delta
        if on_hand < have.held:
            raise OutOfStock(
                "That many are not on the shelf, or are held for orders.",
                variant_id=have.variant_id,
                available=have.on_hand - have.held,
            )
        now = self._clock.now()
        move = StockMove(
            id=self._ids.new(),
            variant_id=have.variant_id,
            delta=command.delta,
            kind=MoveKind.ADJUSTED,
            reason=command.reason,
            at=now,
        )
        await self._shelf.change([StockChange(variant_id=have.variant_id, on_hand=command.delta)])
        await self._shelf.record([move])
        self._uow.emit(
            StockAdjusted(
                variant_id=have.variant_id, delta=command.delta, reason=command.reason, at=now
            )
        )
        self._uow.log(caller.did("stock.adjust", have.variant_id, now, f"{command.delta:+}"))
        return Adjusted(
            id=move.id,
            variant_id=have.variant_id,
            delta=command.delta,
            reason=command.reason,
            on_hand=on_hand,
            held=have.held,
            stock_quantity=on_hand - have.held,
        )
