"""What the README and the tutorial tell a newcomer to type does what they say."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.kit.process import PASSWORD, ROOT, Shop, until

README = (ROOT / "README.md").read_text()
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()


def block(text: str, language: str, has: str) -> str:
    """The only one of the language with these words in it."""
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    [one] = [each for each in found if has in each]
    return str(one)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_curl_buys_something_and_the_same_key_gives_the_same_order(shop: Shop) -> None:
    if shutil.which("curl") is None:
        pytest.skip("NO CURL: WHAT THE README TELLS TO TYPE WAS NOT TRIED.")
    script = block(README, "sh", "Idempotency-Key")
    assert "http://localhost:8000" in script
    script = script.replace("http://localhost:8000", shop.url)
    last = script[script.index('curl -s "$API/checkout"') :]
    with shop:
        running = shop.run("--demo")
        done = subprocess.run(  # noqa: S603
            ["/bin/sh", "-euc", script + last], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        first, end = json.JSONDecoder().raw_decode(done.stdout)
        assert json.loads(done.stdout[end:]) == first
        assert first["order"]["status"] == "pending_payment"
        assert first["order_token"]
        assert shop.client().get(first["payment"]["url"]).status_code == 200
        assert running.stop() == 0


def test_the_tutorial_starts_looks_and_saves_as_it_says(shop: Shop) -> None:
    with shop:
        running = shop.run("--demo", SHOP_LOG_FORMAT="console")
        until(lambda: "Stop with" in running.out)
        said = block(TUTORIAL, "text", "Storefront").replace("http://localhost:8000", shop.url)
        # Up to the addresses that are this machine's, and the passwords.
        for line in said.splitlines():
            told = line.partition("…")[0].strip()
            told = told.replace("http://127.0.0.1:9000", f"http://127.0.0.1:{shop.ops}")
            assert told in running.out, line
        assert running.stop() == 0
        assert shop.command("audit").stdout.splitlines()[-1] == "Everything agrees."
        saved = shop.command("backup")
        assert saved.returncode == 0
        assert "not encrypted" in saved.stderr
        assert len(list((shop.data / "backups").iterdir())) == 1


def test_the_tutorials_settings_make_a_shop_and_a_typing_error_is_named(shop: Shop) -> None:
    settings = shop.folder / "my.local.toml"
    settings.write_text(block(TUTORIAL, "toml", "Nilgiri Tea"))
    with shop:
        given = {"SHOP_DATA_DIR": "var/my-shop", "SHOP_ADMIN_PASSWORD": PASSWORD}
        made = shop.command(
            "create-admin", "--email", "you@example.com", "--config", settings, **given
        )
        assert made.returncode == 0, made.stderr
        running = shop.run("--config", str(settings), SHOP_DATA_DIR="var/my-shop")
        assert "Nilgiri Tea" in shop.client().get("/").text
        assert running.stop() == 0
        settings.write_text(settings.read_text().replace("name =", "nmae =", 1))
        wrong = shop.command("run", "--config", settings)
        shown = block(TUTORIAL, "console", "nmae").splitlines()[1]
        assert wrong.returncode == 1
        assert wrong.stderr.replace(str(settings), settings.name).startswith(shown.rstrip("…"))
