"""Letters on their way out."""

from abc import abstractmethod
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct


class Letter(Struct, frozen=True, kw_only=True):
    """`dedupe` names the cause: there is one mail a cause, however often it is asked for."""

    dedupe: str
    to: str
    template: str
    data: dict[str, Any]
    subject_id: UUID | None = None

    def __repr__(self) -> str:
        """Without the data: links in it are secrets."""
        return f"Letter({self.dedupe!r})"


class Post(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def queue(self, letter: Letter) -> None:
        """A `dedupe` key that is known changes nothing."""
