"""Whether what the shop stands on is there, for `shop doctor`.

Every adapter of a server implements the checkup of its area and offers it in its provider:

    class SmtpCheckup(MailCheckup):
        async def examine(self) -> str: ...

    @provide(scope=Scope.APP)
    def checkup(self) -> MailCheckup:
        return SmtpCheckup(…)

An adapter that replaces another's part of the container says `override=True` there as well. The
doctor asks the container for one of each area, gives each a few seconds, and prints what it says.
A checkup opens its own short connection and asks for nothing else from the container, so that one
server that is down hides nothing about the others. It changes nothing that lasts.
"""

from abc import abstractmethod
from typing import Protocol


class Unwell(Exception):
    """What is wrong, and what to do about it: both may be shown, so they hold no secret."""

    def __init__(self, wrong: str, cure: str) -> None:
        super().__init__(f"{wrong}: {cure}")
        self.wrong = wrong
        self.cure = cure


class Checkup(Protocol):
    @abstractmethod
    async def examine(self) -> str:
        """What was found, in a few words ("SQLite in var/shop.db"). Raises `Unwell`."""


class DatabaseCheckup(Checkup, Protocol):
    """Reached, of a version we know, at our schema; a server's clock and ours agree."""


class CacheCheckup(Checkup, Protocol):
    """Reached, and lets us write and read."""


class BusCheckup(Checkup, Protocol):
    """Reached, and has the topics of the shop."""


class GatewayCheckup(Checkup, Protocol):
    """Reached, and takes our keys."""


class MailCheckup(Checkup, Protocol):
    """Reached, and takes our name and password; no mail is sent."""


class MediaCheckup(Checkup, Protocol):
    """Reached, and lets us write, read and list."""
