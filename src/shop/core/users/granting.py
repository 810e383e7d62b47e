"""What a program gets tokens for: a code that somebody's consent was worth, or its own name."""

from msgspec import Struct

from shop.core.kernel.access import Scope
from shop.core.users.clients import (
    SHOP_CLIENT,
    WORKING,
    AuthorizationCode,
    Client,
    ClientInvalid,
    ClientUnauthorized,
    hashed,
    is_client_id,
)
from shop.core.users.issuing import Issuer, OwnToken, RefreshToken, TokenPair
from shop.core.users.liveness import Liveness
from shop.core.users.model import FIRST_PARTY, GrantInvalid, Session, User
from shop.ports.clients import AuthorizationCodes, ClientReads
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork
from shop.ports.users import Sessions, Users


class Granted(Struct, frozen=True, kw_only=True):
    """`id_token` is empty unless the person let the program know who they are."""

    tokens: TokenPair
    id_token: str = ""

    def __repr__(self) -> str:
        return "Granted()"


class ClientAuthentication:
    def __init__(self, reads: ClientReads) -> None:
        self._reads = reads

    async def check(self, client_id: str, secret: str | None) -> Client:
        """Raises `ClientInvalid`, the same for an unknown client and a wrong secret."""
        client = None
        if client_id == FIRST_PARTY:
            client = SHOP_CLIENT
        elif is_client_id(client_id):
            client = await self._reads.find(client_id)
        if client is None or not client.knows(secret):
            raise ClientInvalid("There is no such client, or it did not prove who it is.")
        return client


class Granting:
    def __init__(
        self,
        uow: UnitOfWork,
        codes: AuthorizationCodes,
        sessions: Sessions,
        users: Users,
        issuer: Issuer,
        liveness: Liveness,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._codes = codes
        self._sessions = sessions
        self._users = users
        self._issuer = issuer
        self._liveness = liveness
        self._clock = clock

    async def exchange(
        self, client: Client, text: str, redirect_uri: str, challenge: str
    ) -> Granted:
        """Swap a code for tokens, once; `challenge` is what the code's must be.

        Raises `GrantInvalid`. A code that comes a second time ends what it began: somebody has a
        copy, and nobody can tell which of the two is the thief.
        """
        async with self._uow.begin():
            code = await self._codes.find(hashed(text))
            if code is None or code.client_id != client.id:
                raise GrantInvalid("This code is not valid.")
            if code.session_id is None:
                begun = await self._begun(code)
                user = await self._users.get(code.user_id)
                refresh = await self._begin(client, user, begun, code, redirect_uri, challenge)
            else:
                await self._end(code)
        if code.session_id is not None:
            await self._liveness.ended(code.session_id)
            raise GrantInvalid("This code was used before; what it gave has ended.")
        scope = " ".join(sorted(code.scope))
        pair = await self._issuer.pair(user, refresh, client_id=client.id, scope=scope)
        if Scope.OPENID not in code.scope:
            return Granted(tokens=pair)
        id_token = await self._issuer.identity(
            user, client.id, nonce=code.nonce, begun=begun, access_token=pair.access_token
        )
        return Granted(tokens=pair, id_token=id_token)

    async def own(self, client: Client, asked: frozenset[str]) -> OwnToken:
        """For the program itself. Raises `ClientUnauthorized` or `ScopeInvalid`."""
        if client.public:
            raise ClientUnauthorized("A public client cannot prove who it is.")
        scope = client.granted(asked, WORKING)
        return await self._issuer.own(client.id, " ".join(sorted(scope)))

    async def _begun(self, code: AuthorizationCode) -> Session:
        session = await self._sessions.find(code.granted_in)
        if session is None or not session.alive(self._clock.now()):
            raise GrantInvalid("Whoever consented has signed out since.")
        return session

    async def _begin(
        self,
        client: Client,
        user: User,
        begun: Session,
        code: AuthorizationCode,
        redirect_uri: str,
        challenge: str,
    ) -> RefreshToken:
        session, started, refresh = self._issuer.session(
            user,
            client.name,
            amr=begun.amr,
            client_id=client.id,
            scope=" ".join(sorted(code.scope)),
        )
        used = code.swap(redirect_uri, challenge, session.id, session.created_at)
        await self._codes.use(used)
        await self._sessions.add(session)
        self._uow.emit(started)
        return refresh

    async def _end(self, code: AuthorizationCode) -> None:
        now = self._clock.now()
        session = code.session_id and await self._sessions.find(code.session_id)
        if session and session.ended_at is None:
            ended, fact = session.end("code used twice", now)
            await self._sessions.save(ended)
            self._uow.emit(fact)
