"""Seals secrets by AES-256-GCM."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shop.ports.system import Ids
from shop.ports.vault import Vault, VaultShut

KEY = 32
_NONCE = 12
#: Says how the rest is to be read, should there ever be another way.
_FORM = b"\x01"


class AesVault(Vault):
    def __init__(self, key: bytes, ids: Ids) -> None:
        self._cipher = AESGCM(key)
        self._ids = ids

    def seal(self, secret: bytes, context: bytes) -> bytes:
        nonce = self._ids.secret(_NONCE)
        return _FORM + nonce + self._cipher.encrypt(nonce, secret, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        form, nonce, rest = sealed[:1], sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        if form != _FORM:
            raise VaultShut("This was sealed in a way that is not known here.")
        try:
            return self._cipher.decrypt(nonce, rest, context)
        except (InvalidTag, ValueError):
            raise VaultShut("The key does not fit.") from None
