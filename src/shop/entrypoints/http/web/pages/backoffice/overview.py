"""What is to be done today."""

from shop.core.catalog.stockist import Stockist
from shop.core.checkout.lookup import OrderLookup
from shop.core.orders.model import OrderStatus
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.pages.backoffice.entry import staff
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import page
from shop.entrypoints.http.web.visit import Visit
from shop.entrypoints.http.web.visited import visited
from shop.ports.orders import OrderFilter

_COUNTED = 100
_TO_DO = (
    OrderStatus.PENDING_PAYMENT,
    OrderStatus.CONFIRMED,
    OrderStatus.PACKED,
    OrderStatus.SHIPPED,
)


@page("/admin")
@visited
async def dashboard(visit: Visit, lookup: Given[OrderLookup], stockist: Given[Stockist]) -> Reply:
    staff(visit)
    counts = []
    for status in _TO_DO:
        found = await lookup.every(visit.caller, OrderFilter(status=status), _COUNTED, None)
        more = "+" if found.next_cursor else ""
        counts.append((status, f"{len(found.items)}{more}"))
    newest = await lookup.every(visit.caller, OrderFilter(), 10, None)
    return await visit.page(
        "admin/dashboard.html",
        counts=counts,
        tally=await stockist.tally(visit.caller),
        orders=[account.order for account in newest.items],
    )


ROUTES = (dashboard,)
