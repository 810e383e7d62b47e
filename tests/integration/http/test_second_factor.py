"""Second factors as a client of the API meets them, on each storage."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from dishka import AsyncContainer

from shop.core.kernel.access import Role
from shop.core.users.admins import Admins
from shop.core.users.factors import Factors
from shop.ports.factors import OneTimeCodes
from shop.ports.system import Clock
from shop.settings import Security, Settings
from tests.integration.http.test_identity import Client, a_client, bearer, problem
from tests.kit.authenticator import Authenticator
from tests.kit.clock import ManualClock
from tests.kit.people import PASSWORD, people

ME = "/api/v1/me/factors"
LOGIN = "/api/v1/login"
HOUR = 3600.0


@pytest.fixture
async def shop(storage: str, tmp_path: Path) -> AsyncIterator[AsyncContainer]:
    async with people(storage, tmp_path) as container:
        yield container


@pytest.fixture
async def client(shop: AsyncContainer) -> AsyncIterator[Client]:
    async with a_client(shop) as client:
        yield client


class Owner:
    """Somebody with an app, through the API alone."""

    def __init__(self, shop: AsyncContainer, client: Client, tokens: dict[str, Any]) -> None:
        self.shop = shop
        self.client = client
        self.refresh_token = tokens["refresh_token"]
        self.headers = bearer(tokens)
        self.secret = ""
        self.key = Authenticator()

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.client.post(f"{ME}{path}", json=body, headers=self.headers)

    async def clock(self) -> ManualClock:
        clock = await self.shop.get(Clock)
        assert isinstance(clock, ManualClock)
        return clock

    async def later(self) -> None:
        """An hour on, in the same session."""
        (await self.clock()).advance(HOUR)
        tokens = (await self.client.refresh(self.refresh_token)).json()
        self.refresh_token, self.headers = tokens["refresh_token"], bearer(tokens)

    async def code(self) -> str:
        """A code that was not used yet."""
        clock = await self.clock()
        clock.advance(30)
        codes: OneTimeCodes = await self.shop.get(OneTimeCodes)
        return codes.at(self.secret, int(clock.now().timestamp()) // 30)

    async def set_up_app(self) -> dict[str, Any]:
        begun = await self.post("/totp")
        assert begun.status_code == 201, begun.text
        assert begun.headers["cache-control"] == "no-store"
        self.secret = begun.json()["secret"]
        assert f"secret={self.secret}" in begun.json()["uri"]
        assert begun.json()["qr_svg"].startswith("<svg")
        confirmed = await self.post("/totp/confirm", code=await self.code())
        assert confirmed.status_code == 200, confirmed.text
        found: dict[str, Any] = confirmed.json()
        return found

    async def add_passkey(self) -> dict[str, Any]:
        asked = await self.post("/passkeys/options")
        assert asked.status_code == 200, asked.text
        credential = self.key.create(asked.json()["options"])
        added = await self.post("/passkeys", name="Phone", passkey=credential)
        assert added.status_code == 201, added.text
        found: dict[str, Any] = added.json()
        return found

    async def ticket(self) -> str:
        body = {"email": "asha@example.com", "password": PASSWORD}
        asked = problem(await self.client.post(LOGIN, json=body), 401, "second-factor-required")
        ticket: str = asked["facts"]["ticket"]
        return ticket

    async def step(self, ticket: str, **shown: Any) -> httpx.Response:
        return await self.client.post(f"{LOGIN}/second-factor", json={"ticket": ticket, **shown})


@pytest.fixture
async def asha(shop: AsyncContainer, client: Client) -> Owner:
    await client.sign_up()
    return Owner(shop, client, await client.log_in())


async def test_an_app_is_set_up_and_asked_for(asha: Owner) -> None:
    enrolled = await asha.set_up_app()
    assert len(enrolled["recovery_codes"]) == 10
    mine = (await asha.client.get(ME, headers=asha.headers)).json()
    assert mine["totp"]["since"].endswith("Z")
    assert (mine["passkeys"], mine["recovery_codes_left"]) == ([], 10)
    done = await asha.step(await asha.ticket(), code=await asha.code())
    assert done.status_code == 200, done.text
    assert done.headers["cache-control"] == "no-store"
    assert await asha.client.status(bearer(done.json())) == 200
    assert done.json()["user"]["email"] == "asha@example.com"


async def test_the_password_alone_gives_no_token(asha: Owner) -> None:
    await asha.set_up_app()
    body = {"email": "asha@example.com", "password": PASSWORD}
    answer = await asha.client.post(LOGIN, json=body)
    asked = problem(answer, 401, "second-factor-required")
    assert asked["facts"]["methods"] == ["totp", "recovery"]
    assert "token" not in answer.text.replace("ticket", "")
    wrong = body | {"password": "three red kettles"}
    problem(await asha.client.post(LOGIN, json=wrong), 401, "bad-credentials")


async def test_wrong_codes_and_tickets_are_refused(asha: Owner) -> None:
    await asha.set_up_app()
    ticket = await asha.ticket()
    wrong = problem(await asha.step(ticket, code="000000"), 401, "second-factor-wrong")
    assert wrong["facts"]["attempts_left"] == 4
    code = await asha.code()
    assert (await asha.step(ticket, code=code)).status_code == 200
    problem(await asha.step(ticket, code=await asha.code()), 401, "ticket-invalid")
    problem(await asha.step(await asha.ticket(), code=code), 401, "second-factor-wrong")
    problem(await asha.step("nonsense", code="123456"), 401, "ticket-invalid")
    problem(await asha.step(await asha.ticket()), 400, "validation-failed")


async def test_too_many_wrong_codes_bring_a_pause(asha: Owner) -> None:
    await asha.set_up_app()
    for _ in range(5):
        await asha.step(await asha.ticket(), code="000000")
    slow = await asha.step(await asha.ticket(), code=await asha.code())
    # Half a minute has passed with the code; so the pause is over, and fails longer next time.
    assert slow.status_code == 200
    for _ in range(5):
        await asha.step(await asha.ticket(), code="000000")
    slow = await asha.step(await asha.ticket(), code="000000")
    problem(slow, 429, "rate-limited")
    assert int(slow.headers["retry-after"]) == 2


async def test_a_recovery_code_stands_in_once(asha: Owner) -> None:
    code = (await asha.set_up_app())["recovery_codes"][0]
    assert (await asha.step(await asha.ticket(), recovery_code=code)).status_code == 200
    again = await asha.step(await asha.ticket(), recovery_code=code)
    problem(again, 401, "second-factor-wrong")
    mine = (await asha.client.get(ME, headers=asha.headers)).json()
    assert mine["recovery_codes_left"] == 9
    renewed = await asha.post("/recovery-codes")
    assert renewed.status_code == 201
    assert len(renewed.json()["recovery_codes"]) == 10


async def test_a_passkey_is_made_and_signs_in_both_ways(asha: Owner) -> None:
    enrolled = await asha.add_passkey()
    assert len(enrolled["recovery_codes"]) == 10
    ticket = await asha.ticket()
    asked = await asha.client.post(f"{LOGIN}/second-factor/options", json={"ticket": ticket})
    shown = asha.key.get(asked.json()["options"])
    assert (await asha.step(ticket, passkey=shown)).status_code == 200
    begun = (await asha.client.post(f"{LOGIN}/passkey/options")).json()
    body = {"ticket": begun["ticket"], "passkey": asha.key.get(begun["options"])}
    done = await asha.client.post(f"{LOGIN}/passkey", json=body)
    assert done.status_code == 200, done.text
    assert await asha.client.status(bearer(done.json())) == 200
    problem(await asha.client.post(f"{LOGIN}/passkey", json=body), 401, "ticket-invalid")


async def test_a_forged_passkey_is_refused(asha: Owner) -> None:
    await asha.add_passkey()
    handle, name = asha.key.handle, asha.key.credential_id
    forger = Authenticator(number=9)
    forger.handle, forger.credential_id = handle, name
    begun = (await asha.client.post(f"{LOGIN}/passkey/options")).json()
    body = {"ticket": begun["ticket"], "passkey": forger.get(begun["options"])}
    problem(await asha.client.post(f"{LOGIN}/passkey", json=body), 401, "bad-credentials")
    broken: list[dict[str, Any]] = [{}, {"id": "x"}, {"response": []}]
    for nonsense in broken:
        begun = (await asha.client.post(f"{LOGIN}/passkey/options")).json()
        body = {"ticket": begun["ticket"], "passkey": nonsense}
        problem(await asha.client.post(f"{LOGIN}/passkey", json=body), 401, "bad-credentials")
        problem(await asha.post("/passkeys", name="x", passkey=nonsense), 422, "passkey-refused")


async def test_removing_asks_for_a_proof_when_the_sign_in_is_old(asha: Owner) -> None:
    await asha.set_up_app()
    key = (await asha.add_passkey())["factors"]["passkeys"][0]
    await asha.later()
    body = {"email": "asha@example.com", "password": PASSWORD}
    for path in ("/totp", "/totp/remove", f"/passkeys/{key['id']}/remove", "/recovery-codes"):
        problem(await asha.post(path), 403, "proof-needed")
    wrong = await asha.post("/totp/remove", current_password="three red kettles")
    problem(wrong, 401, "bad-credentials")
    by_code = await asha.post(f"/passkeys/{key['id']}/remove", code=await asha.code())
    assert by_code.status_code == 204, by_code.text
    removed = await asha.post("/totp/remove", current_password=PASSWORD)
    assert removed.status_code == 204
    assert (await asha.client.post(LOGIN, json=body)).status_code == 200
    again = await asha.post("/totp/remove", current_password=PASSWORD)
    problem(again, 409, "second-factor-missing")


async def test_somebody_elses_passkey_is_not_found(asha: Owner, client: Client) -> None:
    key = (await asha.add_passkey())["factors"]["passkeys"][0]
    asha.headers = await client.signed_in(email="ravi@example.com")
    problem(await asha.post(f"/passkeys/{key['id']}/remove"), 404, "passkey-not-found")


@pytest.mark.parametrize(
    "path", ["/totp", "/totp/confirm", "/recovery-codes", "/passkeys/options", "/totp/remove"]
)
async def test_nobody_sets_up_anything(client: Client, path: str) -> None:
    body = {"code": "123456"}
    problem(await client.post(f"{ME}{path}", json=body), 401, "unauthenticated")
    assert (await client.get(ME)).status_code == 401


async def test_staff_of_a_strict_shop_may_only_enrol_at_first(storage: str, tmp_path: Path) -> None:
    strict = Settings(security=Security(staff_second_factor=True))
    async with people(storage, tmp_path, strict) as shop, a_client(shop) as client:
        async with shop() as scope:
            await (await scope.get(Admins)).create("asha@example.com", PASSWORD)
        boss = Owner(shop, client, await client.log_in())
        users = "/api/v1/admin/users"
        refused = await client.get(users, headers=boss.headers)
        problem(refused, 403, "second-factor-enrolment-required")
        assert await client.status(boss.headers) == 200
        await boss.set_up_app()
        assert (await client.get(users, headers=boss.headers)).status_code == 200
        done = await boss.step(await boss.ticket(), code=await boss.code())
        assert Role.ADMIN in done.json()["user"]["roles"]
        assert (await client.get(users, headers=bearer(done.json()))).status_code == 200


async def test_an_administrator_takes_factors_away_but_not_their_own(
    client: Client, shop: AsyncContainer, asha: Owner
) -> None:
    mine = asha.headers
    me = (await client.get("/api/v1/me", headers=mine)).json()["id"]
    path = f"/api/v1/admin/users/{me}/factors"
    async with shop() as scope:
        await (await scope.get(Admins)).create("boss@example.com", PASSWORD)
    boss = bearer(await client.log_in("boss@example.com"))
    problem(await client.delete(path, headers=boss), 409, "second-factor-missing")
    await asha.set_up_app()
    problem(await client.delete(path, headers=mine), 403, "denied")
    assert (await client.delete(path, headers=boss)).status_code == 204
    assert await client.status(mine) == 401
    await client.log_in()
    own = (await client.get("/api/v1/me", headers=boss)).json()["id"]
    refused = await client.delete(f"/api/v1/admin/users/{own}/factors", headers=boss)
    problem(refused, 409, "own-factors")
    nobody = await client.delete(f"/api/v1/admin/users/{uuid4()}/factors", headers=boss)
    problem(nobody, 404, "user-not-found")


async def test_of_parallel_steps_with_one_code_one_gets_in(asha: Owner) -> None:
    await asha.set_up_app()
    tickets = [await asha.ticket() for _ in range(4)]
    code = await asha.code()
    steps = [asha.step(ticket, code=code) for ticket in tickets]
    assert sorted(one.status_code for one in await asyncio.gather(*steps)) == [200, 401, 401, 401]


async def test_of_wrong_codes_in_parallel_few_are_looked_at(asha: Owner) -> None:
    await asha.set_up_app()
    tickets = [await asha.ticket() for _ in range(6)] * 4
    steps = [asha.step(ticket, code="000000") for ticket in tickets]
    told = [one.status_code for one in await asyncio.gather(*steps)]
    assert sorted(told) == [401] * Factors.FREE + [429] * (len(tickets) - Factors.FREE)


async def test_of_parallel_steps_with_one_ticket_one_gets_in(asha: Owner) -> None:
    codes = (await asha.set_up_app())["recovery_codes"]
    ticket = await asha.ticket()
    steps = [asha.step(ticket, recovery_code=code) for code in codes[:4]]
    assert sorted(one.status_code for one in await asyncio.gather(*steps)) == [200, 401, 401, 401]
    mine = (await asha.client.get(ME, headers=asha.headers)).json()
    assert mine["recovery_codes_left"] == 9
