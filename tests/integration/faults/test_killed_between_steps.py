"""`kill -9` between two steps of a purchase. Each gap is held open until the process in it is dead,
by a gateway, a mail server or a broker that does not answer, or by a lock in the database.

MariaDB, Redis, Kafka, a gateway of Razorpay's kind and a mail server; two replicas of each role.
After each death the order is confirmed once, its mail is one, and `shop audit` agrees.
"""

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from msgspec import Struct, field
from sqlalchemy.pool import NullPool

from shop.adapters.sql.mysql import make_engine
from shop.adapters.system.clock import SystemClock
from tests.kit.deployment import CONSUMERS, Buyer, Deployment, audited, on_servers
from tests.kit.kafka import KAFKA
from tests.kit.postoffice import PostOffice, post_office
from tests.kit.process import until
from tests.kit.razorpay import KEY_ID, KEY_SECRET, WEBHOOK_SECRET, FakeRazorpay, razorpay_served

STOCK = 500
CREATE = "POST /v1/payment_links"
#: A mail in doubt is sent once more after a minute.
DOUBT = 100.0


class Scene(Struct):
    """The shop, and those it talks to, who live on the portal's loop."""

    shop: Deployment
    portal: BlockingPortal
    fake: FakeRazorpay
    office: PostOffice
    buyers: list[Buyer] = field(default_factory=list)

    def buyer(self, name: str) -> Buyer:
        """With a full cart."""
        buyer = Buyer(self.shop.variant, name)
        buyer.fill(self.one)
        self.buyers.append(buyer)
        return buyer

    @property
    def one(self) -> httpx.Client:
        """The replica that is killed."""
        return self.shop.clients[0]

    @property
    def two(self) -> httpx.Client:
        return self.shop.clients[1]

    def count(self, what: str) -> int:
        [(count,)] = self.shop.first.rows(f"SELECT count(*) FROM {what}")  # noqa: S608 - written below
        return int(count)

    def pay(self, buyer: Buyer) -> None:
        """At the gateway. Nobody comes back from there."""
        url = until(lambda: buyer.order(self.two)["payment_link"])
        self.portal.call(self.fake.pay, url)

    def report(self, client: httpx.Client) -> set[str]:
        """What the gateway has to tell; what became of it."""
        hooks = self.portal.call(self.fake.hooks)
        answers = [
            client.post("/webhooks/razorpay", content=body, headers=headers)
            for body, headers in hooks
        ]
        assert {answer.status_code for answer in answers} == {200}
        self.portal.call(self.fake.lose_hooks)
        return {answer.json()["outcome"] for answer in answers}

    def place(self, buyer: Buyer, client: httpx.Client) -> None:
        """However often it takes until whoever had the key before is taken to be dead."""
        until(lambda: buyer.check_out(client).status_code == 201, pause=0.2)

    def paid(self, buyer: Buyer) -> None:
        self.pay(buyer)
        assert "confirmed" in self.report(self.two)

    def agrees(self, within: float = 60.0) -> None:
        """Everything has come to its end exactly once."""
        for stuck in ("outbox", "emails WHERE status <> 'sent'"):
            until(lambda stuck=stuck: not self.count(stuck), within, pause=0.1)  # type: ignore[misc]
        for buyer in self.buyers:
            until(lambda buyer=buyer: self._mails(buyer), pause=0.1)  # type: ignore[misc]
            assert buyer.order(self.two)["status"] == "confirmed"
            assert len(self._mails(buyer)) == 1
        assert self.count("orders") == len(self.buyers)
        made = [request.reference for request in self.fake.links.values()]
        assert len(made) == len(set(made)) == len(self.buyers)
        report = audited(self.shop.first)
        assert report.findings == []
        assert report.checked["invoices"] == len(self.buyers)

    def _mails(self, buyer: Buyer) -> set[str]:
        """The ids of the mails that confirm an order, whatever number of times each was sent."""
        confirm = [mail for mail in self.office.taken if buyer.number in mail["Subject"]]
        return {mail["Message-ID"] for mail in confirm}

    @contextmanager
    def locked(self, *statements: str) -> Iterator[None]:
        """Nobody else gets what the statements lock."""
        locks = _locks(self.shop.first.server, statements)
        with self.portal.wrap_async_context_manager(locks):
            yield

    def somebody_waits(self) -> None:
        """For a lock of ours. What the server says of it is renewed for who asks seldom."""
        waiting = "information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
        until(lambda: self.count(waiting), pause=0.2)


