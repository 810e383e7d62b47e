"""The cart by itself."""

from uuid import uuid4

import pytest
from hypothesis import given, strategies as st

from shop.core.cart.model import MOST_LINES, Cart, CartFull, CartLine, LineNotFound
from shop.core.kernel.errors import Malformed
from shop.core.kernel.ids import CartId, LineId, VariantId
from tests.kit.clock import NOON


def a_cart(*quantities: int) -> Cart:
    return Cart(
        id=CartId(uuid4()),
        owner="user:1",
        lines=tuple(a_line(quantity) for quantity in quantities),
        updated_at=NOON,
    )


def a_line(quantity: int = 1, variant: VariantId | None = None) -> CartLine:
    return CartLine(
        id=LineId(uuid4()),
        variant_id=variant or VariantId(uuid4()),
        quantity=quantity,
        seen_price=100,
    )


def test_the_same_item_again_raises_its_quantity() -> None:
    cart = a_cart(2)
    again = a_line(3, cart.lines[0].variant_id)
    assert [line.quantity for line in cart.add(again, NOON).lines] == [5]


@pytest.mark.parametrize("quantity", [0, -1, 100, 10**9])
def test_a_quantity_lies_between_1_and_99(quantity: int) -> None:
    cart = a_cart(1)
    with pytest.raises(Malformed):
        cart.add(a_line(quantity), NOON)
    with pytest.raises(Malformed):
        cart.set_quantity(cart.lines[0].id, quantity, NOON)


def test_together_they_do_not_exceed_99_either() -> None:
    cart = a_cart(99)
    with pytest.raises(Malformed):
        cart.add(a_line(1, cart.lines[0].variant_id), NOON)


def test_a_cart_holds_a_hundred_different_items() -> None:
    cart = a_cart(*[1] * MOST_LINES)
    with pytest.raises(CartFull):
        cart.add(a_line(), NOON)


def test_what_is_not_in_cannot_be_changed_or_taken_out() -> None:
    cart, nothing = a_cart(1), LineId(uuid4())
    with pytest.raises(LineNotFound):
        cart.set_quantity(nothing, 2, NOON)
    with pytest.raises(LineNotFound):
        cart.remove(nothing, NOON)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 99)), max_size=12))
def test_a_merge_adds_up_to_what_a_line_may_hold(puts: list[tuple[int, int]]) -> None:
    variants = [VariantId(uuid4()) for _ in range(6)]
    mine = dict(puts[::2])
    theirs = dict(puts[1::2])

    def cart_of(items: dict[int, int]) -> Cart:
        lines = tuple(a_line(quantity, variants[i]) for i, quantity in items.items())
        return Cart(id=CartId(uuid4()), owner="x", lines=lines, updated_at=NOON)

    merged, _ = cart_of(mine).merge(cart_of(theirs), NOON)
    assert {line.variant_id: line.quantity for line in merged.lines} == {
        variants[i]: min(99, mine.get(i, 0) + theirs.get(i, 0)) for i in mine.keys() | theirs.keys()
    }
