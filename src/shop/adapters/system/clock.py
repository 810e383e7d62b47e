"""The real clock, ids and chance."""

import os
from datetime import UTC, datetime
from uuid import UUID

from uuid_utils import uuid7

from shop.core.kernel.ids import id_of
from shop.ports.system import Clock, Ids


class SystemClock(Clock):
    def now(self) -> datetime:
        return datetime.now(UTC)


class Uuid7(Ids):
    """RFC 9562 version 7, in order even within one millisecond."""

    def new(self) -> UUID:
        return id_of(uuid7().bytes)

    def secret(self, size: int = 32) -> bytes:
        return os.urandom(size)
