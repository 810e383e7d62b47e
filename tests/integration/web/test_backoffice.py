"""The back office by its forms: pictures, variants, categories, the log, and returns asked for."""

import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from shop.core.checkout.refunds import RefundSender
from shop.core.kernel.access import Role
from shop.entrypoints.http.web.pages.backoffice import ROUTES
from shop.ports.orders import OrderFilter, OrderReads
from shop.settings import Site
from tests.kit.orders import captured, settle, shown, using
from tests.kit.storefront import Storefront, Visitor, a_storefront, forms_of, inline_code

HOME = {
    "email": "buyer@example.com",
    "name": "Asha Rao",
    "phone": "98450 12345",
    "street": "4 Temple Street",
    "city": "Mysuru",
    "state": "KA",
    "zipcode": "570001",
    "payment_method": "cod",
}


def png(width: int = 4, height: int = 3) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    rows = b"".join(b"\0" + b"\xff\x00\x00" * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Storefront]:
    async with a_storefront(tmp_path) as storefront:
        yield storefront


async def signed_in(shop: Storefront, *roles: Role) -> Visitor:
    email = f"{'-'.join(roles) or 'customer'}@example.com"
    await shop.person(email, *roles)
    visitor = shop.visitor()
    await visitor.sign_in(email)
    return visitor


async def a_lamp(staff: Visitor) -> httpx.Response:
    """A product for sale, on its page in the back office."""
    new = await staff.get("/admin/products/new")
    typed = {"title": "Brass lamp", "price": "1299", "stock": "5", "status": "active"}
    return await staff.send(new, "/admin/products/new", **typed)


def path_of(page: httpx.Response) -> str:
    return urlsplit(str(page.url)).path


async def upload(
    staff: Visitor, page: httpx.Response, body: bytes | None, **typed: str
) -> httpx.Response:
    action = f"{path_of(page).partition('/pictures')[0]}/pictures"
    [form] = [form for form in forms_of(page) if form.action == action]
    fields = {name: value for name, value in form.fields.items() if name != "picture"}
    file = ("any name.txt", body, "text/plain") if body is not None else ("", b"", "text/plain")
    return await staff.client.post(action, data=fields | typed, files={"picture": file})


async def test_a_picture_is_uploaded_shown_and_taken_away(shop: Storefront) -> None:
    staff = await signed_in(shop, Role.STAFF)
    page = await a_lamp(staff)
    answer = await upload(staff, page, png(), alt="A lamp, lit")
    assert answer.status_code == 303, answer.text
    page = await staff.get(answer.headers["location"])
    assert "A lamp, lit" in page.text
    assert "4 × 3" in page.text  # noqa: RUF001 - as it is written
    [form] = [form for form in forms_of(page) if form.action.endswith("/pictures/remove")]
    shown = await shop.visitor().get(form.fields["url"])
    assert shown.content == png()
    page = await staff.send(page, form.action)
    assert "A lamp, lit" not in page.text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no PNG, JPEG, WebP or GIF"),
        (png()[:16] + b"\0" * (8 * 2**20), "at most 8 MiB"),
        (None, "Please choose a file"),
    ],
    ids=["no picture", "too large", "none"],
)
async def test_what_is_wrong_with_a_picture_is_said_beside_it(
    shop: Storefront, body: bytes | None, words: str
) -> None:
    staff = await signed_in(shop, Role.STAFF)
    page = await a_lamp(staff)
    answer = await upload(staff, page, body)
    assert answer.status_code == 422
    assert words in answer.text
    assert 'id="e-picture"' in answer.text
    assert inline_code(answer) == []
    assert 'value="Brass lamp"' in answer.text


async def test_a_form_of_parts_needs_the_token_like_any_other(shop: Storefront) -> None:
    staff = await signed_in(shop, Role.STAFF)
    page = await a_lamp(staff)
    answer = await upload(staff, page, png(), csrf="somebody else's")
    assert answer.status_code == 403
    torn = await staff.client.post(
        f"{path_of(page)}/pictures",
        content=b"--x\r\nnonsense",
        headers={"Content-Type": "multipart/form-data"},
    )
    assert torn.status_code == 400


