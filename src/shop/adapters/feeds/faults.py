"""What is wrong with the record that is being read."""

from typing import TypeVar

from shop.adapters.feeds.cells import Complaint
from shop.adapters.feeds.text import shorten, shorten_key
from shop.core.catalog.source import SourceFault

NAME_MOST = 255
_T = TypeVar("_T")


class Faults:
    """Collects them; whoever reads sets the record and the key, and takes what was found."""

    def __init__(self) -> None:
        self.record = 0
        self.key = ""
        self._found: list[SourceFault] = []

    def take(self) -> list[SourceFault]:
        found, self._found = self._found, []
        return found

    def warn(self, code: str, message: str) -> None:
        self._add(code, message, refused=False)

    def refuse(self, code: str, message: str) -> None:
        self._add(code, message, refused=True)

    def complain(self, complaint: Complaint | None) -> None:
        if complaint is not None:
            self.warn(*complaint)

    def kept(self, answer: tuple[_T, Complaint | None]) -> _T:
        """The value of an answer; its complaint, if any, is a warning."""
        value, complaint = answer
        self.complain(complaint)
        return value

    def short(self, what: str, text: str, most: int = NAME_MOST) -> str:
        if len(text) <= most:
            return text
        self.warn("text-cut", f"The {what} has {len(text)} characters; {most} are kept.")
        return shorten(text, most)

    def _add(self, code: str, message: str, *, refused: bool) -> None:
        self._found.append(
            SourceFault(
                record=self.record,
                key=shorten_key(self.key, NAME_MOST),
                code=code,
                message=message,
                refused=refused,
            )
        )
