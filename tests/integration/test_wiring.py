"""What the settings choose."""

from pathlib import Path

from shop.adapters.system.secrets import DerivedSecrets
from shop.ports.system import Secrets
from shop.settings import Secret, Security
from tests.kit.containers import running, settings_for


async def test_keys_follow_from_the_secret_of_the_settings(storage: str, tmp_path: Path) -> None:
    given = Security(secret=Secret("a secret of thirty-two characters and more"))
    async with running(settings_for(storage, tmp_path, security=given)) as container:
        assert isinstance(await container.get(Secrets), DerivedSecrets)
    async with running(settings_for(storage, tmp_path)) as container:
        assert not isinstance(await container.get(Secrets), DerivedSecrets)
