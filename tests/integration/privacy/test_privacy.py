"""Taking one's data along, and being forgotten, over the whole edge on each storage."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from msgspec.structs import replace

from shop.adapters.memory.store import MemoryStore
from shop.adapters.sql.conn import Conn
from shop.adapters.sql.database import Database
from shop.adapters.sql.tables import metadata
from shop.core.checkout.audit import Audit
from shop.core.checkout.carts import AddItem, PricedCart
from shop.core.checkout.links import PaymentLinks
from shop.core.kernel.access import Caller, Role, person_name
from shop.core.kernel.errors import Denied, StaleWrite, Unauthenticated
from shop.core.kernel.ids import OrderId, UserId
from shop.core.notifications.model import EmailStatus
from shop.core.privacy.erasure import AccountErasure, DeleteAccount
from shop.core.privacy.export import Export
from shop.core.privacy.model import UserErased
from shop.core.users.model import User
from shop.core.users.signing_in import Credentials
from shop.core.users.tidying import IdentityTidying
from shop.ports.catalog import CatalogChanges
from shop.ports.mail import EmailFilter, EmailReads, Emails
from shop.ports.orders import Orders
from shop.ports.privacy import PersonalReads
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork
from shop.ports.users import Users
from shop.settings import Security, Settings
from tests.kit.buying import an_order_for, ask_carts, check_out
from tests.kit.clock import ManualClock
from tests.kit.site import ADMIN, API, HOME, PASSWORD, Headers, Shop, a_shop

EMAIL = "asha.rao@mailbox.test"
NAME = "Ashalata Raochowdhury"
PLACE = HOME | {"name": NAME, "phone": "+919845098765", "street": "77 Hidden Lane"}


@pytest.fixture
async def shop(storage: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with a_shop(storage, tmp_path) as shop:
        yield shop


async def newcomer(shop: Shop) -> Headers:
    body = {"name": NAME, "email": EMAIL, "password": "three green kettles", "contact": None}
    answer = await shop.client.post(f"{API}/signup", json=body | {"contact": PLACE["phone"]})
    assert answer.status_code == 201, answer.text
    login = {"email": EMAIL, "password": PASSWORD}
    answer = await shop.client.post(f"{API}/login", json=login)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def erase(shop: Shop, who: Headers, **body: Any) -> Any:
    given = body or {"current_password": PASSWORD}
    return await shop.client.request("DELETE", f"{API}/me", json=given, headers=who)


async def bought(shop: Shop, who: Headers) -> dict[str, Any]:
    """A paid order of a customer."""
    [variant] = await shop.goods(20)
    await shop.put(who, variant, 2)
    answer = await shop.check_out(who, email=None, shipping_address=PLACE)
    assert answer.status_code == 201, answer.text
    placed: dict[str, Any] = answer.json()
    await shop.pay(placed)
    await shop.settle_down()
    return placed["order"] | {"variant": variant}  # type: ignore[no-any-return]


async def deliver(shop: Shop, staff: Headers, order: dict[str, Any]) -> None:
    for move, body in (
        ("pack", {}),
        ("ship", {"carrier": "India Post", "tracking_number": "EK1"}),
        ("deliver", {}),
    ):
        url = f"{ADMIN}/orders/{order['id']}/{move}"
        answer = await shop.client.post(url, json=body, headers={**staff, **shop.key()})
        assert answer.status_code == 200, answer.text
    await shop.settle_down()


async def agrees(shop: Shop) -> list[str]:
    async with shop.container() as scope:
        report = await (await scope.get(Audit)).run()
    return report.findings


# --- export ---


async def test_the_export_holds_everything_and_no_secret(shop: Shop) -> None:
    who, staff = await newcomer(shop), await shop.staff()
    saved = await shop.client.post(f"{API}/addresses", json=PLACE, headers=who)
    assert saved.status_code == 201
    order = await bought(shop, who)
    await deliver(shop, staff, order)
    [variant] = await shop.goods(5)
    await shop.put(who, variant, 3)
    answer = await shop.client.get(f"{API}/me/export", headers=who)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == 'attachment; filename="my-data.json"'
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert told["profile"]["email"] == EMAIL
    assert told["profile"]["has_password"] is True
    assert [one["street"] for one in told["addresses"]] == ["77 Hidden Lane"]
    assert [one["client_id"] for one in told["sessions"]] == ["shop"]
    assert told["cart"]["lines"] == [{"variant_id": str(variant), "quantity": 3}]
    assert told["second_factors"] == {"app_since": None, "passkeys": [], "recovery_codes_left": 0}
    assert told["linked_profiles"] == told["reviews"] == []
    [kept] = told["orders"]
    assert kept["order"]["number"] == order["number"]
    assert kept["order"]["tracking"]["number"] == "EK1"
    assert kept["payments"][0]["status"] == "paid"
    assert any(order["number"] in mail["text"] for mail in kept["mails"])
    [welcome] = told["mails"]
    assert welcome["text"] is None  # its link is a secret
    assert "hash" not in answer.text
    assert "token=" not in answer.text.replace("order_token=", "")


async def test_the_export_holds_sessions_that_are_over_as_long_as_they_are_kept(
    shop: Shop,
) -> None:
    who = await newcomer(shop)
    login = {"email": EMAIL, "password": PASSWORD}
    answer = await shop.client.post(f"{API}/login", json=login, headers={"User-Agent": "old phone"})
    old = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await shop.client.post(f"{API}/logout", headers=old)).status_code == 204
    told = (await shop.client.get(f"{API}/me/export", headers=who)).json()["sessions"]
    assert [one["device"] for one in told if one["ended_at"]] == ["old phone"]
    assert len(told) == 2
    shop.clock.advance(seconds=38 * 86_400)  # a month unused, and a week for late questions
    async with shop.container() as scope:
        await (await scope.get(IdentityTidying)).tidy()
    answer = await shop.client.post(f"{API}/login", json=login)
    who = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    told = (await shop.client.get(f"{API}/me/export", headers=who)).json()["sessions"]
    assert [one["ended_at"] for one in told] == [None]


async def test_the_export_is_of_one_person(shop: Shop) -> None:
    who = await newcomer(shop)
    order = await bought(shop, who)
    other = await shop.somebody("ravi@example.com")
    told = await shop.client.get(f"{API}/me/export", headers=other)
    assert told.json()["orders"] == []
    assert order["number"] not in told.text
    assert EMAIL not in told.text
    assert (await shop.client.get(f"{API}/me/export")).status_code == 401


async def test_an_export_of_many_orders_is_one_document(shop: Shop) -> None:
    who = await newcomer(shop)
    [variant] = await shop.goods(200)
    for _ in range(53):  # more than one page
        await shop.put(who, variant, 1)
        placed = await shop.check_out(who, email=None, shipping_address=PLACE)
        assert placed.status_code == 201, placed.text
    told = (await shop.client.get(f"{API}/me/export", headers=who)).json()
    numbers = [one["order"]["number"] for one in told["orders"]]
    assert len(set(numbers)) == 53


async def test_who_asks_for_it_again_and_again_waits(storage: str, tmp_path: Path) -> None:
    async with a_shop(storage, tmp_path, limits=True) as shop:
        who = await newcomer(shop)
        asked = [await shop.client.get(f"{API}/me/export", headers=who) for _ in range(12)]
        codes = [answer.status_code for answer in asked]
    assert codes[0] == 200
    assert codes[-1] == 429


# --- erasure ---


async def test_an_account_is_deleted_with_its_password_only(shop: Shop) -> None:
    who = await newcomer(shop)
    assert (await erase(shop, who, current_password="wrong")).json()["code"] == "bad-credentials"
    answer = await shop.client.delete(f"{API}/me", headers=who)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "current_password"
    assert (await shop.client.get(f"{API}/me", headers=who)).status_code == 200
    assert (await erase(shop, who)).status_code == 204
    for call in ("/me", "/addresses", "/cart", "/me/export"):
        assert (await shop.client.get(API + call, headers=who)).status_code == 401
    assert (await erase(shop, who)).status_code == 401
    login = {"email": EMAIL, "password": PASSWORD}
    assert (await shop.client.post(f"{API}/login", json=login)).status_code == 401


async def test_a_password_that_was_changed_meanwhile_deletes_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asha = await newcomer(shop)
    confirm = Credentials.confirm

    async def slow(self: Credentials, *given: Any) -> User:
        monkeypatch.undo()
        checked = await confirm(self, *given)
        body = {"current_password": PASSWORD, "new_password": "four green kettles"}
        answer = await shop.client.post(f"{API}/me/password", json=body, headers=asha)
        assert answer.status_code == 204, answer.text
        return checked

    monkeypatch.setattr(Credentials, "confirm", slow)
    answer = await erase(shop, asha)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad-credentials")
    assert (await shop.client.get(f"{API}/me", headers=asha)).status_code == 200


async def test_the_address_is_free_again_for_somebody_with_nothing(shop: Shop) -> None:
    who, staff = await newcomer(shop), await shop.staff()
    order = await bought(shop, who)
    await deliver(shop, staff, order)
    assert (await erase(shop, who)).status_code == 204
    again = await newcomer(shop)
    assert (await shop.client.get(f"{API}/orders", headers=again)).json()["items"] == []
    assert (await shop.client.get(f"{API}/orders/{order['id']}", headers=again)).status_code == 404


async def test_without_a_password_it_takes_a_sign_in_just_now(storage: str, tmp_path: Path) -> None:
    async with a_shop(storage, tmp_path, security=Security(access_token_seconds=7200)) as shop:
        who = await newcomer(shop)
        await _without_password(shop)
        clock = await shop.container.get(Clock)
        assert isinstance(clock, ManualClock)
        clock.advance(901)
        answer = await shop.client.delete(f"{API}/me", headers=who)
        assert (answer.status_code, answer.json()["code"]) == (403, "fresh-sign-in-needed")
        assert (await shop.client.get(f"{API}/me", headers=who)).status_code == 200
        clock.advance(-2)
        assert (await shop.client.delete(f"{API}/me", headers=who)).status_code == 204


async def _without_password(shop: Shop) -> None:
    async with shop.container() as scope:
        uow, users = await scope.get(UnitOfWork), await scope.get(Users)
        async with uow.begin():
            user = await users.by_email(EMAIL)
            assert user is not None
            await users.save(replace(user, password_hash=None))


async def test_an_order_on_its_way_comes_first(shop: Shop) -> None:
    who, staff = await newcomer(shop), await shop.staff()
    order = await bought(shop, who)
    answer = await erase(shop, who)
    assert answer.status_code == 409
    assert answer.json()["code"] == "orders-open"
    assert answer.json()["facts"] == {"orders": [order["number"]]}
    mine = await shop.client.get(f"{API}/orders/{order['id']}", headers=who)
    assert mine.json()["shipping_address"]["name"] == NAME
    cancelled = await shop.client.post(f"{API}/orders/{order['id']}/cancel", headers=who)
    assert cancelled.status_code == 200, cancelled.text
    assert (await erase(shop, who)).status_code == 409  # the money is on its way back
    await shop.settle_down()
    for body, headers in await shop.hooks():
        await shop.hook(body, headers)
    await shop.settle_down()
    assert (await erase(shop, who)).status_code == 204
    kept = await shop.client.get(f"{ADMIN}/orders", headers=staff)
    [one] = kept.json()["items"]
    assert one["status"] == "cancelled"
    assert await agrees(shop) == []


async def test_neither_cart_nor_order_of_the_same_instant_is_made_for_nobody(shop: Shop) -> None:
    """A call that was let in while the account was being deleted comes to an empty chair."""
    who = await newcomer(shop)
    me = UserId(UUID((await shop.client.get(f"{API}/me", headers=who)).json()["id"]))
    [variant] = await shop.goods(20)
    assert (await erase(shop, who)).status_code == 204
    # Meanwhile: what came through the door before, and waited for its turn.
    mine, theirs = (
        AddItem(owner=owner, variant_id=variant, quantity=1)
        for owner in (person_name(me), "cart:somebody's")
    )
    refused, served = await ask_carts(shop.container, mine, theirs)
    assert isinstance(refused, Unauthenticated)
    assert isinstance(served, PricedCart)
    assert await (await shop.container.get(PersonalReads)).cart(me) is None
    late = an_order_for(person_name(me), "late", user_id=me, email="a@example.com")
    [answer] = await check_out(shop.container, late)
    assert isinstance(answer, Unauthenticated)
    staff = await shop.staff()
    assert (await shop.client.get(f"{ADMIN}/orders", headers=staff)).json()["items"] == []


async def test_of_an_order_and_a_deletion_at_once_one_wins(shop: Shop) -> None:
    who = await newcomer(shop)
    [variant] = await shop.goods(20)
    await shop.put(who, variant)
    bought, erased = await asyncio.gather(
        shop.check_out(who, email=None, shipping_address=PLACE), erase(shop, who)
    )
    assert (bought.status_code, erased.status_code) in {(201, 409), (401, 204), (409, 204)}
    kept = await shop.client.get(f"{ADMIN}/orders", headers=await shop.staff())
    assert len(kept.json()["items"]) == (bought.status_code == 201)


async def test_an_expired_order_waits_for_late_money(shop: Shop) -> None:
    who = await newcomer(shop)
    [variant] = await shop.goods(20)
    await shop.put(who, variant)
    await shop.check_out(who, email=None, shipping_address=PLACE)
    assert (await erase(shop, who)).status_code == 409


async def test_the_books_agree_and_name_nobody_afterwards(shop: Shop) -> None:
    who, staff = await newcomer(shop), await shop.staff()
    await shop.client.post(f"{API}/addresses", json=PLACE, headers=who)
    order = await bought(shop, who)
    await deliver(shop, staff, order)
    review = {"rating": 5, "title": "Fine", "body": "Quite fine."}
    product = await _product_of(shop, order)
    said = await shop.client.post(f"{API}/products/{product}/reviews", json=review, headers=who)
    assert said.status_code == 201, said.text
    wish = {"items": [{"variant_id": str(order["variant"]), "quantity": 1}]}
    wished = await shop.client.post(
        f"{API}/orders/{order['id']}/returns",
        json=wish | {"reason": "My cat Mitthu does not like it"},
        headers={**who, **shop.key()},
    )
    assert wished.status_code == 201, wished.text
    await shop.settle_down()
    changes = await shop.container.get(CatalogChanges)
    before = (await changes.counts()).all
    assert (await erase(shop, who)).status_code == 204
    assert (await changes.counts()).all > before  # pages that show the name are made anew
    await shop.settle_down()
    assert await agrees(shop) == []
    kept = (await shop.client.get(f"{API}/orders/{order['id']}", headers=staff)).json()
    assert kept["invoice_number"] is not None
    assert kept["shipping_address"]["name"] == NAME  # as on the invoice
    assert kept["shipping_address"]["phone"] == ""
    assert "Mitthu" not in json.dumps(kept)
    pdf = await shop.client.get(f"{API}/orders/{order['id']}/invoice.pdf", headers=staff)
    assert pdf.status_code == 200
    [seen] = (await shop.client.get(f"{API}/products/{product}/reviews")).json()["items"]
    assert (seen["title"], seen["author"]) == ("Fine", "A customer")
    assert await traces_of(shop, EMAIL, PLACE["phone"]) == []
    assert await traces_of(shop, NAME, PLACE["street"]) == ["orders"]
    # Reasons go out as events, whose log is forgotten after some days in any case.
    assert set(await traces_of(shop, "Mitthu")) <= {"event_log", "outbox"}


async def test_reasons_of_refunds_go_and_their_amounts_stay(shop: Shop) -> None:
    who, staff = await newcomer(shop), await shop.staff()
    order = await bought(shop, who)
    await deliver(shop, staff, order)
    other = await shop.somebody("ravi@example.com")
    kept = await bought(shop, other)
    for id_, why in ((order["id"], "Mitthu bit the courier"), (kept["id"], "A chipped rim")):
        url = f"{ADMIN}/orders/{id_}/refunds"
        asked = await shop.client.post(
            url, json={"amount": 100, "reason": why}, headers={**staff, **shop.key()}
        )
        assert asked.status_code == 201, asked.text
    await shop.settle_down()
    assert "refunds" in await traces_of(shop, "Mitthu")
    assert (await erase(shop, who)).status_code == 204
    await shop.settle_down()
    assert set(await traces_of(shop, "Mitthu")) <= {"event_log", "outbox"}
    assert {"refunds", "orders"} <= set(await traces_of(shop, "A chipped rim"))
    told = (await shop.client.get(f"{API}/orders/{order['id']}", headers=staff)).json()
    [refund] = told["refund_ids"]
    shown = (await shop.client.get(f"{ADMIN}/refunds/{refund}", headers=staff)).json()
    assert (shown["amount"]["amount"], shown["reason"]) == (100, "")
    assert "Refund asked for" in [entry["description"] for entry in told["timeline"]]
    assert await agrees(shop) == []


async def test_an_order_without_invoice_keeps_no_address(shop: Shop) -> None:
    who = await newcomer(shop)
    [variant] = await shop.goods(20)
    await shop.put(who, variant)
    placed = (await shop.check_out(who, email=None, shipping_address=PLACE)).json()
    url = f"{API}/orders/{placed['order']['id']}/cancel"
    cancelled = await shop.client.post(url, json={"reason": NAME}, headers=who)
    assert cancelled.status_code == 200, cancelled.text
    await shop.settle_down()
    answer = await erase(shop, who)
    if answer.status_code == 409:  # the gateway is asked once more whether it was paid after all
        clock = await shop.container.get(Clock)
        assert isinstance(clock, ManualClock)
        clock.advance(800)
        async with shop.container() as scope:
            await (await scope.get(PaymentLinks)).check_due()
        answer = await erase(shop, who)
    assert answer.status_code == 204, answer.text
    assert await traces_of(shop, EMAIL, NAME, PLACE["phone"], PLACE["street"]) == []
    assert await agrees(shop) == []


async def test_mails_are_emptied_and_never_sent_again(shop: Shop) -> None:
    who, staff = await newcomer(shop), await shop.staff()
    order = await bought(shop, who)
    await deliver(shop, staff, order)
    assert (await erase(shop, who)).status_code == 204
    found = await (await shop.container.get(EmailReads)).page(EmailFilter(), 100, None)
    erased = [mail for mail in found.items if mail.status is EmailStatus.ERASED]
    assert len(erased) >= 3
    assert {(mail.to, mail.subject, mail.text, mail.html) for mail in erased} == {("",) * 4}
    url = f"{ADMIN}/emails/{erased[0].id}/resend"
    again = await shop.client.post(url, headers={**staff, **shop.key()})
    assert (again.status_code, again.json()["code"]) == (409, "email-erased")


async def test_whoever_is_sending_a_mail_meanwhile_does_not_bring_it_back(shop: Shop) -> None:
    who = await newcomer(shop)
    [mail] = (await (await shop.container.get(EmailReads)).page(EmailFilter(), 9, None)).items
    assert (await erase(shop, who)).status_code == 204
    async with shop.container() as scope:
        uow, emails = await scope.get(UnitOfWork), await scope.get(Emails)
        with pytest.raises(StaleWrite):
            async with uow.begin():
                await emails.save([mail])
    assert await traces_of(shop, EMAIL, NAME) == []


async def test_the_last_administrator_stays(shop: Shop) -> None:
    boss = await shop.somebody("boss@example.com", Role.ADMIN)
    answer = await erase(shop, boss)
    assert (answer.status_code, answer.json()["code"]) == (409, "last-administrator")
    await shop.somebody("deputy@example.com", Role.ADMIN)
    assert (await erase(shop, boss)).status_code == 204


async def test_of_two_that_delete_at_once_one_does(shop: Shop) -> None:
    who = await newcomer(shop)
    answers = await asyncio.gather(*(erase(shop, who) for _ in range(5)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes[0] == 204
    assert set(codes[1:]) <= {401, 404}


async def test_the_event_says_who_by_id_alone() -> None:
    assert set(UserErased.__struct_fields__) == {"at", "user_id"}


async def test_the_sign_in_of_a_program_deletes_and_exports_nothing(shop: Shop) -> None:
    caller = Caller(user_id=UserId(uuid4()), scope=frozenset({"orders", "profile"}))
    async with shop.container() as scope:
        with pytest.raises(Denied):
            await (await scope.get(AccountErasure)).erase(caller, DeleteAccount())
        with pytest.raises(Denied):
            await (await scope.get(Export)).person(caller)


async def _product_of(shop: Shop, order: dict[str, Any]) -> str:
    async with shop.container() as scope:
        uow, orders = await scope.get(UnitOfWork), await scope.get(Orders)
        async with uow.begin():
            found = await orders.get(OrderId(UUID(order["id"])))
    return str(found.lines[0].product_id)


async def traces_of(shop: Shop, *words: str) -> list[str]:
    """The tables in which one of the words still stands, whatever the storage."""
    settings = await shop.container.get(Settings)
    if settings.database_url.startswith("memory:"):
        store = await shop.container.get(MemoryStore)
        rows = {name: _plain(table) for name, table in store.tables.items()}
    else:
        database = await shop.container.get(Database)

        async def query(conn: Conn) -> dict[str, str]:
            tables = metadata.sorted_tables
            # A row's own repr is cut off after some hundred characters.
            return {
                table.name: repr([tuple(row) for row in await conn.rows(table.select())])
                for table in tables
            }

        rows = await database.read(query)
    return sorted(name for name, text in rows.items() if any(word in text for word in words))


def _plain(table: dict[Any, Any]) -> str:
    return msgspec.json.encode([[repr(k), v] for k, v in table.items()], enc_hook=repr).decode()
