"""What every catalogue must do, at rest and as it is read."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from dishka import AsyncContainer
from msgspec.structs import replace

from shop.core.catalog.model import (
    Category,
    CategoryInUse,
    CategoryNotFound,
    Image,
    Product,
    ProductNotFound,
    ProductStatus,
    Review,
    ReviewExists,
    Variant,
)
from shop.core.kernel.errors import Malformed, StaleWrite
from shop.core.kernel.ids import CategoryId, ProductId, UserId, VariantId
from shop.ports.catalog import (
    CatalogChanges,
    CatalogReads,
    Categories,
    Count,
    Counting,
    ImportReads,
    ImportReport,
    Imports,
    ProductFilter,
    Products,
    Reviews,
    Sort,
    StaffReads,
)
from shop.ports.uow import UnitOfWork
from tests.kit.catalogue import a_product, catalogue
from tests.kit.clock import NOON


@pytest.fixture
async def shop(storage: str, tmp_path: Path) -> AsyncIterator[AsyncContainer]:
    async with catalogue(storage, tmp_path) as container:
        yield container


def a_category(name: str, parent: Category | None = None) -> Category:
    slug = name.lower()
    return Category(
        id=CategoryId(uuid4()),
        parent_id=parent.id if parent else None,
        name=name,
        slug=slug,
        path=f"{parent.path}/{slug}" if parent else slug,
    )


def a_review(product: Product, user: UserId, rating: int = 4) -> Review:
    return Review(
        id=uuid4(),
        product_id=product.id,
        user_id=user,
        author="Asha",
        rating=rating,
        title="Good",
        body="",
        created_at=NOON,
    )


async def store(shop: AsyncContainer, *products: Product, stock: int = 0) -> None:
    async with shop() as scope:
        uow, shelf = await scope.get(UnitOfWork), await scope.get(Products)
        counting = await scope.get(Counting)
        async with uow.begin():
            await shelf.add(products)
            counts = [
                Count(id=uuid4(), variant_id=v.id, quantity=stock)
                for p in products
                for v in p.variants
            ]
            await counting.count(counts, "test", NOON)


async def store_categories(shop: AsyncContainer, *categories: Category) -> None:
    async with shop() as scope:
        uow, tree = await scope.get(UnitOfWork), await scope.get(Categories)
        async with uow.begin():
            for category in categories:
                await tree.add([category])


async def titles(
    shop: AsyncContainer, sort: Sort = Sort.TITLE, limit: int = 100, **which: object
) -> list[str]:
    reads = await shop.get(CatalogReads)
    found = await reads.page(ProductFilter(**which), sort, limit)  # type: ignore[arg-type]
    return [card.title for card in found.cards()]


async def test_an_added_product_comes_back_equal(shop: AsyncContainer) -> None:
    category = a_category("Kettles")
    await store_categories(shop, category)
    product = a_product(
        categories=(category.id,),
        tags=("Clay", "Tea"),
        specifications=(("Height", "20 cm"),),
        images=(Image(url="/media/a.png", alt="It", width=3, height=2),),
        variants=(
            Variant(
                id=VariantId(uuid4()),
                key="Red / L",
                title="Red / L",
                sku="K-1",
                options=(("Colour", "Red"), ("Size", "L")),
                price=100,
                compare_at=120,
                barcode="123",
                weight_grams=5,
                image="/media/b.png",
                source_stock=4,
            ),
        ),
        source_key=b"k" * 32,
        source_digest=b"d" * 32,
    )
    await store(shop, product)
    async with shop() as scope:
        uow, shelf = await scope.get(UnitOfWork), await scope.get(Products)
        async with uow.begin():
            assert await shelf.get(product.id) == product
            assert await shelf.by_source([b"k" * 32, b"x" * 32]) == {b"k" * 32: product}
            assert await shelf.slugs([product.slug, "free"]) == {product.slug}
            assert await shelf.within(category.id, None, 5) == [product]


async def test_what_is_missing_is_reported(shop: AsyncContainer) -> None:
    reads, staff = await shop.get(CatalogReads), await shop.get(StaffReads)
    async with shop() as scope:
        uow, shelf = await scope.get(UnitOfWork), await scope.get(Products)
        async with uow.begin():
            with pytest.raises(ProductNotFound):
                await shelf.get(ProductId(uuid4()))
    for missing in ("nothing", str(uuid4())):
        with pytest.raises(ProductNotFound):
            await reads.product(missing)
    with pytest.raises(ProductNotFound):
        await staff.product(ProductId(uuid4()))
    with pytest.raises(CategoryNotFound):
        await reads.category("nowhere/at-all")


async def test_the_second_of_two_writers_is_refused(shop: AsyncContainer) -> None:
    product = a_product()
    await store(shop, product)
    async with shop() as scope:
        uow, shelf = await scope.get(UnitOfWork), await scope.get(Products)
        async with uow.begin():
            await shelf.save([replace(product, title="First")])
        with pytest.raises(StaleWrite):
            async with uow.begin():
                await shelf.save([replace(product, title="Second")])
        async with uow.begin():
            assert (await shelf.get(product.id)).title == "First"


async def test_a_taken_slug_or_path_is_a_conflict_and_undoes_the_unit(shop: AsyncContainer) -> None:
    first, other = a_product(slug="kettle"), a_product()
    await store(shop, first)
    with pytest.raises(StaleWrite):
        await store(shop, other, a_product(slug="kettle"))
    with pytest.raises(ProductNotFound):
        await (await shop.get(StaffReads)).product(other.id)
    await store_categories(shop, a_category("Tea"))
    with pytest.raises(StaleWrite):
        await store_categories(shop, a_category("Tea"))


async def test_of_two_units_at_once_one_is_refused(shop: AsyncContainer) -> None:
    product = a_product()
    await store(shop, product)

    async def rename(title: str) -> None:
        async with shop() as scope:
            uow, shelf = await scope.get(UnitOfWork), await scope.get(Products)
            async with uow.begin():
                await shelf.save([replace(product, title=title)])

    outcome = await asyncio.gather(*(rename(t) for t in "AB"), return_exceptions=True)
    assert [type(one) for one in outcome].count(StaleWrite) == 1


async def test_every_write_moves_the_counter_and_a_rollback_does_not(shop: AsyncContainer) -> None:
    changes = await shop.get(CatalogChanges)
    before = await changes.counts()
    product = a_product()
    await store(shop, product, stock=3)
    after = await changes.counts()
    assert after.all > before.all
    assert after.edits > before.edits
    async with shop() as scope:
        uow, shelf = await scope.get(UnitOfWork), await scope.get(Products)
        with pytest.raises(ZeroDivisionError):
            async with uow.begin():
                await shelf.save([replace(product, title="Never")])
                raise ZeroDivisionError
    assert await changes.counts() == after


async def test_stock_and_ratings_are_no_edits(shop: AsyncContainer) -> None:
    from shop.core.inventory.model import StockChange  # noqa: PLC0415
    from shop.ports.inventory import Shelf  # noqa: PLC0415

    changes, product = await shop.get(CatalogChanges), a_product()
    variant = product.variants[0].id
    await store(shop, product, stock=5)
    seen = [await changes.counts()]
    async with shop() as scope:
        uow, shelf = await scope.get(UnitOfWork), await scope.get(Shelf)
        counting, reviews = await scope.get(Counting), await scope.get(Reviews)
        async with uow.begin():
            await shelf.change([StockChange(variant_id=variant, held=1)])
        seen.append(await changes.counts())
        async with uow.begin():
            await counting.count([Count(id=uuid4(), variant_id=variant, quantity=9)], "", NOON)
        seen.append(await changes.counts())
        async with uow.begin():
            await reviews.add(a_review(product, UserId(uuid4())))
        seen.append(await changes.counts())
    assert [one.all for one in seen] == sorted({one.all for one in seen})
    assert len({one.edits for one in seen}) == 1
    await store_categories(shop, a_category("Tea"))
    assert (await changes.counts()).edits > seen[0].edits


async def test_a_count_never_goes_below_what_is_held(shop: AsyncContainer) -> None:
    from shop.core.inventory.model import StockChange  # noqa: PLC0415
    from shop.ports.inventory import Shelf, StockLedger  # noqa: PLC0415

    product = a_product()
    variant = product.variants[0].id
    await store(shop, product, stock=5)
    async with shop() as scope:
        uow, counting = await scope.get(UnitOfWork), await scope.get(Counting)
        shelf = await scope.get(Shelf)
        async with uow.begin():
            await shelf.change([StockChange(variant_id=variant, held=3)])
            await counting.count(
                [Count(id=uuid4(), variant_id=variant, quantity=1)], "recount", NOON
            )
        async with uow.begin():
            item = (await shelf.find([variant]))[variant]
    assert (item.on_hand, item.held) == (3, 3)
    moves = await (await shop.get(StockLedger)).moves(variant)
    assert sorted(move.delta for move in moves) == [-2, 5]


async def test_only_active_products_are_public(shop: AsyncContainer) -> None:
    draft = a_product("Draft", status=ProductStatus.DRAFT)
    gone = a_product("Gone", status=ProductStatus.ARCHIVED)
    shown = a_product("Shown")
    await store(shop, draft, gone, shown)
    assert await titles(shop) == ["Shown"]
    reads, staff = await shop.get(CatalogReads), await shop.get(StaffReads)
    for hidden in (draft, gone):
        with pytest.raises(ProductNotFound):
            await reads.product(hidden.slug)
    assert (await staff.product(draft.id))[0] == draft
    assert await staff.tally() == {"draft": 1, "archived": 1, "active": 1}
    await counted(shop, shown, 7)
    listed = (await staff.products((), 10)).items
    assert [product.id for product, _ in listed] == sorted(
        (draft.id, gone.id, shown.id), reverse=True
    )
    stock = {one: count for _, counts in listed for one, count in counts.items()}
    assert stock == {draft.variants[0].id: 0, gone.variants[0].id: 0, shown.variants[0].id: 7}


async def test_an_export_walks_all_but_archived_products_with_what_lies_on_the_shelf(
    shop: AsyncContainer,
) -> None:
    draft = a_product("Draft", status=ProductStatus.DRAFT)
    gone = a_product("Gone", status=ProductStatus.ARCHIVED)
    shown = a_product("Shown")
    await store(shop, draft, gone, shown)
    await counted(shop, shown, 7)
    staff = await shop.get(StaffReads)
    first, second = sorted((draft, shown), key=lambda product: product.id)
    (one,) = await staff.stocked(None, 1)
    (other,) = await staff.stocked(first.id, 5)
    assert (one[0], other[0]) == (first, second)
    assert one[1] | other[1] == {draft.variants[0].id: 0, shown.variants[0].id: 7}
    assert await staff.stocked(second.id, 5) == []


async def test_products_are_found_by_their_ids_and_shelves_by_their_variants(
    shop: AsyncContainer,
) -> None:
    one = a_product("One")
    await store(shop, one)
    await counted(shop, one, 4)
    async with shop() as scope:
        uow, products = await scope.get(UnitOfWork), await scope.get(Products)
        counting = await scope.get(Counting)
        async with uow.begin():
            assert await products.some([one.id, ProductId(uuid4())]) == {one.id: one}
            variant = one.variants[0].id
            assert await counting.on_hand([variant, VariantId(uuid4())]) == {variant: 4}


async def counted(shop: AsyncContainer, product: Product, quantity: int) -> None:
    async with shop() as scope:
        uow, counting = await scope.get(UnitOfWork), await scope.get(Counting)
        count = Count(id=uuid4(), variant_id=product.variants[0].id, quantity=quantity)
        async with uow.begin():
            await counting.count([count], "counted", NOON)


async def test_a_category_holds_what_stands_below_it(shop: AsyncContainer) -> None:
    home = a_category("Home")
    tea = a_category("Tea", home)
    homely = a_category("Home-ly")
    await store_categories(shop, home, tea, homely)
    both = a_product("Both", categories=(tea.id, home.id))
    await store(shop, both, a_product("Tea", categories=(tea.id,)), a_product("Nowhere"))
    await store(shop, a_product("Other", categories=(homely.id,)))
    assert await titles(shop, category="home") == ["Both", "Tea"]
    assert await titles(shop, category="home/tea") == ["Both", "Tea"]
    assert await titles(shop, category="nowhere") == []
    reads = await shop.get(CatalogReads)
    tree = {node.path: node for node in await reads.tree()}
    assert tree["home"].product_count == 2
    assert tree["home"].children[0].product_count == 2
    view = await reads.product(both.slug)
    assert view.category is not None
    assert view.category.path == "home/tea"
    assert [ref.name for ref in await reads.category("home/tea")] == ["Home", "Tea"]


async def test_a_top_category_shows_its_newest_picture(shop: AsyncContainer) -> None:
    home, empty = a_category("Home"), a_category("Empty")
    tea = a_category("Tea", home)
    await store_categories(shop, home, tea, empty)

    def pictured(id_: int, url: str, category: Category, **changes: Any) -> Product:
        images = (Image(url=url, alt=""),) if url else ()
        return a_product(
            id=ProductId(UUID(int=id_)), categories=(category.id,), images=images, **changes
        )

    await store(
        shop,
        pictured(2, "newer", tea),
        pictured(1, "older", home),
        pictured(3, "", tea),
        pictured(4, "draft", home, status=ProductStatus.DRAFT),
        a_product(images=(Image(url="nowhere", alt=""),)),
    )
    assert await (await shop.get(CatalogReads)).pictures() == {"home": "newer"}


async def test_each_filter_leaves_out_what_does_not_match(shop: AsyncContainer) -> None:
    red = Variant(id=VariantId(uuid4()), key="Red", options=(("Colour", "Red"),), price=100)
    blue = Variant(id=VariantId(uuid4()), key="Blue", options=(("Colour", "Blue"),), price=300)
    cheap = a_product("Cheap mug", brand="Asha", tags=("Tea",), variants=(red,))
    dear = a_product("Dear mug", brand="Bela", tags=("Coffee",), variants=(blue,))
    await store(shop, cheap, stock=1)
    await store(shop, dear)
    assert await titles(shop, brand="Asha") == ["Cheap mug"]
    assert await titles(shop, tag="tea") == ["Cheap mug"]
    assert await titles(shop, min_price=101) == ["Dear mug"]
    assert await titles(shop, max_price=100) == ["Cheap mug"]
    assert await titles(shop, in_stock=True) == ["Cheap mug"]
    assert await titles(shop, in_stock=False) == ["Dear mug"]
    assert await titles(shop, min_rating=1) == []
    assert await titles(shop, options=(("Colour", "Blue"),)) == ["Dear mug"]
    assert await titles(shop, options=(("Colour", "%"),)) == []
    assert await titles(shop, options=(("Colour", "Red"), ("Size", "L"))) == []


async def test_search_takes_wildcards_as_letters(shop: AsyncContainer) -> None:
    await store(shop, a_product("100% cotton_shirt"), a_product("100 cottons shirt"))
    assert await titles(shop, words=("100%",)) == ["100% cotton_shirt"]
    assert await titles(shop, words=("cotton_",)) == ["100% cotton_shirt"]
    assert await titles(shop, words=("\\",)) == []


async def test_titles_match_before_everything_else(shop: AsyncContainer) -> None:
    await store(shop, a_product("Cup", tags=("kettle",)), a_product("Kettle"), a_product("Plate"))
    assert await titles(shop, Sort.RELEVANCE, words=("kettle",)) == ["Kettle", "Cup"]


@pytest.mark.parametrize("sort", list(Sort))
async def test_pages_show_everything_once_while_rows_are_added(
    shop: AsyncContainer, sort: Sort
) -> None:
    def priced(n: int) -> Product:
        variant = Variant(id=VariantId(uuid4()), key="one", price=100 + n % 3)
        return a_product(f"Mug {n % 4}", variants=(variant,))

    await store(shop, *(priced(n) for n in range(11)))
    reads = await shop.get(CatalogReads)
    which = ProductFilter(words=("mug",))
    whole = [card.id for card in (await reads.page(which, sort, 100)).cards()]
    seen: list[ProductId] = []
    cursor: str | None = None
    while True:
        page = await reads.page(which, sort, 4, cursor)
        seen += [card.id for card in page.cards()]
        await store(shop, priced(len(seen)))
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [one for one in seen if one in whole] == whole
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("cursor", ["", "x", "WyJuZXdlc3QiXQ", "bnVsbA", "é", "AAAA" * 40])
async def test_a_foreign_cursor_is_refused(shop: AsyncContainer, cursor: str) -> None:
    reads = await shop.get(CatalogReads)
    with pytest.raises(Malformed):
        await reads.page(ProductFilter(), Sort.NEWEST, 5, cursor)


async def test_facets_count_what_was_found(shop: AsyncContainer) -> None:
    tea = a_category("Tea")
    await store_categories(shop, tea)
    await store(
        shop,
        a_product("A", brand="Asha", tags=("Clay",), categories=(tea.id,)),
        a_product("B", brand="Asha", categories=(tea.id,)),
        stock=2,
    )
    await store(shop, a_product("C", brand="Bela"))
    reads = await shop.get(CatalogReads)
    listing = await reads.page(ProductFilter(), Sort.NEWEST, 1, facets=True)
    facets = listing.facets
    assert listing.total == 3
    assert facets is not None
    assert [(one.value, one.count) for one in facets.brands] == [("Asha", 2), ("Bela", 1)]
    assert [(one.path, one.count) for one in facets.categories] == [("tea", 2)]
    assert [(one.value, one.count) for one in facets.tags] == [("clay", 1)]
    assert facets.in_stock == 2
    assert await reads.brands(ProductFilter()) == ("Asha", "Bela")
    assert await reads.brands(ProductFilter(category="tea")) == ("Asha",)
    narrowed = await reads.page(ProductFilter(category="tea"), Sort.NEWEST, 1, facets=True)
    assert narrowed.facets is not None
    assert [(one.path, one.count) for one in narrowed.facets.categories] == [("tea", 2)]


async def test_facets_count_the_options_that_can_be_chosen(shop: AsyncContainer) -> None:
    def variant(key: str, *options: tuple[str, str], price: int | None = 100) -> Variant:
        return Variant(id=VariantId(uuid4()), key=key, options=options, price=price)

    red, size = ("Colour", 'Röd "dark"'), ("Size", "L")
    both = (variant("a", red, size), variant("b", red, ("Size", "M")))
    unpriced = (variant("a", size), variant("b", ("Size", "XL"), price=None))
    await store(shop, a_product("A", variants=both), a_product("B", variants=unpriced), stock=1)
    reads = await shop.get(CatalogReads)

    async def counted(which: ProductFilter) -> dict[str, list[tuple[str, int]]]:
        facets = (await reads.page(which, Sort.NEWEST, 1, facets=True)).facets
        assert facets is not None
        return {
            one.name: [(value.value, value.count) for value in one.values] for one in facets.options
        }

    everything = {"Colour": [('Röd "dark"', 1)], "Size": [("L", 2), ("M", 1)]}
    assert await counted(ProductFilter()) == everything
    narrowed = {"Colour": [('Röd "dark"', 1)], "Size": [("L", 1), ("M", 1)]}
    assert await counted(ProductFilter(options=(red,))) == narrowed
    assert await counted(ProductFilter(brand="nobody's")) == {}


async def test_a_used_category_stays(shop: AsyncContainer) -> None:
    used, free = a_category("Used"), a_category("Free")
    await store_categories(shop, used, free)
    await store(shop, a_product(categories=(used.id,)))
    async with shop() as scope:
        uow, tree = await scope.get(UnitOfWork), await scope.get(Categories)
        with pytest.raises(CategoryInUse):
            async with uow.begin():
                await tree.remove(used)
        async with uow.begin():
            await tree.remove(free)
            assert [one.name for one in await tree.all()] == ["Used"]
            await tree.save([replace(used, name="Worn")])
        with pytest.raises(StaleWrite):
            async with uow.begin():
                await tree.save([used])


async def test_a_customer_reviews_once_and_moves_the_rating(shop: AsyncContainer) -> None:
    product = a_product()
    await store(shop, product)

    async def review(user: UserId, rating: int) -> None:
        async with shop() as scope:
            uow, reviews = await scope.get(UnitOfWork), await scope.get(Reviews)
            async with uow.begin():
                await reviews.add(a_review(product, user, rating))

    one, other = UserId(uuid4()), UserId(uuid4())
    await review(one, 5)
    await review(other, 4)
    with pytest.raises(ReviewExists):
        await review(other, 1)
    reads = await shop.get(CatalogReads)
    rating = (await reads.product(product.slug)).rating
    assert (rating.average, rating.count) == (4.5, 2)
    page = await reads.reviews(product.slug, 1)
    rest = await reads.reviews(product.slug, 1, page.next_cursor)
    assert {page.items[0].rating, rest.items[0].rating} == {5, 4}
    assert rest.next_cursor is None
    assert await titles(shop, min_rating=450) == [product.title]
    async with shop() as scope:
        uow, reviews = await scope.get(UnitOfWork), await scope.get(Reviews)
        async with uow.begin():
            assert not await reviews.may_review(UserId(uuid4()), product.id)
            assert await reviews.author(UserId(uuid4())) == ""


async def test_a_report_is_replaced_by_its_newer_self(shop: AsyncContainer) -> None:
    report = ImportReport(
        id=uuid4(),
        status="queued",
        format="shopify",
        file_name="a.csv",
        dry_run=False,
        currency="INR",
        created_at=NOON,
        updated_at=NOON,
    )
    done = replace(report, status="done", new=3, codes={"odd": 2})
    async with shop() as scope:
        uow, imports = await scope.get(UnitOfWork), await scope.get(Imports)
        async with uow.begin():
            await imports.put(report)
            assert await imports.unfinished() == [report]
        async with uow.begin():
            await imports.put(done)
            assert await imports.unfinished() == []
    assert await (await shop.get(ImportReads)).get(report.id) == done
