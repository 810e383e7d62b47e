"""Draws a product: a motif in the colours of a palette, lit from the upper left, as an SVG.

The pictures are built from numbers and colours alone, so there is nothing in them to run or fetch.
"""

from zlib import crc32

from msgspec import Struct

from shop.adapters.demo.motifs import MOTIFS

THIN, THICK = 8, 26  # every line in every picture is one of these
WHITE, BLACK = "#ffffff", "#20180f"


class Palette(Struct, frozen=True):
    """The wall behind the product, then its four colours from the body to the darkest detail."""

    wall: str
    base: str
    accent: str
    light: str
    ink: str


PALETTES = {
    "terracotta": Palette("#f7e6da", "#c8653f", "#f0b35a", "#f6dcc4", "#5b2c1d"),
    "indigo": Palette("#e3e9f4", "#3d5a98", "#f2b86b", "#cfdcf1", "#1f2c50"),
    "sage": Palette("#e8eee1", "#86a378", "#e5a76f", "#e3ebd7", "#3c5038"),
    "forest": Palette("#e2ede6", "#2f6f57", "#e9b44c", "#cde4d5", "#173a2e"),
    "marigold": Palette("#fdf0d3", "#eba52c", "#c9553a", "#fce3ab", "#6d4210"),
    "rose": Palette("#fae6e6", "#d9808a", "#8a4f6d", "#f9d9d6", "#6b2f45"),
    "berry": Palette("#f5e2e9", "#a33a5e", "#f0a86b", "#f1cbd8", "#4f1730"),
    "plum": Palette("#ece4f2", "#7a5592", "#e9b16f", "#ddcfe8", "#3b2549"),
    "teal": Palette("#dff0ef", "#2f8c8c", "#f08f63", "#c5e6e2", "#134648"),
    "sky": Palette("#e4f1f8", "#6fabd0", "#f3a574", "#d5eaf6", "#2b526c"),
    "sand": Palette("#f5ecdd", "#cfae83", "#7d9a82", "#f1e3cb", "#6a4d30"),
    "walnut": Palette("#f1e7da", "#9a6b43", "#dba35c", "#e2c6a2", "#4a2f1a"),
    "charcoal": Palette("#e9e8e6", "#4b4f57", "#e58a5b", "#c9ccd1", "#24262b"),
    "steel": Palette("#e6ecef", "#a9b6bf", "#d58b4e", "#dce4e9", "#4b5962"),
    "copper": Palette("#f8e9de", "#c67a4b", "#6f9c8d", "#f0c7a2", "#6b3519"),
    "brass": Palette("#f7efd9", "#c89b3c", "#a44a3f", "#f0dca0", "#694a12"),
    "cream": Palette("#eee6dc", "#efe0c8", "#b9704b", "#fbf5ea", "#7a5d45"),
    "coral": Palette("#fde7e0", "#ea7a63", "#3f8f8a", "#fcd3c5", "#7c3124"),
}


def draw(motif: str, palette: str, *, near: bool = False, seed: str = "") -> str:
    """The SVG of one product; `near` steps closer, `seed` chooses what stands behind it."""
    colours = PALETTES[palette]
    stance, *strokes = _lines(MOTIFS[motif])
    paints = _paints(colours)
    shapes = "".join(_shape(stroke, paints) for stroke in strokes)
    if stance == "lay":
        thing = f'<g filter="url(#drop)">{shapes}</g>'
        scene = _sheet(colours, seed)
    else:
        half = int(stance.removeprefix("stand "))
        thing = f'<ellipse cx="412" cy="622" rx="{half + 36}" ry="26" fill="url(#ground)"/>{shapes}'
        scene = _table(colours, seed)
    scale = 1.22 if near else 1.08
    thing = f'<g transform="translate(400 420) scale({scale}) translate(-400 -415)">{thing}</g>'
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="800" height="800" viewBox="0 0 800 800">'
        f"<defs>{_defs(colours)}</defs>"
        f'<rect width="800" height="800" fill="url(#wall)"/>{scene}'
        f'<g stroke-linecap="round" stroke-linejoin="round" stroke-width="{THIN}" fill="none">'
        f"{thing}</g></svg>"
    )


def _lines(motif: str) -> list[str]:
    """One stroke a line; an indented line goes on with the one above."""
    return motif.replace("\n    ", " ").split("\n")


