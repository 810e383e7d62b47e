from shop.core.users.policy import Rule, weaknesses


def _weak(password: str, shortest: int = 10) -> list[Rule]:
    return weaknesses(password, email="asha.rao@example.com", name="Asha Rao", shortest=shortest)


def test_ten_characters_with_a_special_one_will_do() -> None:
    assert _weak("kettle-green"[:10]) == []


def test_a_passphrase_needs_no_special_character() -> None:
    assert _weak("threegreenkettles") == []
    assert _weak("threegreenkettl") == [Rule.NO_SPECIAL]


def test_every_rule_that_failed_is_named() -> None:
    assert _weak("aaa") == [Rule.TOO_SHORT, Rule.NO_SPECIAL, Rule.COMMON]


def test_mailbox_and_name_are_found_in_any_letters() -> None:
    assert _weak("my-ASHA.RAO-kettle") == [Rule.HOLDS_EMAIL]
    assert _weak("my-asharao-kettle") == [Rule.HOLDS_NAME]


def test_short_names_turn_up_by_accident() -> None:
    assert weaknesses("a kettle for bob", email="bob@example.com", name="Bob") == []


def test_a_deployment_may_ask_for_more() -> None:
    assert _weak("kettle-green", shortest=14) == [Rule.TOO_SHORT]
