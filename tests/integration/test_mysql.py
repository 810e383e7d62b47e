"""What only a server can do to a shop: vanish in the middle of a COMMIT, restart, and be shared."""

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from asyncmy.connection import Connection
from dishka import AsyncContainer
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from shop.adapters.sql import mysql
from shop.adapters.sql.conn import Conn, Hot
from shop.adapters.sql.database import insistently
from shop.adapters.sql.mysql import MysqlDatabase
from shop.adapters.sql.mysql_backup import MysqlBackup, option_file
from shop.adapters.sql.mysql_checkup import MysqlCheckup
from shop.adapters.sql.mysql_schema import MysqlSchema
from shop.adapters.sql.tables import carts, leases
from shop.core.checkout.audit import Audit
from shop.core.checkout.cancellation import Cancellation
from shop.core.checkout.carts import AddItem
from shop.core.checkout.once import Attempt
from shop.core.checkout.replies import Placed
from shop.core.checkout.service import Checkout
from shop.core.kernel.access import Caller, person_name
from shop.core.kernel.errors import Invalid, StaleWrite, Unauthenticated, Unavailable
from shop.core.kernel.ids import OrderId, RefundId, UserId, VariantId
from shop.core.kernel.money import Money
from shop.core.orders.model import PaymentMethod
from shop.core.payments.model import Refund
from shop.core.users.model import EmailAddress, User
from shop.ports.cart import Carts
from shop.ports.checkup import Unwell
from shop.ports.idempotency import IdempotencyKey
from shop.ports.mail import Emails
from shop.ports.notifications import Letter, Post
from shop.ports.outbox import Outbox
from shop.ports.payments import Payments, Refunds
from shop.ports.privacy import Erasing, PersonalReads
from shop.ports.sandbox import SandboxBooks, SandboxHook, SandboxLink
from shop.ports.system import Ids
from shop.ports.uow import UnitOfWork
from shop.ports.users import Users
from tests.kit.buying import a_cart, an_order_for, ask_carts, check_out
from tests.kit.certificates import Certificate
from tests.kit.containers import running, settings_for
from tests.kit.databases import DATABASES, on, query
from tests.kit.goods import on_shelf, stocked
from tests.kit.orders import an_order, staff, using
from tests.kit.servers import MYSQL, Process

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
_INSERT = Hot(leases.insert())
_UPDATE = Hot(
    leases.update()
    .values(holder=sa.bindparam("new_holder"), until=sa.bindparam("new_until"))
    .where(leases.c.name == sa.bindparam("whose"))
)
_ALL = Hot(sa.select(leases.c.name, leases.c.holder, leases.c.until).order_by(leases.c.name))


@pytest.fixture
def url() -> str:
    return DATABASES.lend()


@pytest.fixture
def server() -> Iterator[Process]:
    """The run's own server, which a test may kill; it runs again afterwards."""
    MYSQL.wanted()
    if MYSQL.process is None:
        pytest.skip("TEST_DATABASE_URL names a server that is not ours to kill.")
    yield MYSQL.process
    MYSQL.process.kill()
    MYSQL.process.start()


class _Ids(Ids):
    def __init__(self) -> None:
        self.made = 0

    def new(self) -> UUID:
        self.made += 1
        return UUID(int=(1 << 120) + self.made)

    def secret(self, size: int = 32) -> bytes:
        return b"s" * size


@asynccontextmanager
async def database_at(url: str, pool: int = 4, patience: float = 2) -> AsyncIterator[MysqlDatabase]:
    database = MysqlDatabase(url, _Ids(), pool=pool, patience=patience)
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
async def database(url: str) -> AsyncIterator[MysqlDatabase]:
    async with database_at(url) as database:
        yield database


async def put(conn: Conn, *names: str) -> int:
    return await conn.many(_INSERT, [(name, "me", conn.moment(NOON)) for name in names])


async def names(database: MysqlDatabase) -> list[str]:
    return [row[0] for row in await database.read(lambda conn: conn.fetch(_ALL))]


