"""Invoices and receipts say what the order says."""

import base64
import re
import zlib
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace

from shop.adapters.pdf.documents import PdfDocuments
from shop.adapters.pdf.seller import Seller
from shop.adapters.pdf.states import state
from shop.adapters.pdf.tax import invoice_lines
from shop.adapters.pdf.words import amount_in_words, grouped
from shop.core.kernel.breakdown import Breakdown
from shop.core.kernel.ids import OrderId, PaymentId, ProductId, VariantId
from shop.core.kernel.money import Money, tax_within
from shop.core.kernel.postal import STATES, PostalAddress
from shop.core.orders.model import Order, OrderLine, PaymentMethod
from shop.core.payments.model import Payment, PaymentStatus

AT = datetime(2026, 4, 1, 19, 0, tzinfo=UTC)  # already 2 April in India
SELLER = Seller(name="Shop", address=("12 Market Road",), gstin="29ABCDE1234F1Z5", state="KA")


def inr(amount: int) -> Money:
    return Money(amount, "INR")


def an_order(*prices: int, state: str = "KA", shipping: int = 4_900) -> Order:
    lines = tuple(
        OrderLine(
            variant_id=VariantId(uuid4()),
            product_id=ProductId(uuid4()),
            title=f"Thing {position}",
            variant_title="",
            sku="",
            hsn="6912",
            tax_basis_points=1800,
            quantity=1,
            unit_price=price,
            discount=0,
            tax=tax_within(price, 1800),
        )
        for position, price in enumerate(prices)
    )
    items = sum(prices)
    tax = sum(line.tax for line in lines) + tax_within(shipping, 1800)
    home = PostalAddress(
        name="कमल", phone="+91", street="4 <Temple>", city="Mysuru", state=state, zipcode="570001"
    )
    return Order(
        id=OrderId(uuid4()),
        number="260402-ABCD-EFGH",
        user_id=None,
        email="buyer@example.com",
        lines=lines,
        breakdown=Breakdown(
            items=inr(items),
            discount=inr(0),
            shipping=inr(shipping),
            tax=inr(tax),
            total=inr(items + shipping),
        ),
        shipping_address=home,
        billing_address=None,
        shipping_method="standard",
        payment_method=PaymentMethod.ONLINE,
        payment_id=PaymentId(UUID(int=1)),
        placed_at=AT,
        hold_until=None,
        confirmed_at=AT,
        invoice_number="INV/26-27/000001",
    )


def text_of(pdf: bytes) -> str:
    found = []
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            page = zlib.decompress(base64.a85decode(stream.strip(), adobe=False))
        except ValueError:
            page = zlib.decompress(base64.a85decode(b"<~" + stream.strip(), adobe=True))
        found += [part.decode("latin-1") for part in re.findall(rb"\((.*?)\) Tj", page)]
    words = " ".join(" ".join(found).split())
    return words.replace(r"\(", "(").replace(r"\)", ")")


async def test_an_invoice_within_the_state_splits_the_tax_in_two() -> None:
    text = text_of(await PdfDocuments(SELLER).invoice(an_order(129_900)))
    for part in [
        "INV/26-27/000001",
        "02 April 2026",
        "GSTIN: 29ABCDE1234F1Z5",
        "Place of supply: Karnataka (29)",
        "State: Karnataka (29)",
        "CGST",
        "SGST",
        "6912",
        "INR 1,348.00",
        "Rupees one thousand three hundred forty-eight only",
        "4 < Temple >",  # drawn piece by piece
        "kml",
    ]:
        assert part.lower() in text.lower(), (part, text)
    assert "IGST" not in text


async def test_an_invoice_to_another_state_names_one_tax() -> None:
    text = text_of(await PdfDocuments(SELLER).invoice(an_order(129_900, state="TN")))
    assert "IGST" in text
    assert "CGST" not in text
    assert "Place of supply: Tamil Nadu (33)" in text


async def test_an_invoice_names_the_country_of_a_buyer_abroad() -> None:
    order = an_order(129_900, state="GA")
    abroad = replace(order.shipping_address, country="US")
    text = text_of(await PdfDocuments(SELLER).invoice(replace(order, shipping_address=abroad)))
    assert "GA, United States" in text


async def test_a_long_cart_takes_several_pages() -> None:
    pdf = await PdfDocuments(SELLER).invoice(an_order(*range(1_000, 1_100)))
    text = text_of(pdf)
    assert pdf.count(b"/Type /Page\n") > 1
    assert "Thing 0" in text
    assert "Thing 99" in text


async def test_a_receipt_names_what_was_received() -> None:
    order = an_order(129_900)
    payment = Payment(
        id=order.payment_id,
        order_id=order.id,
        amount=order.breakdown.total,
        method="online",
        created_at=AT,
        status=PaymentStatus.PAID,
        provider_payment_id="pay_A",
        provider_method="card",
        paid_at=AT,
    )
    text = text_of(await PdfDocuments(SELLER).receipt(order, payment))
    for part in ("pay_A", "card", "INR 1,348.00", order.number):
        assert part in text
    assert "Refunded" not in text
    part_back = replace(payment, refunded=100)
    assert "INR 1.00" in text_of(await PdfDocuments(SELLER).receipt(order, part_back))


@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=20), st.integers(0, 50_000))
def test_the_lines_of_an_invoice_add_up_to_the_order(prices: list[int], shipping: int) -> None:
    order = an_order(*prices, shipping=shipping)
    lines = invoice_lines(order)
    assert sum(line.total for line in lines) == order.breakdown.total.amount
    assert sum(line.tax for line in lines) == order.breakdown.tax.amount
    assert all(line.cgst + line.sgst + line.taxable == line.total for line in lines)


@pytest.mark.parametrize(
    ("amount", "digits", "words"),
    [
        (0, "0.00", "Rupees zero only"),
        (105, "1.05", "Rupees one and paise five only"),
        (
            12_345_600,
            "1,23,456.00",
            "Rupees one lakh twenty-three thousand four hundred fifty-six only",
        ),
        (10**9, "1,00,00,000.00", "Rupees one crore only"),
    ],
)
def test_amounts_are_written_as_in_india(amount: int, digits: str, words: str) -> None:
    assert grouped(amount) == digits
    assert amount_in_words(amount, "INR") == words


def test_every_state_has_a_code_of_its_own() -> None:
    assert len({state(code)[-4:] for code in STATES}) == len(STATES)
    assert state("Bavaria") == "Bavaria"
