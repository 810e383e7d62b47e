"""Secrets that follow from the one in the settings."""

import hmac

from shop.ports.system import Secrets


class DerivedSecrets(Secrets):
    """Each name gets a key of its own, as HKDF-Expand (RFC 5869) makes them; nothing is stored.

    A new secret in the settings thus ends all sessions and links at once.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    async def get(self, name: str, size: int = 32) -> bytes:
        made, block = b"", b""
        count = 0
        while len(made) < size:
            count += 1
            block = hmac.digest(self._secret, block + name.encode() + bytes([count]), "sha256")
            made += block
        return made[:size]
