"""MariaDB, Redis and Kafka under two replicas of each role, and what becomes of sales when any of
them dies. After each trouble every order is confirmed once, and `shop audit` agrees.

One deployment serves all tests of this file: each leaves it whole, and the books grow.
"""

import time
from collections.abc import Iterator
from functools import partial
from threading import Event

import httpx
import pytest

from tests.kit.deployment import CONSUMERS, Buyer, Deployment, on_servers
from tests.kit.kafka import KAFKA
from tests.kit.process import CATALOGUE, PASSWORD, until, variant_of
from tests.kit.servers import MYSQL, REDIS, Server, flush_redis

STOCK = 500
CROWD = 10
#: Seconds without Kafka.
AWAY = 20.0


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with on_servers(tmp_path_factory.mktemp("deployment"), "faults", STOCK) as deployment:
        yield deployment


@pytest.fixture(autouse=True)
def whole(shop: Deployment) -> None:
    """What a failed test has broken must not fail the next."""
    for server in (MYSQL, REDIS, KAFKA):
        if server.process is not None and not server.process.running:
            server.process.start()
    shop.mend()


def ours(server: Server) -> Server:
    if server.process is None:
        pytest.skip(f"{server.name} at {server.url} is not ours to stop.")
    return server


def kept(shop: Deployment, what: str) -> int:
    [(count,)] = shop.first.rows(f"SELECT count(*) FROM {what}")  # noqa: S608 - written below
    return int(count)


@pytest.mark.parametrize(
    ("moment", "victims"),
    [
        ("orders", ["api-1"]),  # one unit: stock held, order written, and the link of the sandbox
        ("payments WHERE link_id IS NOT NULL", ["api-2"]),
        ("webhook_events", ["api-1"]),
        ("outbox", ["consumer-1"]),
        ("inbox", CONSUMERS),  # relayed, and heard by one reaction
        ("emails", ["consumer-2"]),
        ("emails WHERE status = 'sent'", CONSUMERS),
    ],
    ids=["order", "link", "webhook", "event", "heard", "mail", "sent"],
)
def test_processes_killed_between_two_steps(
    shop: Deployment, request: pytest.FixtureRequest, moment: str, victims: list[str]
) -> None:
    before = kept(shop, moment)

    def trouble() -> None:
        until(lambda: kept(shop, moment) > before, pause=0.001)
        shop.kill(*victims)
        shop.mend()

    shop.crowd(f"killed-{request.node.callspec.id}", CROWD, trouble)
    shop.agrees()


def test_the_database_restarts_under_load(shop: Deployment) -> None:
    server = ours(MYSQL).process
    assert server is not None
    before = kept(shop, "orders")

    def trouble() -> None:
        until(lambda: kept(shop, "orders") > before + 1, pause=0.001)
        server.stop()
        server.start()

    shop.crowd("restarted", CROWD, trouble)
    shop.agrees()
    assert all(one.process.poll() is None for one in shop.running.values())


def test_kafka_is_away_for_a_while_and_nobody_waits_for_it(shop: Deployment) -> None:
    server = ours(KAFKA).process
    assert server is not None
    sent = kept(shop, "emails WHERE status = 'sent'")
    server.kill()
    back = time.monotonic() + AWAY
    buyers: list[Buyer] = []
    try:
        while time.monotonic() < back or len(buyers) <= CROWD:
            buyers += shop.crowd(f"without-kafka-{len(buyers)}", CROWD, lambda: None)
            Event().wait(min(2.0, max(0.0, back - time.monotonic())))
        assert kept(shop, "outbox") >= len(buyers) > CROWD
        assert kept(shop, "emails WHERE status = 'sent'") == sent
        assert [one.ask("/readyz").status_code for one in shop.running.values()] == [200] * 4
    finally:
        server.start()
    shop.agrees()


@pytest.mark.parametrize("name", CONSUMERS)
def test_a_consumer_leaves_and_another_comes_while_events_are_on_their_way(
    shop: Deployment, name: str
) -> None:
    """Twice Kafka deals the partitions anew, and nobody is killed."""
    before = kept(shop, "inbox")

    def trouble() -> None:
        until(lambda: kept(shop, "inbox") > before, pause=0.001)
        assert shop.running[name].stop() == 0
        shop.mend()

    shop.crowd(f"without-{name}", CROWD, trouble)
    shop.agrees()


def test_redis_is_away_for_a_whole_run_comes_back_empty_and_is_flushed(shop: Deployment) -> None:
    server = ours(REDIS).process
    assert server is not None
    server.kill()
    try:
        shop.crowd("without-redis", CROWD, lambda: None)
        shop.agrees()
        a_session_ends_everywhere(shop, "without")
        a_price_changes_everywhere(shop, 26_100)
    finally:
        server.start()
    shop.crowd("flushed", CROWD, lambda: flush_redis(REDIS.url))
    shop.agrees()
    a_session_ends_everywhere(shop, "with")
    a_price_changes_everywhere(shop, 26_200)


def a_session_ends_everywhere(shop: Deployment, name: str) -> None:
    """Signed up at one replica, signed out at the other, and refused by the first at once."""
    one, two = shop.clients
    person = {"name": "B", "email": f"{name}-redis@example.com", "password": PASSWORD}
    assert one.post("/api/v1/signup", json=person).status_code == 201
    del person["name"]
    session = one.post("/api/v1/login", json=person).json()
    signed_in = {"Authorization": f"Bearer {session['access_token']}"}
    for client in (one, two):
        assert client.get("/api/v1/me", headers=signed_in).status_code == 200
    out = two.post("/api/v1/logout", headers=signed_in)
    assert out.status_code in {200, 204}, out.text
    for client in (two, one):
        assert client.get("/api/v1/me", headers=signed_in).status_code == 401


def a_price_changes_everywhere(shop: Deployment, price: int) -> None:
    """Nobody tells the replicas; both have the answer in memory, and forget it within a second."""
    for client in shop.clients:
        assert variant_of(client, "vase")["price"]["amount"] != price
    file = shop.first.folder / "price.csv"
    file.write_text(f"{CATALOGUE}vase,Vase,VASE-1,1,{price / 100:.2f}\n")
    done = shop.first.command("import", file, "--format", "shopify")
    assert done.returncode == 0, done.stderr
    for client in shop.clients:
        until(partial(costs, client, price), within=10)


def costs(client: httpx.Client, price: int) -> bool:
    return bool(variant_of(client, "vase")["price"]["amount"] == price)


def test_nothing_was_given_up(shop: Deployment) -> None:
    """After all of that: no dead letters, a clean stop, and the audit of an operator agrees."""
    letters = shop.first.command("dlq", "list")
    assert letters.stdout == "There are no dead letters.\n"
    for running in shop.running.values():
        running.signal()
    assert [one.ended() for one in shop.running.values()] == [0, 0, 0, 0]
    audit = shop.first.command("audit")
    assert audit.returncode == 0, audit.stdout
    assert "Traceback" not in "".join(one.out + one.err for one in shop.running.values())
