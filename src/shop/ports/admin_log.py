"""The log of what staff did. It is written by `UnitOfWork.log`, and nothing changes a line."""

from abc import abstractmethod
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from shop.core.kernel.acts import Entry
from shop.core.kernel.ids import UserId
from shop.core.kernel.page import Page


class EntryFilter(Struct, frozen=True, kw_only=True):
    """`action` is how it begins; `since` and `before` are moments."""

    user_id: UserId | None = None
    action: str = ""
    object_id: str = ""
    since: datetime | None = None
    before: datetime | None = None


class AdminLog(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def forget(self, before: datetime) -> int:
        """Drop what is older; returns how many."""


class AdminLogReads(Protocol):
    """Queries."""

    @abstractmethod
    async def page(self, which: EntryFilter, limit: int, cursor: str | None) -> Page[Entry]:
        """Newest first. Raises `Malformed` for a cursor that is none of ours."""
