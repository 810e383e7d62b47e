"""What a cart or an order costs, figure by figure."""

from msgspec import Struct

from shop.core.kernel.money import Money


class Breakdown(Struct, frozen=True, kw_only=True):
    """Prices include tax: total = items - discount + shipping; `tax` is contained in total."""

    items: Money
    discount: Money
    shipping: Money
    tax: Money
    total: Money
