"""What somebody might do to accounts who means no good, on each storage."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from dishka import AsyncContainer
from msgspec.structs import replace

from shop.core.kernel.access import Role
from shop.core.users.admins import Staffing
from shop.core.users.throttle import ACCOUNT, OWN
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork
from shop.ports.users import Users
from shop.settings import Security, Settings
from tests.integration.http.test_identity import ASHA, Client, a_client, bearer, problem
from tests.kit.clock import ManualClock
from tests.kit.containers import running, settings_for
from tests.kit.people import PASSWORD, FakePasswords, Letterbox, identity_app, people
from tests.kit.stopwatch import stopwatch

DAY = 86_400
LONG = "a" * 10_000
NUL = "as\0ha"
NEW = "four green kettles"
#: Each call of identity that anybody may make, with a body that is good.
OPEN_CALLS: dict[str, dict[str, str]] = {
    "/api/v1/signup": ASHA | {"contact": "9845012345"},
    "/api/v1/login": {"email": ASHA["email"], "password": PASSWORD},
    "/api/v1/verify-email": {"token": "x"},
    "/api/v1/verify-email/resend": {"email": ASHA["email"]},
    "/api/v1/resetpassword": {"email": ASHA["email"]},
    "/api/v1/resetpassword/confirm": {
        "token": "x",
        "new_password": PASSWORD,
        "reset_answer": "Mysuru",
    },
}
PROFILE = ("name", "contact", "email", "reset_question", "reset_answer")


@pytest.fixture
async def shop(storage: str, tmp_path: Path) -> AsyncIterator[AsyncContainer]:
    async with people(storage, tmp_path) as container:
        yield container


@pytest.fixture
async def client(shop: AsyncContainer) -> AsyncIterator[Client]:
    async with a_client(shop) as client:
        yield client


@pytest.fixture
async def mails(shop: AsyncContainer) -> Letterbox:
    return await shop.get(Letterbox)


@pytest.fixture
async def time(shop: AsyncContainer) -> ManualClock:
    clock = await shop.get(Clock)
    assert isinstance(clock, ManualClock)
    return clock


def from_address(app: Any, address: str) -> Client:
    return Client(transport=httpx.ASGITransport(app, client=(address, 1)), base_url="http://shop")


# --- fields nobody would fill in so ---------------------------------------------------------------


async def test_fields_that_are_too_long_or_hold_nul_are_refused(client: Client) -> None:
    for path, field in ((path, field) for path, body in OPEN_CALLS.items() for field in body):
        answer = await client.post(path, json=OPEN_CALLS[path] | {field: LONG})
        problem(answer, 400, "validation-failed")
        answer = await client.post(path, json=OPEN_CALLS[path] | {field: NUL})
        if "password" not in field:  # any character will do there
            problem(answer, 400, "validation-failed")
        else:
            assert answer.status_code in {400, 401, 422}


async def test_profiles_take_no_such_fields_either(client: Client) -> None:
    mine = await client.signed_in()
    for field, value in ((field, value) for field in PROFILE for value in (LONG, NUL)):
        answer = await client.patch("/api/v1/updateuser", json={field: value}, headers=mine)
        problem(answer, 400, "validation-failed")
    for value in (LONG, NUL):
        body = {"current_password": value, "new_password": value}
        answer = await client.post("/api/v1/me/password", json=body, headers=mine)
        assert answer.status_code in {400, 401}


async def test_a_password_may_hold_any_character_and_is_never_cut(client: Client) -> None:
    password = ("kettle\0 श्री 猫🫖 " * 12)[:128]
    await client.signed_in(password=password)
    for wrong in (password[:-1], password + "x", password.replace("\0", ""), password[:72]):
        body = {"email": ASHA["email"], "password": wrong}
        problem(await client.post("/api/v1/login", json=body), 401, "bad-credentials")
        await client.log_in(password=password)
    answer = await client.post(
        "/api/v1/signup", json=ASHA | {"email": "b@example.com", "password": password + "x"}
    )
    assert problem(answer, 422, "weak-password")["facts"]["rules"] == ["too-long"]


# --- whose address it is --------------------------------------------------------------------------


async def test_addresses_that_only_look_alike_are_two_or_none(client: Client) -> None:
    await client.sign_up(email="asha@apple.example.com")
    mixed = "asha@\u0430pple.example.com"  # its first letter is Cyrillic
    problem(
        await client.post("/api/v1/signup", json=ASHA | {"email": mixed}),
        400,
        "validation-failed",
    )
    whole = "asha@\u0430\u0440\u0440\u04cf\u0435.example.com"
    user = await client.sign_up(email=whole)
    assert user["email"] == "asha@xn--80ak6aa92e.example.com"  # staff see what it is
    wide = "asha@\uff41pple.example.com"
    problem(await client.post("/api/v1/signup", json=ASHA | {"email": wide}), 409, "email-taken")
    local = "\u0430sha@apple.example.com"
    problem(
        await client.post("/api/v1/signup", json=ASHA | {"email": local}),
        400,
        "validation-failed",
    )


async def test_parallel_sign_ups_in_different_spellings_make_one_account(client: Client) -> None:
    spellings = ["a@bücher.example.com", "A@BÜCHER.example.com", "a@xn--bcher-kva.example.com"] * 4
    answers = await asyncio.gather(
        *(client.post("/api/v1/signup", json=ASHA | {"email": email}) for email in spellings)
    )
    assert sorted(a.status_code for a in answers) == [201, *[409] * 11]


# --- tokens ---------------------------------------------------------------------------------------


async def test_parallel_refreshes_of_one_token_all_get_the_same_successor(client: Client) -> None:
    await client.sign_up()
    token = (await client.log_in())["refresh_token"]
    answers = await asyncio.gather(*(client.refresh(token) for _ in range(10)))
    assert {a.status_code for a in answers} == {200}
    (successor,) = {a.json()["refresh_token"] for a in answers}
    assert (await client.refresh(successor)).status_code == 200


async def test_a_thief_of_a_refresh_token_throws_himself_out(
    client: Client, time: ManualClock
) -> None:
    await client.sign_up()
    stolen = (await client.log_in())["refresh_token"]
    owner = (await client.refresh(stolen)).json()
    time.advance(seconds=11)
    answers = await asyncio.gather(*(client.refresh(stolen) for _ in range(3)))
    assert {a.json()["error"] for a in answers} == {"invalid_grant"}
    assert await client.status(bearer(owner)) == 401
    assert (await client.refresh(owner["refresh_token"])).status_code == 400


async def test_a_session_in_daily_use_ends_some_day_all_the_same(
    storage: str, tmp_path: Path
) -> None:
    settings = Settings(security=Security(refresh_token_days=2, session_days=5))
    async with people(storage, tmp_path, settings) as shop, a_client(shop) as client:
        clock = await shop.get(Clock)
        assert isinstance(clock, ManualClock)
        await client.sign_up()
        tokens = await client.log_in()
        for _ in range(4):
            clock.advance(seconds=DAY)
            tokens = (await client.refresh(tokens["refresh_token"])).json()
            assert await client.status(bearer(tokens)) == 200
        clock.advance(seconds=DAY)
        assert await client.status(bearer(tokens)) == 401
        assert (await client.refresh(tokens["refresh_token"])).status_code == 400


async def test_stricter_settings_hold_for_sessions_that_began_before_them(
    storage: str, tmp_path: Path
) -> None:
    if storage != "sqlite":
        pytest.skip("needs data that outlives its server")
    async with people(storage, tmp_path) as shop, a_client(shop) as client:
        await client.sign_up()
        token = (await client.log_in())["refresh_token"]
    strict = Settings(security=Security(session_days=1))
    async with people(storage, tmp_path, strict) as shop, a_client(shop) as client:
        clock = await shop.get(Clock)
        assert isinstance(clock, ManualClock)
        clock.advance(seconds=DAY)
        assert (await client.refresh(token)).json()["error"] == "invalid_grant"


async def test_the_database_holds_no_secret_that_opens_anything(
    client: Client, mails: Letterbox, storage: str, tmp_path: Path
) -> None:
    if storage != "sqlite":
        pytest.skip("reads the file of the embedded database")
    mine = await client.signed_in()
    tokens = await client.log_in()
    change = {"reset_question": "Where?", "reset_answer": "in Mysuru palace"}
    await client.patch("/api/v1/updateuser", json=change, headers=mine)
    await client.post("/api/v1/resetpassword", json={"email": ASHA["email"]})
    stored = _files(tmp_path)
    assert b"Where?" in stored
    for template in ("verify-email", "reset-password"):
        secret = mails.secret(template)
        assert secret.encode() not in stored
        assert base64.urlsafe_b64decode(secret + "==") not in stored
    refresh = tokens["refresh_token"]
    assert refresh.encode() not in stored
    assert base64.urlsafe_b64decode(refresh + "==")[16:] not in stored
    assert PASSWORD.encode() not in stored


async def test_what_ends_a_session_bites_at_once_on_every_replica(
    storage: str, tmp_path: Path
) -> None:
    if storage != "mysql":
        pytest.skip("replicas share a database server")
    settings = settings_for(storage, tmp_path)
    async with (
        running(settings) as one,
        running(settings) as two,
        a_client(one) as here,
        a_client(two) as there,
    ):
        await here.sign_up()
        first, second, third = [bearer(await here.log_in()) for _ in range(3)]
        for mine in (first, second, third):
            assert (await here.status(mine), await there.status(mine)) == (200, 200)
        assert (await here.post("/api/v1/logout", headers=first)).status_code == 204
        assert await there.status(first) == 401
        body = {"current_password": PASSWORD, "new_password": NEW}
        answer = await there.post("/api/v1/me/password", json=body, headers=second)
        assert answer.status_code == 204
        assert (await here.status(second), await here.status(third)) == (200, 401)


def _files(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("shop.db*"))


# --- links ----------------------------------------------------------------------------------------


async def test_of_several_links_the_newest_alone_holds(client: Client, mails: Letterbox) -> None:
    await client.sign_up()
    for path in ("/api/v1/resetpassword", "/api/v1/verify-email/resend"):
        for _ in range(2):
            await client.post(path, json={"email": ASHA["email"]})
    for template, path, rest in (
        ("verify-email", "/api/v1/verify-email", {}),
        ("reset-password", "/api/v1/resetpassword/confirm", {"new_password": NEW}),
    ):
        *old, newest = [
            letter.data["link"].partition("token=")[2]
            for letter in mails.letters
            if letter.template == template
        ]
        for token in old:
            answer = await client.post(path, json={"token": token} | rest)
            problem(answer, 410, "token-expired")
        answer = await client.post(path, json={"token": newest} | rest)
        assert answer.status_code == 204, answer.text


async def test_of_parallel_uses_of_one_link_exactly_one_counts(
    client: Client, mails: Letterbox
) -> None:
    await client.sign_up()
    await client.post("/api/v1/resetpassword", json={"email": ASHA["email"]})
    token = mails.secret("reset-password")
    bodies = [{"token": token, "new_password": f"{NEW} {n}"} for n in range(5)]
    path = "/api/v1/resetpassword/confirm"
    answers = await asyncio.gather(*(client.post(path, json=body) for body in bodies))
    done = [n for n, answer in enumerate(answers) if answer.status_code == 204]
    assert len(done) == 1
    assert {a.status_code for a in answers} <= {204, 410}
    await client.log_in(password=f"{NEW} {done[0]}")


async def test_a_mailbox_that_nobody_proved_reads_no_words_of_a_strangers(
    client: Client, mails: Letterbox
) -> None:
    mine = await client.signed_in()
    await client.post("/api/v1/resetpassword", json={"email": ASHA["email"]})
    assert [letter.data["name"] for letter in mails.letters] == ["", ""]
    await client.post("/api/v1/verify-email", json={"token": mails.secret("verify-email")})
    await client.post("/api/v1/resetpassword", json={"email": ASHA["email"]})
    change = {"email": "somebody@example.com"}
    await client.patch("/api/v1/updateuser", json=change, headers=mine)
    told = {letter.to: letter.data["name"] for letter in mails.letters[2:]}
    assert told == {ASHA["email"]: ASHA["name"], "somebody@example.com": ""}


async def test_an_answer_of_blanks_is_none(client: Client, mails: Letterbox) -> None:
    mine = await client.signed_in()
    change = {"reset_question": "Where?", "reset_answer": "   "}
    answer = await client.patch("/api/v1/updateuser", json=change, headers=mine)
    problem(answer, 400, "validation-failed")
    change["reset_answer"] = "im Café  am\u00a0Eck"
    assert (await client.patch("/api/v1/updateuser", json=change, headers=mine)).is_success
    await client.post("/api/v1/verify-email", json={"token": mails.secret("verify-email")})
    await client.post("/api/v1/resetpassword", json={"email": ASHA["email"]})
    body: dict[str, Any] = {"token": mails.secret("reset-password"), "new_password": NEW}
    path = "/api/v1/resetpassword/confirm"
    for given in (None, "", "  ", "im cafe am eck"):
        answer = await client.post(path, json=body | {"reset_answer": given})
        problem(answer, 422, "reset-answer-wrong")
    body["reset_answer"] = "IM CAFE\u0301 am eck "
    assert (await client.post(path, json=body)).status_code == 204


async def test_guesses_at_the_answer_are_slowed_down_too(client: Client, mails: Letterbox) -> None:
    mine = await client.signed_in()
    change = {"reset_question": "Where?", "reset_answer": "here"}
    await client.patch("/api/v1/updateuser", json=change, headers=mine)
    await client.post("/api/v1/verify-email", json={"token": mails.secret("verify-email")})
    await client.post("/api/v1/resetpassword", json={"email": ASHA["email"]})
    body = {"token": mails.secret("reset-password"), "new_password": NEW, "reset_answer": "there"}
    path = "/api/v1/resetpassword/confirm"
    for _ in range(OWN.free):
        problem(await client.post(path, json=body), 422, "reset-answer-wrong")
    problem(await client.post(path, json=body | {"reset_answer": "here"}), 429, "rate-limited")


# --- who has an account ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/v1/resetpassword", "/api/v1/verify-email/resend"])
async def test_the_clock_does_not_tell_who_has_an_account(
    client: Client, mails: Letterbox, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    await client.sign_up()
    watch, sent, took = stopwatch(monkeypatch), len(mails.letters), []
    for email in (ASHA["email"], "nobody@example.com"):
        began = watch.now
        assert (await client.post(path, json={"email": email})).status_code == 202
        took.append(round(watch.now - began, 6))
    assert len(mails.letters) == sent + 1
    assert took[0] == took[1] > 0


# --- guessing -------------------------------------------------------------------------------------


@pytest.fixture
async def slow(shop: AsyncContainer, monkeypatch: pytest.MonkeyPatch) -> FakePasswords:
    """Passwords that take a while to be looked at, so that the others come meanwhile."""
    passwords = await shop.get(FakePasswords)
    verify = passwords.verify

    async def verify_slowly(password: str, hashed: str | None) -> bool:
        await asyncio.sleep(0.05)
        return await verify(password, hashed)

    monkeypatch.setattr(passwords, "verify", verify_slowly)
    return passwords


async def test_of_wrong_passwords_in_parallel_few_are_looked_at(
    client: Client, slow: FakePasswords
) -> None:
    await client.sign_up()
    slow.verified.clear()
    body = {"email": ASHA["email"], "password": "wrong"}
    calls = (client.post("/api/v1/login", json=body) for _ in range(40))
    told = sorted(answer.status_code for answer in await asyncio.gather(*calls))
    assert told == [401] * OWN.free + [429] * (40 - OWN.free)
    assert len(slow.verified) == OWN.free


async def test_of_guesses_at_the_answer_in_parallel_few_are_looked_at(
    client: Client, mails: Letterbox, slow: FakePasswords
) -> None:
    mine = await client.signed_in()
    change = {"reset_question": "Where?", "reset_answer": "here"}
    await client.patch("/api/v1/updateuser", json=change, headers=mine)
    await client.post("/api/v1/verify-email", json={"token": mails.secret("verify-email")})
    await client.post("/api/v1/resetpassword", json={"email": ASHA["email"]})
    body = {"token": mails.secret("reset-password"), "new_password": NEW}
    guesses = (body | {"reset_answer": f"there {n}"} for n in range(40))
    slow.verified.clear()
    path = "/api/v1/resetpassword/confirm"
    calls = (client.post(path, json=guess) for guess in guesses)
    told = sorted(answer.status_code for answer in await asyncio.gather(*calls))
    assert told == [422] * OWN.free + [429] * (40 - OWN.free)
    assert len(slow.verified) == OWN.free


async def test_many_strangers_do_not_keep_the_owner_from_her_account(
    client: Client, shop: AsyncContainer
) -> None:
    await client.sign_up()
    async with identity_app(shop) as app:
        home = from_address(app, "10.0.0.1")
        await home.log_in()
        wrong = {"email": ASHA["email"], "password": "wrong"}
        for number in range(ACCOUNT.free):
            stranger = from_address(app, f"10.1.0.{number}")
            problem(await stranger.post("/api/v1/login", json=wrong), 401, "bad-credentials")
        one_more = from_address(app, "10.2.0.1")
        problem(await one_more.post("/api/v1/login", json=wrong), 429, "rate-limited")
        await home.log_in()


async def test_unknown_accounts_are_slowed_down_like_known_ones(client: Client) -> None:
    await client.sign_up()
    told = []
    for email in (ASHA["email"], "nobody@example.com"):
        wrong = {"email": email, "password": "wrong"}
        answers = [await client.post("/api/v1/login", json=wrong) for _ in range(OWN.free + 1)]
        told.append([(a.status_code, a.headers.get("retry-after")) for a in answers])
    assert told[0] == told[1]
    assert told[0][-1] == (429, "2")


@pytest.mark.parametrize("role", [Role.STAFF, Role.ADMIN])
async def test_staff_do_not_come_in_by_a_password_that_everybody_knows(
    client: Client, shop: AsyncContainer, mails: Letterbox, role: Role
) -> None:
    email = "boss@example.com"
    async with shop() as scope:
        user = await (await scope.get(Staffing)).hire(
            email, PASSWORD, "Boss", frozenset({Role.CUSTOMER, role})
        )
        async with (await scope.get(UnitOfWork)).begin():
            users = await scope.get(Users)
            known = await users.get(user.id)
            await users.save(
                replace(known, password_hash=await FakePasswords().hash("admin@12345"))
            )
    body = {"email": email, "password": "admin@12345"}
    problem(await client.post("/api/v1/login", json=body), 422, "weak-password")
    await client.post("/api/v1/resetpassword", json={"email": email})
    new = {"token": mails.secret("reset-password"), "new_password": NEW}
    assert (await client.post("/api/v1/resetpassword/confirm", json=new)).status_code == 204
    await client.log_in(email, NEW)


async def test_what_was_good_enough_once_still_lets_customers_in(
    client: Client, shop: AsyncContainer
) -> None:
    user = await client.sign_up()
    async with shop() as scope, (await scope.get(UnitOfWork)).begin():
        users = await scope.get(Users)
        known = await users.by_email(ASHA["email"])
        assert known is not None
        await users.save(replace(known, password_hash=await FakePasswords().hash("admin@12345")))
    assert (await client.log_in(password="admin@12345"))["user"]["id"] == user["id"]
