"""`shop backup` and `shop restore` of the real binary, on a file and on a server."""

import os
import re
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.kit.databases import DATABASES
from tests.kit.process import Purchase, Running, Shop, ask, filled, until, variant_of
from tests.kit.servers import MYSQL, start_mariadb

KEY = "Zt8w2Qm4Lr6Xp0Vn1Hs3Kd5Bf7Gj9CyEu"
ENVIRON = {"SHOP_BACKUP_KEY": KEY}
PNG = b"\x89PNG not really"


@pytest.fixture(params=["sqlite", "mysql"])
def kind(request: Any) -> str:
    name: str = request.param
    return name


def a_shop(folder: Path, kind: str) -> Shop:
    """With goods and a picture."""
    server = DATABASES.lend() if kind == "mysql" else ""
    filled(folder, server)
    shop = Shop(folder, **ENVIRON, **({"SHOP_DATABASE_URL": server} if server else {}))
    picture = shop.data / "media" / "ab" / "ab12.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(PNG)
    return shop


def nowhere(folder: Path, kind: str) -> Shop:
    """An empty folder, and an empty database on a server."""
    server = {"SHOP_DATABASE_URL": DATABASES.lend(migrated=False)} if kind == "mysql" else {}
    return Shop(folder, **ENVIRON, **server)


def taken(shop: Shop, folder: Path) -> Path:
    """A backup; the folder has nothing else."""
    done = shop.command("backup", folder)
    assert done.returncode == 0, done.stderr
    [file] = folder.iterdir()
    assert str(file) in done.stdout
    return file


def tables(shop: Shop) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""
    if shop.server:
        names = [name for (name,) in shop.rows("SHOW TABLES")]
    else:
        found = shop.rows(
            "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'"
        )
        names = [name for (name,) in found]
    return {name: sorted(shop.rows(f"SELECT * FROM {name}"), key=repr) for name in names}  # noqa: S608


