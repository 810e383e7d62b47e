"""What staff do to the catalogue, and what customers say in it."""

from hashlib import sha256
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict, replace

from shop.core.catalog.model import (
    MOST_IMAGES,
    Category,
    CategoryInUse,
    CategoryLoop,
    CategoryNotFound,
    Image,
    NotABuyer,
    Product,
    ProductNotFound,
    ProductStatus,
    Review,
    SlugTaken,
)
from shop.core.catalog.pictures import MOST_BYTES, NotAPicture, recognise
from shop.core.catalog.variants import VariantDraft, arranged
from shop.core.catalog.words import CATEGORY_SLUG_MOST, SLUG_MOST, slug_of, suffixed
from shop.core.kernel.access import Caller, Permission
from shop.core.kernel.errors import Invalid, Malformed
from shop.core.kernel.ids import CategoryId, ProductId
from shop.ports.catalog import Categories, Products, Reviews
from shop.ports.media import Media
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork

_BATCH = 50


class CatalogTerms(Struct, frozen=True):
    """What a product has that says nothing else."""

    currency: str
    tax_basis_points: int
    site: str = ""  # the address of this shop


class ProductDraft(Struct, frozen=True, kw_only=True):
    """What staff say of a product; what is unset stays as it was."""

    title: str | UnsetType = UNSET
    slug: str | UnsetType = UNSET
    status: ProductStatus | UnsetType = UNSET
    description_html: str | UnsetType = UNSET  # already sanitised
    brand: str | UnsetType = UNSET
    categories: tuple[CategoryId, ...] | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    specifications: tuple[tuple[str, str], ...] | UnsetType = UNSET
    hsn: str | UnsetType = UNSET
    tax_basis_points: int | UnsetType = UNSET
    images: tuple[Image, ...] | UnsetType = UNSET
    variants: tuple[VariantDraft, ...] | UnsetType = UNSET

    def given(self) -> dict[str, object]:
        """Everything said, but for the variants and the slug, which need more thought."""
        said = {name: value for name, value in asdict(self).items() if value is not UNSET}
        return {name: value for name, value in said.items() if name not in {"variants", "slug"}}


class Assortment:
    """Products, by the hand of staff."""

    def __init__(
        self,
        uow: UnitOfWork,
        products: Products,
        categories: Categories,
        clock: Clock,
        ids: Ids,
        terms: CatalogTerms,
    ) -> None:
        self._uow = uow
        self._products = products
        self._categories = categories
        self._clock = clock
        self._ids = ids
        self._terms = terms

    async def create(self, caller: Caller, draft: ProductDraft) -> Product:
        """Raises `SlugTaken` for a slug that was asked for; one of our making finds another."""
        caller.require(Permission.CATALOG_WRITE)
        product_id, now = ProductId(self._ids.new()), self._clock.now()
        blank = Product(
            id=product_id,
            slug=product_id.hex,
            title=draft.title if isinstance(draft.title, str) else "",
            currency=self._terms.currency,
            tax_basis_points=self._terms.tax_basis_points,
            created_at=now,
            updated_at=now,
        )
        async with self._uow.begin():
            product = await self._drafted(blank, draft)
            if draft.slug is UNSET:
                product = replace(product, slug=await self._free_slug(product))
            await self._products.add([product])
            self._uow.emit(product.created())
            self._uow.log(caller.did("product.create", product.id, now))
        return product

    async def update(self, caller: Caller, product_id: ProductId, draft: ProductDraft) -> Product:
        caller.require(Permission.CATALOG_WRITE)
        async with self._uow.begin():
            old = await self._products.get(product_id)
            product, updated = old.changed(self._clock.now(), await self._drafted(old, draft))
            await self._products.save([product])
            self._uow.emit(updated)
            self._uow.log(caller.did("product.update", product.id, product.updated_at))
        return product

    async def remove(self, caller: Caller, product_id: ProductId) -> None:
        """Archive it: orders and the ledger still speak of it, the shop does not."""
        caller.require(Permission.CATALOG_WRITE)
        async with self._uow.begin():
            old = await self._products.get(product_id)
            if old.status is ProductStatus.ARCHIVED:
                raise ProductNotFound("There is no such product.")
            product, removed = old.archive(self._clock.now())
            await self._products.save([product])
            self._uow.emit(removed)
            self._uow.log(caller.did("product.remove", product.id, product.updated_at))

    async def _drafted(self, old: Product, draft: ProductDraft) -> Product:
        changes = draft.given()
        if isinstance(draft.slug, str) and draft.slug != old.slug:
            if slug_of(draft.slug, SLUG_MOST) != draft.slug:
                raise Malformed(
                    "A slug has lower-case letters, digits and hyphens.", field="slug", kind="slug"
                )
            if await self._products.slugs([draft.slug]):
                raise SlugTaken("Another product has this slug.", slug=draft.slug)
            changes["slug"] = draft.slug
        if not isinstance(draft.categories, UnsetType):
            known = {category.id for category in await self._categories.all()}
            if not known.issuperset(draft.categories):
                raise CategoryNotFound("There is no such category.")
        if not isinstance(draft.variants, UnsetType):
            changes["variants"] = arranged(old, draft.variants, self._ids)
        return replace(old, **changes)

    async def _free_slug(self, product: Product) -> str:
        wish = slug_of(product.title)
        own = suffixed(wish, product.id.bytes)
        taken = await self._products.slugs([wish, own])
        return own if not wish or wish in taken else wish


