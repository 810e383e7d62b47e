"""Argon2id in threads of its own."""

import base64
import os
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from shop.adapters.system.threads import BoundedThreads
from shop.ports.users import Passwords

_SALT = 16
_HASH = 32


class Argon2Passwords(Passwords):
    """A hash keeps a core busy for some 26 ms, so the threads yield to the event loop, and no
    more than `queue` calls wait: those beyond get `Unavailable` at once."""

    def __init__(
        self,
        *,
        memory_kib: int = 19_456,
        time_cost: int = 2,
        parallelism: int = 1,
        threads: int = 1,
        queue: int = 64,
    ) -> None:
        self._hasher = PasswordHasher(
            time_cost=time_cost,
            memory_cost=memory_kib,
            parallelism=parallelism,
            hash_len=_HASH,
            salt_len=_SALT,
            type=Type.ID,
        )
        parameters = f"m={memory_kib},t={time_cost},p={parallelism}"
        # The hash of no password: to verify against it takes as long as against any other.
        self._nobody = f"$argon2id$v=19${parameters}${_random(_SALT)}${_random(_HASH)}"
        self._threads = BoundedThreads("argon2", threads, queue, modest=True)

    @property
    def queued(self) -> int:
        return self._threads.busy

    async def hash(self, password: str) -> str:
        text = _same_for_all_keyboards(password)
        return await self._threads.run(lambda: self._hasher.hash(text))

    async def verify(self, password: str, hashed: str | None) -> bool:
        text = _same_for_all_keyboards(password)
        return await self._threads.run(lambda: self._verify(hashed or self._nobody, text))

    def _verify(self, hashed: str, text: str) -> bool:
        try:
            return self._hasher.verify(hashed, text)
        except (VerificationError, InvalidHashError):
            return False

    def outdated(self, hashed: str) -> bool:
        return self._hasher.check_needs_rehash(hashed)

    def close(self) -> None:
        self._threads.close()


def _same_for_all_keyboards(password: str) -> str:
    """Some send an accented letter as one character, some as two."""
    return unicodedata.normalize("NFKC", password)


def _random(size: int) -> str:
    return base64.b64encode(os.urandom(size)).decode().rstrip("=")
