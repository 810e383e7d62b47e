"""Taking one's data along, and deleting the account."""

from shop.core.kernel.errors import Malformed
from shop.core.privacy.erasure import AccountErasure, DeleteAccount
from shop.core.privacy.export import Export
from shop.core.privacy.model import LastAdministrator, OrdersOpen
from shop.core.users.linked import SignInAgain
from shop.core.users.model import BadCredentials, TooManyFailures, User
from shop.core.users.profile import Profile
from shop.entrypoints.http.api.privacy import Download, download
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.forms import Errors
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import form, page
from shop.entrypoints.http.web.visit import Visit
from shop.entrypoints.http.web.visited import visited
from shop.ports.system import Clock

_UNFIT = 422


@page("/account/privacy")
@visited
async def privacy(visit: Visit, profile: Given[Profile]) -> Reply:
    return await _privacy(visit, await profile.me(visit.caller), Errors())


async def _privacy(visit: Visit, user: User, errors: Errors) -> Reply:
    status = _UNFIT if errors else 200
    return await visit.page(
        "privacy.html", http_status=status, user=user, form=visit.form, errors=errors
    )


@page("/account/privacy/data")
@visited
async def data(visit: Visit, export: Given[Export], clock: Given[Clock]) -> Download:
    return await download(export, visit.caller, clock)


@form("/account/privacy/delete")
@visited
async def delete(visit: Visit, profile: Given[Profile], erasure: Given[AccountErasure]) -> Reply:
    user = await profile.me(visit.caller)
    errors = Errors()
    if not visit.form["sure"]:
        errors["sure"] = "Please tick this first: it cannot be undone."
        return await _privacy(visit, user, errors)
    command = DeleteAccount(
        current_password=visit.form["current_password"] or None, address=visit.address
    )
    try:
        await erasure.erase(visit.caller, command)
    except (BadCredentials, Malformed):
        errors["current_password"] = "This is not your present password."  # noqa: S105 - words
    except (TooManyFailures, OrdersOpen, LastAdministrator, SignInAgain) as no:
        errors[""] = no.detail
    if errors:
        return await _privacy(visit, user, errors)
    visit.sign_out()
    return visit.see("/", "account-deleted")


ROUTES = (privacy, data, delete)
