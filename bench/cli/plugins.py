"""`bench check` and `bench new`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bench.cli import LazyGroup, answer, say


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME... [data.root=DIR]")
@click.option("--only", multiple=True, help="Run one check only (may be repeated).")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def check(names: tuple[str, ...], only: tuple[str, ...], as_json: bool) -> None:
    """Check whether components keep the contract. Exit code 7 when one does not."""
    from bench.errors import UsageError
    from bench.registry import discover
    from bench.testing import check as run_checks

    words = [name for name in names if "=" in name]
    if strange := [word for word in words if not word.startswith("data.root=")]:
        raise UsageError(
            f'"{strange[0]}" (from the command line) is no component; beside names only data.root=DIR is accepted'
        )
    registry = discover()
    specs = [spec for name in names if name not in words for spec in registry.find(name, "the command line")]
    if not specs:
        raise UsageError("no component is named; write for example: bench check locf gru")
    for broken in registry.broken:
        say(f"warning: plugin {broken.plugin} was left out: {broken.reason}")
    said = Path(words[0].partition("=")[2]) if words else None
    reports = []
    for spec in specs:
        root = said or (_root(spec) if spec.kind == "dataset" else None)
        report = run_checks(spec, registry, only=only or None, data_root=root)
        reports.append(report)
        if not as_json:
            print(report.to_text(), flush=True)
    if as_json:
        answer([report.to_plain() for report in reports])
    sys.exit(0 if all(report.ok for report in reports) else 7)


def _root(spec: object) -> Path | None:
    from bench.data_root import locate
    from bench.errors import DataError
    from bench.registry import Spec
    from bench.request import Settings

    assert isinstance(spec, Spec)
    try:
        return locate(spec, spec.parameters({}), "", Settings().cache_folder()).root
    except DataError:
        return None


@click.group(cls=LazyGroup)
def new() -> None:
    """Start something new from a working template."""


new.lazy = {"plugin": ("bench.cli.plugins:plugin", "A package with an imputer, a fuser and their contract tests.")}


@click.command()
@click.argument("name")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def plugin(name: str, folder: Path | None) -> None:
    """Write a working plugin package NAME into FOLDER (default: ./NAME)."""
    from bench.template import render

    target = folder or Path(name)
    for path in render(name, target):
        print(path)
    say(f"next: pip install -e {target} && bench list imputers && pytest {target}")
