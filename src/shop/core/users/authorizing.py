"""Letting a program in: what it asks for, and the code that somebody's consent is worth."""

from datetime import datetime, timedelta

from msgspec import Struct

from shop.core.kernel.access import Caller
from shop.core.kernel.errors import Unauthenticated
from shop.core.users.clients import (
    PERSONAL,
    WORKING,
    AuthorizationCode,
    Client,
    ClientNotFound,
    RedirectUnknown,
    hashed,
    is_client_id,
)
from shop.core.users.letters import as_text
from shop.core.users.model import FIRST_PARTY
from shop.ports.clients import AuthorizationCodes, ClientReads
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork
from shop.ports.users import Sessions

#: How long somebody may think about their consent after they had to sign in anew for it.
THINKING = timedelta(minutes=10)


class Asked(Struct, frozen=True, kw_only=True):
    """`challenge` is the S256 one of RFC 7636; `nonce` goes into the ID token."""

    client_id: str
    redirect_uri: str
    scope: frozenset[str]
    challenge: str
    nonce: str = ""


class Authorizing:
    def __init__(
        self,
        uow: UnitOfWork,
        reads: ClientReads,
        codes: AuthorizationCodes,
        sessions: Sessions,
        ids: Ids,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._reads = reads
        self._codes = codes
        self._sessions = sessions
        self._ids = ids
        self._clock = clock

    async def client(self, client_id: str, redirect_uri: str) -> Client:
        """Who asks. Raises `ClientNotFound` or `RedirectUnknown`; nothing is sent there then."""
        client = await self._reads.find(client_id) if is_client_id(client_id) else None
        if client is None:
            raise ClientNotFound("The program that sent you here is not registered with this shop.")
        if not client.answers_at(redirect_uri):
            raise RedirectUnknown("The program that sent you here gave an unknown address.")
        return client

    def scope(self, client: Client, asked: frozenset[str]) -> frozenset[str]:
        """Raises `ScopeInvalid`."""
        return client.granted(asked, PERSONAL | WORKING)

    async def signed_in_at(self, caller: Caller) -> datetime | None:
        """When the person behind the browser signed in; None for nobody."""
        if caller.session_id is None:
            return None
        async with self._uow.begin():
            session = await self._sessions.find(caller.session_id)
        return None if session is None else session.created_at

    async def grant(self, caller: Caller, asked: Asked) -> str:
        """The code for what the caller consents to. Raises `Unauthenticated`, and what
        `client` raises."""
        user_id = caller.known()
        client = await self.client(asked.client_id, asked.redirect_uri)
        code, now = as_text(self._ids.secret()), self._clock.now()
        async with self._uow.begin():
            session = caller.session_id and await self._sessions.find(caller.session_id)
            if not session or session.client_id != FIRST_PARTY or not session.alive(now):
                raise Unauthenticated("Please sign in.")
            await self._codes.add(
                AuthorizationCode(
                    hash=hashed(code),
                    client_id=client.id,
                    user_id=user_id,
                    granted_in=session.id,
                    redirect_uri=asked.redirect_uri,
                    challenge=asked.challenge,
                    scope=self.scope(client, asked.scope),
                    nonce=asked.nonce,
                    created_at=now,
                    expires_at=now + AuthorizationCode.LASTS,
                )
            )
        return code