# --- batches -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bulk", [True, False])
async def test_a_batch_counts_the_rows_it_touched(
    database: MysqlDatabase, monkeypatch: pytest.MonkeyPatch, *, bulk: bool
) -> None:
    """Also as MySQL takes it, which has no message for many rows."""
    if not bulk:
        monkeypatch.setattr(mysql._Conn, "_takes_all_at_once", False)  # noqa: SLF001
    many = [f"name-{number:04}" for number in range(450)]
    async with database.unit() as conn:
        assert await put(conn, *many) == 450
    moment = NOON.replace(hour=13, tzinfo=None)
    async with database.unit() as conn:
        rows = [(f"it's 100% {n} \\ üñ", moment, name) for n, name in enumerate([*many, "none"])]
        assert await conn.many(_UPDATE, rows) == 450
        # Rows that match are counted, whether or not they change.
        assert await conn.many(_UPDATE, rows) == 450
    found = await database.read(lambda conn: conn.fetch(_ALL))
    assert [row[1] for row in found] == [row[0] for row in rows[:-1]]


async def test_a_column_that_is_empty_in_all_rows_is_still_a_batch(
    database: MysqlDatabase,
) -> None:
    insert = Hot(carts.insert())
    moment = NOON.replace(tzinfo=None)

    def row(number: int, coupon: str | None) -> tuple[Any, ...]:
        return f"owner-{number}", number.to_bytes(16), "[]", coupon, moment, 0

    async with database.unit() as conn:
        assert await conn.many(insert, [row(1, None), row(2, None)]) == 2
        assert await conn.many(insert, [row(3, None), row(4, "SAVE")]) == 2
    coupons = sa.select(carts.c.coupon).order_by(carts.c.owner)
    found = await database.read(lambda conn: conn.rows(coupons))
    assert [one.coupon for one in found] == [None, None, None, "SAVE"]


# --- the outcome of a COMMIT -------------------------------------------------------------------


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_commit_without_an_answer_is_looked_up(
    database: MysqlDatabase, monkeypatch: pytest.MonkeyPatch, *, arrived: bool
) -> None:
    """The connection breaks just after the server has done it, or just before it hears of it."""
    real = Connection.commit

    async def torn(self: Any) -> None:
        if arrived:
            await real(self)
        self.close()
        raise ConnectionResetError

    told: list[str] = []
    database.on_commit(lambda: told.append("committed"))

    async def work() -> None:
        async with database.unit() as conn:
            await put(conn, "lease")
            monkeypatch.setattr(Connection, "commit", torn)

    if arrived:
        await work()
        assert told == ["committed"]
        assert await names(database) == ["lease"]
    else:
        with pytest.raises(StaleWrite):
            await work()
        assert told == []
        assert await names(database) == []


async def test_marks_of_units_are_dropped_after_a_while(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql, "_MARKS_DROPPED", 8)
    monkeypatch.setattr(mysql, "_MARKS_KEPT", 0)
    async with database_at(url, pool=1) as database:
        for _ in range(16):
            async with database.unit():
                pass
    assert await query(url, "SELECT COUNT(*) FROM units") == [(1,)]


# --- lost races --------------------------------------------------------------------------------


async def test_a_deadlock_undoes_one_of_the_two_and_is_tried_again(
    database: MysqlDatabase,
) -> None:
    async with database.unit() as conn:
        await put(conn, "a", "b")
    both = asyncio.Barrier(2)
    lost: list[str] = []

    def taking(first: str, second: str) -> Any:
        tries = 0

        async def take() -> None:
            nonlocal tries
            tries += 1
            async with database.unit() as conn:
                moment = conn.moment(NOON)
                await conn.many(_UPDATE, [(first + second, moment, first)])
                if tries == 1:
                    await both.wait()
                else:
                    lost.append(first)
                await conn.many(_UPDATE, [(first + second, moment, second)])

        return take

    async with asyncio.timeout(20):
        await asyncio.gather(
            insistently(database, taking("a", "b")), insistently(database, taking("b", "a"))
        )
    assert len(lost) == 1
    found = await database.read(lambda conn: conn.fetch(_ALL))
    assert len({row[1] for row in found}) == 1


