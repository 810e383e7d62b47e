"""What lives in this process needs no doctor."""

from shop.ports.checkup import (
    BusCheckup,
    CacheCheckup,
    DatabaseCheckup,
    MailCheckup,
)


class InProcess(DatabaseCheckup, CacheCheckup, BusCheckup, MailCheckup):
    async def examine(self) -> str:
        return "in memory; it is lost when the process ends"
