"""Turns templates into HTML: how money, times and pictures are written, and where styles live."""

import hashlib
from datetime import datetime, timedelta, timezone
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateSyntaxError,
)
from markupsafe import Markup

from shop.core.cart.model import MOST_OF_ONE
from shop.core.kernel.errors import Invalid
from shop.core.kernel.money import Money
from shop.core.kernel.postal import STATES
from shop.entrypoints.http.web.devices import device

_SIGNS = {"INR": "₹", "USD": "$", "EUR": "€", "GBP": "£"}
_INDIA = timezone(timedelta(hours=5, minutes=30), "IST")
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_TYPES |= {".svg": "image/svg+xml", ".png": "image/png", ".webp": "image/webp"}
_TYPES |= {".jpg": "image/jpeg", ".woff2": "font/woff2"}
#: What a theme's folder may hold.
_PARTS = ("templates", "static", "mails")


def money(value: Money) -> str:
    """₹1,29,900: Indian grouping for rupees, and paise only when there are any."""
    whole, rest = divmod(value.amount, 100)
    digits = _indian(str(whole)) if value.currency == "INR" else f"{whole:,}"
    text = f"{digits}.{rest:02}" if rest else digits
    sign = _SIGNS.get(value.currency)
    return f"{sign}{text}" if sign else f"{value.currency} {text}"


def sign(currency: str) -> str:
    return _SIGNS.get(currency, currency)


def priced(amount: int, currency: str) -> str:
    return money(Money(amount, currency))


def _indian(digits: str) -> str:
    """Three digits at the end, pairs before them: lakhs and crores."""
    head, tail = digits[:-3], digits[-3:]
    pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)]
    return ",".join([*reversed(pairs), tail])


def plain(amount: int | None) -> str:
    """An amount as it stands in a form field: 1299 or 1299.50."""
    if amount is None:
        return ""
    whole, rest = divmod(amount, 100)
    return f"{whole}.{rest:02}" if rest else str(whole)


def rate(basis_points: int) -> str:
    """A rate in percent: 18 or 2.5."""
    return f"{basis_points / 100:g}"


def percent_off(price: Money, before: Money | None) -> int:
    if before is None or before.amount <= price.amount:
        return 0
    return (before.amount - price.amount) * 100 // before.amount


def day(at: datetime) -> str:
    local = at.astimezone(_INDIA)
    return f"{local.day} {local:%b %Y}"


def hour(at: datetime) -> str:
    return f"{at.astimezone(_INDIA):%H:%M}"


def moment(at: datetime) -> str:
    return f"{day(at)}, {hour(at)}"


def initial(text: str) -> str:
    """What stands where a picture is missing: the first letter or digit."""
    return next((sign.upper() for sign in text if sign.isalnum()), "")


def picture(url: str) -> str:
    """Our own pictures lie under /media; others stay where they are."""
    return f"/media/{url.removeprefix('media:')}" if url.startswith("media:") else url


def words(status: str) -> str:
    return status.replace("_", " ").capitalize()


def query(**parts: object) -> str:
    """`?a=b` of those that say something."""
    told = {name: part for name, part in parts.items() if part not in (None, "", False)}
    return f"?{urlencode(told)}" if told else ""


class Asset:
    """A file of /static. Its address changes with its content, so that it may be kept for good."""

    def __init__(self, name: str, body: bytes) -> None:
        self.body = body
        self.version = hashlib.sha256(body).hexdigest()[:16]
        self.content_type = _TYPES[_suffix(name)]
        self.url = f"/static/{name}?v={self.version}"


class Look:
    """What pages are made of. A theme's templates and files go before the packaged ones.

    Raises `Invalid` for a theme that could not be shown, so that the start fails and not a page.
    """

    def __init__(self, theme: Path | None = None) -> None:
        packaged = PackageLoader(__package__ or "")
        own = [FileSystemLoader(theme / "templates")] if theme else []
        # A template may build on the one that it replaces: `{% extends "packaged/base.html" %}`.
        loader = ChoiceLoader([*own, packaged, PrefixLoader({"packaged": packaged})])
        self.assets = _packaged_assets() | (_assets_of(theme) if theme else {})
        self._environment = _environment(loader, self.assets)
        for one in own:
            _compile(self._environment, one)

    def render(self, template: str, **context: Any) -> bytes:
        return self._environment.get_template(template).render(context).encode()


@cache
def look_of(theme: str) -> Look:
    """The look by the folder's name, read once for each process; empty: the packaged one."""
    return Look(Path(theme) if theme else None)


@cache
def _packaged_assets() -> dict[str, Asset]:
    return {
        entry.name: Asset(entry.name, entry.read_bytes())
        for entry in (files(__package__) / "static").iterdir()
        if _suffix(entry.name) in _TYPES
    }


def _assets_of(theme: Path) -> dict[str, Asset]:
    if not theme.is_dir():
        raise Invalid(f"site.theme: there is no folder {theme}.")
    strange = sorted({one.name for one in _seen(theme)} - set(_PARTS))
    if strange:
        raise Invalid(f"site.theme: {theme / strange[0]} is none of {', '.join(_PARTS)}.")
    found = {}
    for entry in _seen(theme / "static"):
        if _suffix(entry.name) not in _TYPES or not entry.is_file():
            raise Invalid(f"site.theme: {entry} is no file that ends in {', '.join(_TYPES)}.")
        found[entry.name] = Asset(entry.name, entry.read_bytes())
    return found


def _seen(folder: Path) -> list[Path]:
    """What lies there, but for hidden files."""
    if not folder.is_dir():
        return []
    return sorted(one for one in folder.iterdir() if not one.name.startswith("."))


def _suffix(name: str) -> str:
    return name[name.rfind(".") :].lower()


def _compile(environment: Environment, own: FileSystemLoader) -> None:
    for name in own.list_templates():
        if name.rpartition("/")[2].startswith("."):
            continue
        try:
            environment.get_template(name)
        except TemplateSyntaxError as error:
            raise Invalid(f"site.theme: templates/{name}:{error.lineno}: {error.message}") from None
        except UnicodeDecodeError:
            raise Invalid(f"site.theme: templates/{name} is not text in UTF-8.") from None


def _environment(loader: BaseLoader, assets: dict[str, Asset]) -> Environment:
    made = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "money": money,
        "plain": plain,
        "priced": priced,
        "sign": sign,
        "day": day,
        "device": device,
        "hour": hour,
        "initial": initial,
        "moment": moment,
        "picture": picture,
        "words": words,
        # Only for what the sanitiser has seen: descriptions are cleaned when they are stored.
        "cleaned": Markup,
    }
    made.globals |= {
        "most_of_one": MOST_OF_ONE,
        "asset": lambda name: assets[name].url,
        "themed": "theme.css" in assets,
        "percent_off": percent_off,
        "query": query,
        "states": dict(sorted(STATES.items(), key=lambda one: one[1])),
    }
    return made
