"""Bodies that several routes take."""

from typing import Annotated

from msgspec import Meta, Struct

from shop.core.kernel.errors import Malformed
from shop.core.kernel.postal import PostalAddress
from shop.core.users import postal

Line = Annotated[str, Meta(min_length=1, max_length=200)]
Phone = Annotated[str, Meta(min_length=1, max_length=32)]
Street = Annotated[str, Meta(min_length=1, max_length=500)]
State = Annotated[str, Meta(max_length=100)]
Zipcode = Annotated[str, Meta(max_length=20)]
Country = Annotated[str, Meta(min_length=2, max_length=2)]


class AddressBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """For India `state` is a code (KA) or a name, and `zipcode` a PIN code."""

    name: Line
    phone: Phone
    street: Street
    city: Line
    state: State = ""
    zipcode: Zipcode = ""
    country: Country = "IN"
    is_default: bool = False

    def checked(self, field: str = "") -> PostalAddress:
        """Raises `Malformed` with the name of the field, below `field` where it is nested."""
        given = PostalAddress(
            name=self.name,
            phone=self.phone,
            street=self.street,
            city=self.city,
            state=self.state,
            zipcode=self.zipcode,
            country=self.country,
        )
        try:
            return postal.checked(given)
        except Malformed as error:
            if field:
                error.field = f"{field}.{error.field}"
            raise
