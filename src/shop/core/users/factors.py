"""What people show besides their password, and the steps of a sign-in that asks for it."""

from datetime import datetime, timedelta
from typing import ClassVar

from msgspec import Struct
from msgspec.structs import replace

from shop.core.kernel.errors import Conflict, Denied, Invalid, NotFound, Unauthenticated
from shop.core.kernel.ids import PasskeyId, UserId
from shop.core.users.factor_facts import (
    Method,
    RecoveryCodesMade,
    RecoveryCodeUsed,
    SecondFactorAdded,
    SecondFactorRemoved,
    SecondFactorsReset,
)

#: How somebody proved who they are, as RFC 8176 names it: words with spaces between them, of
#: which `mfa` says that more than one factor was shown.
PASSWORD = "pwd"  # noqa: S105 - the name of a method
OTP = "otp mfa"
KEY = "pop mfa"


class SecondFactorRequired(Unauthenticated):
    """The first factor was right: `facts` hold the `ticket` and the `methods` to go on with."""

    code = "second-factor-required"

    def __init__(self, ticket: str, methods: tuple[Method, ...]) -> None:
        super().__init__("Now the second factor, please.", ticket=ticket, methods=list(methods))
        self.ticket = ticket
        self.methods = methods


class TicketInvalid(Unauthenticated):
    """The sign-in must begin anew."""

    code = "ticket-invalid"


class SecondFactorWrong(Unauthenticated):
    code = "second-factor-wrong"


class ProofNeeded(Denied):
    """A change of factors needs the password, a code, or a sign-in moments ago."""

    code = "proof-needed"


class PasskeyRefused(Invalid):
    code = "passkey-refused"


class PasskeyNotFound(NotFound):
    code = "passkey-not-found"


class TooManyPasskeys(Conflict):
    code = "too-many-passkeys"


class FactorMissing(Conflict):
    """There is nothing to confirm, to remove or to make codes for."""

    code = "second-factor-missing"


class LastFactor(Conflict):
    """Staff of this shop keep at least one."""

    code = "last-second-factor"


class CodeWrong(Invalid):
    """The first code of a new app is not right."""

    code = "code-wrong"


class FactorsUnreadable(Conflict):
    code = "second-factor-unreadable"


class Passkey(Struct, frozen=True, kw_only=True):
    """A key pair of which the shop has the public half (COSE)."""

    id: PasskeyId
    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    transports: tuple[str, ...] = ()
    created_at: datetime
    last_used_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Passkey({self.id})"

    def use(self, sign_count: int, at: datetime) -> "Passkey":
        return replace(self, sign_count=sign_count, last_used_at=at)


