"""The catalogue as staff keep it."""

import asyncio
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO
from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.datastructures import UploadFile
from litestar.exceptions import HTTPException
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody, MultipartBody
from msgspec import Struct

from shop.core.catalog.imports import ImportRegister, StartImport
from shop.core.catalog.model import LONGEST_TITLE, Image
from shop.core.catalog.pictures import MOST_BYTES
from shop.core.catalog.service import Assortment, CategoryKeeping, Gallery
from shop.core.catalog.stockist import Stockist
from shop.core.inventory.service import Adjust, Adjusted, Stockroom
from shop.core.kernel.access import Caller, Permission
from shop.core.kernel.errors import Unavailable
from shop.core.kernel.ids import CategoryId, ProductId, VariantId
from shop.entrypoints.actors.imports import ImportDesk, ImportJob
from shop.entrypoints.http.answers import Answer
from shop.entrypoints.http.api.staff_catalog import (
    AdjustmentBody,
    CategoryBody,
    CategoryPatch,
    ProductBody,
    ProductPatch,
    StaffCategory,
    StaffProduct,
)
from shop.entrypoints.http.auth import Authenticator
from shop.entrypoints.http.idempotency import digest_of, key_of
from shop.entrypoints.http.parts import parts_of
from shop.entrypoints.http.raw import header
from shop.entrypoints.http.served import Given, HttpRequest, served
from shop.ports.catalog import ImportReport


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
    """Refuse who may not send one, and what is none, before a byte of it is read; then read it.

    The core asks for the permission by itself; here it spares the reading of large bodies.
    """
    authenticator: Authenticator = request.app.state.authenticator
    caller = await authenticator.caller(header(request.scope, b"authorization"))
    caller.require(Permission.CATALOG_WRITE)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise HTTPException(status_code=415, detail="Send multipart/form-data.")
    await parts_of(request)


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
        return await gallery.add(caller, ProductId(product_id), body, data.alt[:LONGEST_TITLE])

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
        return Answer.once(reply.body, replayed=reply.replayed, status=201)