@asynccontextmanager
async def _locks(url: str, statements: tuple[str, ...]) -> AsyncIterator[None]:
    engine = make_engine(url, (), poolclass=NullPool, prepared=0)
    async with engine.connect() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)
        yield
        await connection.invalidate()  # as a client that is gone: nothing stays locked
    await engine.dispose()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(razorpay_served(SystemClock())) as fake,
        portal.wrap_async_context_manager(post_office()) as office,
    ):
        given: dict[str, str] = {
            "SHOP_PAYMENTS_PROVIDER": "razorpay",
            "SHOP_RAZORPAY_KEY_ID": KEY_ID,
            "SHOP_RAZORPAY_KEY_SECRET": KEY_SECRET,
            "SHOP_RAZORPAY_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "SHOP_RAZORPAY_URL": fake.url,
            "SHOP_MAIL_URL": f"smtp://localhost:{office.port}?starttls=never",
        }
        with on_servers(tmp_path_factory.mktemp("steps"), "steps", STOCK, **given) as shop:
            yield Scene(shop, portal, fake, office)


@contextmanager
def asked(what: Any, *given: Any) -> Iterator[None]:
    """Somebody waits for an answer, which never comes."""
    with ThreadPoolExecutor(1) as pool:
        answer: Future[Any] = pool.submit(what, *given)
        yield
        with pytest.raises(httpx.TransportError):
            answer.result()


def test_the_doctor_has_a_line_for_each_server_and_names_the_one_that_is_away(
    scene: Scene,
) -> None:
    """Here, where all of them are real."""
    servers = ["database", "cache", "bus", "payments", "mail", "media"]
    well = scene.shop.first.command("doctor")
    assert well.returncode == 0, well.stdout
    assert [line.split()[:2] for line in well.stdout.splitlines()[2:]] == [
        ["ok", name] for name in servers
    ]
    scene.portal.call(scene.office.close)
    try:
        ill = scene.shop.first.command("doctor")
    finally:
        scene.portal.call(scene.office.open)
    [wrong] = [line for line in ill.stdout.splitlines() if line.startswith("WRONG")]
    assert wrong.split()[1] == "mail"
    assert "see that the mail server runs" in wrong
    assert ill.returncode == 1


def test_before_an_order_is_stored_nothing_is_held(scene: Scene) -> None:
    """Order, held stock and key are one unit: there is no moment between them."""
    buyer = scene.buyer("unit")
    before = scene.count("orders")
    with scene.locked("START TRANSACTION", "SELECT id FROM variants FOR UPDATE"):
        with asked(buyer.check_out, scene.one):
            scene.somebody_waits()
            scene.shop.kill("api-1")
        assert scene.count("orders") == before
    until(lambda: not scene.count("variants WHERE held > 0"))
    scene.place(buyer, scene.two)
    scene.shop.mend()
    scene.paid(buyer)
    scene.agrees()


def test_between_the_order_and_its_link(scene: Scene) -> None:
    buyer = scene.buyer("order")
    links = len(scene.fake.links)
    scene.fake.fail(CREATE)  # nobody answers, and nothing is made
    with asked(buyer.check_out, scene.one):
        until(lambda: not scene.fake.faults)
        scene.shop.kill("api-1")
    assert scene.count("payments WHERE link_id IS NULL") == 1
    assert len(scene.fake.links) == links
    scene.place(buyer, scene.two)
    scene.shop.mend()
    scene.paid(buyer)
    scene.agrees()


