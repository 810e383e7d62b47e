"""What a decoder finds wrong, in words for people."""

import re
from collections.abc import Callable

#: `Expected `int`, got `str` - at `$.items[0].quantity``.
AT = re.compile(r" - at `(?:key` in `)?\$(?P<path>[^`]*)`$")

_KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "uuid": "a UUID",
    "datetime": "a time",
    "date": "a date",
}


def readable(message: str) -> str:
    """A sentence; what is not known here stays in the decoder's own words."""
    plain = AT.sub("", message)
    for pattern, words in _WORDS:
        if found := pattern.fullmatch(plain):
            return words(found)
    return plain if plain.endswith(".") else f"{plain}."


def _length(found: re.Match[str]) -> str:
    most, number = found["sign"] == "<=", int(found["number"])
    if not most and number == 1:
        return "This must not be empty."
    things = "characters" if found["kind"] == "str" else "entries"
    return f"This must have at {'most' if most else 'least'} {number} {things}."


def _bound(found: re.Match[str]) -> str:
    signs = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
    return f"This must be {signs[found['sign']]} {found['number'].removesuffix('.0')}."


def _kind(found: re.Match[str]) -> str:
    *others, last = [_KINDS.get(one, one) for one in found["wanted"].split(" | ")]
    wanted = f"{', '.join(others)} or {last}" if others else last
    return f"This must be {wanted}, and is {_KINDS.get(found['got'], found['got'])}."


def _always(text: str) -> Callable[[re.Match[str]], str]:
    return lambda _: text


_WORDS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern, re.DOTALL), words)
    for pattern, words in (
        (r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`", _kind),
        (r"Expected `(?P<kind>\w+)` of length (?P<sign>[<>]=) (?P<number>\d+)", _length),
        (r"Expected `\w+` (?P<sign>[<>]=?) (?P<number>-?[\d.]+)", _bound),
        (
            r"Expected `str` matching regex .*",
            _always("This has characters, or a form, that cannot stand here."),
        ),
        (r"Expected `datetime` with a timezone component", _always("This time needs its zone.")),
        (r"Invalid UUID", _always("This is no UUID.")),
        (
            r"Invalid RFC3339 encoded datetime",
            _always("This is no time such as 2026-02-03T09:30:00Z."),
        ),
        (r"Invalid RFC3339 encoded date", _always("This is no date such as 2026-02-03.")),
        (r"Invalid enum value .*", _always("This is none of the values that are known here.")),
        (
            r"Object missing required field `(?P<name>[^`]*)`",
            lambda found: f"The field `{found['name']}` is missing.",
        ),
        (
            r"Object contains unknown field `(?P<name>[^`]*)`",
            lambda found: f"There is no field `{found['name']}` here.",
        ),
    )
)
