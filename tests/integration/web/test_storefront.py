"""The storefront through its forms, as a browser without JavaScript sees it."""

import re
from collections.abc import AsyncIterator
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from msgspec.structs import replace

from shop.core.catalog.service import CategoryDraft, CategoryKeeping
from shop.core.checkout.settlement import AttemptFailed
from shop.core.kernel.access import Role
from shop.core.kernel.ids import CategoryId
from shop.core.kernel.money import Money
from shop.core.notifications.sealing import SealedLinks
from shop.entrypoints.http.web.forms import amount, local_path
from shop.entrypoints.http.web.rendering import look_of, money
from shop.ports.catalog import CatalogReads, ProductFilter, Products, Sort
from shop.ports.inventory import Shelf
from shop.ports.mail import EmailFilter, EmailReads
from shop.ports.orders import OrderFilter, OrderReads
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork
from shop.settings import Shipping, Site, Url
from tests.kit.catalogue import STAFF
from tests.kit.goods import stocked
from tests.kit.orders import settle
from tests.kit.storefront import (
    PASSWORD,
    SITE,
    Storefront,
    Visitor,
    a_storefront,
    forms_of,
    inline_code,
)

HOME = {
    "email": "buyer@example.com",
    "name": "Asha Rao",
    "phone": "98450 12345",
    "street": "12 Temple Street",
    "city": "Bengaluru",
    "zipcode": "560001",
    "state": "KA",
}
XSS = '"><script>alert(1)</script>'


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Storefront]:
    async with a_storefront(tmp_path) as shop:
        yield shop


@pytest.fixture
async def slug(shop: Storefront) -> str:
    """The address of a product with five pieces at ₹499."""
    await stocked(shop.container, 5)
    return await newest(shop)


async def newest(shop: Storefront) -> str:
    reads = await shop.container.get(CatalogReads)
    cards = (await reads.page(ProductFilter(), Sort.NEWEST, 1)).cards()
    slug: str = cards[0].slug
    return slug


async def with_shelves(shop: Storefront, *names: str) -> list[CategoryId]:
    async with shop.container() as scope:
        keeping = await scope.get(CategoryKeeping)
        made = [await keeping.create(STAFF, CategoryDraft(name=name)) for name in names]
    return [one.id for one in made]


async def put(shop: Storefront, *shelves: CategoryId) -> None:
    """A new product on each of the shelves."""
    variants = await stocked(shop.container, *[1] * len(shelves))
    async with shop.container() as scope:
        uow, items = await scope.get(UnitOfWork), await scope.get(Shelf)
        products, clock = await scope.get(Products), await scope.get(Clock)
        async with uow.begin():
            found = await items.find(variants)
            for variant, shelf in zip(variants, shelves, strict=True):
                old = await products.get(found[variant].product_id)
                product, _ = old.changed(clock.now(), replace(old, categories=(shelf,)))
                await products.save([product])


async def orders(shop: Storefront) -> Any:
    reads = await shop.container.get(OrderReads)
    return (await reads.page(OrderFilter(), 10, None)).items


async def with_one_in_the_cart(visitor: Visitor, slug: str) -> httpx.Response:
    page = await visitor.get(f"/products/{slug}")
    await visitor.send(page, "/cart/items")
    return await visitor.get("/checkout")


async def test_a_guest_buys_through_forms_alone_and_pays_at_the_gateway(
    shop: Storefront, slug: str
) -> None:
    guest = shop.visitor()
    assert slug in (await guest.get("/")).text
    page = await guest.get(f"/products/{slug}")
    cart = await guest.send(page, "/cart/items", quantity="2")
    assert "₹998" in cart.text
    checkout = await guest.get("/checkout")
    answer = await guest.submit(checkout, "/checkout", **HOME)
    assert answer.status_code == 303
    gateway = await guest.get(answer.headers["location"])
    back = await guest.client.post(str(gateway.url), data={"outcome": "success"})
    seen = await guest.get(back.headers["location"])
    assert urlsplit(str(seen.url)).path.startswith("/checkout/return/")
    assert "is confirmed" in seen.text
    [order] = await orders(shop)
    own = await guest.get(f"/orders/{order.number}")
    assert "12 Temple Street" in own.text
    assert (await guest.get("/cart")).text.count("Nothing in it yet") == 1
    for paper in ("invoice.pdf", "receipt.pdf"):
        pdf = await guest.get(f"/orders/{order.number}/{paper}")
        assert pdf.content.startswith(b"%PDF")


