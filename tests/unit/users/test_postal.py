import pytest
from msgspec.structs import replace

from shop.core.kernel.countries import COUNTRIES
from shop.core.kernel.errors import Malformed
from shop.core.kernel.postal import STATES, PostalAddress
from shop.core.users.postal import checked, line, phone, pin_code, state_code

HOME = PostalAddress(
    name="Asha Rao",
    phone="+919845012345",
    street="12 MG Road",
    city="Bengaluru",
    state="KA",
    zipcode="560001",
)


def test_a_tidy_address_stays_as_it_is() -> None:
    assert checked(HOME) == HOME


def test_blanks_and_letters_are_tidied() -> None:
    untidy = replace(HOME, name=" Asha   Rao ", state=" karnataka", zipcode="560 001", country="in")
    assert checked(untidy) == HOME


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("KA", "KA"),
        ("in-ka", "KA"),
        ("Karnataka", "KA"),
        ("orissa", "OD"),
        ("Jammu & Kashmir", "JK"),
        ("TG", "TS"),
    ],
)
def test_a_state_is_stored_as_its_code(text: str, code: str) -> None:
    assert state_code(text) == code


def test_every_state_is_found_by_its_name() -> None:
    assert {state_code(name) for name in STATES.values()} == set(STATES)
    assert len(STATES) == 36


@pytest.mark.parametrize("text", ["", "056001", "56000", "5600011", "56000a", "५६०००१"])
def test_a_pin_code_has_six_digits_and_no_leading_zero(text: str) -> None:
    with pytest.raises(Malformed):
        pin_code(text)


def placed_in(state: str, zipcode: str) -> PostalAddress:
    return checked(replace(HOME, state=state, zipcode=zipcode))


@pytest.mark.parametrize(
    ("state", "zipcode"),
    [("KA", "110001"), ("Delhi", "560001"), ("MH", "700001"), ("TN", "360001"), ("KL", "194101")],
)
def test_a_pin_code_of_another_part_of_the_country_is_refused(state: str, zipcode: str) -> None:
    with pytest.raises(Malformed, match=f"{zipcode} is not in") as caught:
        placed_in(state, zipcode)
    assert caught.value.field == "zipcode"


@pytest.mark.parametrize(
    ("state", "zipcode"),
    [
        ("PY", "533464"),  # Yanam, an enclave in Andhra Pradesh
        ("PY", "673310"),  # Mahe, in Kerala
        ("PY", "605001"),
        ("LA", "194101"),
        ("TS", "500001"),
        ("AP", "507116"),
        ("DH", "396210"),
        ("GA", "403001"),
        ("CH", "160017"),
        ("PB", "160055"),
        ("SK", "737101"),
        ("AN", "744101"),
        ("LD", "682555"),
        ("JH", "834001"),
        ("UK", "248001"),
        ("RJ", "901234"),  # the army's post comes from anywhere
    ],
)
def test_enclaves_young_states_and_the_army_keep_their_pin_codes(state: str, zipcode: str) -> None:
    assert placed_in(state, zipcode).zipcode == zipcode


@pytest.mark.parametrize(
    "text",
    ["9845012345", "09845012345", "+91 98450-12345", "919845012345", "0091 9845012345"],
)
def test_indian_numbers_become_e164(text: str) -> None:
    assert phone(text) == "+919845012345"


def test_other_countries_numbers_need_their_code() -> None:
    assert phone("+44 20 7946 0958", "GB") == "+442079460958"
    with pytest.raises(Malformed, match="needs its country code"):
        phone("020 7946 0958", "GB")


@pytest.mark.parametrize("text", ["", "1234567890", "+91123", "+0123456789", "call me", "+" * 9])
def test_what_cannot_be_dialled_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="ten digits"):
        phone(text)


def test_other_countries_states_and_codes_are_taken_as_they_are() -> None:
    abroad = replace(
        HOME, country="GB", state="", zipcode="SW1A 1AA", phone="+442079460958", city="London"
    )
    assert checked(abroad) == abroad
    assert len(COUNTRIES) == 249


def test_an_address_abroad_names_its_country_and_no_state_of_india() -> None:
    atlanta = replace(HOME, state="GA", country="US")
    assert (atlanta.region, atlanta.abroad) == ("GA", "United States")
    assert (HOME.region, HOME.abroad) == ("Karnataka", "")


@pytest.mark.parametrize("field", ["name", "street", "city", "phone", "state", "zipcode"])
def test_the_field_at_fault_is_named(field: str) -> None:
    with pytest.raises(Malformed) as caught:
        checked(replace(HOME, **{field: "\0"}))
    assert caught.value.field == field


@pytest.mark.parametrize("name", ["Asha \u202eoaR", "Asha\u2067", "a\0b", "\ud800"])
def test_a_name_holds_nothing_that_turns_or_hides_what_stands_beside_it(name: str) -> None:
    with pytest.raises(Malformed):
        line(name, "name")


def test_names_of_any_script_are_taken_as_they_are() -> None:
    for name in ("\u0936\u094d\u200d\u092f\u093e\u092e", "O\u2019Neill", "\u674e\u5c0f\u9f99"):
        assert line(name, "name") == name
