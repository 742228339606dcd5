"""`bench check` and `bench new`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.main import JSON, LazyGroup, answer, components, say

if TYPE_CHECKING:
    from bench.config.words import Word
    from bench.discovery.metric import MetricSpec
    from bench.registry import Spec


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME... [KIND.NAME.PARAMETER=VALUE] [data.root=DIR]")
@click.option("--only", multiple=True, help="Run one check only (may be repeated).")
@JSON
def check(names: tuple[str, ...], only: tuple[str, ...], as_json: bool) -> None:
    """Check whether components keep the contract. Exit code 7 when one does not."""
    from bench.config.words import parse
    from bench.errors import UsageError
    from bench.testing import check as run_checks

    words = parse(name for name in names if "=" in name)
    registry = components()
    specs = [spec for name in names if "=" not in name for spec in registry.find(name, "the command line")]
    if not specs:
        raise UsageError("no component is named; for example: bench check locf gru")
    data_root = next((Path(word.texts[0]) for word in words if word.key == "data.root"), None)
    specs = _with_parameters(specs, [word for word in words if word.key != "data.root"])
    reports = []
    for spec in specs:
        root = data_root or (_root(spec) if spec.kind == "dataset" else None)
        report = run_checks(spec, registry, only=only or None, data_root=root)
        reports.append(report)
        if not as_json:
            print(report.to_text(), flush=True)
    if as_json:
        answer([report.to_plain() for report in reports])
    sys.exit(0 if all(report.ok for report in reports) else 7)


def _with_parameters(specs: Sequence[Spec | MetricSpec], words: Sequence[Word]) -> list[Spec | MetricSpec]:
    """The specs with `KIND.NAME.PARAMETER=VALUE` over their parameters for tests, and under a name
    that says so.

    Raises UsageError for a word of no component that is checked, and for a parameter that it does
    not have or accept.
    """
    from bench.errors import UsageError
    from bench.registry import Spec

    changed: list[Spec | MetricSpec] = []
    left = {word.key: word for word in words}
    for spec in specs:
        prefix = f"{spec.kind}.{spec.name}."
        own = [word for word in words if word.key.startswith(prefix)]
        overrides = {w.key.removeprefix(prefix): w.values[0] if len(w.values) == 1 else list(w.values) for w in own}
        if overrides and isinstance(spec, Spec):
            values = {**spec.test_params, **overrides}
            spec.parameters(values, "the command line")
            inside = ", ".join(word.text.removeprefix(prefix) for word in own)
            spec = replace(spec, name=f"{spec.name}({inside})", test_params=values)
        left = {key: word for key, word in left.items() if word not in own or not isinstance(spec, Spec)}
        changed.append(spec)
    for word in left.values():
        accepted = ", ".join(
            [*(f"{spec.kind}.{spec.name}.PARAMETER=VALUE" for spec in specs if isinstance(spec, Spec)), "data.root=DIR"]
        )
        raise UsageError(
            f'"{word.text}" (from the command line) is of no component that is checked; accepted: {accepted}'
        )
    return changed


def _root(spec: object) -> Path | None:
    from bench.config.command import Settings
    from bench.data.location import locate
    from bench.errors import DataError
    from bench.registry import Spec

    assert isinstance(spec, Spec)
    try:
        return locate(spec, spec.parameters({}), "", Settings().cache_folder()).root
    except DataError:
        return None


@click.group(cls=LazyGroup)
def new() -> None:
    """Start something new from a working template."""


new.lazy = {
    "plugin": ("bench.cli.plugins:plugin", "A package with an imputer, a fuser, a federation and their tests."),
    "dataset": ("bench.cli.plugins:dataset", "A package with a dataset in Python, a suite of it and its tests."),
    "suite": ("bench.cli.plugins:suite", "A suite of tables of your own, CSV or Parquet, without Python."),
}
FOLDER = click.argument("folder", required=False, type=click.Path(path_type=Path))


@click.command()
@click.argument("name")
@FOLDER
def plugin(name: str, folder: Path | None) -> None:
    """Write a working plugin package NAME into FOLDER (default: ./NAME)."""
    from bench.template import render

    target = folder or Path(name)
    _print(render(name, target))
    say(f"next: pip install -e {_package(target)} && bench list imputers && python -m pytest {_tests(target)}")


@click.command()
@click.argument("name")
@FOLDER
def dataset(name: str, folder: Path | None) -> None:
    """Write a working package with a dataset NAME into FOLDER (default: ./NAME)."""
    from bench.template import render_dataset

    target = folder or Path(name)
    _print(render_dataset(name, target))
    suite = shlex.quote(str(target / "suite.toml"))
    say(
        f"next: pip install -e {_package(target)} && python -m pytest {_tests(target)} && "
        f"bench run suite={suite} data.root=synthetic"
    )


@click.command()
@click.argument("name")
@FOLDER
def suite(name: str, folder: Path | None) -> None:
    """Write a suite NAME of tables of your own into FOLDER (default: ./NAME).

    With it come a TOML file that says what the tables hold, and two small tables, made up, so
    that it runs at once. Put yours in their place.
    """
    from bench.template import render_suite

    target = folder or Path(name)
    _print(render_suite(name, target))
    root = shlex.quote(str(target))
    say(f"next: bench run suite={shlex.quote(str(target / f'{name}.toml'))} data.root={root}")


def _print(files: Sequence[Path]) -> None:
    for path in files:
        print(path)


def _package(target: Path) -> str:
    return shlex.quote(f"{target}[test]")


def _tests(target: Path) -> str:
    return shlex.quote(str(target))
