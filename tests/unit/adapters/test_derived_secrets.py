"""Keys that follow from the secret of the settings."""

from shop.adapters.system.secrets import DerivedSecrets


async def test_each_name_has_a_key_of_its_own_that_stays() -> None:
    secrets = DerivedSecrets("a long enough secret of this shop")
    assert await secrets.get("one") == await secrets.get("one")
    assert await secrets.get("one") != await secrets.get("two")
    assert len(await secrets.get("one", 100)) == 100
    assert (await secrets.get("one", 100))[:32] == await secrets.get("one")


async def test_another_secret_gives_other_keys() -> None:
    assert await DerivedSecrets("one").get("x") != await DerivedSecrets("two").get("x")
