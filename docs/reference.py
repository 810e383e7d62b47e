"""The reference, made from the code: settings, commands, errors, events and metrics as Markdown.

What says nothing of itself is an error here: `Untold` names it.
"""

import importlib
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct
from msgspec.structs import fields

import shop
from docs.served import Metric
from shop.entrypoints.cli.main import cli
from shop.entrypoints.consumers.registry import EVENTS
from shop.entrypoints.http.meanings import MEANINGS, statuses
from shop.settings import Providers, Secret, Settings, SocialProvider, Url

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "config" / "shop.toml"

_SETTINGS = """A setting stands in a TOML file, given with `--config`, or in the environment, which
goes first: `http.port` is `SHOP_HTTP_PORT`. The same name with `_FILE` behind it names a file that
holds the value, which is the better place for secrets. A wrong setting stops the start with one
line that names it."""
_COMMANDS = """Every command reads the [settings](settings.md). It ends with 0 when all is well,
with 1 and one line of why when not, and with 2 when it was called wrongly."""
_ERRORS = """A refusal is a problem document (RFC 9457) with `type`, `title`, `status`, `code`,
`detail`, `instance`, `request_id`, and where they help `facts` for programs and `errors` field by
field. `code` is stable: decide by it. `detail` is for people and may change. A running shop shows
the same texts at its `/problems/<code>`, where the `type` leads.

The routes below `/oauth2` answer with the errors of OAuth 2.0 (RFC 6749) instead."""
_EVENTS = """On the bus an event is a CloudEvents 1.0 document in JSON: `id`, `source` (the site's
URL), `type`, `subject` (the id of what it is about), `time`, `partitionkey` (the same as
`subject`), `correlationid` (of the request that caused it), and in `data` the fields below. On
Kafka the topics begin with `bus.prefix` instead of `shop`. Events of one subject keep their order;
any of them may come more than once, with the same `id`. A type may gain fields and loses none; a
change that breaks readers gets a `.v2`."""
_METRICS = """Served at `/metrics` of the ops port (`ops.port`), for Prometheus. A histogram has
`_bucket`, `_sum` and `_count` behind its name. Dashboards and rules that use them lie in `deploy/`;
each alert has its [runbook](../runbooks.md)."""


class Untold(Exception):
    """Facts without a text, or a link that leads nowhere."""


def reference() -> dict[str, tuple[str, str]]:
    """Title and text of each page that is made from the code."""
    return {
        "settings": ("Settings", settings_page()),
        "commands": ("Commands", commands_page()),
        "errors": ("Errors", errors_page()),
        "events": ("Events", events_page()),
        "metrics": ("Metrics", metrics_page()),
    }


# --- settings ---


class Section(Struct, frozen=True):
    """What the shipped file says of a section and of its keys."""

    intro: str
    keys: dict[str, str]


def settings_page() -> str:
    told = sections_of(SHIPPED.read_text(encoding="utf-8"))
    parts = ["# Settings", _SETTINGS]
    silent: list[str] = []
    for section in fields(Settings):
        kind = SocialProvider if section.type is Providers else section.type
        name = f"{section.name}.<name>" if section.type is Providers else section.name
        here = told.get(section.name, Section("", {}))
        rows = []
        for one in fields(kind):
            text = here.keys.get(one.encode_name, "")
            if not text:
                silent.append(f"{name}.{one.encode_name}")
            rows.append(
                (
                    f"`{one.encode_name}`",
                    _environment(name, one.encode_name),
                    _code(_default(one.default)),
                    f"{_prose(text)} <br>*{_type_of(kind, one.name)}*",
                )
            )
        parts += [f"## {_prose(name)}", _prose(here.intro)]
        parts.append(_table(("Key", "Environment", "Default", "Meaning"), rows))
    _all_told("config/shop.toml says nothing of", silent)
    return _joined(parts)