async def test_a_failed_payment_is_told_and_can_be_tried_again(shop: Storefront, slug: str) -> None:
    guest = shop.visitor()
    answer = await guest.submit(await with_one_in_the_cart(guest, slug), "/checkout", **HOME)
    gateway = answer.headers["location"]
    back = await guest.client.post(gateway, data={"outcome": "failure"})
    [order] = await orders(shop)
    await settle(shop.container, AttemptFailed(payment_id=order.payment_id))
    seen = await guest.get(back.headers["location"])
    assert "The payment did not go through" in seen.text
    assert "Pay now" in (await guest.get(f"/orders/{order.number}")).text
    assert "Pay now" not in (await shop.visitor().get(back.headers["location"])).text
    to_pay = await guest.submit(seen, f"/orders/{order.number}/pay")
    again = await guest.client.post(to_pay.headers["location"], data={"outcome": "success"})
    assert "is confirmed" in (await guest.get(again.headers["location"])).text


async def test_a_stranger_sees_number_and_status_of_an_order_and_nothing_else(
    shop: Storefront, slug: str
) -> None:
    guest, stranger = shop.visitor(), shop.visitor()
    await guest.submit(await with_one_in_the_cart(guest, slug), "/checkout", **HOME)
    [order] = await orders(shop)
    page = await stranger.get(f"/checkout/return/{order.number}")
    assert page.status_code == 200
    assert order.number in page.text
    assert "pending payment" in page.text
    assert "http-equiv" in page.text
    assert "Temple" not in page.text
    assert "buyer@example.com" not in page.text
    refused = await stranger.client.get(f"/orders/{order.number}")
    assert refused.headers["location"] == f"/sign-in?next=/orders/{order.number}"
    wrong = await stranger.client.get(f"/orders/{order.number}?order_token=wrong")
    assert wrong.headers["location"] == f"/orders/{order.number}"
    asked = await stranger.get(f"/orders/{order.number}")
    assert "sign-in" in str(asked.url)
    assert "The link in our mail opens your order." in asked.text
    assert "in our mail" not in (await stranger.get("/sign-in")).text


async def test_wrong_fields_are_named_beside_them_and_what_was_typed_stays(
    shop: Storefront, slug: str
) -> None:
    guest = shop.visitor()
    checkout = await with_one_in_the_cart(guest, slug)
    wrong = HOME | {"zipcode": "0123", "email": "nobody", "street": ""}
    page = await guest.submit(checkout, "/checkout", **wrong)
    assert page.status_code == 422
    for field in ("zipcode", "email", "street"):
        assert f'id="e-{field}"' in page.text
    assert 'id="e-city"' not in page.text
    assert 'value="Asha Rao"' in page.text
    assert 'value="0123"' in page.text
    page = await guest.submit(page, "/checkout", **HOME | {"zipcode": "110001"})
    assert "110001 is not in Karnataka" in page.text
    assert await orders(shop) == ()
    assert (await guest.submit(page, "/checkout", **HOME)).status_code == 303


async def test_a_form_sent_twice_places_one_order(shop: Storefront, slug: str) -> None:
    guest = shop.visitor()
    checkout = await with_one_in_the_cart(guest, slug)
    first = await guest.submit(checkout, "/checkout", **HOME)
    second = await guest.submit(checkout, "/checkout", **HOME)
    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    assert len(await orders(shop)) == 1


async def test_a_price_that_changed_since_the_page_is_told_before_anything_is_ordered(
    shop: Storefront, slug: str
) -> None:
    guest = shop.visitor()
    checkout = await with_one_in_the_cart(guest, slug)
    await change(shop, slug, price=59_900)
    page = await guest.submit(checkout, "/checkout", **HOME)
    assert page.status_code == 409
    assert "The price has changed: the total is now ₹599" in page.text
    assert await orders(shop) == ()
    assert (await guest.submit(page, "/checkout", **HOME)).status_code == 303


async def change(shop: Storefront, slug: str, **variant: Any) -> None:
    title = variant.pop("title", None)
    async with shop.container() as scope:
        uow, products = await scope.get(UnitOfWork), await scope.get(Products)
        reads = await shop.container.get(CatalogReads)
        found = await reads.product(slug)
        async with uow.begin():
            product = await products.get(found.id)
            changed = replace(
                product,
                title=title or product.title,
                variants=tuple(replace(one, **variant) for one in product.variants),
            )
            await products.save([changed])