async def test_a_query_sees_one_state_from_its_first_statement_to_its_last(
    database: MysqlDatabase,
) -> None:
    async def look(conn: Conn) -> tuple[int, int]:
        before = await conn.fetch(_ALL)
        async with database.unit() as writer:
            await put(writer, "late")
        return len(before), len(await conn.fetch(_ALL))

    assert await database.read(look) == (0, 0)
    assert await names(database) == ["late"]


async def test_a_query_cannot_write(database: MysqlDatabase) -> None:
    with pytest.raises(Unavailable):
        await database.read(lambda conn: put(conn, "never"))
    assert await names(database) == []


async def test_who_waits_too_long_for_a_connection_is_told(url: str) -> None:
    async with database_at(url, pool=1, patience=0.05) as database, database.unit() as conn:
        await put(conn, "lease")
        with pytest.raises(Unavailable):
            async with database.unit():
                pass
    async with database_at(url) as other:
        assert await names(other) == ["lease"]


async def test_a_cancelled_unit_leaves_nothing_behind(url: str) -> None:
    async with database_at(url, pool=1) as database:
        begun = asyncio.Event()

        async def work() -> None:
            async with database.unit() as conn:
                await put(conn, "lease")
                begun.set()
                await conn.rows(sa.text("SELECT SLEEP(20)"))

        task = asyncio.create_task(work())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await names(database) == []
        async with database.unit() as conn:
            await put(conn, "lease")


# --- a server that goes away -------------------------------------------------------------------


async def test_after_a_restart_the_first_unit_and_the_first_query_succeed(
    server: Process, database: MysqlDatabase
) -> None:
    """Each pool is full of connections that died."""

    async def one(number: int, gate: asyncio.Barrier) -> None:
        async with database.unit() as conn:
            await gate.wait()
            await put(conn, f"name-{number}")

    gate = asyncio.Barrier(4)
    await asyncio.gather(*(one(number, gate) for number in range(4)))
    await asyncio.gather(*(names(database) for _ in range(4)))
    server.kill()
    server.start()
    assert len(await names(database)) == 4
    async with database.unit() as conn:
        await put(conn, "later")
    assert len(await names(database)) == 5


async def test_a_server_that_is_down_is_unavailable_and_comes_back(
    server: Process, database: MysqlDatabase
) -> None:
    async with database.unit() as conn:
        await put(conn, "before")
    server.kill()
    with pytest.raises(Unavailable):
        await names(database)
    with pytest.raises(Unavailable):
        async with database.unit():
            pass
    server.start()
    assert await names(database) == ["before"]


async def test_a_server_that_takes_a_connection_and_then_says_nothing_is_not_waited_for(
    server: Process, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql, "_CONNECT", 0.2)
    async with database_at(url) as database:
        server.pause()
        try:
            async with asyncio.timeout(10):
                with pytest.raises(Unavailable):
                    await names(database)
                with pytest.raises(Unavailable):
                    async with database.unit():
                        pass
        finally:
            server.resume()
        monkeypatch.undo()
        assert await names(database) == []


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture
def offers_tls(url: str) -> tuple[str, Path]:
    """A database whose server has a certificate for 127.0.0.1, and who signed that."""
    if MYSQL.process is None:
        pytest.skip("TEST_DATABASE_URL names a server whose certificate is not ours.")
    return url, MYSQL.process.folder / "ca.pem"


def behind(url: str, **changes: Any) -> str:
    query = {name: changes.pop(name) for name in list(changes) if name.startswith("ssl")}
    return sa.make_url(url).set(query=query, **changes).render_as_string(hide_password=False)


async def test_a_connection_is_encrypted_when_that_is_asked_for(
    offers_tls: tuple[str, Path],
) -> None:
    url, ca = offers_tls
    async with database_at(behind(url, ssl_ca=str(ca))) as database:
        status = sa.text("SHOW SESSION STATUS LIKE 'Ssl_version'")
        [(_, version)] = await database.read(lambda conn: conn.rows(status))
        assert version.startswith("TLSv1.")
        async with database.unit() as conn:
            await put(conn, *(f"name-{number:03}" for number in range(300)))
        assert len(await names(database)) == 300
    said = await MysqlCheckup(behind(url, ssl_ca=str(ca))).examine()
    assert f" with {version}, schema" in said
    assert " without TLS, schema" in await MysqlCheckup(url).examine()


