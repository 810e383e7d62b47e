"""The wording of our mails, by Jinja.

A mail is two files: `name.txt`, whose first line is the subject, and `name.html`.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape

from shop.adapters.letters.amounts import money
from shop.core.kernel.ids import OrderId
from shop.core.kernel.postal import PostalAddress
from shop.core.orders.model import Order
from shop.ports.mail import Letters, Rendered

_TEMPLATES = Path(__file__).with_name("templates")

OrderToken = Callable[[OrderId], str]


class JinjaLetters(Letters):
    """`order_token` makes the secret by which a guest's link opens the order.

    Mails of a theme, if there is one, go before the packaged ones.
    """

    def __init__(
        self, shop: str, site_url: str, order_token: OrderToken, theme: Path | None = None
    ) -> None:
        self._site_url = site_url
        self._order_token = order_token
        environment = Environment(
            loader=FileSystemLoader([*([theme / "mails"] if theme else []), _TEMPLATES]),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        environment.globals.update(
            shop=shop,
            site=site_url,
            money=money,
            total=lambda order: money(order.breakdown.total.amount, order.breakdown.total.currency),
            totals=_totals,
            address_lines=_address_lines,
        )
        self._template: Callable[[str], Template] = cache(environment.get_template)

    def render(self, template: str, data: dict[str, Any]) -> Rendered:
        order = data.get("order")
        if isinstance(order, Order):
            data = {**data, "url": self._order_url(order)}
        subject, _, text = self._template(f"{template}.txt").render(data).partition("\n")
        html = self._template(f"{template}.html").render({**data, "subject": subject})
        return Rendered(subject=" ".join(subject.split()), text=text.strip() + "\n", html=html)

    def _order_url(self, order: Order) -> str:
        """Customers sign in; guests have no account, so their link carries the key."""
        url = f"{self._site_url}/orders/{order.number}"
        return url if order.user_id else f"{url}?order_token={self._order_token(order.id)}"


def _totals(order: Order) -> list[tuple[str, str]]:
    """Rows under the lines; what is nothing is left out, except shipping, which is then free."""
    b = order.breakdown
    currency = b.total.currency
    rows = [("Items", money(b.items.amount, currency))]
    if b.discount.amount:
        rows.append(("Discount", f"-{money(b.discount.amount, currency)}"))
    free = "free" if not b.shipping.amount else money(b.shipping.amount, currency)
    rows += [("Delivery", free), ("Total", money(b.total.amount, currency))]
    if b.tax.amount:
        rows.append(("Tax contained in it", money(b.tax.amount, currency)))
    return rows


def _address_lines(place: PostalAddress) -> list[str]:
    town = f"{place.city} {place.zipcode}"
    land = filter(None, (place.region, place.abroad))
    return [place.name, *place.street.splitlines(), town, *land, place.phone]
