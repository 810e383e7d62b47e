"""Where a request comes from, behind proxies of our own."""

from collections.abc import MutableMapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

Networks = Sequence[IPv4Network | IPv6Network]


class Forwarded:
    """Believes `X-Forwarded-For` of proxies we know, and of nobody else.

    Without it everybody behind a proxy has its address, and one who guesses slows all others down.
    """

    def __init__(self, proxies: Networks) -> None:
        self._proxies = proxies

    def __call__(self, scope: MutableMapping[str, Any]) -> None:
        """Put the address of the caller where the proxy's was."""
        if not self.believes(scope):
            return
        told = [v for k, v in scope["headers"] if k == b"x-forwarded-for"]
        for address in reversed(b",".join(told).decode("latin-1").split(",")):
            caller = address.strip()
            if not _is_address(caller):
                return  # what stands before it was written by a stranger
            scope["client"] = (caller, 0)
            if not self._ours(caller):
                return

    def believes(self, scope: MutableMapping[str, Any]) -> bool:
        """Whether the caller is one of ours; to be asked before its address is replaced."""
        client = scope.get("client")
        return bool(self._proxies) and client is not None and self._ours(client[0])

    def _ours(self, address: str) -> bool:
        return _is_address(address) and any(ip_address(address) in net for net in self._proxies)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
