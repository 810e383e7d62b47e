"""What a person left anywhere, in memory."""

from collections.abc import Sequence
from uuid import UUID

from dishka import Provider, Scope, provide
from msgspec.structs import replace

from shop.adapters.memory.changes import figures_changed
from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork
from shop.core.cart.model import Cart
from shop.core.catalog.model import ANONYMOUS, Review
from shop.core.kernel.access import Role, person_name
from shop.core.kernel.ids import UserId
from shop.core.notifications.model import Email
from shop.core.users.factors import Factors
from shop.ports.privacy import Erasing, PersonalReads

#: What goes with the account: in a database by their foreign keys.
_HANGING = (
    *("sessions", "mail_tokens", "addresses", "linked_profiles", "second_factors"),
    *("sign_in_tickets", "oauth_codes"),
)


class MemoryPersonalReads(PersonalReads):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def cart(self, user_id: UserId) -> Cart | None:
        found: Cart | None = self._store.table("carts").get(person_name(user_id))
        return found

    async def reviews(self, user_id: UserId) -> list[Review]:
        every = self._store.table("reviews").values()
        return sorted((r for r in every if r.user_id == user_id), key=lambda review: review.id)

    async def mails(self, about: Sequence[UUID]) -> list[Email]:
        wanted = set(about)
        every = self._store.table("emails").values()
        return sorted((e for e in every if e.subject_id in wanted), key=lambda email: email.id)

    async def factors(self, user_id: UserId) -> Factors:
        found: Factors | None = self._store.table("second_factors").get(user_id)
        return found or Factors(user_id=user_id)


class MemoryErasing(Erasing):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def administrators(self) -> list[UserId]:
        every = self._uow.table("users").values()
        return [user.id for user in every if Role.ADMIN in user.roles][:2]

    async def mails(self, about: Sequence[UUID]) -> None:
        wanted, table = set(about), self._uow.table("emails")
        for email in list(table.values()):
            if email.subject_id in wanted:
                table[email.id] = replace(email.erase(), version=email.version + 1)

    async def refunds(self, orders: Sequence[UUID]) -> None:
        wanted, table = set(orders), self._uow.table("refunds")
        for refund in list(table.values()):
            if refund.order_id in wanted:
                table[refund.id] = replace(refund, reason="", version=refund.version + 1)

    async def reviews(self, user_id: UserId) -> None:
        table = self._uow.table("reviews")
        for key, review in list(table.items()):
            if review.user_id == user_id:
                del table[key]
                nobody = replace(review, user_id=UserId(review.id), author=ANONYMOUS)
                table[review.product_id, nobody.user_id] = nobody
                figures_changed(self._uow)

    async def traces(self, user_id: UserId, orders: Sequence[UUID]) -> None:
        owner, wanted = person_name(user_id), set(orders)
        self._uow.table("carts").pop(owner, None)
        answers = self._uow.table("idempotency")
        for row in list(answers.values()):
            if row.key.caller == owner or row.order_id in wanted:
                del answers[row.key]

    async def account(self, user_id: UserId) -> None:
        for name in _HANGING:
            table = self._uow.table(name)
            for key in [key for key, value in table.items() if value.user_id == user_id]:
                del table[key]
        self._uow.table("users").pop(user_id, None)


class MemoryPrivacy(Provider):
    @provide(scope=Scope.APP)
    def reads(self, store: MemoryStore) -> PersonalReads:
        return MemoryPersonalReads(store)

    @provide(scope=Scope.REQUEST)
    def erasing(self, uow: MemoryUnitOfWork) -> Erasing:
        return MemoryErasing(uow)
