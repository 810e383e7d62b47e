"""A whole purchase in a real browser, against the real process."""

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.kit.browser import Browser, find_browser
from tests.kit.process import free_port

_PATIENCE = 60
_ALL = "[...document.querySelectorAll('main *')]"
_RIGHT = "e => e.getBoundingClientRect().right"
_BUYER = {
    "email": "buyer@example.com",
    "name": "Asha Rao",
    "phone": "98450 12345",
    "street": "12 Temple Street",
    "city": "Bengaluru",
    "zipcode": "560001",
}


@pytest.fixture(scope="module")
def chromium() -> str:
    found = find_browser()
    if found is None:
        says = "There is no chromium here: nobody looked at the shop with a browser."
        if os.environ.get("CI"):
            pytest.fail(says)
        warnings.warn(says, pytest.PytestWarning, stacklevel=1)
        pytest.skip(says)
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running shop with the demo catalogue."""
    folder = tmp_path_factory.mktemp("shop")
    http, ops = free_port(), free_port()
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SHOP_")},
        "SHOP_DATA_DIR": str(folder),
        "SHOP_SITE_URL": f"http://localhost:{http}",
        "SHOP_HTTP_HOST": "127.0.0.1",
        "SHOP_HTTP_PORT": str(http),
        "SHOP_OPS_PORT": str(ops),
    }
    shop = (sys.executable, "-m", "shop")
    for command in ("migrate", "demo"):
        subprocess.run(  # noqa: S603
            [*shop, command], env=environ, check=True, capture_output=True, timeout=_PATIENCE
        )
    log = (folder / "log").open("w")
    process = subprocess.Popen([*shop, "run"], env=environ, stdout=log, stderr=log)  # noqa: S603
    try:
        _wait(f"http://localhost:{http}/healthz")
        yield f"http://localhost:{http}"
    finally:
        process.terminate()
        process.wait(timeout=_PATIENCE)
        log.close()


def _wait(url: str) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail("The shop did not start.")


def _sign_up(browser: Browser, site: str, email: str) -> None:
    browser.open(f"{site}/sign-up")
    browser.write("#f-name", "Asha Rao")
    browser.write("#f-email", email)
    browser.write("#f-password", "three green kettles")
    browser.follow("form[action='/sign-up'] .button--wide")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_guest_buys_something(chromium: str, site: str, tmp_path: Path, *, scripts: bool) -> None:
    with Browser(chromium, tmp_path / "profile", scripts=scripts) as browser:
        browser.size(1280)
        browser.open(site)
        browser.write("[name=q]", "mug")
        browser.follow(".search button")
        browser.follow(".card a")
        browser.click("[name=variant_id]:enabled:not(:checked)")
        browser.follow("[data-go]")
        assert "Added to your cart." in browser.text()
        browser.follow('a[href="/checkout"]')
        for field, text in _BUYER.items():
            browser.write(f"[name={field}]", text)
        browser.choose("[name=state]", "KA")
        browser.follow("form button.button--buy")
        browser.follow("button[value=success]")
        assert "is confirmed" in browser.text()
        browser.follow("main a[href^='/orders/']")
        assert "12 Temple Street" in browser.text()
        assert browser.complaints == []


def test_the_price_follows_the_variant(chromium: str, site: str, tmp_path: Path) -> None:
    with Browser(chromium, tmp_path / "profile") as browser:
        browser.open(f"{site}/products/monsoon-stoneware-mug")
        assert browser.text("[data-show=price]") == "₹349"
        browser.click("[name=variant_id]:enabled:not(:checked)")
        browser.wait("document.querySelector('[data-show=price]').innerText === '₹1,249'")
        assert browser.text("[data-show=off]") == "10% off"


def test_a_product_shows_the_way_up_and_a_price_once(
    chromium: str, site: str, tmp_path: Path
) -> None:
    with Browser(chromium, tmp_path / "profile") as browser:
        browser.open(f"{site}/products/block-print-straight-kurta")
        assert [*browser.text(".crumbs").splitlines()][:3] == ["Home", "Women's Clothing", "Kurtas"]
        assert "₹" not in browser.text(".variants")
        browser.open(f"{site}/products/monsoon-stoneware-mug")
        assert "₹" in browser.text(".variants")  # two mugs cost less than four


def test_the_sums_follow_the_delivery(chromium: str, site: str, tmp_path: Path) -> None:
    with Browser(chromium, tmp_path / "profile") as browser:
        browser.open(f"{site}/products/monsoon-stoneware-mug")
        browser.follow("[data-go]")
        browser.open(f"{site}/checkout")
        assert browser.text("[data-sum=total]") == "₹398"
        browser.click("[name=shipping_method][value=express]")
        browser.wait("document.querySelector('[data-sum=total]').innerText === '₹498'")
        assert browser.text("[data-sum=label]") == "Express delivery"
        assert browser.text("[data-sum=shipping]") == "₹149"


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_page_is_wider_than_the_window(
    chromium: str, site: str, tmp_path: Path, width: int
) -> None:
    with Browser(chromium, tmp_path / "profile") as browser:
        browser.size(width)
        for path in ("/", "/categories/kitchen", "/products/monsoon-stoneware-mug", "/sign-up"):
            browser.open(site + path)
            room = browser.value("document.documentElement.clientWidth")
            assert browser.value(f"Math.max(...{_ALL}.map({_RIGHT}))") <= room, path
            assert browser.complaints == []
            broken = "[...document.images].filter(i => i.loading !== 'lazy' && !i.naturalWidth)"
            assert browser.value(f"{broken}.length") == 0, path


def test_words_longer_than_a_line_widen_no_page(chromium: str, site: str, tmp_path: Path) -> None:
    home = _BUYER | {"name": "A" * 110, "street": "W" * 200, "city": "B" * 80, "state": "KA"}
    with Browser(chromium, tmp_path / "profile", scripts=False) as browser:
        browser.size(390)
        _sign_up(browser, site, "long@example.com")
        browser.open(f"{site}/account/addresses/new")
        for field in ("name", "phone", "street", "city", "zipcode"):
            browser.write(f"[name={field}]", home[field])
        browser.choose("[name=state]", home["state"])
        browser.follow(".panel form .button")
        browser.open(f"{site}/products/monsoon-stoneware-mug")
        browser.follow("[data-go]")
        for path in ("/cart", "/checkout", "/account/addresses", f"/search?q={'w' * 100}"):
            browser.open(site + path)
            assert browser.value("document.documentElement.scrollWidth") <= 390, path
        browser.open(f"{site}/checkout")
        browser.click("[name=payment_method][value=cod]")
        browser.follow("form button.button--buy")
        assert "Confirmed" in browser.text()
        assert browser.value("document.documentElement.scrollWidth") <= 390
        for path in ("/account/orders", "/account/security"):
            browser.open(site + path)
            here = "document.querySelector('.sidenav [aria-current]')"
            assert 0 < browser.value(f"({_RIGHT})({here})") <= 390
        # Number, day, state and total of an order are in sight, without a scrolling box.
        browser.open(f"{site}/account/orders")
        assert browser.value("document.querySelector('.scroll').scrollWidth") <= 390
        cells = "[...document.querySelectorAll('.cards td')]"
        assert browser.value(f"{cells}.length") == 5
        assert browser.value(f"Math.max(...{cells}.map({_RIGHT}))") <= 390


def test_without_its_pictures_the_shop_keeps_its_shape(
    chromium: str, site: str, tmp_path: Path
) -> None:
    with Browser(chromium, tmp_path / "profile", scripts=False) as browser:
        browser.call("Network.enable")
        browser.call("Network.setBlockedURLs", urls=["*/media/*"])
        browser.size(390)
        browser.open(site)
        assert browser.value("document.images[0].naturalWidth") == 0
        assert browser.value(f"Math.max(...{_ALL}.map({_RIGHT}))") <= 390
        letter = "getComputedStyle(document.images[0], '::after').content"
        assert browser.value(letter).strip('"').isalnum()


def test_a_full_cart_fits_a_small_phone_without_scripts(
    chromium: str, site: str, tmp_path: Path
) -> None:
    with Browser(chromium, tmp_path / "profile", scripts=False) as browser:
        browser.size(360)
        browser.open(f"{site}/products/monsoon-stoneware-mug")
        browser.follow("[data-go]")
        panel = browser.value("document.querySelector('.lines').getBoundingClientRect().right")
        inside = "[...document.querySelectorAll('.lines *')]"
        assert browser.value(f"Math.max(...{inside}.map({_RIGHT}))") <= panel


def test_a_keyboard_reaches_the_content_first(chromium: str, site: str, tmp_path: Path) -> None:
    with Browser(chromium, tmp_path / "profile") as browser:
        browser.open(site)
        for kind in ("keyDown", "keyUp"):
            browser.call(
                "Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9
            )
        assert browser.value("document.activeElement.className") == "skip"
        assert browser.value("document.activeElement.getBoundingClientRect().x") >= 0


def test_a_passkey_is_made_and_signs_in(chromium: str, site: str, tmp_path: Path) -> None:
    with Browser(chromium, tmp_path / "profile") as browser:
        browser.call("WebAuthn.enable")
        key = {"protocol": "ctap2", "transport": "internal", "isUserVerified": True}
        able = {"hasResidentKey": True, "hasUserVerification": True}
        browser.call("WebAuthn.addVirtualAuthenticator", options={**key, **able})
        _sign_up(browser, site, "asha@example.com")
        browser.open(f"{site}/account/second-factor")
        browser.follow("form[action$='/passkeys'] button")
        browser.write("#f-name", "Laptop")
        browser.follow("[data-go]")
        assert "We show them only now." in browser.text()
        browser.follow("form[action='/sign-out'] button")
        browser.open(f"{site}/sign-in?next=/account/orders")
        browser.write("#f-email", "asha@example.com")
        browser.write("#f-password", "three green kettles")
        browser.follow("form[action='/sign-in'] .button")
        browser.follow("[data-go]")
        assert browser.value("location.pathname") == "/account/orders"
        browser.follow("form[action='/sign-out'] button")
        browser.open(f"{site}/sign-in?next=/account/addresses")
        browser.follow("[data-go]")
        assert browser.value("location.pathname") == "/account/addresses"
        assert browser.complaints == []