async def test_a_variant_is_added_and_taken_away_again(shop: Storefront) -> None:
    staff = await signed_in(shop, Role.STAFF)
    page = await a_lamp(staff)
    here = path_of(page)
    typed = {"new_options": "Size: Large, Finish: Old brass", "new_price": "1,999"}
    page = await staff.send(page, f"{here}/variants", **typed, new_stock="3", new_sku="LMP-L")
    assert "Large / Old brass" in page.text
    assert "LMP-L, 3 to sell" in page.text
    twice = await staff.submit(page, f"{here}/variants", **typed)
    assert twice.status_code == 422
    assert "has this variant already" in twice.text
    other = typed | {"new_options": "Size: Small"}
    refused = await staff.submit(page, f"{here}/variants", **other)
    assert refused.status_code == 422
    assert "have Size and Finish" in refused.text
    assert 'value="Size: Small"' in refused.text
    added = [form.action for form in forms_of(page) if form.action.endswith("/withdraw")][-1]
    page = await staff.send(page, added)
    assert "Large / Old brass" not in page.text
    [last] = [form.action for form in forms_of(page) if form.action.endswith("/withdraw")]
    kept = await staff.send(page, last)
    assert "needs a variant with a price" in kept.text
    page = await staff.send(kept, f"{here}/variants", **typed)
    assert "Large / Old brass" in page.text


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"new_options": "", "new_price": "10"}, "new_options"),
        ({"new_options": "Large", "new_price": "10"}, "new_options"),
        ({"new_options": "Size: L, Size: M", "new_price": "10"}, "new_options"),
        ({"new_options": "Size: L", "new_price": "much"}, "new_price"),
        ({"new_options": "Size: L", "new_price": "10", "new_stock": "-1"}, "new_stock"),
    ],
)
async def test_what_is_wrong_with_a_variant_is_said_beside_it(
    shop: Storefront, typed: dict[str, str], field: str
) -> None:
    staff = await signed_in(shop, Role.STAFF)
    page = await a_lamp(staff)
    answer = await staff.submit(page, f"{path_of(page)}/variants", **typed)
    assert answer.status_code == 422
    assert f'id="e-{field}"' in answer.text
    assert "<details open><summary>Add a variant" in answer.text


async def test_tax_and_hsn_of_a_product_are_shown_and_changed(shop: Storefront) -> None:
    staff = await signed_in(shop, Role.STAFF)
    assert 'value="18"' in (await staff.get("/admin/products/new")).text
    page = await a_lamp(staff)
    here = path_of(page)
    [form] = [form for form in forms_of(page) if form.action == here]
    assert (form.fields["tax"], form.fields["hsn"]) == ("18", "")
    page = await staff.send(page, here, tax="2.5", hsn="9405.10")
    [form] = [form for form in forms_of(page) if form.action == here]
    assert (form.fields["tax"], form.fields["hsn"]) == ("2.5", "940510")
    page = await staff.send(page, here, tax=" 12 % ", hsn="")
    [form] = [form for form in forms_of(page) if form.action == here]
    assert (form.fields["tax"], form.fields["hsn"]) == ("12", "")
    unsaid = {name: value for name, value in form.fields.items() if name not in {"tax", "hsn"}}
    assert (await staff.client.post(here, data=unsaid)).status_code == 303
    [form] = [form for form in forms_of(await staff.get(here)) if form.action == here]
    assert form.fields["tax"] == "12"


@pytest.mark.parametrize(
    ("field", "wrong", "words"),
    [
        *(("tax", text, "from 0 to 100") for text in ("", "much", "-1", "100.01", "1.234", "1e1")),
        *(("hsn", text, "up to 8 digits") for text in ("123456789", "12a4", "-1", "٣٤")),
    ],
)
async def test_a_wrong_tax_or_hsn_is_said_beside_it(
    shop: Storefront, field: str, wrong: str, words: str
) -> None:
    staff = await signed_in(shop, Role.STAFF)
    page = await a_lamp(staff)
    answer = await staff.submit(page, path_of(page), **{field: wrong})
    assert answer.status_code == 422
    assert f'id="e-{field}"' in answer.text
    assert words in answer.text


async def test_prices_are_asked_in_the_currency_of_the_product(tmp_path: Path) -> None:
    async with a_storefront(tmp_path, site=Site(currency="USD")) as shop:
        staff = await signed_in(shop, Role.STAFF)
        assert "Price in $" in (await staff.get("/admin/products/new")).text
        page = await a_lamp(staff)
        assert "Prices in $" in page.text
        assert "₹" not in page.text


