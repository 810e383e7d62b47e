"""Facts about the past."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from msgspec import Struct


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened to the aggregate whose id `subject` gives.

    A class names its `aggregate` ("order") and `fact` ("placed"); on the wire the type is
    `shop.<aggregate>.<fact>.v1`, and events of one subject keep their order.
    """

    aggregate: ClassVar[str]
    fact: ClassVar[str]
    topic: ClassVar[str]

    at: datetime

    @property
    def subject(self) -> UUID:
        raise NotImplementedError

    @classmethod
    def kind(cls) -> str:
        return f"shop.{cls.aggregate}.{cls.fact}.v1"
