"""Prices as shops write them: `999`, `59.99`, `40.000`, `52.00 USD`, `₹ 1,299.00`, `59,99 €`."""

import re

from shop.core.kernel.errors import Invalid
from shop.core.kernel.money import LARGEST

#: Digits after the point where ISO 4217 gives another number than two.
_EXPONENTS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}
#: Signs, and the currencies each may stand for.
_SIGNS = {
    "₹": {"INR"},
    "rs": {"INR", "LKR", "MUR", "NPR", "PKR"},
    "€": {"EUR"},
    "£": {"EGP", "GBP", "GIP"},
    "¥": {"CNY", "JPY"},
    "$": {"ARS", "AUD", "BRL", "CAD", "CLP", "COP", "HKD", "MXN", "NZD", "SGD", "TWD", "USD"},
    "us$": {"USD"},
    "kr": {"DKK", "ISK", "NOK", "SEK"},
}
_SPACES = str.maketrans(dict.fromkeys("\u00a0\u2007\u2009\u202f\t", " ") | {"\u2019": "'"})
_LONGEST = 64
_MARK = r"(?:[A-Za-z]{3}|[Rr][Ss]\.?|[Kk][Rr]\.?|(?:US)?[$€£¥₹])"
_PRICE = re.compile(
    rf"(?P<before>{_MARK})? ?(?P<number>[0-9., ']*[0-9][.,]?)(?:/-)? ?(?P<after>{_MARK})?"
)
_MINUS = re.compile(r"[-\u2212(][^0-9]*[0-9]")
_PLAIN = re.compile(r"([0-9]*)(?:\.([0-9]*))?")
_COMMA = re.compile(r"([0-9]+),([0-9]{1,2})")
# Groups of three, or of two as in India, the last always of three: 1,299 and 12,34,567.
_GROUPED = re.compile(r"([1-9][0-9]{0,2}(?:([,' ])(?:[0-9]{2,3}\2)*[0-9]{3}))(?:\.([0-9]*))?")
_GROUPED_COMMA = re.compile(r"([1-9][0-9]{0,2}(?:([.' ])(?:[0-9]{2,3}\2)*[0-9]{3}))(?:,([0-9]*))?")


class NotAPrice(Invalid):
    """The text cannot be taken as an amount; `detail` completes "the price …"."""

    code = "not-a-price"


def parse_price(text: str, currency: str) -> int:
    """The amount in minor units of the currency, rounded half up. Raises `NotAPrice`.

    A point or comma followed by one or two digits at the end is the decimal sign; a comma
    followed by three digits parts thousands; one point alone is always the decimal sign.
    """
    whole, fraction = _amount(text, currency)
    exponent = _EXPONENTS.get(currency, 2)
    minor = int((whole + fraction[:exponent].ljust(exponent, "0")) or "0")
    if fraction[exponent : exponent + 1] >= "5":
        minor += 1
    if minor > LARGEST:
        raise NotAPrice("is too large")
    return minor


def is_rounded(text: str, currency: str) -> bool:
    """Whether `parse_price` took another amount than is written: `12.345` may mean thousands."""
    _, fraction = _amount(text, currency)
    return bool(fraction[_EXPONENTS.get(currency, 2) :].strip("0"))


def plain_price(minor: int, currency: str) -> str:
    """The amount as a plain decimal number, which `parse_price` reads back."""
    exponent = _EXPONENTS.get(currency, 2)
    digits = str(minor).rjust(exponent + 1, "0")
    return f"{digits[:-exponent]}.{digits[-exponent:]}" if exponent else digits


def _amount(text: str, currency: str) -> tuple[str, str]:
    """The digits before and after the decimal sign; the currency must be the expected one."""
    text = text.translate(_SPACES).strip()
    if len(text) > _LONGEST:
        raise NotAPrice(f"has {len(text)} characters")
    found = _PRICE.fullmatch(text)
    if found is None:
        minus = _MINUS.match(text) or _MINUS.match(text.lstrip("$€£¥₹RrSs. "))
        raise NotAPrice("is negative" if minus else "is no plain decimal number")
    for mark in (found["before"], found["after"]):
        if mark is not None:
            _same_currency(mark, currency)
    return _digits(found["number"].strip())


def _same_currency(mark: str, currency: str) -> None:
    mark = mark.casefold().rstrip(".")
    meant = _SIGNS.get(mark, {mark.upper()})
    if currency not in meant:
        raise NotAPrice(f"is in {mark.upper()}, the import in {currency}")


def _digits(number: str) -> tuple[str, str]:
    """The digits before and after the decimal sign."""
    if found := _PLAIN.fullmatch(number) or _COMMA.fullmatch(number):
        return found[1], found[2] or ""
    if found := _GROUPED.fullmatch(number) or _GROUPED_COMMA.fullmatch(number):
        return found[1].replace(found[2], ""), found[3] or ""
    raise NotAPrice("is no plain decimal number")
