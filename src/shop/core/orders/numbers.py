"""Numbers that people read: of orders and of invoices."""

from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo

INDIA = ZoneInfo("Asia/Kolkata")
# pragma: allowlist nextline secret - an alphabet
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [one + other for one in _CROCKFORD for other in _CROCKFORD]
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1) // _MICROSECOND
_APRIL = 4
_CHANCE = (1 << 20) - 1


def order_number(at: datetime, order_id: UUID) -> str:
    """Sixteen characters such as `261123-7KQ2-M9XW`: day and time in India, then 20 bits of chance.

    Crockford's base 32 leaves out I, L, O and U, so that a number survives being read aloud. The
    middle is the time of day in 2^20ths: numbers that rise with time are cheaper to store under
    a unique key. Two that are equal all the same are told apart by the database, which refuses
    the second; the caller then draws again. The chance is that of the id (a UUIDv7 ends in random
    bits, RFC 9562): asking the system for more would cost more than all the rest here.
    """
    number = order_id.int & _CHANCE
    return f"{_day_and_time(at)}-{_PAIRS[number >> 10]}{_PAIRS[number & 1023]}"


@lru_cache(maxsize=16)  # the orders of a batch share their moment
def _day_and_time(at: datetime) -> str:
    local = at.astimezone(INDIA)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    part = ((local - midnight) // _MICROSECOND << 20) // _DAY
    return f"{local:%y%m%d}-{_PAIRS[part >> 10]}{_PAIRS[part & 1023]}"


def financial_year(at: datetime) -> str:
    """The Indian financial year from 1 April, as `26-27`."""
    local = at.astimezone(INDIA)
    first = local.year if local.month >= _APRIL else local.year - 1
    return f"{first % 100:02}-{(first + 1) % 100:02}"


def invoice_number(series: str, year: str, count: int) -> str:
    """At most 16 of `A-Z 0-9 - /` (rule 46 of the CGST Rules, 2017): `INV/26-27/000123`."""
    return f"{series}/{year}/{count:0{15 - len(series) - len(year) - 1}d}"
