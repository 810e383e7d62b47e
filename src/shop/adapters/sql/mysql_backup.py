"""A server's own dump and client programs, which read what a replica may write meanwhile."""

import asyncio
import re
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from shop.adapters.sql import schema
from shop.adapters.sql.mysql import make_engine
from shop.adapters.sql.mysql_errors import translated
from shop.adapters.sql.mysql_schema import prepare
from shop.adapters.sql.mysql_tls import checks_host, encrypted
from shop.core.kernel.errors import Conflict, Unavailable
from shop.ports.backup import DatabaseBackup, Dumped

T = TypeVar("T")

_KIND = "mysql"
_BLOCK = 1 << 20
#: Seconds a program may neither give nor take a byte.
_STALLED = 300
#: `--single-transaction` reads one moment of all tables without locking them.
_DUMP = (
    "--single-transaction",
    "--quick",
    "--hex-blob",
    "--skip-lock-tables",
    "--no-tablespaces",
    "--triggers",
    "--default-character-set=utf8mb4",
)
#: Before the first table stands where the binary log was at that moment.
_HEAD = 1 << 14
_POSITION = re.compile(rb"MASTER_LOG_FILE='([^']+)', MASTER_LOG_POS=(\d+)")
_LOAD = ("--default-character-set=utf8mb4", "--binary-mode", "--batch")


class MysqlBackup(DatabaseBackup):
    def __init__(self, url: str) -> None:
        self._url = url
        self._where = make_url(url)

    async def dump(self, write: Callable[[bytes], None]) -> Dumped:
        revision = await self._ask(schema.current)
        if revision is None:
            raise Conflict("The database is empty; there is nothing to back up.")
        options, head = (*_DUMP, *await self._ask(_told_position)), b""
        async with self._program(("mariadb-dump", "mysqldump"), options) as process:
            if process.stdout is None:
                raise RuntimeError("It was started with a pipe.")
            while True:
                async with asyncio.timeout(_STALLED):
                    block = await process.stdout.read(_BLOCK)
                if not block:
                    break
                if len(head) < _HEAD:
                    head += block[:_HEAD]
                write(block)
        if await self._ask(schema.current) != revision:
            raise Conflict("The database was migrated meanwhile; run `shop backup` again.")
        found = _POSITION.search(head)
        position = f"{found[1].decode()}:{found[2].decode()}" if found else ""
        return Dumped(_KIND, revision, position)

    async def fits(self, dumped: Dumped) -> None:
        schema.refuse_unfit(dumped, _KIND)
        if await self._ask(lambda connection: sa.inspect(connection).get_table_names()):
            raise Conflict(
                f"The database {self._where.database} has tables; restore into an empty one:"
                " create another, and name it in SHOP_DATABASE_URL."
            )

    async def restore(self, blocks: Iterable[bytes]) -> None:
        await self._ask(prepare)
        async with self._program(("mariadb", "mysql"), _LOAD) as process:
            if process.stdin is None:
                raise RuntimeError("It was started with a pipe.")
            try:
                for block in blocks:
                    process.stdin.write(block)
                    async with asyncio.timeout(_STALLED):
                        await process.stdin.drain()
            except ConnectionError:
                pass  # it has ended, and says why
            process.stdin.close()

    async def _ask(self, work: Callable[[sa.Connection], T]) -> T:
        engine = make_engine(self._url, (), poolclass=NullPool, prepared=0)
        try:
            with translated():
                async with engine.connect() as connection:
                    return await connection.run_sync(work)
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def _program(
        self, names: Sequence[str], options: Sequence[str]
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Runs to its end, which must be a good one; it reads the password from a private file."""
        found = next(filter(None, map(shutil.which, names)), None)
        if found is None:
            raise Unavailable(f"{names[0]} is not installed; install the client of the database.")
        with tempfile.TemporaryDirectory(prefix="shop-") as folder:
            file = Path(folder) / "client.cnf"
            file.touch(mode=0o600)
            file.write_text(option_file(self._where), encoding="utf-8")
            process = await asyncio.create_subprocess_exec(
                found,
                f"--defaults-file={file}",
                *options,
                str(self._where.database),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            said = asyncio.ensure_future(_last_words(process))
            try:
                yield process
                async with asyncio.timeout(_STALLED):
                    code = await process.wait()
                if code:
                    raise Unavailable(f"{Path(found).name} failed: {await said}")
            except TimeoutError as error:
                why = f"{Path(found).name} did nothing for {_STALLED} s; see the server."
                raise Unavailable(why) from error
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
                await said


def _told_position(connection: sa.Connection) -> Sequence[str]:
    """MariaDB tells the position of a snapshot; MySQL would have to be locked for it, and hosted
    ones forbid that."""
    log, version = connection.execute(sa.text("SELECT @@log_bin, VERSION()")).one()
    # A client of MySQL does not know it, and goes on.
    return ("--loose-master-data=2",) if log and "mariadb" in str(version).lower() else ()


async def _last_words(process: asyncio.subprocess.Process) -> str:
    """The end of what it says about itself; all of it is read, so that it never waits for us."""
    said = b""
    while process.stderr is not None and (more := await process.stderr.read(4096)):
        said = (said + more)[-500:]
    return said.decode(errors="replace").strip()


def option_file(where: sa.URL) -> str:
    """What the programs need to connect as the shop does."""
    options: dict[str, object] = {
        "host": where.host,
        "port": where.port or 3306,
        "protocol": "tcp",
        "user": where.username or "",
        "password": where.password or "",
    }
    if encrypted(where):
        checked = checks_host(where)
        own = {key: str(value) for key, value in where.query.items()}
        for name in ("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_cipher"):
            if name in own:
                options[name.replace("_", "-")] = own[name]
        if "ssl_ca" not in own and "ssl_capath" not in own:
            # The system's certificates, which MySQL's programs want to be told of.
            paths = ssl.get_default_verify_paths()
            options |= {"ssl-ca": paths.cafile} if paths.cafile else {"ssl-capath": paths.capath}
        # Each program knows one of these, and passes over the other.
        options["loose-ssl-mode"] = "VERIFY_IDENTITY" if checked else "VERIFY_CA"
        options["loose-ssl-verify-server-cert"] = int(checked)
    else:
        # By themselves the programs of MariaDB 11.4 refuse the certificate that MySQL makes itself.
        options["loose-ssl-verify-server-cert"] = 0
    lines = "".join(f"{key}={_quoted(value)}\n" for key, value in options.items())
    return f"[client]\n{lines}[mysqldump]\nloose-set-gtid-purged=OFF\nloose-column-statistics=0\n"


def _quoted(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
