"""Identity as a client of the API meets it, on each storage."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest
from dishka import AsyncContainer

from shop.core.users.admins import Admins
from shop.ports.system import Clock
from shop.settings import Limits, Settings
from tests.kit.clock import ManualClock
from tests.kit.people import (
    PASSWORD,
    FakeCartDesk,
    Letterbox,
    identity_app,
    people,
)

ASHA = {"name": "Asha Rao", "email": "asha@example.com", "password": PASSWORD}
HOME = {
    "name": "Asha Rao",
    "phone": "98450 12345",
    "street": "12 MG Road",
    "city": "Bengaluru",
    "state": "Karnataka",
    "zipcode": "560 001",
}


class Client(httpx.AsyncClient):
    """Speaks to the app on this event loop, and signs people in."""

    async def sign_up(self, **changes: str) -> dict[str, Any]:
        answer = await self.post("/api/v1/signup", json=ASHA | changes)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def log_in(self, email: str = ASHA["email"], password: str = PASSWORD) -> dict[str, Any]:
        answer = await self.post("/api/v1/login", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def signed_in(self, **changes: str) -> dict[str, str]:
        """Headers of somebody new."""
        user = await self.sign_up(**changes)
        return bearer(await self.log_in(user["email"], changes.get("password", PASSWORD)))

    async def refresh(self, token: str, **changes: str) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "shop"}
        return await self.post("/oauth2/token", data=form | changes)

    async def status(self, headers: dict[str, str]) -> int:
        return (await self.get("/api/v1/me", headers=headers)).status_code


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    return body


@pytest.fixture
async def shop(storage: str, tmp_path: Path) -> AsyncIterator[AsyncContainer]:
    async with people(storage, tmp_path) as container:
        yield container


@pytest.fixture
async def client(shop: AsyncContainer) -> AsyncIterator[Client]:
    async with a_client(shop) as client:
        yield client


@asynccontextmanager
async def a_client(shop: AsyncContainer) -> AsyncIterator[Client]:
    async with identity_app(shop) as app:
        transport = httpx.ASGITransport(cast(Any, app))
        async with Client(transport=transport, base_url="http://shop") as client:
            yield client


@pytest.fixture
async def mails(shop: AsyncContainer) -> Letterbox:
    return await shop.get(Letterbox)


@pytest.fixture
async def time(shop: AsyncContainer) -> ManualClock:
    clock = await shop.get(Clock)
    assert isinstance(clock, ManualClock)
    return clock


# --- sign-up and the mailbox -----------------------------------------------------------------


async def test_somebody_signs_up_and_proves_the_mailbox(client: Client, mails: Letterbox) -> None:
    user = await client.sign_up(contact="98450-12345", email="Asha@EXAMPLE.com")
    assert user["email"] == "Asha@example.com"
    assert user["contact"] == "+919845012345"
    assert user["roles"] == ["customer"]
    assert user["created_at"] == "2030-01-01T12:00:00Z"
    assert (user["email_verified"], mails.templates()) == (False, ["verify-email"])

    body = {"token": mails.secret("verify-email")}
    assert (await client.post("/api/v1/verify-email", json=body)).status_code == 204
    me = await client.get("/api/v1/me", headers=bearer(await client.log_in()))
    assert me.json()["email_verified"]
    problem(await client.post("/api/v1/verify-email", json=body), 410, "token-expired")


async def test_register_is_another_name_of_sign_up(client: Client) -> None:
    assert (await client.post("/api/v1/register", json=ASHA)).status_code == 201


async def test_an_address_in_other_letters_is_taken(client: Client) -> None:
    await client.sign_up()
    answer = await client.post("/api/v1/signup", json=ASHA | {"email": "ASHA@Example.COM"})
    problem(answer, 409, "email-taken")


async def test_of_parallel_sign_ups_exactly_one_wins(client: Client) -> None:
    answers = await asyncio.gather(*(client.post("/api/v1/signup", json=ASHA) for _ in range(10)))
    assert sorted(a.status_code for a in answers) == [201, *[409] * 9]


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("short!", "too-short"),
        ("elevenchars", "no-special-character"),
        ("Password@123", "too-common"),
        ("aaaaaaaaaaaaaaaaaaaa", "too-guessable"),
        ("my-asha@-pass", None),
        ("asha rao forever", "contains-name"),
        ("x" * 60 + "yz!" * 30, "too-long"),
    ],
)
async def test_a_weak_password_is_told_which_rules_failed(
    client: Client, password: str, rule: str | None
) -> None:
    email = "ashab@example.com"
    answer = await client.post("/api/v1/signup", json=ASHA | {"password": password, "email": email})
    if rule is None:
        assert answer.status_code == 201
    else:
        assert rule in problem(answer, 422, "weak-password")["facts"]["rules"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"name": "Asha"}',
        json.dumps(ASHA | {"email": 7}).encode(),
        json.dumps(ASHA | {"roles": ["admin"]}).encode(),
        json.dumps(ASHA | {"name": ""}).encode(),
        json.dumps(ASHA | {"name": "  "}).encode(),
        json.dumps(ASHA | {"name": "a" * 201}).encode(),
        json.dumps(ASHA | {"name": "As\0ha"}).encode(),
        json.dumps(ASHA | {"email": "nobody"}).encode(),
        json.dumps(ASHA | {"email": "a@b@example.com"}).encode(),
        json.dumps(ASHA | {"email": "a@example.com\nBcc: b@example.com"}).encode(),
        json.dumps(ASHA | {"contact": "12345"}).encode(),
        b"\xff\xfe",
    ],
)
async def test_a_malformed_sign_up_is_refused(client: Client, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await client.post("/api/v1/signup", content=body, headers=headers)
    problem(answer, 400, "validation-failed")


async def test_a_link_that_waits_too_long_has_expired(
    client: Client, mails: Letterbox, time: ManualClock
) -> None:
    await client.sign_up()
    time.advance(seconds=49 * 3600)
    body = {"token": mails.secret("verify-email")}
    problem(await client.post("/api/v1/verify-email", json=body), 410, "token-expired")


@pytest.mark.parametrize("token", ["x", "ä", "=", base64.urlsafe_b64encode(b"0" * 32).decode()])
async def test_a_token_nobody_mailed_is_invalid(client: Client, token: str) -> None:
    answer = await client.post("/api/v1/verify-email", json={"token": token})
    problem(answer, 400, "token-invalid")


async def test_resending_tells_nothing_and_mails_only_who_waits(
    client: Client, mails: Letterbox
) -> None:
    await client.sign_up()
    for email in ("nobody@example.com", "asha@example.com"):
        answer = await client.post("/api/v1/verify-email/resend", json={"email": email})
        assert answer.status_code == 202
    assert mails.templates() == ["verify-email"] * 2
    await client.post("/api/v1/verify-email", json={"token": mails.secret("verify-email")})
    await client.post("/api/v1/verify-email/resend", json={"email": "asha@example.com"})
    assert len(mails.letters) == 2


async def test_nobody_can_fill_a_mailbox(client: Client, mails: Letterbox) -> None:
    await client.sign_up()
    answers = await asyncio.gather(
        *(
            client.post("/api/v1/resetpassword", json={"email": "asha@example.com"})
            for _ in range(8)
        )
    )
    assert {a.status_code for a in answers} == {202}
    assert mails.templates().count("reset-password") == 5


# --- sessions ----------------------------------------------------------------------------------


async def test_unknown_people_and_wrong_passwords_get_the_same_answer(client: Client) -> None:
    await client.sign_up()
    details = []
    for email in ("asha@example.com", "nobody@example.com"):
        answer = await client.post("/api/v1/login", json={"email": email, "password": "wrong"})
        details.append(problem(answer, 401, "bad-credentials")["detail"])
    assert len(set(details)) == 1


async def test_repeated_failures_wait_longer_and_longer_but_only_there(
    client: Client, time: ManualClock
) -> None:
    await client.sign_up()
    await client.sign_up(email="ravi@example.com", name="Ravi")
    wrong = {"email": "asha@example.com", "password": "wrong"}
    for _ in range(5):
        problem(await client.post("/api/v1/login", json=wrong), 401, "bad-credentials")
    right = {"email": "asha@example.com", "password": PASSWORD}
    answer = await client.post("/api/v1/login", json=right)
    problem(answer, 429, "rate-limited")
    assert answer.headers["retry-after"] == "2"
    await client.log_in("ravi@example.com")
    time.advance(seconds=2)
    problem(await client.post("/api/v1/login", json=wrong), 401, "bad-credentials")
    answer = await client.post("/api/v1/login", json=right)
    assert answer.headers["retry-after"] == "4"
    time.advance(seconds=4)
    await client.log_in()


async def test_limits_can_be_turned_off(storage: str, tmp_path: Path) -> None:
    settings = Settings(limits=Limits(enabled=False))
    async with people(storage, tmp_path, settings) as shop, a_client(shop) as client:
        wrong = {"email": "asha@example.com", "password": "wrong"}
        answers = [await client.post("/api/v1/login", json=wrong) for _ in range(20)]
        assert {a.status_code for a in answers} == {401}


async def test_signing_in_takes_the_guests_cart_along(client: Client, shop: AsyncContainer) -> None:
    user = await client.sign_up()
    body = {"email": "asha@example.com", "password": PASSWORD}
    token = "T" * 43
    for header in (token, "no token"):
        answer = await client.post("/api/v1/login", json=body, headers={"X-Cart-Token": header})
        assert answer.status_code == 200
    (asked,) = (await shop.get(FakeCartDesk)).asked
    assert asked.owner == f"user:{user['id']}"


async def test_an_answer_with_tokens_is_never_stored(client: Client) -> None:
    await client.sign_up()
    answer = await client.post(
        "/api/v1/login", json={"email": "asha@example.com", "password": PASSWORD}
    )
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    assert body["user"]["email"] == "asha@example.com"
    assert "set-cookie" not in answer.headers


async def test_signing_out_ends_both_tokens_at_once(client: Client) -> None:
    await client.sign_up()
    tokens = await client.log_in()
    assert await client.status(bearer(tokens)) == 200
    answer = await client.post("/api/v1/logout", headers=bearer(tokens))
    assert (answer.status_code, answer.content) == (204, b"")
    assert await client.status(bearer(tokens)) == 401
    assert (await client.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    problem(await client.post("/api/v1/logout", headers=bearer(tokens)), 401, "unauthenticated")


async def test_a_refresh_token_is_swapped_for_a_working_pair(client: Client) -> None:
    await client.sign_up()
    first = await client.log_in()
    answer = await client.refresh(first["refresh_token"])
    assert answer.headers["cache-control"] == "no-store"
    second = answer.json()
    assert second["token_type"] == "Bearer"
    assert second["refresh_token"] != first["refresh_token"]
    assert await client.status(bearer(second)) == 200
    assert (await client.refresh(second["refresh_token"])).status_code == 200


async def test_a_refresh_whose_answer_was_lost_may_be_repeated(
    client: Client, time: ManualClock
) -> None:
    await client.sign_up()
    first = await client.log_in()
    second = (await client.refresh(first["refresh_token"])).json()
    time.advance(seconds=9)
    again = (await client.refresh(first["refresh_token"])).json()
    assert again["refresh_token"] == second["refresh_token"]
    assert (await client.refresh(again["refresh_token"])).status_code == 200


async def test_a_refresh_token_used_twice_ends_its_session(
    client: Client, time: ManualClock
) -> None:
    await client.sign_up()
    first = await client.log_in()
    other = await client.log_in()
    second = (await client.refresh(first["refresh_token"])).json()
    assert await client.status(bearer(second)) == 200
    time.advance(seconds=11)
    answer = await client.refresh(first["refresh_token"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert (await client.refresh(second["refresh_token"])).status_code == 400
    assert await client.status(bearer(second)) == 401
    assert await client.status(bearer(other)) == 200


async def test_a_refresh_token_that_was_two_swaps_old_ends_its_session_too(client: Client) -> None:
    await client.sign_up()
    first = await client.log_in()
    second = (await client.refresh(first["refresh_token"])).json()
    third = (await client.refresh(second["refresh_token"])).json()
    assert (await client.refresh(first["refresh_token"])).status_code == 400
    assert await client.status(bearer(third)) == 401


async def test_an_access_token_lasts_a_quarter_of_an_hour(
    client: Client, time: ManualClock
) -> None:
    await client.sign_up()
    tokens = await client.log_in()
    time.advance(seconds=899)
    assert await client.status(bearer(tokens)) == 200
    time.advance(seconds=1)
    assert await client.status(bearer(tokens)) == 401


async def test_a_session_that_nobody_uses_ends_after_thirty_days(
    client: Client, time: ManualClock
) -> None:
    await client.sign_up()
    tokens = await client.log_in()
    time.advance(seconds=30 * 86_400)
    assert (await client.refresh(tokens["refresh_token"])).status_code == 400


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_id": "stranger"}, 401, "invalid_client"),
        ({"refresh_token": ""}, 400, "invalid_request"),
        ({"refresh_token": "x"}, 400, "invalid_grant"),
        ({"refresh_token": "ä€"}, 400, "invalid_grant"),
        ({"refresh_token": base64.urlsafe_b64encode(b"7" * 48).decode()}, 400, "invalid_grant"),
    ],
)
async def test_the_token_endpoint_refuses_in_the_words_of_oauth(
    client: Client, form: dict[str, str], status: int, error: str
) -> None:
    answer = await client.refresh("anything", **form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["cache-control"] == "no-store"


async def test_the_token_endpoint_takes_forms_only(client: Client) -> None:
    answer = await client.post("/oauth2/token", json={"grant_type": "refresh_token"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"client_id=shop&client_id=shop", b"\xff", b"a&" * 100):
        answer = await client.post("/oauth2/token", content=body, headers=kind)
        assert answer.status_code in (400, 401)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_a_revoked_token_ends_its_session(client: Client, kind: str) -> None:
    await client.sign_up()
    tokens = await client.log_in()
    form = {"token": tokens[kind], "client_id": "shop"}
    assert (await client.post("/oauth2/revoke", data=form)).status_code == 200
    assert await client.status(bearer(tokens)) == 401
    assert (await client.refresh(tokens["refresh_token"])).status_code == 400
    form = {"token": "unknown", "client_id": "shop"}
    assert (await client.post("/oauth2/revoke", data=form)).status_code == 200


async def test_the_public_keys_say_nothing_private(client: Client) -> None:
    (key,) = (await client.get("/oauth2/jwks")).json()["keys"]
    assert (key["kty"], key["crv"], key["use"]) == ("OKP", "Ed25519", "sig")
    assert "d" not in key


def _forged(token: str, **header: str) -> str:
    head, body, _ = token.split(".")
    read = json.loads(base64.urlsafe_b64decode(head + "=="))
    changed = base64.urlsafe_b64encode(json.dumps(read | header).encode()).decode().rstrip("=")
    return f"{changed}.{body}."


async def test_tokens_that_do_not_hold_are_refused(client: Client) -> None:
    await client.sign_up()
    token = (await client.log_in())["access_token"]
    head, body, signature = token.split(".")
    last = "A" if signature[-5] != "A" else "B"
    bad = [
        "",
        "x",
        "x.y.z",
        _forged(token, alg="none"),
        f"{head}.{body}.{signature[:-5]}{last}{signature[-4:]}",
        f"{head}.{body}.",
        "a" * 10_000,
    ]
    for forged in bad:
        answer = await client.get("/api/v1/me", headers={"Authorization": f"Bearer {forged}"})
        problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
    for header in ("Basic c2hvcDo=", "Bearer", token):
        answer = await client.get("/api/v1/me", headers={"Authorization": header})
        problem(answer, 401, "unauthenticated")
    problem(await client.get("/api/v1/me"), 401, "unauthenticated")


async def test_somebody_sees_and_ends_their_other_sessions(client: Client) -> None:
    mine = await client.signed_in()
    body = {"email": "asha@example.com", "password": PASSWORD}
    answer = await client.post("/api/v1/login", json=body, headers={"User-Agent": "Phone" * 99})
    phone = answer.json()
    items = (await client.get("/api/v1/me/sessions", headers=mine)).json()["items"]
    assert {item["current"] for item in items} == {True, False}
    (other,) = [item for item in items if not item["current"]]
    assert other["device"].startswith("PhonePhone")

    stranger = await client.signed_in(email="ravi@example.com", name="Ravi")
    path = f"/api/v1/me/sessions/{other['id']}"
    problem(await client.delete(path, headers=stranger), 404, "session-not-found")
    assert (await client.delete(path, headers=mine)).status_code == 204
    assert await client.status(bearer(phone)) == 401
    problem(await client.delete(path, headers=mine), 404, "session-not-found")


# --- profile and password ------------------------------------------------------------------------


async def test_a_new_address_holds_once_it_is_proved(client: Client, mails: Letterbox) -> None:
    mine = await client.signed_in()
    change = {"email": "asha.rao@example.com", "name": "Asha R", "contact": None}
    answer = await client.patch("/api/v1/updateuser", json=change, headers=mine)
    told = answer.json()
    assert (told["email"], told["pending_email"]) == ("asha@example.com", "asha.rao@example.com")
    assert told["name"] == "Asha R"
    body = {"token": mails.secret("email-change", "asha.rao@example.com")}
    assert (await client.post("/api/v1/verify-email", json=body)).status_code == 204
    me = (await client.get("/api/v1/me", headers=mine)).json()
    assert (me["email"], me["email_verified"]) == ("asha.rao@example.com", True)
    assert mails.letters[-1].template == "email-changed"
    assert mails.letters[-1].to == "asha@example.com"
    await client.log_in("asha.rao@example.com")


async def test_an_address_taken_meanwhile_stays_with_whoever_was_first(
    client: Client, mails: Letterbox
) -> None:
    mine = await client.signed_in()
    change = {"email": "ravi@example.com"}
    await client.patch("/api/v1/updateuser", json=change, headers=mine)
    await client.sign_up(email="ravi@example.com", name="Ravi")
    body = {"token": mails.secret("email-change")}
    problem(await client.post("/api/v1/verify-email", json=body), 409, "email-taken")
    answer = await client.patch("/api/v1/updateuser", json=change, headers=mine)
    problem(answer, 409, "email-taken")


async def test_a_changed_password_ends_the_other_sessions(client: Client, mails: Letterbox) -> None:
    mine = await client.signed_in()
    other = await client.log_in()
    body = {"current_password": "wrong", "new_password": "four green kettles"}
    answer = await client.post("/api/v1/me/password", json=body, headers=mine)
    problem(answer, 401, "bad-credentials")
    assert answer.json()["detail"] == "The present password is wrong."
    body["current_password"] = PASSWORD
    answer = await client.post("/api/v1/me/password", json=body, headers=mine)
    assert answer.status_code == 204
    assert (await client.status(mine), await client.status(bearer(other))) == (200, 401)
    assert mails.letters[-1].template == "password-changed"
    await client.log_in(password="four green kettles")


async def test_a_forgotten_password_is_reset_by_mail(client: Client, mails: Letterbox) -> None:
    mine = await client.signed_in()
    for email in ("nobody@example.com", "asha@example.com", "asha@example.com"):
        answer = await client.post("/api/v1/resetpassword", json={"email": email})
        assert (answer.status_code, answer.content) == (202, b"")
    assert mails.templates().count("reset-password") == 2
    token = mails.secret("reset-password")
    body = {"token": token, "new_password": "weak"}
    path = "/api/v1/resetpassword/confirm"
    problem(await client.post(path, json=body), 422, "weak-password")
    body["new_password"] = "four green kettles"
    assert (await client.post(path, json=body)).status_code == 204
    problem(await client.post(path, json=body), 410, "token-expired")
    assert await client.status(mine) == 401
    await client.log_in(password="four green kettles")
    first = next(x for x in mails.letters if x.template == "reset-password")
    body["token"] = first.data["link"].partition("token=")[2]
    problem(await client.post(path, json=body), 410, "token-expired")


@pytest.mark.parametrize("by_mail", [True, False])
async def test_a_new_password_ends_a_change_of_address_that_waits(
    client: Client, mails: Letterbox, *, by_mail: bool
) -> None:
    """Whoever found a browser signed in does not get the account by a link that still waits."""
    mine = await client.signed_in()
    change = {"email": "thief@example.com"}
    await client.patch("/api/v1/updateuser", json=change, headers=mine)
    link = {"token": mails.secret("email-change")}
    body = {"new_password": "four green kettles"}
    if by_mail:
        await client.post("/api/v1/resetpassword", json={"email": "asha@example.com"})
        body["token"] = mails.secret("reset-password")
        path = "/api/v1/resetpassword/confirm"
    else:
        body["current_password"] = PASSWORD
        path = "/api/v1/me/password"
    assert (await client.post(path, json=body, headers=mine)).status_code == 204
    problem(await client.post("/api/v1/verify-email", json=link), 410, "token-expired")
    await client.log_in(password="four green kettles")


async def test_a_link_to_verify_resets_nothing(client: Client, mails: Letterbox) -> None:
    await client.sign_up()
    body = {"token": mails.secret("verify-email"), "new_password": "four green kettles"}
    answer = await client.post("/api/v1/resetpassword/confirm", json=body)
    problem(answer, 400, "token-invalid")


async def test_a_security_question_guards_the_reset(client: Client, mails: Letterbox) -> None:
    mine = await client.signed_in()
    lone = {"reset_answer": "Mysuru"}
    answer = await client.patch("/api/v1/updateuser", json=lone, headers=mine)
    problem(answer, 400, "validation-failed")
    change = lone | {"reset_question": "Where did we meet?"}
    assert (await client.patch("/api/v1/updateuser", json=change, headers=mine)).is_success
    await client.post("/api/v1/verify-email", json={"token": mails.secret("verify-email")})
    await client.post("/api/v1/resetpassword", json={"email": "asha@example.com"})
    path = "/api/v1/resetpassword/confirm"
    body = {"token": mails.secret("reset-password"), "new_password": "four green kettles"}
    found = problem(await client.post(path, json=body), 422, "reset-answer-wrong")
    assert found["facts"]["question"] == "Where did we meet?"
    body["reset_answer"] = "Mandya"
    problem(await client.post(path, json=body), 422, "reset-answer-wrong")
    body["reset_answer"] = " mysuru "
    assert (await client.post(path, json=body)).status_code == 204


# --- addresses -----------------------------------------------------------------------------------


async def test_addresses_are_tidied_and_one_is_the_default(client: Client) -> None:
    mine = await client.signed_in()
    home = (await client.post("/api/v1/addresses", json=HOME, headers=mine)).json()
    assert (home["state"], home["zipcode"], home["phone"]) == ("KA", "560001", "+919845012345")
    assert (home["country"], home["is_default"]) == ("IN", True)
    body = HOME | {"is_default": True, "state": "TN", "zipcode": "600001"}
    work = (await client.post("/api/v1/addresses", json=body, headers=mine)).json()
    items = (await client.get("/api/v1/addresses", headers=mine)).json()["items"]
    assert [(i["id"], i["is_default"]) for i in items] == [(home["id"], False), (work["id"], True)]
    path = f"/api/v1/addresses/{work['id']}"
    change = {"city": "Chennai", "street": "1 Mount Road\nFlat 2"}
    changed = await client.patch(path, json=change, headers=mine)
    assert changed.json()["street"] == "1 Mount Road Flat 2"
    assert (changed.json()["city"], changed.json()["is_default"]) == ("Chennai", True)
    assert (await client.delete(path, headers=mine)).status_code == 204
    (left,) = (await client.get("/api/v1/addresses", headers=mine)).json()["items"]
    assert left["is_default"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"zipcode": "056001"}, "zipcode"),
        ({"zipcode": "5600"}, "zipcode"),
        ({"state": "Bavaria"}, "state"),
        ({"country": "XX"}, "country"),
        ({"phone": "12"}, "phone"),
        ({"phone": "+91 12"}, "phone"),
        ({"city": " "}, "city"),
        ({"street": "a\0b"}, "street"),
    ],
)
async def test_an_address_nobody_could_deliver_to_is_refused(
    client: Client, change: dict[str, str], field: str
) -> None:
    mine = await client.signed_in()
    answer = await client.post("/api/v1/addresses", json=HOME | change, headers=mine)
    found = problem(answer, 400, "validation-failed")
    assert field in found["errors"][0]["field"] or field in found["errors"][0]["message"]


async def test_somebody_elses_address_does_not_exist(client: Client) -> None:
    mine = await client.signed_in()
    stranger = await client.signed_in(email="ravi@example.com", name="Ravi")
    home = (await client.post("/api/v1/addresses", json=HOME, headers=mine)).json()
    for path in (f"/api/v1/addresses/{home['id']}", f"/api/v1/addresses/{uuid4()}"):
        answer = await client.patch(path, json={"city": "Mysuru"}, headers=stranger)
        problem(answer, 404, "address-not-found")
        problem(await client.delete(path, headers=stranger), 404, "address-not-found")
    problem(await client.get("/api/v1/addresses"), 401, "unauthenticated")


# --- back office ---------------------------------------------------------------------------------


async def _admin(shop: AsyncContainer, client: Client) -> dict[str, str]:
    async with shop() as scope:
        await (await scope.get(Admins)).create("boss@example.com", PASSWORD)
    return bearer(await client.log_in("boss@example.com"))


async def test_roles_given_by_an_administrator_hold_from_the_next_call(
    client: Client, shop: AsyncContainer
) -> None:
    boss = await _admin(shop, client)
    mine = await client.signed_in()
    problem(await client.get("/api/v1/admin/users", headers=mine), 403, "denied")
    problem(await client.get("/api/v1/admin/users"), 401, "unauthenticated")
    me = (await client.get("/api/v1/me", headers=mine)).json()["id"]
    path = f"/api/v1/admin/users/{me}/roles"
    body = {"roles": ["customer", "admin"]}
    answer = await client.put(path, json=body, headers=boss)
    assert answer.json() == {"id": me, "roles": ["admin", "customer"]}
    page = (await client.get("/api/v1/admin/users?limit=1", headers=mine)).json()
    assert (len(page["items"]), page["total"]) == (1, 2)
    path = f"/api/v1/admin/users?limit=1&cursor={page['next_cursor']}"
    rest = (await client.get(path, headers=mine)).json()
    assert (rest["items"][0]["email"], rest["next_cursor"]) == ("boss@example.com", None)
    found = (await client.get("/api/v1/admin/users?q=BOSS%40", headers=mine)).json()
    assert [u["email"] for u in found["items"]] == ["boss@example.com"]


async def test_the_back_office_refuses_nonsense(client: Client, shop: AsyncContainer) -> None:
    boss = await _admin(shop, client)
    me = (await client.get("/api/v1/me", headers=boss)).json()["id"]
    path = f"/api/v1/admin/users/{me}/roles"
    for roles in ([], ["king"], "admin", ["admin"] * 4):
        answer = await client.put(path, json={"roles": roles}, headers=boss)
        problem(answer, 400, "validation-failed")
    answer = await client.put(path, json={"roles": ["customer"]}, headers=boss)
    problem(answer, 409, "own-role")
    path = f"/api/v1/admin/users/{uuid4()}/roles"
    problem(await client.get(path, headers=boss), 404, "user-not-found")
    assert (await client.get("/api/v1/admin/users?cursor=", headers=boss)).status_code == 200
    for query in ("limit=0", "limit=101", "limit=x", "cursor=x"):
        answer = await client.get(f"/api/v1/admin/users?{query}", headers=boss)
        problem(answer, 400, "validation-failed")
