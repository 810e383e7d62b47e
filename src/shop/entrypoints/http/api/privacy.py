"""All of a person's data, for that person."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, get
from litestar.openapi import ResponseSpec
from litestar.types import Receive, Scope, Send
from msgspec import Struct

from shop.core.cart.model import Cart
from shop.core.catalog.model import Review
from shop.core.kernel.access import Caller
from shop.core.kernel.postal import PostalAddress
from shop.core.notifications.model import Email
from shop.core.privacy.export import Export, OrderFile, Person
from shop.core.users.factors import Factors
from shop.core.users.linked import LinkedProfile
from shop.core.users.model import Session, User
from shop.entrypoints.http.api.addresses import AddressView
from shop.entrypoints.http.api.views import OrderView, PaymentView
from shop.entrypoints.http.served import Given, served
from shop.ports.system import Clock

_encode = msgspec.json.Encoder().encode


class ProfileExport(Struct):
    id: UUID
    name: str
    email: str
    email_verified: bool
    pending_email: str | None
    contact: str | None
    has_password: bool
    reset_question: str | None
    roles: list[str]
    created_at: datetime

    @classmethod
    def of(cls, user: User) -> "ProfileExport":
        return cls(
            id=user.id,
            name=user.name,
            email=user.email.written,
            email_verified=user.verified_at is not None,
            pending_email=user.pending_email,
            contact=user.contact,
            has_password=user.password_hash is not None,
            reset_question=user.reset_question,
            roles=sorted(user.roles),
            created_at=user.created_at,
        )


class SessionExport(Struct):
    """`client_id` is the program that was let in, `scope` what it may do; `shop` is the shop."""

    id: UUID
    client_id: str
    scope: str
    device: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, session: Session) -> "SessionExport":
        return cls(
            id=session.id,
            client_id=session.client_id,
            scope=session.scope,
            device=session.device,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
            ended_at=session.ended_at,
        )


class LinkedProfileExport(Struct):
    provider: str
    issuer: str
    subject: str
    email: str | None
    linked_at: datetime

    @classmethod
    def of(cls, profile: LinkedProfile) -> "LinkedProfileExport":
        return cls(
            provider=profile.provider,
            issuer=profile.issuer,
            subject=profile.subject,
            email=profile.email,
            linked_at=profile.linked_at,
        )


class PasskeyExport(Struct):
    name: str
    created_at: datetime
    last_used_at: datetime | None


class FactorsExport(Struct):
    """No secrets: a copy of these would let somebody in."""

    app_since: datetime | None
    passkeys: list[PasskeyExport]
    recovery_codes_left: int

    @classmethod
    def of(cls, factors: Factors) -> "FactorsExport":
        return cls(
            app_since=factors.totp_since,
            passkeys=[
                PasskeyExport(key.name, key.created_at, key.last_used_at)
                for key in factors.passkeys
            ],
            recovery_codes_left=len(factors.recovery),
        )


class CartLineExport(Struct):
    variant_id: UUID
    quantity: int


class CartExport(Struct):
    lines: list[CartLineExport]
    coupon: str | None
    updated_at: datetime

    @classmethod
    def of(cls, cart: Cart) -> "CartExport":
        lines = [CartLineExport(line.variant_id, line.quantity) for line in cart.lines]
        return cls(lines=lines, coupon=cart.coupon, updated_at=cart.updated_at)


class ReviewExport(Struct):
    product_id: UUID
    author: str
    rating: int
    title: str
    body: str
    created_at: datetime

    @classmethod
    def of(cls, review: Review) -> "ReviewExport":
        return cls(
            product_id=review.product_id,
            author=review.author,
            rating=review.rating,
            title=review.title,
            body=review.body,
            created_at=review.created_at,
        )


class MailExport(Struct):
    """`text` is left out of mails about the account: their links are secrets."""

    to: str
    subject: str
    text: str | None
    status: str
    created_at: datetime
    sent_at: datetime | None

    @classmethod
    def of(cls, mail: Email, *, whole: bool) -> "MailExport":
        return cls(
            to=mail.to,
            subject=mail.subject,
            text=mail.text if whole else None,
            status=mail.status,
            created_at=mail.created_at,
            sent_at=mail.sent_at,
        )


class OrderExport(Struct):
    """The order as `GET /orders/{id}` shows it, and what belongs to it."""

    order: OrderView
    email: str
    billing_address: PostalAddress | None
    payments: list[PaymentView]
    mails: list[MailExport]

    @classmethod
    def of(cls, file: OrderFile) -> "OrderExport":
        order = file.order
        return cls(
            order=OrderView.of(order, file.payments, file.refunds),
            email=order.email,
            billing_address=order.billing_address,
            payments=[PaymentView.of(one, order, file.refunds) for one in file.payments],
            mails=[MailExport.of(mail, whole=True) for mail in file.mails],
        )


class _Account(Struct):
    exported_at: datetime
    profile: ProfileExport
    addresses: list[AddressView]
    sessions: list[SessionExport]
    linked_profiles: list[LinkedProfileExport]
    second_factors: FactorsExport
    cart: CartExport | None
    reviews: list[ReviewExport]
    mails: list[MailExport]

    @classmethod
    def of(cls, person: Person, at: datetime) -> "_Account":
        return cls(
            exported_at=at,
            profile=ProfileExport.of(person.user),
            addresses=[AddressView.of(one) for one in person.addresses],
            sessions=[SessionExport.of(one) for one in person.sessions],
            linked_profiles=[LinkedProfileExport.of(one) for one in person.profiles],
            second_factors=FactorsExport.of(person.factors),
            cart=CartExport.of(person.cart) if person.cart else None,
            reviews=[ReviewExport.of(one) for one in person.reviews],
            mails=[MailExport.of(one, whole=False) for one in person.mails],
        )


class PersonalData(_Account):
    """All that the shop knows of a person."""

    orders: list[OrderExport]


class Download:
    """A JSON document that is written while it is read, however many orders it holds."""

    status = 200

    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        self._parts = parts
        self.headers = [
            (b"content-type", b"application/json"),
            (b"content-disposition", b'attachment; filename="my-data.json"'),
            (b"cache-control", b"no-store"),
        ]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        started: Any = {"type": "http.response.start", "status": 200, "headers": self.headers}
        await send(started)
        async for part in self._parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def download(export: Export, caller: Caller, clock: Clock) -> Download:
    """Raises `Limited` for who asks again and again."""
    account = _Account.of(await export.person(caller), clock.now())
    return Download(_written(account, export.orders(caller.known())))


async def _written(
    account: _Account, orders: AsyncIterator[list[OrderFile]]
) -> AsyncIterator[bytes]:
    yield _encode(account)[:-1] + b',"orders":['
    glue = b""
    async for some in orders:
        yield glue + b",".join(_encode(OrderExport.of(one)) for one in some)
        glue = b","
    yield b"]}"


class PrivacyController(Controller):
    path = "/api/v1/me"
    tags = ("Identity",)

    @get(
        "/export",
        responses={200: ResponseSpec(PersonalData, description="All of it, as one document.")},
    )
    @served
    async def export(self, caller: Caller, export: Given[Export], clock: Given[Clock]) -> Download:
        """All of your data: profile, addresses, sessions, cart, orders, reviews and mails."""
        return await download(export, caller, clock)