async def test_the_sums_are_those_of_the_delivery_that_is_chosen(
    shop: Storefront, slug: str
) -> None:
    guest = shop.visitor()
    checkout = await with_one_in_the_cart(guest, slug)
    assert sums(checkout) == ["Standard delivery", "Free", "₹499", "₹76.12"]
    again = await guest.submit(checkout, "/checkout", shipping_method="express")
    assert sums(again) == ["Express delivery", "₹149", "₹648", "₹98.85"]


def sums(page: httpx.Response) -> list[str]:
    return re.findall(r'data-sum="[a-z]+">([^<]*)<', page.text)


async def test_a_search_with_a_typo_offers_what_may_be_meant(shop: Storefront, slug: str) -> None:
    found = await shop.visitor().get("/search?q=thign")
    assert "0 products" in found.text
    assert f'href="/products/{slug}">Thing 1<' in found.text
    assert "Did you mean" not in (await shop.visitor().get("/search?q=qqqqqqqq")).text


async def test_what_is_priced_in_another_currency_is_shown_and_not_sold(
    shop: Storefront, slug: str
) -> None:
    [variant] = await stocked(shop.container, 5, currency="USD")
    visitor = shop.visitor()
    page = await visitor.get(f"/products/{await newest(shop)}")
    assert "Priced in USD" in page.text
    assert "Add to cart" not in page.text
    page = await visitor.get(f"/products/{slug}")
    answer = await visitor.send(page, "/cart/items", variant_id=str(variant))
    assert "cannot be bought here" in answer.text


async def test_an_order_that_costs_nothing_promises_no_refund(tmp_path: Path) -> None:
    async with a_storefront(tmp_path, shipping=Shipping(standard_amount=0)) as shop:
        await stocked(shop.container, 5, price=0)
        guest = shop.visitor()
        checkout = await with_one_in_the_cart(guest, await newest(shop))
        page = await guest.send(checkout, "/checkout", **HOME)
        assert "Nothing to pay" in page.text
        assert "Cancel this order" in page.text
        assert "is refunded" not in page.text


async def test_what_has_another_currency_by_now_is_named_at_the_checkout(
    shop: Storefront, slug: str
) -> None:
    guest = shop.visitor()
    checkout = await with_one_in_the_cart(guest, slug)
    found = await (await shop.container.get(CatalogReads)).product(slug)
    async with shop.container() as scope:  # as an import with another currency would
        uow, products = await scope.get(UnitOfWork), await scope.get(Products)
        async with uow.begin():
            await products.save([replace(await products.get(found.id), currency="USD")])
    page = await guest.submit(checkout, "/checkout", **HOME)
    assert page.status_code == 409
    assert "Thing 1 cannot be bought here any more. Please take it out of your cart." in page.text
    assert await orders(shop) == ()


async def test_a_range_of_prices_is_asked_in_the_currency_of_the_shop(tmp_path: Path) -> None:
    async with a_storefront(tmp_path, site=Site(currency="USD")) as shop:
        await with_shelves(shop, "Lamps")
        for path in ("/search?q=lamp", "/categories/lamps"):
            assert "Price ($)" in (await shop.visitor().get(path)).text


async def test_an_empty_shelf_is_no_search_that_failed_and_stays_out_of_the_menu(
    shop: Storefront, slug: str
) -> None:
    await with_shelves(shop, "Lamps")
    visitor = shop.visitor()
    empty = await visitor.get("/categories/lamps")
    assert "Nothing here yet" in empty.text
    assert 'href="/categories/lamps"' not in (await visitor.get(f"/products/{slug}")).text
    narrowed = await visitor.get("/categories/lamps?max=5")
    assert "No product here fits these filters." in narrowed.text
    assert "Nothing here yet" not in narrowed.text


async def test_a_shop_without_goods_offers_none(shop: Storefront) -> None:
    visitor = shop.visitor()
    nothing = await visitor.get("/search?q=kettle")
    assert "The shelves are still empty." in nothing.text
    assert "look through" not in nothing.text
    await with_shelves(shop, "Tea")
    empty = await visitor.get("/categories/tea")
    assert "This shelf is still empty." in empty.text
    assert "Look through another" not in empty.text


async def test_the_menu_shows_the_fullest_shelves_and_holds_all(shop: Storefront) -> None:
    names = [f"Shelf {n}" for n in range(9)]
    shelves = await with_shelves(shop, *names)
    await put(shop, *shelves[1:])
    assert "All categories" not in (await shop.visitor().get("/")).text
    await put(shop, *shelves, shelves[8])
    menu, _, below = (await shop.visitor().get("/")).text.partition("<details")
    listed, _, _ = below.partition("</details>")
    assert re.findall(r"Shelf \d", menu) == names[1:]
    assert re.findall(r"Shelf \d", listed) == names