class Gallery:
    """Pictures of products, by the hand of staff."""

    def __init__(self, uow: UnitOfWork, products: Products, media: Media, clock: Clock) -> None:
        self._uow = uow
        self._products = products
        self._media = media
        self._clock = clock

    async def add(self, caller: Caller, product_id: ProductId, body: bytes, alt: str) -> Image:
        """Raises `NotAPicture` for anything but PNG, JPEG, WebP and GIF up to 8 MiB."""
        caller.require(Permission.CATALOG_WRITE)
        if len(body) > MOST_BYTES:
            raise NotAPicture(f"A picture has at most {MOST_BYTES >> 20} MiB.")
        found = recognise(body)
        async with self._uow.begin():
            await self._products.get(product_id)
        # Outside of the unit: writing a file takes longer than others should wait.
        key = f"{sha256(body).hexdigest()[:40]}.{found.ending}"
        await self._media.put(key, body, found.content_type)
        image = Image(url=f"/media/{key}", alt=alt, width=found.width, height=found.height)
        async with self._uow.begin():
            old = await self._products.get(product_id)
            if len(old.images) >= MOST_IMAGES:
                raise Invalid(f"A product has at most {MOST_IMAGES} images.")
            images = (*(one for one in old.images if one.url != image.url), image)
            product, updated = old.changed(self._clock.now(), replace(old, images=images))
            await self._products.save([product])
            self._uow.emit(updated)
            self._uow.log(caller.did("product.picture", product.id, product.updated_at))
        return image


class CategoryDraft(Struct, frozen=True, kw_only=True):
    """What staff say of a category; what is unset stays as it was."""

    name: str | UnsetType = UNSET
    slug: str | UnsetType = UNSET
    parent_id: CategoryId | UnsetType | None = UNSET
    position: int | UnsetType = UNSET


