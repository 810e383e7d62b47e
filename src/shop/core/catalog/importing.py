"""Takes products from a file of another shop, again and again, without doubling anything."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from hashlib import sha256
from uuid import UUID

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from shop.core.catalog.exporting import at_home, outer_key, same_but_for_the_source
from shop.core.catalog.model import (
    LONGEST_TITLE,
    Image,
    Product,
    ProductStatus,
    Variant,
)
from shop.core.catalog.shelving import Shelving
from shop.core.catalog.source import SourceFault, SourceProduct, SourceVariant
from shop.core.catalog.words import SLUG_MOST, slug_of, suffixed
from shop.core.kernel.errors import ShopError, StaleWrite
from shop.core.kernel.ids import CategoryId, ProductId, VariantId
from shop.ports.catalog import Categories, Count, Counting, Products
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork, Units

Items = Iterator[SourceProduct | SourceFault]

#: A unit must not keep other writers waiting for longer than about 50 ms.
_PRODUCTS_A_UNIT = 50
_VARIANTS_A_UNIT = 250
_ITEMS_A_STEP = 500
_TRIES = 5
#: Part of the digest: raise it when the same source would make another product than before.
_EDITION = 1


class ImportOptions(Struct, frozen=True, kw_only=True):
    """`source` tells files with the same keys apart; one shop's exports share it."""

    source: str
    currency: str
    tax_basis_points: int
    dry_run: bool = False
    site: str = ""  # whose pictures are ours


class ImportCounts(Struct, kw_only=True):
    """Products so far; `refused` is final only at the end.

    `codes` counts all faults, `hard` those by which a record was refused.
    """

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    hard: int = 0
    codes: Counter[str] = field(default_factory=Counter)

    def line(self) -> str:
        return (
            f"{self.new} new, {self.changed} changed, "
            f"{self.unchanged} unchanged, {self.refused} refused"
        )


class ImportProgress(Struct, frozen=True):
    """What happened since the last one; the counts go on changing."""

    counts: ImportCounts
    faults: tuple[SourceFault, ...]


Watch = Callable[[ImportProgress], Awaitable[None]]


class _Decided(Struct, frozen=True):
    """What a unit is going to write."""

    new: list[Product]
    changed: list[Product]
    counts: list[Count]
    faults: list[SourceFault]
    unchanged: int = 0


class _Run(Struct):
    """The tree of categories is loaded once, and again when somebody else changed it.

    `met` says under which key each product of ours came first.
    """

    options: ImportOptions
    shelving: Shelving | None = None
    met: dict[ProductId, str] = field(default_factory=dict)


