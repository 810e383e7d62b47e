"""What somebody may mean who has typed a few letters."""

import asyncio
from bisect import bisect_left
from collections.abc import Iterable

from shop.core.catalog.views import Suggestion
from shop.core.catalog.words import fold, words_of
from shop.ports.catalog import CatalogChanges, CatalogReads

MOST = 10
_NAMES = 50_000
#: Shorter beginnings are too common to guess at.
_SHORTEST_GUESS = 4


def within_one(a: str, b: str) -> bool:
    """Whether one insertion, deletion, substitution or swap of neighbours makes `b` of `a`."""
    if abs(len(a) - len(b)) > 1:
        return False
    start, end = 0, 0
    shorter = min(len(a), len(b))
    while start < shorter and a[start] == b[start]:
        start += 1
    while end < shorter - start and a[-1 - end] == b[-1 - end]:
        end += 1
    left, right = a[start : len(a) - end], b[start : len(b) - end]
    if len(left) <= 1 and len(right) <= 1:
        return True
    return len(left) == len(right) == 2 and left == right[::-1]  # noqa: PLR2004 - a swap


class SuggestIndex:
    """Every word of every name, sorted, with the names it stands in."""

    def __init__(self, names: Iterable[Suggestion]) -> None:
        self._names = list(names)
        where: dict[str, list[int]] = {}
        for number, name in enumerate(self._names):
            for word in dict.fromkeys(fold(name.title).split()):
                where.setdefault(word.strip("\"'().,-"), []).append(number)
        self._where = where
        self._words = sorted(where)

    def find(self, text: str) -> list[Suggestion]:
        """Names in which each word typed begins a word, or nearly does; the best ten."""
        typed = words_of(text)
        if not typed:
            return []
        found: dict[int, int] | None = None
        for word in typed:
            here = self._matches(word)
            if found is None:
                found = here
            else:
                found = {n: found[n] + cost for n, cost in here.items() if n in found}
        folded = " ".join(typed)
        ranked = sorted(
            (found or {}).items(),
            key=lambda one: (
                one[1],
                not fold(self._names[one[0]].title).startswith(folded),
                one[0],
            ),
        )
        return [self._names[number] for number, _ in ranked[:MOST]]

    def _matches(self, typed: str) -> dict[int, int]:
        """The names' numbers with 0, or with 1 where a typo had to be forgiven."""
        words = self._words
        at = bisect_left(words, typed)
        found: dict[int, int] = {}
        while at < len(words) and words[at].startswith(typed):
            found.update(dict.fromkeys(self._where[words[at]], 0))
            at += 1
        if found or len(typed) < _SHORTEST_GUESS:
            return found
        size = len(typed)
        for word in words:
            if any(within_one(typed, word[: size + more]) for more in (0, 1, -1)):
                found.update(dict.fromkeys(self._where[word], 1))
        return found


class Suggesting:
    """Keeps one index a process, made anew when a name has changed."""

    def __init__(self, reads: CatalogReads, changes: CatalogChanges) -> None:
        self._reads = reads
        self._changes = changes
        self._index = SuggestIndex([])
        self._edits: int | None = None
        self._begun = self._made = 0  # numbers of the last reading of names, and of the index's
        self._lock = asyncio.Lock()

    async def suggest(self, text: str) -> list[Suggestion]:
        begun = self._begun
        edits = (await self._changes.counts()).edits
        if edits != self._edits:
            async with self._lock:
                # Who waited may take what was begun to be read after they asked, even if names have
                # changed again: while somebody edits, one index after the other is out of date
                # when it is ready, and the queue would never end.
                if self._made <= begun and edits != self._edits:
                    await self._renew(edits)
        return self._index.find(text)

    async def _renew(self, edits: int) -> None:
        self._begun = number = self._begun + 1
        names = await self._reads.names(_NAMES)
        self._index = await asyncio.to_thread(SuggestIndex, names)
        self._edits, self._made = edits, number
