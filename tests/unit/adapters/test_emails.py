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
        ("a@XN--BCHER-KVA.example", "a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@\uff45xample.com", "a@example.com", "a@example.com"),
        ("a@bu\u0308cher.example", "a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@пример.example", "a@пример.example", "a@xn--e1afmkfd.example"),
        ("a@東京shop.example", "a@東京shop.example", "a@xn--shop-4x5f052k.example"),
        # Cyrillic, every letter of it: the ASCII form shows what it is
        (
            "a@\u0430\u0440\u0440\u04cf\u0435.example",
            "a@xn--80ak6aa92e.example",
            "a@xn--80ak6aa92e.example",
        ),
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
        "asha@ex\u0430mple.com",  # a Cyrillic letter among Latin ones
        "\u0430sha@example.com",
        "asha@exam\u200bple.com",
        "as\0ha@example.com",
        "asha@exam\0ple.com",
        "a@example.com" + " " * 300 + "x",
        "a" * 10_000 + "@example.com",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        ValidatedAddresses().parse(text)
    assert caught.value.field == "email"
