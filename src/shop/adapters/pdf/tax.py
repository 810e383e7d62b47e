"""What a tax invoice says about each line, from the order's own figures.

Nothing is computed anew but the split: the sums equal the order's to the last paisa.
"""

from collections.abc import Sequence

from msgspec import Struct

from shop.core.orders.model import Order

#: Goods transport; the heading under which postage charged with goods is shown.
SHIPPING_SAC = "996812"


class InvoiceLine(Struct, frozen=True, kw_only=True):
    """Amounts in the minor unit. `total` is what the buyer pays for it, tax included."""

    title: str
    hsn: str
    quantity: int
    basis_points: int
    total: int
    tax: int

    @property
    def taxable(self) -> int:
        return self.total - self.tax

    @property
    def cgst(self) -> int:
        """Half of the tax; an odd paisa goes to the state's half."""
        return self.tax // 2

    @property
    def sgst(self) -> int:
        return self.tax - self.tax // 2


def invoice_lines(order: Order) -> Sequence[InvoiceLine]:
    """The goods, and the shipping with what is left of the order's tax."""
    lines = [
        InvoiceLine(
            title=f"{line.title} ({line.variant_title})" if line.variant_title else line.title,
            hsn=line.hsn,
            quantity=line.quantity,
            basis_points=line.tax_basis_points,
            total=line.total - line.discount,
            tax=line.tax,
        )
        for line in order.lines
    ]
    shipping = order.breakdown.shipping.amount
    if shipping:
        tax = order.breakdown.tax.amount - sum(line.tax for line in lines)
        taxable = shipping - tax
        rate = round(tax * 100 / taxable) * 100 if taxable else 0
        lines.append(
            InvoiceLine(
                title="Shipping",
                hsn=SHIPPING_SAC,
                quantity=1,
                basis_points=rate,
                total=shipping,
                tax=tax,
            )
        )
    return lines
