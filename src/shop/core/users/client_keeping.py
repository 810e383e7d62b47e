"""Registering programs, and keeping the keys that sign what they are given."""

from typing import ClassVar

from msgspec import Struct

from shop.core.kernel.access import Caller, Permission, Scope
from shop.core.kernel.acts import Did
from shop.core.kernel.errors import Malformed
from shop.core.users.clients import Client, hashed
from shop.core.users.letters import as_text
from shop.core.users.liveness import Liveness
from shop.ports.clients import ClientReads, Clients, SigningKey, SigningKeys
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork
from shop.ports.users import Sessions


class ClientDraft(Struct, frozen=True, kw_only=True):
    """Without a scope it may learn who somebody is, and no more."""

    USUAL: ClassVar[frozenset[str]] = frozenset({Scope.OPENID, Scope.PROFILE, Scope.EMAIL})

    name: str
    redirect_uris: tuple[str, ...] = ()
    scope: frozenset[str] = USUAL
    public: bool = False


class NewClient(Struct, frozen=True, kw_only=True):
    """The only time that the secret is known; a public client has none."""

    client: Client
    secret: str | None

    def __repr__(self) -> str:
        return f"NewClient({self.client.id})"


class ClientKeeping:
    """For whoever runs the machine."""

    def __init__(
        self,
        uow: UnitOfWork,
        clients: Clients,
        sessions: Sessions,
        liveness: Liveness,
        ids: Ids,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._clients = clients
        self._sessions = sessions
        self._liveness = liveness
        self._ids = ids
        self._clock = clock

    async def add(self, draft: ClientDraft, did: Did) -> NewClient:
        """Raises `Malformed`."""
        if draft.public and not draft.redirect_uris:
            raise Malformed("A public client needs a redirect URI.", field="redirect_uri")
        secret = None if draft.public else as_text(self._ids.secret())
        client = Client(
            id=str(self._ids.new()),
            name=draft.name.strip(),
            redirect_uris=tuple(dict.fromkeys(draft.redirect_uris)),
            scope=draft.scope or ClientDraft.USUAL,
            secret_hash=None if secret is None else hashed(secret),
            created_at=self._clock.now(),
        ).register()
        async with self._uow.begin():
            await self._clients.add(client)
            self._uow.log(did("client.add", client.id, client.created_at))
        return NewClient(client=client, secret=secret)

    async def remove(self, client_id: str, did: Did) -> None:
        """What people gave it ends at once. Raises `ClientNotFound`."""
        now = self._clock.now()
        async with self._uow.begin():
            await self._clients.remove(client_id)
            ended = await self._sessions.end_client(client_id, now)
            self._uow.log(did("client.remove", client_id, now))
        await self._liveness.ended(*ended)


class ClientAdmin:
    """The back office's hold on the programs."""

    def __init__(self, keeping: ClientKeeping, reads: ClientReads) -> None:
        self._keeping = keeping
        self._reads = reads

    async def all(self, caller: Caller) -> list[Client]:
        """Oldest first."""
        caller.require(Permission.CLIENTS_WRITE)
        return await self._reads.all()

    async def add(self, caller: Caller, draft: ClientDraft) -> NewClient:
        """Raises `Malformed`."""
        caller.require(Permission.CLIENTS_WRITE)
        return await self._keeping.add(draft, caller.did)

    async def remove(self, caller: Caller, client_id: str) -> None:
        """Raises `ClientNotFound`."""
        caller.require(Permission.CLIENTS_WRITE)
        await self._keeping.remove(client_id, caller.did)


class KeyRotation:
    """For whoever runs the machine."""

    def __init__(self, keys: SigningKeys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    async def rotate(self) -> SigningKey:
        """Sign with a new key from now on. Raises `Conflict` if somebody else does so as well."""
        known = await self._keys.all()
        number = known[-1].number + 1 if known else 1
        key = SigningKey(number, self._clock.now())
        await self._keys.add(key)
        return key
