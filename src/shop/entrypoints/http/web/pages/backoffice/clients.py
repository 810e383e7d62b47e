"""The programs that people may let into their account."""

from litestar.params import FromPath

from shop.core.kernel.access import Permission
from shop.core.kernel.errors import NotFound
from shop.core.users.client_keeping import ClientAdmin, ClientDraft, NewClient
from shop.core.users.clients import OFFERED
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.forms import Errors, Form
from shop.entrypoints.http.web.pages.backoffice.entry import UNFIT, staff
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import form, page
from shop.entrypoints.http.web.visit import Visit
from shop.entrypoints.http.web.visited import visited


def _keeper(visit: Visit) -> None:
    staff(visit)
    if not visit.caller.may(Permission.CLIENTS_WRITE):
        raise NotFound("There is no such page.")


async def _listed(
    visit: Visit,
    admin: ClientAdmin,
    typed: Form,
    errors: Errors,
    made: NewClient | None = None,
) -> Reply:
    return await visit.page(
        "admin/clients.html",
        http_status=UNFIT if errors else 200,
        clients=await admin.all(visit.caller),
        form=typed,
        errors=errors,
        made=made,
        offered=sorted(OFFERED),
    )


@page("/admin/clients")
@visited
async def clients(visit: Visit, admin: Given[ClientAdmin]) -> Reply:
    _keeper(visit)
    return await _listed(visit, admin, _fresh(), Errors())


def _fresh() -> Form:
    return Form(scope=" ".join(sorted(ClientDraft.USUAL)))


@form("/admin/clients")
@visited
async def add(visit: Visit, admin: Given[ClientAdmin]) -> Reply:
    """Its secret is on the page that answers, and nowhere else."""
    _keeper(visit)
    typed, errors, made = visit.form, Errors(), None
    with errors.gathered():
        made = await admin.add(
            visit.caller,
            ClientDraft(
                name=typed.text("name"),
                redirect_uris=tuple(typed["redirect_uri"].split()),
                scope=frozenset(typed["scope"].split()),
                public=typed["public"] == "yes",
            ),
        )
    return await _listed(visit, admin, typed if errors else _fresh(), errors, made)


@form("/admin/clients/{client_id:str}/remove")
@visited
async def remove(client_id: FromPath[str], visit: Visit, admin: Given[ClientAdmin]) -> Reply:
    _keeper(visit)
    await admin.remove(visit.caller, client_id)
    return visit.see("/admin/clients", "removed")


ROUTES = (clients, add, remove)
