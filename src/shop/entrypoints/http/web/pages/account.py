"""What customers see and change of their own."""

from uuid import UUID

from litestar.params import FromPath
from msgspec import UNSET

from shop.core.checkout.lookup import OrderLookup
from shop.core.kernel.ids import AddressId, SessionId
from shop.core.kernel.postal import PostalAddress
from shop.core.users.addresses import AddressBook, AddressChange
from shop.core.users.model import (
    AddressNotFound,
    BadCredentials,
    EmailTaken,
    SessionNotFound,
    TooManyAddresses,
    User,
    WeakPassword,
)
from shop.core.users.passwords import ChangePassword, PasswordChange
from shop.core.users.profile import Profile, ProfileChange
from shop.core.users.sessions import SignOut
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.forms import (
    ADDRESS_FIELDS,
    EMPTY,
    Errors,
    Form,
    check_person,
    read_address,
)
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import form, page
from shop.entrypoints.http.web.visit import Visit
from shop.entrypoints.http.web.visited import visited
from shop.ports.users import EmailAddresses

_UNFIT = 422
_ORDERS = 20
_LONGEST_QUESTION = 200


@page("/account")
@visited
async def account(visit: Visit, profile: Given[Profile]) -> Reply:
    user = await profile.me(visit.caller)
    return await visit.page("account.html", user=user, form=_typed(user), errors=Errors())


def _typed(user: User) -> Form:
    return Form(name=user.name, email=user.email.written, contact=user.contact or "")


@form("/account")
@visited
async def change_profile(
    visit: Visit, profile: Given[Profile], emails: Given[EmailAddresses]
) -> Reply:
    typed, errors = visit.form, Errors()
    user = await profile.me(visit.caller)
    email = typed.text("email")
    new_email = email != user.email.written
    change = ProfileChange(
        name=typed["name"][:200],
        contact=typed.text("contact") or None,
        email=email if new_email or user.pending_email else UNSET,
    )
    check_person(typed, errors, emails)
    if not errors:
        try:
            await profile.update(visit.caller, change)
        except EmailTaken:
            errors["email"] = "There is an account with this address already."
    if errors:
        return await visit.page(
            "account.html", http_status=_UNFIT, user=user, form=typed, errors=errors
        )
    return visit.see("/account", "email-waits" if new_email else "saved")


@page("/account/orders")
@visited
async def orders(visit: Visit, lookup: Given[OrderLookup]) -> Reply:
    cursor = visit.request.query_params.get("cursor") or None
    found = await lookup.mine(visit.caller, _ORDERS, cursor)
    mine = [account.order for account in found.items]
    return await visit.page("account_orders.html", orders=mine, cursor=found.next_cursor)


@page("/account/addresses")
@visited
async def addresses(visit: Visit, book: Given[AddressBook]) -> Reply:
    return await visit.page("addresses.html", addresses=await book.all(visit.caller))


@page("/account/addresses/new")
@visited
async def new_address(visit: Visit) -> Reply:
    visit.caller.known()
    return await visit.page("address.html", form=Form(), errors=Errors(), address_id=None)


@form("/account/addresses/new")
@visited
async def add_address(visit: Visit, book: Given[AddressBook]) -> Reply:
    visit.caller.known()
    errors = Errors()
    postal = read_address(visit.form, errors)
    if not errors:
        try:
            await book.add(visit.caller, postal, is_default=bool(visit.form["is_default"]))
        except TooManyAddresses:
            return visit.see("/account/addresses", "address-most")
        return visit.see("/account/addresses", "saved")
    return await visit.page(
        "address.html", http_status=_UNFIT, form=visit.form, errors=errors, address_id=None
    )


@page("/account/addresses/{address_id:uuid}")
@visited
async def edit_address(address_id: FromPath[UUID], visit: Visit, book: Given[AddressBook]) -> Reply:
    address = next((a for a in await book.all(visit.caller) if a.id == address_id), None)
    if address is None:
        raise AddressNotFound("There is no such address.")
    typed = Form({name: getattr(address.postal, name) for name in ADDRESS_FIELDS})
    typed["is_default"] = "yes" if address.is_default else ""
    return await visit.page("address.html", form=typed, errors=Errors(), address_id=address_id)


