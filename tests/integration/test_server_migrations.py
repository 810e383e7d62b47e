"""The same migrations on a server: one history, a lock, and old versions that serve on."""

import asyncio
import re
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from shop.adapters.sql import mysql_schema, schema
from shop.adapters.sql.mysql_schema import MysqlSchema
from shop.adapters.sql.schema import SchemaNewer
from shop.adapters.sql.tables import metadata
from shop.core.kernel.errors import Unavailable
from tests.kit.databases import DATABASES, on, query

T = TypeVar("T")
SCRIPTS = str(schema._SCRIPTS)  # noqa: SLF001 - where the history is


@pytest.fixture
def url() -> str:
    return DATABASES.lend(migrated=False)


@pytest.fixture
def migrated() -> str:
    return DATABASES.lend()


async def sync(url: str, work: Callable[[sa.Connection], T]) -> T:
    return await on(url, lambda connection: connection.run_sync(work))


def config(connection: sa.Connection) -> Config:
    made = Config()
    made.set_main_option("script_location", SCRIPTS)
    made.attributes["connection"] = connection
    return made


def revisions() -> list[str]:
    walk = ScriptDirectory(SCRIPTS).walk_revisions()
    return [script.revision for script in reversed(list(walk))]


def shape(connection: sa.Connection) -> dict[str, str]:
    """How the server writes each table down."""
    names = sorted(sa.inspect(connection).get_table_names())
    shown = {
        name: re.sub(
            r" AUTO_INCREMENT=\d+",  # how far it has counted
            "",
            connection.exec_driver_sql(f"SHOW CREATE TABLE `{name}`").one()[1],
        )
        for name in names
    }
    shown.pop("alembic_version", None)
    return shown


async def test_each_step_goes_up_down_and_up_again(url: str) -> None:
    def stairs(connection: sa.Connection) -> None:
        for revision in revisions():
            command.upgrade(config(connection), revision)
            after = shape(connection)
            command.downgrade(config(connection), "-1")
            command.upgrade(config(connection), revision)
            assert shape(connection) == after

    await sync(url, stairs)


def without_a_copy(statement: str, tables: set[str]) -> str:
    """Ask the server to refuse a change of one of these that copies it or stops its writers."""
    altered = re.match(r"ALTER TABLE `?(\w+)", statement)
    indexed = re.match(r"CREATE (?:UNIQUE )?INDEX \S+ ON `?(\w+)", statement)
    if altered and altered[1] in tables:
        return f"{statement}, ALGORITHM=INSTANT"
    if indexed and indexed[1] in tables:
        return f"{statement} ALGORITHM=INPLACE LOCK=NONE"
    return statement


async def test_no_step_copies_a_table_that_sells_meanwhile(url: str) -> None:
    """So a step takes no longer on a million orders than on none."""

    def climb(connection: sa.Connection) -> list[str]:
        tables: set[str] = set()
        changes: list[str] = []

        def strict(
            _: Any, __: Any, statement: str, given: Any, ___: Any, ____: Any
        ) -> tuple[str, Any]:
            asked = without_a_copy(statement.strip(), tables)
            if asked != statement.strip():
                changes.append(asked)
            return asked, given

        sa.event.listen(connection, "before_cursor_execute", strict, retval=True)
        for revision in revisions():
            command.upgrade(config(connection), revision)
            tables |= set(sa.inspect(connection).get_table_names())
        return changes

    changes = await sync(url, climb)
    assert any(change.startswith("ALTER TABLE sessions ADD COLUMN scope") for change in changes)


