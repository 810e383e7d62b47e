"""Numbers that people read."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from shop.core.orders.numbers import financial_year, invoice_number, order_number

NEW_YEAR = datetime(2026, 12, 31, 18, 30, tzinfo=UTC)  # midnight in India
LEAST, MOST = UUID(int=0), UUID(int=(1 << 128) - 1)


def test_an_order_number_has_a_fixed_length_and_the_day_in_india() -> None:
    assert order_number(NEW_YEAR, LEAST) == "270101-0000-0000"
    last = NEW_YEAR + timedelta(days=1, microseconds=-1)
    assert order_number(last, MOST) == "270101-ZZZZ-ZZZZ"


@given(st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1)), st.integers(100_000, 10**12))  # noqa: DTZ001
def test_later_orders_have_higher_numbers(at: datetime, microseconds: int) -> None:
    moment = at.replace(tzinfo=UTC)
    later = moment + timedelta(microseconds=microseconds)
    assert order_number(moment, MOST) < order_number(later, LEAST)


def test_other_chance_gives_another_number() -> None:
    ids = [UUID(int=n) for n in range(0, 1 << 20, 999)]
    assert len({order_number(NEW_YEAR, one) for one in ids}) == len(ids)


@pytest.mark.parametrize(
    ("at", "year"),
    [
        (datetime(2026, 3, 31, 18, 29, 59, tzinfo=UTC), "25-26"),
        (datetime(2026, 3, 31, 18, 30, tzinfo=UTC), "26-27"),
        (datetime(2027, 1, 1, tzinfo=UTC), "26-27"),
        (datetime(2099, 12, 1, tzinfo=UTC), "99-00"),
    ],
)
def test_the_financial_year_begins_in_april_in_india(at: datetime, year: str) -> None:
    assert financial_year(at) == year


def test_an_invoice_number_has_sixteen_characters() -> None:
    assert invoice_number("INV", "26-27", 123) == "INV/26-27/000123"
    assert len(invoice_number("A", "26-27", 1)) == 16
