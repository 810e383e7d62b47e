"""Amounts of money: integers in the minor unit."""

import re
from typing import Annotated

from msgspec import Meta, Struct

from shop.core.kernel.errors import Invalid

_CODE = re.compile("[A-Z]{3}")
#: BIGINT in every database we support, with room for sums.
LARGEST = 10**15


class Money(Struct, frozen=True, order=True):
    """An amount in minor units (paise, cents) and an ISO 4217 code. Never a float."""

    amount: Annotated[int, Meta(ge=0, le=LARGEST)]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]

    def __post_init__(self) -> None:
        """`Meta` guards decoding only; this guards amounts our own code computes."""
        if not 0 <= self.amount <= LARGEST:
            raise Invalid("An amount must lie between 0 and 10^15.")

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        """Raises `Invalid` when the rest would be negative."""
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def __mul__(self, times: int) -> "Money":
        return Money(self.amount * times, self.currency)

    def split(self, parts: int) -> tuple["Money", ...]:
        """Divide without losing a minor unit; the first shares carry the remainder."""
        share, rest = divmod(self.amount, parts)
        return tuple(Money(share + (i < rest), self.currency) for i in range(parts))

    def _same(self, other: "Money") -> None:
        if other.currency != self.currency:
            raise Invalid("Amounts in different currencies cannot be added.")


def is_currency(code: str) -> bool:
    return _CODE.fullmatch(code) is not None


def tax_within(gross: int, basis_points: int) -> int:
    """The tax contained in a price that includes it, in minor units, rounded half up.

    `basis_points` is the rate in hundredths of a percent (18 % = 1800); the formula is
    gross * rate / (100 % + rate), as rule 35 of the CGST Rules, 2017 gives it.
    """
    whole = 10_000 + basis_points
    return (2 * gross * basis_points + whole) // (2 * whole)
