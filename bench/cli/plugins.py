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


new.lazy = {"plugin": ("bench.cli.plugins:plugin", "A package with an imputer, a fuser, a federation and their tests.")}


@click.command()
@click.argument("name")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def plugin(name: str, folder: Path | None) -> None:
    """Write a working plugin package NAME into FOLDER (default: ./NAME)."""
    from bench.template import render

    target = folder or Path(name)
    for path in render(name, target):
        print(path)
    package, tests = shlex.quote(f"{target}[test]"), shlex.quote(str(target))
    say(f"next: pip install -e {package} && bench list imputers && python -m pytest {tests}")
