"""Turns templates into HTML: how money, times and pictures are written, and where styles live."""

import hashlib
from datetime import datetime, timedelta, timezone
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from shop.core.kernel.money import Money
from shop.core.users.postal import STATES

_SIGNS = {"INR": "₹", "USD": "$", "EUR": "€", "GBP": "£"}
_INDIA = timezone(timedelta(hours=5, minutes=30), "IST")
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_TYPES |= {".svg": "image/svg+xml"}


def money(value: Money) -> str:
    """₹1,29,900: Indian grouping for rupees, and paise only when there are any."""
    whole, rest = divmod(value.amount, 100)
    digits = _indian(str(whole)) if value.currency == "INR" else f"{whole:,}"
    text = f"{digits}.{rest:02}" if rest else digits
    sign = _SIGNS.get(value.currency)
    return f"{sign}{text}" if sign else f"{value.currency} {text}"


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


def percent_off(price: Money, before: Money | None) -> int:
    if before is None or before.amount <= price.amount:
        return 0
    return (before.amount - price.amount) * 100 // before.amount


def day(at: datetime) -> str:
    local = at.astimezone(_INDIA)
    return f"{local.day} {local:%b %Y}"


def moment(at: datetime) -> str:
    return f"{day(at)}, {at.astimezone(_INDIA):%H:%M}"


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
        self.content_type = _TYPES[name[name.rindex(".") :]]
        self.url = f"/static/{name}?v={self.version}"


ASSETS = {
    entry.name: Asset(entry.name, entry.read_bytes())
    for entry in (files(__package__) / "static").iterdir()
    if entry.name.endswith(tuple(_TYPES))
}


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader(__package__ or ""),
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
        "day": day,
        "moment": moment,
        "picture": picture,
        "words": words,
        # Only for what the sanitiser has seen: descriptions are cleaned when they are stored.
        "cleaned": Markup,
    }
    made.globals |= {
        "asset": lambda name: ASSETS[name].url,
        "percent_off": percent_off,
        "query": query,
        "states": STATES,
    }
    return made


_ENVIRONMENT = _environment()


def render(template: str, **context: Any) -> bytes:
    return _ENVIRONMENT.get_template(template).render(context).encode()