async def test_what_has_no_picture_shows_its_first_letter(shop: Storefront, slug: str) -> None:
    for path in ("/", f"/products/{slug}"):
        assert 'data-initial="T"' in (await shop.visitor().get(path)).text


async def test_cash_on_delivery_leads_straight_to_the_confirmed_order(
    shop: Storefront, slug: str
) -> None:
    guest = shop.visitor()
    checkout = await with_one_in_the_cart(guest, slug)
    page = await guest.send(
        checkout, "/checkout", **HOME, payment_method="cod", shipping_method="express"
    )
    assert "Thank you for your order." in page.text
    assert "Confirmed" in page.text
    assert "₹648" in page.text
    again = await guest.get(str(page.url))
    [order] = await orders(shop)
    cancelled = await guest.send(again, f"/orders/{order.number}/cancel")
    assert "The order is cancelled." in cancelled.text


async def test_the_cart_takes_quantities_and_says_when_there_is_not_enough(
    shop: Storefront, slug: str
) -> None:
    guest = shop.visitor()
    product = await guest.get(f"/products/{slug}")
    assert "Only 5 left" in product.text
    refused = await guest.send(product, "/cart/items", quantity="9")
    assert "Only 5 left: please choose fewer." in refused.text
    assert "from 1 to 99" in (await guest.send(product, "/cart/items", quantity="0")).text
    assert "from 1 to 99" in (await guest.send(product, "/cart/items", quantity="x")).text
    cart = await guest.send(product, "/cart/items")
    [line] = [f.action for f in forms_of(cart) if re.fullmatch(r"/cart/items/[0-9a-f-]+", f.action)]
    assert "₹1,497" in (await guest.send(cart, line, quantity="3")).text
    unknown = await guest.send(await guest.get("/cart"), "/cart/coupon", code="NO-SUCH")
    assert unknown.status_code == 422
    assert "We do not know this coupon." in unknown.text
    assert "Nothing in it yet" in (await guest.send(cart, f"{line}/remove")).text


async def test_signing_in_brings_the_guests_cart_along_and_out_ends_the_session(
    shop: Storefront, slug: str
) -> None:
    await shop.person("asha@example.com")
    visitor = shop.visitor()
    await with_one_in_the_cart(visitor, slug)
    before = visitor.client.cookies["shop-visitor"]
    assert "Hello, Asha Rao" in (await visitor.sign_in("asha@example.com")).text
    assert visitor.client.cookies["shop-visitor"] != before
    assert "Thing 1" in (await visitor.get("/cart")).text
    kept = dict(visitor.client.cookies)
    await visitor.send(await visitor.get("/account"), "/sign-out")
    assert "shop-access" not in visitor.client.cookies
    thief = shop.visitor()
    thief.client.cookies.update(kept)
    assert "/sign-in" in str((await thief.get("/account")).url)


async def test_a_customer_orders_to_a_kept_address_and_finds_the_order_again(
    shop: Storefront, slug: str
) -> None:
    await shop.person("asha@example.com")
    visitor = shop.visitor()
    await visitor.sign_in("asha@example.com")
    address = {name: value for name, value in HOME.items() if name != "email"}
    cash = {"payment_method": "cod"}
    first = await with_one_in_the_cart(visitor, slug)
    assert 'value="Asha Rao"' in first.text  # as the account knows it
    await visitor.send(first, "/checkout", **address, **cash, keep_address="yes")
    second = await with_one_in_the_cart(visitor, slug)
    assert "12 Temple Street" in second.text
    none = await visitor.submit(second, "/checkout", **cash, address_id="no id")
    assert none.status_code == 422
    assert 'id="e-address_id"' in none.text
    page = await visitor.send(second, "/checkout", **cash)
    assert "Confirmed" in page.text
    both = await orders(shop)
    assert len(both) == 2
    listed = await visitor.get("/account/orders")
    assert all(order.number in listed.text for order in both)
    other = shop.visitor()
    await shop.person("ravi@example.com", name="Ravi")
    await other.sign_in("ravi@example.com")
    for order in both:
        assert (await other.get(f"/orders/{order.number}")).status_code == 404


