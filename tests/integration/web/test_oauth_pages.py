"""Programs in the pages: the second step of somebody who lets one in, and the back office."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from shop.core.kernel.access import Role
from shop.core.users.client_keeping import NewClient
from shop.core.users.tickets import Ticket
from shop.ports.clients import ClientReads
from shop.ports.factors import OneTimeCodes
from shop.ports.system import Clock
from shop.settings import Providers, SocialProvider, Url
from tests.kit.clock import ManualClock
from tests.kit.oauth import AUTHORIZE, BACK, Person, a_client, address, answer_in, only_form
from tests.kit.people import PASSWORD
from tests.kit.storefront import Storefront, Visitor, a_storefront, forms_of

ASHA = "asha@example.com"


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Storefront]:
    async with a_storefront(tmp_path) as storefront:
        yield storefront


class Owner:
    """Somebody whose account asks for the code of an app."""

    def __init__(self, shop: Storefront, browser: httpx.AsyncClient) -> None:
        self.shop = shop
        self.person = Person(browser, ASHA)
        self.secret = ""
        self.recovery: list[str] = []

    async def code(self) -> str:
        clock = await self.shop.container.get(Clock)
        codes = await self.shop.container.get(OneTimeCodes)
        assert isinstance(clock, ManualClock)
        clock.advance(seconds=30)  # a code counts once
        found: str = codes.at(self.secret, int(clock.now().timestamp()) // 30)
        return found

    async def set_up(self) -> None:
        browser = self.person.browser
        login = await browser.post("/api/v1/login", json={"email": ASHA, "password": PASSWORD})
        headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
        begun = await browser.post(
            "/api/v1/me/factors/totp", json={"current_password": PASSWORD}, headers=headers
        )
        assert begun.status_code == 201, begun.text
        self.secret = begun.json()["secret"]
        done = await browser.post(
            "/api/v1/me/factors/totp/confirm",
            json={"code": await self.code()},
            headers=headers,
        )
        assert done.status_code == 200, done.text
        self.recovery = done.json()["recovery_codes"]


@pytest.fixture
async def owner(shop: Storefront) -> Owner:
    await shop.person(ASHA)
    found = Owner(shop, shop.visitor().client)
    await found.set_up()
    return found


@pytest.fixture
async def app(shop: Storefront) -> NewClient:
    return await a_client(shop.container)


async def test_an_account_with_a_second_factor_shows_it_before_it_lets_a_program_in(
    owner: Owner, app: NewClient
) -> None:
    browser = owner.person.browser
    page = await owner.person.sign_in(address(app.client.id))
    form = only_form(page)
    assert {"ticket", "code"} <= set(form)
    assert "password" not in form
    # The password alone opens nothing.
    assert "email" in only_form(await browser.post(AUTHORIZE, data=form | {"step": "consent"}))
    assert "email" in only_form(await browser.get(address(app.client.id)))

    wrong = await browser.post(AUTHORIZE, data=form | {"code": "000000"})
    assert wrong.status_code == 401
    right = await browser.post(AUTHORIZE, data=only_form(wrong) | {"code": await owner.code()})
    assert "code" in answer_in(await owner.person.press(right))


async def test_a_recovery_code_counts_as_well_and_a_false_ticket_begins_anew(
    owner: Owner, app: NewClient
) -> None:
    browser = owner.person.browser
    form = only_form(await owner.person.sign_in(address(app.client.id)))
    for ticket in ("", "x" * 10_000, "a\0b"):
        page = await browser.post(AUTHORIZE, data=form | {"ticket": ticket, "code": "000000"})
        assert page.status_code == 401
        assert "email" in only_form(page)
    for code in ("", "x" * 10_000, "\0"):
        page = await browser.post(AUTHORIZE, data=form | {"code": code})
        assert page.status_code == 401
    page = await browser.post(AUTHORIZE, data=form | {"code": owner.recovery[0]})
    assert "code" in answer_in(await owner.person.press(page))


async def test_whoever_has_no_account_makes_one_and_comes_back(
    shop: Storefront, app: NewClient
) -> None:
    visitor = shop.visitor()
    page = await visitor.get(address(app.client.id))
    [link] = re.findall(r'href="(/sign-up[^"]*)"', page.text)
    way = parse_qs(urlsplit(link).query)["next"][0]
    assert (await visitor.get(way)).text.count("A web app") == page.text.count("A web app")
    sign_up = await visitor.get(link)
    [form] = [form for form in forms_of(sign_up) if form.action == "/sign-up"]
    assert form.fields["next"] == way
    typed = {"name": "Ravi", "email": "ravi@example.com", "password": "seven brass kettles"}
    done = await visitor.send(sign_up, "/sign-up", **typed)
    assert "ravi@example.com" in done.text
    told = answer_in(await visitor.client.post(AUTHORIZE, data=only_form(done)))
    assert "code" in told


async def boss(shop: Storefront) -> Visitor:
    await shop.person("boss@example.com", Role.ADMIN)
    visitor = shop.visitor()
    await visitor.sign_in("boss@example.com")
    return visitor


async def test_an_administrator_adds_and_removes_a_program(shop: Storefront) -> None:
    visitor, reads = await boss(shop), await shop.container.get(ClientReads)
    page = await visitor.get("/admin/clients")
    assert "None yet." in page.text
    typed = {"name": "Ledger & Co", "redirect_uri": f"{BACK}\n{BACK}/2"}
    made = await visitor.submit(page, "/admin/clients", **typed)
    [client] = await reads.all()
    assert (client.name, client.redirect_uris) == ("Ledger & Co", (BACK, f"{BACK}/2"))
    assert client.scope == {"openid", "profile", "email"}
    assert "Ledger &amp; Co" in made.text
    [secret] = re.findall(r"client_secret</dt><dd><code>([^<]+)", made.text)
    assert client.knows(secret)
    listed = await visitor.get("/admin/clients")
    assert secret not in listed.text

    await visitor.submit(listed, f"/admin/clients/{client.id}/remove")
    assert await reads.all() == []


async def test_what_is_wrong_with_a_program_is_said_at_its_field(shop: Storefront) -> None:
    visitor = await boss(shop)
    page = await visitor.get("/admin/clients")
    for typed, field in (
        ({"redirect_uri": "http://evil.example/"}, "redirect_uri"),
        ({"scope": "king"}, "scope"),
        ({"name": ""}, "name"),
    ):
        again = await visitor.submit(page, "/admin/clients", **({"name": "x"} | typed))
        assert (again.status_code, f'id="e-{field}"' in again.text) == (422, True)
    assert await (await shop.container.get(ClientReads)).all() == []


async def test_the_programs_are_not_there_for_staff_and_customers(shop: Storefront) -> None:
    for email, roles, found in (("s@example.com", [Role.STAFF], 404), ("c@example.com", [], 404)):
        await shop.person(email, *roles)
        visitor = shop.visitor()
        await visitor.sign_in(email)
        assert (await visitor.get("/admin/clients")).status_code == found
        assert "/admin/clients" not in (await visitor.get("/admin")).text


async def test_who_is_sent_to_sign_in_anew_may_do_it_in_the_shop_and_comes_back(
    shop: Storefront, app: NewClient
) -> None:
    """As whoever has no password must: with a passkey or another service."""
    await shop.person(ASHA)
    visitor = shop.visitor()
    await visitor.sign_in(ASHA)
    clock = await shop.container.get(Clock)
    assert isinstance(clock, ManualClock)
    clock.advance(seconds=60)
    for asked in ({"prompt": "login"}, {"max_age": "0"}, {"prompt": "select_account"}):
        page = await visitor.get(address(app.client.id, **asked))
        assert "Sign in another way" in page.text
        elsewhere = only_form(page) | {"decision": "elsewhere"}
        door = await visitor.client.post(AUTHORIZE, data=elsewhere)
        assert door.status_code == 303
        there = await visitor.client.get(door.headers["location"])
        assert there.status_code == 200, "who was signed in is sent away no more"
        clock.advance(seconds=60)
        back = await visitor.send(there, "/sign-in", email=ASHA, password=PASSWORD)
        assert "Let A web app in?" in back.text
        told = answer_in(await visitor.client.post(AUTHORIZE, data=only_form(back)))
        assert told["state"] == "a state"
        clock.advance(seconds=60)


async def test_nobody_gets_round_a_new_sign_in_by_a_stamp_of_their_own(
    shop: Storefront, app: NewClient
) -> None:
    await shop.person(ASHA)
    visitor = shop.visitor()
    page = await visitor.get(address(app.client.id, prompt="login"))
    [link] = re.findall(r'href="(/sign-in\?next=[^"]+)"', page.text)
    [way] = parse_qs(urlsplit(link.replace("&amp;", "&")).query)["next"]
    assert "prompt" not in way
    clock = await shop.container.get(Clock)
    assert isinstance(clock, ManualClock)
    clock.advance(seconds=60)
    await visitor.sign_in(ASHA)
    assert "Let A web app in?" in (await visitor.get(way)).text
    clock.advance(seconds=1)
    moment = int(clock.now().timestamp())
    forged = re.sub(r"signed_in_since=\d+", f"signed_in_since={moment - 3600}", way)
    for stamp in (forged, f"{way}x", re.sub(r"since=[^&]+", "since=1.", way)):
        assert "password" in only_form(await visitor.get(stamp))
    clock.advance(seconds=601)  # and a sign-in counts as a new one for a while only
    assert "password" in only_form(await visitor.get(way))


async def test_providers_are_offered_where_a_program_asks(tmp_path: Path) -> None:
    acme = SocialProvider(client_id="x", issuer=Url("https://id.acme.example"), title="Acme")
    async with a_storefront(tmp_path, providers=Providers(named={"acme": acme})) as shop:
        app = await a_client(shop.container)
        page = await shop.visitor().get(address(app.client.id, prompt="login"))
        assert "Continue with Acme" in page.text
        assert "signed_in_since" in page.text


async def test_wrong_codes_lead_back_to_the_password_and_then_to_a_pause(
    owner: Owner, app: NewClient
) -> None:
    browser = owner.person.browser
    form = only_form(await owner.person.sign_in(address(app.client.id))) | {"code": "000000"}
    for _ in range(Ticket.TRIES - 1):
        page = await browser.post(AUTHORIZE, data=form)
        assert page.status_code == 401
        assert "code" in only_form(page)
    page = await browser.post(AUTHORIZE, data=form)
    assert page.status_code == 401
    assert "password" in only_form(page)
    assert "begin anew" in page.text
    form = only_form(await owner.person.sign_in(address(app.client.id))) | {"code": "000000"}
    page = await browser.post(AUTHORIZE, data=form)
    assert page.status_code == 429
    assert "Too many attempts" in page.text
    assert "code" in only_form(page)
