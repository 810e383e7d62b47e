"""What things cost: pure arithmetic on integers in the minor unit."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from shop.core.kernel.breakdown import Breakdown
from shop.core.kernel.errors import Conflict, Invalid, NotFound
from shop.core.kernel.ids import VariantId
from shop.core.kernel.money import Money, tax_within

PERCENT = 100


class ShippingMethodUnknown(NotFound):
    code = "shipping-method-unknown"


class ForeignCurrency(Conflict):
    """Prices of two currencies cannot be added up, nor paid by one link."""

    code = "foreign-currency"


class PriceLine(Struct, frozen=True, kw_only=True):
    """One line to be priced: what a unit costs with tax, and its rate."""

    unit_price: int
    quantity: int
    tax_basis_points: int


class PricedLine(Struct, frozen=True, kw_only=True):
    total: int  # unit price times quantity
    discount: int  # this line's share of the cart's discount
    tax: int  # contained in total - discount


class ShippingMethod(Struct, frozen=True, kw_only=True):
    """`free_from` is the value of goods after discount from which it costs nothing; 0: never."""

    code: str
    title: str
    description: str = ""
    price: int = 0
    free_from: int = 0

    def cost(self, goods: int) -> int:
        return 0 if self.free_from and goods >= self.free_from else self.price


class CouponKind(StrEnum):
    PERCENT = "percent"
    AMOUNT = "amount"


class Coupon(Struct, frozen=True, kw_only=True):
    """`value` is a whole percentage (1 to 100) or an amount in the minor unit."""

    code: str
    kind: CouponKind = CouponKind.PERCENT
    value: int
    minimum: int = 0
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def refusal(self, items: int, at: datetime) -> str | None:
        """Why the coupon does not count now, or None."""
        if self.starts_at is not None and at < self.starts_at:
            return "not-yet-valid"
        if self.ends_at is not None and at >= self.ends_at:
            return "expired"
        if items < self.minimum:
            return "minimum-not-reached"
        return None

    def discount(self, items: int) -> int:
        """Never more than the goods cost; percentages are rounded down to the minor unit."""
        wanted = items * self.value // PERCENT if self.kind is CouponKind.PERCENT else self.value
        return min(items, wanted)


class PricePolicy(Struct, frozen=True, kw_only=True):
    """The shop's conditions, from its settings."""

    currency: str
    shipping: tuple[ShippingMethod, ...]
    shipping_tax_basis_points: int = 1800
    coupons: tuple[Coupon, ...] = ()

    def sells(self, price: Money) -> bool:
        """Whether it is a price of this shop, and not one that was imported in another currency."""
        return price.currency == self.currency

    def check(self, price: Money, variant_id: VariantId, title: str) -> None:
        """Raises `ForeignCurrency`, which names the item, for a price this shop cannot take."""
        if not self.sells(price):
            raise ForeignCurrency(
                f"{title} is priced in {price.currency}; this shop sells in {self.currency}.",
                variant_id=variant_id,
                title=title,
                currency=price.currency,
            )

    def shipping_method(self, code: str | None) -> ShippingMethod:
        """The method of that code, or the first one when none is named."""
        if code is None:
            return self.shipping[0]
        for method in self.shipping:
            if method.code == code:
                return method
        raise ShippingMethodUnknown("There is no such shipping method.", shipping_method=code)

    def coupon(self, code: str) -> Coupon | None:
        folded = code.strip().casefold()
        return next((c for c in self.coupons if c.code.casefold() == folded), None)


class Quote(Struct, frozen=True, kw_only=True):
    lines: tuple[PricedLine, ...]
    breakdown: Breakdown
    coupon_refusal: str | None = None


def quote(
    policy: PricePolicy,
    lines: tuple[PriceLine, ...],
    *,
    shipping: ShippingMethod,
    coupon: str | None,
    at: datetime,
) -> Quote:
    """Price a cart. A coupon that does not count takes nothing off and says why.

    The discount is spread over the lines in proportion to their value, so that each line's
    tax is computed on what is really paid for it.
    """
    totals = [line.unit_price * line.quantity for line in lines]
    items = sum(totals)
    discount, refusal = _discount(policy, items, coupon, at)
    shares = spread(discount, totals)
    priced = tuple(
        PricedLine(
            total=total, discount=share, tax=tax_within(total - share, line.tax_basis_points)
        )
        for line, total, share in zip(lines, totals, shares, strict=True)
    )
    freight = shipping.cost(items - discount) if any(line.quantity for line in lines) else 0
    tax = sum(line.tax for line in priced) + tax_within(freight, policy.shipping_tax_basis_points)

    def money(amount: int) -> Money:
        return Money(amount, policy.currency)

    return Quote(
        lines=priced,
        breakdown=Breakdown(
            items=money(items),
            discount=money(discount),
            shipping=money(freight),
            tax=money(tax),
            total=money(items - discount + freight),
        ),
        coupon_refusal=refusal,
    )


def _discount(
    policy: PricePolicy, items: int, code: str | None, at: datetime
) -> tuple[int, str | None]:
    if code is None:
        return 0, None
    coupon = policy.coupon(code)
    if coupon is None:
        return 0, "unknown"
    refusal = coupon.refusal(items, at)
    return (0, refusal) if refusal else (coupon.discount(items), None)


def spread(amount: int, weights: list[int]) -> list[int]:
    """Divide in proportion to the weights without losing a unit (largest remainder method).

    Raises `Invalid` for an amount above the sum of the weights: a line may not become negative.
    """
    whole = sum(weights)
    if not 0 <= amount <= whole:
        raise Invalid("A discount cannot exceed the value of the goods.")
    if amount == 0:
        return [0] * len(weights)
    shares = [amount * weight // whole for weight in weights]
    by_remainder = sorted(
        range(len(weights)), key=lambda i: (amount * weights[i] % whole, -i), reverse=True
    )
    for i in by_remainder[: amount - sum(shares)]:
        shares[i] += 1
    return shares
