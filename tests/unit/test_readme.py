"""The front page leads to everything else, and what it names is there."""

import re
from pathlib import Path

from shop.entrypoints.cli.main import COMMANDS

_ROOT = Path(__file__).parents[2]
_README = (_ROOT / "README.md").read_text()


def test_every_link_leads_somewhere() -> None:
    links = {link for link in re.findall(r"\]\(([^)#]+)\)", _README) if "://" not in link}
    assert "docs/index.md" in links
    assert [link for link in links if not (_ROOT / link).exists()] == []


def test_every_command_it_names_is_there() -> None:
    named = set(re.findall(r"`(?:\.venv/bin/)?shop ([a-z-]+)", _README)) - {"--help"}
    assert {"run", "audit"} <= named <= set(COMMANDS)
