"""Second factors through forms, as a browser without JavaScript sees them."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shop.core.kernel.access import Role
from shop.ports.factors import OneTimeCodes
from shop.ports.system import Clock
from shop.settings import Security
from tests.kit.authenticator import Authenticator
from tests.kit.clock import ManualClock
from tests.kit.oauth import AUTHORIZE, a_client, address, answer_in, only_form
from tests.kit.storefront import (
    PASSWORD,
    SITE,
    Storefront,
    Visitor,
    a_storefront,
    forms_of,
    inline_code,
)

HOME = "/account/second-factor"
STEP = "/sign-in/second-factor"
HOUR = 3600.0


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Storefront]:
    async with a_storefront(tmp_path) as shop:
        await shop.person("asha@example.com")
        yield shop


@pytest.fixture
async def asha(shop: Storefront) -> "Owner":
    visitor = shop.visitor()
    await visitor.sign_in("asha@example.com")
    return Owner(shop, visitor)


class Owner:
    def __init__(self, shop: Storefront, visitor: Visitor) -> None:
        self.shop = shop
        self.visitor = visitor
        self.secret = ""
        self.key = Authenticator(SITE)

    async def clock(self) -> ManualClock:
        clock = await self.shop.container.get(Clock)
        assert isinstance(clock, ManualClock)
        return clock

    async def code(self) -> str:
        """One that was not used yet, in groups as apps show it."""
        clock = await self.clock()
        clock.advance(30)
        codes: OneTimeCodes = await self.shop.container.get(OneTimeCodes)
        code = codes.at(self.secret, int(clock.now().timestamp()) // 30)
        return f"{code[:3]} {code[3:]}"

    async def set_up_app(self) -> list[str]:
        """Returns the recovery codes."""
        page = await self.visitor.send(await self.visitor.get(HOME), f"{HOME}/app")
        assert inline_code(page) == []
        assert "<svg" in page.text
        found = re.search(r'class="key">([A-Z2-7 ]+)<', page.text)
        assert found is not None
        self.secret = found[1].replace(" ", "")
        page = await self.visitor.send(page, f"{HOME}/app/confirm", code=await self.code())
        return re.findall(r"<code>([A-Z2-7-]{30})</code>", page.text)

    async def add_passkey(self) -> httpx.Response:
        page = await self.visitor.send(await self.visitor.get(HOME), f"{HOME}/passkeys")
        assert inline_code(page) == []
        made = json.dumps(self.key.create(options_in(page)))
        return await self.visitor.send(page, f"{HOME}/passkeys/add", name="Phone", passkey=made)

    async def asked(self, to: str = "") -> tuple[Visitor, httpx.Response]:
        """Another browser, in which the password was right."""
        other = self.shop.visitor()
        page = await other.get(f"/sign-in?next={to}" if to else "/sign-in")
        page = await other.send(page, "/sign-in", email="asha@example.com", password=PASSWORD)
        assert "Second step" in page.text, page.text
        return other, page


def options_in(page: httpx.Response) -> dict[str, Any]:
    """What the script would hand to the browser."""
    found = re.search(r'data-options="([^"]*)"', page.text)
    assert found is not None
    options: dict[str, Any] = json.loads(found[1].replace("&#34;", '"'))
    return options


def is_signed_in(visitor: Visitor) -> bool:
    return any(name.endswith("access") for name in visitor.client.cookies)


async def test_an_app_is_set_up_and_then_asked_for(asha: Owner) -> None:
    codes = await asha.set_up_app()
    assert len(codes) == 10
    other, page = await asha.asked("/account/orders")
    assert inline_code(page) == []
    assert not is_signed_in(other)
    page = await other.send(page, STEP, code=await asha.code())
    assert is_signed_in(other)
    assert page.url.path == "/account/orders"


async def test_the_first_page_lets_nobody_in_by_itself(asha: Owner) -> None:
    await asha.set_up_app()
    other, _ = await asha.asked()
    assert (await other.get("/account")).url.path == "/sign-in"


async def test_a_wrong_code_is_told_and_may_be_tried_again(asha: Owner) -> None:
    await asha.set_up_app()
    other, page = await asha.asked()
    page = await other.send(page, STEP, code="000000")
    assert page.status_code == 401
    assert "not right, or was used before" in page.text
    await other.send(page, STEP, code=await asha.code())
    assert is_signed_in(other)


async def test_a_recovery_code_goes_into_the_same_field_once(asha: Owner) -> None:
    codes = await asha.set_up_app()
    other, page = await asha.asked()
    await other.send(page, STEP, code=codes[0].lower())
    assert is_signed_in(other)
    other, page = await asha.asked()
    assert (await other.send(page, STEP, code=codes[0])).status_code == 401
    assert "9 left" in (await asha.visitor.get(HOME)).text


async def test_after_too_many_tries_the_sign_in_begins_anew(asha: Owner) -> None:
    await asha.set_up_app()
    other, page = await asha.asked()
    for _ in range(4):
        page = await other.send(page, STEP, code="000000")
        assert page.status_code == 401
    page = await other.send(page, STEP, code="000000")
    assert page.url.path == "/sign-in"
    assert "sign in again" in page.text
    other, page = await asha.asked()
    assert (await other.send(page, STEP, code="000000")).status_code == 429


async def test_a_passkey_is_made_and_used_as_second_step(asha: Owner) -> None:
    page = await asha.add_passkey()
    assert "We show them only now." in page.text
    assert "Phone" in (await asha.visitor.get(HOME)).text
    other, page = await asha.asked()
    shown = json.dumps(asha.key.get(options_in(page)))
    await other.send(page, STEP, passkey=shown)
    assert is_signed_in(other)


@pytest.mark.parametrize("nonsense", ["{}", "[]", "nonsense", "[" * 9999])
async def test_a_passkey_that_is_none_is_refused(asha: Owner, nonsense: str) -> None:
    await asha.add_passkey()
    other, page = await asha.asked()
    page = await other.send(page, STEP, passkey=nonsense)
    assert page.status_code == 401
    assert "not accepted" in page.text
    page = await asha.visitor.send(await asha.visitor.get(HOME), f"{HOME}/passkeys")
    page = await asha.visitor.send(page, f"{HOME}/passkeys/add", name="x", passkey=nonsense)
    assert page.status_code == 422


async def test_a_passkey_alone_signs_in(asha: Owner, shop: Storefront) -> None:
    await asha.add_passkey()
    other = shop.visitor()
    page = await other.get("/sign-in?next=/account/orders")
    begun = (await other.client.post("/api/v1/login/passkey/options")).json()
    shown = json.dumps(asha.key.get(begun["options"]))
    page = await other.send(page, "/sign-in/passkey", ticket=begun["ticket"], passkey=shown)
    assert page.url.path == "/account/orders"
    stranger = shop.visitor()
    page = await stranger.get("/sign-in")
    begun = (await stranger.client.post("/api/v1/login/passkey/options")).json()
    page = await stranger.send(page, "/sign-in/passkey", ticket=begun["ticket"], passkey=shown)
    assert page.status_code == 401
    assert not is_signed_in(stranger)


async def test_a_program_that_wants_a_new_sign_in_gets_one_by_passkey(
    asha: Owner, shop: Storefront
) -> None:
    await asha.add_passkey()
    (await asha.clock()).advance(60)
    visitor, app = asha.visitor, await a_client(shop.container)
    page = await visitor.get(address(app.client.id, max_age="0"))
    typed = {"email": "asha@example.com", "password": PASSWORD}
    page = await visitor.client.post(AUTHORIZE, data=only_form(page) | typed)
    assert "Second step" in page.text
    door = await visitor.client.post(AUTHORIZE, data=only_form(page) | {"decision": "elsewhere"})
    there = await visitor.get(door.headers["location"])
    begun = (await visitor.client.post("/api/v1/login/passkey/options")).json()
    shown = json.dumps(asha.key.get(begun["options"]))
    (await asha.clock()).advance(60)
    page = await visitor.send(there, "/sign-in/passkey", ticket=begun["ticket"], passkey=shown)
    assert "Let A web app in?" in page.text
    assert "code" in answer_in(await visitor.client.post(AUTHORIZE, data=only_form(page)))


async def test_an_old_sign_in_must_prove_itself_before_anything_changes(asha: Owner) -> None:
    await asha.set_up_app()
    (await asha.clock()).advance(HOUR)
    page = await asha.visitor.get(HOME)
    asks = await asha.visitor.send(page, f"{HOME}/app/remove")
    assert asks.status_code == 403
    assert "Is it you?" in asks.text
    remove = f"{HOME}/app/remove"
    wrong = await asha.visitor.send(asks, remove, current_password="three red kettles")
    assert wrong.status_code == 401
    wrong = await asha.visitor.send(wrong, remove, code="000000")
    assert wrong.status_code == 401
    done = await asha.visitor.send(wrong, remove, current_password=PASSWORD)
    assert "It is removed." in done.text
    other = asha.shop.visitor()
    await other.sign_in("asha@example.com")
    assert is_signed_in(other)


async def test_a_browser_that_never_showed_a_factor_cannot_remove_it_by_the_password(
    asha: Owner, shop: Storefront
) -> None:
    early = shop.visitor()
    await early.sign_in("asha@example.com")
    codes = await asha.set_up_app()
    remove = f"{HOME}/app/remove"
    asks = await early.send(await early.get(HOME), remove)
    assert asks.status_code == 403
    refused = await early.send(asks, remove, current_password=PASSWORD)
    assert refused.status_code == 403
    assert "the password is not enough" in refused.text
    done = await early.send(refused, remove, current_password=PASSWORD, code=codes[0])
    assert "It is removed." in done.text


async def test_new_codes_a_new_app_and_no_passkey(asha: Owner) -> None:
    old = await asha.set_up_app()
    page = await asha.visitor.send(await asha.visitor.get(HOME), f"{HOME}/codes")
    new = re.findall(r"<code>([A-Z2-7-]{30})</code>", page.text)
    assert len(new) == 10
    assert not set(new) & set(old)
    assert await asha.set_up_app() == []  # the codes stay as they are
    await asha.add_passkey()
    page = await asha.visitor.get(HOME)
    [remove] = [f.action for f in forms_of(page) if "/passkeys/" in f.action]
    page = await asha.visitor.send(page, remove)
    assert "Phone" not in page.text


async def test_nobody_sees_the_pages(shop: Storefront) -> None:
    visitor = shop.visitor()
    assert (await visitor.get(HOME)).url.path == "/sign-in"
    page = await visitor.get(STEP)
    assert page.url.path == "/sign-in"
    assert "took too long" in page.text


async def test_staff_of_a_strict_shop_are_led_to_where_they_set_one_up(tmp_path: Path) -> None:
    strict = Security(staff_second_factor=True)
    async with a_storefront(tmp_path, security=strict) as shop:
        await shop.person("asha@example.com", Role.STAFF)
        visitor = shop.visitor()
        await visitor.sign_in("asha@example.com")
        page = await visitor.get("/admin")
        assert page.url.path == HOME
        assert "Staff of this shop need a second factor" in page.text
        staff = Owner(shop, visitor)
        await staff.set_up_app()
        assert (await visitor.get("/admin")).url.path == "/admin"
        old = shop.visitor()
        await old.sign_in("asha@example.com")
        assert (await old.get("/admin")).url.path == "/sign-in"
