"""How soon a password would be guessed, by zxcvbn."""

import asyncio
import unicodedata
from typing import Any

from shop.core.kernel.errors import Unavailable
from shop.ports.users import Guessing, Strength

#: Those who wait for their turn.
_QUEUE = 64
#: What zxcvbn takes grows steeply with the length, and with signs that may stand for letters: 32 of
#: them, well chosen, took a tenth of a second, 100 more than one. So a password is looked at in
#: pieces, in short ones where it has many such signs, and the best one counts.
_PIECE = 32
_SHORT = 12
_SIGNS = "0123456789@({[<!|$+%&#"
_FEW = 12
_BEST = 4


class ZxcvbnGuessing(Guessing):
    """Half a millisecond is usual, and spent on the event loop: the library keeps Python's lock,
    so that the loop would wait for a thread just as long, and twice more for the lock.

    Between any two pieces everybody else has a turn. No more than `_QUEUE` wait.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._asked = 0

    async def strength(self, password: str) -> Strength:
        if self._asked > _QUEUE:
            raise Unavailable("Too many people are choosing passwords just now; please try again.")
        self._asked += 1
        try:
            async with self._turn:
                return await _strength(password)
        finally:
            self._asked -= 1


async def _strength(password: str) -> Strength:
    from zxcvbn_rs_py import Warning as Why  # noqa: PLC0415 - with lists of words that take memory

    # Wide letters and the like are no disguise. The library says so only of a whole password.
    plain = _pieces(unicodedata.normalize("NFKC", password))[0]
    seen = await _judged(plain)
    score = 0
    for piece in _pieces(password):
        score = max(score, int((seen if piece == plain else await _judged(piece)).score))
        if score == _BEST:
            break
    told = seen.feedback
    common = told is not None and told.warning in (
        Why.ThisIsATop10Password,
        Why.ThisIsATop100Password,
        Why.ThisIsACommonPassword,
    )
    return Strength(score=score, common=common)


def _pieces(password: str) -> list[str]:
    size = _PIECE if sum(map(password.count, _SIGNS)) <= _FEW else _SHORT
    return [password[start : start + size] for start in range(0, max(1, len(password)), size)]


async def _judged(piece: str) -> Any:
    from zxcvbn_rs_py import zxcvbn  # noqa: PLC0415 - see above

    judged = zxcvbn(piece)
    await asyncio.sleep(0)
    return judged
