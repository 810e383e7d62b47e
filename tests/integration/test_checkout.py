"""Carts become orders: on every storage, alone, in batches and in races."""

import asyncio
from collections.abc import Iterable
from uuid import uuid4

import msgspec
import pytest
from dishka import AsyncContainer
from dishka.exceptions import NoFactoryError
from msgspec.structs import replace

from shop.adapters.memory.store import MemoryStore
from shop.adapters.sql.database import Database
from shop.adapters.sql.tables import idempotency
from shop.core.cart.model import Cart, CartEmpty, CartLine, CouponInvalid
from shop.core.checkout.carts import (
    AddItem,
    CartCommand,
    MergeGuest,
    PricedCart,
    RemoveItem,
    SetCoupon,
    SetQuantity,
    VariantNotFound,
    priced,
)
from shop.core.checkout.drafting import PaymentMethodUnavailable
from shop.core.checkout.replies import Placed
from shop.core.checkout.service import Checkout
from shop.core.inventory.model import OutOfStock, Sellable
from shop.core.kernel.errors import Malformed, ShopError, StaleWrite
from shop.core.kernel.ids import CartId, LineId, VariantId
from shop.core.kernel.money import Money
from shop.core.orders.model import Order, OrderStatus, PaymentMethod, PriceChanged
from shop.core.pricing.model import ForeignCurrency, PricePolicy
from shop.entrypoints.again import again
from shop.ports.cart import Carts
from shop.ports.idempotency import IdempotencyKey, KeyInProgress, KeyReused
from shop.ports.inventory import Shelf
from shop.ports.orders import OrderReads
from shop.ports.outbox import Outbox
from shop.ports.payments import PaymentReads
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork
from tests.kit.buying import a_cart, an_order_for, ask_carts, check_out
from tests.kit.clock import ManualClock
from tests.kit.goods import on_shelf, stocked


async def order_of(container: AsyncContainer, placed: Placed | ShopError) -> Order:
    assert isinstance(placed, Placed), placed
    order: Order = await (await container.get(OrderReads)).get(placed.order_id)
    return order


async def test_a_cart_keeps_what_is_put_in(container: AsyncContainer) -> None:
    one, two = await stocked(container, 10, 10)
    cart = await a_cart(container, "cart:1", (one, 2), (two, 1), (one, 1))
    assert [(x.variant_id, x.quantity) for x in cart.cart.lines] == [(one, 3), (two, 1)]
    assert cart.quote.breakdown.items == Money(4 * 49_900, "INR")
    [again] = await ask_carts(container, CartCommand(owner="cart:1"))
    assert isinstance(again, PricedCart)
    assert again.cart.lines == cart.cart.lines


async def test_commands_on_one_cart_in_one_batch_are_served_in_turn(
    container: AsyncContainer,
) -> None:
    [variant] = await stocked(container, 10)
    add = AddItem(owner="cart:1", variant_id=variant, quantity=2)
    answers = await ask_carts(container, add, add, CartCommand(owner="cart:1"))
    totals = [a.cart.lines[0].quantity for a in answers if isinstance(a, PricedCart)]
    assert totals == [2, 4, 4]


async def test_a_cart_takes_no_more_than_is_there(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 3)
    cart = await a_cart(container, "cart:1", (variant, 2))
    line = cart.cart.lines[0].id
    answers = await ask_carts(
        container,
        AddItem(owner="cart:1", variant_id=variant, quantity=2),
        SetQuantity(owner="cart:1", line_id=line, quantity=4),
        SetQuantity(owner="cart:1", line_id=line, quantity=0),
        AddItem(owner="cart:1", variant_id=VariantId(uuid4()), quantity=1),
        SetCoupon(owner="cart:1", code="NOTHING"),
        SetQuantity(owner="cart:1", line_id=line, quantity=3),
        RemoveItem(owner="cart:1", line_id=line),
    )
    assert [type(a) for a in answers] == [
        OutOfStock,
        OutOfStock,
        Malformed,
        VariantNotFound,
        CouponInvalid,
        PricedCart,
        PricedCart,
    ]
    assert isinstance(answers[0], OutOfStock)
    assert answers[0].facts["available"] == 3


async def test_a_guests_cart_is_merged_once(container: AsyncContainer) -> None:
    one, two = await stocked(container, 10, 10)
    await a_cart(container, "cart:guest", (one, 1), (two, 1))
    await a_cart(container, "cart:1", (one, 2))
    merge = MergeGuest(owner="cart:1", guest="cart:guest")
    for _ in range(2):
        [merged] = await ask_carts(container, merge)
        assert isinstance(merged, PricedCart)
        assert [x.quantity for x in merged.cart.lines] == [3, 1]
    [guest] = await ask_carts(container, CartCommand(owner="cart:guest"))
    assert isinstance(guest, PricedCart)
    assert guest.cart.lines == ()


