"""How soon a password would be guessed, by zxcvbn."""

import unicodedata
from functools import lru_cache

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
    from zxcvbn import matching, scoring, time_estimates  # noqa: PLC0415 - see above

    words, score = _words(), 0
    for start in range(0, len(password), _PIECE):
        piece = password[start : start + _PIECE]
        found = matching.omnimatch(piece, words)
        guesses = scoring.most_guessable_match_sequence(piece, found)["guesses"]
        score = max(score, time_estimates.guesses_to_score(guesses))
        if score == _BEST:
            break
    folded = unicodedata.normalize("NFKC", password).casefold()
    return Strength(score=score, common=folded in matching.RANKED_DICTIONARIES["passwords"])


@lru_cache
def _words() -> dict[str, dict[str, int]]:
    """The library's lists as one, where each word has its best rank: that alone counts, and each
    part of a password is looked up once, not once a list."""
    from zxcvbn.matching import RANKED_DICTIONARIES  # noqa: PLC0415 - see above

    ranks: dict[str, int] = {}
    for ranked in RANKED_DICTIONARIES.values():
        for word, rank in ranked.items():
            ranks[word] = min(rank, ranks.get(word, rank))
    return {"words": ranks}
