"""An account whose address was proved by nobody yet may have been opened by anybody."""

from datetime import datetime

from msgspec.structs import replace

from shop.core.users.factor_changes import FactorChanges
from shop.core.users.model import User
from shop.ports.social import Profiles
from shop.ports.uow import UnitOfWork


class Reclaiming:
    """Leaves a stranger, who gave somebody else's address, no way back in.

    The password and the sessions go with the new password; this takes the rest.
    """

    def __init__(self, uow: UnitOfWork, profiles: Profiles, factors: FactorChanges) -> None:
        self._uow = uow
        self._profiles = profiles
        self._factors = factors

    async def reclaim(self, user: User, at: datetime) -> User:
        """The user as the owner of the mailbox gets it, to be saved by the caller; one who proved
        the address before stays as they are. Call only inside an open unit of work."""
        if user.verified_at is not None:
            return user
        user, proved = user.verify_email(at)
        self._uow.emit(proved)
        for profile in await self._profiles.of(user.id):
            await self._profiles.remove(profile)
            self._uow.emit(profile.unlink(at))
        factors = await self._factors.of(user.id)
        if factors.methods:
            bare, reset = factors.reset(at)
            await self._factors.store(user, bare, reset)
        return replace(user, reset_question=None, reset_answer_hash=None)