async def test_the_certificate_and_its_name_are_checked(
    offers_tls: tuple[str, Path], tmp_path: Path
) -> None:
    """Also with a certificate of our own only, where the driver by itself would check nothing."""
    url, ca = offers_tls
    stranger = Certificate(tmp_path, "127.0.0.1")
    for given, why in (
        ({"ssl_ca": str(ca), "host": "localhost"}, "Hostname mismatch"),
        ({"ssl_ca": str(stranger.ca)}, "certificate signature failure"),
        ({"ssl_cert": str(stranger.both)}, "self-signed certificate"),
        ({"ssl": "true"}, "self-signed certificate"),
    ):
        there = behind(url, **given)
        with pytest.raises(Unwell) as found:
            await MysqlCheckup(there).examine()
        assert f"is refused ({why}" in found.value.wrong
        assert "ssl_ca in SHOP_DATABASE_URL" in found.value.cure
        with pytest.raises(Unavailable, match="is refused"):
            await MysqlSchema(there).problem()
        async with database_at(there) as database:
            with pytest.raises(Unavailable):
                await names(database)
    known_by_its_key = behind(url, ssl_ca=str(ca), ssl_check_hostname="false", host="localhost")
    async with database_at(known_by_its_key) as database:
        assert await names(database) == []


async def test_a_server_that_wants_tls_says_so_and_is_understood(
    offers_tls: tuple[str, Path],
) -> None:
    url, ca = offers_tls
    encrypted = behind(url, ssl_ca=str(ca))
    await query(encrypted, "SET GLOBAL require_secure_transport=ON")
    try:
        with pytest.raises(Unwell, match=r"TLS.*\?ssl=true"):
            await MysqlCheckup(url).examine()
        assert "schema" in await MysqlCheckup(encrypted).examine()
    finally:
        await query(encrypted, "SET GLOBAL require_secure_transport=OFF")


async def test_without_tls_on_the_other_side_nothing_is_sent_in_the_clear(
    url: str, offers_tls: tuple[str, Path]
) -> None:
    """It greets as the server does, and answers the wish for TLS with an error."""
    _, ca = offers_tls
    where = sa.make_url(url)
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection(where.host, where.port)
        writer.write(await theirs.read(200))
        ours.close()
        heard.append(await reader.read(4096))
        writer.write(b"\x18\0\0\x02\xff\x13\x04#08S01Bad handshake...")
        heard.append(await reader.read(4096))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as stub:
        port = stub.sockets[0].getsockname()[1]
        with pytest.raises(Unwell, match="does not speak TLS as we do"):
            await MysqlCheckup(behind(url, port=port, ssl_ca=str(ca))).examine()
    assert not any((where.username or "").encode() in one for one in heard)


