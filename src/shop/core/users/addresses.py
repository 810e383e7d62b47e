"""The addresses a customer keeps. One of them is the default, as soon as there are any."""

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from shop.core.kernel.access import Caller, Scope
from shop.core.kernel.ids import AddressId
from shop.core.kernel.postal import PostalAddress
from shop.core.users.model import Address, AddressNotFound, TooManyAddresses
from shop.core.users.postal import checked
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork
from shop.ports.users import Addresses, UserReads


class AddressChange(Struct, frozen=True, kw_only=True):
    """What is unset stays."""

    name: str | UnsetType = UNSET
    phone: str | UnsetType = UNSET
    street: str | UnsetType = UNSET
    city: str | UnsetType = UNSET
    state: str | UnsetType = UNSET
    zipcode: str | UnsetType = UNSET
    country: str | UnsetType = UNSET

    def of(self, postal: PostalAddress) -> PostalAddress:
        told = {f: v for f in self.__struct_fields__ if (v := getattr(self, f)) is not UNSET}
        return checked(replace(postal, **told)) if told else postal


class AddressBook:
    def __init__(
        self, uow: UnitOfWork, addresses: Addresses, reads: UserReads, ids: Ids, clock: Clock
    ) -> None:
        self._uow = uow
        self._addresses = addresses
        self._reads = reads
        self._ids = ids
        self._clock = clock

    async def all(self, caller: Caller) -> list[Address]:
        """Oldest first."""
        return await self._reads.addresses(caller.known(Scope.ADDRESSES))

    async def add(self, caller: Caller, postal: PostalAddress, *, is_default: bool) -> Address:
        """Raises `Malformed` or `TooManyAddresses`."""
        owner = caller.known(Scope.ADDRESSES)
        postal = checked(postal)
        async with self._uow.begin():
            present = await self._addresses.of(owner)
            if len(present) >= Address.MOST:
                raise TooManyAddresses(
                    f"One customer may keep {Address.MOST} addresses.", most=Address.MOST
                )
            address = Address(
                id=AddressId(self._ids.new()),
                user_id=owner,
                postal=postal,
                is_default=is_default or not present,
                created_at=self._clock.now(),
            )
            if address.is_default:
                await self._yield_default(present, address.id)
            await self._addresses.add(address)
        return address

    async def change(
        self,
        caller: Caller,
        address_id: AddressId,
        change: AddressChange,
        *,
        is_default: bool | UnsetType = UNSET,
    ) -> Address:
        """Taking the default away gives it to the oldest other one, where there is one.

        Raises `Malformed` or `AddressNotFound`.
        """
        owner = caller.known(Scope.ADDRESSES)
        async with self._uow.begin():
            present = await self._addresses.of(owner)
            address = _one(present, address_id)
            wanted = replace(address, postal=change.of(address.postal))
            others = [one for one in present if one.id != address_id]
            if is_default is True:
                await self._yield_default(others, address_id)
                wanted = replace(wanted, is_default=True)
            elif is_default is False and address.is_default and others:
                await self._addresses.save([replace(others[0], is_default=True)])
                wanted = replace(wanted, is_default=False)
            if wanted == address:
                return address
            (saved,) = await self._addresses.save([wanted])
            return saved

    async def remove(self, caller: Caller, address_id: AddressId) -> None:
        """Raises `AddressNotFound`."""
        owner = caller.known(Scope.ADDRESSES)
        async with self._uow.begin():
            present = await self._addresses.of(owner)
            address = _one(present, address_id)
            await self._addresses.remove(address)
            others = [one for one in present if one.id != address_id]
            if address.is_default and others:
                await self._addresses.save([replace(others[0], is_default=True)])

    async def _yield_default(self, present: list[Address], to: AddressId) -> None:
        outdone = [replace(a, is_default=False) for a in present if a.is_default and a.id != to]
        if outdone:
            await self._addresses.save(outdone)


def _one(present: list[Address], address_id: AddressId) -> Address:
    for address in present:
        if address.id == address_id:
            return address
    raise AddressNotFound("There is no such address.")
