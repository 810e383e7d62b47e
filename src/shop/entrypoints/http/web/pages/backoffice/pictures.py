"""Pictures of a product."""

from uuid import UUID

from litestar.params import FromPath

from shop.core.catalog.model import LONGEST_TITLE
from shop.core.catalog.pictures import MOST_BYTES
from shop.core.catalog.service import Assortment, Gallery, ProductDraft
from shop.core.catalog.stockist import Stockist
from shop.core.kernel.errors import Invalid, Malformed
from shop.core.kernel.ids import ProductId
from shop.core.users.postal import line
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.forms import Errors, Form
from shop.entrypoints.http.web.pages.backoffice.entry import staff
from shop.entrypoints.http.web.pages.backoffice.products import product_page, typed_of
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import form
from shop.entrypoints.http.web.visit import Visit
from shop.entrypoints.http.web.visited import visited
from shop.ports.catalog import CatalogReads


@form("/admin/products/{product_id:uuid}/pictures")
@visited
async def add_picture(
    product_id: FromPath[UUID],
    visit: Visit,
    reads: Given[CatalogReads],
    stockist: Given[Stockist],
    gallery: Given[Gallery],
) -> Reply:
    """The first bytes of the file, not its name, say what it is."""
    staff(visit)
    found, stock = await stockist.product(visit.caller, ProductId(product_id))
    errors = Errors()
    try:
        with errors.gathered():
            upload = visit.form.files.get("picture")
            if upload is None:
                raise Malformed("Please choose a file.", field="picture")
            alt = line(visit.form["alt"][:LONGEST_TITLE], "alt", empty=True)
            body = await upload.read(MOST_BYTES + 1)
            await gallery.add(visit.caller, found.id, body, alt)
    except Invalid as no:
        errors["picture"] = no.detail
    if errors:
        shown = Form(typed_of(found) | visit.form)
        return await product_page(visit, reads, found, stock, shown, errors)
    return visit.see(f"/admin/products/{found.id}", "saved")


@form("/admin/products/{product_id:uuid}/pictures/remove")
@visited
async def remove_picture(
    product_id: FromPath[UUID],
    visit: Visit,
    stockist: Given[Stockist],
    assortment: Given[Assortment],
) -> Reply:
    """Take it from the product; the file stays, as orders and mails may show it."""
    staff(visit)
    found, _ = await stockist.product(visit.caller, ProductId(product_id))
    left = tuple(one for one in found.images if one.url != visit.form["url"])
    if len(left) < len(found.images):
        await assortment.update(visit.caller, found.id, ProductDraft(images=left))
    return visit.see(f"/admin/products/{found.id}", "removed")


ROUTES = (add_picture, remove_picture)
