"""People know their devices again."""

import pytest

from shop.entrypoints.http.web.devices import device

_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"
_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15"
_SAMSUNG = "AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/29.0 Chrome/136.0.0.0 Safari/537"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (f"Mozilla/5.0 (X11; Linux x86_64) {_CHROME}", "Chrome on Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0) {_CHROME} Edg/150.0.0.0", "Edge on Windows"),
        (f"Mozilla/5.0 (Linux; Android 16; K) {_SAMSUNG}", "Samsung Internet on Android"),
        ("Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/150.0", "Firefox on Windows"),
        (f"Mozilla/5.0 (iPhone; iPhone OS 18_5 like Mac OS X) {_SAFARI}", "Safari on iPhone"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_SAFARI}", "Safari on Mac"),
        ("Mozilla/5.0 (Something; else)", "A browser"),
        ("shop-app/3.1 (warehouse)", "shop-app/3.1 (warehouse)"),
        ("", "Unknown device"),
    ],
)
def test_a_device_is_named_as_people_call_it(agent: str, name: str) -> None:
    assert device(agent) == name
