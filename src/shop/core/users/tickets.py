"""Sign-ins half done."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import ClassVar

from msgspec import Struct
from msgspec.structs import replace

from shop.core.kernel.ids import UserId
from shop.core.users.factors import PASSWORD, TicketInvalid
from shop.core.users.model import User


class Ticket(Struct, frozen=True, kw_only=True):
    """A sign-in half done, known by the SHA-256 of its secret.

    Without a user it is one by passkey alone, of whom nothing is known yet.
    """

    LASTS: ClassVar[timedelta] = timedelta(minutes=10)
    TRIES: ClassVar[int] = 5

    hash: bytes
    user_id: UserId | None
    password_mark: bytes | None = None
    first: str = PASSWORD
    challenge: bytes | None = None
    failures: int = 0
    expires_at: datetime
    used_at: datetime | None = None
    version: int = 0

    def __repr__(self) -> str:
        return f"Ticket({self.user_id})"

    def check(self, at: datetime) -> None:
        """Raises `TicketInvalid`."""
        if self.used_at is not None or at >= self.expires_at or self.failures >= self.TRIES:
            raise TicketInvalid("This sign-in took too long or too many tries; please begin anew.")

    def ask(self, challenge: bytes) -> "Ticket":
        return replace(self, challenge=challenge)

    def use(self, at: datetime) -> "Ticket":
        return replace(self, used_at=at, challenge=None)

    def fail(self) -> "Ticket":
        """A challenge counts once."""
        return replace(self, failures=self.failures + 1, challenge=None)


def mark_of(user: User) -> bytes:
    """Changes with the password, so that a new one ends every sign-in half done."""
    return sha256((user.password_hash or "").encode()).digest()
