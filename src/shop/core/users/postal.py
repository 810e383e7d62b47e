"""Whether post, or a phone call, can get there."""

import re
import unicodedata

from shop.core.kernel.countries import COUNTRIES
from shop.core.kernel.errors import Malformed
from shop.core.kernel.postal import STATES, PostalAddress

INDIA = "IN"

#: Codes and names of former days that people and programs still write.
_FORMER = {
    "CT": "CG",
    "DD": "DH",
    "DN": "DH",
    "OR": "OD",
    "TG": "TS",
    "UT": "UK",
    "DAMAN AND DIU": "DH",
    "DADRA AND NAGAR HAVELI": "DH",
    "NATIONAL CAPITAL TERRITORY OF DELHI": "DL",
    "NCT OF DELHI": "DL",
    "NEW DELHI": "DL",
    "ORISSA": "OD",
    "PONDICHERRY": "PY",
    "UTTARANCHAL": "UK",
}
_STATE_CODES = (
    {code: code for code in STATES}
    | {name.upper(): code for code, name in STATES.items()}
    | _FORMER
)

#: Where the PIN codes lie that begin with these two digits: as India Post deals them out, taken
#: wide where states were parted later or share a border. Those of the army (9) lie anywhere.
_PLACES = {
    "11": "DL HR UP",
    "12-13": "CH DL HR PB",
    "14-16": "CH HP HR PB",
    "17": "CH HP HR PB",
    "18-19": "HP JK LA PB",
    "20-28": "DL UK UP",
    "30-34": "RJ",
    "36-39": "DH GJ RJ",
    "40-44": "DH GA MH",
    "45-49": "CG MP",
    "50-53": "AP PY TS",
    "56-59": "KA",
    "60-66": "KL PY TN",
    "67-69": "KL LD PY TN",
    "70-74": "AN SK WB",
    "75-77": "OD",
    "78-79": "AR AS ML MN MZ NL TR",
    "80-85": "BR JH UP",
}


def _states_of_prefixes() -> dict[str, frozenset[str]]:
    found = {}
    for span, states in _PLACES.items():
        first, _, last = span.partition("-")
        for prefix in range(int(first), int(last or first) + 1):
            found[str(prefix)] = frozenset(states.split())
    return found


_STATES_OF = _states_of_prefixes()

#: Marks that turn the direction of the words after them: a name could seem to be another.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_PIN = re.compile("[1-9][0-9]{5}")
_PUNCTUATION = re.compile(r"[\s().\u2010-\u2015/-]+")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_INDIAN_MOBILE = re.compile("(?:0|91)?([6-9][0-9]{9})")
_INDIAN = re.compile(r"\+91[1-9][0-9]{9}")


def checked(address: PostalAddress) -> PostalAddress:
    """Return the address tidied up; raises `Malformed` with the name of the field at fault."""
    country = address.country.strip().upper()
    if country not in COUNTRIES:
        raise Malformed("The country must be an ISO 3166-1 alpha-2 code.", field="country")
    state, zipcode = (
        line(address.state, "state", empty=True),
        line(address.zipcode, "zipcode", empty=True),
    )
    if country == INDIA:
        state, zipcode = state_code(state), pin_code(zipcode)
        check_place(zipcode, state)
    return PostalAddress(
        name=line(address.name, "name"),
        phone=phone(address.phone, country, field="phone"),
        street=line(address.street, "street"),
        city=line(address.city, "city"),
        state=state,
        zipcode=zipcode,
        country=country,
    )


def line(text: str, field: str, *, empty: bool = False) -> str:
    """One line of text: blanks run together, nothing that cannot be printed, and nothing that
    turns the direction of what stands beside it."""
    plain = text.isascii()
    tidy = " ".join((text if plain else unicodedata.normalize("NFC", text)).split())
    if not (plain and tidy.isprintable()) and any(
        unicodedata.category(c) in {"Cc", "Cs"} or c in _TURNING for c in tidy
    ):
        raise Malformed("There are characters in it that nobody can print.", field=field)
    if not tidy and not empty:
        raise Malformed("This must not be empty.", field=field)
    return tidy


def state_code(text: str) -> str:
    """The ISO 3166-2 code, without "IN-", of an Indian state given by code or name."""
    wanted = text.upper().replace("&", "AND").removeprefix("IN-")
    code = _STATE_CODES.get(" ".join(wanted.split()))
    if code is None:
        raise Malformed("This is no state or union territory of India.", field="state")
    return code


def pin_code(text: str) -> str:
    digits = text.replace(" ", "")
    if not _PIN.fullmatch(digits) or not digits.isascii():
        raise Malformed("A PIN code has six digits and does not begin with 0.", field="zipcode")
    return digits


def check_place(zipcode: str, state: str) -> None:
    """Raises `Malformed` when the PIN code certainly lies in no place of the state."""
    if state not in _STATES_OF.get(zipcode[:2], STATES):
        raise Malformed(f"The PIN code {zipcode} is not in {STATES[state]}.", field="zipcode")


def phone(text: str, country: str = INDIA, *, field: str = "contact") -> str:
    """The number in E.164. Without a country code it must be an Indian mobile number."""
    if _INDIAN.fullmatch(text):  # as it comes from every form that was filled in before
        return text
    digits = _PUNCTUATION.sub("", text)
    if digits.startswith("00"):
        digits = f"+{digits[2:]}"
    if country == INDIA and (mobile := _INDIAN_MOBILE.fullmatch(digits)):
        digits = f"+91{mobile[1]}"
    if not _E164.fullmatch(digits):
        raise Malformed(
            "A mobile number has ten digits, such as 98450 12345; others need their country code."
            if country == INDIA
            else "A phone number needs its country code, such as +91 98450 12345.",
            field=field,
        )
    if digits.startswith("+91") and not _INDIAN.fullmatch(digits):
        raise Malformed("An Indian phone number has ten digits after +91.", field=field)
    return digits