def sections_of(text: str) -> dict[str, Section]:
    """Comments above a section, and below it before its keys, are about it; others about a key."""
    found = {}
    for block in text.split("\n\n"):
        above, header, below = _parted(block)
        if not header:
            continue
        intro: list[str] = []
        keys: dict[str, str] = {}
        last = ""
        for line in above + below:
            comment = line.removeprefix("#").strip()
            if key := re.fullmatch(r"(\w+) = .*?  # (.+)", comment):
                last = key[1]
                keys[last] = key[2]
            elif re.fullmatch(r"\[[\w.]+\]", comment):  # the example of a provider
                continue
            elif last and line in below:
                stop = "." if comment[:1].isupper() and keys[last][-1] != "." else ""
                keys[last] += f"{stop} {comment}"
            else:
                intro.append(f"`{comment}`." if comment.startswith("{") else comment)
        found[header] = Section(" ".join(intro), keys)
    return found


def _parted(block: str) -> tuple[list[str], str, list[str]]:
    lines = block.splitlines()
    for number, line in enumerate(lines):
        if header := re.fullmatch(r"\[(\w+)\]", line):
            return lines[:number], header[1], lines[number + 1 :]
    return lines, "", []


def _environment(section: str, key: str) -> str:
    if key == "coupons":
        return "only in the file"
    return f"`{f'SHOP_{section}_{key}'.upper().replace('.', '_')}`"


def _default(value: Any) -> str:
    if isinstance(value, Secret):
        return '""'
    return json.dumps(value, ensure_ascii=False)


def _type_of(kind: type[Struct], name: str) -> str:
    whole: Any = msgspec.inspect.type_info(kind)
    [found] = [one.type for one in whole.fields if one.name == name]
    match found:
        case msgspec.inspect.CustomType(cls=cls):
            return {Secret: "secret", Url: "address"}[cls]
        case msgspec.inspect.LiteralType(values=values):
            return " or ".join(str(one) for one in values)
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.IntType(ge=least, le=most):
            return f"whole number from {least} " + ("on" if most is None else f"to {most}")
        case msgspec.inspect.StrType(pattern=pattern):
            return f"text of the form {_code(pattern)}" if pattern else "text"
        case _:
            return "list of tables"


# --- commands ---


def commands_page() -> str:
    parts = ["# Commands", _COMMANDS]
    silent: list[str] = []
    for name, command in commands():
        parts.append(f"## {name}")
        if not command.help:
            silent.append(name)
        parts += [_prose(" ".join(one.split())) for one in (command.help or "").split("\n\n")]
        if isinstance(command, click.Group):
            continue
        context = click.Context(command, info_name=name)
        usage = " ".join(command.collect_usage_pieces(context))
        parts.append(f"```text\n{name} {usage}\n```")
        rows = []
        for one in command.params:
            if not isinstance(one, click.Option):
                continue
            if not one.help:
                silent.append(f"{name} {one.opts[0]}")
            takes = "" if one.is_flag else f" {one.make_metavar(context)}"
            default = one.get_default(context)
            shown = f" Default: {_code(str(default))}." if one.show_default else ""
            needed = " Required." if one.required else ""
            rows.append(
                (_code(", ".join(one.opts) + takes), f"{_prose(one.help or '')}{needed}{shown}")
            )
        parts.append(_table(("Option", "Meaning"), rows))
    _all_told("No help for", silent)
    return _joined(parts)


