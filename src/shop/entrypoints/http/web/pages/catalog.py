"""Looking around: home, categories, search, products."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from litestar.params import FromPath
from msgspec import Struct

from shop.core.catalog.model import NotABuyer, ReviewExists
from shop.core.catalog.service import Reviewing, WriteReview
from shop.core.catalog.suggest import Suggesting
from shop.core.catalog.views import (
    CategoryNode,
    ProductCard,
    ProductView,
    Suggestion,
    VariantView,
)
from shop.core.catalog.words import words_of
from shop.core.checkout.terms import Terms
from shop.core.kernel.errors import Malformed
from shop.core.kernel.money import Money
from shop.core.pricing.model import PricePolicy
from shop.core.users.postal import line
from shop.entrypoints.http.cached_catalog import CachedCatalog
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.forms import Errors, Form, amount
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import form, page
from shop.entrypoints.http.web.visit import Visit
from shop.entrypoints.http.web.visited import visited
from shop.ports.catalog import ProductFilter, Sort

_PAGE = 24
_SHOWCASE = 100
_REVIEWS = 20
_SORTS = (
    ("newest", "Newest first"),
    ("price", "Price: low to high"),
    ("-price", "Price: high to low"),
    ("rating", "Best rated"),
    ("title", "Name"),
)
_STARS = ("5", "4", "3", "2", "1")
_UNFIT = 422


class Chosen(Struct, frozen=True):
    """The filters as they were typed; what makes no sense counts as not given."""

    sort: str
    min: str
    max: str
    brand: str
    in_stock: str

    @classmethod
    def of(cls, visit: Visit, default: Sort) -> "Chosen":
        given = visit.request.query_params
        sort = given.get("sort", default)
        return cls(
            sort=sort if sort in set(Sort) else default,
            min=given.get("min", "")[:20],
            max=given.get("max", "")[:20],
            brand=given.get("brand", "")[:200],
            in_stock="yes" if given.get("in_stock") else "",
        )

    def filter(self, category: str = "", words: tuple[str, ...] = ()) -> ProductFilter:
        return ProductFilter(
            category=category,
            words=words,
            brand=self.brand,
            min_price=_amount(self.min),
            max_price=_amount(self.max),
            in_stock=True if self.in_stock else None,
        )


def _amount(text: str) -> int | None:
    try:
        return amount(text, "") if text else None
    except Malformed:
        return None


@page("/")
@visited
async def home(
    visit: Visit, reads: Given[CachedCatalog], policy: Given[PricePolicy], terms: Given[Terms]
) -> Reply:
    tree = await reads.tree()
    cards = (await reads.page(ProductFilter(), Sort.NEWEST, _SHOWCASE)).items
    free = policy.shipping[0].free_from
    return await visit.page(
        "home.html",
        keep=True,
        tree=tree,
        cards=_mixed(cards),
        pictures=await reads.pictures(),
        cod=terms.cod,
        free_from=Money(free, policy.currency) if free else None,
    )


def _mixed(cards: Sequence[ProductCard]) -> list[ProductCard]:
    """The newest of each top category in turn: a delivery of one kind must not fill the page."""
    shelves: dict[str, list[ProductCard]] = {}
    for card in cards:
        path = card.category.path if card.category else ""
        shelves.setdefault(path.partition("/")[0], []).append(card)
    longest = max(map(len, shelves.values()), default=0)
    return [shelf[i] for i in range(longest) for shelf in shelves.values() if i < len(shelf)]


@page("/categories/{path:path}")
@visited
async def category(
    path: FromPath[str], visit: Visit, reads: Given[CachedCatalog], policy: Given[PricePolicy]
) -> Reply:
    where = path.strip("/")
    trail = await reads.category(where)
    tree = await reads.tree()
    chosen = Chosen.of(visit, Sort.NEWEST)
    return await _listing(
        visit,
        reads,
        chosen,
        chosen.filter(category=where),
        currency=policy.currency,
        heading=trail[-1].name,
        trail=trail,
        below=_below(tree, where),
        tree=tree,
        sorts=_SORTS,
    )


def _below(nodes: tuple[CategoryNode, ...], path: str) -> tuple[CategoryNode, ...]:
    for node in nodes:
        if node.path == path:
            return node.children
        if path.startswith(f"{node.path}/"):
            return _below(node.children, path)
    return ()


def _down_to(nodes: tuple[CategoryNode, ...], path: str) -> Iterator[CategoryNode]:
    for node in nodes:
        if f"{path}/".startswith(f"{node.path}/"):
            yield node
            yield from _down_to(node.children, path)


@page("/search")
@visited
async def search(
    visit: Visit,
    reads: Given[CachedCatalog],
    suggesting: Given[Suggesting],
    policy: Given[PricePolicy],
) -> Reply:
    q = visit.request.query_params.get("q", "").strip()[:100]
    words = words_of(q)
    chosen = Chosen.of(visit, Sort.RELEVANCE if words else Sort.NEWEST)
    heading = f"Results for “{q}”" if q else chosen.brand or "All products"
    best = (("relevance", "Best match"),) if words else ()
    return await _listing(
        visit,
        reads,
        chosen,
        chosen.filter(words=words),
        currency=policy.currency,
        q=q,
        heading=heading,
        trail=(),
        below=(),
        tree=await reads.tree(),
        sorts=(*best, *_SORTS),
        guess=suggesting.suggest if words else None,
    )


async def _listing(
    visit: Visit,
    reads: CachedCatalog,
    chosen: Chosen,
    which: ProductFilter,
    *,
    guess: Callable[[str], Awaitable[list[Suggestion]]] | None = None,
    **context: Any,
) -> Reply:
    cursor = visit.request.query_params.get("cursor") or None
    found = await reads.page(which, Sort(chosen.sort), _PAGE, cursor)
    brands = [*await reads.brands(which)]
    if chosen.brand and chosen.brand not in brands:
        brands.insert(0, chosen.brand)
    return await visit.page(
        "listing.html",
        keep=True,
        chosen=chosen,
        brands=sorted(brands, key=str.casefold),
        cards=found.items,
        total=found.total,
        cursor=found.next_cursor,
        # A typo must not end the search.
        meant=await guess(context["q"]) if guess and not found.total else [],
        **context,
    )


@page("/products/{slug:str}")
@visited
async def product(
    slug: FromPath[str], visit: Visit, reads: Given[CachedCatalog], policy: Given[PricePolicy]
) -> Reply:
    found = await reads.product(slug)
    return await _product_page(visit, reads, policy, found, Form(), Errors())


async def _product_page(
    visit: Visit,
    reads: CachedCatalog,
    policy: PricePolicy,
    found: ProductView,
    form: Form,
    errors: Errors,
) -> Reply:
    """`form` is the review that somebody writes."""
    reviews = await reads.reviews(found.slug, _REVIEWS)
    tree = await reads.tree()
    return await visit.page(
        "product.html",
        http_status=_UNFIT if errors else 200,
        keep=not errors,
        form=form,
        errors=errors,
        product=found,
        first=_first(found.variants),
        foreign=any(not policy.sells(one.price) for one in found.variants),
        axes=" and ".join(axis.name.lower() for axis in found.options),
        prices_differ=len({one.price.amount for one in found.variants}) > 1,
        trail=list(_down_to(tree, found.category.path)) if found.category else [],
        reviews=reviews,
        stars=_STARS,
        tree=tree,
    )


def _first(variants: tuple[VariantView, ...]) -> VariantView:
    """The one that is chosen to begin with: the cheapest that can be had."""
    return min(variants, key=lambda one: (not one.in_stock, one.price.amount))


@form("/products/{slug:str}/reviews")
@visited
async def review(
    slug: FromPath[str],
    visit: Visit,
    reads: Given[CachedCatalog],
    policy: Given[PricePolicy],
    reviewing: Given[Reviewing],
) -> Reply:
    visit.caller.known()
    found = await reads.product(slug)
    back = f"/products/{found.slug}"
    typed, errors = visit.form, Errors()
    rating = typed.text("rating")
    if rating not in _STARS:
        errors["rating"] = "Please give one to five stars."
    errors.missing(typed, "title", "body")
    title = ""
    with errors.gathered():
        title = line(typed["title"][:200], "title", empty=True)
    if errors:
        return await _product_page(visit, reads, policy, found, typed, errors)
    command = WriteReview(
        product_id=found.id, rating=int(rating), title=title, body=typed.text("body")[:10_000]
    )
    try:
        await reviewing.write(visit.caller, command)
    except (NotABuyer, ReviewExists) as no:
        return visit.see(back, no.code)
    await reads.changed()
    return visit.see(back, "reviewed")


ROUTES = (home, category, search, product, review)
