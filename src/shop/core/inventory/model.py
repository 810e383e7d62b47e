"""Stock: what lies on the shelf and what of it is promised."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from shop.core.kernel.errors import Conflict
from shop.core.kernel.events import Event
from shop.core.kernel.ids import OrderId, ProductId, VariantId
from shop.core.kernel.money import Money


class OutOfStock(Conflict):
    """`facts` name the variant and how many are left."""

    code = "out-of-stock"


class MoveKind(StrEnum):
    ADJUSTED = "adjusted"  # by staff or an import
    SOLD = "sold"  # an order was confirmed
    RETURNED = "returned"  # a confirmed order was cancelled or sent back


class StockMove(Struct, frozen=True, kw_only=True):
    """One line of the ledger: what lies on the shelf is the sum of all moves of a variant."""

    id: UUID
    variant_id: VariantId
    delta: int
    kind: MoveKind
    reason: str = ""
    order_id: OrderId | None = None
    at: datetime


class StockChange(Struct, frozen=True, kw_only=True):
    """What a batch does to one variant: added to both figures by one conditional statement.

    With `sold_at` (minor units) it is done only while the variant is on sale at that price.
    """

    variant_id: VariantId
    on_hand: int = 0
    held: int = 0
    sold_at: int | None = None


class Sellable(Struct, frozen=True, kw_only=True):
    """A variant as carts and checkout need it, with the price and stock that it has."""

    variant_id: VariantId
    product_id: ProductId
    slug: str
    title: str
    variant_title: str
    sku: str
    image: str
    price: Money
    hsn: str
    tax_basis_points: int
    on_sale: bool  # the product is published and the variant has a price
    on_hand: int
    held: int

    @property
    def available(self) -> int:
        return self.on_hand - self.held if self.on_sale else 0


class StockAdjusted(Event, frozen=True, kw_only=True):
    """Staff counted or received goods: `delta` pieces more, or fewer."""

    aggregate = "stock"
    fact = "adjusted"
    topic = "shop.inventory"

    variant_id: VariantId
    delta: int
    reason: str

    @property
    def subject(self) -> UUID:
        return self.variant_id
