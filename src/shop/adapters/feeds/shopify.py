"""Shopify's product export, of any year's template."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from shop.adapters.feeds.cells import (
    quoted,
    read_barcode,
    read_grams,
    read_published,
    read_stock,
    read_url,
    unshielded,
)
from shop.adapters.feeds.containers import Sheet, about_file, open_sheet
from shop.adapters.feeds.faults import NAME_MOST, Faults
from shop.adapters.feeds.money import NotAPrice, is_rounded, parse_price, plain_price
from shop.adapters.feeds.notes import COLUMN, read_notes
from shop.adapters.feeds.shopify_columns import ALIASES, NEEDED
from shop.adapters.feeds.shopify_product import DEFAULT, Draft, Unit, product_of
from shop.adapters.feeds.text import one_line, safe_html, shorten, shorten_key, tidy
from shop.core.catalog.source import SourceFault, SourceImage, SourceProduct
from shop.ports.feeds import Feed, FeedUnreadable, Progress

_MOST_VARIANTS = 2048  # Shopify's own limit
_MOST_IMAGES = 250
_MOST_TAGS = 250
_TITLE_MOST = 512
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
        with open_sheet(file, ALIASES) as (sheet, faults):
            missing = [name for name in NEEDED if name not in sheet.columns]
            if missing:
                names = ", ".join(NEEDED[name] for name in missing)
                raise FeedUnreadable(
                    f"This is no Shopify product export: it has no column {names}.",
                    missing=[NEEDED[name] for name in missing],
                )
            reading = _Reading(sheet, currency)
            last, total = reading.last_records()
            if "stock" not in sheet.columns:
                faults.append(
                    about_file(
                        "stock-missing",
                        "The file has no column of stock: new products have none, others keep "
                        "what they have.",
                    )
                )
            yield from faults
            yield from reading.products(last, total, progress)


class _Reading:
    """One reading of one file."""

    def __init__(self, sheet: Sheet, currency: str) -> None:
        self._sheet = sheet
        self._currency = self._money = currency
        self._own = "notes" in sheet.columns
        # A cell is added to every record for the columns the file has not.
        self._place = {name: sheet.columns.get(name, sheet.width) for name in ALIASES}
        self._faults = Faults()
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
        drafts: dict[str, Draft] = {}
        for item in self._sheet.records():
            if isinstance(item, SourceFault):
                yield item
                continue
            self._faults.record, self._cells = item
            self._cells.append("")
            if progress is not None and self._faults.record % _STEP == 0:
                progress(self._faults.record, total)
            self._faults.key = one_line(self._cells[self._place["handle"]])
            if not self._faults.key:
                self._faults.refuse("handle-missing", "The record has no handle.")
            else:
                key = self._faults.key.casefold()
                draft = drafts.get(key)
                if draft is None:
                    draft = drafts[key] = Draft(self._faults.key, self._faults.record)
                    draft.counted = "stock" in self._sheet.columns
                self._faults.key = draft.handle
                self._take(draft)
                if last[key] == self._faults.record:
                    product = product_of(drafts.pop(key), self._faults)
                    if product is not None:
                        yield product
            yield from self._faults.take()
        if progress is not None:
            progress(total, total)

    # -- one record ------------------------------------------------------------------------------

    def _take(self, draft: Draft) -> None:
        title = one_line(self._get("title"))
        if title:
            draft.foreign = bool(draft.title) and _other(title, draft.title)
            if not draft.title:
                self._take_product(draft, title)
        if draft.foreign:
            shown = f"another product, {quoted(title)}" if title else "another product"
            self._faults.refuse(
                "handle-of-two-products",
                f"The handle stands for {quoted(draft.title)} already; this is {shown}.",
            )
            return
        self._money = draft.notes.currency if draft.notes else self._currency
        for place, name in enumerate(("name1", "name2", "name3")):
            if self._get(name) and not draft.names[place]:
                draft.names[place] = self._faults.short("option name", one_line(self._get(name)))
        a, b, c = (
            self._faults.short("option value", one_line(self._get(name)))
            for name in ("value1", "value2", "value3")
        )
        price = tidy(self._get("price"))
        sku = self._faults.short("SKU", one_line(self._get("sku")))
        is_unit = bool(a or b or c or price or sku)
        if is_unit and not self._take_unit(draft, (a, b, c), price, sku):
            draft.refused += 1
        # The picture is the product's, whatever becomes of the variant beside it.
        if not self._take_image(draft) and not is_unit and not title:
            self._faults.warn("record-empty", "The record has neither a variant nor an image.")

    def _take_product(self, draft: Draft, title: str) -> None:
        draft.title = self._faults.short("title", title, _TITLE_MOST)
        draft.brand = self._faults.short("vendor", one_line(self._get("vendor")))
        draft.body, cut = safe_html(self._get("body"))
        if cut:
            self._faults.warn("text-cut", "The description is too long; its end was cut off.")
        draft.categories = self._categories()
        tags: dict[str, str] = {}
        for text in one_line(self._get("tags")).split(","):
            if tag := shorten(text.strip(), NAME_MOST):
                tags.setdefault(tag.casefold(), tag)
        if len(tags) > _MOST_TAGS:
            self._faults.warn(
                "tags-too-many", f"Of {len(tags)} tags the first {_MOST_TAGS} are kept."
            )
        draft.tags = tuple(tags.values())[:_MOST_TAGS]
        draft.published = self._faults.kept(
            read_published(tidy(self._get("published")), tidy(self._get("status")))
        )
        if written := tidy(self._get("notes")):
            draft.notes = read_notes(written)
            if draft.notes is None:
                self._faults.warn("notes-unreadable", f"The column {COLUMN} is spoilt; left out.")

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
        nodes = (self._faults.short("category", node.strip()) for node in _PATH.split(text))
        return tuple(node for node in nodes if node) or (text,)

    def _take_unit(
        self, draft: Draft, values: tuple[str, str, str], price_text: str, sku: str
    ) -> bool:
        """Add the variant of this record, unless it must be refused."""
        key = " / ".join(value for value in values if value) or DEFAULT
        key = shorten_key(key, NAME_MOST * 3)
        if key in draft.units:
            first = draft.units[key].record
            self._faults.refuse(
                "variant-twice", f"The variant {quoted(key)} stands in record {first} already."
            )
            return False
        if len(draft.units) >= _MOST_VARIANTS:
            self._faults.refuse(
                "variants-too-many", f"The product has {_MOST_VARIANTS} variants already."
            )
            return False
        stock, complaint = read_stock(tidy(self._get("stock")))
        if stock is None:
            self._faults.refuse(*(complaint or ("stock-too-large", "")))
            return False
        self._faults.complain(complaint)
        if sku and sku in draft.skus:
            self._faults.warn("sku-repeated", f"The SKU {quoted(sku)} stands on several variants.")
        draft.skus.add(sku)
        grams = tidy(self._get("grams"))
        weight = (grams, "g") if grams else (tidy(self._get("weight")), tidy(self._get("unit")))
        price = self._price(price_text)
        draft.units[key] = Unit(
            record=self._faults.record,
            values=values,
            key=key,
            sku=sku,
            price=price,
            compare_at=self._compare_at(price),
            stock=stock,
            barcode=self._faults.short(
                "barcode", self._faults.kept(read_barcode(one_line(self._get("barcode"))))
            ),
            grams=self._faults.kept(read_grams(*weight)),
            image=self._faults.kept(read_url(tidy(self._get("variant_image")))),
        )
        return True

    def _price(self, text: str) -> int | None:
        if not text:
            self._faults.warn("price-missing", "The variant has no price; kept as a draft.")
            return None
        try:
            price = parse_price(text, self._money)
        except NotAPrice as wrong:
            self._faults.warn(
                "price-unreadable", f"The price {quoted(text)} {wrong.detail}; kept as a draft."
            )
            return None
        if price == 0:
            self._faults.warn("price-zero", "The price is 0.")
        elif is_rounded(text, self._money):
            kept = plain_price(price, self._money)
            self._faults.warn("price-rounded", f"The price {quoted(text)} is rounded to {kept}.")
        return price

    def _compare_at(self, price: int | None) -> int | None:
        text = tidy(self._get("compare_at"))
        if not text or price is None:
            return None
        try:
            compare_at = parse_price(text, self._money)
        except NotAPrice as wrong:
            self._faults.warn(
                "compare-at-unreadable",
                f"The compare-at price {quoted(text)} {wrong.detail}; dropped.",
            )
            return None
        if compare_at > price:
            return compare_at
        how = "below" if compare_at < price else "the same as"
        self._faults.warn(
            "compare-at-not-above",
            f"The compare-at price {quoted(text)} is {how} the price; dropped.",
        )
        return None

    def _take_image(self, draft: Draft) -> bool:
        """Whether the record names an image, kept or not."""
        text = tidy(self._get("image"))
        if not text:
            return False
        url = self._faults.kept(read_url(text))
        if not url or url in draft.images:
            return True
        if len(draft.images) >= _MOST_IMAGES:
            self._faults.warn("images-too-many", f"The product has {_MOST_IMAGES} images already.")
            return True
        found = _POSITION.fullmatch(tidy(self._get("position")))
        position = int(found[1]) if found else float("inf")
        alt = self._faults.short("alt text", one_line(self._get("alt")), _TITLE_MOST)
        draft.images[url] = (position, SourceImage(url=url, alt=alt))
        return True

    # -- cells and complaints --------------------------------------------------------------------

    def _get(self, name: str) -> str:
        text = self._cells[self._place[name]]
        return unshielded(text) if self._own else text


def _other(title: str, first: str) -> bool:
    """Whether it is another product's title; `first` may have been cut."""
    return shorten(title, _TITLE_MOST).casefold() != first.casefold()
