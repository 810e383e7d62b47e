"""What is left when somebody goes."""

from uuid import UUID

from shop.core.kernel.errors import Conflict
from shop.core.kernel.events import Event
from shop.core.kernel.ids import UserId


class OrdersOpen(Conflict):
    """Goods or money are still on their way; facts `orders` are the numbers."""

    code = "orders-open"


class LastAdministrator(Conflict):
    code = "last-administrator"


class UserErased(Event, frozen=True, kw_only=True):
    """The account and its personal data are deleted."""

    aggregate = "user"
    fact = "erased"
    topic = "shop.users"

    user_id: UserId

    @property
    def subject(self) -> UUID:
        return self.user_id
