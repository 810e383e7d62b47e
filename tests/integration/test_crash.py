"""`kill -9` between any two steps of a purchase: nothing is lost, and nothing comes twice."""

import asyncio
import contextlib
import json
import random
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID

import httpx
import pytest

from shop.core.checkout.audit import Audit, Report
from shop.core.notifications.model import LONGEST_SENDING
from shop.settings_reading import load
from shop.wiring import make_container
from tests.kit.databases import DATABASES
from tests.kit.process import PATIENCE, Purchase, Shop, filled, until, variant_of

STOCK = 500
SEED = 20_260
#: A mail in the hands of who is killed goes out later.
MAILED = LONGEST_SENDING.total_seconds() + PATIENCE


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def goods(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A filled data folder, and the URL of a filled database when that is on a server."""
    server = DATABASES.keep() if request.param == "mysql" else ""
    return filled(tmp_path_factory.mktemp("goods"), server), server


@pytest.fixture
def shop(goods: tuple[Path, str], tmp_path: Path) -> Iterator[Shop]:
    folder, server = goods
    given = {"SHOP_DATABASE_URL": DATABASES.copy(server)} if server else {}
    with Shop(tmp_path, **given) as shop:
        shutil.copytree(folder, shop.data)
        yield shop


@pytest.fixture
def client(shop: Shop) -> httpx.Client:
    return shop.client()


def buyer(client: httpx.Client, name: str = "buyer", quantity: int = 2) -> Purchase:
    return Purchase(variant_of(client)["id"], name, quantity)


def audited(shop: Shop) -> Report:
    """What `shop audit` would say, without the second that a process of its own takes."""

    async def main() -> Report:
        container = make_container(load(None, shop.environ())[0])
        try:
            async with container() as scope:
                auditor: Audit = await scope.get(Audit)
                return await auditor.run()
        finally:
            await container.close()

    return asyncio.run(main())


def settled(shop: Shop, client: httpx.Client, bought: Purchase) -> None:
    """The order is confirmed with one invoice and one mail, the stock is right, the books agree."""
    until(lambda: bought.order(client)["status"] == "confirmed")
    order = bought.order(client)
    assert order["payment_status"] == "paid"
    assert order["invoice_number"]
    until(lambda: shop.confirmations(bought.number), MAILED)
    until(lambda: shop.rows("SELECT count(*) FROM outbox") == [(0,)])
    until(lambda: shop.rows("SELECT count(*) FROM sandbox_webhooks") == [(0,)])
    until(lambda: shop.rows("SELECT count(*) FROM emails WHERE status = 'queued'") == [(0,)])
    assert len(shop.confirmations(bought.number)) == 1
    assert orders_of(shop, bought) == 1
    assert variant_of(client)["stock_quantity"] == STOCK - bought.quantity
    report = audited(shop)
    assert report.findings == []
    assert report.checked["invoices"] == 1


def orders_of(shop: Shop, bought: Purchase) -> int:
    [(count,)] = shop.rows("SELECT count(*) FROM orders WHERE email = ?", bought.email)
    return int(count)


def nobody_else_asks(shop: Shop) -> bool:
    """A server may be at a COMMIT yet, which it was sent by a process that is dead by now."""
    others = "WHERE db = DATABASE() AND id <> CONNECTION_ID()"
    count = f"SELECT count(*) FROM information_schema.processlist {others}"  # noqa: S608
    return not shop.server or shop.rows(count) == [(0,)]


def test_a_cart_is_still_there(shop: Shop, client: httpx.Client) -> None:
    running = shop.run()
    bought = buyer(client)
    bought.fill(client)
    running.kill()
    shop.run()
    cart = client.get("/api/v1/cart", headers={"X-Cart-Token": bought.cart}).json()
    assert [item["quantity"] for item in cart["items"]] == [2]
    bought.whole(client)
    assert bought.order(client)["status"] == "confirmed"
    assert audited(shop).findings == []


def test_an_answered_checkout_is_answered_again_with_the_same_bytes(
    shop: Shop, client: httpx.Client
) -> None:
    running = shop.run()
    bought = buyer(client)
    bought.fill(client)
    first = bought.check_out(client)
    running.kill()
    shop.run()
    again = bought.check_out(client)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert bought.order(client)["status"] == "pending_payment"
    bought.pay(client)
    assert bought.order(client)["status"] == "confirmed"
    assert audited(shop).findings == []


@pytest.mark.parametrize("milliseconds", [0, 5])
def test_a_checkout_without_an_answer_is_one_order_or_none(
    shop: Shop, client: httpx.Client, milliseconds: int
) -> None:
    running = shop.run()
    bought = buyer(client)
    bought.fill(client)
    body = json.dumps(bought.body).encode()
    head = [
        "POST /api/v1/checkout HTTP/1.1",
        "Host: shop",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in bought.headers.items()),
    ]
    with socket.create_connection(("127.0.0.1", shop.port)) as one:
        one.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        Event().wait(milliseconds / 1000)
        running.kill()
    until(lambda: nobody_else_asks(shop))
    before = orders_of(shop, bought)
    shop.run()
    answer = bought.check_out(client)
    assert answer.status_code == 201
    assert ("idempotent-replayed" in answer.headers) is (before == 1)
    assert bought.check_out(client).content == answer.content
    assert orders_of(shop, bought) == 1
    assert variant_of(client)["stock_quantity"] == STOCK - 2
    assert audited(shop).findings == []


def test_money_that_was_paid_arrives_though_the_browser_never_came_back(
    shop: Shop, client: httpx.Client
) -> None:
    running = shop.run()
    bought = buyer(client)
    bought.fill(client)
    bought.check_out(client)
    bought.press(client)
    running.kill()
    shop.run()
    settled(shop, client, bought)


def test_nothing_is_lost_between_the_way_back_and_all_that_follows_it(
    shop: Shop, client: httpx.Client
) -> None:
    # This role settles, and leaves events and mails to the other.
    running = shop.run("--role", "api")
    bought = buyer(client)
    bought.whole(client)
    order = bought.order(client)
    assert (order["status"], shop.mails()) == ("confirmed", [])
    running.kill()
    assert shop.rows("SELECT count(*) FROM outbox") != [(0,)]
    shop.run()
    settled(shop, client, bought)
    assert bought.order(client)["invoice_number"] == order["invoice_number"]


def test_a_mail_is_written_once_whenever_its_writer_dies(shop: Shop, client: httpx.Client) -> None:
    running = shop.run()
    bought = buyer(client)
    bought.whole(client)
    until(lambda: shop.rows("SELECT count(*) FROM emails"), pause=0.001)
    running.kill()
    shop.run()
    settled(shop, client, bought)


@pytest.mark.parametrize("role", ["api", "all"])
def test_a_refund_under_way_is_paid_back_once(shop: Shop, client: httpx.Client, role: str) -> None:
    running = shop.run("--role", role)
    bought = buyer(client)
    bought.whole(client)
    total = bought.order(client)["total_amount"]["amount"]
    cancelled = client.post(f"/api/v1/orders/{bought.id}/cancel", headers=bought.token)
    assert cancelled.status_code == 200, cancelled.text
    running.kill()
    shop.run()
    until(lambda: bought.order(client)["payment_status"] == "refunded")
    assert shop.rows("SELECT count(*) FROM sandbox_refunds") == [(1,)]
    [refund] = bought.order(client)["refund_ids"]
    assert shop.rows("SELECT amount FROM refunds WHERE id = ?", UUID(refund).bytes) == [(total,)]
    until(lambda: len(shop.mails(bought.email)) >= 3, MAILED)  # confirmed, cancelled, refunded
    until(lambda: shop.rows("SELECT count(*) FROM outbox") == [(0,)])
    assert len(shop.confirmations(bought.number)) == 1
    assert variant_of(client)["stock_quantity"] == STOCK
    assert audited(shop).findings == []


def test_orders_that_expire_give_their_stock_back_once(shop: Shop, client: httpx.Client) -> None:
    running = shop.run()
    buyers = [buyer(client, f"buyer-{number}") for number in range(20)]
    for one in buyers:
        one.fill(client)
        assert one.check_out(client).status_code == 201
    until(lambda: variant_of(client)["stock_quantity"] == STOCK - 40)
    # Their time is over once all of them have been placed, however long that took: of some now, of
    # the others while nobody runs.
    over = "UPDATE orders SET hold_until = placed_at WHERE hold_until IS NOT NULL"
    shop.write(f"{over} AND email LIKE 'buyer-1%'")
    until(lambda: shop.rows("SELECT 1 FROM orders WHERE status = 'expired'"), pause=0.001)
    running.kill()
    shop.write(over)
    shop.run()
    until(lambda: {one.order(client)["status"] for one in buyers} == {"expired"})
    until(lambda: variant_of(client)["stock_quantity"] == STOCK)
    assert audited(shop).findings == []


def test_a_consumer_that_dies_between_the_log_and_its_cursor_sends_no_mail_twice(
    shop: Shop, client: httpx.Client
) -> None:
    shop.run("--role", "api")
    consumer = shop.beside("--role", "consumer")
    bought = []
    for number in range(3):
        bought.append(one := buyer(client, f"buyer-{number}", 1))
        one.whole(client)
        relayed = "SELECT 1 FROM event_log WHERE `key` = ?"
        until(partial(shop.rows, relayed, UUID(one.id).bytes), pause=0.001)
        consumer.kill()
        consumer = shop.beside("--role", "consumer")
    for one in bought:
        until(partial(shop.confirmations, one.number), MAILED)
    until(lambda: shop.rows("SELECT count(*) FROM outbox") == [(0,)])
    until(lambda: shop.rows("SELECT count(*) FROM emails WHERE status = 'queued'") == [(0,)])
    assert [len(shop.confirmations(one.number)) for one in bought] == [1, 1, 1]
    assert audited(shop).findings == []


def test_purchases_survive_kills_at_any_moment(shop: Shop, client: httpx.Client) -> None:
    chance = random.Random(SEED)  # noqa: S311 - a seed, to see the same again
    running = shop.run()
    variant = variant_of(client)["id"]
    everyone: list[Purchase] = []
    with ThreadPoolExecutor(20) as crowd:
        for turn in range(5):
            here = [Purchase(variant, f"buyer-{turn}-{number}") for number in range(20)]
            everyone += here
            moment = chance.uniform(0.02, 0.8)
            print(f"seed {SEED}, round {turn}: killed after {moment:.3f} s")  # noqa: T201
            going = [crowd.submit(cut_short, shop, one) for one in here]
            Event().wait(moment)
            running.kill()
            for stopped in going:
                stopped.result()
            running = shop.run()
            for done in [crowd.submit(one.whole, shop.client()) for one in here]:
                done.result()
    until(lambda: {one.order(client)["status"] for one in everyone} == {"confirmed"}, pause=0.5)
    until(lambda: len(shop.mails()) >= len(everyone), MAILED)
    until(lambda: shop.rows("SELECT count(*) FROM sandbox_webhooks") == [(0,)])
    assert variant_of(client)["stock_quantity"] == STOCK - len(everyone)
    assert running.stop() == 0
    assert [len(shop.confirmations(one.number)) for one in everyone] == [1] * len(everyone)
    assert [orders_of(shop, one) for one in everyone] == [1] * len(everyone)
    invoices = shop.rows("SELECT count(DISTINCT invoice_number), count(*) FROM orders")
    assert invoices == [(len(everyone), len(everyone))]
    audit = shop.command("audit")
    assert audit.returncode == 0, audit.stdout + audit.stderr


def cut_short(shop: Shop, one: Purchase) -> None:
    with contextlib.suppress(httpx.TransportError):
        one.whole(shop.client())
