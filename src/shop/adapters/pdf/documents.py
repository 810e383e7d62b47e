"""Invoices and receipts as PDF, by reportlab."""

import asyncio
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

from anyascii import anyascii
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table

from shop.adapters.pdf.seller import Seller
from shop.adapters.pdf.states import state
from shop.adapters.pdf.tax import InvoiceLine, invoice_lines
from shop.adapters.pdf.words import amount_in_words, grouped
from shop.core.kernel.postal import PostalAddress
from shop.core.orders.model import Order
from shop.core.orders.numbers import INDIA
from shop.core.payments.model import Payment
from shop.ports.documents import Documents

_STYLES = getSampleStyleSheet()
_TEXT = ParagraphStyle("text", parent=_STYLES["Normal"], fontSize=9, leading=12)
_SMALL = ParagraphStyle("small", parent=_TEXT, fontSize=7.5, leading=9.5)
_RIGHT = ParagraphStyle("right", parent=_SMALL, alignment=2)
_SUM = ParagraphStyle("sum", parent=_TEXT, alignment=2)
_TITLE = ParagraphStyle("title", parent=_STYLES["Heading1"], fontSize=16)
_GRID = [
    ("GRID", (0, 0), (-1, -1), 0.25, colors.grey),
    ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
]


class PdfDocuments(Documents):
    """Drawn in a thread: a long cart takes longer than a request may hold the loop."""

    def __init__(self, seller: Seller) -> None:
        self._seller = seller

    async def invoice(self, order: Order) -> bytes:
        return await asyncio.to_thread(self._invoice, order)

    async def receipt(self, order: Order, payment: Payment) -> bytes:
        return await asyncio.to_thread(self._receipt, order, payment)

    def _invoice(self, order: Order) -> bytes:
        at = order.confirmed_at or order.placed_at
        lines = invoice_lines(order)
        within = order.shipping_address.state == self._seller.state
        currency = order.breakdown.total.currency
        total = order.breakdown.total.amount
        facts = [
            f"Invoice number: {order.invoice_number}",
            f"Invoice date: {_day(at)}",
            f"Order: {order.number}",
            f"Place of supply: {_region(order.shipping_address)}",
        ]
        story: list[Any] = [
            _line("Tax invoice", _TITLE),
            _columns([*self._own_lines(), "", *facts], _buyer(order)),
            Spacer(1, 6 * mm),
            _goods(lines, within=within),
            Spacer(1, 4 * mm),
            _sums(lines, total, currency, within=within),
            Spacer(1, 4 * mm),
            _line(f"In words: {amount_in_words(total, currency)}"),
            _line("Prices include tax. Tax is not payable on reverse charge."),
        ]
        return _draw(f"Invoice {order.invoice_number}", story)

    def _receipt(self, order: Order, payment: Payment) -> bytes:
        amount = payment.amount
        at = payment.paid_at or payment.created_at
        method = payment.provider_method or payment.method
        rows = [
            ("Order", order.number),
            ("Invoice", order.invoice_number or "-"),
            ("Received on", _day(at)),
            ("Payment", payment.provider_payment_id or "-"),
            ("Method", method),
            ("Received from", order.shipping_address.name),
            ("Amount", f"{amount.currency} {grouped(amount.amount)}"),
        ]
        if payment.refunded:
            rows.append(("Refunded", f"{amount.currency} {grouped(payment.refunded)}"))
        table = Table(
            [[_line(name), _line(value)] for name, value in rows],
            colWidths=[45 * mm, 133 * mm],
            style=_GRID[:1] + _GRID[2:],
        )
        story: list[Any] = [
            _line("Payment receipt", _TITLE),
            *(_line(text) for text in self._own_lines()),
            Spacer(1, 6 * mm),
            table,
            Spacer(1, 4 * mm),
            _line(f"In words: {amount_in_words(amount.amount, amount.currency)}"),
        ]
        return _draw(f"Receipt {order.number}", story)

    def _own_lines(self) -> list[str]:
        seller = self._seller
        gstin = seller.gstin or "not registered"
        return [seller.name, *seller.address, f"State: {state(seller.state)}", f"GSTIN: {gstin}"]


def _buyer(order: Order) -> list[str]:
    lines = ["Bill to:", *_address(order.billing_address or order.shipping_address)]
    return [*lines, "", "Ship to:", *_address(order.shipping_address)]


def _address(place: PostalAddress) -> list[str]:
    city = f"{place.city} {place.zipcode}".strip()
    return [place.name, place.street, city, _region(place)]


def _region(place: PostalAddress) -> str:
    if place.country == "IN":
        return state(place.state)
    return ", ".join(filter(None, (place.state, place.abroad)))


def _goods(lines: Sequence[InvoiceLine], *, within: bool) -> Table:
    taxes = ["CGST", "SGST"] if within else ["IGST"]
    head = ["Item", "HSN/SAC", "Qty", "Taxable", "Rate %", *taxes, "Total"]
    rows = [[_line(text, _RIGHT if n > 1 else _SMALL) for n, text in enumerate(head)]]
    for line in lines:
        split = [line.cgst, line.sgst] if within else [line.tax]
        rows.append(
            [
                _line(line.title, _SMALL),
                _line(line.hsn or "-", _SMALL),
                _line(str(line.quantity), _RIGHT),
                _line(grouped(line.taxable), _RIGHT),
                _line(f"{line.basis_points / 100:g}", _RIGHT),
                *(_line(grouped(tax), _RIGHT) for tax in split),
                _line(grouped(line.total), _RIGHT),
            ]
        )
    rest = [17, 10, 23, 13, *([19, 19] if within else [22]), 23]
    widths = [(178 - sum(rest)) * mm, *(width * mm for width in rest)]
    return Table(rows, colWidths=widths, style=_GRID, repeatRows=1)


def _sums(lines: Sequence[InvoiceLine], total: int, currency: str, *, within: bool) -> Table:
    rows = [("Taxable value", sum(line.taxable for line in lines))]
    if within:
        rows.append(("CGST", sum(line.cgst for line in lines)))
        rows.append(("SGST", sum(line.sgst for line in lines)))
    else:
        rows.append(("IGST", sum(line.tax for line in lines)))
    rows.append(("Total", total))
    cells = [
        ["", _line(name), _line(f"{currency} {grouped(amount)}", _SUM)] for name, amount in rows
    ]
    # As wide as the goods, so that it ends where they end.
    grid = [("GRID", (1, 0), (-1, -1), 0.25, colors.grey)]
    return Table(cells, colWidths=[93 * mm, 40 * mm, 45 * mm], style=grid)


def _columns(left: list[str], right: list[str]) -> Table:
    cells = [[[_line(text) for text in left], [_line(text) for text in right]]]
    return Table(cells, colWidths=[89 * mm, 89 * mm], style=[_GRID[2]])


def _line(text: str, style: ParagraphStyle = _TEXT) -> Paragraph:
    return Paragraph(escape(_plain(text)) or "&nbsp;", style)


def _plain(text: str) -> str:
    """The standard fonts know Latin-1 only: other scripts are written in its letters."""
    return "".join(one if ord(one) < 256 else anyascii(one) for one in text)  # noqa: PLR2004


def _day(at: datetime) -> str:
    return f"{at.astimezone(INDIA):%d %B %Y}"


def _draw(title: str, story: list[Any]) -> bytes:
    out = io.BytesIO()
    margin = 16 * mm
    SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=margin,
        rightMargin=margin,
        topMargin=margin,
        bottomMargin=margin,
        title=_plain(title),
    ).build(story)
    return out.getvalue()
