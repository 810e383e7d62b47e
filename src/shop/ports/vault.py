"""Secrets at rest that must be read again."""

from abc import abstractmethod
from typing import Protocol


class Vault(Protocol):
    """Keeps secrets unreadable at rest."""

    @abstractmethod
    def seal(self, secret: bytes, context: bytes) -> bytes:
        """Only `open` with the same context gives it back."""

    @abstractmethod
    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Raises `VaultShut` for what this shop's key did not seal."""


class VaultShut(Exception):
    """The key has changed, or somebody changed what was sealed."""
