"""A disk without room: the shop says so, keeps what it has, and goes on when there is some."""

import resource
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.kit.process import PASSWORD, Purchase, Running, Shop, filled, until, variant_of


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with Shop(tmp_path / "shop") as shop:
        shutil.copytree(filled(tmp_path / "goods"), shop.data)
        yield shop


def room(running: Running, size: int) -> None:
    """How large a file of the process may grow; the same as a full disk, for a log of changes."""
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def says_so(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) >= 1
    if answer.headers["content-type"] == "application/problem+json":
        assert answer.json()["code"] == "unavailable"


def test_a_full_disk_refuses_what_it_cannot_keep_and_serves_the_rest(shop: Shop) -> None:
    running = shop.run()
    client = shop.client()
    mug = variant_of(client)
    early, paying, late = (Purchase(mug["id"], name) for name in ("early", "paying", "late"))
    early.whole(client)
    paying.fill(client)
    paying.check_out(client)
    late.fill(client)
    # Catalogue answers may be a second old.
    until(lambda: variant_of(client)["stock_quantity"] == mug["stock_quantity"] - 2)
    sold = variant_of(client)["stock_quantity"]

    room(running, (shop.data / "shop.db-wal").stat().st_size)
    for _ in range(3):
        says_so(late.check_out(client))
    says_so(client.post("/api/v1/cart/items", json={"variant_id": mug["id"], "quantity": 1}))
    says_so(client.post(paying.placed["payment"]["url"], data={"outcome": "success"}))
    person = {"name": "A", "email": "a@example.com", "password": PASSWORD}
    says_so(client.post("/api/v1/signup", json=person))
    assert early.order(client)["status"] == "confirmed"
    assert paying.order(client)["status"] == "pending_payment"
    assert variant_of(client)["stock_quantity"] == sold
    until(lambda: "actor_waits" in running.out)
    assert "request_failed" not in running.out
    assert "unhandled" not in running.out
    assert running.ask("/healthz").status_code == 200

    room(running, resource.RLIM_INFINITY)
    until(lambda: late.check_out(client).status_code == 201)
    for one in (paying, late):
        one.pay(client)
        assert one.order(client)["status"] == "confirmed"
    for one in (early, paying, late):
        until(partial(shop.confirmations, one.number))
    until(lambda: shop.rows("SELECT count(*) FROM outbox") == [(0,)])
    assert client.post("/api/v1/signup", json=person).status_code == 201
    until(lambda: variant_of(client)["stock_quantity"] == sold - 1)
    assert running.stop() == 0
    audit = shop.command("audit")
    assert audit.returncode == 0, audit.stdout + audit.stderr
