"""The back office, for the people who run the shop. For anybody else it is not there at all."""

from shop.entrypoints.http.web.pages.backoffice import (
    categories,
    clients,
    emails,
    log,
    orders,
    overview,
    pictures,
    products,
    users,
    variants,
)

ROUTES = tuple(
    handler
    for module in (
        *(overview, orders, products, variants, pictures, categories),
        *(emails, users, clients, log),
    )
    for handler in module.ROUTES
)