def _mix(colour: str, other: str, share: float) -> str:
    """`colour` with `share` of `other` stirred in."""
    pairs = ((int(colour[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _solids(colours: Palette) -> dict[str, str]:
    return {
        "base": colours.base,
        "deep": _mix(colours.base, colours.ink, 0.38),
        "accent": colours.accent,
        "light": colours.light,
        "ink": colours.ink,
        "paper": "#fffaf2",
        "glass": _mix(colours.wall, "#a9d3e2", 0.55),
    }


def _paints(colours: Palette) -> dict[str, tuple[str, str]]:
    """What fills and what draws a line: a straight line has no width for a gradient, so plain."""
    paints = {name: (f"url(#{name})", solid) for name, solid in _solids(colours).items()}
    paints["shine"] = (f'{WHITE}" fill-opacity=".38', f'{WHITE}" stroke-opacity=".38')
    paints["shade"] = (f'{BLACK}" fill-opacity=".12', f'{BLACK}" stroke-opacity=".12')
    paints["glow"] = ('#fff3c4" fill-opacity=".6', '#fff3c4" stroke-opacity=".6')
    return paints


def _defs(colours: Palette) -> str:
    slopes = "".join(
        _slope(name, _mix(solid, WHITE, 0.16), _mix(solid, colours.ink, 0.1))
        for name, solid in _solids(colours).items()
    )
    wall = _slope("wall", _mix(colours.wall, WHITE, 0.45), _mix(colours.wall, colours.base, 0.12))
    return (
        f"{slopes}{wall}"
        f'<radialGradient id="ground"><stop stop-color="{colours.ink}" stop-opacity=".42"/>'
        f'<stop offset="1" stop-color="{colours.ink}" stop-opacity="0"/></radialGradient>'
        '<filter id="drop" x="-.1" y="-.1" width="1.25" height="1.25"><feDropShadow dx="10" dy="16"'
        f' stdDeviation="14" flood-color="{colours.ink}" flood-opacity=".28"/></filter>'
    )


def _slope(name: str, top: str, bottom: str) -> str:
    return (
        f'<linearGradient id="{name}" x2=".7" y2="1"><stop stop-color="{top}"/>'
        f'<stop offset="1" stop-color="{bottom}"/></linearGradient>'
    )


def _table(colours: Palette, seed: str) -> str:
    """A wall with a sun, an arch or a window of light on it, and the table top in front."""
    fill = _mix(colours.wall, WHITE, 0.6)
    behind = (
        f'<circle cx="400" cy="380" r="300" fill="{fill}"/>',
        f'<path d="M150 800V370a250 250 0 0 1 500 0V800Z" fill="{fill}"/>',
        f'<rect x="120" y="90" width="560" height="560" rx="60" fill="{fill}"/>',
    )[crc32(seed.encode()) % 3]
    table = _mix(colours.wall, colours.base, 0.26)
    edge = _mix(colours.wall, WHITE, 0.3)
    return (
        f'{behind}<path d="M0 596H800V800H0Z" fill="{table}"/>'
        f'<path d="M0 596H800" stroke="{edge}" stroke-width="{THIN}"/>'
    )


def _sheet(colours: Palette, seed: str) -> str:
    """What a thing seen from above lies on: a round cloth, a square one, or two papers."""
    fill = _mix(colours.wall, WHITE, 0.6)
    other = _mix(colours.wall, colours.base, 0.14)
    return (
        f'<circle cx="400" cy="400" r="340" fill="{fill}"/>',
        f'<rect x="70" y="70" width="660" height="660" rx="48" fill="{fill}"/>',
        (
            f'<path d="M0 800V520L800 220V800Z" fill="{other}"/>'
            f'<circle cx="400" cy="400" r="320" fill="{fill}" fill-opacity=".8"/>'
        ),
    )[crc32(seed.encode()) % 3]


def _shape(stroke: str, paints: dict[str, tuple[str, str]]) -> str:
    paint, _, shape = stroke.partition(" ")
    fill, line = paints[paint.lstrip("-=")]
    if paint[0] == "=":
        look = f'stroke="{line}" stroke-width="{THICK}"'
    elif paint[0] == "-":
        look = f'stroke="{line}"'
    else:
        look = f'fill="{fill}"'
    kind, *numbers = shape.split()
    names = {"r": ("x", "y", "width", "height", "rx"), "o": ("cx", "cy", "r")}
    names["e"] = ("cx", "cy", "rx", "ry")
    if kind not in names:
        return f'<path d="{shape}" {look}/>'
    tag = {"r": "rect", "o": "circle", "e": "ellipse"}[kind]
    sizes = " ".join(f'{name}="{n}"' for name, n in zip(names[kind], numbers, strict=True))
    return f"<{tag} {sizes} {look}/>"
