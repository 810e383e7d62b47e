"""`shop run --workers 2`: two processes that look like one."""

import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from tests.kit.databases import DATABASES
from tests.kit.process import Purchase, Running, Shop, filled, until, variant_of

WORKERS = ("--workers", "2")


@pytest.fixture(scope="module")
def goods(tmp_path_factory: pytest.TempPathFactory) -> str:
    server = DATABASES.keep()
    filled(tmp_path_factory.mktemp("goods"), server)
    return server


@pytest.fixture
def shop(goods: str, tmp_path: Path) -> Iterator[Shop]:
    with Shop(tmp_path, SHOP_DATABASE_URL=DATABASES.copy(goods)) as shop:
        yield shop


def workers(running: Running) -> dict[str, Any]:
    """What each says of itself, by name."""
    found: dict[str, Any] = running.ask("/readyz").json()["workers"]
    return found


def both_serve(running: Running) -> bool:
    return [one["status"] for one in workers(running).values()] == ["ready", "ready"]


def pids(running: Running) -> set[int]:
    """Of the processes that it has forked."""
    task = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
    return {int(pid) for pid in task.read_text().split()}


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def replaced(running: Running, pid: int) -> bool:
    now = pids(running)
    return pid not in now and len(now) == len(WORKERS) + 1


def requests_of(running: Running, worker: str) -> float:
    said = running.ask("/metrics").text
    line = rf'http_server_request_duration_seconds_count{{[^}}]*worker="{worker}"[^}}]*}} (\S+)'
    return sum(float(number) for number in re.findall(line, said))


def test_both_serve_and_one_port_tells_of_both(shop: Shop) -> None:
    running = shop.run(*WORKERS)
    until(lambda: both_serve(running))
    variant = variant_of(shop.client())["id"]

    def buy(number: int) -> str:
        with httpx.Client(base_url=shop.url, timeout=30) as client:
            bought = Purchase(variant, f"buyer-{number}")
            bought.whole(client)
            assert bought.order(client)["status"] == "confirmed"
            return bought.number

    with ThreadPoolExecutor(8) as crowd:
        numbers = list(crowd.map(buy, range(24)))
    until(lambda: shop.rows("SELECT count(*) FROM outbox") == [(0,)])
    until(lambda: shop.rows("SELECT count(*) FROM emails WHERE status = 'sent'") == [(24,)])
    assert [len(shop.confirmations(number)) for number in numbers] == [1] * 24
    assert requests_of(running, "worker-1") > 0
    assert requests_of(running, "worker-2") > 0
    said = running.ask("/metrics").text
    assert said.count("# TYPE http_server_request_duration_seconds histogram") == 1
    assert 'shop_actor_state{actor="http",state="running",worker="worker-2"} 1.0' in said
    assert running.ask("/healthz").status_code == 200
    assert running.stop() == 0
    audit = shop.command("audit")
    assert audit.returncode == 0, audit.stdout


def test_a_worker_that_dies_is_replaced_while_the_other_serves(shop: Shop) -> None:
    running = shop.run(*WORKERS)
    until(lambda: both_serve(running))
    before = pids(running)
    for victim in before:  # the teller as well
        os.kill(victim, signal.SIGKILL)
        until(partial(replaced, running, victim))
        with httpx.Client(base_url=shop.url, timeout=30) as client:
            assert client.get("/api/v1/products").status_code == 200
        running.ready()
        until(lambda: both_serve(running))
    assert not before & pids(running)
    assert {one["event"] for one in running.events} >= {"worker_ended"}
    assert running.stop() == 0


def test_a_worker_that_hangs_makes_the_whole_unwell(shop: Shop) -> None:
    running = shop.run(*WORKERS)
    until(lambda: both_serve(running))
    [first, *_] = sorted(pids(running))
    os.kill(first, signal.SIGSTOP)
    try:
        assert running.ask("/healthz").status_code == 503
        assert running.ask("/readyz").status_code == 503
    finally:
        os.kill(first, signal.SIGCONT)
    running.ready()
    assert running.ask("/healthz").status_code == 200
    assert running.stop() == 0


def test_a_stop_under_load_drops_no_request(shop: Shop) -> None:
    running = shop.run(*WORKERS)
    until(lambda: both_serve(running))
    variant = variant_of(shop.client())["id"]
    told = Event()
    answered: list[int] = []

    def ask(number: int) -> list[str]:
        """Ask until nobody listens; every connection that was taken must be answered."""
        with httpx.Client(base_url=shop.url, timeout=30) as client:
            while True:
                body = {"variant_id": variant, "quantity": 1 + number % 3}
                try:
                    answer = client.post("/api/v1/cart/items", json=body)
                except httpx.ConnectError:
                    return []
                except httpx.TransportError as error:
                    return [repr(error)]
                answered.append(answer.status_code)
                if answer.status_code not in {200, 201}:
                    return [answer.text]
                if len(answered) > 100:
                    told.set()

    with ThreadPoolExecutor(8) as crowd:
        asking = [crowd.submit(ask, number) for number in range(8)]
        assert told.wait(60)
        running.signal()
        assert running.ended() == 0
        assert [one.result() for one in asking] == [[]] * 8
    assert "stop_forced" not in running.out


def test_the_workers_end_with_the_process_that_watches_them(shop: Shop) -> None:
    running = shop.run(*WORKERS)
    until(lambda: both_serve(running))
    left = pids(running)
    running.kill()
    until(lambda: all(gone(pid) for pid in left))
    assert shop.run(*WORKERS).stop() == 0


def test_what_refuses_one_worker_refuses_all_in_one_line(tmp_path: Path) -> None:
    with Shop(tmp_path, SHOP_DATABASE_URL=DATABASES.lend(migrated=False)) as shop:
        assert shop.command("migrate").returncode == 0
        shop.write("UPDATE alembic_version SET version_num = '9999'")
        refused = shop.start(*WORKERS)
        assert refused.ended() == 1
        assert "newer version of shop" in refused.err
        assert len(refused.err.splitlines()) == 1


def test_a_second_shop_on_the_port_is_refused(shop: Shop) -> None:
    running = shop.run(*WORKERS)
    second = shop.start(*WORKERS, SHOP_OPS_PORT="0")
    assert second.ended() == 1
    taken = f"Cannot listen on 127.0.0.1 port {shop.port}: address already in use."
    assert second.err.splitlines() == [f"shop: {taken} See SHOP_HTTP_HOST and SHOP_HTTP_PORT."]
    assert running.stop() == 0


def test_crews_of_consumers_and_of_servers_work_together(shop: Shop) -> None:
    api = shop.run("--role", "api", *WORKERS)
    reacting = shop.beside("--role", "consumer", *WORKERS)
    client = shop.client()
    bought = Purchase(variant_of(client)["id"], "buyer")
    bought.whole(client)
    until(lambda: shop.confirmations(bought.number))
    until(lambda: len(workers(reacting)) == 2)
    assert (reacting.stop(), api.stop()) == (0, 0)
