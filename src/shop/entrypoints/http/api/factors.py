"""Second factors: the second step of a sign-in, passkeys, and what people set up for themselves."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from shop.core.kernel.access import Caller
from shop.core.kernel.ids import PasskeyId
from shop.core.users.enrolment import AppEnrolment, Enrolled, PasskeyEnrolment
from shop.core.users.factor_guard import Proof
from shop.core.users.factors import Factors, Passkey
from shop.core.users.second_step import PasskeyOptions, PasskeySignIn, SecondStep, SecondSteps
from shop.entrypoints.actors.desks import CartDesk
from shop.entrypoints.http.api.fields import Line, Password, Token
from shop.entrypoints.http.api.identity import LogInView, keep_cart
from shop.entrypoints.http.qr import qr_svg
from shop.entrypoints.http.served import Given, HttpRequest, address_of, served

NO_STORE = {"Cache-Control": "no-store"}
#: Six digits, or a recovery code, as people type them.
Code = Annotated[str, Meta(min_length=1, max_length=64, examples=["492039"])]
RecoveryCode = Annotated[
    # pragma: allowlist nextline secret - an example
    str, Meta(min_length=1, max_length=64, examples=["QXKZ4-M2PSD-7JTRA-VW3LH-E5NCYB"])
]
#: What `PublicKeyCredential.toJSON()` gives.
Credential = dict[str, Any]


class SecondStepBody(Struct, forbid_unknown_fields=True):
    """One of `code`, `recovery_code` and `passkey`."""

    ticket: Token
    code: Code | None = None
    recovery_code: RecoveryCode | None = None
    passkey: Credential | None = None


class TicketBody(Struct, forbid_unknown_fields=True):
    ticket: Token


class PasskeyLogInBody(Struct, forbid_unknown_fields=True):
    ticket: Token
    passkey: Credential


class ProofBody(Struct, forbid_unknown_fields=True):
    """Neither is needed within minutes of a sign-in; `code` may be a recovery code."""

    current_password: Password | None = None
    code: RecoveryCode | None = None

    def proof(self, request: HttpRequest) -> Proof:
        return Proof(password=self.current_password, code=self.code, address=address_of(request))


class CodeBody(Struct, forbid_unknown_fields=True):
    code: Code


class NewPasskeyBody(Struct, forbid_unknown_fields=True):
    name: Line
    passkey: Credential


class PasskeyOptionsView(Struct):
    """`options` is for `PublicKeyCredential.parseRequestOptionsFromJSON`."""

    ticket: str
    options: dict[str, Any]

    @classmethod
    def of(cls, asked: PasskeyOptions) -> "PasskeyOptionsView":
        return cls(asked.ticket, asked.options)


class CreationOptionsView(Struct):
    """`options` is for `PublicKeyCredential.parseCreationOptionsFromJSON`."""

    options: dict[str, Any]


class AppView(Struct):
    since: datetime


class PasskeyView(Struct):
    id: PasskeyId
    name: str
    created_at: datetime
    last_used_at: datetime | None

    @classmethod
    def of(cls, passkey: Passkey) -> "PasskeyView":
        return cls(
            id=passkey.id,
            name=passkey.name,
            created_at=passkey.created_at,
            last_used_at=passkey.last_used_at,
        )


class FactorsView(Struct):
    """`totp` is null without an app; `recovery_codes_left` counts the unused ones."""

    totp: AppView | None
    passkeys: list[PasskeyView]
    recovery_codes_left: int

    @classmethod
    def of(cls, factors: Factors) -> "FactorsView":
        return cls(
            totp=None if factors.totp_since is None else AppView(factors.totp_since),
            passkeys=[PasskeyView.of(one) for one in factors.passkeys],
            recovery_codes_left=len(factors.recovery),
        )


class NewAppView(Struct):
    """`uri` holds the secret as QR codes have it; `qr_svg` is that picture."""

    secret: str
    uri: str
    qr_svg: str


class EnrolledView(Struct):
    """`recovery_codes` are given with the first factor, and never again."""

    factors: FactorsView
    recovery_codes: list[str]

    @classmethod
    def of(cls, enrolled: Enrolled) -> "EnrolledView":
        return cls(FactorsView.of(enrolled.factors), list(enrolled.recovery_codes))


class RecoveryCodesView(Struct):
    recovery_codes: list[str]


class SecondStepController(Controller):
    path = "/api/v1/login"
    tags = ("Identity",)

    @post("/second-factor", status_code=200)
    @served
    async def complete(
        self,
        request: HttpRequest,
        data: JSONBody[SecondStepBody],
        steps: Given[SecondSteps],
        carts: Given[CartDesk],
    ) -> Response[LogInView]:
        """Go on where `POST /login` answered `second-factor-required`, with its ticket."""
        command = SecondStep(
            ticket=data.ticket,
            code=data.code,
            recovery_code=data.recovery_code,
            passkey=data.passkey,
            device=request.headers.get("user-agent", ""),
        )
        signed_in = await steps.complete(command)
        await keep_cart(carts, request.headers.get("x-cart-token"), signed_in.user.id)
        return Response(LogInView.of(signed_in), headers=NO_STORE)

    @post("/second-factor/options", status_code=200)
    @served
    async def ask(
        self, data: JSONBody[TicketBody], signing: Given[PasskeySignIn]
    ) -> Response[PasskeyOptionsView]:
        """What the browser needs to show a passkey as the second factor; it counts once."""
        asked = await signing.ask(data.ticket)
        return Response(PasskeyOptionsView.of(asked), headers=NO_STORE)

    @post("/passkey/options", status_code=200)
    @served
    async def begin(self, signing: Given[PasskeySignIn]) -> Response[PasskeyOptionsView]:
        """What the browser needs to sign in by a passkey alone; it counts once."""
        return Response(PasskeyOptionsView.of(await signing.begin()), headers=NO_STORE)

    @post("/passkey", status_code=200)
    @served
    async def log_in(
        self,
        request: HttpRequest,
        data: JSONBody[PasskeyLogInBody],
        signing: Given[PasskeySignIn],
        carts: Given[CartDesk],
    ) -> Response[LogInView]:
        """Sign in by a passkey alone. It must check the person, by a finger or a PIN."""
        device = request.headers.get("user-agent", "")
        signed_in = await signing.complete(data.ticket, data.passkey, device)
        await keep_cart(carts, request.headers.get("x-cart-token"), signed_in.user.id)
        return Response(LogInView.of(signed_in), headers=NO_STORE)


class FactorController(Controller):
    path = "/api/v1/me/factors"
    tags = ("Identity",)

    @get()
    @served
    async def mine(self, caller: Caller, apps: Given[AppEnrolment]) -> FactorsView:
        """The caller's second factors."""
        return FactorsView.of(await apps.mine(caller))

    @post("/totp", status_code=201)
    @served
    async def begin(
        self,
        request: HttpRequest,
        data: JSONBody[ProofBody],
        caller: Caller,
        apps: Given[AppEnrolment],
    ) -> Response[NewAppView]:
        """Begin to set up an app; it counts once its first code is confirmed."""
        app = await apps.begin(caller, data.proof(request))
        view = NewAppView(app.secret, app.uri, qr_svg(app.uri))
        return Response(view, headers=NO_STORE)

    @post("/totp/confirm", status_code=200)
    @served
    async def confirm(
        self, data: JSONBody[CodeBody], caller: Caller, apps: Given[AppEnrolment]
    ) -> Response[EnrolledView]:
        """Show that the app works. From now on every sign-in asks for a second factor."""
        return Response(EnrolledView.of(await apps.confirm(caller, data.code)), headers=NO_STORE)

    @post("/totp/remove", status_code=204)
    @served
    async def remove(
        self,
        request: HttpRequest,
        data: JSONBody[ProofBody],
        caller: Caller,
        apps: Given[AppEnrolment],
    ) -> None:
        """Do without the app."""
        await apps.remove(caller, data.proof(request))

    @post("/recovery-codes", status_code=201)
    @served
    async def renew(
        self,
        request: HttpRequest,
        data: JSONBody[ProofBody],
        caller: Caller,
        apps: Given[AppEnrolment],
    ) -> Response[RecoveryCodesView]:
        """Make new recovery codes; the old ones are worthless from now on."""
        codes = await apps.renew_codes(caller, data.proof(request))
        return Response(RecoveryCodesView(list(codes)), headers=NO_STORE)

    @post("/passkeys/options", status_code=200)
    @served
    async def ask(
        self,
        request: HttpRequest,
        data: JSONBody[ProofBody],
        caller: Caller,
        passkeys: Given[PasskeyEnrolment],
    ) -> Response[CreationOptionsView]:
        """What the browser needs to make a passkey; it counts once."""
        options = await passkeys.begin(caller, data.proof(request))
        return Response(CreationOptionsView(options), headers=NO_STORE)

    @post("/passkeys", status_code=201)
    @served
    async def add(
        self, data: JSONBody[NewPasskeyBody], caller: Caller, passkeys: Given[PasskeyEnrolment]
    ) -> Response[EnrolledView]:
        """Keep a passkey that the browser has made."""
        enrolled = await passkeys.finish(caller, data.name, data.passkey)
        return Response(EnrolledView.of(enrolled), headers=NO_STORE)

    @post("/passkeys/{passkey_id:uuid}/remove", status_code=204)
    @served
    async def forget(
        self,
        request: HttpRequest,
        passkey_id: FromPath[UUID],
        data: JSONBody[ProofBody],
        caller: Caller,
        passkeys: Given[PasskeyEnrolment],
    ) -> None:
        """Do without a passkey."""
        await passkeys.remove(caller, PasskeyId(passkey_id), data.proof(request))
