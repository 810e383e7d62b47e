"""The variants of a product, by the hand of staff."""

from msgspec import Struct
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
from shop.ports.catalog import Products
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork


class VariantDraft(Struct, frozen=True, kw_only=True):
    """A variant as staff write it; one with an `id` is changed, one without is new."""

    id: VariantId | None = None
    title: str = ""
    sku: str = ""
    options: tuple[tuple[str, str], ...] = ()
    price: int | None = None
    compare_at: int | None = None
    barcode: str = ""
    weight_grams: int | None = None
    image: str = ""


def arranged(old: Product, drafts: tuple[VariantDraft, ...], ids: Ids) -> tuple[Variant, ...]:
    """Those that are named no more are withdrawn, since orders still speak of them.

    Raises `OtherOptions` for a new one that would have other options than the rest.
    """
    _check_options(drafts)
    have = {variant.id: variant for variant in old.variants}
    keys = {variant.key: variant.id for variant in old.variants}
    told: list[Variant] = []
    for draft in drafts:
        if draft.id is not None and draft.id not in have:
            raise Malformed("A variant is not one of this product.", field="variants")
        title = draft.title or " / ".join(value for _, value in draft.options)
        key = title or "default"
        # The same options again are the same variant, even if it had been withdrawn.
        known = draft.id or keys.get(key)
        before = have.get(known) if known else None
        told.append(
            Variant(
                id=known or VariantId(ids.new()),
                key=before.key if before else key,
                title=title,
                sku=draft.sku,
                options=draft.options,
                price=draft.price,
                compare_at=draft.compare_at,
                barcode=draft.barcode,
                weight_grams=draft.weight_grams,
                image=draft.image,
                source_stock=before.source_stock if before else None,
            )
        )
    named = {variant.id for variant in told}
    if len(named) < len(told):
        raise Invalid("Two variants of a product cannot be the same.")
    gone = [replace(one, withdrawn=True) for one in old.variants if one.id not in named]
    return (*told, *gone)


def _check_options(drafts: tuple[VariantDraft, ...]) -> None:
    """Who buys chooses along the options, so each variant has them all. One without any, as each
    product begins with, binds nobody; what an import brought in disorder may stay.
    """
    told = [(draft, [name for name, _ in draft.options]) for draft in drafts]
    usual = [names for draft, names in told if names and draft.id is not None]
    usual = usual or [names for _, names in told if names][:1]
    for draft, names in told:
        if draft.id is None and usual and set(names) not in map(set, usual):
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
            titles = {one.title for one in offered}
            if (draft.title or " / ".join(value for _, value in draft.options)) in titles:
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
    return tuple(
        VariantDraft(
            id=one.id,
            title=one.title,
            sku=one.sku,
            options=one.options,
            price=one.price,
            compare_at=one.compare_at,
            barcode=one.barcode,
            weight_grams=one.weight_grams,
            image=one.image,
        )
        for one in product.variants
        if not one.withdrawn
    )