async def test_an_address_abroad_says_where_it_is(shop: Storefront) -> None:
    await shop.person("asha@example.com")
    visitor = shop.visitor()
    await visitor.sign_in("asha@example.com")
    api = "/api/v1"
    who = {"email": "asha@example.com", "password": PASSWORD}
    token = (await visitor.client.post(f"{api}/login", json=who)).json()["access_token"]
    atlanta = {name: text for name, text in HOME.items() if name != "email"}
    atlanta |= {"city": "Atlanta", "zipcode": "30301", "state": "GA", "country": "US"}
    atlanta["phone"] = "+14045550123"
    made = await visitor.client.post(
        f"{api}/addresses", json=atlanta, headers={"Authorization": f"Bearer {token}"}
    )
    assert made.status_code == 201
    page = await visitor.get("/account/addresses")
    assert "Atlanta 30301<br>GA<br>United States<br>" in page.text


async def test_a_run_out_access_cookie_is_renewed_without_a_word(shop: Storefront) -> None:
    await shop.person("asha@example.com")
    visitor = shop.visitor()
    await visitor.sign_in("asha@example.com")
    visitor.client.cookies.delete("shop-access")
    assert "Hello, Asha Rao" in (await visitor.get("/account")).text
    assert "shop-access" in visitor.client.cookies


async def test_cookies_are_kept_from_scripts_and_from_other_sites(tmp_path: Path) -> None:
    async with a_storefront(tmp_path, site=Site(url=Url("https://shop.example"))) as shop:
        answer = await shop.visitor("https://shop.example").client.get("/sign-in")
        [cookie] = answer.headers.get_list("set-cookie")
    assert cookie.startswith("__Host-shop-visitor=")
    for part in ("HttpOnly", "SameSite=Lax", "Secure", "Path=/"):
        assert part in cookie


async def test_a_new_account_is_signed_in_and_keeps_addresses(shop: Storefront) -> None:
    visitor = shop.visitor()
    page = await visitor.get("/sign-up")
    person = {"name": "Ravi", "email": "ravi@example.com", "contact": ""}
    weak = await visitor.send(page, "/sign-up", **person, password="short")
    assert weak.status_code == 422
    assert 'id="e-password"' in weak.text
    assert 'value="ravi@example.com"' in weak.text
    empty = await visitor.send(page, "/sign-up")
    assert empty.text.count("Please fill this in.") == 3
    wrong = {"name": "Ravi", "email": "ravi", "contact": "12", "password": "short"}
    all_wrong = await visitor.send(page, "/sign-up", **wrong)
    for field in ("email", "contact", "password"):
        assert f'id="e-{field}"' in all_wrong.text
    account = await visitor.send(page, "/sign-up", **person, password=PASSWORD)
    assert "Your account is ready" in account.text
    form = await visitor.get("/account/addresses/new")
    address = {name: value for name, value in HOME.items() if name != "email"}
    listed = await visitor.send(form, "/account/addresses/new", **address)
    assert "12 Temple Street" in listed.text
    others = await shop.visitor().send(await visitor.get("/account"), "/account", name="Thief")
    assert others.status_code == 403


async def mailed(shop: Storefront, recipient: str) -> str:
    """The path of the link in the newest mail to somebody."""
    reads = await shop.container.get(EmailReads)
    page = await reads.page(EmailFilter(recipient=recipient), 1, None)
    mail = (await shop.container.get(SealedLinks)).open(page.items[0])
    found = re.search(rf"{SITE}(/\S+token=\S+)", mail.text)
    assert found
    return found[1]


async def test_a_mailed_link_proves_the_address_only_when_its_button_is_pressed(
    shop: Storefront,
) -> None:
    visitor = shop.visitor()
    await visitor.send(
        await visitor.get("/sign-up"),
        "/sign-up",
        name="Ravi",
        email="ravi@example.com",
        password=PASSWORD,
    )
    link = await mailed(shop, "ravi@example.com")
    scanner = shop.visitor()
    await scanner.get(link)
    await scanner.get(link)
    assert "Please confirm your e-mail" in (await visitor.get("/account")).text
    page = await visitor.get(link)
    assert "is confirmed" in (await visitor.send(page, "/verify-email")).text
    assert "Please confirm your e-mail" not in (await visitor.get("/account")).text
    assert (await visitor.send(page, "/verify-email")).status_code == 410
    assert (await visitor.send(page, "/verify-email", token="nonsense")).status_code == 400


