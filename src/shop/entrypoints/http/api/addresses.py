"""A customer's addresses."""

from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Struct, UnsetType

from shop.core.kernel.access import Caller
from shop.core.kernel.ids import AddressId
from shop.core.users.addresses import AddressBook, AddressChange
from shop.core.users.model import Address
from shop.entrypoints.http.api.bodies import (
    AddressBody,
    Country,
    Line,
    Phone,
    State,
    Street,
    Zipcode,
)
from shop.entrypoints.http.served import Given, served


class AddressPatch(Struct, forbid_unknown_fields=True):
    """What is left out stays."""

    name: Line | UnsetType = UNSET
    phone: Phone | UnsetType = UNSET
    street: Street | UnsetType = UNSET
    city: Line | UnsetType = UNSET
    state: State | UnsetType = UNSET
    zipcode: Zipcode | UnsetType = UNSET
    country: Country | UnsetType = UNSET
    is_default: bool | UnsetType = UNSET

    def change(self) -> AddressChange:
        return AddressChange(
            name=self.name,
            phone=self.phone,
            street=self.street,
            city=self.city,
            state=self.state,
            zipcode=self.zipcode,
            country=self.country,
        )


class AddressView(Struct):
    id: AddressId
    name: str
    phone: str
    street: str
    city: str
    state: str
    zipcode: str
    country: str
    is_default: bool

    @classmethod
    def of(cls, address: Address) -> "AddressView":
        postal = address.postal
        return cls(
            id=address.id,
            name=postal.name,
            phone=postal.phone,
            street=postal.street,
            city=postal.city,
            state=postal.state,
            zipcode=postal.zipcode,
            country=postal.country,
            is_default=address.is_default,
        )


class AddressList(Struct):
    items: list[AddressView]
    next_cursor: str | None = None


class AddressController(Controller):
    path = "/api/v1/addresses"
    tags = ("Identity",)

    @get()
    @served
    async def all(self, caller: Caller, book: Given[AddressBook]) -> AddressList:
        """The caller's addresses, oldest first."""
        return AddressList([AddressView.of(address) for address in await book.all(caller)])

    @post()
    @served
    async def add(
        self, data: JSONBody[AddressBody], caller: Caller, book: Given[AddressBook]
    ) -> AddressView:
        """Keep an address; the first becomes the default."""
        added = await book.add(caller, data.checked(), is_default=data.is_default)
        return AddressView.of(added)

    @patch("/{address_id:uuid}")
    @served
    async def change(
        self,
        address_id: FromPath[UUID],
        data: JSONBody[AddressPatch],
        caller: Caller,
        book: Given[AddressBook],
    ) -> AddressView:
        """Change an address, or make it the default."""
        changed = await book.change(
            caller, AddressId(address_id), data.change(), is_default=data.is_default
        )
        return AddressView.of(changed)

    @delete("/{address_id:uuid}")
    @served
    async def remove(
        self, address_id: FromPath[UUID], caller: Caller, book: Given[AddressBook]
    ) -> None:
        """Forget an address."""
        await book.remove(caller, AddressId(address_id))
