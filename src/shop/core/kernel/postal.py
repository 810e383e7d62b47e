"""A place that post can reach."""

from msgspec import Struct


class PostalAddress(Struct, frozen=True, kw_only=True):
    """Checked by `core.users.postal`; `country` is ISO 3166-1 alpha-2, `phone` E.164."""

    name: str
    phone: str
    street: str
    city: str
    state: str  # for IN the ISO 3166-2 code without "IN-" (KA)
    zipcode: str
    country: str = "IN"
