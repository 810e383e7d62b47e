"""Signing in with another service as a browser does it: there, back, and what comes of it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from shop.core.notifications.sealing import SealedLinks
from shop.core.users.forgotten import Forgotten
from shop.core.users.passwords import ConfirmReset, PasswordReset
from shop.ports.mail import EmailFilter, EmailReads
from shop.ports.social import ProfileReads
from shop.ports.system import Clock
from shop.ports.users import UserReads
from shop.settings import Providers, Secret, SocialProvider, Url
from tests.kit.clock import NOON, ManualClock
from tests.kit.goods import stocked
from tests.kit.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider
from tests.kit.storefront import PASSWORD, SITE, Storefront, Visitor, a_storefront, forms_of

NOW = NOON.timestamp()


@pytest.fixture
async def shop(tmp_path: Path, provider: OidcProvider) -> AsyncIterator[Storefront]:
    acme = SocialProvider(
        client_id=CLIENT_ID,
        client_secret=Secret(CLIENT_SECRET),
        issuer=Url(provider.issuer),
        title="Acme",
    )
    async with a_storefront(tmp_path, providers=Providers(named={"acme": acme})) as shop:
        yield shop


async def leave(visitor: Visitor, path: str = "/auth/acme") -> str:
    """Where the browser is sent by a button."""
    answer = await visitor.client.get(path)
    assert answer.status_code == 303, answer.text
    location: str = answer.headers["location"]
    return location


async def back(visitor: Visitor, provider: OidcProvider, path: str = "/auth/acme") -> str:
    """There, and the path that the browser comes back to."""
    location = provider.visit(await leave(visitor, path))
    assert location.startswith(f"{SITE}/auth/acme/callback?")
    return location.removeprefix(SITE)


async def sign_in(
    visitor: Visitor, provider: OidcProvider, path: str = "/auth/acme"
) -> httpx.Response:
    return await visitor.get(await back(visitor, provider, path))


async def linked(shop: Storefront, email: str = "asha@example.com") -> list[str]:
    user = await (await shop.container.get(UserReads)).by_email(email)
    assert user is not None
    mine = await (await shop.container.get(ProfileReads)).of(user.id)
    return [one.subject for one in mine]


async def signed_in(visitor: Visitor) -> bool:
    return (await visitor.client.get("/account")).status_code == 200


def with_query(path: str, **changes: str | None) -> str:
    parts = urlsplit(path)
    query: dict[str, Any] = {k: v[0] for k, v in parse_qs(parts.query).items()} | changes
    return f"{parts.path}?{urlencode({k: v for k, v in query.items() if v is not None})}"


async def test_a_newcomer_gets_an_account_with_a_verified_address(
    shop: Storefront, provider: OidcProvider
) -> None:
    visitor = shop.visitor()
    page = await visitor.get("/sign-in")
    assert "Continue with Acme" in page.text
    answer = await sign_in(visitor, provider)
    assert "Hello, Asha Rao" in answer.text
    assert "Please confirm your e-mail" not in answer.text
    user = await (await shop.container.get(UserReads)).by_email("asha@example.com")
    assert user is not None
    assert user.password_hash is None
    sent = await (await shop.container.get(EmailReads)).page(EmailFilter(), 10, None)
    assert sent.items == ()


async def test_a_known_profile_signs_in_whatever_its_address_is_by_now(
    shop: Storefront, provider: OidcProvider
) -> None:
    await sign_in(shop.visitor(), provider)
    provider.behave(now=NOW, claims={"email": "new@example.com", "email_verified": False})
    visitor = shop.visitor()
    assert "Hello, Asha Rao" in (await sign_in(visitor, provider)).text
    reads = await shop.container.get(UserReads)
    assert await reads.by_email("new@example.com") is None


async def test_the_way_back_leads_where_somebody_was_going_and_nowhere_else(
    shop: Storefront, provider: OidcProvider
) -> None:
    came = await back(shop.visitor(), provider, "/auth/acme?next=/account/addresses")
    assert came
    visitor = shop.visitor()
    answer = await sign_in(visitor, provider, "/auth/acme?next=/account/addresses")
    assert answer.url.path == "/account/addresses"
    visitor = shop.visitor()
    answer = await sign_in(visitor, provider, "/auth/acme?next=//evil.test/x")
    assert str(answer.url) == f"{SITE}/account"


async def test_a_long_way_comes_back_whole_or_is_not_begun(
    shop: Storefront, provider: OidcProvider
) -> None:
    state = "s" * 2000  # as long as programs may send one
    visitor = shop.visitor()
    way = f"/products?q={state}"
    left = await visitor.client.get("/auth/acme", params={"next": way})
    assert max(len(cookie) for cookie in left.headers.get_list("set-cookie")) <= 4096
    came = provider.visit(left.headers["location"])
    answer = await visitor.client.get(came.removeprefix(SITE))
    assert answer.headers["location"] == way
    left = await shop.visitor().client.get("/auth/acme", params={"next": f"/{'s' * 3000}"})
    assert left.status_code == 400
    assert "too long" in left.text


async def test_a_guests_cart_comes_along(shop: Storefront, provider: OidcProvider) -> None:
    [variant] = await stocked(shop.container, 5)
    visitor = shop.visitor()
    data = {"csrf": await _csrf(visitor), "variant_id": str(variant), "quantity": "2"}
    added = await visitor.client.post("/cart/items", data=data)
    assert added.status_code == 303, added.text
    await sign_in(visitor, provider)
    assert 'class="count">2' in (await visitor.get("/account")).text


async def _csrf(visitor: Visitor) -> str:
    page = await visitor.get("/sign-in")
    return next(f.fields["csrf"] for f in forms_of(page) if "csrf" in f.fields)


async def test_an_account_with_a_password_is_never_linked_silently(
    shop: Storefront, provider: OidcProvider
) -> None:
    await shop.person("asha@example.com")
    visitor = shop.visitor()
    answer = await sign_in(visitor, provider)
    assert answer.url.path == "/sign-in"
    assert "There is an account with this e-mail address" in answer.text
    assert not await signed_in(visitor)
    assert await linked(shop) == []
    answer = await visitor.send(answer, "/sign-in", email="asha@example.com", password=PASSWORD)
    assert answer.url.path == "/account/profiles"


async def link_of(visitor: Visitor) -> str:
    page = await visitor.get("/account/profiles")
    start = page.text.index('href="/auth/acme?link=') + len('href="')
    return page.text[start : page.text.index('"', start)]


async def test_whoever_is_signed_in_links_and_unlinks(
    shop: Storefront, provider: OidcProvider
) -> None:
    await shop.person("asha@example.com")
    visitor = shop.visitor()
    await visitor.sign_in("asha@example.com")
    provider.behave(now=NOW, claims={"email": "asha@work.test", "email_verified": False})
    answer = await sign_in(visitor, provider, await link_of(visitor))
    assert "The profile is linked" in answer.text
    assert "Acme · asha@work.test" in answer.text
    sent = await (await shop.container.get(EmailReads)).page(EmailFilter(), 10, None)
    assert [mail.subject for mail in sent.items] == ["A profile was linked to your account"]
    other = shop.visitor()
    assert "Hello, Asha Rao" in (await sign_in(other, provider)).text
    [form] = [f for f in forms_of(answer) if f.action.endswith("/unlink")]
    answer = await visitor.send(answer, form.action)
    assert "The profile is unlinked" in answer.text
    assert await linked(shop) == []


async def test_the_last_way_in_stays_until_there_is_a_password(
    shop: Storefront, provider: OidcProvider
) -> None:
    visitor = shop.visitor()
    await sign_in(visitor, provider)
    page = await visitor.get("/account/profiles")
    [form] = [f for f in forms_of(page) if f.action.endswith("/unlink")]
    answer = await visitor.send(page, form.action)
    assert "Please set a password first" in answer.text
    assert await linked(shop) == ["asha-1"]
    await _set_password(shop)
    visitor = shop.visitor()
    await visitor.sign_in("asha@example.com")
    page = await visitor.get("/account/profiles")
    answer = await visitor.send(page, form.action)
    assert "The profile is unlinked" in answer.text


async def _set_password(shop: Storefront) -> None:
    """By the mail, as anybody who forgot theirs."""
    async with shop.container() as scope:
        await (await scope.get(Forgotten)).ask("asha@example.com")
    reads = await shop.container.get(EmailReads)
    [mail, *_] = (await reads.page(EmailFilter(), 10, None)).items
    mail = (await shop.container.get(SealedLinks)).open(mail)
    token = mail.text.partition("token=")[2].split()[0]
    async with shop.container() as scope:
        reset = await scope.get(PasswordReset)
        await reset.confirm(ConfirmReset(token=token, new_password=PASSWORD))


async def test_a_profile_linked_before_the_mailbox_was_proved_opens_nothing_afterwards(
    shop: Storefront, provider: OidcProvider
) -> None:
    """Somebody opened an account with another person's address, and left a way back in."""
    thief = shop.visitor()
    page = await thief.get("/sign-up")
    await thief.send(page, "/sign-up", name="Asha", email="asha@example.com", password=PASSWORD)
    provider.behave(now=NOW, claims={"email": "thief@example.com", "email_verified": True})
    answer = await sign_in(thief, provider, await link_of(thief))
    assert "The profile is linked" in answer.text
    await _set_password(shop)  # by whoever reads the mail
    assert await linked(shop) == []
    await sign_in(shop.visitor(), provider)
    assert await linked(shop, "thief@example.com") == ["asha-1"]  # an account of their own