class Factors(Struct, frozen=True, kw_only=True):
    """All second factors of one person. `version` 0 was never stored.

    The app's secret is sealed; of a recovery code only a hash is kept. A new app or passkey waits
    in the `pending` fields until it has shown that it works.
    """

    MOST_PASSKEYS: ClassVar[int] = 10
    #: As many may be wrong in a row before there is a pause.
    FREE: ClassVar[int] = 5
    LONGEST: ClassVar[timedelta] = timedelta(minutes=5)
    #: A code lives this long (RFC 6238), and clocks may be off by one such step.
    STEP: ClassVar[int] = 30
    DRIFT: ClassVar[int] = 1
    #: How long somebody may take to set up an app or a passkey.
    PATIENCE: ClassVar[timedelta] = timedelta(minutes=30)

    user_id: UserId
    totp: bytes | None = None
    totp_since: datetime | None = None
    totp_step: int = 0  # of the code used last: it and all before it are used up
    pending_totp: bytes | None = None
    pending_challenge: bytes | None = None
    pending_until: datetime | None = None
    recovery: tuple[bytes, ...] = ()
    passkeys: tuple[Passkey, ...] = ()
    failures: int = 0
    wait_until: datetime | None = None
    version: int = 0

    def __repr__(self) -> str:
        return f"Factors({self.user_id})"

    @property
    def methods(self) -> tuple[Method, ...]:
        """What a sign-in may be completed with; nothing when there is no second factor."""
        first = [Method.TOTP] if self.totp is not None else []
        keys = [Method.PASSKEY] if self.passkeys else []
        spare = [Method.RECOVERY] if self.recovery and (first or keys) else []
        return (*first, *keys, *spare)

    # --- the app ---

    def prepare_totp(self, sealed: bytes, at: datetime) -> "Factors":
        return replace(self, pending_totp=sealed, pending_until=at + self.PATIENCE)

    def waiting_totp(self, at: datetime) -> bytes:
        """The secret to be confirmed. Raises `FactorMissing`."""
        late = self.pending_until is None or at >= self.pending_until
        if self.pending_totp is None or late:
            raise FactorMissing("No app is being set up; please begin again.")
        return self.pending_totp

    def confirm_totp(self, step: int, at: datetime) -> tuple["Factors", SecondFactorAdded]:
        """The app showed its first code, which thereby is used up."""
        confirmed = replace(
            self,
            totp=self.waiting_totp(at),
            totp_since=at,
            totp_step=step,
            pending_totp=None,
            failures=0,
            wait_until=None,
        )
        return confirmed, SecondFactorAdded(user_id=self.user_id, method=Method.TOTP, at=at)

    def remove_totp(self, at: datetime) -> tuple["Factors", SecondFactorRemoved]:
        """Raises `FactorMissing`."""
        if self.totp is None:
            raise FactorMissing("There is no app to remove.")
        rest = replace(self, totp=None, totp_since=None, totp_step=0)
        removed = SecondFactorRemoved(user_id=self.user_id, method=Method.TOTP, at=at)
        return _without_idle_codes(rest), removed

    def use_step(self, step: int) -> "Factors":
        return replace(self, totp_step=step)

    # --- codes on paper ---

    def first_recovery(self, hashes: tuple[bytes, ...]) -> "Factors":
        """They come along with a factor, so nothing more has happened."""
        return replace(self, recovery=hashes)

    def renew_recovery(
        self, hashes: tuple[bytes, ...], at: datetime
    ) -> tuple["Factors", RecoveryCodesMade]:
        """The old codes are worthless. Raises `FactorMissing`."""
        if not self.methods:
            raise FactorMissing("Recovery codes need a second factor that they stand in for.")
        return replace(self, recovery=hashes), RecoveryCodesMade(user_id=self.user_id, at=at)

    def use_recovery(self, used: bytes, at: datetime) -> tuple["Factors", RecoveryCodeUsed]:
        left = tuple(one for one in self.recovery if one != used)
        fact = RecoveryCodeUsed(user_id=self.user_id, left=len(left), at=at)
        return replace(self, recovery=left), fact

    # --- passkeys ---

    def prepare_passkey(self, challenge: bytes, at: datetime) -> "Factors":
        """Raises `TooManyPasskeys`."""
        if len(self.passkeys) >= self.MOST_PASSKEYS:
            raise TooManyPasskeys(f"An account keeps at most {self.MOST_PASSKEYS} passkeys.")
        return replace(self, pending_challenge=challenge, pending_until=at + self.PATIENCE)

    def take_challenge(self, at: datetime) -> tuple["Factors", bytes | None]:
        """The challenge counts once, whatever comes of it."""
        late = self.pending_until is None or at >= self.pending_until
        found = None if late else self.pending_challenge
        return replace(self, pending_challenge=None), found

    def add_passkey(self, passkey: Passkey) -> tuple["Factors", SecondFactorAdded]:
        """Raises `TooManyPasskeys` or, for one that is there already, `PasskeyRefused`."""
        if len(self.passkeys) >= self.MOST_PASSKEYS:
            raise TooManyPasskeys(f"An account keeps at most {self.MOST_PASSKEYS} passkeys.")
        if self.passkey(passkey.credential_id) is not None:
            raise PasskeyRefused("This passkey is on the list already.")
        added = SecondFactorAdded(
            user_id=self.user_id, method=Method.PASSKEY, at=passkey.created_at
        )
        return replace(self, passkeys=(*self.passkeys, passkey)), added

    def passkey(self, credential_id: bytes) -> Passkey | None:
        return next((one for one in self.passkeys if one.credential_id == credential_id), None)

    def use_passkey(self, used: Passkey) -> "Factors":
        others = (used if one.id == used.id else one for one in self.passkeys)
        return replace(self, passkeys=tuple(others))

    def remove_passkey(
        self, passkey_id: PasskeyId, at: datetime
    ) -> tuple["Factors", SecondFactorRemoved]:
        """Raises `PasskeyNotFound`."""
        left = tuple(one for one in self.passkeys if one.id != passkey_id)
        if len(left) == len(self.passkeys):
            raise PasskeyNotFound("There is no such passkey.")
        removed = SecondFactorRemoved(user_id=self.user_id, method=Method.PASSKEY, at=at)
        return _without_idle_codes(replace(self, passkeys=left)), removed

    # --- failures ---

    def wait(self, at: datetime) -> timedelta:
        """How long until the next attempt counts."""
        left = timedelta(0) if self.wait_until is None else self.wait_until - at
        return max(left, timedelta(0))

    def fail(self, at: datetime) -> "Factors":
        """Each failure after the first few doubles the pause; only a success forgets them."""
        failures = self.failures + 1
        pause = timedelta(0)
        if failures >= self.FREE:
            pause = min(timedelta(seconds=2 ** min(failures - self.FREE + 1, 16)), self.LONGEST)
        return replace(self, failures=failures, wait_until=at + pause)

    def succeed(self) -> "Factors":
        return replace(self, failures=0, wait_until=None)

    def reset(self, at: datetime) -> tuple["Factors", SecondFactorsReset]:
        """As if there had never been any."""
        bare = Factors(user_id=self.user_id, version=self.version)
        return bare, SecondFactorsReset(user_id=self.user_id, at=at)


def _without_idle_codes(factors: Factors) -> Factors:
    """Codes on paper stand in for a factor; without one they open nothing."""
    return factors if factors.methods else replace(factors, recovery=())
