"""Letting somebody in whose first factor was right, or asking for the second."""

from hashlib import sha256
from typing import Any

from msgspec import Struct

from shop.core.users.factors import PASSWORD, SecondFactorRequired, TicketInvalid
from shop.core.users.issuing import Issuer, RefreshToken, TokenPair
from shop.core.users.letters import as_text, hash_of
from shop.core.users.model import TokenInvalid, User
from shop.core.users.tickets import Ticket, mark_of
from shop.ports.factors import SecondFactors, Tickets
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork
from shop.ports.users import Sessions


class SignedIn(Struct, frozen=True, kw_only=True):
    user: User
    tokens: TokenPair


class Admitted(Struct, frozen=True):
    """A session that is stored, but not yet answered with."""

    user: User
    refresh: RefreshToken


class HalfSignIns:
    """Sign-ins that wait for their second half. Call only inside an open unit of work."""

    def __init__(self, tickets: Tickets, ids: Ids, clock: Clock) -> None:
        self._tickets = tickets
        self._ids = ids
        self._clock = clock

    async def begin(self, user: User, first: str) -> str:
        """The secret that stands for it, for a short time."""
        return await self._issue(user_id=user.id, password_mark=mark_of(user), first=first)

    async def begin_alone(self, challenge: bytes) -> str:
        """Of somebody who shows a passkey and nothing else."""
        return await self._issue(user_id=None, challenge=challenge)

    async def _issue(self, **known: Any) -> str:
        secret = self._ids.secret()
        expires_at = self._clock.now() + Ticket.LASTS
        ticket = Ticket(hash=sha256(secret).digest(), expires_at=expires_at, **known)
        await self._tickets.add(ticket)
        return as_text(secret)

    async def find(self, text: str) -> Ticket:
        """Raises `TicketInvalid`."""
        try:
            ticket = await self._tickets.find(hash_of(text))
        except TokenInvalid:
            ticket = None
        if ticket is None:
            raise TicketInvalid("This sign-in is not known; please begin anew.")
        ticket.check(self._clock.now())
        return ticket

    async def save(self, ticket: Ticket) -> None:
        """Raises `StaleWrite`."""
        await self._tickets.save(ticket)


class Admission:
    """Every way to sign in ends here, so that none leads past the second factor.

    Inside its unit of work a use case calls `admit`, and `answer` once that is committed.
    """

    def __init__(
        self,
        uow: UnitOfWork,
        sessions: Sessions,
        factors: SecondFactors,
        halves: HalfSignIns,
        issuer: Issuer,
    ) -> None:
        self._uow = uow
        self._sessions = sessions
        self._factors = factors
        self._halves = halves
        self._issuer = issuer

    async def admit(
        self, user: User, device: str, first: str = PASSWORD
    ) -> Admitted | SecondFactorRequired:
        """`first` is how the user was known, in the words of RFC 8176 (`pwd`)."""
        methods = (await self._factors.of(user.id)).methods
        if not methods:
            return await self.begin(user, device, first)
        return SecondFactorRequired(await self._halves.begin(user, first), methods)

    async def begin(self, user: User, device: str, amr: str) -> Admitted:
        """Start a session for whom nothing more is to be asked."""
        session, started, refresh = self._issuer.session(user, device, amr=amr)
        await self._sessions.add(session)
        self._uow.emit(started)
        return Admitted(user, refresh)

    async def answer(self, outcome: Admitted | SecondFactorRequired) -> SignedIn:
        """Raises `SecondFactorRequired`."""
        if isinstance(outcome, SecondFactorRequired):
            raise outcome
        pair = await self._issuer.pair(outcome.user, outcome.refresh)
        return SignedIn(user=outcome.user, tokens=pair)
