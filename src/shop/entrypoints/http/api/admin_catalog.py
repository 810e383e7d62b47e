"""The catalogue as staff keep it."""

import asyncio
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, BinaryIO
from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.datastructures import UploadFile
from litestar.exceptions import HTTPException
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody, MultipartBody
from msgspec import UNSET, Meta, Struct, UnsetType

from shop.adapters.feeds.text import safe_html
from shop.core.catalog.imports import ImportRegister, StartImport
from shop.core.catalog.model import Category, Image, Product, ProductStatus, Variant
from shop.core.catalog.pictures import MOST_BYTES
from shop.core.catalog.service import (
    Assortment,
    CategoryDraft,
    CategoryKeeping,
    Gallery,
    ProductDraft,
)
from shop.core.catalog.stockist import Stockist
from shop.core.catalog.variants import VariantDraft
from shop.core.inventory.service import Adjust, Adjusted, Stockroom
from shop.core.kernel.access import Caller, Permission
from shop.core.kernel.errors import Unavailable
from shop.core.kernel.ids import CategoryId, ProductId, VariantId
from shop.core.kernel.money import LARGEST, Money
from shop.entrypoints.actors.imports import ImportDesk, ImportJob
from shop.entrypoints.http.answers import Answer
from shop.entrypoints.http.auth import Authenticator
from shop.entrypoints.http.idempotency import digest_of, key_of
from shop.entrypoints.http.raw import header
from shop.entrypoints.http.served import Given, HttpRequest, served
from shop.ports.catalog import ImportReport

Text = Annotated[str, Meta(max_length=255)]
Price = Annotated[int, Meta(ge=0, le=LARGEST)]


class VariantBody(Struct, forbid_unknown_fields=True):
    """`price` and `compare_at_price` in minor units of the shop's currency."""

    id: UUID | None = None
    title: Annotated[str, Meta(max_length=512)] = ""
    sku: Text = ""
    options: dict[Text, Text] = {}
    price: Price | None = None
    compare_at_price: Price | None = None
    barcode: Annotated[str, Meta(max_length=64)] = ""
    weight_grams: Annotated[int, Meta(ge=0, le=10**9)] | None = None
    image: Annotated[str, Meta(max_length=2048)] = ""

    def draft(self) -> VariantDraft:
        return VariantDraft(
            id=VariantId(self.id) if self.id else None,
            title=self.title,
            sku=self.sku,
            options=tuple(self.options.items()),
            price=self.price,
            compare_at=self.compare_at_price,
            barcode=self.barcode,
            weight_grams=self.weight_grams,
            image=self.image,
        )


class ImageBody(Struct, forbid_unknown_fields=True):
    url: Annotated[str, Meta(max_length=2048, pattern=r"^(https?://|/media/)[^\s\"'<>]+$")]
    alt: Annotated[str, Meta(max_length=512)] = ""
    width: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    height: Annotated[int, Meta(ge=1, le=100_000)] | None = None


class SpecificationBody(Struct, forbid_unknown_fields=True):
    name: Text
    value: Annotated[str, Meta(max_length=2000)]


