"""Money as people read it."""

import re

#: Currencies without a minor unit (ISO 4217).
_WHOLE = frozenset({"CLP", "ISK", "JPY", "KRW", "UGX", "VND", "XAF", "XOF"})
_SIGNS = {"INR": "₹", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_THOUSANDS = re.compile(r"(?<=\d)(?=(\d{3})+$)")
#: In India groups of two stand before the last three digits: 1,29,900.
_LAKHS = re.compile(r"(?<=\d)(?=(\d{2})*\d{3}$)")


def money(amount: int, currency: str) -> str:
    """`₹1,29,900.00`; other currencies in thousands, by their sign or code."""
    digits = 0 if currency in _WHOLE else 2
    whole, rest = divmod(amount, 10**digits)
    grouped = (_LAKHS if currency == "INR" else _THOUSANDS).sub(",", str(whole))
    sign = _SIGNS.get(currency, f"{currency} ")
    return f"{sign}{grouped}.{rest:02}" if digits else f"{sign}{grouped}"
