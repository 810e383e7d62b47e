"""A database in memory ends with its process."""

from collections.abc import Callable, Iterable

from shop.core.kernel.errors import Conflict
from shop.ports.backup import DatabaseBackup, Dumped


class NoBackup(DatabaseBackup):
    """There is nothing to back up, and nowhere to restore to."""

    async def dump(self, write: Callable[[bytes], None]) -> Dumped:  # noqa: ARG002 - never called
        raise _refused()

    async def fits(self, dumped: Dumped) -> None:  # noqa: ARG002 - nothing does
        raise _refused()

    async def restore(self, blocks: Iterable[bytes]) -> None:  # noqa: ARG002 - as above
        raise _refused()


def _refused() -> Conflict:
    return Conflict("SHOP_DATABASE_URL is memory:, which keeps nothing; name a file or a server.")
