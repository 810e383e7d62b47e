"""Accounts and sessions."""

from datetime import datetime
from uuid import UUID

import structlog
from litestar import Controller, MediaType, delete, get, patch, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Struct, UnsetType

from shop.core.checkout.carts import MergeGuest
from shop.core.kernel.access import Caller, Role, person_name
from shop.core.kernel.context import correlation
from shop.core.kernel.errors import ShopError
from shop.core.kernel.ids import SessionId, UserId
from shop.core.privacy.erasure import AccountErasure, DeleteAccount
from shop.core.users.admission import SignedIn
from shop.core.users.forgotten import Forgotten
from shop.core.users.model import Session, User
from shop.core.users.passwords import ChangePassword, ConfirmReset, PasswordChange, PasswordReset
from shop.core.users.profile import Profile, ProfileChange
from shop.core.users.service import Accounts, Resending, SignUp, Verification
from shop.core.users.sessions import SignOut
from shop.core.users.signing_in import LogIn, SignIn
from shop.entrypoints.actors.desks import CartDesk
from shop.entrypoints.http.answers import Answer
from shop.entrypoints.http.api.cart import guest_name
from shop.entrypoints.http.api.erasure import password_in
from shop.entrypoints.http.api.fields import Email, Line, OptionalLine, Password, Phone, Token
from shop.entrypoints.http.evenly import evenly
from shop.entrypoints.http.served import Given, HttpRequest, address_of, served

log = structlog.get_logger()


class SignUpBody(Struct, forbid_unknown_fields=True):
    name: Line
    email: Email
    password: Password
    contact: Phone | None = None


class TokenBody(Struct, forbid_unknown_fields=True):
    token: Token


class EmailBody(Struct, forbid_unknown_fields=True):
    email: Email


class LogInBody(Struct, forbid_unknown_fields=True):
    email: Email
    password: Password


class ProfileBody(Struct, forbid_unknown_fields=True):
    """What is left out stays; null forgets."""

    name: Line | UnsetType = UNSET
    contact: Phone | UnsetType | None = UNSET
    email: Email | UnsetType = UNSET
    reset_question: OptionalLine | UnsetType | None = UNSET
    reset_answer: OptionalLine | UnsetType | None = UNSET


class PasswordBody(Struct, forbid_unknown_fields=True):
    current_password: Password
    new_password: Password


class ResetBody(Struct, forbid_unknown_fields=True):
    token: Token
    new_password: Password
    reset_answer: OptionalLine | None = None


class UserView(Struct):
    """`pending_email` waits to be verified; until then `email` holds."""

    id: UserId
    name: str
    email: str
    email_verified: bool
    pending_email: str | None
    contact: str | None
    roles: list[Role]
    created_at: datetime

    @classmethod
    def of(cls, user: User) -> "UserView":
        return cls(
            id=user.id,
            name=user.name,
            email=user.email.written,
            email_verified=user.verified_at is not None,
            pending_email=user.pending_email,
            contact=user.contact,
            roles=sorted(user.roles),
            created_at=user.created_at,
        )


