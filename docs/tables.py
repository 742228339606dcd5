"""Writes the generated parts of the pages in this folder, from the code: `make docs`.

What stands between a line of the left column and a line `<!-- end -->` is written:

    <!-- table: MODULE:STRUCT, ... -->   the parameters that the structs themselves declare, not those they inherit
    <!-- presets: KIND NAME -->          what each preset of a component decides
    <!-- checks: KIND -->                the conformance checks of a kind of component
    <!-- help: bench -->                 every command with what its --help prints
    <!-- door: bench -->                 a directive for each module that a plugin may import; the site turns it into a page
"""

from __future__ import annotations

import importlib
import inspect
import re
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from bench.cli.main import cli
from bench.discovery.parameters import Parameter, parameters
from bench.discovery.spec import Kind
from bench.registry import discover
from bench.testing import checks_of

FOLDER = Path(__file__).parent
DOOR = sorted({path.stem for path in (FOLDER.parent / "bench").glob("*.py")} - {"__init__", "__main__"} | {"testing"})
"""The modules at the root of `bench`, which plugins may import."""
WIDTH = 90
PART = re.compile(r"<!-- (table|presets|checks|help|door): (.+?) -->\n.*?<!-- end -->", re.DOTALL)


def main() -> None:
    for page, text in pages():
        if page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")
            print(f"wrote {page}")


def pages() -> Iterator[tuple[Path, str]]:
    """Every page with what it should hold."""
    for page in sorted(FOLDER.rglob("*.md")):
        yield page, PART.sub(_written, page.read_text(encoding="utf-8"))


def structs(page: str) -> list[type[msgspec.Struct]]:
    """The structs that a page's tables list, in their order."""
    found = (m[2].split(", ") for m in PART.finditer(page) if m[1] == "table")
    return [
        getattr(importlib.import_module(path[0]), path[2])
        for names in found
        for path in (n.partition(":") for n in names)
    ]


def _written(part: re.Match[str]) -> str:
    if part[1] == "table":
        rows = [
            _row(p)
            for struct in structs(part[0])
            for p in parameters(struct)
            if p.name in inspect.get_annotations(struct)
        ]
        lines = ["| parameter | default | accepted | meaning |", "| --- | --- | --- | --- |", *rows]
    elif part[1] == "presets":
        lines = _presets(*part[2].split())
    elif part[1] == "help":
        lines = list(_help(cli, part[2]))
    elif part[1] == "door":
        lines = [line for name in DOOR for line in (f"::: {part[2]}.{name}", "")][:-1]
    else:
        checks = checks_of(typing.cast(Kind, part[2]))
        rows = [_line([f"`{name}`", check.promise]) for name, check in checks.items()]
        lines = ["| check | promise |", "| --- | --- |", *rows]
    return "\n".join([f"<!-- {part[1]}: {part[2]} -->", *lines, "<!-- end -->"])


def _row(p: Parameter) -> str:
    return f"| `{p.name}` | {_value(p.default)} | {p.accepted} | {p.description} |"


def _help(command: click.Command, path: str) -> Iterator[str]:
    """The help of a command and of those below it."""
    context = click.Context(command, info_name=path, terminal_width=WIDTH, max_content_width=WIDTH)
    yield from ("", f"## `{path}`", "", "```text", *command.get_help(context).splitlines(), "```")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below
            yield from _help(below, f"{path} {name}")


def _presets(kind: str, name: str) -> list[str]:
    presets = discover().get(kind, name).presets
    assert presets is not None, f"{kind} {name} has no presets"
    tables = {preset: msgspec.to_builtins(choice) for preset, choice in presets.items()}
    fields = dict.fromkeys(field for values in tables.values() for field in values)
    head = [presets.parameter, *tables]
    rows = [[field, *(_value(values[field]) for values in tables.values())] for field in fields]
    return [
        _line(f"`{each}`" for each in head),
        _line("---" for _ in head),
        *(_line([f"`{row[0]}`", *row[1:]]) for row in rows),
    ]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _value(value: Any) -> str:
    if value in ("required", None, ""):
        return {"required": "needed", None: "null", "": "empty"}[value]
    if isinstance(value, msgspec.Struct):
        return "below"
    return f"`{msgspec.json.encode(value).decode().strip(chr(34))}`"


if __name__ == "__main__":
    main()