async def test_migrations_make_what_the_code_means(url: str) -> None:
    await MysqlSchema(url).migrate()
    fresh = DATABASES.lend(migrated=False)

    def differences(connection: sa.Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    def make(connection: sa.Connection) -> dict[str, str]:
        connection.exec_driver_sql("SET NAMES utf8mb4")
        metadata.create_all(connection)
        return shape(connection)

    assert await sync(url, differences) == []
    database = sa.make_url(fresh).database
    await query(fresh, f"ALTER DATABASE {database} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    meant, made = await sync(fresh, make), await sync(url, shape)
    assert meant.keys() == made.keys()
    for name, text in meant.items():
        assert sorted(_parts(made[name])) == sorted(_parts(text)), name


def _parts(create: str) -> list[str]:
    """The columns, keys and constraints of a table, in any order."""
    lines = create.partition("(\n")[2].rpartition("\n)")[0].split("\n")
    return [line.strip().rstrip(",") for line in lines]


async def test_text_is_utf8_and_compared_byte_by_byte_whatever_the_server_prefers(
    migrated: str,
) -> None:
    collations = await query(
        migrated,
        "SELECT DISTINCT character_set_name, collation_name FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND collation_name IS NOT NULL "
        "AND table_name <> 'alembic_version'",
    )
    assert collations == [("utf8mb4", "utf8mb4_bin")]
    times = await query(
        migrated,
        "SELECT DISTINCT column_type FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND data_type IN ('datetime', 'timestamp')",
    )
    assert times == [("datetime(6)",)]


async def test_migrating_twice_changes_nothing(url: str) -> None:
    ours = MysqlSchema(url)
    assert await ours.problem() == "The database is empty; run `shop migrate`."
    assert await ours.migrate()
    assert not await ours.migrate()
    assert await ours.problem() is None


@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.2, 0.3])
async def test_what_was_cut_off_half_way_is_finished(url: str, seconds: float) -> None:
    """A server has no transaction around its DDL; the second run goes on where the first died."""
    first = asyncio.create_task(MysqlSchema(url).migrate())
    await asyncio.wait({first}, timeout=seconds)
    first.cancel()
    await asyncio.wait({first})
    await MysqlSchema(url).migrate()
    whole = DATABASES.lend()
    assert await sync(url, shape) == await sync(whole, shape)
    assert await query(url, "SELECT * FROM catalog_changes") == [(1, 0), (2, 0)]


async def test_every_step_can_be_gone_through_again(url: str) -> None:
    """As after an end between a step and the note that it was made."""
    await MysqlSchema(url).migrate()
    whole = await sync(url, shape)
    for again in ("DELETE FROM alembic_version", "UPDATE alembic_version SET version_num = '0007'"):
        await query(url, again)
        assert await MysqlSchema(url).migrate()
        assert await sync(url, shape) == whole
        assert await query(url, "SELECT * FROM catalog_changes") == [(1, 0), (2, 0)]


async def test_of_two_who_migrate_at_once_one_waits(url: str) -> None:
    done = await asyncio.gather(MysqlSchema(url).migrate(), MysqlSchema(url).migrate())
    assert sorted(done) == [False, True]


async def test_who_waits_too_long_for_another_is_told(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql_schema, "_PATIENCE", 0)

    async def while_held(connection: Any) -> None:
        name = mysql_schema.lock_of(sa.make_url(url).database or "")
        await connection.execute(sa.text("SELECT GET_LOCK(:name, 0)"), {"name": name})
        with pytest.raises(Unavailable, match="Another `shop migrate`"):
            await MysqlSchema(url).migrate()

    await on(url, while_held)