class ProductPatch(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What is left out stays as it is; lists replace the whole list."""

    title: Annotated[str, Meta(min_length=1, max_length=512)] | UnsetType = UNSET
    slug: Annotated[str, Meta(min_length=1, max_length=120)] | UnsetType = UNSET
    status: ProductStatus | UnsetType = UNSET
    description_html: Annotated[str, Meta(max_length=60_000)] | UnsetType = UNSET
    brand: Text | UnsetType = UNSET
    category_ids: Annotated[list[UUID], Meta(max_length=50)] | UnsetType = UNSET
    tags: Annotated[list[Text], Meta(max_length=250)] | UnsetType = UNSET
    specifications: Annotated[list[SpecificationBody], Meta(max_length=250)] | UnsetType = UNSET
    hsn: Annotated[str, Meta(pattern="^[0-9]{0,8}$")] | UnsetType = UNSET
    tax_basis_points: Annotated[int, Meta(ge=0, le=10_000)] | UnsetType = UNSET
    images: Annotated[list[ImageBody], Meta(max_length=250)] | UnsetType = UNSET
    variants: Annotated[list[VariantBody], Meta(max_length=2048)] | UnsetType = UNSET

    def draft(self) -> ProductDraft:
        html, categories, tags = self.description_html, self.category_ids, self.tags
        facts, images, variants = self.specifications, self.images, self.variants
        return ProductDraft(
            title=self.title,
            slug=self.slug,
            status=self.status,
            description_html=UNSET if isinstance(html, UnsetType) else safe_html(html)[0],
            brand=self.brand,
            categories=UNSET
            if isinstance(categories, UnsetType)
            else tuple(dict.fromkeys(map(CategoryId, categories))),
            tags=UNSET if isinstance(tags, UnsetType) else tuple(dict.fromkeys(tags)),
            specifications=UNSET
            if isinstance(facts, UnsetType)
            else tuple((fact.name, fact.value) for fact in facts),
            hsn=self.hsn,
            tax_basis_points=self.tax_basis_points,
            images=UNSET
            if isinstance(images, UnsetType)
            else tuple(
                Image(url=one.url, alt=one.alt, width=one.width, height=one.height)
                for one in images
            ),
            variants=UNSET
            if isinstance(variants, UnsetType)
            else tuple(one.draft() for one in variants),
        )


class ProductBody(ProductPatch, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    title: Annotated[str, Meta(min_length=1, max_length=512)]


class StaffVariant(Struct):
    id: UUID
    sku: str
    title: str
    options: dict[str, str]
    price: Money | None
    compare_at_price: Money | None
    barcode: str
    weight_grams: int | None
    image: str
    withdrawn: bool
    stock_quantity: int


class StaffProduct(Struct):
    """A product in whatever state, with what only staff see."""

    id: UUID
    slug: str
    status: ProductStatus
    title: str
    description_html: str
    brand: str
    category_ids: tuple[UUID, ...]
    tags: tuple[str, ...]
    specifications: list[SpecificationBody]
    hsn: str
    tax_basis_points: int
    images: tuple[Image, ...]
    variants: list[StaffVariant]

    @classmethod
    def of(cls, product: Product, stock: dict[VariantId, int]) -> "StaffProduct":
        return cls(
            id=product.id,
            slug=product.slug,
            status=product.status,
            title=product.title,
            description_html=product.description_html,
            brand=product.brand,
            category_ids=product.categories,
            tags=product.tags,
            specifications=[SpecificationBody(n, v) for n, v in product.specifications],
            hsn=product.hsn,
            tax_basis_points=product.tax_basis_points,
            images=product.images,
            variants=[
                _variant(one, product.currency, stock.get(one.id, 0)) for one in product.variants
            ],
        )


def _variant(variant: Variant, currency: str, stock: int) -> StaffVariant:
    def money(amount: int | None) -> Money | None:
        return None if amount is None else Money(amount, currency)

    return StaffVariant(
        id=variant.id,
        sku=variant.sku,
        title=variant.title,
        options=dict(variant.options),
        price=money(variant.price),
        compare_at_price=money(variant.compare_at),
        barcode=variant.barcode,
        weight_grams=variant.weight_grams,
        image=variant.image,
        withdrawn=variant.withdrawn,
        stock_quantity=stock,
    )


class CategoryPatch(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What is left out stays as it is; `parent_id` null moves it to the top."""

    name: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    slug: Annotated[str, Meta(min_length=1, max_length=60)] | UnsetType = UNSET
    parent_id: UUID | UnsetType | None = UNSET
    position: Annotated[int, Meta(ge=-10_000, le=10_000)] | UnsetType = UNSET

    def draft(self) -> CategoryDraft:
        parent = self.parent_id
        return CategoryDraft(
            name=self.name,
            slug=self.slug,
            parent_id=CategoryId(parent) if isinstance(parent, UUID) else parent,
            position=self.position,
        )


class CategoryBody(CategoryPatch, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=200)]


class StaffCategory(Struct):
    id: UUID
    parent_id: UUID | None
    name: str
    slug: str
    path: str
    position: int

    @classmethod
    def of(cls, category: Category) -> "StaffCategory":
        return cls(
            id=category.id,
            parent_id=category.parent_id,
            name=category.name,
            slug=category.slug,
            path=category.path,
            position=category.position,
        )


@dataclass
class ImageForm:
    """`file` is a PNG, JPEG, WebP or GIF of at most 8 MiB."""

    file: UploadFile
    alt: str = ""


@dataclass
class ImportForm:
    file: UploadFile
    format: str
    dry_run: bool = False
    currency: str = ""


async def uploads_only(request: HttpRequest) -> None:
    """Refuse who may not send one, and what is none, before a byte of it is read.

    The core asks for the permission by itself; here it spares the reading of large bodies.
    """
    authenticator: Authenticator = request.app.state.authenticator
    caller = await authenticator.caller(header(request.scope, b"authorization"))
    caller.require(Permission.CATALOG_WRITE)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise HTTPException(status_code=415, detail="Send multipart/form-data.")


async def spooled(upload: UploadFile) -> BinaryIO:
    """A copy of the upload that outlives the request; on disk when it is large."""
    copy: Any = SpooledTemporaryFile(max_size=2**20)  # noqa: SIM115 - whoever imports it closes it
    while chunk := await upload.read(2**18):
        await asyncio.to_thread(copy.write, chunk)
    copy.seek(0)
    file: BinaryIO = copy
    return file


class ImportStarted(Struct):
    id: UUID


class AdjustmentBody(Struct, forbid_unknown_fields=True):
    delta: Annotated[int, Meta(ge=-(10**9), le=10**9)]
    reason: Annotated[str, Meta(min_length=1, max_length=255)]