async def test_an_online_order_holds_its_stock(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 10)
    await a_cart(container, "cart:a", (variant, 3))
    [placed] = await check_out(container, an_order_for("cart:a"))
    order = await order_of(container, placed)
    assert order.status is OrderStatus.PENDING_PAYMENT
    assert order.breakdown.total == Money(3 * 49_900, "INR")
    assert order.hold_until is not None
    assert await on_shelf(container, variant) == (10, 3)
    [cart] = await ask_carts(container, CartCommand(owner="cart:a"))
    assert isinstance(cart, PricedCart)
    assert cart.cart.lines == ()
    [payment] = await (await container.get(PaymentReads)).of_order(order.id)
    assert payment.link_url is not None
    kinds = [e.kind for e in await (await container.get(Outbox)).oldest(100)]
    assert kinds.count("shop.order.placed.v1") == 1


async def test_cash_on_delivery_is_confirmed_at_once(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 10)
    for n in range(3):
        await a_cart(container, f"cart:{n}", (variant, 1))
    commands = [an_order_for(f"cart:{n}", payment_method=PaymentMethod.COD) for n in range(3)]
    answers = await check_out(container, *commands)
    orders = [await order_of(container, placed) for placed in answers]
    assert {order.status for order in orders} == {OrderStatus.CONFIRMED}
    assert [order.invoice_number for order in orders] == [
        "INV/29-30/000001",
        "INV/29-30/000002",
        "INV/29-30/000003",
    ]
    assert await on_shelf(container, variant) == (7, 0)


async def test_what_is_priced_in_another_currency_cannot_be_bought(
    container: AsyncContainer,
) -> None:
    [here] = await stocked(container, 10)
    [abroad] = await stocked(container, 10, currency="JPY")
    [refusal] = await ask_carts(container, AddItem(owner="cart:1", variant_id=abroad, quantity=1))
    assert isinstance(refusal, ForeignCurrency)
    assert refusal.facts["currency"] == "JPY"
    async with container() as scope:  # an import may change what is in the cart already
        uow, carts = await scope.get(UnitOfWork), await scope.get(Carts)
        ids, now = await scope.get(Ids), (await scope.get(Clock)).now()
        lines = tuple(
            CartLine(id=LineId(ids.new()), variant_id=variant, quantity=1, seen_price=49_900)
            for variant in (here, abroad)
        )
        cart = Cart(id=CartId(ids.new()), owner="cart:1", lines=lines, updated_at=now)
        async with uow.begin():
            await carts.add([cart])
    [shown] = await ask_carts(container, CartCommand(owner="cart:1"))
    assert isinstance(shown, PricedCart)
    assert shown.quote.breakdown.items == Money(49_900, "INR")
    assert list(shown.goods) == [here]
    [refused] = await check_out(container, an_order_for("cart:1"))
    assert isinstance(refused, ForeignCurrency)
    assert refused.facts["variant_id"] == abroad
    assert await on_shelf(container, here) == (10, 0)


@pytest.mark.parametrize("method", list(PaymentMethod))
async def test_nothing_is_sold_at_a_price_that_staff_changed_meanwhile(
    container: AsyncContainer, monkeypatch: pytest.MonkeyPatch, method: PaymentMethod
) -> None:
    [variant] = await stocked(container, 5)
    await a_cart(container, "cart:1", (variant, 1))
    async with container() as scope:
        checkout, shelf = await scope.get(Checkout), await scope.get(Shelf)
        find = shelf.find

        async def before(variants: Iterable[VariantId]) -> dict[VariantId, Sellable]:
            old = Money(100, "INR")
            return {id_: replace(item, price=old) for id_, item in (await find(variants)).items()}

        monkeypatch.setattr(shelf, "find", before)
        with pytest.raises(StaleWrite):
            await checkout.place_all([an_order_for("cart:1", payment_method=method)])
    assert await on_shelf(container, variant) == (5, 0)


async def test_what_is_gone_is_not_sent(container: AsyncContainer) -> None:
    """A cart whose goods are all gone costs nothing; what is given away is sent like the rest."""
    [abroad] = await stocked(container, 10, currency="JPY")
    [gift] = await stocked(container, 10, price=0)
    cart = await a_cart(container, "cart:1", (gift, 1))
    assert cart.quote.breakdown.total == Money(4_900, "INR")
    gone = replace(cart.cart, lines=tuple(replace(x, variant_id=abroad) for x in cart.cart.lines))
    policy = await container.get(PricePolicy)
    none = priced(gone, cart.goods, policy, cart.cart.updated_at).quote
    assert none.breakdown.total == Money(0, "INR")


