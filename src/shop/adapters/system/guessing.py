"""How soon a password would be guessed, by zxcvbn."""

import unicodedata
from typing import Any

from shop.adapters.system.threads import Threads
from shop.ports.users import Guessing, Strength

_QUEUE = 64
#: What zxcvbn takes grows steeply with signs that stand for letters: 15 ms at most for 16
#: characters, over a second for 64. A password is looked at in pieces, and the best one counts.
_PIECE = 16
_BEST = 4


class ZxcvbnGuessing(Guessing):
    """One thread is enough: it holds Python's lock all the while, and half a millisecond is usual.

    The library is loaded at the first use, since its lists of words take memory and time.
    """

    def __init__(self) -> None:
        self._threads = Threads("guessing", 1, _QUEUE)

    async def strength(self, password: str) -> Strength:
        return await self._threads.run(lambda: _strength(password))

    def close(self) -> None:
        self._threads.close()


def _strength(password: str) -> Strength:
    from zxcvbn import matching, zxcvbn  # noqa: PLC0415 - see above

    score = 0
    for start in range(0, len(password), _PIECE):
        found: dict[str, Any] = zxcvbn(password[start : start + _PIECE])
        score = max(score, found["score"])
        if score == _BEST:
            break
    folded = unicodedata.normalize("NFKC", password).casefold()
    return Strength(score=score, common=folded in matching.RANKED_DICTIONARIES["passwords"])
