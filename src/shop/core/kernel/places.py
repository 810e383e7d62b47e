"""Where calls come from, as far as that tells people apart."""

from ipaddress import AddressValueError, IPv6Address

_NETWORK = 64


def place_of(address: str) -> str:
    """By what to count the calls of an address.

    Whoever has one IPv6 address has the 2^64 of its network, and takes another at will (RFC 8981);
    an IPv4 address that is written as one of IPv6 is still the same.
    """
    if ":" not in address:
        return address
    try:
        whole = IPv6Address(address)
    except AddressValueError:
        return address
    if whole.ipv4_mapped is not None:
        return str(whole.ipv4_mapped)
    return f"{IPv6Address(int(whole) >> _NETWORK << _NETWORK)}/{_NETWORK}"