@contextmanager
def buyers(shop: Shop, bought: list[Purchase]) -> Iterator[Running]:
    """Orders are placed and paid all the time."""
    running = shop.run()
    stop = threading.Event()
    failed: list[BaseException] = []

    def buy() -> None:
        client = shop.client()
        mug = variant_of(client)["id"]
        try:
            while not stop.is_set():
                one = Purchase(mug, f"{threading.get_ident()}-after-{len(bought)}")
                one.whole(client)
                bought.append(one)
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    threads = [threading.Thread(target=buy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: failed or len(bought) > 5)
        yield running
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failed, failed[0]


def begun_after(one: Purchase) -> int:
    """How many others had been bought by then."""
    return int(one.email.partition("@")[0].rpartition("-")[2])


def test_a_backup_under_load_is_one_moment_of_the_shop(tmp_path: Path, kind: str) -> None:
    bought: list[Purchase] = []
    with a_shop(tmp_path / "a", kind) as shop, nowhere(tmp_path / "b", kind) as second:
        with buyers(shop, bought):
            before = len(bought)
            file = taken(shop, tmp_path / "backups")
            after = len(bought)
            until(lambda: len(bought) > after + 2)
        done = second.command("restore", file)
        assert done.returncode == 0, done.stderr
        assert "1 pictures" in done.stdout
        assert "shop audit" in done.stdout
        checked = second.command("audit")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        paid = {number for (number,) in second.rows("SELECT number FROM orders")}
        assert {one.number for one in bought[:before]} <= paid
        later = {one.number for one in bought if begun_after(one) > after}
        assert later
        assert not later & paid
        for table in ("order_lines", "products", "users"):
            assert set(tables(second)[table]) <= set(tables(shop)[table])
        with second.client() as client:
            second.run()
            assert bought[0].order(client)["status"] == "confirmed"
            one_more = Purchase(variant_of(client)["id"], "after")
            one_more.whole(client)


def test_what_was_destroyed_comes_back_row_by_row(tmp_path: Path, kind: str) -> None:
    bought: list[Purchase] = []
    with a_shop(tmp_path / "a", kind) as shop, nowhere(tmp_path / "b", kind) as second:
        with buyers(shop, bought) as running:
            pass
        running.stop()
        before = tables(shop)
        file = taken(shop, tmp_path / "backups")
        shutil.rmtree(shop.data)
        done = second.command("restore", file)
        assert done.returncode == 0, done.stderr
        after = tables(second)
        assert len(after["orders"]) == len(bought)
        assert after == before
        assert (second.data / "media" / "ab" / "ab12.png").read_bytes() == PNG
        assert second.command("migrate").stdout.startswith("The database is up to date.")


def test_nothing_is_touched_by_a_damaged_backup_or_a_wrong_key(tmp_path: Path, kind: str) -> None:
    with a_shop(tmp_path / "a", kind) as shop, nowhere(tmp_path / "b", kind) as second:
        file = taken(shop, tmp_path / "backups")
        body = file.read_bytes()
        flipped = bytearray(body)
        flipped[len(body) // 2] ^= 1
        for wrong in (body[:-1], body[: len(body) // 2], bytes(flipped)):
            damaged = tmp_path / "damaged"
            damaged.write_bytes(wrong)
            done = second.command("restore", damaged)
            assert done.returncode == 1
            assert "is damaged or cut off" in done.stderr
        for wrong in (b"", body[:20], b"PK\x03\x04 something else"):
            damaged.write_bytes(wrong)
            done = second.command("restore", damaged)
            assert (done.returncode, done.stderr) == (
                1,
                f"shop: {damaged}: is no backup of a shop.\n",
            )
        done = second.command("restore", file, SHOP_BACKUP_KEY=KEY.swapcase())
        assert done.returncode == 1
        assert "is another key" in done.stderr
        assert KEY not in done.stderr
        assert [one.name for one in second.data.iterdir()] == ["backup.lock"]
        assert not second.server or tables(second) == {}


def test_a_place_that_is_not_empty_is_left_as_it_is(tmp_path: Path, kind: str) -> None:
    with a_shop(tmp_path / "a", kind) as shop, nowhere(tmp_path / "b", kind) as second:
        file = taken(shop, tmp_path / "backups")
        before = tables(shop)
        done = shop.command("restore", file)
        assert done.returncode == 1
        assert "restore into an empty" in done.stderr
        assert tables(shop) == before
        picture = second.data / "media" / "cd" / "cd34.png"
        picture.parent.mkdir(parents=True)
        picture.write_bytes(b"another")
        done = second.command("restore", file)
        assert done.returncode == 1
        assert "has pictures" in done.stderr
        assert not (second.data / "shop.db").exists()
        assert picture.read_bytes() == b"another"


def test_a_backup_of_a_newer_version_is_refused(tmp_path: Path, kind: str) -> None:
    with a_shop(tmp_path / "a", kind) as shop, nowhere(tmp_path / "b", kind) as second:
        [(real,)] = shop.rows("SELECT version_num FROM alembic_version")
        shop.write("UPDATE alembic_version SET version_num = '9999'")
        file = taken(shop, tmp_path / "backups")
        shop.write("UPDATE alembic_version SET version_num = ?", real)  # lent to others later
        done = second.command("restore", file)
        assert done.returncode == 1
        assert "belongs to a newer version of shop" in done.stderr
        assert not (second.data / "shop.db").exists()


def test_old_backups_go_and_other_files_stay(tmp_path: Path) -> None:
    place = tmp_path / "backups"
    place.mkdir()

    def named(days: float, end: str = "") -> Path:
        moment = datetime.now(UTC) - timedelta(days=days)
        file = place / f"shop-{moment:%Y%m%dT%H%M%SZ}.backup{end}"
        file.touch()
        return file

    old, young = named(31), named(29)
    abandoned, at_work = named(3, ".part"), named(0.5, ".part")
    other = place / "notes-of-2020.txt"
    other.touch()
    with Shop(tmp_path, **ENVIRON) as shop:
        assert shop.command("backup", place).returncode == 1, "there is no database"
        assert old.exists(), "a backup that failed removes none"
        shop.command("demo")
        done = shop.command("backup", place)
        assert "1 older removed." in done.stdout
        assert [one.exists() for one in (old, young, abandoned, at_work, other)] == [
            *(False, True, False, True, True)
        ]
        assert shop.command("backup", place, "--keep-days", "20").returncode == 0
        assert not young.exists()


def test_backups_within_one_second_all_get_a_name(tmp_path: Path) -> None:
    place = tmp_path / "backups"
    place.mkdir()
    with Shop(tmp_path, **ENVIRON) as shop:
        shop.command("demo")
        moments = [datetime.now(UTC) + timedelta(seconds=more) for more in range(5)]
        taken_names = [f"shop-{moment:%Y%m%dT%H%M%SZ}.backup" for moment in moments]
        for name in taken_names:
            (place / name).touch()
        done = shop.command("backup", place)
        assert done.returncode == 0, done.stderr
        assert max(file.name for file in place.iterdir()) not in taken_names
        assert all((place / name).stat().st_size == 0 for name in taken_names)


def test_the_shop_tells_of_the_newest_backup(tmp_path: Path, kind: str) -> None:
    def told(running: Running) -> float:
        text = running.ask("/metrics").text
        [moment] = re.findall(
            r"^shop_backup_last_success_timestamp_seconds (\S+)", text, re.MULTILINE
        )
        return float(moment)

    with a_shop(tmp_path / "a", kind) as shop:
        assert shop.command("backup", tmp_path / "none", SHOP_BACKUP_KEY="short").returncode == 1
        running = shop.run("--role", "consumer")
        assert told(running) == 0
        running.stop()
        file = taken(shop, tmp_path / "backups")
        made = datetime.strptime(file.name, "shop-%Y%m%dT%H%M%SZ.backup").replace(tzinfo=UTC)
        running = shop.run("--role", "consumer")
        until(lambda: told(running) > 0)
        assert made.timestamp() <= told(running) <= datetime.now(UTC).timestamp()


def test_who_may_only_read_makes_a_backup_all_the_same(tmp_path: Path) -> None:
    with a_shop(tmp_path / "a", "mysql") as shop:
        where = sa.make_url(shop.server)
        user = f"r{os.getpid()}"
        ask(shop.server, f"CREATE USER {user}@'%' IDENTIFIED BY '{KEY}'")
        ask(shop.server, f"GRANT SELECT, TRIGGER ON {where.database}.* TO {user}@'%'")
        url = where.set(username=user, password=KEY).render_as_string(hide_password=False)
        done = shop.command("backup", tmp_path / "backups", SHOP_DATABASE_URL=url)
        ask(shop.server, f"DROP USER {user}@'%'")
        assert done.returncode == 0, done.stderr
        assert len(list((tmp_path / "backups").iterdir())) == 1
        [line] = done.stderr.splitlines()
        assert line.startswith("shop: the backup is complete, but the shop was not told of it: ")
        assert KEY not in line


def test_in_production_a_backup_needs_a_key(tmp_path: Path) -> None:
    production = {
        "SHOP_SITE_MODE": "production",
        "SHOP_SITE_URL": "https://shop.example",
        "SHOP_SECURITY_SECRET": KEY,
    }
    with Shop(tmp_path) as shop:
        done = shop.command("backup", **production)
        assert done.returncode == 1
        assert "SHOP_BACKUP_KEY: is required in production" in done.stderr
        weak = shop.command("backup", SHOP_BACKUP_KEY="x" * 40)
        assert "SHOP_BACKUP_KEY: is weak" in weak.stderr


def test_a_damaged_database_makes_no_backup(tmp_path: Path) -> None:
    with Shop(tmp_path, **ENVIRON) as shop:
        shop.command("demo")
        path = shop.data / "shop.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        body = bytearray(path.read_bytes())
        body[len(body) // 2 : len(body) // 2 + 4096] = b"\xff" * 4096
        path.write_bytes(body)
        done = shop.command("backup", tmp_path / "backups")
        assert done.returncode == 1
        assert "damaged" in done.stderr or "malformed" in done.stderr
        assert list((tmp_path / "backups").iterdir()) == []
        assert not list(shop.data.glob("shop.db.*backup*"))


def test_a_server_comes_back_to_the_moment_before_a_mistake(tmp_path: Path) -> None:
    """The drill of docs/backups.md: a backup, then the binary log up to the mistake."""
    MYSQL.wanted()
    if MYSQL.process is None:
        pytest.skip("TEST_DATABASE_URL IS GIVEN: A SERVER WITH A BINARY LOG WAS NOT STARTED.")
    log = tmp_path / "log" / "binlog"
    log.parent.mkdir()
    log.parent.chmod(0o777)
    url, server = start_mariadb(tmp_path, f"--log-bin={log}", "--server-id=1")
    server.start()
    try:
        for name in ("shop", "again"):
            ask(url, f"CREATE DATABASE {name}")
        made = Shop(tmp_path / "m", SHOP_DATABASE_URL=f"{url}shop").command("migrate")
        assert made.returncode == 0, made.stderr
        bought: list[Purchase] = []
        folder = tmp_path / "a"
        filled(folder, f"{url}shop")
        with (
            Shop(folder, SHOP_DATABASE_URL=f"{url}shop", **ENVIRON) as shop,
            Shop(tmp_path / "b", SHOP_DATABASE_URL=f"{url}again", **ENVIRON) as second,
        ):
            with buyers(shop, bought) as running:
                file = taken(shop, tmp_path / "backups")
                before = len(bought)
                until(lambda: len(bought) > before + 5)
            assert running.stop() == 0
            wanted = tables(shop)
            [(last, end, *_)] = ask(url, "SHOW MASTER STATUS")
            shop.write("DELETE FROM order_lines")
            done = second.command("restore", file)
            assert done.returncode == 0, done.stderr
            [(name, begin)] = re.findall(r"log of its server goes on at (\S+):(\d+)\.", done.stdout)
            assert name == last, "one log file is enough here"
            where = sa.make_url(url)
            read = subprocess.run(  # noqa: S603
                [
                    *("mariadb-binlog", "--no-defaults", "--rewrite-db=shop->again"),
                    *(f"--start-position={begin}", f"--stop-position={end}"),
                    str(log.parent / last),
                ],
                capture_output=True,
                check=True,
            )
            client = ("mariadb", "--no-defaults", "-h127.0.0.1", f"-P{where.port}", "-uroot")
            subprocess.run(  # noqa: S603
                [*client, "again"],
                input=read.stdout,
                capture_output=True,
                check=True,
            )
            assert tables(second) == wanted
            checked = second.command("audit")
            assert checked.returncode == 0, checked.stdout + checked.stderr
    finally:
        server.kill()


PASSWORD = "p\"a\\s'#s; %$(e)"


def test_any_password_reaches_the_server_and_no_process_list(tmp_path: Path) -> None:
    server = DATABASES.lend()
    where = sa.make_url(server)
    quoted = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
    user = f"u{os.getpid()}"
    ask(server, f"DROP USER IF EXISTS {user}@'%'")
    ask(server, f"CREATE USER {user}@'%' IDENTIFIED BY '{quoted}'")
    ask(server, f"GRANT ALL ON {where.database}.* TO {user}@'%'")
    url = where.set(username=user, password=PASSWORD).render_as_string(hide_password=False)
    fake = tmp_path / "bin" / "mariadb-dump"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\necho "$@" "$(env)" > {tmp_path}/seen\necho "no luck" >&2\nexit 3\n'
    )
    fake.chmod(0o755)
    with Shop(tmp_path, **ENVIRON) as shop:
        given = tmp_path / "url"
        given.write_text(url)
        environ = {"SHOP_DATABASE_URL_FILE": str(given)}
        done = shop.command("backup", tmp_path / "a", **environ)
        assert done.returncode == 0, done.stderr
        path = f"{fake.parent}:{os.environ['PATH']}"
        done = shop.command("backup", tmp_path / "b", PATH=path, **environ)
        assert (done.returncode, done.stderr) == (1, "shop: mariadb-dump failed: no luck\n")
        assert list((tmp_path / "b").iterdir()) == []
        assert PASSWORD not in (tmp_path / "seen").read_text()
    ask(server, f"DROP USER {user}@'%'")
