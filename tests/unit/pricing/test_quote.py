"""What a cart costs."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from shop.core.kernel.errors import Invalid
from shop.core.kernel.money import Money
from shop.core.pricing.model import (
    Coupon,
    CouponKind,
    PriceLine,
    PricePolicy,
    ShippingMethod,
    ShippingMethodUnknown,
    quote,
    spread,
)

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
STANDARD = ShippingMethod(code="standard", title="Standard", price=4_900, free_from=49_900)
POLICY = PricePolicy(
    currency="INR",
    shipping=(STANDARD,),
    coupons=(
        Coupon(code="TEN", value=10),
        Coupon(code="FLAT", kind=CouponKind.AMOUNT, value=50_000),
        Coupon(code="BIG", value=10, minimum=100_000),
        Coupon(code="OLD", value=10, ends_at=NOW),
        Coupon(code="SOON", value=10, starts_at=datetime(2031, 1, 1, tzinfo=UTC)),
    ),
)

LINES = st.lists(
    st.builds(
        PriceLine,
        unit_price=st.integers(0, 10**8),
        quantity=st.integers(1, 99),
        tax_basis_points=st.sampled_from([0, 500, 1800, 2800, 4000]),
    ),
    max_size=30,
).map(tuple)


def line(price: int, quantity: int = 1, tax: int = 1800) -> PriceLine:
    return PriceLine(unit_price=price, quantity=quantity, tax_basis_points=tax)


def test_a_plain_cart() -> None:
    priced = quote(
        POLICY, (line(11_800, 2), line(10_500, 1, 500)), shipping=STANDARD, coupon=None, at=NOW
    )
    figures = priced.breakdown
    assert figures.items.amount == 34_100
    assert figures.shipping.amount == 4_900
    assert figures.total.amount == 39_000
    assert figures.tax.amount == 3_600 + 500 + 747


@given(LINES, st.sampled_from([None, "TEN", "flat", "BIG", "OLD", "nonsense"]))
def test_the_figures_of_a_quote_always_agree(
    lines: tuple[PriceLine, ...], coupon: str | None
) -> None:
    priced = quote(POLICY, lines, shipping=STANDARD, coupon=coupon, at=NOW)
    figures = priced.breakdown
    assert figures.total == figures.items - figures.discount + figures.shipping
    assert figures.items.amount == sum(x.unit_price * x.quantity for x in lines)
    assert figures.discount.amount == sum(x.discount for x in priced.lines)
    assert 0 <= figures.tax.amount <= figures.total.amount
    for one in priced.lines:
        assert 0 <= one.discount <= one.total
        assert 0 <= one.tax <= one.total - one.discount


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("nonsense", "unknown"),
        ("OLD", "expired"),
        ("SOON", "not-yet-valid"),
        ("BIG", "minimum-not-reached"),
        ("ten ", None),
    ],
)
def test_a_coupon_that_does_not_count_says_why(code: str, reason: str | None) -> None:
    priced = quote(POLICY, (line(50_000),), shipping=STANDARD, coupon=code, at=NOW)
    assert priced.coupon_refusal == reason
    assert priced.breakdown.discount.amount == (0 if reason else 5_000)


def test_a_coupon_takes_no_more_than_the_goods_cost() -> None:
    priced = quote(POLICY, (line(30_000),), shipping=STANDARD, coupon="FLAT", at=NOW)
    assert priced.breakdown.discount.amount == 30_000
    assert priced.breakdown.total == priced.breakdown.shipping == Money(4_900, "INR")


def test_shipping_is_free_from_a_value_after_discount() -> None:
    def freight(price: int, coupon: str | None = None) -> int:
        lines = (line(price),)
        priced = quote(POLICY, lines, shipping=STANDARD, coupon=coupon, at=NOW)
        return priced.breakdown.shipping.amount

    assert freight(49_899) == 4_900
    assert freight(49_900) == 0
    assert freight(50_000, "TEN") == 4_900


def test_an_empty_cart_costs_nothing() -> None:
    assert quote(POLICY, (), shipping=STANDARD, coupon="TEN", at=NOW).breakdown.total.amount == 0


def test_an_unknown_shipping_method_is_refused() -> None:
    with pytest.raises(ShippingMethodUnknown):
        POLICY.shipping_method("by-balloon")


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=40), st.integers(0, 100))
def test_spreading_loses_nothing_and_is_fair(weights: list[int], percent: int) -> None:
    whole = sum(weights)
    amount = whole * percent // 100
    shares = spread(amount, weights)
    assert sum(shares) == amount
    for share, weight in zip(shares, weights, strict=True):
        assert 0 <= share <= weight
        assert abs(share - (amount * weight / whole if whole else 0)) <= 1 + weight * 1e-9


def test_more_than_there_is_cannot_be_spread() -> None:
    with pytest.raises(Invalid):
        spread(11, [5, 5])
