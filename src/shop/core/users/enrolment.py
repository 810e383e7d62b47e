"""Setting up second factors, and taking them away again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from shop.core.kernel.access import Caller
from shop.core.kernel.errors import ShopError
from shop.core.kernel.ids import PasskeyId
from shop.core.users.factor_changes import FactorChanges
from shop.core.users.factor_facts import SecondFactorAdded
from shop.core.users.factor_guard import FactorGuard, Proof
from shop.core.users.factors import KEY, OTP, CodeWrong, Factors, Passkey, PasskeyRefused
from shop.core.users.liveness import Liveness
from shop.core.users.model import User
from shop.core.users.postal import line
from shop.core.users.proving import RECOVERY_BYTES, Proving, recovery_hash, recovery_text
from shop.ports.factors import OneTimeCodes, PasskeyCeremonies
from shop.ports.system import Ids
from shop.ports.users import Sessions

RECOVERY_CODES = 10
#: As RFC 4226 recommends.
_TOTP_BYTES = 20


class Enrolled(Struct, frozen=True):
    """`recovery_codes` come with the first factor only, and are shown this once."""

    factors: Factors
    recovery_codes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "Enrolled()"


class NewFactors:
    """What each new factor brings along."""

    def __init__(
        self, changes: FactorChanges, sessions: Sessions, liveness: Liveness, ids: Ids
    ) -> None:
        self._changes = changes
        self._sessions = sessions
        self._liveness = liveness
        self._ids = ids

    def codes(self, factors: Factors) -> tuple[tuple[str, ...], tuple[bytes, ...]]:
        """New recovery codes, and what is kept of them."""
        texts = [recovery_text(self._ids.secret(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
        return tuple(texts), tuple(recovery_hash(factors.user_id, text) for text in texts)

    async def store(
        self, caller: Caller, user: User, factors: Factors, added: SecondFactorAdded, how: str
    ) -> Enrolled:
        """Call only inside an open unit of work. The session has seen the factor work."""
        texts: tuple[str, ...] = ()
        if not factors.recovery:
            texts, hashes = self.codes(factors)
            factors = factors.first_recovery(hashes)
        session = caller.session_id and await self._sessions.find(caller.session_id)
        if session:
            await self._sessions.save(session.proved(how))
        return Enrolled(await self._changes.store(user, factors, added), texts)

    async def tell(self, caller: Caller) -> None:
        """Call once that is committed: what the session may do has grown."""
        if caller.session_id is not None:
            await self._liveness.changed(caller.session_id)


class NewApp(Struct, frozen=True, kw_only=True):
    """What an app needs to know; `uri` holds the same for its camera."""

    secret: str
    uri: str

    def __repr__(self) -> str:
        return "NewApp()"


class AppEnrolment:
    """An app that shows codes (TOTP), and the codes on paper that stand in for any factor."""

    def __init__(
        self,
        guard: FactorGuard,
        new: NewFactors,
        changes: FactorChanges,
        proving: Proving,
        codes: OneTimeCodes,
        ids: Ids,
    ) -> None:
        self._guard = guard
        self._new = new
        self._changes = changes
        self._proving = proving
        self._codes = codes
        self._ids = ids

    async def mine(self, caller: Caller) -> Factors:
        async def work(_user: User, factors: Factors, _now: datetime) -> Factors:
            return factors

        return await self._guard.go_on(caller, work)

    async def begin(self, caller: Caller, proof: Proof) -> NewApp:
        """It counts once its first code is confirmed; an app that is there stays until then.

        Raises what `FactorGuard` does.
        """
        secret = self._codes.secret(self._ids.secret(_TOTP_BYTES))

        async def work(user: User, factors: Factors, now: datetime) -> NewApp:
            waiting = factors.prepare_totp(self._proving.sealed(secret, user.id), now)
            await self._changes.store(user, waiting)
            return NewApp(secret=secret, uri=self._codes.uri(secret, user.email.written))

        return await self._guard.change(caller, proof, work)

    async def waiting(self, caller: Caller) -> NewApp:
        """The one that was begun, once more. Raises `FactorMissing`."""

        async def work(user: User, factors: Factors, now: datetime) -> NewApp:
            secret = self._proving.opened(factors.waiting_totp(now), user.id)
            return NewApp(secret=secret, uri=self._codes.uri(secret, user.email.written))

        return await self._guard.go_on(caller, work)

    async def confirm(self, caller: Caller, code: str) -> Enrolled:
        """Raises `FactorMissing` or `CodeWrong`."""

        async def work(user: User, factors: Factors, now: datetime) -> Enrolled:
            secret = self._proving.opened(factors.waiting_totp(now), user.id)
            step = self._proving.step_of(secret, code, now)
            if step is None:
                raise CodeWrong("This is not the code that the app shows now.")
            confirmed, added = factors.confirm_totp(step, now)
            return await self._new.store(caller, user, confirmed, added, OTP)

        enrolled = await self._guard.go_on(caller, work)
        await self._new.tell(caller)
        return enrolled

    async def remove(self, caller: Caller, proof: Proof) -> None:
        """Raises `FactorMissing`, `LastFactor`, and what `FactorGuard` does."""

        async def work(user: User, factors: Factors, now: datetime) -> None:
            rest, removed = factors.remove_totp(now)
            self._guard.spare(user, rest)
            await self._changes.store(user, rest, removed)

        await self._guard.change(caller, proof, work)

    async def renew_codes(self, caller: Caller, proof: Proof) -> tuple[str, ...]:
        """The old ones are worthless. Raises `FactorMissing`, and what `FactorGuard` does."""

        async def work(user: User, factors: Factors, now: datetime) -> tuple[str, ...]:
            texts, hashes = self._new.codes(factors)
            renewed, made = factors.renew_recovery(hashes, now)
            await self._changes.store(user, renewed, made)
            return texts

        return await self._guard.change(caller, proof, work)


class PasskeyEnrolment:
    def __init__(
        self,
        guard: FactorGuard,
        new: NewFactors,
        changes: FactorChanges,
        ceremonies: PasskeyCeremonies,
        ids: Ids,
    ) -> None:
        self._guard = guard
        self._new = new
        self._changes = changes
        self._ceremonies = ceremonies
        self._ids = ids

    async def begin(self, caller: Caller, proof: Proof) -> dict[str, Any]:
        """What `navigator.credentials.create` takes as `publicKey`.

        Raises `TooManyPasskeys`, and what `FactorGuard` does.
        """
        challenge = self._ids.secret()

        async def work(user: User, factors: Factors, now: datetime) -> dict[str, Any]:
            await self._changes.store(user, factors.prepare_passkey(challenge, now))
            return self._ceremonies.creation(user, challenge, factors.passkeys)

        return await self._guard.change(caller, proof, work)

    async def finish(self, caller: Caller, name: str, answer: Mapping[str, Any]) -> Enrolled:
        """Raises `PasskeyRefused`, `TooManyPasskeys` or `Malformed`."""
        name = line(name, "name")

        async def work(user: User, factors: Factors, now: datetime) -> Enrolled | ShopError:
            rest, challenge = factors.take_challenge(now)
            try:
                passkey = self._made(name, answer, challenge, now)
                complete, added = rest.add_passkey(passkey)
            except PasskeyRefused as refusal:
                await self._changes.store(user, rest)  # a challenge counts once
                return refusal
            return await self._new.store(caller, user, complete, added, KEY)

        enrolled = await self._guard.go_on(caller, work)
        await self._new.tell(caller)
        return enrolled

    def _made(
        self, name: str, answer: Mapping[str, Any], challenge: bytes | None, now: datetime
    ) -> Passkey:
        if challenge is None:
            raise PasskeyRefused("This took too long, or was sent twice; please begin again.")
        made = self._ceremonies.created(answer, challenge)
        return Passkey(
            id=PasskeyId(self._ids.new()),
            credential_id=made.credential_id,
            public_key=made.public_key,
            sign_count=made.sign_count,
            name=name,
            transports=made.transports,
            created_at=now,
        )

    async def remove(self, caller: Caller, passkey_id: PasskeyId, proof: Proof) -> None:
        """Raises `PasskeyNotFound`, `LastFactor`, and what `FactorGuard` does."""

        async def work(user: User, factors: Factors, now: datetime) -> None:
            rest, removed = factors.remove_passkey(passkey_id, now)
            self._guard.spare(user, rest)
            await self._changes.store(user, rest, removed)

        await self._guard.change(caller, proof, work)