async def test_a_forgotten_password_is_replaced_by_the_mailed_link(shop: Storefront) -> None:
    await shop.person("asha@example.com")
    visitor = shop.visitor()
    page = await visitor.get("/forgot-password")
    for email in ("nobody@example.com", "asha@example.com"):
        told = await visitor.send(page, "/forgot-password", email=email)
        assert "If there is such an account" in told.text
    page = await visitor.get(await mailed(shop, "asha@example.com"))
    weak = await visitor.send(page, "/reset-password", password="short")
    assert 'id="e-password"' in weak.text
    done = await visitor.send(page, "/reset-password", password="four green kettles")
    assert "Your password is changed" in done.text
    assert (await visitor.sign_in("asha@example.com")).status_code == 401
    used = await visitor.send(page, "/reset-password", password="five green kettles")
    assert used.status_code == 422


async def test_the_password_and_the_devices_are_in_the_customers_hand(shop: Storefront) -> None:
    await shop.person("asha@example.com")
    here, there = shop.visitor(), shop.visitor()
    there.client.headers["User-Agent"] = "Mozilla/5.0 (Windows NT 10.0) Firefox/150.0"
    for visitor in (here, there):
        await visitor.sign_in("asha@example.com")
    page = await here.get("/account/security")
    assert "This device" in page.text
    assert "Firefox on Windows" in page.text
    [end] = [form.action for form in forms_of(page) if form.action.endswith("/end")]
    assert "That device is signed out." in (await here.send(page, end)).text
    assert "/sign-in" in str((await there.get("/account")).url)
    new = {"new_password": "four green kettles"}
    wrong = await here.send(page, "/account/password", current_password="no", **new)
    assert 'id="e-current_password"' in wrong.text
    done = await here.send(page, "/account/password", current_password=PASSWORD, **new)
    assert "your other devices are signed out" in done.text


async def test_the_profile_keeps_what_was_typed_and_a_new_address_waits(shop: Storefront) -> None:
    await shop.person("asha@example.com")
    visitor = shop.visitor()
    await visitor.sign_in("asha@example.com")
    page = await visitor.get("/account")
    wrong = await visitor.send(page, "/account", name="", email="asha", contact="12")
    for field in ("name", "email", "contact"):
        assert f'id="e-{field}"' in wrong.text
    assert 'value="12"' in wrong.text
    saved = await visitor.send(page, "/account", name="Asha R", email="new@example.com")
    assert "Hello, Asha R" in saved.text
    assert "new@example.com waits to be confirmed" in saved.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
    ],
)
async def test_forms_from_other_sites_are_refused(
    shop: Storefront, slug: str, headers: dict[str, str]
) -> None:
    guest = shop.visitor()
    page = await guest.get(f"/products/{slug}")
    refused = await guest.submit_with(headers, page, "/cart/items")
    assert refused.status_code == 403
    own = {"Origin": SITE, "Sec-Fetch-Site": "same-origin"}
    assert (await guest.submit_with(own, page, "/cart/items")).status_code == 303


@pytest.mark.parametrize("token", ["", "x", "é", "A" * 43])
async def test_forms_without_the_visitors_own_token_are_refused(
    shop: Storefront, slug: str, token: str
) -> None:
    guest = shop.visitor()
    page = await guest.get(f"/products/{slug}")
    assert (await guest.submit(page, "/cart/items", csrf=token)).status_code == 403
    others = await shop.visitor().get(f"/products/{slug}")
    assert (await guest.submit(others, "/cart/items")).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/ok\r\nSet-Cookie: a=b",
        "",
    ],
)
async def test_nobody_is_led_to_another_site(shop: Storefront, path: str) -> None:
    assert local_path(path) == "/"
    await shop.person("asha@example.com")
    visitor = shop.visitor()
    page = await visitor.get("/sign-in", params={"next": path})
    answer = await visitor.submit(
        page, "/sign-in", email="asha@example.com", password=PASSWORD, next=path
    )
    assert answer.headers["location"] == "/account"


async def test_a_review_without_stars_comes_back_with_its_words(
    shop: Storefront, slug: str
) -> None:
    await shop.person("a@example.com")
    visitor = shop.visitor()
    await visitor.sign_in("a@example.com")
    here = f"/products/{slug}"
    page = await visitor.get(here)
    said = {"title": "Fits", "body": "Fits well <b>indeed</b>."}
    for stars in ("", "6", "many"):
        back = await visitor.submit(page, f"{here}/reviews", rating=stars, **said)
        assert back.status_code == 422
        assert "Please give one to five stars." in back.text
        assert 'aria-describedby="e-rating"' in back.text
        assert 'value="Fits"' in back.text
        assert "Fits well &lt;b&gt;indeed&lt;/b&gt;.</textarea>" in back.text
        assert inline_code(back) == []
    empty = await visitor.submit(page, f"{here}/reviews", rating="4", title=" ", body="Fine.")
    assert (empty.status_code, 'id="e-title"' in empty.text) == (422, True)
    assert '<option value="4" selected>' in empty.text
    sent = await visitor.send(back, f"{here}/reviews", rating="5", **said)
    assert "Only customers who received this product can review it." in sent.text