async def test_a_backup_goes_over_tls_as_well(offers_tls: tuple[str, Path], tmp_path: Path) -> None:
    url, ca = offers_tls
    blocks: list[bytes] = []
    await MysqlBackup(behind(url, ssl_ca=str(ca))).dump(blocks.append)
    assert b"CREATE TABLE `orders`" in b"".join(blocks)
    stranger = option_file(
        sa.make_url(behind(url, ssl_ca=str(Certificate(tmp_path, "127.0.0.1").ca)))
    )
    (tmp_path / "client.cnf").write_text(stranger)
    program = shutil.which("mariadb-dump") or shutil.which("mysqldump") or ""
    done = await asyncio.create_subprocess_exec(
        program,
        f"--defaults-file={tmp_path / 'client.cnf'}",
        str(sa.make_url(url).database),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await done.communicate()
    assert done.returncode
    assert b"TLS/SSL error" in said or b"SSL connection error" in said


@pytest.mark.parametrize(
    ("query", "checks"),
    [("", "0"), ("?ssl=true", "1"), ("?ssl=true&ssl_check_hostname=false", "0")],
)
def test_the_dump_checks_the_certificate_where_the_shop_does(query: str, checks: str) -> None:
    told = option_file(sa.make_url(f"mysql://shop:word@db/shop{query}"))
    assert f'loose-ssl-verify-server-cert="{checks}"\n' in told


async def test_a_certificate_that_cannot_be_used_is_one_line(url: str, tmp_path: Path) -> None:
    for file in ("none.pem", "text.pem"):
        (tmp_path / "text.pem").write_text("no certificate")
        with pytest.raises(Invalid, match=r"SHOP_DATABASE_URL .* cannot be used \("):
            MysqlDatabase(behind(url, ssl_ca=str(tmp_path / file)), _Ids(), pool=1, patience=1)


# --- the doctor ---------------------------------------------------------------------------------


async def test_the_doctor_says_what_was_found(url: str) -> None:
    assert "schema" in await MysqlCheckup(url).examine()


@pytest.mark.parametrize(
    ("changes", "wrong", "cure"),
    [
        ({"username": "stranger", "password": "word"}, "refuses the user stranger", "password"),
        ({"database": "shop_test_none"}, "no database shop_test_none", "create it"),
        ({"port": 1}, ":1 cannot be reached", "server runs"),
    ],
)
async def test_the_doctor_says_what_is_wrong_and_what_to_do(
    url: str, changes: dict[str, Any], wrong: str, cure: str
) -> None:
    there = sa.make_url(url).set(**changes).render_as_string(hide_password=False)
    with pytest.raises(Unwell) as found:
        await MysqlCheckup(there).examine()
    assert wrong in found.value.wrong
    assert cure in found.value.cure
    assert "word@" not in str(found.value)


async def test_a_user_with_rights_to_its_own_database_alone_is_enough() -> None:
    """As docs/servers.md and compose.yaml make it. Some settings are for administrators only."""
    where = sa.make_url(DATABASES.lend(migrated=False))
    server, user = MYSQL.wanted(), f"own{os.getpid()}"
    await query(server, f"CREATE USER {user}@'%' IDENTIFIED BY 'word'")
    try:
        await query(server, f"GRANT ALL ON {where.database}.* TO {user}@'%'")
        theirs = where.set(username=user, password="word").render_as_string(hide_password=False)
        assert await MysqlSchema(theirs).migrate()
        assert "schema" in await MysqlCheckup(theirs).examine()
    finally:
        await query(server, f"DROP USER {user}@'%'")


async def test_a_row_that_is_there_already_is_neither_asked_about_nor_logged(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def twice(connection: AsyncConnection) -> str:
        for _ in range(2):
            await connection.execute(
                leases.insert().prefix_with("IGNORE").values(name="a", holder="b", until=NOON)
            )
        asked = await connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Com_show_warnings'")
        return str(asked.scalars(1).one())

    assert await on(url, twice) == "0"
    assert "Duplicate" not in caplog.text


async def test_the_doctor_finds_a_database_without_its_schema() -> None:
    with pytest.raises(Unwell, match="run `shop migrate`"):
        await MysqlCheckup(DATABASES.lend(migrated=False)).examine()


# --- replicas ----------------------------------------------------------------------------------


async def test_an_old_cart_that_is_in_somebodys_hands_is_not_dropped(tmp_path: Path) -> None:
    async with running(settings_for("mysql", tmp_path)) as shop:
        [variant] = await stocked(shop, 5)
        for owner in ("cart:1", "cart:2"):
            await a_cart(shop, owner, (variant, 1))
        later = NOON.replace(year=2031)
        async with shop() as busy, shop() as tidying:
            uow, mine = await busy.get(UnitOfWork), await busy.get(Carts)
            async with uow.begin():
                await mine.save([(await mine.find(["cart:1"]))["cart:1"].emptied(later)])
                async with (await tidying.get(UnitOfWork)).begin():
                    assert await (await tidying.get(Carts)).forget(later, 10) == 1
        async with shop() as scope, (await scope.get(UnitOfWork)).begin():
            assert set(await (await scope.get(Carts)).find(["cart:1", "cart:2"])) == {"cart:1"}


async def test_a_cart_waits_for_the_deletion_of_its_account(tmp_path: Path) -> None:
    async with running(settings_for("mysql", tmp_path)) as shop:
        [variant] = await stocked(shop, 5)
        me = UserId((await shop.get(Ids)).new())
        asha = User(
            id=me,
            email=EmailAddress("asha@example.com", "asha@example.com"),
            name="Asha",
            password_hash=None,
            created_at=NOON,
        )
        async with shop() as scope, (await scope.get(UnitOfWork)).begin():
            await (await scope.get(Users)).add(asha)
        add = AddItem(owner=person_name(me), variant_id=variant, quantity=1)
        async with shop() as scope, (await scope.get(UnitOfWork)).begin():
            await (await scope.get(Users)).get(me)
            erasing = await scope.get(Erasing)
            await erasing.traces(me, [])
            adding = asyncio.create_task(ask_carts(shop, add))
            await asyncio.wait({adding}, timeout=0.3)
            await erasing.account(me)
        [refused] = await adding
        assert isinstance(refused, Unauthenticated)
        assert await (await shop.get(PersonalReads)).cart(me) is None


async def test_two_who_take_work_at_once_get_some_each_and_wait_for_nobody(
    tmp_path: Path,
) -> None:
    """The second one takes while the first has not committed yet. Who waited for a lock would be
    refused after five seconds, for it is not let go before."""
    async with running(settings_for("mysql", tmp_path)) as shop:
        due, until = NOON + timedelta(hours=1), NOON + timedelta(hours=2)
        await _work(shop, 6)
        takes: list[tuple[type[Any], str]] = [
            (Emails, "take_due"),
            (Refunds, "take_due"),
            (Payments, "take_to_check"),
        ]
        for port, method in takes:
            async with shop() as one, shop() as other:
                mine, theirs = await one.get(port), await other.get(port)
                async with (await one.get(UnitOfWork)).begin():
                    first = await getattr(mine, method)(due, until, 2)
                    async with (await other.get(UnitOfWork)).begin():
                        second = await getattr(theirs, method)(due, until, 3)
                    third = await getattr(mine, method)(due, until, 9)
            assert [len(first), len(second), len(third)] == [2, 3, 1]
            assert len({row.id for row in (*first, *second, *third)}) == 6


async def test_webhooks_of_the_sandbox_are_shared_among_those_who_deliver(tmp_path: Path) -> None:
    async with running(settings_for("mysql", tmp_path)) as shop:
        books = await shop.get(SandboxBooks)
        hooks = [SandboxHook(id=f"evt_{n}", body=b"{}", next_try_at=NOON) for n in range(40)]
        link = SandboxLink(
            id="plink_1",
            reference="r",
            amount=Money(1, "INR"),
            callback_url="",
            description="",
            expires_at=NOON,
        )
        await books.put(link, hooks)
        until = NOON + timedelta(seconds=10)
        taken = await asyncio.gather(*(books.take_due(NOON, until, 8) for _ in range(4)))
        names = [hook.id for some in taken for hook in some]
        assert len(set(names)) == len(names)
        rest = await books.take_due(NOON, until, 40)
        assert {*names, *(hook.id for hook in rest)} == {hook.id for hook in hooks}
        await books.sent([], [replace(rest[0], attempts=1, next_try_at=NOON)])
        assert await books.take_due(NOON, until, 40) == [
            replace(rest[0], attempts=1, next_try_at=until)
        ]


async def _work(shop: AsyncContainer, number: int) -> None:
    """So many mails, payments to look after and refunds, all due."""
    [variant] = await stocked(shop, 100)
    ids = await shop.get(Ids)
    for count in range(number):
        owner = f"cart:{count}"
        await a_cart(shop, owner, (variant, 1))
        [placed] = await check_out(shop, an_order_for(owner, key=f"key-{count}"))
        assert isinstance(placed, Placed)
        async with shop() as scope, (await scope.get(UnitOfWork)).begin():
            payments = await scope.get(Payments)
            [payment] = (await payments.of_orders([placed.order_id]))[placed.order_id]
            refund = Refund(
                id=RefundId(ids.new()),
                payment_id=payment.id,
                order_id=payment.order_id,
                amount=payment.amount,
                reason="",
                requested_at=NOON,
                next_try_at=NOON,
            )
            await (await scope.get(Refunds)).add([refund])
            await (await scope.get(Post)).queue(
                Letter(
                    dedupe=f"test:{count}",
                    to="a@example.com",
                    template="password-changed",
                    data={"name": "A."},
                )
            )


async def test_two_processes_never_sell_more_than_there_is(tmp_path: Path) -> None:
    """Two containers share nothing but the database, as two processes do."""
    settings = settings_for("mysql", tmp_path)
    async with running(settings) as one, running(settings) as other:
        [variant] = await stocked(one, 5)
        sold = await asyncio.gather(
            *(_buy(shop, variant, number) for number in range(25) for shop in (one, other))
        )
        assert sum(sold) == 5
        assert await on_shelf(other, variant) == (5, 5)
        async with other() as scope:
            report = await (await scope.get(Audit)).run()
        assert report.findings == []
        waiting = await (await other.get(Outbox)).oldest(500)
        assert len({event.id for event in waiting}) == len(waiting) >= 5


async def test_cash_sales_of_one_product_wait_for_each_other_in_no_circle(tmp_path: Path) -> None:
    """A line of the ledger holds on to its variant: it has to be written after the stock."""
    settings = settings_for("mysql", tmp_path)
    async with running(settings) as shop:
        [variant] = await stocked(shop, 1000)
        for turn in range(8):
            sides = [[f"cart:{turn}-{side}-{n}" for n in range(4)] for side in "ab"]
            for owner in itertools.chain(*sides):
                await a_cart(shop, owner, (variant, 1))
            cash = PaymentMethod.COD
            orders = [
                [an_order_for(one, key=one, payment_method=cash) for one in side] for side in sides
            ]
            answers = await asyncio.gather(*(check_out(shop, *side) for side in orders))
            assert all(isinstance(one, Placed) for one in itertools.chain(*answers))
        assert await on_shelf(shop, variant) == (1000 - 64, 0)


async def test_the_order_of_a_twin_elsewhere_is_the_answer_to_what_was_late(
    tmp_path: Path,
) -> None:
    """The twin empties the cart between our look at the keys and our look at the carts."""
    settings = settings_for("mysql", tmp_path)
    async with running(settings) as one, running(settings) as other:
        [variant] = await stocked(one, 5)
        await a_cart(one, "cart:1", (variant, 1))
        command = an_order_for("cart:1")
        first: list[Any] = []
        async with one() as scope:
            checkout, carts = await scope.get(Checkout), await scope.get(Carts)
            find = carts.find

            async def late(owners: Any) -> Any:
                first.extend(await check_out(other, command))
                return await find(owners)

            carts.find = late
            [answer] = await checkout.place_all([command])
        assert isinstance(first[0], Placed)
        assert isinstance(answer, Placed)
        assert (answer.body, answer.replayed) == (first[0].body, True)


async def test_twins_of_a_step_get_one_answer(tmp_path: Path) -> None:
    """Who waits for the order that its twin has locked must not judge by what it saw before."""
    settings = settings_for("mysql", tmp_path)
    async with running(settings) as one, running(settings) as other:
        [variant] = await stocked(one, 50)
        caller = staff(await one.get(Ids))
        for turn in range(6):
            order = (await an_order(one, variant, 1, payment_method=PaymentMethod.COD)).order
            key = IdempotencyKey(f"key-{turn}", caller.name)
            attempt = Attempt(key=key, digest=b"d" * 32)
            answers = await asyncio.gather(
                *(_cancel(shop, caller, order.id, attempt) for shop in (one, other))
            )
            assert sorted(answers) == [(b"done", False), (b"done", True)]


async def _cancel(
    shop: AsyncContainer, caller: Caller, order_id: OrderId, attempt: Attempt
) -> tuple[bytes, bool]:
    async with using(shop, Cancellation) as cancellation:
        return await cancellation.by_staff(caller, order_id, "", lambda *_: b"done", attempt)


async def _buy(shop: AsyncContainer, variant: VariantId, number: int) -> bool:
    """One buyer, who comes again while others are quicker."""
    token = (await shop.get(Ids)).secret().hex()
    owner = f"cart:{token}"
    for _ in range(40):
        try:
            await a_cart(shop, owner, (variant, 1))
        except AssertionError:
            return False  # sold out before it was in the cart
        try:
            [placed] = await check_out(shop, an_order_for(owner, key=f"{number}-{token}"))
        except StaleWrite:
            await asyncio.sleep(0.01)
            continue
        return isinstance(placed, Placed)
    raise AssertionError("Always too late.")
