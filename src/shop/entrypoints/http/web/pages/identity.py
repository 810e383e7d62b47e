"""Signing up, in and out, and the links in our mails."""

from shop.core.kernel.errors import Gone, Malformed
from shop.core.users.factors import SecondFactorRequired
from shop.core.users.forgotten import Forgotten
from shop.core.users.model import (
    BadCredentials,
    EmailTaken,
    ResetAnswerWrong,
    TokenExpired,
    TokenInvalid,
    TooManyFailures,
    WeakPassword,
)
from shop.core.users.passwords import ConfirmReset, PasswordReset
from shop.core.users.policy import NewPasswords
from shop.core.users.service import Accounts, Resending, SignUp, Verification
from shop.core.users.sessions import SignOut
from shop.core.users.signing_in import LogIn, SignIn
from shop.entrypoints.http.evenly import evenly
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.forms import Errors, Form, check_person
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import form, page
from shop.entrypoints.http.web.visit import Visit
from shop.entrypoints.http.web.visited import visited
from shop.ports.users import EmailAddresses

_UNFIT = 422


async def _sign_in(visit: Visit, signing: SignIn, email: str, password: str) -> None:
    told = await signing.log_in(
        LogIn(
            email=email,
            password=password,
            address=visit.address,
            device=visit.device,
            marks=visit.marks,
        )
    )
    await visit.sign_in(told.tokens)


@page("/sign-in")
@visited
async def sign_in_page(visit: Visit) -> Reply:
    if visit.caller.user_id is not None:
        return visit.see(visit.next)
    return await visit.page("sign_in.html", form=Form(next=visit.next), errors=Errors())


@form("/sign-in")
@visited
async def sign_in(visit: Visit, signing: Given[SignIn]) -> Reply:
    errors, status = Errors(), 401
    try:
        await _sign_in(visit, signing, visit.form.text("email"), visit.form["password"])
    except SecondFactorRequired as more:
        return visit.second_step(more, visit.next)
    except BadCredentials:
        errors[""] = "The e-mail address or the password is not right."
    except TooManyFailures as wait:
        errors[""], status = wait.detail, 429
    except WeakPassword as weak:
        errors[""] = weak.detail
    if errors:
        return await visit.page("sign_in.html", http_status=status, form=visit.form, errors=errors)
    return visit.see(visit.next, "signed-in")


@form("/sign-out")
@visited
async def sign_out(visit: Visit, leaving: Given[SignOut]) -> Reply:
    if visit.caller.user_id is not None:
        await leaving.log_out(visit.caller)
    visit.sign_out()
    return visit.see("/", "signed-out")


@page("/sign-up")
@visited
async def sign_up_page(visit: Visit) -> Reply:
    if visit.caller.user_id is not None:
        return visit.see("/account")
    return await visit.page("sign_up.html", form=Form(next=visit.next), errors=Errors())


@form("/sign-up")
@visited
async def sign_up(
    visit: Visit,
    accounts: Given[Accounts],
    signing: Given[SignIn],
    emails: Given[EmailAddresses],
    passwords: Given[NewPasswords],
) -> Reply:
    typed = visit.form
    errors = await _misfits(typed, emails, passwords)
    if not errors:
        try:
            await accounts.sign_up(
                SignUp(
                    name=typed["name"][:200],
                    email=typed.text("email"),
                    password=typed["password"],
                    contact=typed.text("contact") or None,
                )
            )
        except WeakPassword as weak:
            errors["password"] = weak.detail
        except EmailTaken:
            errors["email"] = "There is an account with this address already."
    if errors:
        return await visit.page("sign_up.html", http_status=_UNFIT, form=typed, errors=errors)
    await _sign_in(visit, signing, typed.text("email"), typed["password"])
    return visit.see(visit.next, "welcome")


