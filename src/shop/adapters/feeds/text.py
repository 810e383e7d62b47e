"""Text from outside, made safe to keep: never a failure, at worst less of it."""

import re
from hashlib import sha256
from html import escape, unescape

import nh3

#: What MySQL's TEXT holds is 65,535 bytes.
BODY_BYTES = 60_000
#: Parsing time grows with the square of the nesting; no honest description comes near.
_MOST_TAGS = 5_000

_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\ufeff\ufffe\uffff\ud800-\udfff]"
)
_BREAKS = re.compile(r" *[\t\r\n\x85\u2028\u2029][ \t\r\n\x85\u2028\u2029]*")
_NEWLINE = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_PARAGRAPHS = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_TAG = re.compile(r"<(?:[a-zA-Z!?]|/[a-zA-Z])")
_WHOLE_TAG = re.compile(r"<[^<>]*>")
_EMPTY = re.compile(r"<p>(?:\s|<br>)*</p>")
_DATA = re.compile(r"data:[^\"'\s>)]{64,}")
# Before the sanitiser, which would drop them and run their text together.
_RENAMED = re.compile(r"<(/?)(h1|h5|h6|div|section|article)(?=[\s/>])", re.IGNORECASE)
_NAMES = {"h1": "h2", "h5": "h4", "h6": "h4", "div": "p", "section": "p", "article": "p"}

_TAGS = {
    "p",
    "br",
    "ul",
    "ol",
    "li",
    "strong",
    "b",
    "em",
    "i",
    "h2",
    "h3",
    "h4",
    "table",
    "caption",
    "thead",
    "tbody",
    "tfoot",
    "tr",
    "th",
    "td",
    "a",
}
_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    attributes={"a": {"href"}},
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel=None,
)


def tidy(text: str) -> str:
    """The text without control characters and without space around it."""
    # Most cells are empty or plain; a cell is looked at some twenty times a record.
    return text.strip() if text.isprintable() else _CONTROL.sub("", text).strip()


def one_line(text: str) -> str:
    """Tidy, and with every break turned into one space. No-break spaces stay."""
    return text.strip() if text.isprintable() else _BREAKS.sub(" ", tidy(text))


def shorten(text: str, most: int) -> str:
    """The text cut to so many characters."""
    return text if len(text) <= most else text[:most].rstrip()


def shorten_key(text: str, most: int) -> str:
    """Cut as well, but two texts that differ stay different: the end becomes their hash."""
    if len(text) <= most:
        return text
    return f"{text[: most - 17]}-{sha256(text.encode()).hexdigest()[:16]}"


def safe_html(body: str) -> tuple[str, bool]:
    """The body as HTML with a short list of tags, and whether some of it was cut off.

    A body without tags is plain text: blank lines part paragraphs.
    """
    body = _DATA.sub("", tidy(body))
    if not _TAG.search(body):
        return _fitting(_paragraphs(body))
    if body.count("<") > _MOST_TAGS:
        return _fitting(_paragraphs(_WHOLE_TAG.sub(" ", body)))
    cut = len(body) > 2 * BODY_BYTES
    clean, shorter = _fitting(_clean(body[: 2 * BODY_BYTES]))
    return clean, cut or shorter


def _paragraphs(text: str) -> str:
    text = _NEWLINE.sub("\n", escape(unescape(text), quote=False)).strip()
    # An entity may stand for a control character too.
    parts = (tidy(part).replace("\n", "<br>") for part in _PARAGRAPHS.split(text))
    return "".join(f"<p>{part}</p>" for part in parts if part)


def _clean(body: str) -> str:
    body = _RENAMED.sub(lambda tag: f"<{tag[1]}{_NAMES[tag[2].lower()]}", body)
    clean = _CLEANER.clean(body)
    return tidy(_EMPTY.sub("", clean))


def _fitting(clean: str) -> tuple[str, bool]:
    """Cut by bytes; the sanitiser closes what the cut left open."""
    encoded = clean.encode()
    if len(encoded) <= BODY_BYTES:
        return clean, False
    shorter = _clean(encoded[:BODY_BYTES].decode(errors="ignore"))
    if len(shorter.encode()) > BODY_BYTES + 1_000:  # nothing but nested tags
        plain = _WHOLE_TAG.sub(" ", shorter).encode()[: BODY_BYTES // 2]
        shorter = _clean(plain.decode(errors="ignore"))
    return shorter, True
