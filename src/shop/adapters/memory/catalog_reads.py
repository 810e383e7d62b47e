"""The catalogue as it is read, in memory."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from shop.adapters.memory.store import MemoryStore
from shop.core.catalog.cursor import Place, place_of
from shop.core.catalog.model import (
    Category,
    CategoryNotFound,
    Product,
    ProductNotFound,
    ProductStatus,
    Variant,
)
from shop.core.catalog.views import (
    CategoryCount,
    CategoryNode,
    CategoryRef,
    Count,
    Facets,
    Listing,
    Live,
    ProductView,
    Rating,
    ReviewView,
    Specification,
    Suggestion,
    VariantView,
    face_of,
    joined,
    option_facets,
    rating_of,
)
from shop.core.catalog.words import fold
from shop.core.inventory.model import Sellable
from shop.core.kernel.ids import CategoryId, ProductId, VariantId
from shop.core.kernel.money import Money
from shop.core.kernel.page import Page
from shop.ports.catalog import CatalogReads, ProductFilter, Sort, StaffReads

_FACET_VALUES = 50
_OPTION_VALUES = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DOWN = {Sort.RELEVANCE, Sort.NEWEST, Sort.DEAREST, Sort.RATING}


class _Shelves:
    """What both kinds of reader look up."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def all(self) -> list[Product]:
        return list(self._store.table("products").values())

    def active(self) -> list[Product]:
        return [p for p in self.all() if p.status is ProductStatus.ACTIVE]

    def categories(self) -> dict[CategoryId, Category]:
        have: dict[CategoryId, Category] = self._store.table("categories")
        return have

    def left(self, variant: Variant) -> int:
        have: Sellable = self._store.table("shelf")[variant.id]
        return have.on_hand - have.held

    def on_hand(self, variant: Variant) -> int:
        have: Sellable = self._store.table("shelf")[variant.id]
        return have.on_hand

    def stock(self, product: Product) -> int:
        return sum(self.left(v) for v in product.variants if product.on_sale(v))

    def stars(self, product: Product) -> tuple[int, int]:
        """The average in hundredths, and how many."""
        reviews = self._store.table("reviews").values()
        given = [review.rating for review in reviews if review.product_id == product.id]
        many = len(given)
        return ((200 * sum(given) + many) // (2 * many) if many else 0), many

    def text(self, product: Product) -> tuple[str, str]:
        """The folded title, and the rest of what is searched."""
        have = self.categories()
        rest = [
            product.brand,
            *(have[id_].name for id_ in product.categories if id_ in have),
            *product.tags,
            *(variant.sku for variant in product.variants if not variant.withdrawn),
        ]
        return fold(product.title), fold(" ".join(rest))


class MemoryCatalogReads(CatalogReads):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._shelves = _Shelves(store)

    async def tree(self) -> tuple[CategoryNode, ...]:
        have = self._shelves.categories().values()
        active = self._shelves.active()

        def nodes(parent: CategoryId | None) -> tuple[CategoryNode, ...]:
            here = sorted(
                (c for c in have if c.parent_id == parent), key=lambda c: (c.position, c.name)
            )
            return tuple(
                CategoryNode(
                    id=c.id,
                    name=c.name,
                    slug=c.slug,
                    path=c.path,
                    product_count=sum(self._stands_in(p, c.path) for p in active),
                    children=nodes(c.id),
                )
                for c in here
            )

        return nodes(None)

    async def pictures(self) -> dict[str, str]:
        shown = sorted((p for p in self._shelves.active() if p.image), key=lambda p: p.id)
        return {
            ref.path.partition("/")[0]: product.image
            for product in shown
            for ref in self._refs(product)[:1]
        }

    async def category(self, path: str) -> tuple[CategoryRef, ...]:
        by_path = {c.path: c for c in self._shelves.categories().values()}
        if path not in by_path:
            raise CategoryNotFound("There is no such category.")
        slugs = path.split("/")
        return tuple(_ref(by_path["/".join(slugs[: n + 1])]) for n in range(len(slugs)))

    async def page(
        self,
        which: ProductFilter,
        sort: Sort,
        limit: int,
        cursor: str | None = None,
        *,
        facets: bool = False,
    ) -> Listing:
        found = [p for p in self._shelves.active() if self._matches(p, which)]
        ranked = sort is Sort.RELEVANCE and bool(which.words)
        placed = [(self._place(p, sort, which.words if ranked else ()), p) for p in found]
        # Three stable sorts: the last one counts most.
        placed.sort(key=lambda one: one[0].id, reverse=sort in _DOWN)
        placed.sort(key=lambda one: one[0].key, reverse=sort in _DOWN)
        placed.sort(key=lambda one: one[0].rank)
        if cursor is not None:
            after = place_of(cursor, sort)
            placed = [one for one in placed if _past(one[0], after, down=sort in _DOWN)]
        items = tuple(joined(face_of(p), self._live(p)) for _, p in placed[:limit])
        more = placed[limit - 1][0].cursor() if len(placed) > limit else None
        return Listing(
            items=items,
            next_cursor=more,
            total=len(found),
            facets=self._facets(found) if facets else None,
        )

    async def brands(self, which: ProductFilter) -> tuple[str, ...]:
        found = Counter(p.brand for p in self._shelves.active() if self._matches(p, which))
        del found[""]
        return tuple(one.value for one in _counts(found))

    def _place(self, product: Product, sort: Sort, words: Iterable[str]) -> Place:
        key: int | str
        match sort:
            case Sort.PRICE | Sort.DEAREST:
                key = _price(product)
            case Sort.RATING:
                key = self._shelves.stars(product)[0]
            case Sort.TITLE:
                key = product.title
            case _:
                key = (product.created_at - _EPOCH) // _MICROSECOND
        title = self._shelves.text(product)[0]
        rank = 0 if all(word in title for word in words) else 1
        return Place(sort.value, key, product.id, rank)

    def _stands_in(self, product: Product, path: str) -> bool:
        have = self._shelves.categories()
        paths = [have[id_].path for id_ in product.categories if id_ in have]
        return any(one == path or one.startswith(f"{path}/") for one in paths)

    def _matches(self, product: Product, which: ProductFilter) -> bool:
        text = "\n".join(self._shelves.text(product))
        price, offered = _price(product), [v for v in product.variants if product.on_sale(v)]
        wanted = {(name.lower(), value.lower()) for name, value in which.options}
        return (
            (not which.category or self._stands_in(product, which.category))
            and all(word in text for word in which.words)
            and which.brand in {"", product.brand}
            and (not which.tag or fold(which.tag) in map(fold, product.tags))
            and (which.min_price is None or price >= which.min_price)
            and (which.max_price is None or price <= which.max_price)
            and (which.min_rating is None or self._shelves.stars(product)[0] >= which.min_rating)
            and (which.in_stock is None or self._buyable(product) is which.in_stock)
            and (
                not wanted
                or any(
                    wanted <= {(name.lower(), value.lower()) for name, value in v.options}
                    for v in offered
                )
            )
        )

    def _buyable(self, product: Product) -> bool:
        return self._shelves.stock(product) > 0

    def _live(self, product: Product) -> Live:
        stock = self._shelves.stock(product)
        return Live(
            price=Money(_price(product), product.currency),
            in_stock=stock > 0,
            stock_quantity=stock,
            rating=self._rating(product),
            category=next(iter(self._refs(product)), None),
        )

    def _rating(self, product: Product) -> Rating:
        return rating_of(*self._shelves.stars(product))

    def _refs(self, product: Product) -> list[CategoryRef]:
        have = self._shelves.categories()
        return [_ref(have[id_]) for id_ in product.categories if id_ in have]

    def _facets(self, found: list[Product]) -> Facets:
        have = self._shelves.categories()
        brands = Counter(p.brand for p in found if p.brand)
        tags = Counter(tag for p in found for tag in {fold(tag) for tag in p.tags})
        inside = Counter(id_ for p in found for id_ in set(p.categories))
        stands_in = [(have[id_], count) for id_, count in inside.items()]
        stands_in.sort(key=lambda one: (-one[1], one[0].path))
        pairs = Counter(
            pair
            for p in found
            for pair in {pair for v in p.variants if p.on_sale(v) for pair in v.options}
        )
        prices = [Money(_price(p), p.currency) for p in found]
        return Facets(
            brands=_counts(brands),
            categories=tuple(
                CategoryCount(path=c.path, name=c.name, count=n)
                for c, n in stands_in[:_FACET_VALUES]
            ),
            tags=_counts(tags),
            options=option_facets(
                (name, value, count)
                for (name, value), count in sorted(
                    pairs.items(), key=lambda one: (-one[1], one[0])
                )[:_OPTION_VALUES]
            ),
            in_stock=sum(self._buyable(p) for p in found),
            min_price=min(prices, default=None),
            max_price=max(prices, default=None),
        )

    async def product(self, id_or_slug: str) -> ProductView:
        product = self._find(id_or_slug)
        shown = tuple(self._variant(product, v) for v in product.variants if product.on_sale(v))
        refs = self._refs(product)
        return ProductView(
            id=product.id,
            slug=product.slug,
            title=product.title,
            description_html=product.description_html,
            brand=product.brand,
            category=next(iter(refs), None),
            categories=tuple(sorted(refs, key=lambda ref: ref.path)),
            tags=product.tags,
            specifications=tuple(
                Specification(name=name, value=value) for name, value in product.specifications
            ),
            images=product.images,
            rating=self._rating(product),
            price=Money(_price(product), product.currency),
            options=product.options,
            variants=shown,
            in_stock=any(variant.in_stock for variant in shown),
            created_at=product.created_at,
            updated_at=product.updated_at,
        )

    def _variant(self, product: Product, variant: Variant) -> VariantView:
        left, was = self._shelves.left(variant), variant.compare_at
        return VariantView(
            id=variant.id,
            sku=variant.sku,
            title=variant.title,
            options=dict(variant.options),
            price=Money(variant.price or 0, product.currency),
            compare_at_price=None if was is None else Money(was, product.currency),
            stock_quantity=left,
            in_stock=left > 0,
            image=variant.image,
        )

    def _find(self, id_or_slug: str) -> Product:
        for product in self._shelves.active():
            if id_or_slug == product.slug or _is(product.id, id_or_slug):
                return product
        raise ProductNotFound("There is no such product.")

    async def reviews(
        self, id_or_slug: str, limit: int, cursor: str | None = None
    ) -> Page[ReviewView]:
        product = self._find(id_or_slug)
        have = [r for r in self._store.table("reviews").values() if r.product_id == product.id]
        have.sort(key=lambda review: review.id, reverse=True)
        rest = have
        if cursor is not None:
            last = place_of(cursor, "newest").id
            rest = [review for review in have if review.id < last]
        items = tuple(
            ReviewView(
                id=r.id,
                author=r.author,
                rating=r.rating,
                title=r.title,
                body=r.body,
                created_at=r.created_at,
            )
            for r in rest[:limit]
        )
        more = Place("newest", 0, items[-1].id).cursor() if len(rest) > limit else None
        return Page(items, more, len(have))

    async def names(self, limit: int) -> list[Suggestion]:
        active = self._shelves.active()
        named = self._shelves.categories().values()
        found = [Suggestion(title=c.name, slug=c.path, kind="category") for c in named]
        brands = dict.fromkeys(p.brand for p in active if p.brand)
        found += [Suggestion(title=brand, slug=brand, kind="brand") for brand in brands]
        found += [Suggestion(title=p.title, slug=p.slug, kind="product") for p in active]
        return found[:limit]


def _past(place: Place, after: Place, *, down: bool) -> bool:
    if place.rank != after.rank:
        return place.rank > after.rank
    mine: Any = (place.key, place.id)
    last: Any = (after.key, after.id)
    return bool(mine < last if down else mine > last)


def _price(product: Product) -> int:
    cheapest = product.cheapest
    return (cheapest.price if cheapest else 0) or 0


def _ref(category: Category) -> CategoryRef:
    return CategoryRef(id=category.id, name=category.name, slug=category.slug, path=category.path)


def _counts(of: Counter[str]) -> tuple[Count, ...]:
    most = sorted(of.items(), key=lambda one: (-one[1], one[0]))[:_FACET_VALUES]
    return tuple(Count(value=value, count=count) for value, count in most)


def _is(product_id: ProductId, text: str) -> bool:
    try:
        return UUID(text) == product_id
    except ValueError:
        return False


class MemoryStaffReads(StaffReads):
    def __init__(self, store: MemoryStore) -> None:
        self._shelves = _Shelves(store)

    async def product(self, product_id: ProductId) -> tuple[Product, dict[VariantId, int]]:
        for product in self._shelves.all():
            if product.id == product_id:
                return product, {v.id: self._shelves.left(v) for v in product.variants}
        raise ProductNotFound("There is no such product.")

    async def products(
        self, words: tuple[str, ...], limit: int, cursor: str | None = None
    ) -> Page[tuple[Product, dict[VariantId, int]]]:
        last = place_of(cursor, "newest").id if cursor is not None else None
        found = [
            p
            for p in sorted(self._shelves.all(), key=lambda product: product.id, reverse=True)
            if (last is None or p.id < last)
            and all(word in "\n".join(self._shelves.text(p)) for word in words)
        ]
        items = tuple((p, {v.id: self._shelves.left(v) for v in p.variants}) for p in found[:limit])
        more = Place("newest", 0, items[-1][0].id).cursor() if len(found) > limit else None
        return Page(items, more)

    async def stocked(
        self, after: ProductId | None, limit: int
    ) -> list[tuple[Product, dict[VariantId, int]]]:
        found = [
            p
            for p in sorted(self._shelves.all(), key=lambda product: product.id)
            if p.status is not ProductStatus.ARCHIVED and (after is None or p.id > after)
        ]
        return [(p, {v.id: self._shelves.on_hand(v) for v in p.variants}) for p in found[:limit]]

    async def tally(self) -> dict[str, int]:
        return dict(Counter(product.status.value for product in self._shelves.all()))
