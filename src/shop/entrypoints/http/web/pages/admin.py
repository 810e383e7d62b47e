"""The back office: orders, products and mails for the people who run the shop.

For anybody else it is not there at all.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import msgspec
from litestar.params import FromPath
from msgspec import UNSET

from shop.adapters.feeds.text import safe_html
from shop.core.catalog.model import NotSellable, Product, ProductStatus, Variant
from shop.core.catalog.service import Assortment, ProductDraft, VariantDraft
from shop.core.catalog.views import CategoryNode
from shop.core.catalog.words import words_of
from shop.core.checkout.cancellation import Cancellation
from shop.core.checkout.fulfilment import Fulfilment
from shop.core.checkout.once import Attempt
from shop.core.checkout.refunds import Refunding, RequestRefund
from shop.core.inventory.model import OutOfStock
from shop.core.inventory.service import Adjust, Stockroom
from shop.core.kernel.access import Permission
from shop.core.kernel.errors import Invalid, Malformed, NotFound, Unauthenticated
from shop.core.kernel.ids import CategoryId, EmailId, OrderId, ProductId, VariantId
from shop.core.kernel.money import Money
from shop.core.notifications.model import EmailStatus
from shop.core.notifications.service import MailRoom
from shop.core.orders.model import MOVES, Order, OrderState, OrderStatus
from shop.core.payments.model import Refund, RefundTooLarge
from shop.core.users.postal import line
from shop.entrypoints.http.api.orders import encode_order
from shop.entrypoints.http.api.views import RefundView
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.forms import Errors, Form, amount
from shop.entrypoints.http.web.rendering import plain
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import form, page
from shop.entrypoints.http.web.visit import Visit, visited
from shop.ports.catalog import CatalogReads, StaffReads
from shop.ports.idempotency import IdempotencyKey
from shop.ports.mail import EmailFilter
from shop.ports.orders import OrderFilter, OrderReads
from shop.ports.payments import PaymentReads

_PAGE = 25
_UNFIT = 422
_COUNTED = 100
_TO_DO = (
    OrderStatus.PENDING_PAYMENT,
    OrderStatus.CONFIRMED,
    OrderStatus.PACKED,
    OrderStatus.SHIPPED,
)


def _staff(visit: Visit) -> None:
    if visit.caller.user_id is None:
        raise Unauthenticated("Please sign in.")
    if not visit.caller.may(Permission.ORDERS_READ):
        raise NotFound("There is no such page.")


def _cursor(visit: Visit) -> str | None:
    return visit.request.query_params.get("cursor") or None


@page("/admin")
@visited
async def dashboard(visit: Visit, reads: Given[OrderReads], products: Given[StaffReads]) -> Reply:
    _staff(visit)
    counts = []
    for status in _TO_DO:
        found = await reads.page(OrderFilter(status=status), _COUNTED, None)
        more = "+" if found.next_cursor else ""
        counts.append((status, f"{len(found.items)}{more}"))
    newest = await reads.page(OrderFilter(), 10, None)
    return await visit.page(
        "admin/dashboard.html",
        counts=counts,
        tally=await products.tally(),
        orders=newest.items,
    )


# --- orders ---


@page("/admin/orders")
@visited
async def orders(visit: Visit, reads: Given[OrderReads]) -> Reply:
    _staff(visit)
    given = visit.request.query_params
    status, text = given.get("status", ""), given.get("text", "").strip()[:200]
    which = OrderFilter(
        status=OrderStatus(status) if status in set(OrderStatus) else None, text=text
    )
    found = await reads.page(which, _PAGE, _cursor(visit))
    return await visit.page(
        "admin/orders.html",
        orders=found.items,
        cursor=found.next_cursor,
        status=status,
        text=text,
        statuses=list(OrderStatus),
    )


@page("/admin/orders/{number:str}")
@visited
async def order(
    number: FromPath[str], visit: Visit, reads: Given[OrderReads], payments: Given[PaymentReads]
) -> Reply:
    _staff(visit)
    return await _order_page(visit, await reads.by_number(number), payments, Errors())


async def _order_page(visit: Visit, order: Order, payments: PaymentReads, errors: Errors) -> Reply:
    paid = await payments.of_order(order.id)
    left = next((p.refundable for p in paid if p.id == order.payment_id), 0)
    return await visit.page(
        "admin/order.html",
        http_status=_UNFIT if errors else 200,
        order=order,
        payments=paid,
        refunds=(await payments.refunds_of([order.id])).get(order.id, []),
        moves=MOVES[order.status],
        refundable=Money(left, order.breakdown.total.currency),
        form=visit.form if errors else Form(key=visit.new_secret()),
        errors=errors,
    )


@form("/admin/orders/{number:str}/{move:str}")
@visited
async def move_order(
    number: FromPath[str],
    move: FromPath[str],
    visit: Visit,
    reads: Given[OrderReads],
    payments: Given[PaymentReads],
    fulfilment: Given[Fulfilment],
    cancellation: Given[Cancellation],
    refunding: Given[Refunding],
) -> Reply:
    _staff(visit)
    order = await reads.by_number(number)
    here = f"/admin/orders/{order.number}"
    errors, done = Errors(), "order-moved"
    try:
        with errors.gathered():
            match move:
                case "pack":
                    await fulfilment.pack(visit.caller, order.id, encode_order)
                case "ship":
                    carrier = line(visit.form["carrier"][:100], "carrier")
                    tracking = line(visit.form["tracking_number"][:100], "tracking_number")
                    parcel = carrier, tracking
                    await fulfilment.ship(visit.caller, order.id, parcel, encode_order)
                case "deliver":
                    await fulfilment.deliver(visit.caller, order.id, encode_order)
                case "cancel":
                    reason = line(visit.form["reason"][:200], "reason", empty=True)
                    await cancellation.by_staff(visit.caller, order.id, reason, encode_order)
                case "refund":
                    await _refund(visit, order.id, refunding)
                    done = "refund-asked"
                case _:
                    raise NotFound("There is no such page.")
    except OrderState:
        return visit.see(here, "order-state")
    except RefundTooLarge:
        return visit.see(here, "refund-large")
    if errors:
        return await _order_page(visit, order, payments, errors)
    return visit.see(here, done)


async def _refund(visit: Visit, order_id: OrderId, refunding: Refunding) -> None:
    """The key in the form makes a second press harmless."""
    typed = visit.form
    wanted = amount(typed["amount"], "amount") if typed.text("amount") else None
    reason = line(typed["reason"][:255], "reason")
    command = RequestRefund(order_id=order_id, amount=wanted, reason=reason)
    await refunding.request(visit.caller, command, _encode_refund, _attempt(visit, str(order_id)))


def _attempt(visit: Visit, what: str) -> Attempt | None:
    key = visit.form["key"]
    if not (key.isascii() and key.isprintable() and 0 < len(key) <= 255):  # noqa: PLR2004
        return None
    told = sorted((name, value) for name, value in visit.form.items() if name != "csrf")
    digest = hashlib.sha256(msgspec.json.encode([what, told])).digest()
    return Attempt(key=IdempotencyKey(key, f"user:{visit.caller.known()}"), digest=digest)


def _encode_refund(refund: Refund) -> bytes:
    return msgspec.json.encode(RefundView.of(refund))


# --- products ---


@page("/admin/products")
@visited
async def products(visit: Visit, reads: Given[StaffReads]) -> Reply:
    _staff(visit)
    text = visit.request.query_params.get("text", "").strip()[:100]
    found = await reads.products(words_of(text), _PAGE, _cursor(visit))
    return await visit.page(
        "admin/products.html", products=found.items, cursor=found.next_cursor, text=text
    )


def _shelves(nodes: tuple[CategoryNode, ...], above: str = "") -> Iterator[tuple[CategoryId, str]]:
    for node in nodes:
        name = f"{above} › {node.name}" if above else node.name  # noqa: RUF001 - an arrow
        yield node.id, name
        yield from _shelves(node.children, name)


@page("/admin/products/new")
@visited
async def new_product(visit: Visit, reads: Given[CatalogReads]) -> Reply:
    _staff(visit)
    return await _product_page(visit, reads, None, {}, Form(status="draft"), Errors())


@page("/admin/products/{product_id:uuid}")
@visited
async def product(
    product_id: FromPath[UUID],
    visit: Visit,
    reads: Given[CatalogReads],
    staff: Given[StaffReads],
) -> Reply:
    _staff(visit)
    found, stock = await staff.product(ProductId(product_id))
    return await _product_page(visit, reads, found, stock, _typed(found), Errors())


def _typed(product: Product) -> Form:
    typed = Form(
        title=product.title,
        brand=product.brand,
        status=product.status,
        description=product.description_html,
        tags=", ".join(product.tags),
    )
    typed |= {f"category_{one}": "yes" for one in product.categories}
    for variant in product.variants:
        typed[f"price_{variant.id}"] = plain(variant.price)
        typed[f"compare_{variant.id}"] = plain(variant.compare_at)
    return typed


async def _product_page(
    visit: Visit,
    reads: CatalogReads,
    product: Product | None,
    stock: dict[VariantId, int],
    typed: Form,
    errors: Errors,
) -> Reply:
    return await visit.page(
        "admin/product.html",
        http_status=_UNFIT if errors else 200,
        product=product,
        stock=stock,
        form=typed,
        errors=errors,
        key=visit.new_secret(),
        shelves=list(_shelves(await reads.tree())),
        statuses=list(ProductStatus),
    )


@form("/admin/products/new")
@visited
async def create_product(
    visit: Visit,
    reads: Given[CatalogReads],
    assortment: Given[Assortment],
    stockroom: Given[Stockroom],
) -> Reply:
    _staff(visit)
    typed, errors = visit.form, Errors()
    draft = _draft(typed, errors, [])
    pieces = 0
    with errors.gathered():
        pieces = typed.count("stock") if typed.text("stock") else 0
    with errors.gathered():
        price = amount(typed["price"], "price") if typed.text("price") else None
        variant = VariantDraft(price=price, sku=line(typed["sku"][:64], "sku", empty=True))
        draft = msgspec.structs.replace(draft, variants=(variant,))
    made: Product | None = None
    if not errors:
        with _understood(errors):
            made = await assortment.create(visit.caller, draft)
    if made is None:
        return await _product_page(visit, reads, None, {}, typed, errors)
    if pieces > 0:
        command = Adjust(variant_id=made.variants[0].id, delta=pieces, reason="First stock")
        await stockroom.adjust(visit.caller, command)
    return visit.see(f"/admin/products/{made.id}", "saved")


@form("/admin/products/{product_id:uuid}")
@visited
async def change_product(
    product_id: FromPath[UUID],
    visit: Visit,
    reads: Given[CatalogReads],
    staff: Given[StaffReads],
    assortment: Given[Assortment],
) -> Reply:
    _staff(visit)
    found, stock = await staff.product(ProductId(product_id))
    errors = Errors()
    draft = _draft(visit.form, errors, [one for one in found.variants if not one.withdrawn])
    if not errors:
        with _understood(errors):
            await assortment.update(visit.caller, found.id, draft)
    if errors:
        return await _product_page(visit, reads, found, stock, visit.form, errors)
    return visit.see(f"/admin/products/{found.id}", "saved")


@contextmanager
def _understood(errors: Errors) -> Iterator[None]:
    try:
        with errors.gathered():
            yield
    except NotSellable:
        errors["status"] = "An active product needs a price."
    except Invalid as no:
        errors[""] = no.detail


def _draft(typed: Form, errors: Errors, variants: list[Variant]) -> ProductDraft:
    """What the form says; of variants it changes the prices, the rest stays."""
    title = ""
    with errors.gathered():
        title = line(typed["title"][:512], "title")
    status = typed["status"]
    if status not in set(ProductStatus):
        errors["status"] = "Please choose one."
    drafts = []
    for one in variants:
        with errors.gathered():
            drafts.append(
                VariantDraft(
                    id=one.id,
                    title=one.title,
                    sku=one.sku,
                    options=one.options,
                    price=_optional(typed, f"price_{one.id}"),
                    compare_at=_optional(typed, f"compare_{one.id}"),
                    barcode=one.barcode,
                    weight_grams=one.weight_grams,
                    image=one.image,
                )
            )
    tags = (line(tag[:255], "tags", empty=True) for tag in typed["tags"].split(","))
    return ProductDraft(
        title=title,
        status=ProductStatus(status) if status in set(ProductStatus) else UNSET,
        description_html=safe_html(typed["description"][:60_000])[0],
        brand=line(typed["brand"][:255], "brand", empty=True),
        categories=tuple(_categories(typed)),
        tags=tuple(dict.fromkeys(tag for tag in tags if tag)),
        variants=tuple(drafts) if variants else UNSET,
    )


def _optional(typed: Form, name: str) -> int | None:
    return amount(typed[name], name) if typed.text(name) else None


def _categories(typed: Form) -> Iterator[CategoryId]:
    for name in typed:
        if name.startswith("category_"):
            try:
                yield CategoryId(UUID(name.removeprefix("category_")))
            except ValueError:
                raise Malformed("There is no such category.", field="categories") from None


@form("/admin/products/{product_id:uuid}/stock")
@visited
async def adjust_stock(
    product_id: FromPath[UUID],
    visit: Visit,
    reads: Given[CatalogReads],
    staff: Given[StaffReads],
    stockroom: Given[Stockroom],
) -> Reply:
    _staff(visit)
    found, stock = await staff.product(ProductId(product_id))
    errors = Errors()
    try:
        with errors.gathered():
            attempt = _attempt(visit, f"stock of {found.id}")
            command = Adjust(
                variant_id=_variant(visit.form["variant_id"], found),
                delta=visit.form.count("delta"),
                reason=line(visit.form["reason"][:200], "reason", empty=True),
                key=attempt.key.key if attempt else None,
                digest=attempt.digest if attempt else b"",
            )
            await stockroom.adjust(visit.caller, command)
    except (OutOfStock, Invalid) as no:
        errors["delta"] = no.detail
    if errors:
        return await _product_page(visit, reads, found, stock, _typed(found), errors)
    return visit.see(f"/admin/products/{found.id}", "saved")


def _variant(text: str, product: Product) -> VariantId:
    for one in product.variants:
        if str(one.id) == text:
            return one.id
    raise Malformed("Please choose a variant.", field="variant_id")


# --- mails ---


@page("/admin/emails")
@visited
async def emails(visit: Visit, room: Given[MailRoom]) -> Reply:
    _staff(visit)
    given = visit.request.query_params
    status, recipient = given.get("status", ""), given.get("recipient", "").strip()[:320]
    which = EmailFilter(
        status=EmailStatus(status) if status in set(EmailStatus) else None, recipient=recipient
    )
    found = await room.page(visit.caller, which, _PAGE, _cursor(visit))
    return await visit.page(
        "admin/emails.html",
        emails=found.items,
        cursor=found.next_cursor,
        status=status,
        recipient=recipient,
        statuses=list(EmailStatus),
    )


@page("/admin/emails/{email_id:uuid}")
@visited
async def email(email_id: FromPath[UUID], visit: Visit, room: Given[MailRoom]) -> Reply:
    _staff(visit)
    found = await room.get(visit.caller, EmailId(email_id))
    return await visit.page("admin/email.html", email=found, key=visit.new_secret())


@form("/admin/emails/{email_id:uuid}/resend")
@visited
async def resend(email_id: FromPath[UUID], visit: Visit, room: Given[MailRoom]) -> Reply:
    _staff(visit)
    sent = await room.resend(visit.caller, EmailId(email_id), visit.form["key"][:100])
    return visit.see(f"/admin/emails/{sent.id}", "mail-resent")


ROUTES = (
    dashboard,
    orders,
    order,
    move_order,
    products,
    new_product,
    product,
    create_product,
    change_product,
    adjust_stock,
    emails,
    email,
    resend,
)