class Importing:
    """One file at a time; a file has as many units of work as it needs."""

    def __init__(
        self,
        uow: UnitOfWork,
        units: Units,
        products: Products,
        categories: Categories,
        counting: Counting,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._uow = uow
        self._units = units
        self._products = products
        self._categories = categories
        self._counting = counting
        self._clock = clock
        self._ids = ids

    async def run(
        self, items: Items, options: ImportOptions, watch: Watch | None = None
    ) -> ImportCounts:
        """Read to the end and return the counts; `watch` hears of every unit and every fault.

        Raises what reading raises. Products stored until then stay: a repetition goes on there.
        """
        counts = ImportCounts()
        kept: set[str] = set()
        refused: set[str] = set()
        reading = _Reading(items)
        run = _Run(options)
        done = False
        while not done:
            sources, faults, done = await asyncio.to_thread(reading.step)
            fresh: list[SourceProduct] = []
            for source in sources:
                if source.key in kept:
                    faults.append(_fault(source, "key-repeated", "Its key came before."))
                else:
                    kept.add(source.key)
                    fresh.append(_at_home(source, options.site))
            decided = await self._write(fresh, run) if fresh else _Decided([], [], [], [])
            kept.difference_update(fault.key for fault in decided.faults)
            faults += decided.faults
            for fault in faults:
                counts.codes[fault.code] += 1
                if fault.refused:
                    counts.hard += 1
                    refused.add(fault.key or f"\n{fault.record}")
            counts.new += len(decided.new)
            counts.changed += len(decided.changed)
            counts.unchanged += decided.unchanged
            counts.refused = len(refused - kept)
            if watch is not None:
                await watch(ImportProgress(counts, tuple(faults)))
        return counts

    async def _write(self, sources: list[SourceProduct], run: "_Run") -> _Decided:
        for attempt in range(_TRIES):
            try:
                decided = await self._units.run(self._unit(sources, run))
            except StaleWrite:
                run.shelving = None
                if attempt == _TRIES - 1:
                    raise
            else:
                if run.shelving is not None:
                    run.shelving.fresh.clear()
                return decided
        raise AssertionError  # pragma: no cover - the last try returns or raises

    async def _unit(self, sources: list[SourceProduct], run: "_Run") -> _Decided:
        options = run.options
        async with self._uow.begin():
            keys = {source.key: _source_key(options.source, source.key) for source in sources}
            have = await self._products.by_source(keys.values())
            ours = await self._ours(sources)
            tasks = [
                _Task(
                    source,
                    keys[source.key],
                    _digest(source, options),
                    ours.get(source.key) or have.get(keys[source.key]),
                    returning=source.key in ours,
                )
                for source in sources
            ]
            shelf = await self._shelf(tasks)
            decided = _Decided([], [], [], [])
            twice = {task.key for task in tasks if task.comes_again(run.met)}
            decided.faults.extend(_copied(task.source) for task in tasks if task.key in twice)
            due = [task for task in tasks if not task.settled and task.key not in twice]
            if due:
                shelving = run.shelving
                if shelving is None:
                    shelving = Shelving(self._ids, await self._categories.all())
                    run.shelving = shelving
                slugs = {slug for task in due for slug in task.slugs()}
                taken = await self._products.slugs(slugs)
                for task in due:
                    self._decide(task, options, shelving, taken, shelf, decided)
                if not options.dry_run:
                    await self._categories.add(shelving.fresh)
                    await self._store(decided)
        untouched = len(tasks) - len(decided.new) - len(decided.changed) - len(decided.faults)
        return replace(decided, unchanged=untouched)

    async def _ours(self, sources: list[SourceProduct]) -> dict[str, Product]:
        """Those that come back from an export of this shop."""
        ids = {s.key: ProductId(s.product_id) for s in sources if s.product_id is not None}
        if not ids:
            return {}
        found = await self._products.some(ids.values())
        return {key: found[id_] for key, id_ in ids.items() if id_ in found}

    async def _shelf(self, tasks: list["_Task"]) -> dict[VariantId, int]:
        """What lies there of the products that come back."""
        back = [task.old for task in tasks if task.returning and task.old is not None]
        ids = [variant.id for product in back for variant in product.variants]
        return await self._counting.on_hand(ids) if ids else {}

    async def _store(self, decided: _Decided) -> None:
        await self._products.add(decided.new)
        await self._products.save(decided.changed)
        await self._counting.count(decided.counts, "import", self._clock.now())
        for product in decided.new:
            self._uow.emit(product.created())

    def _decide(
        self,
        task: "_Task",
        options: ImportOptions,
        shelving: Shelving,
        taken: set[str],
        shelf: dict[VariantId, int],
        decided: _Decided,
    ) -> None:
        """Add what becomes of one product to `decided`; what it breaks refuses only itself."""
        placed = [shelving.place(names) for names in task.source.categories]
        try:
            product = self._product(task, options, [id_ for id_ in placed if id_], taken)
            counts = self._counts(task, product, shelf)
            if task.old is not None:
                if task.returning and not counts and same_but_for_the_source(product, task.old):
                    return
                product, changed = task.old.changed(self._clock.now(), product)
        except ShopError as error:
            decided.faults.append(_fault(task.source, error.code, error.detail))
            return
        taken.add(product.slug)
        if task.old is None:
            decided.new.append(product)
        else:
            decided.changed.append(product)
            if not options.dry_run:
                self._uow.emit(changed)
        decided.counts.extend(counts)

    def _product(
        self,
        task: "_Task",
        options: ImportOptions,
        categories: list[CategoryId],
        taken: set[str],
    ) -> Product:
        source, old, now = task.source, task.old, self._clock.now()
        variants = self._variants(task)
        sellable = source.published and any(variant.offered for variant in variants)
        status = ProductStatus.ACTIVE if sellable else ProductStatus.DRAFT
        if old is not None and old.status is ProductStatus.ARCHIVED:
            status = ProductStatus.ARCHIVED  # staff took it away; a file does not bring it back
        tax = source.tax_basis_points
        return Product(
            id=old.id if old else ProductId(self._ids.new()),
            slug=old.slug if old else task.free_slug(taken),
            title=source.title[:LONGEST_TITLE],
            status=status,
            description_html=source.description_html,
            brand=source.brand[:255],
            categories=tuple(dict.fromkeys(categories)),
            tags=source.tags,
            specifications=source.specifications,
            images=_images(source, old),
            variants=variants,
            currency=source.currency or options.currency,
            hsn=source.hsn[:16] if source.hsn.isascii() else "",
            tax_basis_points=options.tax_basis_points if tax is None else tax,
            source_key=old.source_key if old and task.returning else task.key,
            source_digest=old.source_digest if old and task.returning else task.digest,
            created_at=now,
            updated_at=now,
        )

    def _variants(self, task: "_Task") -> tuple[Variant, ...]:
        source, had = task.source, task.old.variants if task.old else ()
        make = partial(self._variant, counted=source.counted)
        if task.returning:  # the file has the keys of an export, and not those that are kept here
            have = {outer_key(one.options): one for one in had if not one.withdrawn}
            keys = {one.key for one in source.variants}
            gone = [one for one in had if one.withdrawn or outer_key(one.options) not in keys]
            told = [make(one, have.get(one.key)) for one in source.variants]
            return (*told, *(replace(one, withdrawn=True) for one in gone))
        have = {variant.key: variant for variant in had}
        told = [make(one, have.get(one.key)) for one in source.variants]
        keys = {one.key for one in source.variants}
        gone = [replace(one, withdrawn=True) for key, one in have.items() if key not in keys]
        return (*told, *gone)

    def _variant(self, source: SourceVariant, old: Variant | None, *, counted: bool) -> Variant:
        was = source.compare_at
        lower = was is None or source.price is None or was <= source.price
        return Variant(
            id=old.id if old else VariantId(self._ids.new()),
            key=old.key if old else source.key,
            title=old.title
            if old and old.options == source.options
            else " / ".join(value for _, value in source.options)[:LONGEST_TITLE],
            sku=source.sku[:255],
            options=source.options,
            price=source.price,
            compare_at=None if lower else was,
            barcode=source.barcode,
            weight_grams=source.weight_grams,
            image=source.image,
            source_stock=max(0, source.stock) if counted or not old else old.source_stock,
        )

    def _counts(self, task: "_Task", product: Product, shelf: dict[VariantId, int]) -> list[Count]:
        """Only what the source counts differently than last time: we have sold since then.

        Of what comes back the shelf itself is what was counted last.
        """
        if not task.source.counted:
            return []
        old = task.old.variants if task.old else ()
        last: dict[VariantId, int | None] = {one.id: one.source_stock for one in old}
        if task.returning:
            last.update(shelf)
        return [
            Count(id=self._ids.new(), variant_id=variant.id, quantity=variant.source_stock or 0)
            for variant in product.variants
            if not variant.withdrawn and last.get(variant.id) != variant.source_stock
        ]


class _Task(Struct, frozen=True):
    source: SourceProduct
    key: bytes
    digest: bytes
    old: Product | None
    returning: bool = False  # from an export of this shop; staff may have changed it since

    @property
    def settled(self) -> bool:
        same = self.old is not None and self.old.source_digest == self.digest
        return same and not self.returning

    def comes_again(self, met: dict[ProductId, str]) -> bool:
        """Whether its product came before, under another key: one of them is a copy."""
        return self.old is not None and met.setdefault(self.old.id, self.source.key) != (
            self.source.key
        )

    def slugs(self) -> tuple[str, str]:
        """The slug it would like, and the one that is its own for sure."""
        if self.source.addressed and (wish := slug_of(self.source.key, SLUG_MOST)):
            return wish, suffixed(wish, self.key, SLUG_MOST)
        wish = slug_of(self.source.key)
        # The number or hash of a source does not read well.
        if not wish or not any(c.isalpha() for c in wish) or _looks_random(self.source.key):
            wish = slug_of(self.source.title) or wish
        own = suffixed(wish, self.key)
        return wish or own, own

    def free_slug(self, taken: set[str]) -> str:
        wish, own = self.slugs()
        return own if wish in taken or _is_uuid(wish) else wish


class _Reading:
    """Takes so much from the file that one unit can hold it. Runs in a thread."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def step(self) -> tuple[list[SourceProduct], list[SourceFault], bool]:
        """Products, faults, and whether that was all."""
        products: list[SourceProduct] = []
        faults: list[SourceFault] = []
        variants = 0
        for item in self._items:
            if isinstance(item, SourceFault):
                faults.append(item)
            else:
                products.append(item)
                variants += len(item.variants)
            full = len(products) >= _PRODUCTS_A_UNIT or variants >= _VARIANTS_A_UNIT
            if full or len(faults) >= _ITEMS_A_STEP:
                return products, faults, False
        return products, faults, True


def _source_key(source: str, key: str) -> bytes:
    """In whatever case the key is written: readers take those that differ in it only for one."""
    return sha256(f"{source}\n{key.casefold()}".encode()).digest()


def _digest(source: SourceProduct, options: ImportOptions) -> bytes:
    """Of all that the product depends on; the record's number says nothing about it."""
    said = msgspec.to_builtins(replace(source, record=0))
    said["key"] = source.key.casefold()  # as in `_source_key`
    del said["addressed"]  # says nothing of what the product is
    if source.counted:  # the rule, which needs no word
        del said["counted"]
    del said["product_id"]  # another shop's export is known by its key, as any other file
    told = _EDITION, said, options.currency, options.tax_basis_points
    return sha256(msgspec.json.encode(told)).digest()


def _at_home(source: SourceProduct, site: str) -> SourceProduct:
    """With the addresses of our own pictures as they are stored."""
    if source.product_id is None:
        return source
    return replace(
        source,
        images=tuple(replace(image, url=at_home(image.url, site)) for image in source.images),
        variants=tuple(replace(one, image=at_home(one.image, site)) for one in source.variants),
    )


def _images(source: SourceProduct, old: Product | None) -> tuple[Image, ...]:
    """The sizes of pictures that we know already stay known."""
    known = {image.url: image for image in old.images} if old else {}
    return tuple(
        replace(known.get(image.url) or Image(url=image.url), alt=image.alt)
        for image in source.images
    )


def _fault(source: SourceProduct, code: str, message: str) -> SourceFault:
    return SourceFault(
        record=source.record, key=source.key, code=code, message=message, refused=True
    )


def _copied(source: SourceProduct) -> SourceFault:
    return _fault(
        source,
        "product-repeated",
        "The product of this shop that it names came before, under another key. Without that name "
        "it is a product of its own.",
    )


def _looks_random(key: str) -> bool:
    """A long key of letters and digits without a separator is no name."""
    return len(key) >= 24 and key.isalnum() and any(c.isdigit() for c in key)  # noqa: PLR2004


def _is_uuid(slug: str) -> bool:
    """Such a slug would hide a product that has it as its id."""
    try:
        UUID(slug)
    except ValueError:
        return False
    return True
