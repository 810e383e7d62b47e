"""What lives in this process needs no doctor."""

from shop.ports.checkup import (
    BusCheckup,
    CacheCheckup,
    DatabaseCheckup,
    MailCheckup,
    MediaCheckup,
)


class InProcess(DatabaseCheckup, CacheCheckup, BusCheckup, MailCheckup, MediaCheckup):
    async def examine(self) -> str:
        return "in memory; it is lost when the process ends"
