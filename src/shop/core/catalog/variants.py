"""The variants of a product, by the hand of staff."""

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from shop.core.catalog.model import (
    OtherOptions,
    Product,
    Variant,
    VariantExists,
    VariantNotFound,
)
from shop.core.kernel.access import Caller, Permission
from shop.core.kernel.errors import Invalid, Malformed
from shop.core.kernel.ids import ProductId, VariantId
from shop.core.kernel.money import Money
from shop.ports.catalog import Products
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork

#: In minor units; with a currency it must be the product's.
Asked = int | Money | None


class VariantDraft(Struct, frozen=True, kw_only=True):
    """A variant as staff write it; one with an `id` is changed, and what is unset stays as it
    was. One without is new.
    """

    id: VariantId | None = None
    title: str | UnsetType = UNSET
    sku: str | UnsetType = UNSET
    options: tuple[tuple[str, str], ...] | UnsetType = UNSET
    price: Asked | UnsetType = UNSET
    compare_at: Asked | UnsetType = UNSET
    barcode: str | UnsetType = UNSET
    weight_grams: int | UnsetType | None = UNSET
    image: str | UnsetType = UNSET

    def changed(self, before: Variant, currency: str, place: str) -> Variant:
        """Raises `Malformed`, with a field below `place`, for an amount in another currency."""
        said = {name: getattr(self, name) for name in self.__struct_fields__ if name != "id"}
        said = {name: value for name, value in said.items() if value is not UNSET}
        for name, field in (("price", "price"), ("compare_at", "compare_at_price")):
            if isinstance(asked := said.get(name), Money):
                if asked.currency != currency:
                    raise Malformed(
                        f"This product is sold in {currency}.", field=f"{place}.{field}.currency"
                    )
                said[name] = asked.amount
        after = replace(before, **said, withdrawn=False)
        # A title that was made of the options goes along with them.
        made = self.title is UNSET and before.title == _title_of(before.options)
        return replace(after, title=_title_of(after.options)) if made or not after.title else after


def _title_of(options: tuple[tuple[str, str], ...]) -> str:
    return " / ".join(value for _, value in options)


def _blank(ids: Ids) -> Variant:
    return Variant(id=VariantId(ids.new()), key="")


def arranged(old: Product, drafts: tuple[VariantDraft, ...], ids: Ids) -> tuple[Variant, ...]:
    """Those that are named no more are withdrawn, since orders still speak of them.

    Raises `OtherOptions` for a new one that would have other options than the rest.
    """
    have = {variant.id: variant for variant in old.variants}
    keys = {variant.key: variant for variant in old.variants}
    told: list[Variant] = []
    for position, draft in enumerate(drafts):
        place = f"variants.{position}"
        if draft.id is not None:
            if draft.id not in have:
                raise Malformed("A variant is not one of this product.", field="variants")
            told.append(draft.changed(have[draft.id], old.currency, place))
            continue
        new = draft.changed(_blank(ids), old.currency, place)
        key = new.title or "default"
        # The same options again are the same variant, even if it had been withdrawn.
        if before := keys.get(key):
            new = replace(new, id=before.id, source_stock=before.source_stock)
        told.append(replace(new, key=key))
    _check_options(told, [draft.id is None for draft in drafts])
    named = {variant.id for variant in told}
    if len(named) < len(told):
        raise Invalid("Two variants of a product cannot be the same.")
    gone = [replace(one, withdrawn=True) for one in old.variants if one.id not in named]
    return (*told, *gone)


def _check_options(told: Sequence[Variant], new: Sequence[bool]) -> None:
    """Who buys chooses along the options, so each variant has them all. One without any, as each
    product begins with, binds nobody; what an import brought in disorder may stay.
    """
    named = [
        ([name for name, _ in one.options], is_new) for one, is_new in zip(told, new, strict=True)
    ]
    usual = [names for names, is_new in named if names and not is_new]
    usual = usual or [names for names, _ in named if names][:1]
    for names, is_new in named:
        if is_new and usual and set(names) not in map(set, usual):
            raise OtherOptions(
                f"The other variants of this product have {' and '.join(usual[0])}: a new one "
                "needs a value for each of these, and no others.",
                options=usual[0],
            )


class VariantKeeping:
    """One variant more, or one less, whatever else is changed at the same time."""

    def __init__(self, uow: UnitOfWork, products: Products, clock: Clock, ids: Ids) -> None:
        self._uow = uow
        self._products = products
        self._clock = clock
        self._ids = ids

    async def add(self, caller: Caller, product_id: ProductId, draft: VariantDraft) -> Variant:
        """Raises `VariantExists` for options that the product has, and `OtherOptions`."""
        caller.require(Permission.CATALOG_WRITE)
        async with self._uow.begin():
            old = await self._products.get(product_id)
            offered = _offered(old)
            title = draft.changed(_blank(self._ids), old.currency, "variants").title
            if title in {one.title for one in old.variants if not one.withdrawn}:
                raise VariantExists("The product has this variant already.")
            variants = arranged(old, (*offered, draft), self._ids)
            await self._save(caller, old, variants, "product.variant_add")
        return variants[len(offered)]

    async def withdraw(self, caller: Caller, product_id: ProductId, variant_id: VariantId) -> None:
        """Sell it no more. Raises `NotSellable` for the last one of an active product."""
        caller.require(Permission.CATALOG_WRITE)
        async with self._uow.begin():
            old = await self._products.get(product_id)
            offered = _offered(old)
            left = tuple(draft for draft in offered if draft.id != variant_id)
            if len(left) == len(offered):
                raise VariantNotFound("There is no such variant.")
            variants = arranged(old, left, self._ids)
            await self._save(caller, old, variants, "product.variant_withdraw")

    async def _save(
        self, caller: Caller, old: Product, variants: tuple[Variant, ...], action: str
    ) -> None:
        product, updated = old.changed(self._clock.now(), replace(old, variants=variants))
        await self._products.save([product])
        self._uow.emit(updated)
        self._uow.log(caller.did(action, product.id, product.updated_at))


def _offered(product: Product) -> tuple[VariantDraft, ...]:
    """Those that are not withdrawn, as they are."""
    return tuple(VariantDraft(id=one.id) for one in product.variants if not one.withdrawn)
