"""`shop dlq` on Kafka, as an operator calls it."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shop.core.orders.model import PaymentMethod
from shop.entrypoints.cli.main import cli
from shop.ports.bus import DeadLetter, DeadLetters, Topics
from shop.ports.outbox import Envelope, Outbox
from shop.ports.system import Clock
from shop.settings import Bus, Url
from tests.kit.containers import running, settings_for
from tests.kit.goods import stocked
from tests.kit.orders import an_order


async def buried(folder: Path, bus: Bus) -> Envelope:
    """The news of a confirmed order, which its consumer has given up on."""
    async with running(settings_for("sqlite", folder, bus=bus)) as container:
        await (await container.get(Topics)).migrate()
        [variant] = await stocked(container, 5)
        await an_order(container, variant, payment_method=PaymentMethod.COD)
        waiting: list[Envelope] = await (await container.get(Outbox)).oldest(100)
        [news] = [event for event in waiting if event.kind.startswith("shop.order.confirmed")]
        now = (await container.get(Clock)).now()
        letters: DeadLetters = await container.get(DeadLetters)
        await letters.add(
            DeadLetter(
                consumer="order-mails",
                event=news,
                reason="ValueError: the template was broken",
                attempts=5,
                at=now,
                origin=f"{bus.prefix}.orders/0/7",
            )
        )
    return news


async def test_an_operator_lists_what_was_given_up_and_has_it_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka_url: str, topic_prefix: str
) -> None:
    bus = Bus(url=Url(kafka_url), prefix=topic_prefix, partitions=1)
    news = await buried(tmp_path, bus)
    for name, value in {
        "SHOP_DATA_DIR": str(tmp_path),
        "SHOP_BUS_URL": kafka_url,
        "SHOP_BUS_PREFIX": topic_prefix,
        "SHOP_BUS_PARTITIONS": "1",
    }.items():
        monkeypatch.setenv(name, value)

    async def shop(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, cli, words)

    listed = await shop("dlq", "list")
    [letter, count] = listed.stdout.splitlines()
    assert f"order-mails  {news.id}  {news.kind}  key {news.key}  after 5: ValueError: " in letter
    assert count == "1 dead letters."
    nobody = await shop("dlq", "replay", "--consumer", "nobody")
    assert nobody.stdout.endswith("0 went through, 0 failed again.\n")
    done = await shop("dlq", "replay", "--event", str(news.id))
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith("1 went through, 0 failed again.\n")
    assert (await shop("dlq", "list")).stdout == "There are no dead letters.\n"
