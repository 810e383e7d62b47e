"""The back office's view of accounts, and how the first administrator comes to be."""

from typing import ClassVar

from msgspec import Struct

from shop.core.kernel.access import Caller, Permission, Role
from shop.core.kernel.acts import by_operator
from shop.core.kernel.errors import Denied
from shop.core.kernel.ids import UserId
from shop.core.kernel.page import Page
from shop.core.users.letters import as_text
from shop.core.users.liveness import Liveness
from shop.core.users.model import IdentityRules, OwnRole, User
from shop.core.users.passwords import NewPassword
from shop.core.users.policy import NewPasswords
from shop.core.users.reclaiming import Reclaiming
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork
from shop.ports.users import EmailAddresses, UserReads, Users

_SESSIONS = 1000


class UserAdmin:
    def __init__(
        self, uow: UnitOfWork, users: Users, reads: UserReads, liveness: Liveness, clock: Clock
    ) -> None:
        self._uow = uow
        self._users = users
        self._reads = reads
        self._liveness = liveness
        self._clock = clock

    async def page(self, caller: Caller, text: str, limit: int, cursor: str | None) -> Page[User]:
        """Newest first; `text` is the beginning of an e-mail address, or empty."""
        caller.require(Permission.USERS_READ)
        return await self._reads.page(text, limit, cursor)

    async def get(self, caller: Caller, user_id: UserId) -> User:
        """Raises `UserNotFound`."""
        caller.require(Permission.USERS_READ)
        return await self._reads.get(user_id)

    async def assign(self, caller: Caller, user_id: UserId, roles: frozenset[Role]) -> User:
        """They hold from the next call on. Raises `UserNotFound`, `Malformed` or `OwnRole`."""
        caller.require(Permission.USERS_WRITE)
        if user_id == caller.user_id and Role.ADMIN not in roles:
            raise OwnRole("Nobody may take the administrator's role from themselves.")
        now = self._clock.now()
        async with self._uow.begin():
            user = await self._lock(caller, user_id)
            if user.roles == roles:
                return user
            changed, fact = user.assign(roles, now)
            user = await self._users.save(changed)
            self._uow.emit(fact)
            self._uow.log(caller.did("user.roles", user_id, now, " ".join(sorted(roles))))
        sessions = await self._reads.sessions(user_id, now, _SESSIONS)
        await self._liveness.changed(*(session.id for session in sessions))
        return user

    async def _lock(self, caller: Caller, user_id: UserId) -> User:
        """Of two who take the role from each other in one instant, the second has it no more: so
        there always is an administrator left. Raises `UserNotFound` or `Denied`."""
        both = sorted({user_id, caller.user_id or user_id})
        locked = {one: await self._users.get(one) for one in both}
        if caller.user_id is not None and Role.ADMIN not in locked[caller.user_id].roles:
            raise Denied("You may not do this.", permission=Permission.USERS_WRITE)
        return locked[user_id]


class Staffing:
    """Makes accounts that need no proof by mail: for whoever runs the machine."""

    def __init__(
        self,
        uow: UnitOfWork,
        users: Users,
        passwords: NewPasswords,
        emails: EmailAddresses,
        ids: Ids,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._users = users
        self._passwords = passwords
        self._emails = emails
        self._ids = ids
        self._clock = clock

    async def find(self, email: str) -> User | None:
        key = self._emails.parse(email).key
        async with self._uow.begin():
            return await self._users.by_email(key)

    async def hire(self, email: str, password: str, name: str, roles: frozenset[Role]) -> User:
        """Raises `Malformed`, `WeakPassword` or `EmailTaken`."""
        address = self._emails.parse(email)
        password_hash = await self._passwords.hash(password, email=address.written, name=name)
        now = self._clock.now()
        user, registered = User(
            id=UserId(self._ids.new()),
            email=address,
            name=name,
            password_hash=password_hash,
            verified_at=now,
            roles=roles,
            created_at=now,
        ).register()
        async with self._uow.begin():
            await self._users.add(user)
            self._uow.emit(registered)
            self._uow.log(by_operator("user.hire", user.id, now, " ".join(sorted(roles))))
        return user


class Admins:
    def __init__(
        self,
        uow: UnitOfWork,
        users: Users,
        staffing: Staffing,
        new: NewPassword,
        reclaiming: Reclaiming,
        liveness: Liveness,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._users = users
        self._staffing = staffing
        self._new = new
        self._reclaiming = reclaiming
        self._liveness = liveness
        self._clock = clock

    async def create(self, email: str, password: str) -> User:
        """An account that exists is promoted and gets the password; its sessions end, and of one
        that nobody had proved yet the rest that could let a stranger in.

        Raises `Malformed` or `WeakPassword`.
        """
        known = await self._staffing.find(email)
        if known is None:
            roles = frozenset({Role.CUSTOMER, Role.ADMIN})
            return await self._staffing.hire(email, password, "Administrator", roles)
        password_hash = await self._new.hash(password, known)
        now = self._clock.now()
        async with self._uow.begin():
            user = await self._users.get(known.id)
            user = await self._reclaiming.reclaim(user, now)
            promoted, fact = user.assign(user.roles | {Role.ADMIN}, now)
            saved, ended = await self._new.store(promoted, password_hash, now)
            self._uow.emit(fact)
            self._uow.log(by_operator("user.roles", saved.id, now, " ".join(sorted(saved.roles))))
        await self._liveness.ended(*ended)
        return saved


class DemoLogin(Struct, frozen=True, kw_only=True):
    role: Role
    email: str
    password: str

    def __repr__(self) -> str:
        return f"DemoLogin({self.role})"


class DemoLogins:
    """Accounts to look around with, whose passwords nobody else's shop has."""

    EMAILS: ClassVar[dict[Role, str]] = {
        Role.CUSTOMER: "demo.customer@example.com",
        Role.STAFF: "demo.staff@example.com",
        Role.ADMIN: "demo.admin@example.com",
    }

    def __init__(self, staffing: Staffing, ids: Ids, rules: IdentityRules) -> None:
        self._staffing = staffing
        self._ids = ids
        self._development = rules.development

    async def ensure(self) -> list[DemoLogin]:
        """Make those that are missing and return them: the only time their passwords are known.

        Raises `Denied` outside development mode.
        """
        if not self._development:
            raise Denied("Demo accounts are for development only.")
        made: list[DemoLogin] = []
        for role, email in self.EMAILS.items():
            if await self._staffing.find(email) is not None:
                continue
            password = as_text(self._ids.secret(16))
            roles = frozenset({Role.CUSTOMER, role})
            await self._staffing.hire(email, password, f"Demo {role}", roles)
            made.append(DemoLogin(role=role, email=email, password=password))
        return made