def test_between_a_link_and_our_knowledge_of_it(scene: Scene) -> None:
    buyer = scene.buyer("link")
    links = len(scene.fake.links)
    scene.fake.fail(CREATE, works=True)  # made, and nobody is told
    with asked(buyer.check_out, scene.one):
        until(lambda: len(scene.fake.links) > links)
        scene.shop.kill("api-1")
    assert scene.count("payments WHERE link_id IS NULL") == 1
    scene.shop.mend()
    scene.place(buyer, scene.one)
    scene.paid(buyer)
    scene.agrees()


def test_between_the_money_and_its_webhook(scene: Scene) -> None:
    """The report, the confirmation and its event are one unit, which the gateway asks for again."""
    buyer = scene.buyer("webhook")
    scene.place(buyer, scene.one)
    scene.pay(buyer)
    before = scene.count("webhook_events")
    with scene.locked("START TRANSACTION", "SELECT id FROM orders FOR UPDATE"):
        with asked(scene.report, scene.one):
            scene.somebody_waits()
            scene.shop.kill("api-1")
        assert scene.count("webhook_events") == before
    assert buyer.order(scene.two)["status"] == "pending_payment"
    scene.shop.mend()
    assert "confirmed" in scene.report(scene.one)
    scene.agrees()


def test_between_the_webhook_and_the_bus(scene: Scene) -> None:
    if KAFKA.process is None:
        pytest.skip("This Kafka is not ours to stop.")
    buyer = scene.buyer("event")
    scene.place(buyer, scene.one)
    KAFKA.process.pause()
    try:
        scene.paid(buyer)
        assert scene.count("outbox") > 0
        scene.shop.kill(*CONSUMERS, "api-1")
        assert scene.count("outbox") > 0
    finally:
        KAFKA.process.resume()
    scene.shop.mend()
    scene.agrees()


def test_between_the_bus_and_the_mail(scene: Scene) -> None:
    buyer = scene.buyer("heard")
    scene.place(buyer, scene.one)
    with scene.locked("LOCK TABLES emails WRITE"):
        scene.paid(buyer)
        until(lambda: not scene.count("outbox"))
        scene.shop.kill(*CONSUMERS)
    assert scene.count("emails") == len(scene.buyers) - 1
    scene.shop.mend()
    scene.agrees()


def test_between_a_mail_and_its_sending(scene: Scene) -> None:
    buyer = scene.buyer("mail")
    scene.place(buyer, scene.one)
    scene.portal.call(scene.office.close)
    scene.paid(buyer)
    until(lambda: scene.count("emails") == len(scene.buyers))
    scene.shop.kill(*CONSUMERS)
    scene.portal.call(scene.office.open)
    assert scene.count("emails WHERE status = 'sent'") == len(scene.buyers) - 1
    scene.shop.mend()
    scene.agrees(DOUBT)  # it may have been killed between "sending" and "refused"


def test_between_the_sending_of_a_mail_and_our_knowledge_of_it(scene: Scene) -> None:
    """It goes out once more after a minute, as the same mail: who reads it sees one."""
    buyer = scene.buyer("sent")
    scene.place(buyer, scene.one)
    scene.office.silent = True  # taken, and nobody is told
    taken = len(scene.office.taken)
    scene.paid(buyer)
    until(lambda: len(scene.office.taken) > taken)
    scene.shop.kill(*CONSUMERS)
    scene.office.silent = False
    assert scene.count("emails WHERE status = 'sending'") == 1
    scene.shop.mend()
    scene.agrees(DOUBT)
    assert len(scene.office.taken) == taken + 2
    assert scene.shop.first.command("dlq", "list").stdout == "There are no dead letters.\n"
