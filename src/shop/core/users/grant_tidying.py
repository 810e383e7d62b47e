"""Forgets codes and revocations that have run out."""

from datetime import timedelta

from shop.ports.clients import AuthorizationCodes, RevokedTokens
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork

#: Kept a while, so that a code that comes a second time still ends what it began.
KEPT = timedelta(days=1)


class GrantTidying:
    def __init__(
        self, uow: UnitOfWork, codes: AuthorizationCodes, revoked: RevokedTokens, clock: Clock
    ) -> None:
        self._uow = uow
        self._codes = codes
        self._revoked = revoked
        self._clock = clock

    async def tidy(self) -> int:
        """Drop those that expired a day ago; returns how many."""
        before = self._clock.now() - KEPT
        async with self._uow.begin():
            return await self._codes.forget(before) + await self._revoked.forget(before)
