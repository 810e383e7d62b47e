from typing import Any

import pytest

from shop.adapters.memory.cache import MemoryRateLimiter
from shop.entrypoints.http.limits import make_limiter
from tests.kit.clock import ManualClock


def _scope(path: str, method: str = "POST", client: str = "1.1.1.1", **headers: str) -> Any:
    pairs = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return {"path": path, "method": method, "client": (client, 1), "headers": pairs}


def _limiter() -> Any:
    limit = make_limiter(MemoryRateLimiter(ManualClock()), cart=2, identity=2)
    assert limit is not None

    async def counted(scope: Any) -> Any:
        counting = limit(scope)
        return None if counting is None else await counting

    return counted


async def test_a_caller_is_counted_by_token_whatever_the_address() -> None:
    limit = _limiter()
    for path in ("/api/v1/cart/items", "/api/v1/checkout", "/api/v1/cart"):
        rate = await limit(_scope(path, authorization="Bearer a"))
    assert (rate.policy, rate.quota, rate.window) == ("cart", 2, 60)
    assert rate.verdict.wait > 0
    assert (await limit(_scope("/api/v1/cart", authorization="Bearer b"))).verdict.wait == 0
    assert (await limit(_scope("/api/v1/cart", x_cart_token="a"))).verdict.wait == 0


async def test_nobody_in_particular_is_not_counted_at_the_cart() -> None:
    assert await _limiter()(_scope("/api/v1/cart", "GET")) is None


async def test_what_is_done_to_accounts_is_counted_by_address() -> None:
    limit = _limiter()
    for path in ("/api/v1/login", "/oauth2/token", "/login"):
        rate = await limit(_scope(path, authorization="Bearer anything"))
    assert rate.verdict.wait > 0
    assert (await limit(_scope("/api/v1/login", client="2.2.2.2"))).verdict.wait == 0


async def test_a_browser_is_counted_at_cart_and_checkout_by_the_cookie_of_its_forms() -> None:
    limit = _limiter()
    mine = "theme=dark; __Host-shop-visitor=" + "a" * 43
    for path in ("/cart/items", "/checkout", "/cart"):
        rate = await limit(_scope(path, cookie=mine))
    assert (rate.policy, rate.verdict.wait > 0) == ("cart", True)
    assert (await limit(_scope("/cart/items", cookie="shop-visitor=" + "b" * 43))).verdict.wait == 0
    assert await limit(_scope("/cart/items")) is None  # refused: its form cannot be ours
    assert (
        await limit(_scope("/api/v1/cart/items", cookie=mine)) is None
    )  # where cookies say nothing


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", f"/{form}") for form in ("sign-in", "sign-up", "sign-out", "forgot-password")),
        *(("POST", f"/{form}") for form in ("reset-password", "verify-email/resend", "account")),
        *(("POST", f"/account/{form}") for form in ("password", "question")),
        *(("POST", f"/api/v1/{call}") for call in ("signup", "register", "logout", "me/password")),
        *(("POST", f"/api/v1/{call}") for call in ("verify-email/resend", "resetpassword/confirm")),
        *(("POST", f"/oauth2/{call}") for call in ("token", "revoke", "introspect", "authorize")),
        ("PATCH", "/api/v1/updateuser"),
        ("DELETE", "/api/v1/me/sessions/1"),
        ("GET", "/oauth2/authorize"),
        ("GET", "/auth/google"),
    ],
)
async def test_every_call_that_guesses_or_costs_is_counted(method: str, path: str) -> None:
    rate = await _limiter()(_scope(path, method))
    assert (rate.policy, rate.quota) == ("identity", 2)


async def test_who_looks_at_their_account_is_counted_by_themselves() -> None:
    limit = _limiter()
    for path in ("/api/v1/me", "/api/v1/addresses", "/oauth2/userinfo"):
        rate = await limit(_scope(path, "GET", authorization="Bearer a"))
    assert (rate.policy, rate.verdict.wait > 0) == ("account", True)
    assert (await limit(_scope("/api/v1/me", "GET", authorization="Bearer b"))).verdict.wait == 0
    cookie = "shop-visitor=" + "b" * 43
    assert (await limit(_scope("/account", "GET", cookie=cookie))).policy == "account"


async def test_the_rest_is_free() -> None:
    limit = _limiter()
    for path, method in [
        ("/api/v1/products", "GET"),
        ("/healthz", "GET"),
        ("/webhooks/razorpay", "POST"),
        ("/api/v1/me", "GET"),
        ("/oauth2/jwks", "GET"),
        ("/", "GET"),
    ]:
        assert await limit(_scope(path, method)) is None


async def test_limits_can_be_turned_off() -> None:
    assert make_limiter(MemoryRateLimiter(ManualClock()), enabled=False) is None


async def test_an_ipv6_network_is_one_caller_however_its_addresses_are_written() -> None:
    limit = _limiter()
    for client in ("2001:db8:1:2::1", "2001:DB8:1:2:0:0:0:9", "2001:db8:1:2:ffff::"):
        rate = await limit(_scope("/api/v1/login", client=client))
    assert rate.verdict.wait > 0
    assert (await limit(_scope("/api/v1/login", client="2001:db8:1:3::1"))).verdict.wait == 0


async def test_an_ipv4_address_stays_one_when_it_is_written_as_one_of_ipv6() -> None:
    limit = _limiter()
    for client in ("192.0.2.7", "::ffff:192.0.2.7", "::ffff:c000:207"):
        rate = await limit(_scope("/api/v1/login", client=client))
    assert rate.verdict.wait > 0
    assert (await limit(_scope("/api/v1/login", client="::ffff:192.0.2.8"))).verdict.wait == 0


@pytest.mark.parametrize("client", ["fe80::1%eth0", "unix:", "", "not:an:address"])
async def test_strange_addresses_are_counted_all_the_same(client: str) -> None:
    rate = await _limiter()(_scope("/api/v1/login", client=client))
    assert rate.policy == "identity"
