"""Numbers that people read: of orders and of invoices."""

from datetime import datetime
from zoneinfo import ZoneInfo

INDIA = ZoneInfo("Asia/Kolkata")
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_APRIL = 4


def order_number(at: datetime, chance: bytes) -> str:
    """Sixteen characters such as `261123-7KQ2-M9XW`: the day in India, then 40 bits of chance.

    Crockford's base 32 leaves out I, L, O and U, so that a number survives being read aloud.
    Two orders of one day that draw the same number are told apart by the database, which refuses
    the second; the caller then draws again.
    """
    number = int.from_bytes(chance[:5])
    digits = [_CROCKFORD[number >> shift & 31] for shift in range(35, -1, -5)]
    return f"{at.astimezone(INDIA):%y%m%d}-{''.join(digits[:4])}-{''.join(digits[4:])}"


def financial_year(at: datetime) -> str:
    """The Indian financial year from 1 April, as `26-27`."""
    local = at.astimezone(INDIA)
    first = local.year if local.month >= _APRIL else local.year - 1
    return f"{first % 100:02}-{(first + 1) % 100:02}"


def invoice_number(series: str, year: str, count: int) -> str:
    """At most 16 of `A-Z 0-9 - /` (rule 46 of the CGST Rules, 2017): `INV/26-27/000123`."""
    return f"{series}/{year}/{count:0{15 - len(series) - len(year) - 1}d}"
