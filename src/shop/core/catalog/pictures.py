"""What kind of picture some bytes are, and how large, from their first bytes alone."""

from msgspec import Struct

from shop.core.kernel.errors import Invalid

MOST_BYTES = 8 * 2**20
_MOST_SIDE = 20_000
_MARKER = 0xFF
#: Those that begin a JPEG frame, and so give its size.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class NotAPicture(Invalid):
    code = "image-unsupported"


class Picture(Struct, frozen=True):
    content_type: str
    ending: str
    width: int
    height: int


def recognise(body: bytes) -> Picture:
    """PNG, JPEG, WebP and GIF; everything else raises `NotAPicture`, SVG among it.

    Sizes are where the formats' specifications put them (PNG 3rd edition, GIF89a, RFC 9649,
    ITU-T T.81); the pixels are not looked at.
    """
    found = _png(body) or _gif(body) or _webp(body) or _jpeg(body)
    if found is None:
        raise NotAPicture("This is no PNG, JPEG, WebP or GIF picture.")
    if not (0 < found.width <= _MOST_SIDE and 0 < found.height <= _MOST_SIDE):
        raise NotAPicture(f"A picture has between 1 and {_MOST_SIDE} pixels a side.")
    return found


def _big(part: bytes) -> int:
    return int.from_bytes(part, "big")


def _little(part: bytes) -> int:
    return int.from_bytes(part, "little")


def _png(body: bytes) -> Picture | None:
    if not body.startswith(b"\x89PNG\r\n\x1a\n") or body[12:16] != b"IHDR":
        return None
    return Picture("image/png", "png", _big(body[16:20]), _big(body[20:24]))


def _gif(body: bytes) -> Picture | None:
    if not body.startswith((b"GIF87a", b"GIF89a")):
        return None
    return Picture("image/gif", "gif", _little(body[6:8]), _little(body[8:10]))


def _webp(body: bytes) -> Picture | None:
    if body[:4] != b"RIFF" or body[8:12] != b"WEBP":
        return None
    match body[12:16]:
        case b"VP8 ":
            width, height = _little(body[26:28]) & 0x3FFF, _little(body[28:30]) & 0x3FFF
        case b"VP8L":
            bits = _little(body[21:25])
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            width, height = _little(body[24:27]) + 1, _little(body[27:30]) + 1
        case _:
            return None
    return Picture("image/webp", "webp", width, height)


def _jpeg(body: bytes) -> Picture | None:
    if not body.startswith(b"\xff\xd8\xff"):
        return None
    at = 2
    while at + 9 <= len(body) and body[at] == _MARKER:
        marker = body[at + 1]
        if marker == _MARKER:  # padding
            at += 1
        elif marker in _FRAMES:
            size = _big(body[at + 7 : at + 9]), _big(body[at + 5 : at + 7])
            return Picture("image/jpeg", "jpg", *size)
        else:
            at += 2 + _big(body[at + 2 : at + 4])
    return None
