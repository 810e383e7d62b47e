"""Writes what Sphinx reads: the pages of this folder, and the reference made from the code.

    python -m docs.generate FOLDER

Raises `Untold` for a fact without a text, and for a link to a file that is not there.
"""

import os
import re
import shutil
import sys
from pathlib import Path

from docs.reference import Untold, reference

DOCS = Path(__file__).parent
ROOT = DOCS.parent
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]*)(#[^)\s]*)?\)")
_UNREAD = shutil.ignore_patterns("*.md", "generate.py", "reference.py", "served.py", "__pycache__")
_LANGUAGES = {".py": "python", ".toml": "toml", ".yml": "yaml", ".yaml": "yaml", ".sh": "sh"}


def main(target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(DOCS, target, ignore=_UNREAD)
    sources: set[Path] = set()
    for page in pages():
        text = linked(page, page.read_text(encoding="utf-8"), sources)
        if page == DOCS / "index.md":
            text = _with_contents(text)
        _write(target / page.relative_to(DOCS), text)
    for name, (_, text) in reference().items():
        _write(target / "reference" / f"{name}.md", text)
    for source in sources:
        _write(target / _place(source), _source(source))


def pages() -> list[Path]:
    return sorted(DOCS.rglob("*.md"))


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _with_contents(text: str) -> str:
    """The lists of links of the front page become the site's navigation."""
    before, mark, after = text.partition("\n## Reference\n")
    made = "".join(
        f"- [{title}](reference/{name}.md)\n" for name, (title, _) in reference().items()
    )
    if not mark:
        raise Untold("docs/index.md has no section Reference.")
    paragraph, _, rest = after.lstrip("\n").partition("\n\n")
    whole = f"{before}{mark}\n{paragraph}\n\n{made}\n{rest}"
    trees = []
    for part in whole.split("\n## ")[1:]:
        caption = part.partition("\n")[0]
        entries = "\n".join(one[3] for one in _LINK.finditer(part) if one[3].endswith(".md"))
        trees.append(f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n")
    return whole + "\n" + "\n".join(trees)


def linked(page: Path, text: str, sources: set[Path]) -> str:
    """Links to code lead to pages that show it. Raises `Untold` for one that leads nowhere."""

    def led(link: re.Match[str]) -> str:
        picture, words, path = link[1], link[2], link[3]
        if not path or re.match(r"[a-z]+:", path):
            return link[0]
        aim = Path(os.path.normpath(page.parent / path))
        if not aim.exists() or not aim.is_relative_to(ROOT):
            raise Untold(f"{page.relative_to(ROOT)}: {path} leads nowhere.")
        if aim.is_relative_to(DOCS):
            return link[0]
        if aim.is_dir():
            return words
        sources.add(aim)
        there = os.path.relpath(DOCS / _place(aim), page.parent)
        return f"{picture}[{words}]({there})"

    return _LINK.sub(led, text)


def _place(source: Path) -> Path:
    return Path("source") / f"{source.relative_to(ROOT)}.md"


def _source(file: Path) -> str:
    language = _LANGUAGES.get(file.suffix, "text")
    body = file.read_text(encoding="utf-8").rstrip("\n")
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", body)), default=0))
    head = f"---\norphan: true\n---\n\n# `{file.relative_to(ROOT)}`\n\n"
    return f"{head}{fence}{language}\n{body}\n{fence}\n"


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except Untold as error:
        sys.exit(f"make docs: {error}")