class LogInView(Struct):
    """`expires_in` is that of the access token, in seconds."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str
    user: UserView

    @classmethod
    def of(cls, signed_in: SignedIn) -> "LogInView":
        tokens = signed_in.tokens
        return cls(
            access_token=tokens.access_token,
            token_type="Bearer",  # noqa: S106 - the name of a scheme
            expires_in=tokens.expires_in,
            refresh_token=tokens.refresh_token,
            user=UserView.of(signed_in.user),
        )


class SessionView(Struct):
    id: SessionId
    device: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool

    @classmethod
    def of(cls, session: Session, caller: Caller) -> "SessionView":
        return cls(
            id=session.id,
            device=session.device,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
            current=session.id == caller.session_id,
        )


class SessionList(Struct):
    items: list[SessionView]
    next_cursor: str | None = None


_ACCOUNT = {201: ResponseSpec(UserView, description="The account, whose address is to be proved.")}
_SIGNED_IN = {200: ResponseSpec(LogInView, description="The session that has begun.")}


class IdentityController(Controller):
    path = "/api/v1"
    tags = ("Identity",)

    @post(["/signup", "/register"], responses=_ACCOUNT)
    @served
    async def sign_up(self, data: JSONBody[SignUpBody], accounts: Given[Accounts]) -> Answer:
        """Open an account. One mail goes out, with the link that proves the address."""
        command = SignUp(
            name=data.name, email=data.email, password=data.password, contact=data.contact
        )
        return Answer.of(UserView.of(await accounts.sign_up(command)), status=201)

    @post("/verify-email", status_code=204)
    @served
    async def verify_email(
        self, data: JSONBody[TokenBody], verification: Given[Verification]
    ) -> None:
        """Prove an e-mail address with the secret mailed to it."""
        await verification.verify(data.token)

    @post("/verify-email/resend", status_code=202, media_type=MediaType.TEXT)
    @served
    async def resend(self, data: JSONBody[EmailBody], resending: Given[Resending]) -> None:
        """Mail the link once more. The answer is the same whether there is such an account."""
        async with evenly():
            await resending.resend(data.email)

    @post("/login", status_code=200, responses=_SIGNED_IN)
    @served
    async def log_in(
        self,
        request: HttpRequest,
        data: JSONBody[LogInBody],
        sign_in: Given[SignIn],
        carts: Given[CartDesk],
    ) -> Answer:
        """Sign in. With `X-Cart-Token` the guest's lines move into the customer's cart."""
        command = LogIn(
            email=data.email,
            password=data.password,
            address=address_of(request),
            device=request.headers.get("user-agent", ""),
        )
        signed_in = await sign_in.log_in(command)
        await keep_cart(carts, request.headers.get("x-cart-token"), signed_in.user.id)
        return Answer.of(LogInView.of(signed_in))

    @post("/logout", status_code=204)
    @served
    async def log_out(self, caller: Caller, sign_out: Given[SignOut]) -> None:
        """End this session: its tokens are refused from now on."""
        await sign_out.log_out(caller)

    @get("/me")
    @served
    async def me(self, caller: Caller, profile: Given[Profile]) -> UserView:
        """Who is signed in."""
        return UserView.of(await profile.me(caller))

    @delete("/me", status_code=204)
    @served
    async def erase(
        self, request: HttpRequest, caller: Caller, erasure: Given[AccountErasure]
    ) -> None:
        """Delete the account. Orders are kept as far as the law wants them, without it."""
        password = await password_in(request)
        command = DeleteAccount(current_password=password, address=address_of(request))
        await erasure.erase(caller, command)

    @patch("/updateuser")
    @served
    async def update(
        self, data: JSONBody[ProfileBody], caller: Caller, profile: Given[Profile]
    ) -> UserView:
        """Change the profile. A new e-mail address takes effect once it is verified."""
        change = ProfileChange(
            name=data.name,
            contact=data.contact,
            email=data.email,
            reset_question=data.reset_question,
            reset_answer=data.reset_answer,
        )
        return UserView.of(await profile.update(caller, change))

    @post("/me/password", status_code=204)
    @served
    async def change_password(
        self,
        request: HttpRequest,
        data: JSONBody[PasswordBody],
        caller: Caller,
        change: Given[PasswordChange],
    ) -> None:
        """Choose another password; the other sessions end."""
        command = ChangePassword(
            current_password=data.current_password,
            new_password=data.new_password,
            address=address_of(request),
        )
        await change.change(caller, command)

    @get("/me/sessions")
    @served
    async def sessions(self, caller: Caller, sign_out: Given[SignOut]) -> SessionList:
        """Where the caller is signed in, the session used last first."""
        mine = await sign_out.mine(caller)
        return SessionList([SessionView.of(session, caller) for session in mine])

    @delete("/me/sessions/{session_id:uuid}")
    @served
    async def end_session(
        self, session_id: FromPath[UUID], caller: Caller, sign_out: Given[SignOut]
    ) -> None:
        """Sign out somewhere else."""
        await sign_out.end(caller, SessionId(session_id))

    @post("/resetpassword", status_code=202, media_type=MediaType.TEXT)
    @served
    async def forgot(self, data: JSONBody[EmailBody], forgotten: Given[Forgotten]) -> None:
        """Mail a link to choose a new password. The answer tells nothing about the account."""
        async with evenly():
            await forgotten.ask(data.email)

    @post("/resetpassword/confirm", status_code=204)
    @served
    async def reset(self, data: JSONBody[ResetBody], reset: Given[PasswordReset]) -> None:
        """Choose a new password with the mailed secret; all sessions end."""
        command = ConfirmReset(
            token=data.token, new_password=data.new_password, reset_answer=data.reset_answer
        )
        await reset.confirm(command)


async def keep_cart(carts: CartDesk, token: str | None, user_id: UserId) -> bool:
    """Whether a guest's lines moved to who signs in; what goes wrong keeps nobody out."""
    if not token:
        return False
    try:
        merge = MergeGuest(
            owner=person_name(user_id), guest=guest_name(token), correlation=correlation.get()
        )
        await carts.ask(merge)
    except ShopError as error:
        log.warning("cart_not_merged", code=error.code)
        return False
    return True
