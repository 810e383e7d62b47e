"""What staff are told by mail, since nobody looks at a delivered order again by himself."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shop.core.checkout.order_mails import StaffMailbox
from shop.core.notifications.model import Email
from shop.ports.mail import EmailFilter, EmailReads
from shop.settings import Mail
from tests.kit.containers import running, settings_for
from tests.kit.site import ADMIN, API, Shop, a_shop

STAFF = "returns@shop.test"


@pytest.fixture
async def shop(storage: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with a_shop(storage, tmp_path, mail=Mail(staff=STAFF)) as shop:
        yield shop


async def mails_to(shop: Shop, whom: str) -> list[Email]:
    reads = await shop.container.get(EmailReads)
    return list((await reads.page(EmailFilter(recipient=whom), 10, None)).items)


async def wish(shop: Shop, placed: dict[str, Any], quantity: int, reason: str) -> None:
    items = [{"variant_id": str(placed["variant"]), "quantity": quantity}]
    answer = await shop.client.post(
        f"{API}/orders/{placed['order']['id']}/returns",
        json={"items": items, "reason": reason},
        headers={**placed["opens"], **shop.key()},
    )
    assert answer.status_code == 201, answer.text


async def test_each_wish_to_return_something_is_mailed_to_staff(shop: Shop) -> None:
    staff = await shop.staff()
    placed = await shop.order(3, payment_method="cod", email="buyer@example.com")
    order = placed["order"]
    shipped = {"carrier": "Post", "tracking_number": "T1"}
    for step, body in (("pack", {}), ("ship", shipped), ("deliver", {})):
        url = f"{ADMIN}/orders/{order['id']}/{step}"
        answer = await shop.client.post(url, json=body, headers={**staff, **shop.key()})
        assert answer.status_code == 200, answer.text
    await wish(shop, placed, 2, "Too <small>")
    await wish(shop, placed, 1, "As well")
    await shop.settle_down()
    await shop.settle_down()
    second, first = await mails_to(shop, STAFF)
    assert order["number"] in first.subject
    assert "2 x " in first.text
    assert "Why: Too <small>" in first.text
    assert "Too &lt;small&gt;" in first.html
    assert f"/admin/orders/{order['number']}\n" in first.text
    assert "order_token" not in first.text + first.html  # it is the buyer's
    assert "Why: As well" in second.text
    told = await mails_to(shop, "buyer@example.com")
    assert len(told) == 3  # confirmed, shipped, delivered


async def test_without_an_address_of_their_own_staff_read_what_is_sent_to_the_sender(
    tmp_path: Path,
) -> None:
    mail = Mail(from_="Tea & Co <orders@shop.test>")
    async with running(settings_for("memory", tmp_path, mail=mail)) as container:
        assert await container.get(StaffMailbox) == "orders@shop.test"