async def test_somebody_elses_profile_is_not_taken_over(
    shop: Storefront, provider: OidcProvider
) -> None:
    await sign_in(shop.visitor(), provider)
    await shop.person("ravi@example.com")
    ravi = shop.visitor()
    await ravi.sign_in("ravi@example.com")
    answer = await sign_in(ravi, provider, await link_of(ravi))
    assert "signs in to another account already" in answer.text
    assert await linked(shop, "ravi@example.com") == []


async def test_linking_asks_for_a_sign_in_just_now(shop: Storefront) -> None:
    await shop.person("asha@example.com")
    visitor = shop.visitor()
    await visitor.sign_in("asha@example.com")
    link = await link_of(visitor)
    clock = await shop.container.get(Clock)
    assert isinstance(clock, ManualClock)
    clock.advance(901)
    answer = await visitor.get(link)
    assert "sign out and in again" in answer.text


async def test_a_link_of_another_page_begins_no_linking(
    shop: Storefront, provider: OidcProvider
) -> None:
    await shop.person("asha@example.com")
    visitor = shop.visitor()
    await visitor.sign_in("asha@example.com")
    stranger = shop.visitor()
    await stranger.get("/sign-in")
    for token in ("x", "%ED%A0%80", "é"):
        answer = await visitor.client.get(f"/auth/acme?link={token}")
        assert answer.status_code == 403
    assert provider.calls() == []


