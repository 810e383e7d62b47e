"""The real binary on Kafka: one serves, two react, and one of those is killed at work."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kit.process import Purchase, Shop, filled, until, variant_of

ORDERS = 24


@pytest.fixture(scope="module")
def goods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("goods"))


@pytest.fixture
def shop(goods: Path, tmp_path: Path, kafka_url: str, topic_prefix: str) -> Shop:
    shop = Shop(tmp_path, SHOP_BUS_URL=kafka_url, SHOP_BUS_PREFIX=topic_prefix)
    goods.rename(shop.data)
    return shop


def test_a_consumer_that_is_killed_at_work_leaves_no_order_without_its_one_mail(
    shop: Shop,
) -> None:
    with shop:
        made = shop.command("migrate")
        assert (made.returncode, len(made.stdout.splitlines())) == (0, 15), made.stderr
        shop.run("--role", "api")
        first = shop.beside("--role", "consumer")
        second = shop.beside("--role", "consumer")
        client = shop.client()
        variant = variant_of(client)["id"]
        buyers = [Purchase(variant, f"buyer-{number}") for number in range(ORDERS)]

        def buy(bought: Purchase) -> None:
            bought.whole(shop.client())

        with ThreadPoolExecutor(4) as pool:
            buying = [pool.submit(buy, one) for one in buyers]
            until(lambda: len(shop.mails()) >= 2)
            first.kill()
            for one in buying:
                one.result()
        until(lambda: len(shop.mails()) >= ORDERS)
        until(lambda: shop.rows("SELECT count(*) FROM outbox") == [(0,)])
        for bought in buyers:
            assert len(shop.confirmations(bought.number)) == 1
        until(lambda: shop.command("audit").returncode == 0)
        assert shop.command("dlq", "list").stdout == "There are no dead letters.\n"
        assert second.process.poll() is None
        until(
            lambda: (
                '\nshop_consumer_lag{consumer="order-mails"} 0.0\n' in second.ask("/metrics").text
            )
        )
        assert second.stop() == 0


def test_a_bus_url_that_cannot_be_is_refused_in_one_line(tmp_path: Path) -> None:
    with Shop(tmp_path, SHOP_BUS_URL="kafka://me:hunter2@host?tls=perhaps") as shop:
        done = shop.command("run")
        assert done.returncode == 1
        assert done.stderr == "shop: SHOP_BUS_URL (bus.url): tls is true or false.\n"
