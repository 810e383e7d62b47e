"""How soon a password would be guessed, by zxcvbn."""

import unicodedata

from shop.adapters.system.threads import BoundedThreads
from shop.ports.users import Guessing, Strength

_QUEUE = 64
#: What zxcvbn takes grows steeply with signs that stand for letters: some 20 ms at most for 32
#: characters, a third of a second for 100. A password is looked at in pieces, and the best one
#: counts.
_PIECE = 32
_BEST = 4


class ZxcvbnGuessing(Guessing):
    """One thread is enough: a fifth of a millisecond is usual.

    The library is loaded at the first use, since its lists of words take memory.
    """

    def __init__(self) -> None:
        self._threads = BoundedThreads("guessing", 1, _QUEUE)

    async def strength(self, password: str) -> Strength:
        return await self._threads.run(lambda: _strength(password))

    def close(self) -> None:
        self._threads.close()


def _strength(password: str) -> Strength:
    from zxcvbn_rs_py import Warning as Why, zxcvbn  # noqa: PLC0415 - see above

    # Wide letters and the like are no disguise. The library says so only of a whole password.
    plain = unicodedata.normalize("NFKC", password)[:_PIECE]
    seen = zxcvbn(plain)
    score = 0
    for start in range(0, len(password), _PIECE):
        piece = password[start : start + _PIECE]
        score = max(score, int((seen if piece == plain else zxcvbn(piece)).score))
        if score == _BEST:
            break
    told = seen.feedback
    common = told is not None and told.warning in (
        Why.ThisIsATop10Password,
        Why.ThisIsATop100Password,
        Why.ThisIsACommonPassword,
    )
    return Strength(score=score, common=common)