async def test_an_answer_meant_for_linking_counts_only_for_who_asked(
    shop: Storefront, provider: OidcProvider
) -> None:
    await shop.person("asha@example.com")
    await shop.person("ravi@example.com")
    visitor = shop.visitor()
    await visitor.sign_in("asha@example.com")
    came = await back(visitor, provider, await link_of(visitor))
    page = await visitor.get("/account")
    await visitor.send(page, "/sign-out")
    await visitor.sign_in("ravi@example.com")
    answer = await visitor.get(came)
    assert answer.status_code == 400
    assert await linked(shop) == await linked(shop, "ravi@example.com") == []


@pytest.mark.parametrize(
    "claims", [{"email_verified": False}, {"email": None}, {"email": "no address"}]
)
async def test_without_a_verified_address_there_is_no_new_account(
    shop: Storefront, provider: OidcProvider, claims: dict[str, Any]
) -> None:
    nothing_more = {"sub": "asha-1"}
    provider.behave(now=NOW, claims=claims, userinfo=nothing_more)
    visitor = shop.visitor()
    answer = await sign_in(visitor, provider)
    assert answer.status_code == 400
    assert "did not tell us an e-mail address that it has verified" in answer.text
    assert not await signed_in(visitor)


async def test_an_answer_counts_once(shop: Storefront, provider: OidcProvider) -> None:
    visitor = shop.visitor()
    came = await back(visitor, provider)
    cookies = dict(visitor.client.cookies)
    assert (await visitor.client.get(came)).status_code == 303
    again = await visitor.client.get(came)
    assert again.status_code == 400  # the ticket is gone
    thief = shop.visitor()
    thief.client.cookies.update(cookies)
    assert (await thief.client.get(came)).status_code == 400  # even with a copy of it
    assert provider.calls().count("/token") == 1