async def test_a_repeated_key_gets_the_first_answer_byte_for_byte(
    container: AsyncContainer,
) -> None:
    [variant] = await stocked(container, 10)
    await a_cart(container, "cart:a", (variant, 1))
    command = an_order_for("cart:a")
    [first] = await check_out(container, command)
    await a_cart(container, "cart:a", (variant, 1))
    [again] = await check_out(container, command)
    assert isinstance(first, Placed)
    assert isinstance(again, Placed)
    assert (again.body, again.order_id, again.replayed) == (first.body, first.order_id, True)
    assert await on_shelf(container, variant) == (10, 1)
    [other] = await check_out(container, an_order_for("cart:a", email="x@example.com"))
    assert isinstance(other, KeyReused)


async def test_of_twins_in_one_batch_the_first_decides(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 10)
    await a_cart(container, "cart:a", (variant, 1))
    command, other = an_order_for("cart:a"), an_order_for("cart:a", email="x@example.com")
    first, twin, stranger = await check_out(
        container, command, msgspec.structs.replace(command), other
    )
    assert isinstance(first, Placed)
    assert isinstance(twin, Placed)
    assert twin.body == first.body
    assert (first.replayed, twin.replayed) == (False, True)
    assert isinstance(stranger, KeyReused)
    assert await on_shelf(container, variant) == (10, 1)


async def test_two_orders_for_one_cart_in_one_batch(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 10)
    await a_cart(container, "cart:a", (variant, 1))
    first, second = await check_out(
        container, an_order_for("cart:a", "one"), an_order_for("cart:a", "two")
    )
    assert isinstance(first, Placed)
    assert isinstance(second, CartEmpty)


@pytest.mark.parametrize("together", [True, False])
async def test_the_last_five_are_sold_five_times(
    container: AsyncContainer,
    together: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    [variant] = await stocked(container, 5)
    for n in range(50):
        await a_cart(container, f"cart:{n}", (variant, 1))
    commands = [an_order_for(f"cart:{n}") for n in range(50)]
    if together:
        answers = list(await check_out(container, *commands))
    else:
        # Whoever finds that the last was taken meanwhile decides again, as at a desk.
        batches = await asyncio.gather(*(again(check_out, container, c) for c in commands))
        answers = [answer for batch in batches for answer in batch]
    assert sum(isinstance(a, Placed) for a in answers) == 5
    assert sum(isinstance(a, OutOfStock) for a in answers) == 45
    assert await on_shelf(container, variant) == (5, 5)


async def test_a_refusal_leaves_nothing_behind(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 10)
    await a_cart(container, "cart:a", (variant, 1))
    refusals = [
        (an_order_for("cart:a", expected_total=Money(1, "INR")), PriceChanged),
        (an_order_for("cart:a", email=None), Malformed),
        (an_order_for("cart:a", shipping_address=None), Malformed),
        (an_order_for("cart:nobody"), CartEmpty),
    ]
    for command, refusal in refusals:
        [answer] = await check_out(container, command)
        assert isinstance(answer, refusal)
    assert await on_shelf(container, variant) == (10, 0)
    [placed] = await check_out(container, an_order_for("cart:a"))
    assert isinstance(placed, Placed)


async def test_dear_orders_cannot_be_paid_in_cash(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 10, price=6_000_000)
    await a_cart(container, "cart:a", (variant, 1))
    [answer] = await check_out(container, an_order_for("cart:a", payment_method=PaymentMethod.COD))
    assert isinstance(answer, PaymentMethodUnavailable)


async def test_a_key_whose_request_died_is_completed_from_its_order(
    container: AsyncContainer, clock: ManualClock
) -> None:
    """The row of a slow gateway has no answer yet; after 15 s the request is taken to be dead."""
    [variant] = await stocked(container, 10)
    await a_cart(container, "cart:a", (variant, 1))
    command = an_order_for("cart:a")
    [placed] = await check_out(container, command)
    assert isinstance(placed, Placed)
    await _forget_answer(container, command.key)
    [running] = await check_out(container, command)
    assert isinstance(running, KeyInProgress)
    clock.advance(16)
    [completed] = await check_out(container, command)
    assert isinstance(completed, Placed)
    assert completed.order_id == placed.order_id
    assert completed.body is not None


async def _forget_answer(container: AsyncContainer, key: IdempotencyKey) -> None:
    try:
        store = await container.get(MemoryStore)
    except NoFactoryError:
        database = await container.get(Database)
        async with database.unit() as conn:
            await conn.run(idempotency.update().values(answer=None))
    else:
        table = store.table("idempotency")
        table[key] = msgspec.structs.replace(table[key], answer=None)
