"""What each change of second factors brings with it."""

from shop.core.kernel.ids import UserId
from shop.core.users.factor_facts import (
    RecoveryCodesMade,
    RecoveryCodeUsed,
    SecondFactorAdded,
    SecondFactorRemoved,
    SecondFactorsReset,
)
from shop.core.users.factors import Factors
from shop.core.users.letters import Letters
from shop.core.users.mail_limit import MailLimit
from shop.core.users.model import User
from shop.ports.factors import SecondFactors
from shop.ports.uow import UnitOfWork

Change = (
    SecondFactorAdded
    | SecondFactorRemoved
    | RecoveryCodesMade
    | RecoveryCodeUsed
    | SecondFactorsReset
)


class FactorChanges:
    """Call only inside an open unit of work. The owner is told of every change."""

    def __init__(
        self, uow: UnitOfWork, factors: SecondFactors, letters: Letters, limit: MailLimit
    ) -> None:
        self._uow = uow
        self._factors = factors
        self._letters = letters
        self._limit = limit

    async def of(self, user_id: UserId) -> Factors:
        return await self._factors.of(user_id)

    async def store(self, user: User, factors: Factors, *changes: Change) -> Factors:
        saved = await self._factors.save(factors)
        for change in changes:
            self._uow.emit(change)
            await self._letters.notice(
                "second-factor", user, user.email.written, what=change.fact, **_told(change)
            )
        return saved

    async def warn(self, user: User) -> None:
        """Somebody knows the password, but not the second factor, and may try on and on."""
        proved = user.verified_at is not None
        if not await self._limit.allows("refused", user.email.key, proved=proved):
            return
        await self._letters.notice(
            "second-factor", user, user.email.written, what="refused", method="", left=0
        )


def _told(change: Change) -> dict[str, object]:
    method = getattr(change, "method", None)
    return {"method": method.value if method else "", "left": getattr(change, "left", 0)}
