"""The shop as an operator meets it: starts, refusals, signals, and commands."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest

from tests.kit.process import (
    CATALOGUE,
    PASSWORD,
    TIMEOUT,
    Purchase,
    Running,
    Shop,
    filled,
    until,
    variant_of,
)

COMMANDS = (
    *("run", "migrate", "demo", "import", "create-admin", "audit", "openapi"),
    *("doctor", "dlq", "dlq list", "dlq replay"),
)
MARKER = "MrkrQ7vX2pLt9Zw4Kd8Rb3Nf6Hs1Jc5Yg0"


@pytest.fixture(scope="module")
def goods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("goods"))


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Shop]:
    with Shop(tmp_path) as shop:
        yield shop


@pytest.fixture
def shop(goods: Path, empty: Shop) -> Shop:
    shutil.copytree(goods, empty.data)
    return empty


def refused(running: Running, *parts: str) -> None:
    """It ended by itself, with one clear line."""
    assert running.ended() not in {0, None}
    said = running.err.splitlines()
    assert len(said) == 1, running.err + running.out
    assert running.out == ""
    for part in parts:
        assert part in said[0]


# --- starts --------------------------------------------------------------------------------------


def test_an_empty_folder_becomes_a_shop_whose_demo_is_loaded_once(empty: Shop) -> None:
    running = empty.run("--demo")
    client = empty.client()
    first = client.get("/api/v1/products?limit=1").json()
    assert first["total"] > 50
    logins = (empty.data / "demo-logins.json").read_bytes()
    assert running.stop() == 0
    state = empty.rows("SELECT * FROM products ORDER BY id")
    again = empty.run("--demo")
    assert "demo" not in again.err
    assert client.get("/api/v1/products?limit=1").json() == first
    assert again.stop() == 0
    assert empty.rows("SELECT * FROM products ORDER BY id") == state
    assert (empty.data / "demo-logins.json").read_bytes() == logins
    assert [event["event"] for event in again.events if event["event"] != "http_request"] == [
        "started",
        "stopped",
    ]


def test_two_roles_on_one_folder_complete_a_purchase(shop: Shop) -> None:
    api, consumer = shop.run("--role", "api"), shop.beside("--role", "consumer")
    client = shop.client()
    bought = Purchase(variant_of(client)["id"], "buyer")
    bought.whole(client)
    assert bought.order(client)["status"] == "confirmed"
    until(lambda: shop.confirmations(bought.number))
    for running, serving in ((api, True), (consumer, False)):
        assert running.ask("/healthz").json() == {"status": "ok"}
        assert running.ask("/readyz").json()["status"] == "ready"
        assert (
            'shop_actor_state{actor="http",state="running"} 1.0' in _metrics(running)
        ) is serving
    assert 'http_route="/api/v1/orders/{order_id}"' in _metrics(api)
    assert 'actor="mailer"' in _metrics(consumer)
    assert (consumer.stop(), api.stop()) == (0, 0)
    assert shop.command("audit").returncode == 0


def _metrics(running: Running) -> str:
    return running.ask("/metrics").text


def test_a_second_server_on_a_folder_or_a_port_is_refused(shop: Shop) -> None:
    first = shop.run()
    held = str(shop.data)
    refused(shop.start("--role", "api"), "already serves from", held, str(first.process.pid))
    refused(shop.start("--role", "consumer"), "Cannot listen on", str(shop.ops), "SHOP_OPS_PORT")
    elsewhere = {"SHOP_DATA_DIR": str(shop.folder / "other"), "SHOP_OPS_PORT": "0"}
    refused(shop.start(**elsewhere), "Cannot listen on", str(shop.port), "SHOP_HTTP_PORT")
    assert first.ask("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("environ", "words", "parts"),
    [
        ({"SHOP_HTTP_PORT": "abc"}, (), ["SHOP_HTTP_PORT"]),
        ({"SHOP_HTTP_PROT": "8000"}, (), ["SHOP_HTTP_PROT", "no such setting"]),
        ({"SHOP_DATABASE_URL": f"oracle://me:{MARKER}@db"}, (), ["SHOP_DATABASE_URL"]),
        ({"SHOP_SITE_MODE": "production"}, (), ["SHOP_S"]),
        (
            {
                "SHOP_SITE_MODE": "production",
                "SHOP_SITE_URL": "http://shop.example.com",
                "SHOP_SECURITY_SECRET": MARKER,
            },
            (),
            ["SHOP_SITE_URL", "https"],
        ),
        ({"SHOP_SECURITY_SECRET": MARKER[:12]}, (), ["SHOP_SECURITY_SECRET", "short"]),
        ({"SHOP_MAIL_URL_FILE": "/nowhere/at/all"}, (), ["SHOP_MAIL_URL_FILE"]),
        ({}, ("--workers", "2"), ["--workers"]),
        ({"SHOP_DATA_DIR": "/proc/nowhere"}, (), ["/proc/nowhere"]),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(
    empty: Shop, environ: dict[str, str], words: tuple[str, ...], parts: list[str]
) -> None:
    running = empty.start(*words, **environ)
    refused(running, "shop: ", *parts)
    assert MARKER[:12] not in running.err


def test_a_settings_file_is_named_with_what_is_wrong(empty: Shop) -> None:
    missing = empty.start("--config", "nowhere.toml")
    assert missing.ended() != 0
    assert "nowhere.toml" in missing.err
    assert "Traceback" not in missing.err
    file = empty.folder / "shop.toml"
    file.write_text("[http]\nprot = 1\n")
    refused(empty.start("--config", str(file)), "shop.toml", "http.prot")


def test_a_newer_database_is_refused_and_one_that_changes_makes_unready(shop: Shop) -> None:
    running = shop.run()
    shop.write("UPDATE alembic_version SET version_num = '9999'")
    answer = running.ask("/readyz")
    assert answer.status_code == 503
    assert "newer version" in answer.json()["checks"]["database"]
    assert running.stop() == 0
    refused(shop.start(), "newer version of shop")
    migrated = shop.command("migrate")
    assert (migrated.returncode, migrated.stdout) == (1, "")
    assert len(migrated.stderr.splitlines()) == 1


# --- secrets -------------------------------------------------------------------------------------


def test_nothing_private_is_ever_written(shop: Shop) -> None:
    running = shop.run(SHOP_SECURITY_SECRET=MARKER, SHOP_LOG_LEVEL="debug")
    client = shop.client()
    person = {"name": "Asha Private", "email": "asha.private@example.com", "password": PASSWORD}
    assert client.post("/api/v1/signup", json=person).status_code == 201
    del person["name"]
    session = client.post("/api/v1/login", json=person).json()
    wrong = client.post("/api/v1/login", json=person | {"password": "wrong-horse-8-stable"})
    assert wrong.status_code == 401
    signed_in = {"Authorization": f"Bearer {session['access_token']}"}
    assert client.get("/api/v1/me", headers=signed_in).status_code == 200
    bought = Purchase(variant_of(client)["id"], "guest.private")
    bought.whole(client)
    shown = client.get(f"/api/v1/orders/{bought.id}?order_token={bought.placed['order_token']}")
    assert shown.status_code == 200
    client.get("/api/v1/products?q=guest.private@example.com")
    until(lambda: shop.confirmations(bought.number))
    [mail] = shop.mails("asha.private@example.com")
    [token] = set(re.findall(r"token=([\w.-]+)", mail.get_body(("plain",)).get_content()))
    client.post("/api/v1/verify-email", json={"token": token})
    assert running.stop() == 0
    written = running.out + running.err
    private = [
        *(MARKER, PASSWORD, "wrong-horse", "asha.private", "guest.private", "Asha Private"),
        *("Temple Street", "9845012345", token, bought.cart, bought.placed["order_token"]),
        *(session["access_token"], session["refresh_token"]),
        bought.placed["payment"]["url"].rpartition("/")[2],
    ]
    assert [one for one in private if one in written] == []
    assert "/api/v1/orders/{order_id}" in written
    assert "/sandbox/pay/{token}" in written


def test_the_console_shows_short_lines(shop: Shop) -> None:
    running = shop.run(SHOP_LOG_FORMAT="console")
    shop.client().get("/api/v1/products")
    assert running.stop() == 0
    assert re.search(r"^\S+Z 200 GET +/api/v1/products \d+\.\d ms \S+$", running.out, re.MULTILINE)
    assert "{" not in running.out.replace("{order_id}", "")
    assert "Storefront" in running.out


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has scheduling in batches")
def test_no_thread_interrupts_another_by_waking(shop: Shop) -> None:
    running = shop.run()
    shop.client().get("/api/v1/products")
    threads = [int(one.name) for one in Path(f"/proc/{running.process.pid}/task").iterdir()]
    assert len(threads) > 3
    assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_BATCH}
    assert running.stop() == 0


class Untold(Shop):
    """Nobody says at which address it is found."""

    def environ(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        environ = super().environ(more)
        del environ["SHOP_SITE_URL"]
        return environ


def test_port_0_greets_with_the_port_that_is_bound(tmp_path: Path) -> None:
    with Untold(tmp_path) as shop:
        running = shop.run("--port", "0", SHOP_LOG_FORMAT="console")
        found = until(lambda: re.search(r"Storefront +(http://localhost:[1-9]\d*)\n", running.out))
        assert httpx.get(f"{found[1]}/healthz", timeout=TIMEOUT).status_code == 200
        assert f"http://127.0.0.1:{shop.ops}/metrics" in running.out
        assert running.stop() == 0


# --- stops ---------------------------------------------------------------------------------------


def test_a_stop_under_load_drops_no_request(shop: Shop) -> None:
    running = shop.run()
    variant = variant_of(shop.client())["id"]
    told = Event()
    answered: list[int] = []

    def ask(number: int) -> list[str]:
        """Ask until nobody listens; every connection that was taken must be answered."""
        lost: list[str] = []
        with httpx.Client(base_url=shop.url, timeout=TIMEOUT) as client:
            while True:
                body = {"variant_id": variant, "quantity": 1 + number % 3}
                try:
                    answer = client.post("/api/v1/cart/items", json=body)
                except httpx.ConnectError:
                    return lost
                except httpx.TransportError as error:
                    return [*lost, repr(error)]
                answered.append(answer.status_code)
                if answer.status_code not in {200, 201}:
                    lost.append(answer.text)
                if len(answered) > 100:
                    told.set()

    with ThreadPoolExecutor(8) as crowd:
        asking = [crowd.submit(ask, number) for number in range(8)]
        assert told.wait(60)
        running.signal()
        assert running.ended() == 0
        assert [one.result() for one in asking] == [[]] * 8
    assert set(answered) <= {200, 201}


def test_neither_a_live_timeline_nor_half_a_request_holds_the_stop(shop: Shop) -> None:
    running = shop.run()
    client = shop.client()
    bought = Purchase(variant_of(client)["id"], "buyer")
    bought.fill(client)
    bought.check_out(client)
    heard: list[str] = []
    live, ended = Event(), Event()

    def listen() -> None:
        url = f"/api/v1/orders/{bought.id}/events"
        with client.stream("GET", url, headers=bought.token) as stream:
            for line in stream.iter_lines():
                heard.append(line)
                if line.startswith("id: 1"):
                    live.set()
        ended.set()  # the stream was ended, not torn: httpx would have raised

    listener = Thread(target=listen)
    listener.start()
    assert live.wait(60)
    with socket.create_connection(("127.0.0.1", shop.port)) as half:
        half.sendall(
            b"POST /api/v1/cart/items HTTP/1.1\r\nHost: shop\r\nContent-Length: 9\r\n\r\n{"
        )
        running.signal()
        assert ended.wait(60)
        assert running.ended() == 0
    listener.join()
    assert "Traceback" not in running.out + running.err
    assert "event: status" in heard


# --- commands ------------------------------------------------------------------------------------


def test_every_command_explains_itself(empty: Shop) -> None:
    usage = empty.command("--help")
    assert usage.returncode == 0
    for name in COMMANDS:
        assert name.split()[0] in usage.stdout

    def explained(name: str) -> bool:
        done = empty.command(*name.split(), "--help")
        return done.returncode == 0 and done.stdout.startswith(f"Usage: shop {name}")

    with ThreadPoolExecutor(2) as two:
        assert list(two.map(explained, COMMANDS)) == [True] * len(COMMANDS)
    assert not empty.data.exists()


@pytest.mark.parametrize(("word", "code"), [("--version", 0), ("nothing", 2)])
def test_what_breaks_while_the_interpreter_is_taken_down_changes_no_exit_code(
    word: str, code: int
) -> None:
    """As threads of libraries do now and then, and this does always."""
    breaks = "import atexit, os, runpy; atexit.register(os.abort)"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", f"{breaks}; runpy.run_module('shop', run_name='__main__')", word],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code
    assert done.stdout + done.stderr


def test_commands_on_an_empty_folder(empty: Shop) -> None:
    first, second = empty.command("migrate"), empty.command("migrate")
    assert (first.returncode, first.stdout) == (0, "The database was migrated.\n")
    assert (second.returncode, second.stdout) == (0, "The database is up to date.\n")
    document = json.loads(empty.command("openapi").stdout)
    assert document["openapi"].startswith("3.1")
    assert "/api/v1/checkout" in document["paths"]
    letters = empty.command("dlq", "list")
    assert (letters.returncode, letters.stdout) == (0, "There are no dead letters.\n")
    made = empty.command("create-admin", "--email", "a@example.com", SHOP_ADMIN_PASSWORD=PASSWORD)
    assert (made.returncode, made.stdout) == (0, "a@example.com is an administrator now.\n")
    weak = empty.command("create-admin", "--email", "b@example.com", SHOP_ADMIN_PASSWORD="1234")
    assert weak.returncode == 1
    assert len(weak.stderr.splitlines()) == 1
    for done in (first, second, letters, made, weak):
        assert "alembic" not in done.stdout + done.stderr
        assert "1234" not in done.stderr


def test_an_import_beside_a_running_shop_is_seen_at_once(shop: Shop) -> None:
    running = shop.run()
    client = shop.client()
    assert variant_of(client)["price"]["amount"] == 25_000
    file = shop.folder / "prices.csv"
    file.write_text(CATALOGUE + "mug,Mug,MUG-1,500,199.00\nvase,Vase,VASE-1,1,900.00\n")
    dry = shop.command("import", file, "--format", "shopify", "--dry-run")
    assert dry.stdout.splitlines()[-1] == "0 new, 1 changed, 1 unchanged, 0 refused"
    assert shop.rows("SELECT price FROM variants WHERE sku = 'MUG-1'") == [(25_000,)]
    done = shop.command("import", file, "--format", "shopify")
    assert done.stdout.splitlines()[-1] == "0 new, 1 changed, 1 unchanged, 0 refused"
    until(lambda: variant_of(client)["price"]["amount"] == 19_900)
    broken = shop.folder / "broken.csv"
    broken.write_bytes(b"\xff\xfe\x00not a table")
    failed = shop.command("import", broken, "--format", "shopify")
    assert failed.returncode != 0
    assert len(failed.stderr.splitlines()) == 1
    assert running.stop() == 0