async def test_what_people_write_is_shown_as_text(shop: Storefront, slug: str) -> None:
    await change(shop, slug, title=f"Mug {XSS}")
    visitor = shop.visitor()
    pages = [
        await visitor.get("/"),
        await visitor.get(f"/products/{slug}"),
        await visitor.get("/search", params={"q": XSS, "min": XSS, "brand": XSS}),
        await visitor.get("/sign-in", params={"next": f"/{XSS}"}),
        await visitor.get(f"/nowhere/{XSS}"),
        await visitor.get("/verify-email", params={"token": XSS}),
    ]
    checkout = await with_one_in_the_cart(visitor, slug)
    pages.append(await visitor.submit(checkout, "/checkout", **(HOME | {"email": XSS})))
    for page in pages:
        assert XSS not in page.text
        assert inline_code(page) == []
    assert escape(f"Mug {XSS}") in pages[0].text.replace("&#34;", "&quot;")


async def test_every_page_forbids_inline_code_and_has_none(shop: Storefront, slug: str) -> None:
    visitor = shop.visitor()
    for path in ("/", f"/products/{slug}", "/cart", "/search?q=x", "/sign-in", "/sign-up", "/no"):
        page = await visitor.get(path)
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert inline_code(page) == []
        assert 'href="#content"' in page.text
        assert page.headers["cache-control"] in {"no-store", "private, no-cache"}


async def test_headings_leave_out_no_level(shop: Storefront, slug: str) -> None:
    visitor = shop.visitor()
    for path in ("/", f"/products/{slug}", "/search", "/search?q=nothing-such", "/cart"):
        page = await visitor.get(path)
        levels = [int(level) for level in re.findall(r"<h([1-6])", page.text)]
        assert levels.count(1) == 1, path
        assert all(b <= a + 1 for a, b in pairwise(levels)), path


async def test_the_back_office_is_not_there_for_customers(shop: Storefront) -> None:
    await shop.person("asha@example.com")
    customer, nobody = shop.visitor(), shop.visitor()
    await customer.sign_in("asha@example.com")
    for path in ("/admin", "/admin/orders", "/admin/products", "/admin/products/new"):
        assert (await customer.get(path)).status_code == 404
        asked = await nobody.client.get(path)
        assert asked.headers["location"] == f"/sign-in?next={path}"
    account = await customer.get("/account")
    [token] = {form.fields["csrf"] for form in forms_of(account) if "csrf" in form.fields}
    posted = await customer.client.post("/admin/products/new", data={"csrf": token, "title": "x"})
    assert posted.status_code == 404


async def test_staff_pack_ship_deliver_and_refund(shop: Storefront, slug: str) -> None:
    guest = shop.visitor()
    answer = await guest.submit(await with_one_in_the_cart(guest, slug), "/checkout", **HOME)
    gateway = answer.headers["location"]
    back = await guest.client.post(gateway, data={"outcome": "success"})
    await guest.get(back.headers["location"])
    await shop.person("staff@example.com", Role.STAFF)
    staff = shop.visitor()
    await staff.sign_in("staff@example.com")
    [order] = await orders(shop)
    here = f"/admin/orders/{order.number}"
    found = await staff.get("/admin/orders", params={"text": "buyer@", "status": "confirmed"})
    assert order.number in found.text
    assert '<body class="back">' in found.text  # its head has a colour of its own
    sku = f"SKU {order.lines[0].sku}"
    assert sku in (await staff.get(here)).text
    assert sku not in (await guest.get(f"/orders/{order.number}")).text
    page = await staff.send(await staff.get(here), f"{here}/pack")
    empty = await staff.send(page, f"{here}/ship")
    assert empty.status_code == 422
    assert 'id="e-carrier"' in empty.text
    assert 'id="e-tracking_number"' in empty.text
    page = await staff.send(page, f"{here}/ship", carrier="Blue Post", tracking_number="T1")
    assert "Handed to Blue Post" in page.text
    assert "T1" in (await guest.get(f"/orders/{order.number}")).text
    page = await staff.send(page, f"{here}/deliver")
    assert "Delivered" in page.text
    too_much = await staff.send(page, f"{here}/refund", amount="9999", reason="Broken")
    assert "more than can still be refunded" in too_much.text
    wrong = await staff.submit(page, f"{here}/refund", amount="much", reason="Broken")
    assert "<details open><summary>Refund" in wrong.text  # or nobody sees what is wrong
    typed = {"amount": "100.50", "reason": "A chip"}
    once = await staff.submit(page, f"{here}/refund", **typed)
    twice = await staff.submit(page, f"{here}/refund", **typed)
    assert once.status_code == twice.status_code == 303
    done = await staff.get(here)
    assert done.text.count("Refund ₹100.50") == 1
    told = (await guest.get(f"/orders/{order.number}")).text
    assert "Refund asked for: A chip (₹100.50)" in told
    assert (await staff.get("/admin")).status_code == 200


