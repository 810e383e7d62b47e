"""Names as addresses and as words to search for."""

import re
import unicodedata
from hashlib import sha256

from anyascii import anyascii

_NO_SLUG = re.compile(r"[^a-z0-9]+")
_NO_WORD = re.compile(r"[^\w%&+#.'-]+")
_MOST_WORDS = 8
#: Characters of a product's own part of its address, and of a category's.
SLUG_MOST = 255
CATEGORY_SLUG_MOST = 60


def slug_of(text: str, most: int = 120) -> str:
    """Lower-case ASCII words joined by hyphens; empty when nothing of the text can be written."""
    return _NO_SLUG.sub("-", anyascii(text).lower().replace("'", "")).strip("-")[:most].rstrip("-")


def suffixed(slug: str, key: bytes, most: int = 120) -> str:
    """Another slug for the same name, the same for the same key whenever it is asked for."""
    tail = sha256(key).hexdigest()[:8]
    return f"{slug[: most - 9].rstrip('-')}-{tail}" if slug else tail


def fold(text: str) -> str:
    """The text as search compares it: no case, no accents on Latin letters."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text)
    # Signs of other scripts (a Devanagari vowel) are part of the word; only Latin loses its marks.
    return "".join(c for c in parts if not "\u0300" <= c <= "\u036f").casefold()


def words_of(text: str) -> tuple[str, ...]:
    """The folded words of what somebody typed, at most eight."""
    found = (word.strip(".'-") for word in _NO_WORD.split(fold(text)))
    return tuple(dict.fromkeys(word for word in found if word))[:_MOST_WORDS]
