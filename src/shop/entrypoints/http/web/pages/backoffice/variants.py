"""Variants of a product: one more, or one less."""

from uuid import UUID

from litestar.params import FromPath

from shop.core.catalog.model import NotSellable, VariantExists
from shop.core.catalog.stockist import Stockist
from shop.core.catalog.variants import VariantDraft, VariantKeeping
from shop.core.inventory.service import MOST_MOVED, Adjust, Stockroom
from shop.core.kernel.errors import Invalid, Malformed
from shop.core.kernel.ids import ProductId, VariantId
from shop.core.users.postal import line
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.forms import Errors, Form
from shop.entrypoints.http.web.pages.backoffice.entry import staff
from shop.entrypoints.http.web.pages.backoffice.products import optional, product_page, typed_of
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import form
from shop.entrypoints.http.web.visit import Visit
from shop.entrypoints.http.web.visited import visited
from shop.ports.catalog import CatalogReads

#: Names of the fields, which stand on one page with those of the product.
_OPTIONS, _PRICE, _COMPARE, _SKU, _STOCK = (
    f"new_{name}" for name in ("options", "price", "compare", "sku", "stock")
)


@form("/admin/products/{product_id:uuid}/variants")
@visited
async def add_variant(
    product_id: FromPath[UUID],
    visit: Visit,
    reads: Given[CatalogReads],
    stockist: Given[Stockist],
    keeping: Given[VariantKeeping],
    stockroom: Given[Stockroom],
) -> Reply:
    staff(visit)
    found, stock = await stockist.product(visit.caller, ProductId(product_id))
    typed, errors = visit.form, Errors()
    pieces, draft = 0, VariantDraft()
    with errors.gathered():
        pieces = typed.count(_STOCK) if typed.text(_STOCK) else 0
        if not 0 <= pieces <= MOST_MOVED:
            raise Malformed("Please write how many pieces there are.", field=_STOCK)
    with errors.gathered():
        draft = VariantDraft(
            options=_options(typed),
            price=optional(typed, _PRICE),
            compare_at=optional(typed, _COMPARE),
            sku=line(typed[_SKU][:255], _SKU, empty=True),
        )
    if not errors:
        try:
            made = await keeping.add(visit.caller, found.id, draft)
        except (VariantExists, Invalid) as no:
            errors[_OPTIONS] = no.detail
        else:
            if pieces:
                command = Adjust(variant_id=made.id, delta=pieces, reason="First stock")
                await stockroom.adjust(visit.caller, command)
            return visit.see(f"/admin/products/{found.id}", "saved")
    shown = Form(typed_of(found) | typed)
    return await product_page(visit, reads, found, stock, shown, errors)


def _options(typed: Form) -> tuple[tuple[str, str], ...]:
    """`Size: M, Colour: Red`. Raises `Malformed`."""
    pairs = []
    for part in typed[_OPTIONS].split(","):
        name, colon, value = part.partition(":")
        if not (colon and name.strip() and value.strip()) or len(part) > 255:  # noqa: PLR2004
            raise Malformed("Please write it as Size: M, Colour: Red.", field=_OPTIONS)
        pairs.append((line(name, _OPTIONS), line(value, _OPTIONS)))
    if len(dict(pairs)) < len(pairs):
        raise Malformed("Each option once, please.", field=_OPTIONS)
    return tuple(pairs)


@form("/admin/products/{product_id:uuid}/variants/{variant_id:uuid}/withdraw")
@visited
async def withdraw_variant(
    product_id: FromPath[UUID],
    variant_id: FromPath[UUID],
    visit: Visit,
    keeping: Given[VariantKeeping],
) -> Reply:
    staff(visit)
    here = f"/admin/products/{product_id}"
    try:
        await keeping.withdraw(visit.caller, ProductId(product_id), VariantId(variant_id))
    except NotSellable:
        return visit.see(here, "last-variant")
    return visit.see(here, "removed")


ROUTES = (add_variant, withdraw_variant)
