"""The online backup of SQLite: one moment of the file, while the shop goes on writing."""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import pool

from shop.adapters.sql import schema
from shop.core.kernel.errors import Conflict, Unavailable
from shop.ports.backup import DatabaseBackup, Dumped

_KIND = "sqlite"
_PAGES = 1024
_BLOCK = 1 << 20
_BUSY_SECONDS = 5.0


class SqliteBackup(DatabaseBackup):
    def __init__(self, path: Path) -> None:
        self._path = path

    async def dump(self, write: Callable[[bytes], None]) -> Dumped:
        return await asyncio.to_thread(self._dump, write)

    def _dump(self, write: Callable[[bytes], None]) -> Dumped:
        if not self._path.exists():
            raise Conflict(f"There is no database in {self._path} yet.")
        copy = self._fresh("backup")
        try:
            self._copy(copy)
            revision = _examined(copy)
            with copy.open("rb") as file:
                while block := file.read(_BLOCK):
                    write(block)
        except sqlite3.Error as error:
            raise Unavailable(f"{self._path} cannot be backed up ({error}).") from error
        finally:
            copy.unlink()
        return Dumped(_KIND, revision)

    def _copy(self, copy: Path) -> None:
        with (
            closing(_connect(self._path)) as source,
            closing(_connect(copy)) as target,
        ):
            # While this transaction lasts the copy need not begin again after others' writes.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            source.backup(target, pages=_PAGES)
            # One file, without a log beside it.
            target.execute("PRAGMA journal_mode=DELETE")

    async def fits(self, dumped: Dumped) -> None:
        schema.refuse_unfit(dumped, _KIND)
        if any(self._path.with_name(self._path.name + end).exists() for end in ("", "-wal")):
            raise Conflict(
                f"{self._path} is there already; restore into an empty place: move it away, or set"
                " SHOP_DATA_DIR to an empty folder."
            )

    async def restore(self, blocks: Iterable[bytes]) -> None:
        await asyncio.to_thread(self._restore, blocks)

    def _restore(self, blocks: Iterable[bytes]) -> None:
        """The database appears whole or not at all, and never in the place of another."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        made = self._fresh("restore")
        try:
            with made.open("wb") as file:
                for block in blocks:
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            _examined(made)
            os.link(made, self._path)
            _keep(self._path.parent)
        except FileExistsError as error:
            raise Conflict(
                f"Somebody has made {self._path} meanwhile; it was left alone."
            ) from error
        except sqlite3.Error as error:
            raise Conflict(f"What is in the backup is no database ({error}).") from error
        finally:
            made.unlink()

    def _fresh(self, why: str) -> Path:
        """An empty file beside the database, for its owner only."""
        path = self._path.with_name(f"{self._path.name}.{why}")
        path.unlink(missing_ok=True)  # of one that was killed
        path.touch(mode=0o600)
        return path


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS)


def _examined(path: Path) -> str:
    """The revision of a copy without damage."""
    engine = sa.create_engine(f"sqlite+pysqlite:///{path}", poolclass=pool.NullPool)
    with engine.connect() as connection:
        said = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if said != "ok":
            raise Conflict(f"The database is damaged ({said}); run `shop audit`.")
        return schema.current(connection) or ""


def _keep(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
