"""Prices as people write them."""

from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from shop.adapters.feeds.money import NotAPrice, parse_price
from shop.core.kernel.money import LARGEST


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("999", "INR", 99900),
        ("999.0", "INR", 99900),
        ("59.99", "USD", 5999),
        ("40.000", "USD", 4000),
        ("52.00 USD", "USD", 5200),
        ("USD 52", "USD", 5200),
        ("₹ 1,299.00", "INR", 129900),
        ("₹\u00a012,34,567.50", "INR", 123456750),
        ("Rs. 499/-", "INR", 49900),
        ("1,299", "INR", 129900),
        ("1.299,00 €", "EUR", 129900),
        ("1.299.000", "EUR", 129900000),
        ("1'299.50", "CHF", 129950),
        ("1\u202f299,50", "EUR", 129950),
        ("59,99", "EUR", 5999),
        (".5", "USD", 50),
        ("5.", "USD", 500),
        ("0", "USD", 0),
        ("59.50", "JPY", 60),
        ("59.49", "JPY", 59),
        ("1.2345", "KWD", 1235),
        ("0.125", "USD", 13),
        ("0.124999", "USD", 12),
    ],
)
def test_a_price_is_read_into_minor_units(text: str, currency: str, minor: int) -> None:
    assert parse_price(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no plain decimal"),
        ("free", "no plain decimal"),
        ("NaN", "no plain decimal"),
        ("Infinity", "no plain decimal"),
        ("1e9999", "no plain decimal"),
        ("1.2.3", "no plain decimal"),
        ("1,2,3", "no plain decimal"),
        ("0,999", "no plain decimal"),
        ("5-10", "no plain decimal"),
        ("५९", "no plain decimal"),
        ("-5", "negative"),
        ("₹ -5.00", "negative"),
        ("(5.00)", "negative"),
        ("52.00 USD", "is in USD, the import in INR"),
        ("$52", "is in \\$, the import in INR"),
        ("99999999999999999999", "too large"),
        ("9" * 5000, "characters"),
    ],
)
def test_nonsense_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(NotAPrice, match=reason):
        parse_price(text, "INR")


@given(
    st.text() | st.from_regex(r"[$₹€-]?[0-9., ']{0,40}( ?[A-Z]{3})?", fullmatch=True),
    st.sampled_from(["INR", "JPY", "KWD", "USD"]),
)
def test_any_text_is_an_amount_or_has_a_reason(text: str, currency: str) -> None:
    with suppress(NotAPrice):
        assert 0 <= parse_price(text, currency) <= LARGEST


@given(st.integers(0, LARGEST))
def test_an_amount_written_out_comes_back(minor: int) -> None:
    assert parse_price(f"{minor // 100}.{minor % 100:02}", "INR") == minor
    assert parse_price(f"{minor // 100:,}.{minor % 100:02} INR", "INR") == minor