async def test_the_list_of_products_says_what_is_left_of_them(shop: Storefront) -> None:
    staff = await signed_in(shop, Role.STAFF)
    page = await a_lamp(staff)
    here = path_of(page)
    assert 'data-unit="in stock">5<' in (await staff.get("/admin/products")).text
    page = await staff.send(page, f"{here}/stock", delta="+7")
    assert 'data-unit="in stock">12<' in (await staff.get("/admin/products")).text
    await staff.send(page, f"{here}/stock", delta="-12")
    assert "Sold out" in (await staff.get("/admin/products")).text
    await staff.send(await staff.get(here), here, status="draft")
    listed = (await staff.get("/admin/products")).text
    assert "Sold out" not in listed
    assert 'data-unit="in stock">0<' in listed
    for wrong in ("+", "+-1", "1+", "++1"):
        refused = await staff.submit(await staff.get(here), f"{here}/stock", delta=wrong)
        assert refused.status_code == 422, wrong


async def test_categories_are_made_renamed_moved_and_removed(shop: Storefront) -> None:
    staff = await signed_in(shop, Role.STAFF)
    new = "/admin/categories/new"
    await staff.send(await staff.get(new), new, name="Light")
    listed = await staff.send(await staff.get(new), new, name="Lamps", slug="lamps")
    links = [line for line in listed.text.split('"') if line.startswith("/admin/categories/0")]
    light, lamps = sorted(set(links))
    again = await staff.submit(await staff.get(new), new, name="Lamps", slug="lamps")
    assert again.status_code == 422
    assert 'id="e-slug"' in again.text
    page = await staff.get(lamps)
    moved = await staff.send(page, lamps, name="Table lamps", parent=light.rpartition("/")[2])
    assert "/light/lamps" in moved.text
    assert "Table lamps" in (await shop.visitor().get("/categories/light/lamps")).text
    into_itself = await staff.submit(
        await staff.get(light), light, name="Light", parent=lamps.rpartition("/")[2]
    )
    assert into_itself.status_code == 422
    assert 'id="e-parent"' in into_itself.text
    kept = await staff.send(await staff.get(light), f"{light}/remove")
    assert "still stand in this one" in kept.text
    await staff.send(await staff.get(lamps), f"{lamps}/remove")
    gone = await staff.send(await staff.get(light), f"{light}/remove")
    assert "There are no categories yet" in gone.text
    assert (await staff.get(light)).status_code == 404


async def test_administrators_read_what_staff_did_and_nobody_else(shop: Storefront) -> None:
    staff = await signed_in(shop, Role.STAFF)
    made = path_of(await a_lamp(staff)).rpartition("/")[2]
    assert (await staff.get("/admin/log")).status_code == 403
    assert 'href="/admin/log"' not in (await staff.get("/admin")).text
    admin = await signed_in(shop, Role.ADMIN)
    page = await admin.get("/admin/log")
    assert inline_code(page) == []
    for words in ("product.create", made, "stock.adjust", "+5", "staff@example.com"):
        assert words in page.text, words
    narrowed = await admin.get("/admin/log", params={"action": "product.", "since": "2000-01-01"})
    assert made in narrowed.text
    assert "stock.adjust" not in narrowed.text
    odd = {"who": "nobody", "since": "yesterday", "until": "9999-12-31", "action": "%"}
    assert "Nothing fits" in (await admin.get("/admin/log", params=odd)).text


async def test_every_page_of_the_back_office_is_hidden_from_customers(shop: Storefront) -> None:
    customer, nobody = await signed_in(shop), shop.visitor()
    some_id = "01a20a56-e2d7-76ce-aa60-2add0d61f61a"
    seen = 0
    for handler in ROUTES:
        for path in handler.paths:
            if "GET" not in handler.http_methods:
                continue
            plain = path
            for part in path.split("/"):
                if part.startswith("{"):
                    plain = plain.replace(part, some_id)
            assert (await customer.get(plain)).status_code == 404, plain
            asked = await nobody.client.get(plain)
            assert asked.headers["location"] == f"/sign-in?next={plain}"
            seen += 1
    assert seen > 10


async def two_lamps(buyer: Visitor, **changes: str) -> httpx.Response:
    """The page of an order that was just placed."""
    listed = await buyer.get("/search", params={"q": "lamp"})
    [product, *_] = [p for p in listed.text.split('"') if p.startswith("/products/")]
    await buyer.send(await buyer.get(product), "/cart/items", quantity="2")
    return await buyer.send(await buyer.get("/checkout"), "/checkout", **HOME | changes)


