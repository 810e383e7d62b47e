"""Files of other shops, read into source products, and written from them."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import BinaryIO, NewType, Protocol

from shop.core.catalog.source import SourceFault, SourceProduct
from shop.core.kernel.errors import Invalid

#: Called now and then with (records read, records in the file).
Progress = Callable[[int, int], None]


class FeedUnreadable(Invalid):
    """The file as a whole is not what the reader was promised; nothing was taken from it."""

    code = "import-unreadable"


class Feed(Protocol):
    """A reader of one format."""

    @abstractmethod
    def read(
        self, file: BinaryIO, currency: str, progress: Progress | None = None
    ) -> Iterator[SourceProduct | SourceFault]:
        """Yield the products of the file and what was wrong with it, as it is read.

        Raises `FeedUnreadable` before the first item, never after it. The file may be read
        more than once: its position says nothing about progress. It is left open, and nothing
        in it is ever fetched. `currency` is that of prices which name none. A fault about the
        whole file has the record number 0. The reading blocks: run it in a thread.
        """


#: The readers there are, by the name of their format.
Feeds = NewType("Feeds", dict[str, Feed])


class NotExpressible(Invalid):
    """The format has no room for something that the product needs."""

    code = "export-not-expressible"


class FeedWriter(Protocol):
    """A writer of one format. What it writes, the reader of that format takes in unchanged."""

    @abstractmethod
    def head(self) -> bytes:
        """What stands before the first product."""

    @abstractmethod
    def product(self, product: SourceProduct) -> bytes:
        """The records of one product, whose currency is set. Raises `NotExpressible`."""


#: The writers there are, by the name of their format.
FeedWriters = NewType("FeedWriters", dict[str, FeedWriter])