class CategoryKeeping:
    """The tree of categories, by the hand of staff."""

    def __init__(
        self,
        uow: UnitOfWork,
        products: Products,
        categories: Categories,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._uow = uow
        self._products = products
        self._categories = categories
        self._clock = clock
        self._ids = ids

    async def create(self, caller: Caller, draft: CategoryDraft) -> Category:
        caller.require(Permission.CATALOG_WRITE)
        async with self._uow.begin():
            tree = {one.id: one for one in await self._categories.all()}
            blank_id = CategoryId(self._ids.new())
            name = draft.name if isinstance(draft.name, str) else ""
            blank = Category(id=blank_id, name=name, slug="", path="")
            category = self._drafted(blank, draft, tree)
            await self._categories.add([category])
            self._uow.log(caller.did("category.create", category.id, self._clock.now()))
        return category

    async def update(
        self, caller: Caller, category_id: CategoryId, draft: CategoryDraft
    ) -> Category:
        """Everything below moves along."""
        caller.require(Permission.CATALOG_WRITE)
        async with self._uow.begin():
            tree = {one.id: one for one in await self._categories.all()}
            old = _one(tree, category_id)
            category = self._drafted(old, draft, tree)
            moved = [category]
            if category.path != old.path:
                prefix = f"{old.path}/"
                moved += [
                    replace(one, path=category.path + one.path[len(old.path) :])
                    for one in tree.values()
                    if one.path.startswith(prefix)
                ]
            await self._categories.save(moved)
            self._uow.log(caller.did("category.update", category_id, self._clock.now()))
        if category.name != old.name:
            await self._reindex(category_id)
        return category

    async def remove(self, caller: Caller, category_id: CategoryId) -> None:
        """Raises `CategoryInUse` while products or categories stand in it."""
        caller.require(Permission.CATALOG_WRITE)
        async with self._uow.begin():
            tree = {one.id: one for one in await self._categories.all()}
            category = _one(tree, category_id)
            if any(one.parent_id == category_id for one in tree.values()):
                raise CategoryInUse("Other categories still stand in this one.")
            await self._categories.remove(category)
            self._uow.log(caller.did("category.remove", category_id, self._clock.now()))

    def _drafted(
        self, old: Category, draft: CategoryDraft, tree: dict[CategoryId, Category]
    ) -> Category:
        name = old.name if isinstance(draft.name, UnsetType) else draft.name
        parent_id = old.parent_id if isinstance(draft.parent_id, UnsetType) else draft.parent_id
        parent = _one(tree, parent_id) if parent_id is not None else None
        if parent is not None and (
            parent.id == old.id or (old.path and parent.path.startswith(f"{old.path}/"))
        ):
            raise CategoryLoop("A category cannot stand below itself.")
        slug = old.slug or slug_of(name, CATEGORY_SLUG_MOST) or old.id.hex
        if isinstance(draft.slug, str):
            if not draft.slug or slug_of(draft.slug, CATEGORY_SLUG_MOST) != draft.slug:
                raise Malformed(
                    "A slug has lower-case letters, digits and hyphens.", field="slug", kind="slug"
                )
            slug = draft.slug
        path = f"{parent.path}/{slug}" if parent else slug
        if any(one.path == path and one.id != old.id for one in tree.values()):
            raise SlugTaken("Another category here has this slug.", slug=slug)
        return replace(
            old,
            name=name,
            slug=slug,
            path=path,
            parent_id=parent_id,
            position=old.position if isinstance(draft.position, UnsetType) else draft.position,
        )

    async def _reindex(self, category_id: CategoryId) -> None:
        """Products are found by the names of their categories: store them anew, few at a time."""
        last: ProductId | None = None
        while True:
            async with self._uow.begin():
                found = await self._products.within(category_id, last, _BATCH)
                await self._products.save(found)
            if len(found) < _BATCH:
                return
            last = found[-1].id


def _one(tree: dict[CategoryId, Category], category_id: CategoryId) -> Category:
    if category_id not in tree:
        raise CategoryNotFound("There is no such category.")
    return tree[category_id]


class WriteReview(Struct, frozen=True, kw_only=True):
    product_id: UUID
    rating: int
    title: str
    body: str


class Reviewing:
    def __init__(
        self, uow: UnitOfWork, products: Products, reviews: Reviews, clock: Clock, ids: Ids
    ) -> None:
        self._uow = uow
        self._products = products
        self._reviews = reviews
        self._clock = clock
        self._ids = ids

    async def write(self, caller: Caller, command: WriteReview) -> Review:
        """Raises `NotABuyer` for who never received the product, `ReviewExists` for a second."""
        user = caller.known()
        product_id = ProductId(command.product_id)
        async with self._uow.begin():
            product = await self._products.get(product_id)
            if product.status is not ProductStatus.ACTIVE:
                raise ProductNotFound("There is no such product.")
            if not await self._reviews.may_review(user, product_id):
                raise NotABuyer("Only customers who received the product may review it.")
            review = Review(
                id=self._ids.new(),
                product_id=product_id,
                user_id=user,
                author=await self._reviews.author(user),
                rating=command.rating,
                title=command.title,
                body=command.body,
                created_at=self._clock.now(),
            )
            await self._reviews.add(review)
        return review
