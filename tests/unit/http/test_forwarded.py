from ipaddress import ip_network
from typing import Any

import pytest

from shop.entrypoints.http.forwarded import Forwarded

PROXIES = (ip_network("10.0.0.0/8"), ip_network("::1"))


def caller(peer: str, *forwarded: str) -> str:
    headers = [(b"host", b"shop"), *((b"x-forwarded-for", one.encode()) for one in forwarded)]
    scope: dict[str, Any] = {"client": (peer, 1), "headers": headers}
    Forwarded(PROXIES)(scope)
    found: str = scope["client"][0]
    return found


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("::1", ["2001:db8::7"], "2001:db8::7"),
        ("10.0.0.1", ["203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        ("10.0.0.1", ["203.0.113.7", "10.0.0.2"], "203.0.113.7"),
        # whoever is not ours may write what they like before it
        ("10.0.0.1", ["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense, 10.0.0.2"], "10.0.0.2"),
        ("a socket", ["198.51.100.1"], "a socket"),
    ],
)
def test_a_caller_is_known_by_what_our_own_proxies_say(
    peer: str, forwarded: list[str], found: str
) -> None:
    assert caller(peer, *forwarded) == found


def test_a_request_without_any_address_stays_so() -> None:
    scope: dict[str, Any] = {"client": None, "headers": []}
    Forwarded(PROXIES)(scope)
    assert scope["client"] is None
