"""How invoices are numbered (rule 46 of the CGST Rules, 2017: at most 16 characters)."""

from datetime import datetime, timedelta, timezone

#: India Standard Time: no summer time since 1945, so no time zone database is needed.
IST = timezone(timedelta(hours=5, minutes=30), "IST")
_APRIL = 4
_LONGEST = 16


def financial_year(at: datetime) -> str:
    """The Indian financial year, which begins on 1 April: "26-27"."""
    local = at.astimezone(IST)
    first = local.year if local.month >= _APRIL else local.year - 1
    return f"{first % 100:02}-{(first + 1) % 100:02}"


def invoice_number(series: str, year: str, count: int) -> str:
    """`INV/26-27/000123`; from the millionth invoice of a year on without dash and padding."""
    number = f"{series}/{year}/{count:06}"
    if len(number) > _LONGEST:
        number = f"{series}/{year.replace('-', '')}/{count}"
    if len(number) > _LONGEST:
        raise ValueError(f"The series {series!r} leaves no room for its number.")
    return number
