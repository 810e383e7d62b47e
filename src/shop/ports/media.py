"""Pictures and other files the shop shows."""

from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import Protocol

from msgspec import Struct


class Medium(Struct, frozen=True):
    body: bytes
    content_type: str


class Media(Protocol):
    """Files under keys that never change their content: lower-case letters, digits, `-`, `.`."""

    @abstractmethod
    async def put(self, key: str, body: bytes, content_type: str) -> None:
        """Store the file; a key that is there already keeps what it has."""

    @abstractmethod
    async def get(self, key: str) -> Medium | None: ...

    @abstractmethod
    def every(self) -> AsyncIterator[str]:
        """Every key, in no order."""
