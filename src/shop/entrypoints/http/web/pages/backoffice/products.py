"""Products: what they are, what they cost, how many there are."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import msgspec
from litestar.params import FromPath
from msgspec import UNSET, UnsetType

from shop.adapters.feeds.text import safe_html
from shop.core.catalog.model import LONGEST_TITLE, NotSellable, Product, ProductStatus, Variant
from shop.core.catalog.service import Assortment, CatalogTerms, ProductDraft
from shop.core.catalog.stockist import Stockist
from shop.core.catalog.variants import VariantDraft
from shop.core.catalog.words import words_of
from shop.core.inventory.model import OutOfStock
from shop.core.inventory.service import Adjust, Stockroom
from shop.core.kernel.errors import Invalid, Malformed
from shop.core.kernel.ids import CategoryId, ProductId, VariantId
from shop.core.users.postal import line
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.forms import Errors, Form, amount, percentage
from shop.entrypoints.http.web.pages.backoffice.categories import shelves
from shop.entrypoints.http.web.pages.backoffice.entry import PAGE, UNFIT, cursor, staff
from shop.entrypoints.http.web.rendering import plain, rate
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import form, page
from shop.entrypoints.http.web.visit import Visit
from shop.entrypoints.http.web.visited import visited
from shop.ports.catalog import CatalogReads

_HSN = re.compile("[0-9]{0,8}")


@page("/admin/products")
@visited
async def products(visit: Visit, stockist: Given[Stockist]) -> Reply:
    staff(visit)
    text = visit.request.query_params.get("text", "").strip()[:100]
    found = await stockist.products(visit.caller, words_of(text), PAGE, cursor(visit))
    return await visit.page(
        "admin/products.html",
        products=[(one, *_available(one, stock)) for one, stock in found.items],
        cursor=found.next_cursor,
        text=text,
    )


def _available(product: Product, stock: dict[VariantId, int]) -> tuple[int, bool]:
    """How many pieces there are, and whether buyers see the product as sold out."""
    pieces = sum(stock.get(one.id, 0) for one in product.variants if not one.withdrawn)
    sold = [one for one in product.variants if product.on_sale(one)]
    return pieces, bool(sold) and not any(stock.get(one.id, 0) > 0 for one in sold)


@page("/admin/products/new")
@visited
async def new_product(
    visit: Visit, reads: Given[CatalogReads], terms: Given[CatalogTerms]
) -> Reply:
    staff(visit)
    blank = Form(status="draft", tax=rate(terms.tax_basis_points))
    return await product_page(visit, reads, None, {}, blank, Errors(), terms.currency)


@page("/admin/products/{product_id:uuid}")
@visited
async def product(
    product_id: FromPath[UUID],
    visit: Visit,
    reads: Given[CatalogReads],
    stockist: Given[Stockist],
) -> Reply:
    staff(visit)
    found, stock = await stockist.product(visit.caller, ProductId(product_id))
    return await product_page(visit, reads, found, stock, typed_of(found), Errors())


def typed_of(product: Product) -> Form:
    typed = Form(
        title=product.title,
        brand=product.brand,
        status=product.status,
        description=product.description_html,
        tags=", ".join(product.tags),
        tax=rate(product.tax_basis_points),
        hsn=product.hsn,
    )
    typed |= {f"category_{one}": "yes" for one in product.categories}
    for variant in product.variants:
        typed[f"price_{variant.id}"] = plain(variant.price)
        typed[f"compare_{variant.id}"] = plain(variant.compare_at)
    return typed


async def product_page(
    visit: Visit,
    reads: CatalogReads,
    product: Product | None,
    stock: dict[VariantId, int],
    typed: Form,
    errors: Errors,
    currency: str = "",
) -> Reply:
    """`currency` is that of a product which is not there yet."""
    return await visit.page(
        "admin/product.html",
        http_status=UNFIT if errors else 200,
        product=product,
        currency=product.currency if product else currency,
        stock=stock,
        form=typed,
        errors=errors,
        key=visit.new_secret(),
        shelves=shelves(await reads.tree()),
        statuses=list(ProductStatus),
    )


@form("/admin/products/new")
@visited
async def create_product(
    visit: Visit,
    reads: Given[CatalogReads],
    assortment: Given[Assortment],
    stockroom: Given[Stockroom],
    terms: Given[CatalogTerms],
) -> Reply:
    staff(visit)
    typed, errors = visit.form, Errors()
    draft = _draft(typed, errors, [])
    pieces = 0
    with errors.gathered():
        pieces = typed.count("stock") if typed.text("stock") else 0
    with errors.gathered():
        price = amount(typed["price"], "price") if typed.text("price") else None
        variant = VariantDraft(price=price, sku=line(typed["sku"][:255], "sku", empty=True))
        draft = msgspec.structs.replace(draft, variants=(variant,))
    made: Product | None = None
    if not errors:
        with understood(errors):
            made = await assortment.create(visit.caller, draft)
    if made is None:
        return await product_page(visit, reads, None, {}, typed, errors, terms.currency)
    if pieces > 0:
        command = Adjust(variant_id=made.variants[0].id, delta=pieces, reason="First stock")
        await stockroom.adjust(visit.caller, command)
    return visit.see(f"/admin/products/{made.id}", "saved")


@form("/admin/products/{product_id:uuid}")
@visited
async def change_product(
    product_id: FromPath[UUID],
    visit: Visit,
    reads: Given[CatalogReads],
    stockist: Given[Stockist],
    assortment: Given[Assortment],
) -> Reply:
    staff(visit)
    found, stock = await stockist.product(visit.caller, ProductId(product_id))
    errors = Errors()
    draft = _draft(visit.form, errors, [one for one in found.variants if not one.withdrawn])
    if not errors:
        with understood(errors):
            await assortment.update(visit.caller, found.id, draft)
    if errors:
        return await product_page(visit, reads, found, stock, visit.form, errors)
    return visit.see(f"/admin/products/{found.id}", "saved")


@contextmanager
def understood(errors: Errors) -> Iterator[None]:
    try:
        with errors.gathered():
            yield
    except NotSellable:
        errors["status"] = "An active product needs a price."
    except Invalid as no:
        errors[""] = no.detail


def _draft(typed: Form, errors: Errors, variants: list[Variant]) -> ProductDraft:
    """What the form says; of variants it changes the prices, the rest stays."""
    title = ""
    with errors.gathered():
        title = line(typed["title"][:LONGEST_TITLE], "title")
    status = typed["status"]
    if status not in set(ProductStatus):
        errors["status"] = "Please choose one."
    drafts = []
    for one in variants:
        with errors.gathered():
            drafts.append(
                VariantDraft(
                    id=one.id,
                    price=optional(typed, f"price_{one.id}"),
                    compare_at=optional(typed, f"compare_{one.id}"),
                )
            )
    # A theme's own form may be older than these two fields.
    tax: int | UnsetType = UNSET
    with errors.gathered():
        tax = percentage(typed["tax"], "tax") if "tax" in typed else UNSET
    hsn: str | UnsetType = UNSET
    with errors.gathered():
        hsn = _hsn(typed["hsn"]) if "hsn" in typed else UNSET
    tags = (line(tag[:255], "tags", empty=True) for tag in typed["tags"].split(","))
    return ProductDraft(
        title=title,
        status=ProductStatus(status) if status in set(ProductStatus) else UNSET,
        description_html=safe_html(typed["description"][:60_000])[0],
        brand=line(typed["brand"][:255], "brand", empty=True),
        categories=tuple(_categories(typed)),
        tags=tuple(dict.fromkeys(tag for tag in tags if tag)),
        hsn=hsn,
        tax_basis_points=tax,
        variants=tuple(drafts) if variants else UNSET,
    )


def _hsn(text: str) -> str:
    """`6912.00` and `6912 00` are usual ways to write 691200. Raises `Malformed`."""
    digits = text.replace(".", "").replace(" ", "")
    if not _HSN.fullmatch(digits):
        raise Malformed("An HSN code has up to 8 digits, such as 6912.", field="hsn")
    return digits


def optional(typed: Form, name: str) -> int | None:
    return amount(typed[name], name) if typed.text(name) else None


def _categories(typed: Form) -> Iterator[CategoryId]:
    for name in typed:
        if name.startswith("category_"):
            try:
                yield CategoryId(UUID(name.removeprefix("category_")))
            except ValueError:
                raise Malformed("There is no such category.", field="categories") from None


@form("/admin/products/{product_id:uuid}/stock")
@visited
async def adjust_stock(
    product_id: FromPath[UUID],
    visit: Visit,
    reads: Given[CatalogReads],
    stockist: Given[Stockist],
    stockroom: Given[Stockroom],
) -> Reply:
    staff(visit)
    found, stock = await stockist.product(visit.caller, ProductId(product_id))
    errors = Errors()
    try:
        with errors.gathered():
            attempt = visit.attempt(f"stock of {found.id}")
            command = Adjust(
                variant_id=_variant(visit.form["variant_id"], found),
                delta=visit.form.count("delta"),
                reason=line(visit.form["reason"][:255], "reason", empty=True),
                key=attempt.key.key if attempt else None,
                digest=attempt.digest if attempt else b"",
            )
            await stockroom.adjust(visit.caller, command)
    except (OutOfStock, Invalid) as no:
        errors["delta"] = no.detail
    if errors:
        return await product_page(visit, reads, found, stock, typed_of(found), errors)
    return visit.see(f"/admin/products/{found.id}", "saved")


def _variant(text: str, product: Product) -> VariantId:
    for one in product.variants:
        if str(one.id) == text:
            return one.id
    raise Malformed("Please choose a variant.", field="variant_id")


ROUTES = (products, new_product, product, create_product, change_product, adjust_stock)