async def test_a_table_that_somebody_reads_for_long_is_not_waited_for(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else everybody who wants to buy would stand behind the migration."""
    monkeypatch.setattr(mysql_schema, "_RESTS", (0.1,))
    await sync(url, lambda connection: command.upgrade(config(connection), "0001"))

    async def while_read(connection: Any) -> None:
        await connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        await connection.exec_driver_sql("SELECT * FROM sessions")
        with pytest.raises(Unavailable, match="A table was not to be had"):
            await MysqlSchema(url).migrate()

    async with asyncio.timeout(60):  # a server would wait for a day
        await on(url, while_read)
    assert await MysqlSchema(url).migrate()


async def test_a_table_that_is_free_again_soon_is_had_in_the_end(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql_schema, "_SETTINGS", ("SET SESSION lock_wait_timeout=1",))
    monkeypatch.setattr(mysql_schema, "_RESTS", (1.0,) * 10)
    await sync(url, lambda connection: command.upgrade(config(connection), "0001"))

    async def while_read(connection: Any) -> asyncio.Task[bool]:
        await connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        await connection.exec_driver_sql("SELECT * FROM sessions")
        migrating = asyncio.create_task(MysqlSchema(url).migrate())
        await asyncio.sleep(1.5)  # one try has failed
        assert not migrating.done()
        await connection.exec_driver_sql("ROLLBACK")
        return migrating

    migrating = await on(url, while_read)
    assert await migrating


async def test_an_old_version_serves_on_and_does_not_start_again(migrated: str) -> None:
    """A newer version migrates first, and takes the place of the old one afterwards."""
    serving = MysqlSchema(migrated)
    assert await serving.problem() is None
    await query(migrated, "UPDATE alembic_version SET version_num = '9999'")
    try:
        assert await serving.problem() is None
        with pytest.raises(SchemaNewer, match="newer version"):
            await MysqlSchema(migrated).problem()
        with pytest.raises(SchemaNewer):
            await MysqlSchema(migrated).migrate()
    finally:
        newest = schema.newest()
        await query(migrated, f"UPDATE alembic_version SET version_num = '{newest}'")  # noqa: S608


@pytest.mark.parametrize(
    ("since", "serves"), [("0001", "us"), ("this", "us"), ("9998", "others"), ("", "others")]
)
async def test_a_newer_schema_that_says_it_serves_an_older_version_lets_it_start(
    migrated: str, since: str, serves: str
) -> None:
    """So pods of the old version start while a new one takes over, and after a rollback."""
    newest = schema.newest()
    since = newest.partition("since")[0] if since == "this" else since
    at = f"9999since{since}" if since else "9999"
    await query(migrated, f"UPDATE alembic_version SET version_num = '{at}'")  # noqa: S608
    try:
        if serves == "us":
            assert await MysqlSchema(migrated).problem() is None
            assert not await MysqlSchema(migrated).migrate()
        else:
            with pytest.raises(SchemaNewer):
                await MysqlSchema(migrated).problem()
            with pytest.raises(SchemaNewer):
                await MysqlSchema(migrated).migrate()
        assert await query(migrated, "SELECT version_num FROM alembic_version") == [(at,)]
    finally:
        await query(migrated, f"UPDATE alembic_version SET version_num = '{newest}'")  # noqa: S608


@pytest.mark.parametrize(
    "write",
    [
        "UPDATE variants SET held = on_hand + 1",
        "UPDATE variants SET held = -1",
        "UPDATE variants SET price = -1",
    ],
)
async def test_the_server_itself_refuses_stock_and_money_that_cannot_be(
    migrated: str, write: str
) -> None:
    product = (
        "INSERT INTO products (id, slug, status, title, brand, search_text, currency, "
        "rating_average, rating_count, hsn, tax_basis_points, image, document, card, created_at, "
        "updated_at, version) VALUES (REPEAT('p', 16), 'mug', 'active', 'Mug', '', '', 'INR', 0, "
        "0, '', 0, '', '{}', '', NOW(6), NOW(6), 0)"
    )
    variant = (
        "INSERT INTO variants (id, product_id, variant_key, title, sku, price, currency, on_sale, "
        "position, document, on_hand, held) VALUES (REPEAT('v', 16), REPEAT('p', 16), "
        "REPEAT('k', 32), '', 'MUG', 100, 'INR', 1, 0, '{}', 5, 5)"
    )
    await query(migrated, product)
    await query(migrated, variant)
    with pytest.raises(Exception, match=r"(?i)constraint"):
        await query(migrated, write)
    assert await query(migrated, "SELECT on_hand, held, price FROM variants") == [(5, 5, 100)]
