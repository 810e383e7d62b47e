"""Secret links do not lie open where mails wait, nor in backups of it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from shop.core.notifications.model import Email
from shop.ports.vault import Vault

_CONTEXT = b"mail:"


class SealedLinks:
    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def seal(self, email: Email) -> Email:
        context = _CONTEXT + email.id.bytes

        def seal(secret: str) -> str:
            return (
                urlsafe_b64encode(self._vault.seal(secret.encode(), context)).decode().rstrip("=")
            )

        return email.sealed(seal)

    def open(self, email: Email) -> Email:
        """Raises `VaultShut`."""
        context = _CONTEXT + email.id.bytes

        def unseal(text: str) -> str:
            sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            return self._vault.open(sealed, context).decode()

        return email.opened(unseal)