@form("/account/addresses/{address_id:uuid}")
@visited
async def change_address(
    address_id: FromPath[UUID], visit: Visit, book: Given[AddressBook]
) -> Reply:
    visit.caller.known()
    errors = Errors()
    postal = read_address(visit.form, errors)
    if errors:
        return await visit.page(
            "address.html",
            http_status=_UNFIT,
            form=visit.form,
            errors=errors,
            address_id=address_id,
        )
    await book.change(
        visit.caller,
        AddressId(address_id),
        _changed(postal),
        is_default=bool(visit.form["is_default"]),
    )
    return visit.see("/account/addresses", "saved")


def _changed(postal: PostalAddress) -> AddressChange:
    return AddressChange(country="IN", **{name: getattr(postal, name) for name in ADDRESS_FIELDS})


@form("/account/addresses/{address_id:uuid}/remove")
@visited
async def remove_address(
    address_id: FromPath[UUID], visit: Visit, book: Given[AddressBook]
) -> Reply:
    await book.remove(visit.caller, AddressId(address_id))
    return visit.see("/account/addresses", "removed")


@page("/account/security")
@visited
async def security(visit: Visit, leaving: Given[SignOut], profile: Given[Profile]) -> Reply:
    return await _security(visit, leaving, profile, Errors())


async def _security(visit: Visit, leaving: SignOut, profile: Profile, errors: Errors) -> Reply:
    user = await profile.me(visit.caller)
    asked = visit.form["reset_question"] if errors else user.reset_question
    return await visit.page(
        "security.html",
        http_status=_UNFIT if errors else 200,
        sessions=await leaving.mine(visit.caller),
        form=Form(reset_question=asked or ""),
        errors=errors,
    )


@form("/account/question")
@visited
async def change_question(visit: Visit, profile: Given[Profile], leaving: Given[SignOut]) -> Reply:
    """Without a question none is asked any more."""
    errors, question = Errors(), visit.form.text("reset_question")
    answer = visit.form.text("reset_answer") if question else None
    if len(question) > _LONGEST_QUESTION:
        errors["reset_question"] = f"Please use at most {_LONGEST_QUESTION} characters."
    if question and not answer:
        errors["reset_answer"] = EMPTY
    if not errors:
        with errors.gathered():
            change = ProfileChange(reset_question=question or None, reset_answer=answer)
            await profile.update(visit.caller, change)
    if errors:
        return await _security(visit, leaving, profile, errors)
    return visit.see("/account/security", "saved")


@form("/account/password")
@visited
async def change_password(
    visit: Visit,
    changing: Given[PasswordChange],
    leaving: Given[SignOut],
    profile: Given[Profile],
) -> Reply:
    errors = Errors()
    command = ChangePassword(
        current_password=visit.form["current_password"],
        new_password=visit.form["new_password"],
        address=visit.address,
    )
    try:
        await changing.change(visit.caller, command)
    except WeakPassword as weak:
        errors["new_password"] = weak.detail
    except BadCredentials:
        errors["current_password"] = "This is not your present password."  # noqa: S105 - words
    if errors:
        return await _security(visit, leaving, profile, errors)
    await visit.be_known()
    return visit.see("/account/security", "password-changed")


@form("/account/sessions/{session_id:uuid}/end")
@visited
async def end_session(session_id: FromPath[UUID], visit: Visit, leaving: Given[SignOut]) -> Reply:
    try:
        await leaving.end(visit.caller, SessionId(session_id))
    except SessionNotFound:
        visit.caller.known()  # ended already
    return visit.see("/account/security", "session-ended")


ROUTES = (
    account,
    change_profile,
    orders,
    addresses,
    new_address,
    add_address,
    edit_address,
    change_address,
    remove_address,
    security,
    change_question,
    change_password,
    end_session,
)