class AdminCatalogController(Controller):
    path = "/api/v1/admin"
    tags = ("Back office: catalogue",)

    @post("/products", status_code=201)
    @served
    async def create_product(
        self, data: JSONBody[ProductBody], caller: Caller, assortment: Given[Assortment]
    ) -> StaffProduct:
        """A new product: a draft, unless `status` says otherwise, with nothing on the shelf."""
        return StaffProduct.of(await assortment.create(caller, data.draft()), {})

    @get("/products/{product_id:uuid}")
    @served
    async def show_product(
        self, product_id: FromPath[UUID], caller: Caller, room: Given[Stockist]
    ) -> StaffProduct:
        """A product in whatever state."""
        return StaffProduct.of(*await room.product(caller, ProductId(product_id)))

    @patch("/products/{product_id:uuid}")
    @served
    async def change_product(
        self,
        product_id: FromPath[UUID],
        data: JSONBody[ProductPatch],
        caller: Caller,
        assortment: Given[Assortment],
        room: Given[Stockist],
    ) -> StaffProduct:
        """Change what is given; variants that are named no more are withdrawn."""
        await assortment.update(caller, ProductId(product_id), data.draft())
        return StaffProduct.of(*await room.product(caller, ProductId(product_id)))

    @delete("/products/{product_id:uuid}", status_code=204)
    @served
    async def remove_product(
        self, product_id: FromPath[UUID], caller: Caller, assortment: Given[Assortment]
    ) -> None:
        """Archive it: nobody can buy it any more, and orders still know it."""
        await assortment.remove(caller, ProductId(product_id))

    @post("/products/{product_id:uuid}/images", status_code=201, before_request=uploads_only)
    @served
    async def add_image(
        self,
        product_id: FromPath[UUID],
        data: MultipartBody[ImageForm],
        caller: Caller,
        gallery: Given[Gallery],
    ) -> Image:
        """Upload a picture; its first bytes, not its name, say what it is."""
        body = await data.file.read(MOST_BYTES + 1)
        return await gallery.add(caller, ProductId(product_id), body, data.alt[:512])

    @post("/categories", status_code=201)
    @served
    async def create_category(
        self, data: JSONBody[CategoryBody], caller: Caller, keeping: Given[CategoryKeeping]
    ) -> StaffCategory:
        """A new category, at the top or below another."""
        return StaffCategory.of(await keeping.create(caller, data.draft()))

    @patch("/categories/{category_id:uuid}")
    @served
    async def change_category(
        self,
        category_id: FromPath[UUID],
        data: JSONBody[CategoryPatch],
        caller: Caller,
        keeping: Given[CategoryKeeping],
    ) -> StaffCategory:
        """Rename or move it, with everything below."""
        category = await keeping.update(caller, CategoryId(category_id), data.draft())
        return StaffCategory.of(category)

    @delete("/categories/{category_id:uuid}", status_code=204)
    @served
    async def remove_category(
        self, category_id: FromPath[UUID], caller: Caller, keeping: Given[CategoryKeeping]
    ) -> None:
        """Remove an empty category."""
        await keeping.remove(caller, CategoryId(category_id))

    @post("/imports", status_code=202, before_request=uploads_only)
    @served
    async def start_import(
        self,
        data: MultipartBody[ImportForm],
        caller: Caller,
        register: Given[ImportRegister],
        desk: Given[ImportDesk],
    ) -> ImportStarted:
        """Import another shop's export; look the report up under the id."""
        command = StartImport(
            format=data.format,
            file_name=data.file.filename,
            dry_run=data.dry_run,
            currency=data.currency,
        )
        report = await register.open(caller, command)
        # The framework closes its file with the request; this one lives until it was read.
        file = await spooled(data.file)
        try:
            desk.submit(ImportJob(report, file))
        except Unavailable as busy:
            file.close()
            await register.refuse(report, busy.detail)
            raise
        return ImportStarted(report.id)

    @get("/imports/{import_id:uuid}")
    @served
    async def show_import(
        self, import_id: FromPath[UUID], caller: Caller, register: Given[ImportRegister]
    ) -> ImportReport:
        """How it stands, and row by row what was refused or needs care."""
        return await register.show(caller, import_id)

    @post(
        "/inventory/{variant_id:uuid}/adjustments",
        status_code=201,
        responses={201: ResponseSpec(Adjusted, description="The line of the ledger.")},
    )
    @served
    async def adjust(
        self,
        request: HttpRequest,
        variant_id: FromPath[UUID],
        data: JSONBody[AdjustmentBody],
        caller: Caller,
        stockroom: Given[Stockroom],
    ) -> Answer:
        """Add to the stock, or take away; the ledger keeps the reason."""
        key = key_of(request, caller.name)
        command = Adjust(
            variant_id=VariantId(variant_id),
            delta=data.delta,
            reason=data.reason,
            key=key.key if key else None,
            digest=await digest_of(request),
        )
        reply = await stockroom.adjust(caller, command)
        replayed = ((b"idempotent-replayed", b"true"),) if reply.replayed else ()
        return Answer(reply.body, *replayed, status=201)