async def deliver(staff: Visitor, number: str) -> httpx.Response:
    here = f"/admin/orders/{number}"
    page = await staff.send(await staff.get(here), f"{here}/pack")
    page = await staff.send(page, f"{here}/ship", carrier="Post", tracking_number="T1")
    return await staff.send(page, f"{here}/deliver")


async def test_staff_take_a_delivered_order_back_and_say_where_the_goods_are(
    shop: Storefront,
) -> None:
    staff = await signed_in(shop, Role.STAFF)
    lamp = path_of(await a_lamp(staff))
    placed = await two_lamps(shop.visitor())
    number = path_of(placed).rpartition("/")[2]
    here = f"/admin/orders/{number}"
    assert f"{here}/return" not in (await staff.get(here)).text
    page = await deliver(staff, number)
    unsaid = await staff.submit(page, f"{here}/return")
    assert unsaid.status_code == 422
    assert 'id="e-shelf"' in unsaid.text
    assert "3 to sell" in (await staff.get(lamp)).text
    page = await staff.send(page, f"{here}/return", shelf="yes")
    assert "The order is updated." in page.text
    assert f"{here}/return" not in page.text
    assert f"{here}/refund" in page.text
    assert "5 to sell" in (await staff.get(lamp)).text


async def test_money_that_came_twice_is_refunded_from_the_page_of_its_order(
    shop: Storefront,
) -> None:
    staff = await signed_in(shop, Role.STAFF)
    await a_lamp(staff)
    await two_lamps(shop.visitor(), payment_method="online")
    reads = await shop.container.get(OrderReads)
    [order] = (await reads.page(OrderFilter(), 9, None)).items
    here = f"/admin/orders/{order.number}"
    [payment] = (await shown(shop.container, order.id)).payments
    for paid in ("pay_1", "pay_2"):
        await settle(shop.container, captured(payment, paid))
    async with using(shop.container, RefundSender) as sender:
        await sender.send_due()  # the sandbox knows of no such money
    page = await staff.get(here)
    assert page.text.count('name="payment"') == 2
    twice = (await shown(shop.container, order.id)).payments[1]
    typed = {"payment": "nobody's", "reason": "Paid twice"}
    unknown = await staff.submit(page, f"{here}/refund", **typed)
    assert (unknown.status_code, "Please choose a payment." in unknown.text) == (422, True)
    page = await staff.send(page, f"{here}/refund", **typed | {"payment": str(twice.id)})
    assert page.text.count('name="payment"') == 1
    refunded = [one.refundable for one in (await shown(shop.container, order.id)).payments]
    assert refunded == [payment.amount.amount, 0]


async def test_a_buyer_asks_for_a_return_and_a_second_press_asks_no_more(shop: Storefront) -> None:
    staff = await signed_in(shop, Role.STAFF)
    await a_lamp(staff)
    buyer = shop.visitor()
    placed = await two_lamps(buyer)
    here = path_of(placed)
    number = here.rpartition("/")[2]
    assert "/return" not in placed.text
    await deliver(staff, number)
    page = await buyer.get(here)
    [form] = [form for form in forms_of(page) if form.action == f"{here}/return"]
    [count] = [name for name in form.fields if name.startswith("return_")]
    for wrong, words in (
        ({count: "0", "reason": "Too bright"}, "Which items?"),
        ({count: "3", "reason": "Too bright"}, "more than was bought"),
        ({count: "1", "reason": " "}, 'id="e-reason"'),
        ({count: "-1", "reason": "x"}, f'id="e-{count}"'),
        ({count: "many", "reason": "x"}, f'id="e-{count}"'),
    ):
        refused = await buyer.submit(page, f"{here}/return", **wrong)
        assert refused.status_code == 422
        assert words in refused.text, words
    asked = await buyer.send(page, f"{here}/return", **{count: "1", "reason": "Too bright"})
    await buyer.send(page, f"{here}/return", **{count: "1", "reason": "Too bright"})
    assert "noted what you want to send back" in asked.text
    shown = await buyer.get(here)
    assert shown.text.count("1 x Brass lamp: Too bright") == 1
    assert "Return asked for: 1 x Brass lamp" in shown.text
    assert f'name="{count}" type="number" min="0" max="1"' in shown.text
    assert "You have bought 2, and asked to return 1" in shown.text
    await buyer.send(shown, f"{here}/return", **{count: "1", "reason": "The other as well"})
    assert "Send something back" not in (await buyer.get(here)).text
    stranger = await signed_in(shop)
    assert (await stranger.get(here)).status_code == 404