async def test_an_answer_belongs_to_one_browser(shop: Storefront, provider: OidcProvider) -> None:
    came = await back(shop.visitor(), provider)
    victim = shop.visitor()
    assert (await victim.client.get(came)).status_code == 400
    await leave(victim)
    assert (await victim.client.get(came)).status_code == 400
    assert not await signed_in(victim)
    assert "/token" not in provider.calls()


async def test_an_answer_that_was_changed_or_comes_late_is_refused(
    shop: Storefront, provider: OidcProvider
) -> None:
    for changes in (
        {"state": "another"},
        {"state": None},
        {"code": None},
        {"code": "x" * 5000},
        {"iss": "https://evil.test"},
        {"iss": None},
    ):
        visitor = shop.visitor()
        came = with_query(await back(visitor, provider), **changes)
        answer = await visitor.client.get(came)
        assert answer.status_code == 400, changes
        assert "Sign in another way" in answer.text
    visitor = shop.visitor()
    came = await back(visitor, provider)
    clock = await shop.container.get(Clock)
    assert isinstance(clock, ManualClock)
    clock.advance(601)
    assert (await visitor.client.get(came)).status_code == 400


async def test_a_ticket_that_was_changed_fits_nothing(
    shop: Storefront, provider: OidcProvider
) -> None:
    for ticket in ("", "x", "a" * 5000, "e30", "bm90IGpzb24"):
        visitor = shop.visitor()
        came = await back(visitor, provider)
        visitor.client.cookies.clear()
        visitor.client.cookies.set("shop-social", ticket)
        assert (await visitor.client.get(came)).status_code == 400


@pytest.mark.parametrize("sign", ["forged", "none", "shared"])
async def test_a_forged_token_signs_nobody_in(
    shop: Storefront, provider: OidcProvider, sign: str
) -> None:
    provider.behave(now=NOW, sign=sign)
    visitor = shop.visitor()
    answer = await sign_in(visitor, provider)
    assert answer.status_code == 400
    assert "could not be verified" in answer.text
    assert not await signed_in(visitor)


async def test_who_says_no_comes_back_to_the_sign_in_page(
    shop: Storefront, provider: OidcProvider
) -> None:
    provider.behave(now=NOW, deny="access_denied")
    answer = await sign_in(shop.visitor(), provider, "/auth/acme?next=/account/orders")
    assert answer.url.path == "/sign-in"
    assert answer.url.params["next"] == "/account/orders"
    assert "You did not let the other service sign you in" in answer.text
    provider.behave(now=NOW, deny="invalid_scope")
    assert (await sign_in(shop.visitor(), provider)).status_code == 400


@pytest.mark.parametrize("fault", ["html", "500"])
async def test_a_provider_that_is_down_has_a_page_that_says_so(
    shop: Storefront, provider: OidcProvider, fault: str
) -> None:
    provider.behave(now=NOW, faults={"/.well-known/openid-configuration": fault})
    answer = await shop.visitor().client.get("/auth/acme")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "15"
    assert "Acme does not answer" in answer.text
    assert "Sign in another way" in answer.text
    provider.behave(now=NOW, faults={"/token": fault})
    assert (await sign_in(shop.visitor(), provider)).status_code == 503
    provider.behave(now=NOW, deny="temporarily_unavailable")
    assert (await sign_in(shop.visitor(), provider)).status_code == 503


async def test_an_unknown_provider_is_not_found(shop: Storefront) -> None:
    visitor = shop.visitor()
    for path in ("/auth/other", "/auth/%00"):
        assert (await visitor.client.get(path)).status_code == 404
    assert (await visitor.client.get("/auth/other/callback?state=x")).status_code == 404


async def test_two_windows_of_a_newcomer_make_one_account(
    shop: Storefront, provider: OidcProvider
) -> None:
    first, second = shop.visitor(), shop.visitor()
    there, too = await back(first, provider), await back(second, provider)
    for visitor, came in ((first, there), (second, too)):
        assert (await visitor.client.get(came)).status_code == 303
        assert await signed_in(visitor)
    assert await linked(shop) == ["asha-1"]