def commands() -> Iterator[tuple[str, click.Command]]:
    """All of them with their full names, groups before what is in them."""

    def below(name: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
        context = click.Context(group)
        for one in group.list_commands(context):
            command = group.get_command(context, one)
            if command is None:
                raise Untold(f"{name} {one} is listed, and is not there.")
            yield f"{name} {one}", command
            if isinstance(command, click.Group):
                yield from below(f"{name} {one}", command)

    yield from below("shop", cli)


# --- errors ---


def errors_page() -> str:
    load_everything()
    known = statuses()
    _all_told("shop.entrypoints.http.meanings says nothing of", sorted(known.keys() - MEANINGS))
    _all_told("No error has the code", sorted(MEANINGS.keys() - known))
    rows = [
        (f"`{code}`", ", ".join(str(one) for one in sorted(found)) or "any", _prose(MEANINGS[code]))
        for code, found in known.items()
    ]
    return _joined(["# Errors", _ERRORS, _table(("Code", "Status", "Meaning"), rows)])


def load_everything() -> None:
    """An error is known when its module is loaded."""
    for module in pkgutil.walk_packages(shop.__path__, "shop."):
        if ".migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)


# --- events ---


def events_page() -> str:
    parts = ["# Events", _EVENTS]
    silent = [kind for kind, event in EVENTS.items() if not event.__dict__.get("__doc__")]
    _all_told("No docstring at the event", silent)
    for topic in sorted({event.topic for event in EVENTS.values()}):
        parts.append(f"## {topic}")
        for kind, event in sorted(EVENTS.items()):
            if event.topic == topic:
                rows = [(f"`{name}`", _code(type_)) for name, type_ in fields_of(event).items()]
                parts += [f"### {kind}", _prose(" ".join(str(event.__doc__).split()))]
                parts.append(_table(("Field", "Type"), rows))
    return _joined(parts)


def fields_of(event: type[Any]) -> dict[str, str]:
    whole: Any = msgspec.inspect.type_info(event)
    return {one.encode_name: _kind_of(one.type) for one in whole.fields}


def _kind_of(kind: msgspec.inspect.Type) -> str:
    """The type as JSON has it: ids and moments are strings of a form, Structs their fields."""
    match kind:
        case msgspec.inspect.StructType():
            inner = ", ".join(f"{f.encode_name}: {_kind_of(f.type)}" for f in kind.fields)
            return f"{{{inner}}}"
        case msgspec.inspect.VarTupleType() | msgspec.inspect.ListType():
            return f"[{_kind_of(kind.item_type)}]"
        case msgspec.inspect.UnionType():
            return " | ".join(sorted(_kind_of(one) for one in kind.types))
        case msgspec.inspect.EnumType():
            return " | ".join(sorted(repr(one.value) for one in kind.cls))
        case _:
            return type(kind).__name__.removesuffix("Type").lower()


# --- metrics ---


def metrics_page() -> str:
    found = served()
    _all_told("No help text at the metric", [name for name, one in found.items() if not one.text])
    own = {name: one for name, one in found.items() if not name.startswith(("python_", "process_"))}
    return _joined(
        [
            "# Metrics",
            _METRICS,
            _metrics_table(own),
            "## The process",
            "What Python and the system say.",
            _metrics_table({name: one for name, one in found.items() if name not in own}),
        ]
    )


def _metrics_table(found: Mapping[str, Metric]) -> str:
    return _table(
        ("Name", "Type", "Labels", "Meaning"),
        [
            (
                f"`{name}`",
                one.kind,
                ", ".join(f"`{label}`" for label in one.labels),
                _prose(one.text),
            )
            for name, one in sorted(found.items())
        ],
    )


def served() -> dict[str, Metric]:
    """Asked of a process of its own: a stop ends whatever process it happens in."""
    done = subprocess.run(
        [sys.executable, "-m", "docs.served"], cwd=ROOT, capture_output=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"docs.served ended with {done.returncode}: {done.stderr.decode()}")
    return msgspec.json.decode(done.stdout, type=dict[str, Metric])


# --- Markdown ---


def _code(text: str) -> str:
    return f"`{text}`" if "`" not in text else f"`` {text} ``"


def _prose(text: str) -> str:
    """Plain text as Markdown: what stands outside of `code` means nothing there."""
    parts = text.split("`")
    plain = [re.sub(r"([<*_\[\]])", r"\\\1", part) for part in parts[::2]]
    codes = [f"`{part}`" for part in parts[1::2]]
    return "".join(one for pair in zip(plain, [*codes, ""], strict=True) for one in pair)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    if len(lines) == 2:  # noqa: PLR2004 - the head and the line below it
        return ""
    return "\n".join(
        "| " + " | ".join(one.replace("|", "\\|") for one in row) + " |" for row in lines
    )


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _all_told(what: str, silent: list[str]) -> None:
    if silent:
        raise Untold(f"{what}: {', '.join(silent)}.")
