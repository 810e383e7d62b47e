"""Accounts through the pages: what browsers are told, what they keep, what forms must carry."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from shop.core.kernel.access import Role
from shop.core.notifications.sealing import SealedLinks
from shop.core.users.browsers import KnownBrowsers
from shop.core.users.service import Accounts, SignUp
from shop.core.users.throttle import ACCOUNT, Throttle
from shop.entrypoints.http.web import WEB_ROUTES
from shop.ports.mail import EmailFilter, EmailReads
from shop.ports.uow import UnitOfWork
from shop.ports.users import Passwords, UserReads, Users
from shop.settings import Passwords as PasswordSettings, Site, Url
from tests.kit.goods import stocked
from tests.kit.stopwatch import stopwatch
from tests.kit.storefront import PASSWORD, SITE, Storefront, Visitor, a_storefront

ASHA = "asha@example.com"
DOCUMENT = {"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Storefront]:
    async with a_storefront(tmp_path) as shop:
        yield shop


async def mailed(shop: Storefront) -> str:
    """The path of the link in the newest mail."""
    reads = await shop.container.get(EmailReads)
    page = await reads.page(EmailFilter(recipient=ASHA), 1, None)
    mail = (await shop.container.get(SealedLinks)).open(page.items[0])
    found = re.search(rf"{SITE}(/\S+token=\S+)", mail.text)
    assert found
    return found[1]


async def a_reset_link(shop: Storefront, visitor: Visitor) -> str:
    page = await visitor.get("/forgot-password")
    await visitor.send(page, "/forgot-password", email=ASHA)
    return await mailed(shop)


# --- HEAD, and one name -----------------------------------------------------------------------


async def test_whoever_may_get_a_page_may_ask_for_its_head(shop: Storefront) -> None:
    visitor = shop.visitor()
    await stocked(shop.container, 5)
    for path in ("/", "/search?q=x", "/cart", "/sign-in", "/robots.txt", "/nowhere", "/account"):
        page = await visitor.client.get(path)
        head = await visitor.client.head(path)
        assert (head.status_code, head.content) == (page.status_code, b"")
        assert head.headers["content-type"] == page.headers["content-type"] if page.text else True
    assert int((await visitor.client.head("/")).headers["content-length"]) > 1000


async def test_a_developers_browser_is_led_to_the_name_that_the_gateway_leads_back_to(
    shop: Storefront,
) -> None:
    browser = shop.visitor("http://127.0.0.1:8000").client
    answer = await browser.get("/search?q=mug", headers=DOCUMENT)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{SITE}/search?q=mug")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("base", "headers"),
    [
        (SITE, DOCUMENT),  # there already
        ("http://127.0.0.1:8000", {}),  # a program
        ("http://127.0.0.1:9999", DOCUMENT),  # another port may be a tunnel's
        ("http://shop.lan:8000", DOCUMENT),  # another machine has no localhost of ours
        ("http://127.0.0.1:8000", {"Sec-Fetch-Dest": "image"}),
        (SITE, DOCUMENT | {"Host": "127.0.0.1:x"}),
    ],
)
async def test_everybody_else_stays_where_they_are(
    shop: Storefront, base: str, headers: dict[str, str]
) -> None:
    assert (await shop.visitor(base).client.get("/", headers=headers)).status_code == 200


async def test_a_real_site_leads_nobody_anywhere(tmp_path: Path) -> None:
    site = Site(url=Url(SITE), mode="production")
    async with a_storefront(tmp_path, site=site) as shop:
        browser = shop.visitor("http://127.0.0.1:8000").client
        assert (await browser.get("/", headers=DOCUMENT)).status_code == 200


# --- forms --------------------------------------------------------------------------------------


def every_form() -> list[str]:
    """The path of each POST of the pages, with something in place of its parameters."""
    handlers: list[Any] = WEB_ROUTES
    paths = [path for one in handlers if "POST" in one.http_methods for path in one.paths]
    filled = [re.sub(r"\{\w+:uuid\}", str(uuid4()), path) for path in paths]
    return sorted(re.sub(r"\{\w+:\w+\}", "x", path) for path in filled)


async def test_no_form_counts_without_the_token_of_its_visitor(shop: Storefront) -> None:
    paths = every_form()
    assert {"/sign-in", "/sign-out", "/account/password", "/account/question"} <= set(paths)
    await shop.person("boss@example.com", Role.ADMIN)
    boss = shop.visitor()
    await boss.sign_in("boss@example.com")
    for path in paths:
        answer = await boss.client.post(path, data={"csrf": "x"})
        assert answer.status_code == 403, path
        answer = await boss.client.post(path, data={"name": "Thief"})
        assert answer.status_code == 403, path
    assert "Hello" in (await boss.get("/account")).text


@pytest.mark.parametrize("site", [SITE, "https://shop.example"])
async def test_what_a_browser_keeps_of_a_sign_in_no_script_and_no_other_site_gets(
    tmp_path: Path, site: str
) -> None:
    async with a_storefront(tmp_path, site=Site(url=Url(site))) as shop:
        await shop.person(ASHA)
        visitor = shop.visitor(site)
        page = await visitor.get("/sign-in")
        answer = await visitor.submit(page, "/sign-in", email=ASHA, password=PASSWORD)
        cookies = answer.headers.get_list("set-cookie")
        secure = site.startswith("https:")
        names = {cookie.partition("=")[0] for cookie in cookies}
        prefix = "__Host-shop-" if secure else "shop-"
        assert names >= {prefix + name for name in ("access", "refresh", "visitor", "known")}
        for cookie in cookies:
            parts = set(cookie.split("; "))
            assert parts >= {"HttpOnly", "SameSite=Lax", "Path=/"}
            assert ("Secure" in parts) is secure
            assert not any(part.startswith("Domain") for part in parts)


async def test_signing_in_starts_anew_and_ends_what_the_browser_was_signed_in_to(
    shop: Storefront,
) -> None:
    await shop.person(ASHA)
    visitor = shop.visitor()
    page = await visitor.get("/sign-in")
    before = visitor.client.cookies["shop-visitor"]
    await visitor.submit(page, "/sign-in", email=ASHA, password=PASSWORD)
    first = {"Authorization": f"Bearer {visitor.client.cookies['shop-access']}"}
    assert visitor.client.cookies["shop-visitor"] != before
    account = await visitor.get("/account")
    token = re.search(r'name="csrf" value="([^"]+)"', account.text)
    assert token
    form = {"csrf": token[1], "email": ASHA, "password": PASSWORD}
    assert (await visitor.client.post("/sign-in", data=form)).status_code == 303
    client = shop.visitor().client
    assert (await client.get("/api/v1/me", headers=first)).status_code == 401
    assert "Hello" in (await visitor.get("/account")).text


# --- passwords ------------------------------------------------------------------------------------


async def test_each_form_for_a_new_password_names_every_rule_that_failed(shop: Storefront) -> None:
    await shop.person(ASHA)
    visitor = shop.visitor()
    page = await visitor.get("/sign-up")
    assert "At least 10 characters" in page.text
    weak = await visitor.send(
        page, "/sign-up", name="Ravi", email="r@example.com", password="dragon"
    )
    pages = [weak]
    reset = await visitor.get(await a_reset_link(shop, visitor))
    pages.append(await visitor.send(reset, "/reset-password", password="dragon"))
    await visitor.sign_in(ASHA)
    security = await visitor.get("/account/security")
    typed = {"current_password": PASSWORD, "new_password": "dragon"}
    pages.append(await visitor.send(security, "/account/password", **typed))
    for told in pages:
        assert told.status_code == 422
        for rule in ("at least 10", "a special character", "tries first", "harder to guess"):
            assert rule in told.text
        assert "dragon" not in told.text


async def test_what_a_password_needs_comes_from_the_settings(tmp_path: Path) -> None:
    rules = PasswordSettings(min_length=14, passphrase_length=20)
    async with a_storefront(tmp_path, passwords=rules) as shop:
        visitor = shop.visitor()
        page = await visitor.get("/sign-up")
        assert "At least 14 characters" in page.text
        assert "20 of any kind" in page.text
        person = {"name": "Ravi", "email": "r@example.com"}
        weak = await visitor.send(page, "/sign-up", **person, password="kettle-green!")
        assert "at least 14 characters" in weak.text


async def test_the_security_question_is_asked_besides_the_link(shop: Storefront) -> None:
    await shop.person(ASHA)
    owner, visitor = shop.visitor(), shop.visitor()
    await owner.sign_in(ASHA)
    page = await owner.get("/account/security")
    question = {"reset_question": "Where did we meet?"}
    missing = await owner.send(page, "/account/question", **question)
    assert missing.status_code == 422
    assert 'id="e-reset_answer"' in missing.text
    assert 'value="Where did we meet?"' in missing.text
    long = await owner.send(page, "/account/question", reset_question="x" * 201, reset_answer="y")
    assert 'id="e-reset_question"' in long.text
    saved = await owner.send(page, "/account/question", **question, reset_answer="In Mysuru")
    assert "Where did we meet?" in saved.text

    reset = await visitor.get(await a_reset_link(shop, visitor))
    assert "Where did we meet?" in reset.text
    new = {"password": "four green kettles"}
    wrong = await visitor.send(reset, "/reset-password", **new, reset_answer="Mandya")
    assert wrong.status_code == 422
    weak = await visitor.send(wrong, "/reset-password", password="weak", reset_answer="in mysuru")
    assert 'id="e-password"' in weak.text
    done = await visitor.send(weak, "/reset-password", **new, reset_answer=" in  MYSURU")
    assert "Your password is changed" in done.text

    await owner.send(await owner.get("/sign-in"), "/sign-in", email=ASHA, **new)
    page = await owner.get("/account/security")
    await owner.send(page, "/account/question", reset_question="")
    assert "Where did we meet?" not in (await visitor.get(await a_reset_link(shop, visitor))).text


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "x" * 5000])
async def test_a_link_that_is_none_shows_no_form(shop: Storefront, token: str) -> None:
    page = await shop.visitor().get("/reset-password", params={"token": token})
    assert page.status_code == 400
    assert 'name="password"' not in page.text
    assert "/forgot-password" in page.text


async def test_staff_with_a_password_that_everybody_knows_are_told_what_to_do(
    shop: Storefront,
) -> None:
    await shop.person(ASHA, Role.STAFF)
    user = await (await shop.container.get(UserReads)).by_email(ASHA)
    assert user is not None
    hashed = await (await shop.container.get(Passwords)).hash("admin@12345")
    async with shop.container() as scope, (await scope.get(UnitOfWork)).begin():
        await (await scope.get(Users)).save(replace(user, password_hash=hashed))
    visitor = shop.visitor()
    page = await visitor.get("/sign-in")
    told = await visitor.send(page, "/sign-in", email=ASHA, password="admin@12345")
    assert "ask for a mail to set a new one" in told.text
    assert "shop-access" not in visitor.client.cookies


async def test_a_browser_that_was_here_before_is_let_in_whatever_strangers_do(
    shop: Storefront,
) -> None:
    await shop.person(ASHA)
    known, strange = shop.visitor(), shop.visitor()
    await known.send(await known.sign_in(ASHA), "/sign-out")
    throttle = await shop.container.get(Throttle)
    cache: Any = throttle._cache  # noqa: SLF001 - as if the address were another one by now
    cache._kept.clear()  # noqa: SLF001

    async def wrong() -> bool:
        return False

    for number in range(ACCOUNT.free):
        assert not await throttle.attempt(ASHA, f"10.0.0.{number}", wrong)
    told = await strange.sign_in(ASHA)
    assert told.status_code == 429
    assert "Too many attempts" in told.text
    assert "Welcome back" in (await known.sign_in(ASHA)).text


async def test_who_changes_the_password_is_known_by_the_new_one(shop: Storefront) -> None:
    await shop.person(ASHA)
    visitor, old = shop.visitor(), shop.visitor()
    await visitor.sign_in(ASHA)
    await old.sign_in(ASHA)
    security = await visitor.get("/account/security")
    new = "four green kettles"
    typed = {"current_password": PASSWORD, "new_password": new}
    told = await visitor.send(security, "/account/password", **typed)
    assert told.status_code == 200
    user = await (await shop.container.get(UserReads)).by_email(ASHA)
    assert user is not None
    browsers = await shop.container.get(KnownBrowsers)
    assert await browsers.find(visitor.client.cookies["shop-known"], user)
    assert await browsers.find(old.client.cookies["shop-known"], user) == ""


@pytest.mark.parametrize(
    ("page", "action"),
    [("/forgot-password", "/forgot-password"), ("/verify-email", "/verify-email/resend")],
)
async def test_the_clock_does_not_tell_who_has_an_account(
    shop: Storefront, monkeypatch: pytest.MonkeyPatch, page: str, action: str
) -> None:
    async with shop.container() as scope:
        await (await scope.get(Accounts)).sign_up(
            SignUp(name="Asha", email=ASHA, password=PASSWORD)
        )
    visitor, took = shop.visitor(), []
    there, watch = await visitor.get(page), stopwatch(monkeypatch)
    for email in (ASHA, "nobody@example.com"):
        began = watch.now
        assert (await visitor.submit(there, action, email=email)).is_redirect
        took.append(round(watch.now - began, 6))
    reads = await shop.container.get(EmailReads)
    assert len((await reads.page(EmailFilter(), 9, None)).items) == 1 + 1
    assert took[0] == took[1] > 0
