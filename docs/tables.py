"""Writes the generated parts of the pages in this folder, from the code: `make docs`.

What stands between a line of the left column and a line `<!-- end -->` is written:

    <!-- table: MODULE:STRUCT, ... -->   the parameters that the structs themselves declare, and
                                         other defaults of inherited ones
    <!-- presets: KIND NAME -->          what each preset of a component decides
    <!-- components: KIND PREFIX -->     the components whose names begin so, with their papers
    <!-- capabilities: KIND -->          what components of a kind can do, from their tags
    <!-- metrics: all -->                every metric, and when it has no score
    <!-- checks: KIND, ... -->           the conformance checks of kinds of components
    <!-- help: bench -->                 every command with what its --help prints
    <!-- door: bench -->                 the modules that a plugin may import, and a directive for
                                         each, which the site follows
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from bench.cli.main import LazyGroup, cli
from bench.discovery.parameters import Parameter, parameters
from bench.discovery.spec import Kind
from bench.registry import discover
from bench.testing import checks_of

FOLDER = Path(__file__).parent
DOOR = sorted({path.stem for path in (FOLDER.parent / "bench").glob("*.py")} - {"__init__", "__main__"} | {"testing"})
"""The modules at the root of `bench`, which plugins may import."""
WIDTH = 90
PART = re.compile(
    r"<!-- (table|presets|components|capabilities|metrics|checks|help|door): (.+?) -->\n.*?<!-- end -->", re.DOTALL
)


FEDERATED = {"learner": "by rounds", "sums": "from exact sums", "learns_nothing": "as it is"}
"""Tag -> how a federation trains what bears it. Others learn in one place alone."""
ABILITIES = {
    "imputer": {"draws": "several draws", "uses_events": "exact times", "torch": "on a GPU"},
    "fuser": {
        "own_imputer": "fills gaps by itself",
        "nan_aware": "reads gaps as gaps",
        "uses_events": "exact times",
        "uses_draws": "reads all draws",
        "torch": "on a GPU",
    },
}
"""Kind -> tag -> what it means, as the heading of a column."""

NEEDS = {"pypots.md": "pypots"}
"""Page whose tables say what is installed -> the package without which it is left as it is."""


def main() -> None:
    for page, text in pages():
        if page.name in NEEDS and importlib.util.find_spec(NEEDS[page.name]) is None:
            print(f"left {page}: its tables need {NEEDS[page.name]}, which is not installed")
        elif page.read_text(encoding="utf-8") != text:
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
        declared = [
            (struct, p)
            for struct in structs(part[0])
            for p in parameters(struct)
            if p.name in inspect.get_annotations(struct)
        ]
        rows = [_row(p) for struct, p in declared if not _inherited(struct, p)]
        head = ["| parameter | default | accepted | meaning |", "| --- | --- | --- | --- |"]
        other = ", ".join(f"`{p.name}` = {_value(p.default)}" for struct, p in declared if _inherited(struct, p))
        lines = [*([f"Other defaults of inherited parameters: {other}.", ""] if other else []), *head, *rows]
    elif part[1] == "presets":
        lines = _presets(*part[2].split())
    elif part[1] == "components":
        kind, prefix = part[2].split()
        specs = [spec for spec in discover().specs(typing.cast(Kind, kind)) if spec.name.startswith(prefix)]
        rows = [_line([f"`{spec.name}`", spec.paper or "no paper", spec.summary]) for spec in specs]
        lines = ["| name | paper | what it is |", "| --- | --- | --- |", *rows]
    elif part[1] == "capabilities":
        lines = _capabilities(typing.cast(Kind, part[2]))
    elif part[1] == "metrics":
        better = {True: "larger", False: "smaller", None: "–"}
        rows = [
            _line(
                [
                    f"`{m.name}`",
                    ", ".join(m.kinds),
                    better[m.higher],
                    "" if m.chance is None else f"{m.chance:g}",
                    m.undefined,
                    m.summary,
                ]
            )
            for m in discover().specs("metric")
            if m.plugin.startswith("gapbench:")
        ]
        lines = ["| metric | tasks | better | chance | no score where | what it is |", f"|{' --- |' * 6}", *rows]
    elif part[1] == "help":
        lines = list(_help(cli, part[2]))
    elif part[1] == "door":
        modules = [f"{part[2]}.{name}" for name in DOOR]
        rows = [_line([f"`{each}`", ", ".join(f"`{name}`" for name in _exports(each))]) for each in modules]
        lines = ["| module | names |", "| --- | --- |", *rows, *(f"\n::: {each}" for each in modules)]
    else:
        of: dict[tuple[str, str], list[str]] = {}
        for kind in part[2].split(", "):
            for name, check in checks_of(typing.cast(Kind, kind)).items():
                of.setdefault((name, check.promise), []).append(kind)
        rows = [_line([f"`{name}`", ", ".join(kinds), promise]) for (name, promise), kinds in of.items()]
        lines = ["| check | of | promise |", "| --- | --- | --- |", *rows]
    return "\n".join([f"<!-- {part[1]}: {part[2]} -->", *lines, "<!-- end -->"])


def _inherited(struct: type[msgspec.Struct], p: Parameter) -> bool:
    """Whether a parameter is declared again for another default alone."""
    return any(
        (p.name, p.accepted, p.description) == (each.name, each.accepted, each.description)
        for base in struct.__mro__[1:]
        if base is not msgspec.Struct and issubclass(base, msgspec.Struct)
        for each in parameters(base)
    )


def _row(p: Parameter) -> str:
    return f"| `{p.name}` | {_value(p.default)} | {p.accepted} | {p.description} |"


def _exports(module: str) -> list[str]:
    return importlib.import_module(module).__all__


def _help(command: click.Command, path: str) -> Iterator[str]:
    """The help of `bench` and of every command below it that does something."""
    context = click.Context(
        command, info_name=path, max_content_width=WIDTH, terminal_width=WIDTH, help_option_names=[]
    )
    if command is cli or not isinstance(command, LazyGroup):
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


def _capabilities(kind: Kind) -> list[str]:
    """A row for each component of ours; those of a family, such as `pypots.saits`, share rows."""
    families: dict[str, dict[tuple[str, ...], list[str]]] = {}
    for spec in discover().specs(kind):
        if spec.plugin.startswith("gapbench:"):
            trained = next((how for tag, how in FEDERATED.items() if tag in spec.tags), "`central` and `local` alone")
            able = ("yes" if tag in spec.tags else "" for tag in ABILITIES[kind])
            family = spec.name.partition(".")[0]
            families.setdefault(family, {}).setdefault((trained, *able), []).append(spec.name)
    rows: list[str] = []
    for family, alike in families.items():
        largest = max(alike.values(), key=len)
        for cells, names in sorted(alike.items(), key=lambda row: row[1] is not largest):
            other = "" if len(alike) == 1 else ", all others"
            shown = (
                f"`{family}.*`{other}" if names is largest and len(names) > 1 else ", ".join(f"`{n}`" for n in names)
            )
            rows.append(_line([shown, *cells]))
    head = _line([kind, "under a federation", *ABILITIES[kind].values()])
    return [head, f"|{' --- |' * (2 + len(ABILITIES[kind]))}", *rows]


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
