"""The tree of categories."""

from collections.abc import Iterator
from uuid import UUID

from litestar.params import FromPath
from msgspec import Struct

from shop.core.catalog.model import CategoryInUse, CategoryLoop, CategoryNotFound, SlugTaken
from shop.core.catalog.service import CategoryDraft, CategoryKeeping
from shop.core.catalog.views import CategoryNode
from shop.core.kernel.errors import Invalid, Malformed
from shop.core.kernel.ids import CategoryId
from shop.core.users.postal import line
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.forms import Errors, Form
from shop.entrypoints.http.web.pages.backoffice.entry import UNFIT, staff
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import form, page
from shop.entrypoints.http.web.visit import Visit
from shop.entrypoints.http.web.visited import visited
from shop.ports.catalog import CatalogReads

_LIST = "/admin/categories"


class Shelf(Struct, frozen=True):
    """A category with the names of those above it."""

    id: CategoryId
    parent_id: CategoryId | None
    name: str
    full_name: str
    slug: str
    path: str
    depth: int
    product_count: int


def walked(nodes: tuple[CategoryNode, ...], above: Shelf | None = None) -> Iterator[Shelf]:
    """Every category, each one before those that stand in it."""
    for node in nodes:
        shelf = Shelf(
            id=node.id,
            parent_id=above.id if above else None,
            name=node.name,
            full_name=f"{above.full_name} › {node.name}" if above else node.name,  # noqa: RUF001 - an arrow
            slug=node.slug,
            path=node.path,
            depth=above.depth + 1 if above else 0,
            product_count=node.product_count,
        )
        yield shelf
        yield from walked(node.children, shelf)


def shelves(nodes: tuple[CategoryNode, ...]) -> list[tuple[CategoryId, str]]:
    """Ids and whole names, to choose from."""
    return [(shelf.id, shelf.full_name) for shelf in walked(nodes)]


@page(_LIST)
@visited
async def categories(visit: Visit, reads: Given[CatalogReads]) -> Reply:
    staff(visit)
    return await visit.page("admin/categories.html", shelves=list(walked(await reads.tree())))


@page(f"{_LIST}/new")
@visited
async def new_category(visit: Visit, reads: Given[CatalogReads]) -> Reply:
    staff(visit)
    typed = Form(parent=visit.request.query_params.get("parent", ""))
    return await _page(visit, reads, None, typed, Errors())


@form(f"{_LIST}/new")
@visited
async def create_category(
    visit: Visit, reads: Given[CatalogReads], keeping: Given[CategoryKeeping]
) -> Reply:
    staff(visit)
    errors = Errors()
    draft = _draft(visit.form, errors)
    if not errors:
        try:
            await keeping.create(visit.caller, draft)
        except (SlugTaken, Invalid, CategoryNotFound) as no:
            _note(errors, no)
    if errors:
        return await _page(visit, reads, None, visit.form, errors)
    return visit.see(_LIST, "saved")


@page(f"{_LIST}/{{category_id:uuid}}")
@visited
async def category(category_id: FromPath[UUID], visit: Visit, reads: Given[CatalogReads]) -> Reply:
    staff(visit)
    shelf = _one(list(walked(await reads.tree())), category_id)
    typed = Form(name=shelf.name, slug=shelf.slug, parent=str(shelf.parent_id or ""))
    return await _page(visit, reads, shelf, typed, Errors())


@form(f"{_LIST}/{{category_id:uuid}}")
@visited
async def change_category(
    category_id: FromPath[UUID],
    visit: Visit,
    reads: Given[CatalogReads],
    keeping: Given[CategoryKeeping],
) -> Reply:
    """Rename or move it, with everything below."""
    staff(visit)
    shelf = _one(list(walked(await reads.tree())), category_id)
    errors = Errors()
    draft = _draft(visit.form, errors)
    if not errors:
        try:
            await keeping.update(visit.caller, shelf.id, draft)
        except (SlugTaken, Invalid, CategoryNotFound) as no:
            _note(errors, no)
    if errors:
        return await _page(visit, reads, shelf, visit.form, errors)
    return visit.see(_LIST, "saved")


@form(f"{_LIST}/{{category_id:uuid}}/remove")
@visited
async def remove_category(
    category_id: FromPath[UUID], visit: Visit, keeping: Given[CategoryKeeping]
) -> Reply:
    staff(visit)
    try:
        await keeping.remove(visit.caller, CategoryId(category_id))
    except CategoryInUse:
        return visit.see(f"{_LIST}/{category_id}", "category-in-use")
    return visit.see(_LIST, "removed")


async def _page(
    visit: Visit, reads: CatalogReads, shelf: Shelf | None, typed: Form, errors: Errors
) -> Reply:
    every = list(walked(await reads.tree()))
    below = f"{shelf.path}/" if shelf else ""
    # A category cannot stand below itself.
    places = [
        one
        for one in every
        if shelf is None or (one.id != shelf.id and not one.path.startswith(below))
    ]
    return await visit.page(
        "admin/category.html",
        http_status=UNFIT if errors else 200,
        shelf=shelf,
        places=places,
        form=typed,
        errors=errors,
    )


def _draft(typed: Form, errors: Errors) -> CategoryDraft:
    draft = CategoryDraft()
    with errors.gathered():
        name = line(typed["name"][:200], "name")
        slug = typed.text("slug")
        parent = _parent(typed.text("parent"))
        draft = CategoryDraft(name=name, parent_id=parent)
        if slug:
            draft = CategoryDraft(name=name, parent_id=parent, slug=slug)
    return draft


def _parent(text: str) -> CategoryId | None:
    if not text:
        return None
    try:
        return CategoryId(UUID(text))
    except ValueError:
        raise Malformed("There is no such category.", field="parent") from None


def _note(errors: Errors, no: SlugTaken | Invalid | CategoryNotFound | Malformed) -> None:
    if isinstance(no, SlugTaken):
        errors["slug"] = no.detail
    elif isinstance(no, CategoryLoop | CategoryNotFound):
        errors["parent"] = no.detail
    else:
        errors[""] = no.detail


def _one(every: list[Shelf], category_id: UUID) -> Shelf:
    for shelf in every:
        if shelf.id == category_id:
            return shelf
    raise CategoryNotFound("There is no such category.")


ROUTES = (
    categories,
    new_category,
    create_category,
    category,
    change_category,
    remove_category,
)
