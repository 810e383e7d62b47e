"""What the decoder finds wrong reaches people in words that they understand."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta, Struct

from shop.core.kernel.errors import Malformed
from shop.entrypoints.http.json_body import JsonBody
from shop.entrypoints.http.wording import readable


class Colour(StrEnum):
    RED = "red"


class Inner(Struct):
    name: str


class Body(Struct, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=1, max_length=3)] = "x"
    long: Annotated[str, Meta(min_length=5)] = "xxxxx"
    digits: Annotated[str, Meta(pattern=r"^[^\x00\n]$")] = "1"
    count: Annotated[int, Meta(ge=1, le=99)] = 1
    share: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    amount: int | Inner | None = None
    id: UUID | None = None
    at: Annotated[datetime, Meta(tz=True)] | None = None
    day: date | None = None
    colour: Colour = Colour.RED
    many: Annotated[list[Inner], Meta(max_length=2)] = []
    named: dict[Annotated[str, Meta(max_length=2)], int] = {}


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"text": ""}, "text", "This must not be empty."),
        ({"text": "four"}, "text", "This must have at most 3 characters."),
        ({"long": "four"}, "long", "This must have at least 5 characters."),
        ({"digits": "\n"}, "digits", "This has characters, or a form, that cannot stand here."),
        ({"count": 0}, "count", "This must be at least 1."),
        ({"count": 100}, "count", "This must be at most 99."),
        ({"count": "2"}, "count", "This must be a whole number, and is text."),
        ({"count": None}, "count", "This must be a whole number, and is null."),
        ({"share": 0}, "share", "This must be more than 0."),
        ({"share": 1}, "share", "This must be less than 1."),
        ({"amount": "2"}, "amount", "This must be a whole number, an object or null, and is text."),
        ({"amount": {}}, "amount.name", "The field `name` is missing."),
        ({"id": "x"}, "id", "This is no UUID."),
        ({"at": "x"}, "at", "This is no time such as 2026-02-03T09:30:00Z."),
        ({"at": "2026-02-03T09:30:00"}, "at", "This time needs its zone."),
        ({"day": "x"}, "day", "This is no date such as 2026-02-03."),
        ({"colour": "x"}, "colour", "This is none of the values that are known here."),
        ({"many": {}}, "many", "This must be a list, and is an object."),
        ({"many": [{"name": "x"}] * 3}, "many", "This must have at most 2 entries."),
        ({"many": [{"name": 1}]}, "many.0.name", "This must be text, and is a whole number."),
        ({"named": {"long": 1}}, "named", "This must have at most 2 characters."),
        ({"other": 1}, "other", "There is no field `other` here."),
        ([], "", "This must be an object, and is a list."),
    ],
)
def test_every_usual_fault_is_said_plainly(body: Any, field: str, words: str) -> None:
    with pytest.raises(Malformed) as refused:
        JsonBody(Body).parse(msgspec.json.encode(body))
    assert (refused.value.detail, refused.value.field) == (words, field)


def test_what_is_not_known_stays_as_it_was() -> None:
    assert readable("Something else - at `$.a`") == "Something else."
    assert readable("Input should be nicer.") == "Input should be nicer."
