"""Answers a repeated checkout by what all replicas keep at hand."""

import hashlib
from datetime import timedelta

from shop.core.checkout.replies import reused
from shop.ports.cache import Cache
from shop.ports.idempotency import IdempotencyKey

#: Whoever lost an answer asks again soon; the database knows the key for longer.
KEPT = timedelta(minutes=10)
_DIGEST = hashlib.sha256().digest_size


class Repeats:
    """A short cut: what it does not know, the desk finds in the database.

    Without a common cache it knows nothing, for the desk reads the keys of a whole batch at once.
    """

    def __init__(self, cache: Cache | None) -> None:
        self._cache = cache

    async def known(self, key: IdempotencyKey, digest: bytes) -> bytes | None:
        """The answer to this request. Raises `KeyReused` where the key was another's."""
        if self._cache is None:
            return None
        kept = await self._cache.get(_name(key))
        if kept is None:
            return None
        if kept[:_DIGEST] != digest:
            raise reused()
        return kept[_DIGEST:]

    async def keep(self, key: IdempotencyKey, digest: bytes, answer: bytes) -> None:
        """To be told of an answer that is committed under its key; the first one stays."""
        if self._cache is not None:
            await self._cache.add(_name(key), digest + answer, KEPT)


def _name(key: IdempotencyKey) -> str:
    whose = f"{key.caller} {key.key}".encode()
    return f"answer:{hashlib.sha256(whose).hexdigest()}"
