"""Who is asking."""

from abc import abstractmethod
from typing import Protocol

from shop.core.kernel.access import Caller


class Authenticator(Protocol):
    @abstractmethod
    async def caller(self, authorization: str | None) -> Caller:
        """Nobody without the header. Raises `Unauthenticated` for a token that does not hold."""
