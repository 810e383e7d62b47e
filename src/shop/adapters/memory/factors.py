"""Second factors and sign-ins half done, in memory."""

from datetime import datetime

from msgspec.structs import replace

from shop.adapters.memory.store import MemoryUnitOfWork
from shop.core.kernel.errors import StaleWrite
from shop.core.kernel.ids import UserId
from shop.core.users.factors import Factors
from shop.core.users.tickets import Ticket
from shop.ports.factors import SecondFactors, Tickets


class MemorySecondFactors(SecondFactors):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def of(self, user_id: UserId) -> Factors:
        found: Factors | None = self._uow.table("second_factors").get(user_id)
        return found or Factors(user_id=user_id)

    async def save(self, factors: Factors) -> Factors:
        table = self._uow.table("second_factors")
        kept: Factors | None = table.get(factors.user_id)
        if (0 if kept is None else kept.version) != factors.version:
            raise StaleWrite("Somebody else changed these second factors first.")
        saved = replace(factors, version=factors.version + 1)
        table[factors.user_id] = saved
        return saved


class MemoryTickets(Tickets):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def add(self, ticket: Ticket) -> None:
        self._uow.table("sign_in_tickets")[ticket.hash] = ticket

    async def find(self, ticket_hash: bytes) -> Ticket | None:
        found: Ticket | None = self._uow.table("sign_in_tickets").get(ticket_hash)
        return found

    async def save(self, ticket: Ticket) -> Ticket:
        table = self._uow.table("sign_in_tickets")
        if ticket.hash not in table or table[ticket.hash].version != ticket.version:
            raise StaleWrite("Somebody else changed this sign-in first.")
        saved = replace(ticket, version=ticket.version + 1)
        table[ticket.hash] = saved
        return saved

    async def forget(self, before: datetime) -> int:
        table = self._uow.table("sign_in_tickets")
        old = [key for key, ticket in table.items() if ticket.expires_at < before]
        for key in old:
            del table[key]
        return len(old)
