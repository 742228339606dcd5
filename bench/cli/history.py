"""`bench runs`, `bench history` and `bench compare`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.main import JSON, answer, say

if TYPE_CHECKING:
    from bench.history import History
    from bench.leaderboard.blocks import Block
    from bench.results.coordinates import Method
    from bench.results.records import Comparison, Export

ROWS = ("task", "modalities", "scenario", "imputer", "fuser")


@click.command()
@click.argument("words", nargs=-1, metavar="[suite=NAME] [out=DIR]")
@JSON
def runs(words: tuple[str, ...], as_json: bool) -> None:
    """List the runs that are kept in OUT/runs, oldest first. Damaged ones are named on stderr."""
    from bench.cli.words import values_by_key
    from bench.errors import StorageError
    from bench.results.snapshots import check_whole, infos, suite_of

    values = values_by_key(words, ("suite", "out"), ())
    out = _out(values)
    suite = suite_of(out, values["suite"][0]) if "suite" in values else ""
    known = []
    for path, of_suite, info in infos(out, say, suite):
        try:
            check_whole(path)
        except StorageError as error:
            say(f"warning: {error}")
        else:
            known.append((path, of_suite, info))
    if as_json:
        answer([{"file": str(path), "suite": suite, "run": info} for path, suite, info in known])
        return
    if not known:
        what = f"no run of suite {suite}" if suite else "no run"
        say(f"{what} is kept in {out / 'runs'}; a run is kept when it ends: bench run suite={suite or 'NAME'}")
    for _, suite, info in known:
        print(f"{suite}  {info.name}  {info.second}  {info.code or 'revision unknown'}  {info.in_words()}")


def _out(values: dict[str, tuple[str, ...]]) -> Path:
    return Path(values.get("out", ("results",))[0]).expanduser()


@click.command()
@click.argument(
    "words", nargs=-1, metavar="suite=NAME|FILE... [metric=NAME,..] [imputer=A,B] [run=NAME] [last=N] [KEY=VALUE]..."
)
@click.option(
    "--alpha",
    type=float,
    default=0.01,
    show_default=True,
    help="How often a line without a change gets a mark among 30 runs.",
)
@click.option("--markdown", type=click.Path(path_type=Path), help="Write the page as Markdown, all runs in it.")
@JSON
def history(words: tuple[str, ...], alpha: float, markdown: Path | None, as_json: bool) -> None:
    """Show each method's score, imputation error and cost over runs, and mark steps.

    Of the runs of a suite, or of export files, oldest first. Words: suite, out; run (the last one
    that counts), last (so many runs); metric (default: the primary one, mae, fit_seconds,
    impute_fit_seconds); task, modalities, scenario, imputer, fuser (which rows).
    """
    from bench.history import blocks

    shown = history_of(words, alpha)
    _show(blocks(shown), shown, markdown, as_json)


def _show(page: list[Block], content: Any, markdown: Path | None, as_json: bool) -> None:
    """Print a page, or what it is made of as JSON; Markdown goes into a file as well."""
    from bench.files import write_text
    from bench.leaderboard.render.markdown import to_markdown
    from bench.leaderboard.render.terminal import to_terminal

    if markdown:
        write_text(markdown, to_markdown(page))
    if as_json:
        answer(content)
    else:
        print(to_terminal(page, shutil.get_terminal_size((100, 24)).columns), end="")


def history_of(words: tuple[str, ...], alpha: float = 0.01) -> History:
    """The history that words ask for."""
    from bench.cli.words import values_by_key
    from bench.errors import UsageError
    from bench.history import history as made_of
    from bench.history.chosen import chooser

    if not 0 < alpha < 1:
        raise UsageError(f'"alpha" = {alpha} is not accepted: a number between 0 and 1, e.g. --alpha 0.01')
    files = [word for word in words if "=" not in word]
    keys = () if files else ("suite", "out", "run")
    rest = tuple(word for word in words if "=" in word)
    values = values_by_key(rest, (*keys, "last"), ("metric", *ROWS))
    exports = _exports(files, values)
    whole = made_of(exports, chooser(exports, values.get("metric", ())), alpha, _rows(exports, values))
    if not whole.lines:
        raise UsageError("no run has a value of these rows and metrics; see what was run with: bench runs")
    return whole


def _exports(files: Sequence[str], values: dict[str, tuple[str, ...]]) -> list[Export]:
    from bench.config.layers import NO_SUITE
    from bench.config.words import ORIGIN
    from bench.errors import UsageError
    from bench.history.runs import of_file
    from bench.results.named_suite import check_named
    from bench.results.snapshots import LAST, series, suite_of

    if files:
        exports = [of_file(Path(file).expanduser()) for file in files]
        if len({export.suite for export in exports}) > 1:
            raise UsageError(f"the files are of several suites: {', '.join(sorted({e.suite for e in exports}))}")
    elif "suite" in values:
        out = _out(values)
        exports = series(out, suite_of(out, values["suite"][0]), say, values.get("run", (LAST,))[0])
        if "run" not in values:
            check_named(exports[-1], values["suite"][0])
    else:
        raise UsageError(NO_SUITE)
    last = values.get("last", (str(len(exports)),))[0]
    if not last.isdecimal() or int(last) < 1:
        raise UsageError(f'"last" = {last} (from {ORIGIN}) is not accepted: a whole number from 1, e.g. last=10')
    return exports[-int(last) :]


@click.command()
@click.argument(
    "words", nargs=-1, metavar="[RUN|FILE [RUN|FILE]] [suite=NAME] [out=DIR] [metric=NAME,..] [KEY=VALUE]..."
)
@click.option("--markdown", type=click.Path(path_type=Path), help="Write the page as Markdown.")
@JSON
def compare(words: tuple[str, ...], markdown: Path | None, as_json: bool) -> None:
    """Compare two runs, method by method: paired differences with intervals.

    Runs are named as bench runs lists them, or are export files. One run alone is compared with the
    last one of its suite; none: the last two. Where the ledger holds the predictions of both,
    intervals are over patients and seeds, else over seeds. Words: as of bench history.
    """
    from bench.cli.words import values_by_key
    from bench.history.chosen import chooser
    from bench.history.compared import blocks
    from bench.history.compared import compare as made_of

    named = [word for word in words if "=" not in word]
    rest = tuple(word for word in words if "=" in word)
    values = values_by_key(rest, ("suite", "out"), ("metric", *ROWS))
    first, second = _two(named, values)
    choose = chooser([first, second], values.get("metric", ()))
    compared = made_of(first, second, choose, _rows([first, second], values), resampled(first, second, _out(values)))
    _show(blocks(compared), compared, markdown, as_json)


def _two(named: Sequence[str], values: dict[str, tuple[str, ...]]) -> tuple[Export, Export]:
    """The runs that are named, the earlier one first."""
    from bench.config.layers import NO_SUITE
    from bench.config.words import ORIGIN
    from bench.errors import UsageError
    from bench.history.runs import of_file
    from bench.results.named_suite import check_named, typed_suite
    from bench.results.snapshots import LAST, find, only_suite, series, suite_of, suites_of

    if len(named) > 2:
        raise UsageError(f"two runs are compared, got {len(named)} (from {ORIGIN}): {', '.join(named)}")
    out = _out(values)
    files = {name: of_file(Path(name).expanduser()) for name in named if name.endswith(".json")}
    suite = suite_of(out, values["suite"][0]) if "suite" in values else next((e.suite for e in files.values()), "")
    if not suite and named and len(there := suites_of(out, named[0])) == 1:
        suite = there[0]
    suite = suite or only_suite(out)
    if not suite:
        raise UsageError(NO_SUITE)
    if not named:
        both = series(out, suite, say)[-2:]
        check_named(both[-1], values.get("suite", (typed_suite(both[-1]),))[0])
        if len(both) < 2:
            raise UsageError(f"{out / 'runs' / suite} holds one run alone that asked this of the suite; name two runs")
        return both[0], both[1]
    first, second = (files.get(name) or find(out, suite, name) for name in (*named, LAST)[:2])
    if first.suite != second.suite:
        raise UsageError(
            f"two runs of one suite are compared, and these are of {first.suite} and {second.suite} (from {ORIGIN})"
        )
    return first, second


def resampled(first: Export, second: Export, out: Path) -> dict[Method, Comparison]:
    """The comparisons of methods whose predictions differ, where the ledger holds those of both
    runs; by the labels of the second run.
    """
    from bench.gate.quantities import read
    from bench.history.compared import pairs
    from bench.results.collect import predictions_of
    from bench.results.coordinates import method_of
    from bench.results.ledger import Ledger
    from bench.results.records import Statistics
    from bench.statistics.paired import between

    ledger = Ledger(out)
    scored = [
        {(r.coordinates, r.predictions) for r in export.records if r.status == "ok" and not r.coordinates.audit}
        for export in (first, second)
    ]
    moved = {method_of(at) for at, _ in scored[0] ^ scored[1]}
    if not moved:
        return {}
    settings = second.statistics or Statistics(resamples=2000, alpha=0.05, seed=0, correction="maxt")
    before, after = (predictions_of(export, ledger, moved) for export in (first, second))
    renamed = pairs(read(first), read(second))
    before = {renamed.get(method, method): cells for method, cells in before.items()}
    if both := before.keys() & after.keys():
        say(f"comparing {len(both)} method{'s' * (len(both) > 1)} by paired bootstrap")
    return between(before, after, second.tasks, settings) if both else {}


def _rows(exports: Sequence[Export], values: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """Axis -> the labels that were asked for. UsageError for one that no run has."""
    from bench.config.words import ORIGIN
    from bench.errors import unknown
    from bench.grid.matching_rows import matching
    from bench.results.coordinates import method_of

    methods = dict.fromkeys(method_of(at) for export in exports for at, _ in export.planned)
    wanted: dict[str, list[str]] = {}
    for axis in ROWS:
        there = dict.fromkeys(str(getattr(method, axis)) for method in methods)
        for name in values.get(axis, ()):
            labels = matching(name, there)
            if not labels:
                raise unknown(axis, name, there, ORIGIN)
            wanted.setdefault(axis, []).extend(labels)
    return wanted
