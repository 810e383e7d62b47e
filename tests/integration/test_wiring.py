"""What the settings choose."""

from datetime import timedelta
from pathlib import Path

from shop.adapters.system.secrets import DerivedSecrets
from shop.core.users.model import IdentityRules
from shop.ports.system import Secrets
from shop.settings import Secret, Security
from tests.kit.containers import running, settings_for


async def test_keys_follow_from_the_secret_of_the_settings(storage: str, tmp_path: Path) -> None:
    given = Security(secret=Secret("a secret of thirty-two characters and more"))
    async with running(settings_for(storage, tmp_path, security=given)) as container:
        assert isinstance(await container.get(Secrets), DerivedSecrets)
    async with running(settings_for(storage, tmp_path)) as container:
        assert not isinstance(await container.get(Secrets), DerivedSecrets)


async def test_a_session_is_believed_to_live_only_where_its_end_would_be_heard_of(
    storage: str, tmp_path: Path
) -> None:
    async with running(settings_for(storage, tmp_path)) as container:
        rules = await container.get(IdentityRules)
    replicas = storage == "mysql"  # and no cache in common
    assert rules.alive_lasts == timedelta(seconds=0 if replicas else 5)