async def test_staff_make_and_change_products(shop: Storefront) -> None:
    await shop.person("staff@example.com", Role.STAFF)
    staff = shop.visitor()
    await staff.sign_in("staff@example.com")
    new = await staff.get("/admin/products/new")
    typed = {
        "title": "Brass lamp",
        "description": "<p>Warm</p><script>alert(1)</script>",
        "price": "1,29,900",
        "stock": "7",
        "status": "active",
        "tags": "light, brass",
    }
    wrong = await staff.submit(new, "/admin/products/new", **(typed | {"price": "much"}))
    assert wrong.status_code == 422
    assert 'id="e-price"' in wrong.text
    page = await staff.send(new, "/admin/products/new", **typed)
    edit = urlsplit(str(page.url)).path
    slug = await newest(shop)
    shown = await shop.visitor().get(f"/products/{slug}")
    assert "₹1,29,900" in shown.text
    assert "alert(1)" not in shown.text
    [price] = [n for f in forms_of(page) for n in f.fields if n.startswith("price_")]
    await staff.send(page, edit, **{price: "999.50"})
    moved = await staff.send(page, f"{edit}/stock", delta="-3", reason="broken")
    assert "4 to sell" in moved.text
    shown = await shop.visitor().get(f"/products/{slug}")
    assert "₹999.50" in shown.text
    assert "Only 4 left" in shown.text


async def test_pages_that_do_not_exist_are_pages_for_people_and_problems_for_programs(
    shop: Storefront,
) -> None:
    visitor = shop.visitor()
    for path in ("/nowhere", "/products/nothing", "/categories/nothing", "/orders"):
        page = await visitor.get(path)
        assert page.status_code == 404
        assert "We cannot find this page" in page.text
        assert page.headers["content-type"].startswith("text/html")
    reloaded = await visitor.get("/cart/coupon")  # where a refused form was shown
    assert reloaded.status_code == 405
    assert "go back to the page that you filled in" in reloaded.text
    api = await visitor.get("/api/v1/products/nothing")
    assert api.headers["content-type"] == "application/problem+json"


async def test_styles_are_kept_for_good_under_an_address_of_their_content(
    shop: Storefront,
) -> None:
    visitor = shop.visitor()
    asset = look_of("").assets["shop.css"]
    assert asset.url in (await visitor.get("/")).text
    style = await visitor.get(asset.url)
    assert "immutable" in style.headers["cache-control"]
    assert style.headers["content-type"].startswith("text/css")
    etag = style.headers["etag"]
    assert (await visitor.get(asset.url, headers={"If-None-Match": etag})).status_code == 304
    assert "immutable" not in (await visitor.get("/static/shop.css")).headers["cache-control"]
    assert (await visitor.get("/static/..%2fshop.css")).status_code == 404
    assert "Disallow: /" in (await visitor.get("/robots.txt")).text


async def test_api_calls_never_look_at_cookies(shop: Storefront) -> None:
    await shop.person("asha@example.com")
    visitor = shop.visitor()
    await visitor.sign_in("asha@example.com")
    assert (await visitor.get("/api/v1/me")).status_code == 401


@pytest.mark.parametrize(
    ("paise", "written"),
    [
        (0, "₹0"),
        (99, "₹0.99"),
        (100_000, "₹1,000"),
        (12_990_000, "₹1,29,900"),
        (12_990_050, "₹1,29,900.50"),
        (1_234_567_800, "₹1,23,45,678"),
    ],
)
def test_rupees_are_grouped_as_in_india(paise: int, written: str) -> None:
    assert money(Money(paise, "INR")) == written
    assert amount(written, "price") == paise


def test_other_currencies_are_grouped_in_thousands() -> None:
    assert money(Money(123_456_789, "USD")) == "$1,234,567.89"
    assert money(Money(100_000, "AED")) == "AED 1,000"
