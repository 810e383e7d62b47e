"""Single cells of a product file: each gives a value that can be kept, and a complaint or None."""

import re
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

#: (code, sentence) of a warning.
Complaint = tuple[str, str]

STOCK_MOST = 10**9
_GRAMS_MOST = 10**9
_URL_MOST = 2048

_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{0,30})?|[+-]?\.[0-9]{1,30}")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]{0,30})?")
_COMMA = re.compile(r"[+-]?[0-9]{1,30},[0-9]{1,30}")
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?[eE][+-]?[0-9]+")
_FORMULA_TEXT = re.compile(r"=\"(.*)\"|'(.*)")
_FORMULA_SIGNS = frozenset("=+-@\t\r")
_URL = re.compile(
    r"https?://[^\s/<>\"]+(?:/[^\s<>\"]*)?|https?://[^\s/<>\"?#]+[?#][^\s<>\"]*", re.IGNORECASE
)
_GTIN_LENGTHS = (8, 12, 13, 14)
_GRAMS = {
    unit: Decimal(grams)
    for unit, grams in {
        "": "1",
        "g": "1",
        "kg": "1000",
        "lb": "453.59237",
        "oz": "28.349523125",
    }.items()
}
# A spreadsheet writes TRUE and FALSE in the language of whoever saved the file.
_YES = frozenset(
    {"true", "yes", "y", "t", "1", "published", "active", "on"}
    | {"wahr", "vrai", "verdadero", "verdadeiro", "vero", "waar", "sant", "prawda", "истина"}
)
_NO = frozenset(
    {"false", "no", "n", "f", "0", "unpublished", "inactive", "off", "hidden"}
    | {"falsch", "faux", "falso", "onwaar", "falskt", "falsk", "fałsz", "ложь"}
)


def read_stock(text: str) -> tuple[int | None, Complaint | None]:
    """A quantity of zero or more; None when it is beyond belief and the record is refused."""
    if not text:
        return 0, None
    number = _number(text)
    if number is None:
        return 0, ("stock-unreadable", f"The stock {quoted(text)} is no number; taken as 0.")
    if number > STOCK_MOST:
        return None, ("stock-too-large", f"The stock {quoted(text)} is above {STOCK_MOST:,}.")
    if number < 0:
        return 0, ("stock-negative", f"The stock {quoted(text)} is negative; taken as 0.")
    whole = int(number.to_integral_value(ROUND_FLOOR))
    if whole != number:
        return whole, ("stock-fractional", f"The stock {quoted(text)} is taken as {whole}.")
    return whole, None


def read_grams(text: str, unit: str) -> tuple[int | None, Complaint | None]:
    """A weight in whole grams."""
    if not text:
        return None, None
    number, factor = _number(text), _GRAMS.get(unit.casefold())
    if number is None or factor is None or not 0 <= number * factor <= _GRAMS_MOST:
        shown = quoted(f"{text} {unit}".strip())
        return None, ("weight-unreadable", f"The weight {shown} is left out.")
    return int((number * factor).quantize(Decimal(1), ROUND_HALF_UP)), None


def read_barcode(text: str) -> tuple[str, Complaint | None]:
    """The barcode; one of a GTIN's length must end in the right check digit."""
    if wrapped := _FORMULA_TEXT.fullmatch(text):  # how spreadsheets are told to keep zeros
        text = (wrapped[1] or wrapped[2] or "").strip()
    if _SCIENTIFIC.fullmatch(text):
        return "", (
            "barcode-scientific",
            f"The barcode {quoted(text)} is a rounded number; dropped.",
        )
    digits = text.removesuffix(".0").replace("-", "").replace(" ", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) in _GTIN_LENGTHS):
        return text, None
    if not _is_gtin(digits):
        return "", (
            "barcode-check-digit",
            f"The barcode {quoted(text)} has a wrong check digit; dropped.",
        )
    return digits, None


def read_published(published: str, status: str) -> tuple[bool, Complaint | None]:
    """Both must agree to show the product; an empty cell says nothing against it."""
    published, status = published.casefold(), status.casefold()
    if published and published not in _YES | _NO:
        return False, (
            "published-unreadable",
            f"{quoted(published)} is neither true nor false; kept as a draft.",
        )
    if status not in {"", "active", "draft", "archived"}:
        return False, ("status-unknown", f"The status {quoted(status)}: kept as a draft.")
    return status in {"", "active"} and published not in _NO, None


def read_url(text: str) -> tuple[str, Complaint | None]:
    """The address of a picture, as text; it is never fetched."""
    if not text:
        return "", None
    if text.startswith("//"):  # of the page's own scheme, which is https
        text = f"https:{text}"
    if text.count("://") == 1:  # one address, and not a list of them
        text = text.replace(" ", "%20")
    if len(text) > _URL_MOST or not _URL.fullmatch(text):
        return "", ("image-address", f"The image {quoted(text)} has no http address; left out.")
    if text[:5].casefold() != "https":
        # Our pages load nothing over plain http, see the policy in entrypoints/http/web/replies.py.
        return text, (
            "image-insecure",
            f"The image {quoted(text)} is not at an https address: pages do not show it.",
        )
    return text, None


def shielded(text: str) -> str:
    """The text as spreadsheets may open it: none of it is a formula to them."""
    return f"'{text}" if text.lstrip("'")[:1] in _FORMULA_SIGNS else text


def unshielded(text: str) -> str:
    """Undoes `shielded`."""
    return text[1:] if text[:1] == "'" and text.lstrip("'")[:1] in _FORMULA_SIGNS else text


def _number(text: str) -> Decimal | None:
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    elif _COMMA.fullmatch(text):
        text = text.replace(",", ".")
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _is_gtin(digits: str) -> bool:
    """GS1's check: weights 3 and 1 in turn from the right, the sum a multiple of ten."""
    odd, even = digits[-1::-2], digits[-2::-2]
    return (sum(map(int, odd)) + 3 * sum(map(int, even))) % 10 == 0


#: The most characters of a cell that a message shows.
_SHOWN = 60


def quoted(text: str) -> str:
    """The text for a message, however long it is."""
    return f"“{text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}”"
