"""Shopify's product export, of any year's template."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, TypeVar

from msgspec.structs import replace

from shop.adapters.feeds.cells import (
    Complaint,
    quoted,
    read_barcode,
    read_grams,
    read_published,
    read_stock,
    read_url,
    unshielded,
)
from shop.adapters.feeds.containers import Sheet, header_name, open_sheet
from shop.adapters.feeds.money import NotAPrice, is_rounded, parse_price, plain_price
from shop.adapters.feeds.notes import COLUMN, Notes, read_notes
from shop.adapters.feeds.text import one_line, safe_html, shorten, shorten_key, tidy
from shop.core.catalog.source import SourceFault, SourceImage, SourceProduct, SourceVariant
from shop.ports.feeds import Feed, FeedUnreadable, Progress

_ALIASES: dict[str, tuple[str, ...]] = {
    "handle": ("handle", "url handle", "product handle"),
    "title": ("title", "product title"),
    "body": ("body html", "body", "description"),
    "vendor": ("vendor",),
    "type": ("type", "product type"),
    "custom_type": ("custom product type",),
    "category": ("product category", "standard product type", "standardized product type"),
    "google": ("google shopping google product category", "google product category"),
    "tags": ("tags",),
    "published": ("published", "published on online store"),
    "status": ("status",),
    "name1": ("option1 name",),
    "name2": ("option2 name",),
    "name3": ("option3 name",),
    "value1": ("option1 value",),
    "value2": ("option2 value",),
    "value3": ("option3 value",),
    "sku": ("variant sku", "sku"),
    "grams": ("variant grams", "weight value grams", "grams"),
    "weight": ("variant weight", "weight"),
    "unit": ("variant weight unit", "weight unit"),
    "stock": ("variant inventory qty", "variant inventory quantity", "inventory quantity"),
    "price": ("variant price", "price"),
    "compare_at": ("variant compare at price", "compare at price"),
    "barcode": ("variant barcode", "barcode"),
    "image": ("image src", "product image url", "image url"),
    "position": ("image position",),
    "alt": ("image alt text",),
    "variant_image": ("variant image", "variant image url"),
    "notes": (header_name(COLUMN),),
}
#: What the file must have, as the export calls it.
_NEEDED = {"handle": "Handle", "title": "Title", "price": "Variant Price"}

_DEFAULT = "Default Title"
_MOST_VARIANTS = 2048  # Shopify's own limit
_MOST_IMAGES = 250
_MOST_TAGS = 250
_TITLE_MOST = 512
_NAME_MOST = 255
_STEP = 256  # records between two calls of `progress`

_PATH = re.compile(r"\s+>\s+")
# A number of Google's list or an id of Shopify's taxonomy, which names nothing to a shopper.
_CATEGORY_CODE = re.compile(r"[0-9]+|(?:gid://\S+/)?[a-z]{2}(?:-[0-9]+)*", re.ASCII)
_POSITION = re.compile(r"([0-9]{1,9})(?:\.0*)?")


class ShopifyFeed(Feed):
    """Products by handle, each yielded once its last record was read.

    Handles differing in case only are one, as they are one address in Shopify. The variant key
    is its option values joined by " / ", `Default Title` for a product without options.

    Categories: the path of `Product Category` (the older Google column where that is empty),
    and `Type` (or `Custom Product Type`) as a root of its own unless the path already holds
    that name: the first is the trade's word for the thing, the second the keeper's own shelf.
    """

    def read(
        self, file: BinaryIO, currency: str, progress: Progress | None = None
    ) -> Iterator[SourceProduct | SourceFault]:
        """See `Feed`. Memory holds the handles of the file and the products still open."""
        with open_sheet(file, _ALIASES) as (sheet, faults):
            missing = [name for name in _NEEDED if name not in sheet.columns]
            if missing:
                names = ", ".join(_NEEDED[name] for name in missing)
                raise FeedUnreadable(
                    f"This is no Shopify product export: it has no column {names}.",
                    missing=[_NEEDED[name] for name in missing],
                )
            reading = _Reading(sheet, currency)
            last, total = reading.last_records()
            yield from faults
            yield from reading.products(last, total, progress)


@dataclass(slots=True)
class _Unit:
    record: int
    values: tuple[str, str, str]
    key: str
    sku: str
    price: int | None
    compare_at: int | None
    stock: int
    barcode: str
    grams: int | None
    image: str


@dataclass(slots=True)
class _Draft:
    """A product some records of which are still to come."""

    handle: str
    record: int
    title: str = ""
    body: str = ""
    brand: str = ""
    categories: tuple[tuple[str, ...], ...] = ()
    tags: tuple[str, ...] = ()
    published: bool = True
    names: list[str] = field(default_factory=lambda: ["", "", ""])
    units: dict[str, _Unit] = field(default_factory=dict)
    skus: set[str] = field(default_factory=set)
    images: dict[str, tuple[float, SourceImage]] = field(default_factory=dict)
    foreign: bool = False  # the record last read belongs to another product of this handle
    refused: int = 0  # variants
    notes: Notes | None = None  # of our own export


_T = TypeVar("_T")


class _Reading:
    """One reading of one file."""

    def __init__(self, sheet: Sheet, currency: str) -> None:
        self._sheet = sheet
        self._currency = self._money = currency
        self._own = "notes" in sheet.columns
        # A cell is added to every record for the columns the file has not.
        self._place = {name: sheet.columns.get(name, sheet.width) for name in _ALIASES}
        self._faults: list[SourceFault] = []
        self._record = 0
        self._handle = ""
        self._cells: list[str] = []

    def last_records(self) -> tuple[dict[str, int], int]:
        """The number of each handle's last record, and of the last record of all."""
        place, number = self._place["handle"], 0
        last: dict[str, int] = {}
        for item in self._sheet.records():
            if isinstance(item, SourceFault):
                number = max(number, item.record)
                continue
            number, cells = item
            last[one_line(cells[place]).casefold()] = number
        return last, number

    def products(
        self, last: dict[str, int], total: int, progress: Progress | None
    ) -> Iterator[SourceProduct | SourceFault]:
        drafts: dict[str, _Draft] = {}
        for item in self._sheet.records():
            if isinstance(item, SourceFault):
                yield item
                continue
            self._record, self._cells = item
            self._cells.append("")
            if progress is not None and self._record % _STEP == 0:
                progress(self._record, total)
            self._handle = one_line(self._cells[self._place["handle"]])
            if not self._handle:
                self._refuse("handle-missing", "The record has no handle.")
            else:
                key = self._handle.casefold()
                draft = drafts.get(key)
                if draft is None:
                    draft = drafts[key] = _Draft(self._handle, self._record)
                self._handle = draft.handle
                self._take(draft)
                if last[key] == self._record:
                    product = self._finish(drafts.pop(key))
                    if product is not None:
                        yield product
            yield from self._faults
            self._faults.clear()
        if progress is not None:
            progress(total, total)

    # -- one record ------------------------------------------------------------------------------

    def _take(self, draft: _Draft) -> None:
        title = one_line(self._get("title"))
        if title:
            draft.foreign = bool(draft.title) and _other(title, draft.title)
            if not draft.title:
                self._take_product(draft, title)
        if draft.foreign:
            shown = f"another product, {quoted(title)}" if title else "another product"
            self._refuse(
                "handle-of-two-products",
                f"The handle stands for {quoted(draft.title)} already; this is {shown}.",
            )
            return
        self._money = draft.notes.currency if draft.notes else self._currency
        for place, name in enumerate(("name1", "name2", "name3")):
            if self._get(name) and not draft.names[place]:
                draft.names[place] = self._short("option name", one_line(self._get(name)))
        a, b, c = (
            self._short("option value", one_line(self._get(name)))
            for name in ("value1", "value2", "value3")
        )
        price = tidy(self._get("price"))
        sku = self._short("SKU", one_line(self._get("sku")))
        is_unit = bool(a or b or c or price or sku)
        if is_unit and not self._take_unit(draft, (a, b, c), price, sku):
            draft.refused += 1
            return
        if not self._take_image(draft) and not is_unit and not title:
            self._warn("record-empty", "The record has neither a variant nor an image.")

    def _take_product(self, draft: _Draft, title: str) -> None:
        draft.title = self._short("title", title, _TITLE_MOST)
        draft.brand = self._short("vendor", one_line(self._get("vendor")))
        draft.body, cut = safe_html(self._get("body"))
        if cut:
            self._warn("text-cut", "The description is too long; its end was cut off.")
        draft.categories = self._categories()
        tags: dict[str, str] = {}
        for text in one_line(self._get("tags")).split(","):
            if tag := shorten(text.strip(), _NAME_MOST):
                tags.setdefault(tag.casefold(), tag)
        if len(tags) > _MOST_TAGS:
            self._warn("tags-too-many", f"Of {len(tags)} tags the first {_MOST_TAGS} are kept.")
        draft.tags = tuple(tags.values())[:_MOST_TAGS]
        draft.published = self._kept(
            read_published(tidy(self._get("published")), tidy(self._get("status")))
        )
        if written := tidy(self._get("notes")):
            draft.notes = read_notes(written)
            if draft.notes is None:
                self._warn("notes-unreadable", f"The column {COLUMN} is spoilt; left out.")

    def _categories(self) -> tuple[tuple[str, ...], ...]:
        """See `ShopifyFeed`."""
        paths: list[tuple[str, ...]] = []
        for name in ("category", "google"):
            text = one_line(self._get(name))
            if text and not _CATEGORY_CODE.fullmatch(text) and text.casefold() != "uncategorized":
                paths.append(self._path(text))
                break
        own = one_line(self._get("type")) or one_line(self._get("custom_type"))
        if own:
            path = self._path(own)
            known = {node.casefold() for node in paths[0]} if paths else set()
            if len(path) > 1 or path[0].casefold() not in known:
                paths.append(path)
        return tuple(dict.fromkeys(path for path in paths if path))

    def _path(self, text: str) -> tuple[str, ...]:
        nodes = (self._short("category", node.strip()) for node in _PATH.split(text))
        return tuple(node for node in nodes if node) or (text,)

    def _take_unit(
        self, draft: _Draft, values: tuple[str, str, str], price_text: str, sku: str
    ) -> bool:
        """Add the variant of this record, unless it must be refused."""
        key = " / ".join(value for value in values if value) or _DEFAULT
        key = shorten_key(key, _NAME_MOST * 3)
        if key in draft.units:
            first = draft.units[key].record
            self._refuse(
                "variant-twice", f"The variant {quoted(key)} stands in record {first} already."
            )
            return False
        if len(draft.units) >= _MOST_VARIANTS:
            self._refuse("variants-too-many", f"The product has {_MOST_VARIANTS} variants already.")
            return False
        stock, complaint = read_stock(tidy(self._get("stock")))
        if stock is None:
            self._refuse(*(complaint or ("stock-too-large", "")))
            return False
        self._complain(complaint)
        if sku and sku in draft.skus:
            self._warn("sku-repeated", f"The SKU {quoted(sku)} stands on several variants.")
        draft.skus.add(sku)
        grams = tidy(self._get("grams"))
        weight = (grams, "g") if grams else (tidy(self._get("weight")), tidy(self._get("unit")))
        price = self._price(price_text)
        draft.units[key] = _Unit(
            record=self._record,
            values=values,
            key=key,
            sku=sku,
            price=price,
            compare_at=self._compare_at(price),
            stock=stock,
            barcode=self._short(
                "barcode", self._kept(read_barcode(one_line(self._get("barcode"))))
            ),
            grams=self._kept(read_grams(*weight)),
            image=self._kept(read_url(tidy(self._get("variant_image")))),
        )
        return True

    def _price(self, text: str) -> int | None:
        if not text:
            self._warn("price-missing", "The variant has no price; kept as a draft.")
            return None
        try:
            price = parse_price(text, self._money)
        except NotAPrice as wrong:
            self._warn(
                "price-unreadable", f"The price {quoted(text)} {wrong.detail}; kept as a draft."
            )
            return None
        if price == 0:
            self._warn("price-zero", "The price is 0.")
        elif is_rounded(text, self._money):
            kept = plain_price(price, self._money)
            self._warn("price-rounded", f"The price {quoted(text)} is rounded to {kept}.")
        return price

    def _compare_at(self, price: int | None) -> int | None:
        text = tidy(self._get("compare_at"))
        if not text or price is None:
            return None
        try:
            compare_at = parse_price(text, self._money)
        except NotAPrice as wrong:
            self._warn(
                "compare-at-unreadable",
                f"The compare-at price {quoted(text)} {wrong.detail}; dropped.",
            )
            return None
        if compare_at > price:
            return compare_at
        how = "below" if compare_at < price else "the same as"
        self._warn(
            "compare-at-not-above",
            f"The compare-at price {quoted(text)} is {how} the price; dropped.",
        )
        return None

    def _take_image(self, draft: _Draft) -> bool:
        """Whether the record names an image, kept or not."""
        text = tidy(self._get("image"))
        if not text:
            return False
        url = self._kept(read_url(text))
        if not url or url in draft.images:
            return True
        if len(draft.images) >= _MOST_IMAGES:
            self._warn("images-too-many", f"The product has {_MOST_IMAGES} images already.")
            return True
        found = _POSITION.fullmatch(tidy(self._get("position")))
        position = int(found[1]) if found else float("inf")
        alt = self._short("alt text", one_line(self._get("alt")), _TITLE_MOST)
        draft.images[url] = (position, SourceImage(url=url, alt=alt))
        return True

    # -- the whole product -----------------------------------------------------------------------

    def _finish(self, draft: _Draft) -> SourceProduct | None:
        """The product all records of which were read, or None when it is refused."""
        self._record = draft.record
        if not draft.title:
            self._refuse("title-missing", "No record of the handle has a title.")
            return None
        with_options = any(_has_options(unit) for unit in draft.units.values())
        names = _distinct(draft.names)
        variants: list[SourceVariant] = []
        for unit in draft.units.values():
            self._record = unit.record
            values = unit.values if with_options else ("", "", "")
            options = tuple(pair for pair in zip(names, values, strict=True) if pair[1])
            if with_options and not options:
                self._refuse(
                    "variant-without-options",
                    "Other variants of the product have options, this one has none.",
                )
                continue
            variants.append(_variant(unit, options))
        if with_options and len({tuple(n for n, _ in v.options) for v in variants}) > 1:
            self._record = draft.record
            self._warn("options-uneven", "Some variants lack an option that others have.")
        self._record = draft.record
        if not variants:
            if draft.units or draft.refused:
                self._refuse("variants-refused", "Not one variant of the product could be kept.")
                return None
            self._warn("price-missing", "The product has no price; kept as a draft.")
            if draft.notes is None:
                variants.append(SourceVariant(key=_DEFAULT))
        key = shorten_key(draft.handle, _NAME_MOST)
        if key != draft.handle:
            self._warn("handle-cut", f"The handle is too long; {quoted(key)} is kept of it.")
        images = sorted(draft.images.values(), key=lambda placed: placed[0])  # stable: file order
        product = SourceProduct(
            key=key,
            record=draft.record,
            title=draft.title,
            description_html=draft.body,
            brand=draft.brand,
            categories=draft.categories,
            tags=draft.tags,
            images=tuple(image for _, image in images),
            variants=tuple(variants),
            published=draft.published and any(v.price is not None for v in variants),
        )
        return _noted(product, draft.notes) if draft.notes else product

    # -- cells and complaints --------------------------------------------------------------------

    def _get(self, name: str) -> str:
        text = self._cells[self._place[name]]
        return unshielded(text) if self._own else text

    def _short(self, what: str, text: str, most: int = _NAME_MOST) -> str:
        if len(text) <= most:
            return text
        self._warn("text-cut", f"The {what} has {len(text)} characters; {most} are kept.")
        return shorten(text, most)

    def _kept(self, answer: tuple[_T, Complaint | None]) -> _T:
        value, complaint = answer
        self._complain(complaint)
        return value

    def _complain(self, complaint: Complaint | None) -> None:
        if complaint is not None:
            self._warn(*complaint)

    def _warn(self, code: str, message: str) -> None:
        self._fault(code, message, refused=False)

    def _refuse(self, code: str, message: str) -> None:
        self._fault(code, message, refused=True)

    def _fault(self, code: str, message: str, *, refused: bool) -> None:
        self._faults.append(
            SourceFault(
                record=self._record,
                key=shorten_key(self._handle, _NAME_MOST),
                code=code,
                message=message,
                refused=refused,
            )
        )


