"""Several processes on one MySQL or MariaDB server, as an operator runs them."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.kit.databases import DATABASES
from tests.kit.process import Purchase, Shop, until, variant_of
from tests.kit.servers import MYSQL

GOODS = "Handle,Title,Variant SKU,Variant Inventory Qty,Variant Price\nmug,Mug,MUG-1,{},250.00\n"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with Shop(tmp_path, SHOP_DATABASE_URL=DATABASES.lend(migrated=False)) as shop:
        yield shop


def stocked(shop: Shop, stock: int) -> None:
    assert shop.command("migrate").returncode == 0
    file = shop.folder / "goods.csv"
    file.write_text(GOODS.format(stock))
    done = shop.command("import", file, "--format", "shopify")
    assert done.returncode == 0, done.stderr


def test_a_start_waits_for_the_schema_and_says_so(shop: Shop) -> None:
    """No start migrates a server's database; `shop migrate` does, and the shop begins to serve."""
    done = shop.command("audit")
    assert (done.returncode, done.stderr) == (
        1,
        "shop: The database is empty; run `shop migrate`.\n",
    )
    running = shop.start()
    until(lambda: running.out)
    answer = running.ask("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "The database is empty; run `shop migrate`."}
    assert running.ask("/healthz").status_code == 200
    migrated = shop.command("migrate")
    assert migrated.returncode == 0, migrated.stderr
    running.ready()
    assert shop.client().get("/api/v1/products").json()["items"] == []
    assert running.stop() == 0
    waited = [json.loads(line) for line in running.out.splitlines()]
    why = [one["why"] for one in waited if one["event"] == "waiting_for_database"]
    assert why[0] == "The database is empty; run `shop migrate`."


def test_who_waits_for_the_schema_can_be_stopped(shop: Shop) -> None:
    running = shop.start()
    until(lambda: running.out)
    assert running.ask("/readyz").status_code == 503
    assert running.stop() == 0


def test_a_newer_database_refuses_the_start_in_one_line_and_lets_the_old_serve_on(
    shop: Shop,
) -> None:
    assert shop.command("migrate").returncode == 0
    running = shop.run()
    shop.write("UPDATE alembic_version SET version_num = '9999'")
    assert running.ask("/readyz").status_code == 200
    with Shop(shop.folder / "other", SHOP_DATABASE_URL=shop.server) as other:
        second = other.start()
        assert second.ended() == 1
        assert "newer version of shop" in second.err
        assert len(second.err.splitlines()) == 1
    assert running.stop() == 0


def test_replicas_sell_what_there_is_and_no_more_while_they_and_the_server_die(
    shop: Shop,
) -> None:
    """Two replicas serve forty buyers of thirty mugs, two others react; some are killed."""
    stocked(shop, 30)
    one = shop.run("--role", "api")
    with Shop(shop.folder / "other", SHOP_DATABASE_URL=shop.server) as other:
        second = other.run("--role", "api")
        consumer = shop.beside("--role", "consumer")
        shop.beside("--role", "consumer")
        clients = [shop.client(), other.client()]
        variant = variant_of(clients[0])["id"]
        buyers = [Purchase(variant, f"buyer-{number}") for number in range(40)]

        for bought in buyers:
            bought.fill(clients[0])

        def buy(number: int) -> None:
            client, bought = clients[number % 2], buyers[number]
            while (answer := bought.check_out(client)).status_code == 503:
                continue
            if answer.status_code != 201:
                assert answer.json()["code"] == "out-of-stock"
                return
            until(lambda: _paid(client, bought))

        with ThreadPoolExecutor(16) as crowd:
            going = [crowd.submit(buy, number) for number in range(40)]
            until(lambda: sum(bool(bought.placed) for bought in buyers) > 5, pause=0.001)
            consumer.kill()
            if MYSQL.process is not None:
                MYSQL.process.kill()
                MYSQL.process.start()
            for one_more in going:
                one_more.result()
        paid = [bought for bought in buyers if bought.placed]
        assert len(paid) == 30
        assert variant_of(clients[1])["stock_quantity"] == 0
        until(
            lambda: shop.rows("SELECT count(*) FROM orders WHERE status = 'confirmed'") == [(30,)]
        )
        until(lambda: shop.rows("SELECT count(*) FROM outbox") == [(0,)])
        until(lambda: shop.rows("SELECT count(*) FROM emails WHERE status = 'sent'") == [(30,)])
        assert [len(shop.confirmations(bought.number)) for bought in paid] == [1] * 30
        audit = shop.command("audit")
        assert audit.returncode == 0, audit.stdout
        # Each key's events came in order, through whichever relay. Ids of different processes tell
        # milliseconds, in their first six bytes, and not what came first within one.
        kinds = shop.rows("SELECT `key`, id FROM event_log ORDER BY seq")
        last: dict[bytes, bytes] = {}
        for key, event in kinds:
            assert last.get(key, b"") <= event[:6]
            last[key] = event[:6]
        assert one.stop() == 0
        assert second.stop() == 0


def _paid(client: httpx.Client, bought: Purchase) -> bool:
    """Press, however often it takes while the server is away."""
    with suppress(AssertionError):
        bought.pay(client)
        return True
    return False
