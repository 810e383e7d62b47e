"""The front page leads to everything else, and names what there is."""

import re
from pathlib import Path

from shop.entrypoints.cli.main import COMMANDS

_ROOT = Path(__file__).parents[2]
_README = (_ROOT / "README.md").read_text()


def test_every_document_is_linked_and_every_link_leads_somewhere() -> None:
    links = {link for link in re.findall(r"\]\(([^)#]+)\)", _README) if "://" not in link}
    assert [link for link in links if not (_ROOT / link).exists()] == []
    documents = {f"docs/{file.name}" for file in (_ROOT / "docs").glob("*.md")}
    assert documents <= links


def test_every_command_is_listed() -> None:
    listed = set(re.findall(r"`shop ([a-z-]+)", _README))
    assert set(COMMANDS) <= listed
