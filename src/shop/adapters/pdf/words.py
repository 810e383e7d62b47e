"""Amounts of money in words, as invoices in India spell them."""

_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_GROUPS = ((10_000_000, "crore"), (100_000, "lakh"), (1_000, "thousand"), (100, "hundred"))


def in_words(number: int) -> str:
    """English words with lakh and crore."""
    for size, name in _GROUPS:
        if number >= size:
            head, rest = divmod(number, size)
            text = f"{in_words(head)} {name}"
            return f"{text} {in_words(rest)}" if rest else text
    if number < len(_SMALL):
        return _SMALL[number]
    tens, rest = divmod(number, 10)
    return f"{_TENS[tens]}-{_SMALL[rest]}" if rest else _TENS[tens]


def amount_in_words(amount: int, currency: str) -> str:
    """`amount` in the minor unit; "Rupees one hundred and paise five only"."""
    whole, cents = divmod(amount, 100)
    unit, small = ("Rupees", "paise") if currency == "INR" else (currency, "cents")
    text = f"{unit} {in_words(whole)}"
    if cents:
        text += f" and {small} {in_words(cents)}"
    return f"{text} only"


def grouped(amount: int) -> str:
    """`amount` in the minor unit, with commas as in India: 1,23,456.00."""
    whole, cents = divmod(amount, 100)
    digits = str(whole)
    head, tail = digits[:-3], digits[-3:]
    parts = []
    while head:
        parts.append(head[-2:])
        head = head[:-2]
    return ",".join([*reversed(parts), tail]) + f".{cents:02}"
