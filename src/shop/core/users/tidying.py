"""Forgets what serves nobody any more."""

from datetime import timedelta

from shop.ports.factors import Tickets
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork
from shop.ports.users import MailTokens, Sessions

#: Kept a while after their end, so that late questions get the right answer.
KEPT = timedelta(days=7)


class IdentityTidying:
    def __init__(
        self,
        uow: UnitOfWork,
        sessions: Sessions,
        tokens: MailTokens,
        tickets: Tickets,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._tickets = tickets
        self._sessions = sessions
        self._tokens = tokens
        self._clock = clock

    async def tidy(self) -> int:
        """Drop sessions and mailed secrets that expired a week ago, and sign-ins half done once
        they did; returns how many."""
        now = self._clock.now()
        before = now - KEPT
        async with self._uow.begin():
            halves = await self._tickets.forget(now)
            kept = await self._sessions.forget(before) + await self._tokens.forget(before)
        return halves + kept
