"""What others read on the bus may gain fields; it never loses or changes one."""

from pathlib import Path

import msgspec

from docs.reference import fields_of
from shop.entrypoints.consumers.registry import EVENTS

#: Written by `python -m tests.unit.test_event_schema` when an event is new or gains a field.
PUBLISHED = Path(__file__).with_name("event_schema.json")


def _now() -> dict[str, dict[str, str]]:
    return {kind: fields_of(event) for kind, event in sorted(EVENTS.items())}


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
