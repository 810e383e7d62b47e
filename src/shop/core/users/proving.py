"""Checks what somebody shows as a second factor."""

import hmac
from base64 import b32encode
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from itertools import pairwise
from typing import Any

from msgspec import Struct

from shop.core.kernel.ids import UserId
from shop.core.users.factor_facts import RecoveryCodeUsed
from shop.core.users.factors import KEY, OTP, Factors, FactorsUnreadable, PasskeyRefused
from shop.ports.factors import OneTimeCodes, PasskeyCeremonies
from shop.ports.vault import Vault, VaultShut

_DIGITS = 6
#: Of a code on paper; 26 letters and digits, in groups that people can copy.
RECOVERY_BYTES = 16
_GROUPS = (0, 5, 10, 15, 20, 26)


class Passed(Struct, frozen=True):
    """The factors as they are after one of them was used; `amr` says how it was."""

    factors: Factors
    amr: str
    spent: RecoveryCodeUsed | None = None


class Proving:
    def __init__(self, vault: Vault, codes: OneTimeCodes, ceremonies: PasskeyCeremonies) -> None:
        self._vault = vault
        self._codes = codes
        self._ceremonies = ceremonies

    def totp(self, factors: Factors, code: str, at: datetime) -> Passed | None:
        """None for a wrong code, and for one that was used or is older than one that was."""
        if factors.totp is None:
            return None
        secret = self.opened(factors.totp, factors.user_id)
        step = self.step_of(secret, code, at, after=factors.totp_step)
        return None if step is None else Passed(factors.use_step(step), OTP)

    def step_of(self, secret: str, code: str, at: datetime, *, after: int = 0) -> int | None:
        """The step whose code this is, if it is of now or of a clock that is little off."""
        typed = code.replace(" ", "")
        if len(typed) != _DIGITS or not typed.isascii() or not typed.isdigit():
            return None
        now = int(at.timestamp()) // Factors.STEP
        found = None
        for step in range(now - Factors.DRIFT, now + Factors.DRIFT + 1):
            right = hmac.compare_digest(self._codes.at(secret, step), typed)
            if right and step > after and found is None:
                found = step
        return found

    def recovery(self, factors: Factors, code: str, at: datetime) -> Passed | None:
        shown = recovery_hash(factors.user_id, code)
        found = None
        for known in factors.recovery:
            if hmac.compare_digest(known, shown):
                found = known
        if found is None:
            return None
        rest, spent = factors.use_recovery(found, at)
        return Passed(rest, OTP, spent)

    def passkey(
        self,
        factors: Factors,
        answer: Mapping[str, Any],
        challenge: bytes | None,
        at: datetime,
        *,
        alone: bool,
    ) -> Passed | None:
        """`alone`: no password came before, so the authenticator must have checked the person."""
        if challenge is None:
            return None
        try:
            passkey = factors.passkey(self._ceremonies.shown(answer).credential_id)
            if passkey is None:
                return None
            count = self._ceremonies.asserted(answer, challenge, passkey, alone=alone)
        except PasskeyRefused:
            return None
        return Passed(factors.use_passkey(passkey.use(count, at)), KEY)

    def sealed(self, secret: str, user_id: UserId) -> bytes:
        return self._vault.seal(secret.encode(), user_id.bytes)

    def opened(self, sealed: bytes, user_id: UserId) -> str:
        """Raises `FactorsUnreadable`."""
        try:
            return self._vault.open(sealed, user_id.bytes).decode()
        except VaultShut:
            raise FactorsUnreadable(
                "The shop's key has changed since this app was set up, so its codes cannot be "
                "checked. Please use another second factor."
            ) from None


def recovery_text(random: bytes) -> str:
    """A code as it is shown, once."""
    letters = b32encode(random).decode()
    return "-".join(letters[start:end] for start, end in pairwise(_GROUPS))


def recovery_hash(user_id: UserId, code: str) -> bytes:
    """A plain hash, as nobody tries out 128 bits: it outlives a change of the shop's key."""
    letters = "".join(c for c in code.upper() if c.isalnum())
    return sha256(user_id.bytes + letters.encode("utf-8", "surrogatepass")).digest()
