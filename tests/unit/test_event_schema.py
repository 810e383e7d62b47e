"""What others read on the bus may gain fields; it never loses or changes one."""

from pathlib import Path
from typing import Any

import msgspec

from shop.entrypoints.consumers.registry import EVENTS

#: Written by `python tests/unit/test_event_schema.py` when an event is new or gains a field.
PUBLISHED = Path(__file__).with_name("event_schema.json")


def _fields(event: type[Any]) -> dict[str, str]:
    return {
        field.encode_name: _kind(field.type)
        for field in msgspec.inspect.type_info(event).fields  # type: ignore[attr-defined]
    }


def _kind(kind: msgspec.inspect.Type) -> str:
    """The type as JSON has it: ids and moments are strings of a form, Structs their fields."""
    match kind:
        case msgspec.inspect.StructType():
            inner = ", ".join(f"{f.encode_name}: {_kind(f.type)}" for f in kind.fields)
            return f"{{{inner}}}"
        case msgspec.inspect.VarTupleType() | msgspec.inspect.ListType():
            return f"[{_kind(kind.item_type)}]"
        case msgspec.inspect.UnionType():
            return " | ".join(sorted(_kind(one) for one in kind.types))
        case msgspec.inspect.EnumType():
            return " | ".join(sorted(repr(one.value) for one in kind.cls))
        case _:
            return type(kind).__name__.removesuffix("Type").lower()


def _now() -> dict[str, dict[str, str]]:
    return {kind: _fields(event) for kind, event in sorted(EVENTS.items())}


def test_no_published_event_has_lost_or_changed_a_field() -> None:
    published = msgspec.json.decode(PUBLISHED.read_bytes(), type=dict[str, dict[str, str]])
    now = _now()
    assert published.keys() <= now.keys()
    for kind, fields in published.items():
        kept = {name: type_ for name, type_ in now[kind].items() if name in fields}
        assert kept == fields, kind


def test_every_event_and_field_is_on_record() -> None:
    published = msgspec.json.decode(PUBLISHED.read_bytes(), type=dict[str, dict[str, str]])
    assert published == _now()


def test_every_type_belongs_to_one_event_and_says_its_version() -> None:
    assert all(kind.startswith("shop.") and kind.endswith(".v1") for kind in EVENTS)
    assert len(set(EVENTS.values())) == len(EVENTS)


if __name__ == "__main__":
    text = msgspec.json.format(msgspec.json.encode(_now()), indent=2)
    PUBLISHED.write_bytes(text + b"\n")
