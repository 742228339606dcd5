"""`bench baseline` and `bench gate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from bench.cli.main import JSON, LazyGroup, answer, say

WORDS = click.argument("words", nargs=-1, metavar="suite=NAME [out=DIR] [KEY=VALUE]...")
FILE = click.option(
    "--baseline", "file", type=click.Path(path_type=Path), help="Baseline file (OUT/baselines/SUITE.json)."
)
COSTS = click.option(
    "--cost-tolerance", type=float, help="Judge costs too; relative differences up to this never matter, e.g. 0.2."
)


@click.group(cls=LazyGroup)
def baseline() -> None:
    """Pin a run as the baseline of a suite, and look at baselines."""


baseline.lazy = {
    "pin": ("bench.cli.gating:pin", "Store the last run of a suite, or the cells further words select."),
    "list": ("bench.cli.gating:list_", "The baselines of a folder of results."),
    "show": ("bench.cli.gating:show", "What the baseline of a suite is of."),
    "diff": ("bench.cli.gating:diff", "What differs between the baseline and the last run, without a verdict."),
}


def _path(file: Path | None, words: tuple[str, ...], suite: str) -> Path:
    from bench.gate.baselines import path_of

    return file or path_of(_out(words), suite)


def _typed(key: str, words: tuple[str, ...]) -> str:
    """The value of a word that names a suite or a folder, as it was typed; empty where there is
    none.
    """
    from bench.config.words import parse

    return next((word.texts[0] for word in parse(words) if word.key == key), "")


def _out(words: tuple[str, ...]) -> Path:
    return Path(_typed("out", words) or "results").expanduser()


@click.command()
@WORDS
@FILE
@click.option("--replace", is_flag=True, help="Put it in the place of a baseline that is there.")
def pin(words: tuple[str, ...], file: Path | None, replace: bool) -> None:
    """Store a run as the baseline: scores and comparisons, no predictions, nothing that names a
    patient.
    """
    from bench.cli.report import export_of
    from bench.gate import baselines

    export, _ = export_of(words, "baseline pin")
    path = _path(file, words, export.suite)
    baselines.pin(export, path, replace)
    print(path)


@click.command("list")
@click.argument("words", nargs=-1, metavar="[out=DIR]")
@JSON
def list_(words: tuple[str, ...], as_json: bool) -> None:
    """List the baselines in OUT/baselines. Damaged ones are named on stderr."""
    from bench.cli.words import values_by_key
    from bench.errors import StorageError
    from bench.gate.baselines import describe, in_words
    from bench.leaderboard import load_export

    values_by_key(words, ("out",), ())
    baselines: list[dict[str, Any]] = []
    damaged = False
    for path in sorted((_out(words) / "baselines").glob("*.json")):
        try:
            export = load_export(path, f"bench baseline pin suite={path.stem} --replace")
        except StorageError as error:
            say(f"warning: {error}")
            damaged = True
            continue
        baselines.append({"file": str(path), **describe(export)})
        if not as_json:
            print(f"{path}: {in_words(export)}")
    if as_json:
        answer(baselines)
    elif not baselines and not damaged:
        say(f"no baseline in {_out(words) / 'baselines'}; make one with: bench baseline pin suite=NAME")


@click.command()
@click.argument("words", nargs=-1, metavar="suite=NAME [out=DIR]")
@FILE
@JSON
def show(words: tuple[str, ...], file: Path | None, as_json: bool) -> None:
    """Say what the baseline of a suite is of: its grid, data, versions, command."""
    from bench.cli.words import values_by_key
    from bench.config.layers import NO_SUITE, name_of
    from bench.errors import UsageError
    from bench.gate.baselines import describe, find

    suite = values_by_key(words, ("suite", "out"), ()).get("suite", ("",))[0]
    if not suite and not file:
        raise UsageError(NO_SUITE)
    path = file or _path(None, words, name_of(suite))
    about = {"file": str(path), **describe(find(path, suite))}
    if as_json:
        answer(about)
        return
    for name, value in about.items():
        print(f"{name:<10} {', '.join(map(str, value)) if isinstance(value, list) else value}".rstrip())


@click.command()
@WORDS
@FILE
@COSTS
@JSON
def diff(words: tuple[str, ...], file: Path | None, cost_tolerance: float | None, as_json: bool) -> None:
    """Compare the baseline with a run, quantity by quantity, and name what of code, data and
    settings differs.
    """
    from bench.cli.report import export_of
    from bench.gate import gate as judge
    from bench.gate.baselines import find
    from bench.gate.report import to_markdown
    from bench.grid.ingredients import differing

    export, _ = export_of(words, "baseline diff")
    pinned = find(_path(file, words, export.suite), _typed("suite", words) or export.suite)
    known = bool(pinned.ingredients and export.ingredients)
    differs = differing(pinned.ingredients, export.ingredients) if known else []
    report = judge(pinned, export, cost_tolerance=cost_tolerance)
    if as_json:
        answer({"differs": differs if known else None, "report": report})
        return
    unknown = "not known, one of the two is of an earlier version"
    print(f"Code, data and settings that differ: {(', '.join(differs) or 'nothing') if known else unknown}.\n")
    print(to_markdown(report))


@click.command("gate")
@WORDS
@FILE
@click.option(
    "--last", type=click.IntRange(min=1), help="Take the last N runs before as the baseline (see: bench runs)."
)
@click.option(
    "--alpha", type=float, default=0.05, show_default=True, help="How often an unchanged method may be called worse."
)
@click.option("--tolerance", type=float, default=0.0, show_default=True, help="Differences up to this never matter.")
@COSTS
@click.option("--markdown", type=click.Path(path_type=Path), help="Write the report as Markdown.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write the report as JUnit XML.")
@JSON
def gate(
    words: tuple[str, ...],
    file: Path | None,
    last: int | None,
    alpha: float,
    tolerance: float,
    cost_tolerance: float | None,
    markdown: Path | None,
    junit: Path | None,
    as_json: bool,
) -> None:
    """Compare a run with the baseline, or with runs before it. Exit code: 0 same, 10 improved, 11
    worse, 12 inconclusive, 13 not comparable.
    """
    from bench.cli.report import export_of
    from bench.errors import UsageError
    from bench.files import write_bytes, write_text
    from bench.gate import gate as judge
    from bench.gate.baselines import find
    from bench.gate.report import to_junit, to_markdown
    from bench.results.snapshots import before

    if last and file:
        raise UsageError("--last and --baseline both name a baseline; give one of them")
    export, _ = export_of(words, f"gate --last {last}" if last else "gate")
    if last:
        *earlier, pinned = before(_out(words), export.suite, export, last, say)
    else:
        earlier, pinned = [], find(_path(file, words, export.suite), _typed("suite", words) or export.suite)
    report = judge(
        pinned,
        export,
        alpha=alpha,
        tolerance=tolerance,
        cost_tolerance=cost_tolerance,
        earlier=earlier,
        pinned=not last,
    )
    if markdown:
        write_text(markdown, to_markdown(report))
    if junit:
        write_bytes(junit, to_junit(report))
    if as_json:
        answer(report)
    else:
        print(to_markdown(report))
    sys.exit(report.exit_code)
