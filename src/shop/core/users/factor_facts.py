"""What happens to second factors, as others are told of it."""

from enum import StrEnum
from uuid import UUID

from shop.core.kernel.events import Event
from shop.core.kernel.ids import UserId


class Method(StrEnum):
    """`code` comes from an app, `recovery` from a list on paper."""

    TOTP = "totp"
    RECOVERY = "recovery"
    PASSKEY = "passkey"


class _FactorEvent(Event, frozen=True, kw_only=True):
    aggregate = "user"
    topic = "shop.users"

    user_id: UserId

    @property
    def subject(self) -> UUID:
        return self.user_id


class SecondFactorAdded(_FactorEvent, frozen=True, kw_only=True):
    """The account asks for it from the next sign-in on."""

    fact = "second_factor_added"

    method: Method


class SecondFactorRemoved(_FactorEvent, frozen=True, kw_only=True):
    """The owner removed a second factor."""

    fact = "second_factor_removed"

    method: Method


class RecoveryCodesMade(_FactorEvent, frozen=True, kw_only=True):
    """There are new recovery codes; older ones are void."""

    fact = "recovery_codes_made"


class RecoveryCodeUsed(_FactorEvent, frozen=True, kw_only=True):
    """A recovery code was used up; so many are left."""

    fact = "recovery_code_used"

    left: int


class SecondFactorsReset(_FactorEvent, frozen=True, kw_only=True):
    """All of them were taken away by whoever runs the shop."""

    fact = "second_factors_reset"
