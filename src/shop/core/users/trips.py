"""The way to a provider and back: what leaves comes back once, in the same browser, in time."""

import hmac
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec
from msgspec import Struct

from shop.core.kernel.ids import UserId
from shop.core.users.letters import as_text, secret_of
from shop.core.users.linked import ConsentDenied, ProviderDown, ProviderNotFound, SocialRefused
from shop.core.users.model import IdentityRules, TokenInvalid
from shop.ports.social import Asking, Claimed, Providers, SpentStates
from shop.ports.system import Clock, Ids, Secrets
from shop.ports.uow import UnitOfWork

#: As long as somebody may take at the provider's pages.
LASTS = timedelta(minutes=10)
#: Of a cookie browsers keep 4096 bytes, its name and terms among them.
_LONGEST_TICKET = 3900
_LONGEST_CODE = 4096
_LOST = "This sign-in was not begun in this browser, or it took too long. Please try again."
_TEMPORARY = frozenset({"server_error", "temporarily_unavailable"})


class Trip(Struct, frozen=True, kw_only=True):
    """`linking` is who wants to link the profile; None: somebody signs in."""

    provider: str
    next: str
    linking: UserId | None
    expires_at: int
    secret: bytes

    def __repr__(self) -> str:
        return f"Trip({self.provider})"


class Departure(Struct, frozen=True, kw_only=True):
    """`ticket` stays with the browser, as a cookie, until it comes back."""

    url: str
    ticket: str

    def __repr__(self) -> str:
        return "Departure()"


class Return(Struct, frozen=True, kw_only=True):
    """The query that the provider sent the browser back with."""

    state: str
    code: str = ""
    error: str = ""
    issuer: str | None = None

    def __repr__(self) -> str:
        return "Return()"


class Arrival(Struct, frozen=True, kw_only=True):
    claimed: Claimed
    next: str
    linking: UserId | None


class SocialTrips:
    """The ticket holds all there is to know, so that whoever only sets out costs no row.

    State, nonce and verifier are made of the whole ticket and a key of the shop: a ticket that
    was changed, or one of another browser, does not fit the state that comes back.
    """

    def __init__(
        self,
        uow: UnitOfWork,
        providers: Providers,
        spent: SpentStates,
        secrets: Secrets,
        ids: Ids,
        clock: Clock,
        rules: IdentityRules,
    ) -> None:
        self._uow = uow
        self._providers = providers
        self._spent = spent
        self._secrets = secrets
        self._ids = ids
        self._clock = clock
        self._site_url = rules.site_url

    async def leave(self, provider: str, *, to: str, linking: UserId | None = None) -> Departure:
        """Raises `ProviderNotFound`, `ProviderDown`, or `SocialRefused` where `to` is too long to
        come back whole: a program that got half of what it sent would take it for forged."""
        trip = Trip(
            provider=provider,
            next=to,
            linking=linking,
            expires_at=int((self._clock.now() + LASTS).timestamp()),
            secret=self._ids.secret(),
        )
        ticket = urlsafe_b64encode(msgspec.json.encode(trip)).decode().rstrip("=")
        if len(ticket) > _LONGEST_TICKET:
            raise SocialRefused(
                "Where you are going is too long an address to be taken along. Please sign in "
                "first, and go there afterwards.",
                cause="next too long",
            )
        url = await self._providers.address(provider, await self._asking(provider, ticket))
        return Departure(url=url, ticket=ticket)

    async def arrive(self, provider: str, ticket: str, back: Return) -> Arrival:
        """Raises `SocialRefused`, `ConsentDenied`, `ProviderNotFound` or `ProviderDown`."""
        if all(one.name != provider for one in self._providers.all()):
            raise ProviderNotFound("Nobody can sign in with that here.")
        trip = _read(ticket)
        now = self._clock.now()
        asking = await self._asking(provider, ticket)
        fits = hmac.compare_digest(asking.state.encode(), back.state.encode("utf-8", "replace"))
        if not fits or trip.provider != provider or now.timestamp() >= trip.expires_at:
            raise SocialRefused(_LOST, cause="state")
        await self._spend(asking.state, trip)
        if back.error:
            raise _said(back.error, trip)
        if not 0 < len(back.code) <= _LONGEST_CODE:
            raise SocialRefused("The service sent no usable answer. Please try again.")
        claimed = await self._providers.redeem(provider, asking, back.code, back.issuer)
        return Arrival(claimed=claimed, next=trip.next, linking=trip.linking)

    async def _spend(self, state: str, trip: Trip) -> None:
        expires_at = datetime.fromtimestamp(trip.expires_at, UTC)
        async with self._uow.begin():
            fresh = await self._spent.spend(sha256(state.encode()).digest(), expires_at)
        if not fresh:
            raise SocialRefused("This sign-in was finished already.", cause="state used twice")

    async def _asking(self, provider: str, ticket: str) -> Asking:
        key = await self._secrets.get("social-sign-in")

        def made_of(what: bytes) -> str:
            return as_text(hmac.digest(key, what + b":" + ticket.encode(), sha256))

        return Asking(
            state=made_of(b"state"),
            nonce=made_of(b"nonce"),
            verifier=made_of(b"verifier"),
            callback_url=f"{self._site_url}/auth/{provider}/callback",
        )


class TripTidying:
    def __init__(self, uow: UnitOfWork, spent: SpentStates, clock: Clock) -> None:
        self._uow = uow
        self._spent = spent
        self._clock = clock

    async def tidy(self) -> int:
        """Drop states that would be too late by now in any case; returns how many."""
        async with self._uow.begin():
            return await self._spent.forget(self._clock.now())


def _read(ticket: str) -> Trip:
    if not ticket or len(ticket) > _LONGEST_TICKET or not ticket.isascii():
        raise SocialRefused(_LOST, cause="no ticket")
    try:
        return msgspec.json.decode(secret_of(ticket), type=Trip)
    except (TokenInvalid, msgspec.DecodeError):
        raise SocialRefused(_LOST, cause="no ticket") from None


def _said(error: str, trip: Trip) -> ConsentDenied | ProviderDown | SocialRefused:
    if error == "access_denied":
        linking = trip.linking is not None
        return ConsentDenied("You chose not to sign in with it.", to=trip.next, linking=linking)
    if error in _TEMPORARY:
        return ProviderDown("The service cannot sign you in right now.", cause=error)
    return SocialRefused("The service refused the sign-in. Please try again.", cause=error[:100])
