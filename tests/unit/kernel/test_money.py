"""Amounts are integers, and stay what they are."""

import pytest
from hypothesis import given, strategies as st

from shop.core.kernel.errors import Invalid
from shop.core.kernel.money import LARGEST, Money, tax_within

AMOUNTS = st.integers(0, 10**12)


@given(AMOUNTS, st.integers(1, 500))
def test_splitting_never_loses_a_paisa(amount: int, parts: int) -> None:
    shares = Money(amount, "INR").split(parts)
    assert sum(share.amount for share in shares) == amount
    assert max(shares).amount - min(shares).amount <= 1


@given(AMOUNTS, AMOUNTS)
def test_what_is_added_can_be_taken_away(one: int, other: int) -> None:
    assert Money(one, "INR") + Money(other, "INR") - Money(other, "INR") == Money(one, "INR")


@pytest.mark.parametrize("amount", [-1, LARGEST + 1])
def test_an_amount_has_bounds(amount: int) -> None:
    with pytest.raises(Invalid):
        Money(amount, "INR")


def test_currencies_do_not_mix() -> None:
    with pytest.raises(Invalid):
        Money(1, "INR") + Money(1, "USD")


@pytest.mark.parametrize(
    ("gross", "basis_points", "tax"),
    [
        (11_800, 1800, 1_800),
        (10_500, 500, 500),
        (100, 1800, 15),  # 15.25 paise
        (2_950, 1800, 450),
        (1, 1800, 0),
        (10, 2800, 2),  # 2.19 paise
        (99_900, 0, 0),
    ],
)
def test_the_tax_contained_in_a_price(gross: int, basis_points: int, tax: int) -> None:
    assert tax_within(gross, basis_points) == tax


@given(AMOUNTS, st.integers(0, 10_000))
def test_tax_is_rounded_to_the_nearest_paisa(gross: int, rate: int) -> None:
    exact = gross * rate / (10_000 + rate)
    assert abs(tax_within(gross, rate) - exact) <= 0.5 + exact * 1e-12
