"""The catalogue as everybody may read it, and the reviews of those who bought."""

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from litestar import Controller, get, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta, Struct

from shop.core.catalog.model import MediaNotFound
from shop.core.catalog.service import Reviewing, WriteReview
from shop.core.catalog.suggest import Suggesting
from shop.core.catalog.views import (
    CategoryNode,
    ProductList,
    ProductView,
    ReviewView,
    Suggestion,
)
from shop.core.catalog.words import fold, words_of
from shop.core.kernel.access import Caller
from shop.core.kernel.money import LARGEST
from shop.entrypoints.http.answers import Answer
from shop.entrypoints.http.api.fields import Cursor, Limit
from shop.entrypoints.http.served import Given, HttpRequest, served
from shop.ports.catalog import CatalogReads, ProductFilter, Sort
from shop.ports.media import Media

_MOST_OPTIONS = 8
_OPTION = "option."

Amount = Annotated[int | None, QueryParameter(ge=0, le=LARGEST, description="In minor units.")]


class CategoryList(Struct):
    items: tuple[CategoryNode, ...]
    next_cursor: str | None = None


class SuggestionList(Struct):
    items: list[Suggestion]
    next_cursor: str | None = None


class ReviewList(Struct):
    items: tuple[ReviewView, ...]
    next_cursor: str | None
    total: int


class ReviewBody(Struct, forbid_unknown_fields=True):
    rating: Annotated[int, Meta(ge=1, le=5)]
    title: Annotated[str, Meta(max_length=200)] = ""
    body: Annotated[str, Meta(max_length=10_000)] = ""


def searched(q: str | None) -> tuple[str, ...]:
    """The words to look for; text without a single word is looked for as it is."""
    text = (q or "").strip()
    return words_of(text) or ((fold(text),) if text else ())


class CatalogController(Controller):
    path = "/api/v1"
    tags = ("Catalogue",)

    @get("/categories", responses={200: ResponseSpec(CategoryList, description="The tree.")})
    @served
    async def categories(self, reads: Given[CatalogReads]) -> Answer:
        """The tree of categories, with how many active products are in each and below."""
        return Answer.of(CategoryList(await reads.tree()))

    @get("/products", responses={200: ResponseSpec(ProductList, description="A page.")})
    @served
    async def products(
        self,
        request: HttpRequest,
        reads: Given[CatalogReads],
        category: Annotated[
            str | None, QueryParameter(max_length=700, description="Slug path, with descendants.")
        ] = None,
        q: Annotated[
            str | None, QueryParameter(max_length=200, description="All words must occur.")
        ] = None,
        brand: Annotated[str | None, QueryParameter(max_length=255)] = None,
        tag: Annotated[str | None, QueryParameter(max_length=255)] = None,
        min_price: Amount = None,
        max_price: Amount = None,
        min_rating: Annotated[float | None, QueryParameter(ge=0, le=5)] = None,
        in_stock: FromQuery[bool | None] = None,
        sort: FromQuery[Sort | None] = None,
        facets: FromQuery[bool] = False,  # noqa: FBT002 - a query parameter
        limit: Limit = 24,
        cursor: Cursor = None,
    ) -> Answer:
        """Products, filtered and sorted; `option.<name>=<value>` asks for a variant's option."""
        given = request.query_params.multi_items()
        options = [
            (name.removeprefix(_OPTION), value)
            for name, value in given
            if name.startswith(_OPTION) and value
        ]
        words = searched(q)
        which = ProductFilter(
            category=(category or "").strip("/"),
            words=words,
            brand=brand or "",
            tag=tag or "",
            min_price=min_price,
            max_price=max_price,
            min_rating=None if min_rating is None else round(min_rating * 100),
            in_stock=in_stock,
            options=tuple(options[:_MOST_OPTIONS]),
        )
        chosen = sort or (Sort.RELEVANCE if words else Sort.NEWEST)
        found = await reads.page(which, chosen, limit, cursor or None, facets=facets)
        return Answer(found.json())

    @get("/products/{product:str}", responses={200: ResponseSpec(ProductView, description="It.")})
    @served
    async def product(self, product: FromPath[str], reads: Given[CatalogReads]) -> Answer:
        """One product, by id or slug."""
        return Answer.of(await reads.product(product))

    @get("/search/suggest", responses={200: ResponseSpec(SuggestionList, description="Ten.")})
    @served
    async def suggest(
        self,
        suggesting: Given[Suggesting],
        q: Annotated[
            str, QueryParameter(max_length=200, description="What was typed so far.")
        ] = "",
    ) -> Answer:
        """Up to ten names that what was typed may mean, one typo forgiven."""
        return Answer.of(SuggestionList(await suggesting.suggest(q)))

    @get("/products/{product:str}/reviews")
    @served
    async def reviews(
        self,
        product: FromPath[str],
        reads: Given[CatalogReads],
        limit: Limit = 24,
        cursor: Cursor = None,
    ) -> ReviewList:
        """What customers say of it, the newest first."""
        page = await reads.reviews(product, limit, cursor or None)
        return ReviewList(page.items, page.next_cursor, page.total or 0)

    @post("/products/{product:str}/reviews", status_code=201)
    @served
    async def review(
        self,
        product: FromPath[str],
        data: JSONBody[ReviewBody],
        caller: Caller,
        reads: Given[CatalogReads],
        reviewing: Given[Reviewing],
    ) -> ReviewView:
        """Review a product that was delivered to you; once."""
        found = await reads.product(product)
        command = WriteReview(
            product_id=UUID(str(found.id)), rating=data.rating, title=data.title, body=data.body
        )
        written = await reviewing.write(caller, command)
        return ReviewView(
            id=written.id,
            author=written.author,
            rating=written.rating,
            title=written.title,
            body=written.body,
            created_at=written.created_at,
        )


class _File(Answer):
    """A file that never changes under its key."""

    def __init__(self, body: bytes, content_type: str, key: str) -> None:
        super().__init__(body)
        self._headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"public, max-age=31536000, immutable"),
            (b"etag", f'"{quote(key)}"'.encode()),
            (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; sandbox"),
        ]


@get(
    "/media/{key:str}",
    tags=["Catalogue"],
    responses={
        200: ResponseSpec(
            bytes, description="The picture.", media_type="image/*", generate_examples=False
        )
    },
)
@served
async def show_medium(key: FromPath[str], media: Given[Media]) -> Answer:
    """A picture."""
    found = await media.get(key)
    if found is None:
        raise MediaNotFound("There is no such file.")
    return _File(found.body, found.content_type, key)
