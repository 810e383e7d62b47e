import pytest

from shop.adapters.system.emails import ValidatedAddresses
from shop.core.kernel.errors import Malformed


@pytest.mark.parametrize(
    ("text", "written", "key"),
    [
        ("Asha@Example.COM", "Asha@example.com", "asha@example.com"),
        (" asha@example.com ", "asha@example.com", "asha@example.com"),
        ("a@bücher.example", "a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@BÜCHER.example", "a@bücher.example", "a@xn--bcher-kva.example"),
        ("a+b@shop.test", "a+b@shop.test", "a+b@shop.test"),
    ],
)
def test_addresses_are_written_well_and_compared_by_key(text: str, written: str, key: str) -> None:
    found = ValidatedAddresses().parse(text)
    assert (found.written, found.key) == (written, key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "asha",
        "@example.com",
        "asha@",
        "asha@localhost",
        "a b@example.com",
        "Asha <asha@example.com>",
        "asha@example.com\nx",
        "ä@example.com",
        "a@" + "b" * 300 + ".com",
        "a@[127.0.0.1]",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        ValidatedAddresses().parse(text)
    assert caught.value.field == "email"
