"""The wording of our mails."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from shop.adapters.letters.amounts import money
from shop.adapters.letters.jinja import JinjaLetters
from shop.core.kernel.breakdown import Breakdown
from shop.core.kernel.ids import OrderId, PaymentId, ProductId, UserId, VariantId
from shop.core.kernel.money import Money
from shop.core.kernel.postal import PostalAddress
from shop.core.orders.model import Order, OrderLine, PaymentMethod
from shop.ports.mail import Rendered

LETTERS = JinjaLetters("Tea & Co", "https://shop.example.com", lambda _: "open-sesame")
ONE = UUID(int=1)


def rupees(amount: int) -> Money:
    return Money(amount, "INR")


ORDER = Order(
    id=OrderId(ONE),
    number="300101-7KQ2-M9XW",
    user_id=None,
    email="asha@example.com",
    lines=(
        OrderLine(
            variant_id=VariantId(ONE),
            product_id=ProductId(ONE),
            title="Tea <b>pot</b>",
            variant_title="Blue",
            sku="T1",
            hsn="6912",
            tax_basis_points=1800,
            quantity=2,
            unit_price=6_495_000,
            discount=0,
            tax=1,
        ),
    ),
    breakdown=Breakdown(
        items=rupees(12_990_000),
        discount=rupees(0),
        shipping=rupees(0),
        tax=rupees(1_981_525),
        total=rupees(12_990_000),
    ),
    shipping_address=PostalAddress(
        name="Asha <Rao>",
        phone="+919845012345",
        street="4 Temple Street",
        city="Mysuru",
        state="KA",
        zipcode="570001",
    ),
    billing_address=None,
    shipping_method="standard",
    payment_method=PaymentMethod.COD,
    payment_id=PaymentId(ONE),
    placed_at=datetime(2030, 1, 1, tzinfo=UTC),
    hold_until=None,
)
ABOUT_ORDERS: dict[str, dict[str, Any]] = {
    "order-confirmed": {},
    "order-shipped": {"carrier": "Blue Dart", "tracking_number": "BD1"},
    "order-delivered": {},
    "order-cancelled": {"reason": "Changed my mind"},
    "order-expired": {},
    "order-refunded": {"amount": rupees(100_000)},
}
ABOUT_ACCOUNTS = {
    "verify-email": True,
    "email-change": True,
    "reset-password": True,
    "email-changed": False,
    "password-changed": False,
}


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (0, "INR", "₹0.00"),
        (5, "INR", "₹0.05"),
        (99_900, "INR", "₹999.00"),
        (100_000, "INR", "₹1,000.00"),
        (12_990_000, "INR", "₹1,29,900.00"),
        (1_234_567_890, "INR", "₹1,23,45,678.90"),
        (123_456_789, "USD", "$1,234,567.89"),
        (1_234_567, "JPY", "¥1,234,567"),
        (100_000, "CHF", "CHF 1,000.00"),
    ],
)
def test_amounts_are_written_as_people_read_them(amount: int, currency: str, text: str) -> None:
    assert money(amount, currency) == text


def begins_like_a_letter(mail: Rendered) -> None:
    """A greeting, and then a sentence with a capital letter."""
    assert re.search(r"^Hello Asha.*,\n\n[A-Z]", mail.text, re.MULTILINE)
    assert re.search(r"<p>Hello Asha.*,</p>\n<p>[A-Z]", mail.html)


@pytest.mark.parametrize("name", ABOUT_ORDERS)
def test_a_mail_about_an_order_names_it_and_links_to_it(name: str) -> None:
    mail = LETTERS.render(name, {"order": ORDER, **ABOUT_ORDERS[name]})
    link = "https://shop.example.com/orders/300101-7KQ2-M9XW?order_token=open-sesame"
    assert ORDER.number in mail.subject
    assert link in mail.text
    assert link in mail.html
    assert "Tea & Co" in mail.text
    assert "Tea &amp; Co" in mail.html
    assert "Asha &lt;Rao&gt;" in mail.html
    assert "Asha <Rao>" in mail.text
    begins_like_a_letter(mail)


@pytest.mark.parametrize("name", ABOUT_ORDERS)
def test_only_the_confirmation_says_confirm_in_its_subject(name: str) -> None:
    mail = LETTERS.render(name, {"order": ORDER, **ABOUT_ORDERS[name]})
    assert ("confirm" in mail.subject.lower()) is (name == "order-confirmed")


def test_the_confirmation_shows_what_was_bought_and_where_it_goes() -> None:
    mail = LETTERS.render("order-confirmed", {"order": ORDER})
    assert "2 x Tea <b>pot</b> (Blue): ₹1,29,900.00" in mail.text
    assert "Total: ₹1,29,900.00" in mail.text
    assert "Delivery: free" in mail.text
    assert "Mysuru 570001\nKarnataka\n" in mail.text
    assert "when it arrives" in mail.text
    assert "Tea &lt;b&gt;pot&lt;/b&gt;" in mail.html


def test_a_parcel_that_leaves_india_names_the_country() -> None:
    home = replace(ORDER.shipping_address, city="Atlanta", state="GA", country="US")
    mail = LETTERS.render("order-confirmed", {"order": replace(ORDER, shipping_address=home)})
    assert "GA\nUnited States\n" in mail.text


def test_facts_of_the_news_are_told() -> None:
    shipped = LETTERS.render(
        "order-shipped", {"order": ORDER, "carrier": "Blue Dart", "tracking_number": "BD1"}
    )
    assert "Blue Dart" in shipped.text
    assert "BD1" in shipped.text
    refunded = LETTERS.render("order-refunded", {"order": ORDER, "amount": rupees(100_000)})
    assert "₹1,000.00" in refunded.text


def test_the_link_of_a_customer_holds_no_token() -> None:
    order = replace(ORDER, user_id=UserId(ONE))
    mail = LETTERS.render("order-confirmed", {"order": order})
    assert "order_token" not in mail.text + mail.html


@pytest.mark.parametrize(("name", "has_link"), ABOUT_ACCOUNTS.items())
def test_a_mail_about_an_account_carries_its_link_whole(name: str, has_link: bool) -> None:  # noqa: FBT001
    link = "https://shop.example.com/verify-email?token=abc_-123"
    data = {"name": "Asha", "link": link} if has_link else {"name": "Asha"}
    if name == "reset-password":
        data["question"] = "First school?"
    mail = LETTERS.render(name, data)
    begins_like_a_letter(mail)
    nobody = LETTERS.render(name, data | {"name": ""})
    assert "Hello," in nobody.text
    assert "Hello," in nobody.html
    assert (link in mail.text.split()) is has_link
    assert (f'href="{link}"' in mail.html) is has_link
    assert ("First school?" in mail.text) is (name == "reset-password")


@pytest.mark.parametrize(
    ("what", "subject", "said"),
    [
        (
            "second_factor_added",
            "A second factor was added to your account",
            "An authenticator app",
        ),
        (
            "second_factor_removed",
            "A second factor was removed",
            "The authenticator app was removed",
        ),
        ("recovery_codes_made", "You have new recovery codes", "The old ones do not work"),
        ("recovery_code_used", "A recovery code was used", "One is left"),
        ("second_factors_reset", "Your second factors were reset", "Your password alone opens it"),
        ("refused", "Somebody has your password", "They were not let in."),
    ],
)
def test_a_mail_about_second_factors_says_what_happened(what: str, subject: str, said: str) -> None:
    data = {"name": "Asha", "what": what, "method": "totp", "left": 1}
    mail = LETTERS.render("second-factor", data)
    assert mail.subject.startswith(subject)
    assert "confirm" not in mail.subject
    assert said in mail.text
    assert said in mail.html
    begins_like_a_letter(mail)
    assert "https://shop.example.com/forgot-password" in mail.text
