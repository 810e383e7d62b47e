"""The cart: what somebody thinks of buying."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from shop.core.kernel.errors import Conflict, Invalid, Malformed, NotFound
from shop.core.kernel.events import Event
from shop.core.kernel.ids import CartId, LineId, VariantId

MOST_OF_ONE = 99
MOST_LINES = 100


class LineNotFound(NotFound):
    code = "cart-item-not-found"


class CartEmpty(Conflict):
    code = "cart-empty"


class CartFull(Conflict):
    code = "cart-full"


class CouponInvalid(Invalid):
    code = "coupon-invalid"


class CartLine(Struct, frozen=True, kw_only=True):
    """`seen_price` is what the buyer was shown when adding; it only serves the notice."""

    id: LineId
    variant_id: VariantId
    quantity: int
    seen_price: int


class CartMerged(Event, frozen=True, kw_only=True):
    aggregate = "cart"
    fact = "merged"
    topic = "shop.carts"

    cart_id: CartId
    from_cart_id: CartId

    @property
    def subject(self) -> UUID:
        return self.cart_id


class Cart(Struct, frozen=True, kw_only=True):
    """`owner` is `user:<id>` or `cart:<SHA-256 of the guest's token>`; it names one cart."""

    id: CartId
    owner: str
    lines: tuple[CartLine, ...] = ()
    coupon: str | None = None
    updated_at: datetime
    version: int = 0

    def add(self, line: CartLine, at: datetime) -> "Cart":
        """Put in a variant, or raise the quantity of the line that already has it."""
        have = next((have for have in self.lines if have.variant_id == line.variant_id), None)
        if have is not None:
            return self.set_quantity(have.id, have.quantity + line.quantity, at)
        check_quantity(line.quantity)
        if len(self.lines) >= MOST_LINES:
            raise CartFull(f"A cart holds at most {MOST_LINES} different items.", most=MOST_LINES)
        return replace(self, lines=(*self.lines, line), updated_at=at)

    def set_quantity(self, line_id: LineId, quantity: int, at: datetime) -> "Cart":
        check_quantity(quantity)
        self.line(line_id)
        lines = tuple(
            replace(line, quantity=quantity) if line.id == line_id else line for line in self.lines
        )
        return replace(self, lines=lines, updated_at=at)

    def remove(self, line_id: LineId, at: datetime) -> "Cart":
        self.line(line_id)
        return replace(
            self, lines=tuple(line for line in self.lines if line.id != line_id), updated_at=at
        )

    def line(self, line_id: LineId) -> CartLine:
        for line in self.lines:
            if line.id == line_id:
                return line
        raise LineNotFound("This item is not in the cart.")

    def merge(self, guest: "Cart", at: datetime) -> tuple["Cart", CartMerged]:
        """Take over a guest's lines; quantities add up to what one line may hold."""
        lines = {line.variant_id: line for line in self.lines}
        for line in guest.lines:
            mine = lines.get(line.variant_id)
            if mine is not None:
                total = min(MOST_OF_ONE, mine.quantity + line.quantity)
                lines[line.variant_id] = replace(mine, quantity=total)
            elif len(lines) < MOST_LINES:
                lines[line.variant_id] = line
        merged = replace(
            self,
            lines=tuple(lines.values()),
            coupon=self.coupon or guest.coupon,
            updated_at=at,
        )
        return merged, CartMerged(cart_id=self.id, from_cart_id=guest.id, at=at)

    def emptied(self, at: datetime) -> "Cart":
        return replace(self, lines=(), coupon=None, updated_at=at)


def check_quantity(quantity: int) -> None:
    if not 1 <= quantity <= MOST_OF_ONE:
        raise Malformed(
            f"The quantity must lie between 1 and {MOST_OF_ONE}.", field="quantity", kind="range"
        )