async def _misfits(typed: Form, emails: EmailAddresses, passwords: NewPasswords) -> Errors:
    """Everything that is wrong with the form, so that nobody has to send it once for each."""
    errors = Errors()
    check_person(typed, errors, emails)
    errors.missing(typed, "password")
    if errors and "password" not in errors:  # a form that is right is judged as it is taken
        try:
            await passwords.check(
                typed["password"], email=typed.text("email"), name=typed["name"][:200]
            )
        except WeakPassword as weak:
            errors["password"] = weak.detail
    return errors


@page("/verify-email")
@visited
async def verify_page(visit: Visit) -> Reply:
    """A button, since programs that scan mails open every link: only a press counts."""
    typed = Form(token=visit.request.query_params.get("token", "")[:500])
    return await visit.page("verify_email.html", form=typed, trouble="")


@form("/verify-email")
@visited
async def verify(visit: Visit, verification: Given[Verification]) -> Reply:
    try:
        await verification.verify(visit.form["token"])
    except (TokenInvalid, TokenExpired, EmailTaken) as no:
        status = 410 if isinstance(no, Gone) else 400
        typed = Form(token="")
        return await visit.page(
            "verify_email.html", http_status=status, form=typed, trouble=no.detail
        )
    return visit.see("/account" if visit.caller.user_id else "/sign-in", "verified")


@form("/verify-email/resend")
@visited
async def resend(visit: Visit, resending: Given[Resending]) -> Reply:
    try:
        async with evenly():
            await resending.resend(visit.form.text("email"))
    except Malformed:
        return visit.see("/verify-email")
    return visit.see("/account" if visit.caller.user_id else "/sign-in", "mail-sent")


@page("/forgot-password")
@visited
async def forgot_page(visit: Visit) -> Reply:
    return await visit.page("forgot_password.html", form=Form(), errors=Errors())


@form("/forgot-password")
@visited
async def forgot(visit: Visit, forgotten: Given[Forgotten]) -> Reply:
    errors = Errors()
    errors.missing(visit.form, "email")
    if not errors:
        with errors.gathered():
            async with evenly():
                await forgotten.ask(visit.form.text("email"))
    if errors:
        return await visit.page(
            "forgot_password.html", http_status=_UNFIT, form=visit.form, errors=errors
        )
    return visit.see("/sign-in", "mail-sent")


@page("/reset-password")
@visited
async def reset_page(visit: Visit, resetting: Given[PasswordReset]) -> Reply:
    """The question is told to whoever has the link: the mail tells it, too."""
    typed, errors = Form(token=visit.request.query_params.get("token", "")), Errors()
    question, status = None, 200
    try:
        question = await resetting.question(typed["token"])
    except (TokenInvalid, TokenExpired) as no:
        errors[""] = no.detail
        typed, status = Form(token=""), 410 if isinstance(no, Gone) else 400
    return await visit.page(
        "reset_password.html", http_status=status, form=typed, errors=errors, question=question
    )


@form("/reset-password")
@visited
async def reset(visit: Visit, resetting: Given[PasswordReset]) -> Reply:
    typed, errors, question, status = visit.form, Errors(), None, _UNFIT
    try:
        question = await resetting.question(typed["token"])
        await resetting.confirm(
            ConfirmReset(
                token=typed["token"],
                new_password=typed["password"],
                reset_answer=typed.text("reset_answer") or None,
            )
        )
    except WeakPassword as weak:
        errors["password"] = weak.detail
    except ResetAnswerWrong:
        errors["reset_answer"] = "Please answer the question you once chose."
    except (TokenInvalid, TokenExpired) as no:
        errors[""] = no.detail
    except TooManyFailures as wait:
        errors[""], status = wait.detail, 429
    if errors:
        return await visit.page(
            "reset_password.html", http_status=status, form=typed, errors=errors, question=question
        )
    return visit.see("/sign-in", "password")


ROUTES = (
    sign_in_page,
    sign_in,
    sign_out,
    sign_up_page,
    sign_up,
    verify_page,
    verify,
    resend,
    forgot_page,
    forgot,
    reset_page,
    reset,
)
