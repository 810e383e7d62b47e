"""What the pages of the back office share."""

from shop.core.checkout.lookup import Looker
from shop.core.kernel.access import Permission
from shop.core.kernel.errors import NotFound, Unauthenticated
from shop.core.orders.visitor import Visitor
from shop.entrypoints.http.web.visit import Visit

PAGE = 25
UNFIT = 422


def staff(visit: Visit) -> None:
    """The door. What somebody may do behind it, the use cases decide."""
    if visit.caller.user_id is None:
        raise Unauthenticated("Please sign in.")
    if visit.caller.held_back:
        visit.caller.require(Permission.ORDERS_READ)  # leads them to where they set up a factor
    if not visit.caller.may(Permission.ORDERS_READ):
        raise NotFound("There is no such page.")


def looker(visit: Visit) -> Looker:
    return lambda _: Visitor(caller=visit.caller)


def cursor(visit: Visit) -> str | None:
    return visit.request.query_params.get("cursor") or None
