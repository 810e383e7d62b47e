"""Files of other shops, through the real reader into each storage."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from dishka import AsyncContainer
from msgspec.structs import replace

from shop.core.catalog.exporting import outer_key
from shop.core.catalog.imports import ImportRun
from shop.core.catalog.source import SourceFault, SourceVariant
from shop.core.inventory.model import StockChange
from shop.ports.catalog import CatalogChanges, CatalogReads, ImportReport, StaffReads
from shop.ports.inventory import Shelf, StockLedger
from shop.ports.system import Schema
from shop.ports.uow import UnitOfWork
from tests.kit.catalogue import OPTIONS, a_source, catalogue, imported, imported_file
from tests.kit.clock import NOON

DATA = Path(__file__).parents[3] / "shared" / "data"
FILES = ["apparel.csv", "home-and-garden.csv", "product_template_2019.csv"]


@pytest.fixture
async def shop(storage: str, tmp_path: Path) -> AsyncIterator[AsyncContainer]:
    async with catalogue(storage, tmp_path) as container:
        assert await (await container.get(Schema)).problem() is None
        yield container


@pytest.mark.skipif(not DATA.is_dir(), reason="the real files are not here")
@pytest.mark.parametrize("name", FILES)
async def test_a_real_file_gives_what_it_should_and_the_second_time_nothing(
    shop: AsyncContainer, name: str
) -> None:
    truth = json.loads((DATA / "truth_open.json").read_text())["open"][f"shopify/{name}"]
    body = (DATA / "shopify" / name).read_bytes()
    assert (await imported_file(shop, body, replace(OPTIONS, dry_run=True))).new == truth[
        "products"
    ]
    assert (await (await shop.get(StaffReads)).products((), 100)).items == ()
    assert (await imported_file(shop, body)).new == truth["products"]
    before = await (await shop.get(CatalogChanges)).counts()
    again = await imported_file(shop, body)
    assert (again.new, again.changed, again.unchanged) == (0, 0, truth["products"])
    assert await (await shop.get(CatalogChanges)).counts() == before

    page = await (await shop.get(StaffReads)).products((), 100)
    units = [(product, variant) for product, _ in page.items for variant in product.variants]
    assert len(units) == truth["variants"]
    lines = sorted(
        f"{product.slug}\t{variant.key}\t{variant.price}\n".encode() for product, variant in units
    )
    assert hashlib.sha256(b"".join(lines)).hexdigest() == truth["variants_sha256"]
    assert sum(sum(stock.values()) for _, stock in page.items) == truth["stock_total"]


async def test_a_changed_product_keeps_its_address_and_only_it_counts(
    shop: AsyncContainer,
) -> None:
    await imported(shop, a_source("mug"), a_source("cup"))
    old = await (await shop.get(CatalogReads)).product("mug")
    again = await imported(shop, a_source("mug", title="Better mug"), a_source("cup"))
    assert again.line() == "0 new, 1 changed, 1 unchanged, 0 refused"
    new = await (await shop.get(CatalogReads)).product("mug")
    assert (new.id, new.title, new.variants[0].id) == (old.id, "Better mug", old.variants[0].id)


async def test_stock_follows_the_file_only_when_the_file_says_something_new(
    shop: AsyncContainer,
) -> None:
    await imported(shop, a_source("mug", stock=10))
    view = await (await shop.get(CatalogReads)).product("mug")
    variant = view.variants[0].id
    async with shop() as scope:
        uow, shelf = await scope.get(UnitOfWork), await scope.get(Shelf)
        async with uow.begin():
            await shelf.change([StockChange(variant_id=variant, on_hand=-4, held=2)])
    await imported(shop, a_source("mug", stock=10, title="New name"))
    view = await (await shop.get(CatalogReads)).product("mug")
    assert view.variants[0].stock_quantity == 4
    await imported(shop, a_source("mug", stock=1, title="New name"))
    view = await (await shop.get(CatalogReads)).product("mug")
    assert view.variants[0].stock_quantity == 0
    moves = await (await shop.get(StockLedger)).moves(variant)
    assert sorted(move.delta for move in moves) == [-4, 10]


async def test_a_file_that_tells_nothing_of_stock_leaves_it_alone(shop: AsyncContainer) -> None:
    async def stock() -> object:
        view = await (await shop.get(CatalogReads)).product("mug")
        return view.variants[0].stock_quantity

    await imported(shop, a_source("mug", stock=10))
    silent = a_source("mug", stock=0, price=100, counted=False)
    assert (await imported(shop, silent)).changed == 1
    assert await stock() == 10
    assert (await imported(shop, silent)).unchanged == 1
    await imported(shop, a_source("mug", stock=0, price=100))
    assert await stock() == 0


async def test_a_vanished_variant_is_withdrawn_and_comes_back_as_itself(
    shop: AsyncContainer,
) -> None:
    both = tuple(SourceVariant(key=key, price=100, stock=1) for key in ("S", "L"))
    await imported(shop, a_source("shirt", variants=both))
    first = await (await shop.get(CatalogReads)).product("shirt")
    await imported(shop, a_source("shirt", variants=both[:1]))
    assert len((await (await shop.get(CatalogReads)).product("shirt")).variants) == 1
    await imported(shop, a_source("shirt", variants=both))
    last = await (await shop.get(CatalogReads)).product("shirt")
    assert {one.id for one in last.variants} == {one.id for one in first.variants}


async def test_a_product_without_a_price_is_a_draft(shop: AsyncContainer) -> None:
    assert (await imported(shop, a_source("mug", price=None))).new == 1
    ((draft, _),) = (await (await shop.get(StaffReads)).products((), 5)).items
    assert draft.status == "draft"


async def test_names_that_repeat_get_addresses_of_their_own(shop: AsyncContainer) -> None:
    same = [a_source(key, title="Clay mug") for key in ("9" * 5, "8" * 5, "7" * 5)]
    assert (await imported(shop, *same)).new == 3
    found = (await (await shop.get(StaffReads)).products((), 5)).items
    slugs = sorted(product.slug for product, _ in found)
    assert len(set(slugs)) == 3
    assert "clay-mug" in slugs
    again = await imported(shop, *same)
    assert again.unchanged == 3


async def test_a_handle_stays_the_address_however_little_it_looks_like_a_name(
    shop: AsyncContainer,
) -> None:
    handles = ["501", "b" * 130, "c" * 254 + "1", "c" * 254 + "2", "tee2024abcdefghijklmnopqrst"]
    ids = ["0198b7a0-0000-7000-8000-000000000000", "0198b7a0000070008000000000000000"]
    sources = [a_source(key, title="Jeans", addressed=True) for key in (*handles, *ids)]
    assert (await imported(shop, *sources)).new == len(sources)
    found = (await (await shop.get(StaffReads)).products((), 10)).items
    slugs = {product.slug for product, _ in found}
    assert slugs.issuperset(handles)
    assert slugs.isdisjoint(ids)  # they would hide the products whose ids they are
    reads = await shop.get(CatalogReads)
    assert {(await reads.product(slug)).slug for slug in slugs} == slugs


async def test_a_handle_written_in_another_case_is_the_same_product(shop: AsyncContainer) -> None:
    await imported(shop, a_source("Mug", title="Mug", addressed=True))
    again = await imported(shop, a_source("mug", title="Mug", addressed=True))
    assert again.line() == "0 new, 0 changed, 1 unchanged, 0 refused"


async def test_categories_are_told_apart_by_their_whole_path(shop: AsyncContainer) -> None:
    paths = (("Men", "Shoes"), ("Women", "Shoes"), ("Women", "Shoes & Bags"), ("Women", "鞋"))
    await imported(shop, a_source("shoe", categories=paths))
    tree = {node.name: node for node in await (await shop.get(CatalogReads)).tree()}
    assert [child.path for child in tree["Men"].children] == ["men/shoes"]
    assert {child.name for child in tree["Women"].children} == {"Shoes", "Shoes & Bags", "鞋"}
    await imported(shop, a_source("boot", categories=paths[:1]))
    tree = {node.name: node for node in await (await shop.get(CatalogReads)).tree()}
    assert tree["Men"].children[0].product_count == 2


async def test_what_cannot_be_taken_refuses_only_itself(shop: AsyncContainer) -> None:
    fault = SourceFault(record=2, key="lost", code="ragged", message="No.", refused=True)
    warning = SourceFault(record=3, key="good", code="odd", message="Hm.", refused=False)
    counts = await imported(
        shop, a_source("bad", title=" "), fault, warning, a_source("good"), a_source("good")
    )
    assert counts.line() == "1 new, 0 changed, 0 unchanged, 2 refused"
    assert dict(counts.codes) == {"invalid": 1, "ragged": 1, "odd": 1, "key-repeated": 1}


@pytest.mark.parametrize("between", [0, 60])
async def test_a_copied_line_of_an_export_is_refused_and_changes_nothing(
    shop: AsyncContainer, between: int
) -> None:
    await imported(shop, a_source("mug"))
    ((mug, _),) = (await (await shop.get(StaffReads)).products((), 5)).items
    [variant] = a_source("mug").variants
    told = {"product_id": mug.id, "variants": (replace(variant, key=outer_key(())),)}
    others = [a_source(f"thing-{n}-x") for n in range(between)]
    counts = await imported(shop, a_source("mug", **told), *others, a_source("copy", **told))
    assert counts.line() == f"{between} new, 0 changed, 1 unchanged, 1 refused"
    assert dict(counts.codes) == {"product-repeated": 1}
    found = (await (await shop.get(StaffReads)).products((), 100)).items
    assert [one.title for one, _ in found if one.id == mug.id] == ["Mug"]


async def test_many_products_go_in_many_units(shop: AsyncContainer) -> None:
    many = [a_source(f"thing-{n}-x") for n in range(120)]
    assert (await imported(shop, *many)).new == 120
    assert (await imported(shop, *many)).unchanged == 120


async def test_an_import_keeps_a_report_row_by_row(shop: AsyncContainer, tmp_path: Path) -> None:
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
    file = tmp_path / "a.csv"
    file.write_text("Handle,Title,Variant Price\nmug,Mug,12.50\ncup,Cup,\nbad\n")
    async with shop() as scope:
        with file.open("rb") as stream:
            done = await (await scope.get(ImportRun)).run(report, stream)
    assert (done.status, done.new) == ("done", 2)
    assert done.faults
    assert sum(done.codes.values()) == len(done.faults)
    file.write_text("What,Is,This\n1,2,3\n")
    async with shop() as scope:
        with file.open("rb") as stream:
            failed = await (await scope.get(ImportRun)).run(report, stream)
    assert failed.status == "failed"
    assert failed.error