def _other(title: str, first: str) -> bool:
    """Whether it is another product's title; `first` may have been cut."""
    return shorten(title, _TITLE_MOST).casefold() != first.casefold()


def _has_options(unit: _Unit) -> bool:
    return any(unit.values) and unit.values != (_DEFAULT, "", "")


def _distinct(names: Sequence[str]) -> list[str]:
    """The option names, numbered where one is missing or stands twice."""
    distinct: list[str] = []
    for place, name in enumerate(names, 1):
        taken = {other.casefold() for other in distinct}
        distinct.append(name if name and name.casefold() not in taken else f"Option {place}")
    return distinct


def _noted(product: SourceProduct, notes: Notes) -> SourceProduct:
    """What the product's own shop says of it counts for more than Shopify's columns."""
    return replace(
        product,
        product_id=notes.id,
        currency=notes.currency,
        hsn=notes.hsn,
        tax_basis_points=notes.tax_basis_points,
        categories=notes.categories,
        tags=notes.tags,
        specifications=notes.specifications,
    )


def _variant(unit: _Unit, options: tuple[tuple[str, str], ...]) -> SourceVariant:
    return SourceVariant(
        key=unit.key,
        sku=unit.sku,
        options=options,
        price=unit.price,
        compare_at=unit.compare_at,
        stock=unit.stock,
        barcode=unit.barcode,
        weight_grams=unit.grams,
        image=unit.image,
    )
