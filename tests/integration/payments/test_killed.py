"""`kill -9` while the gateway or the mail server works for us: nothing is made or sent twice."""

import asyncio
import shutil
from asyncio import to_thread
from pathlib import Path

import httpx
import pytest

from shop.adapters.system.clock import SystemClock
from tests.kit.postoffice import post_office
from tests.kit.process import TIMEOUT, Purchase, Shop, filled, until, variant_of
from tests.kit.razorpay import KEY_ID, KEY_SECRET, WEBHOOK_SECRET, FakeRazorpay, razorpay_served


@pytest.fixture(scope="module")
def goods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("goods"))


async def report(shop: Shop, fake: FakeRazorpay) -> list[str]:
    async with httpx.AsyncClient(base_url=shop.url, timeout=TIMEOUT) as client:
        answers = [
            await client.post("/webhooks/razorpay", content=body, headers=headers)
            for body, headers in await fake.hooks()
        ]
    return [answer.json()["outcome"] for answer in answers]


async def test_a_link_and_a_mail_under_way_survive_the_end_of_their_process(
    goods: Path, tmp_path: Path
) -> None:
    async with razorpay_served(SystemClock()) as fake, post_office() as office:
        given = {
            "SHOP_PAYMENTS_PROVIDER": "razorpay",
            "SHOP_RAZORPAY_KEY_ID": KEY_ID,
            "SHOP_RAZORPAY_KEY_SECRET": KEY_SECRET,
            "SHOP_RAZORPAY_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "SHOP_RAZORPAY_URL": fake.url,
            "SHOP_MAIL_URL": f"smtp://localhost:{office.port}?starttls=never",
        }
        with Shop(tmp_path, **given) as shop:
            await to_thread(shutil.copytree, goods, shop.data)
            running = await to_thread(shop.run)
            client = shop.client()
            purchase = Purchase((await to_thread(variant_of, client))["id"], "buyer")
            await to_thread(purchase.fill, client)

            fake.fail("POST /v1/payment_links", works=True)  # made, and nobody is told
            asked = asyncio.create_task(to_thread(purchase.check_out, client))
            await to_thread(until, lambda: fake.links)
            running.kill()
            with pytest.raises(httpx.TransportError):
                await asked
            running = await to_thread(shop.run)
            linked = "SELECT link_url FROM payments WHERE link_id IS NOT NULL"
            [(url,)] = await to_thread(until, lambda: shop.rows(linked))
            assert len(fake.links) == 1

            office.silent = True  # taken, and nobody is told
            await fake.pay(url)
            assert "confirmed" in await report(shop, fake)
            await to_thread(until, lambda: office.taken)
            running.kill()
            await to_thread(shop.run)
            assert set(await report(shop, fake)) == {"nothing_new"}
            assert shop.rows("SELECT status FROM orders") == [("confirmed",)]
            assert shop.rows("SELECT status FROM emails") == [("sending",)]
            audit = await to_thread(shop.command, "audit")
            assert audit.returncode == 0, audit.stdout + audit.stderr
            assert len(office.taken) == 1
