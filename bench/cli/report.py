"""`bench report`."""

from __future__ import annotations

import gc
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.main import JSON, answer_json, components, say

if TYPE_CHECKING:
    from bench.results.records import Export

FURTHER = ("metrics", "stats.metrics")
RUN = "run"
SIMPLE = {*FURTHER, RUN, "suite", "out", "to", "from", "cache", "workers", "threads", "budget", "retry", "shuffle"}
"""Words that ask for the last run of a suite, or for a run by its name, or only say how it ran.
Any other word makes a plan of its own.
"""


@click.command()
@click.argument(
    "words",
    nargs=-1,
    metavar="suite=NAME [run=NAME] [metrics=NAME,...] [out=DIR] [to=DIR] [KEY=VALUE]... | from=FILE [to=DIR]",
)
@click.option(
    "--print", "show", is_flag=True, help="Print the main tables as well, as wide as the terminal; the files hold all."
)
@JSON
@click.option(
    "--html", "page", is_flag=True, help="Write one HTML page as well: sortable tables and pictures, no network."
)
@click.option("--no-costs", is_flag=True, help="Leave out timings and memory, so that equal runs give equal bytes.")
def report(words: tuple[str, ...], show: bool, as_json: bool, page: bool, no_costs: bool) -> None:
    """Write the leaderboard of a suite: Markdown, CSV, JSON, and the records it is made of.

    Shows the last run of the suite, an earlier one (run=NAME, see: bench runs), or the cells that
    further words select. With metrics= it compares methods by further metrics too, without a fit
    (see: bench list metrics). With from=FILE it makes the same tables from a records file alone.
    They go to to=DIR (default: OUT/leaderboards) and replace what stands there of the suite, a page
    of an earlier --html too.
    """
    from bench.leaderboard import main_tables, render, save_export, write
    from bench.results.collect import records_path, stem
    from bench.results.export_file import command_of
    from bench.results.redact import redact

    gc.disable()  # nothing is thrown away here; looking for it among ten thousand records takes a tenth of the time
    export, folder = export_of(words)
    shared, records = redact(export), records_path(folder, export)
    page = (
        page or (folder / f"{stem(export)}.html").exists()
    )  # an older page beside a new table would be of another run
    rendered = render(export, wall_costs=not no_costs, page=page)
    if (before := command_of(records)) not in ("", shared.command):
        say(f"replaces the table of: {before} (to=DIR writes to another folder)")
    paths = write(folder, stem(export), rendered)
    save_export(records, shared)
    if as_json:
        answer_json(rendered["json"].decode())
        return
    if show:
        print(main_tables(export, shutil.get_terminal_size((100, 24)).columns))
    for path in [*paths, records]:
        print(path)


def export_of(words: tuple[str, ...], command: str = "report") -> tuple[Export, Path]:
    """The export the words ask for and the folder its tables go to. command: what was typed, for
    what to type next.

    Of the last run, the cells whose sources, parameters or data were edited since are marked
    (`Export.edited`), with a warning.
    """
    from bench.config.layers import NO_SUITE
    from bench.config.words import WHOLE, parse
    from bench.errors import UsageError
    from bench.leaderboard import load_export
    from bench.results.collect import collect, collect_kept
    from bench.results.ledger import Ledger

    words_by_key = {word.key: word for word in parse(words)}
    text = {key: word.texts[0] for key, word in words_by_key.items() if key in WHOLE}
    if "from" in words_by_key:
        if extra := words_by_key.keys() - {"from", "to"}:
            raise UsageError(f"from=FILE takes no other words than to=DIR, got: {', '.join(sorted(extra))}")
        source = Path(text["from"])
        return load_export(source), Path(text.get("to") or source.parent)
    out = Path(text.get("out") or "results").expanduser()
    folder = Path(text["to"]) if text.get("to") else out / "leaderboards"
    if "name" in words_by_key:
        raise UsageError("name= names a run that begins; to choose one that was kept give run=NAME")
    rest = tuple(word.text for key, word in words_by_key.items() if key not in ("to", "from"))
    if words_by_key.keys() <= SIMPLE:
        if "suite" not in words_by_key:
            raise UsageError(NO_SUITE)
        ledger = Ledger(out)
        if RUN in words_by_key:
            planned = _kept(text["suite"], out, words_by_key[RUN].texts)
        else:
            planned = last_run_now(text["suite"], out, text.get("cache", ""))
        further = [name for key in FURTHER if key in words_by_key for name in words_by_key[key].texts]
        if further:
            planned = _comparing(planned, further)
    elif RUN in words_by_key:
        others = ", ".join(sorted(words_by_key.keys() - SIMPLE))
        raise UsageError(f"run=NAME shows a run as it was, whole; leave out: {others}")
    else:
        from bench.config.request import request
        from bench.run.export import planned_export
        from bench.run.prepare import prepare

        registry = components()
        prepared = prepare(request(rest, registry), registry)
        ledger, planned = prepared.ledger, planned_export(prepared)
    export = (collect_kept if planned.run else collect)(planned, ledger, say)
    absent = len(planned.planned) - len(export.records)
    if absent and not words_by_key.keys() <= SIMPLE:
        narrowed = _narrowed(rest, planned, ledger.last(planned.suite), command)
        say(f"{absent} of the {len(planned.planned)} cells that these words select were not run{narrowed}")
    for name in ledger.damaged[:5]:
        say(f"warning: {name} in the ledger is damaged and was left out; run the suite again")
    return export, folder


def _kept(suite: str, out: Path, names: Sequence[str]) -> Export:
    """The snapshot of a run of a suite (a name or a file)."""
    from bench.config.words import ORIGIN
    from bench.errors import UsageError
    from bench.results.snapshots import find, suite_of

    if len(names) != 1:
        raise UsageError(f'"run" takes one value (from {ORIGIN}): "{RUN}={",".join(names)}"')
    return find(out, suite_of(out, suite), names[0])


def _narrowed(words: Sequence[str], planned: Export, last: Export | None, command: str) -> str:
    """How to ask for these words of the last run alone, or to run what it lacks; empty where they
    hold all of its words.
    """
    from bench.config.words import halves
    from bench.grid.axes import COMPONENTS

    run = shlex.split(last.command)[2:] if last else []
    of_run = {halves(word)[0]: word for word in run}
    typed = {halves(word)[0]: word for word in words}
    both = {**of_run, **typed}
    lacking = [
        f"{kind} {label}"
        for kind in COMPONENTS
        for label in dict.fromkeys(getattr(at, kind) for at, _ in planned.planned if kind in typed)
        if last and label not in {getattr(at, kind) for at, _ in last.planned}
    ]
    if lacking:
        again = shlex.join(["bench", "run", *both.values()])
        return f"; the last run has no {', '.join(lacking)}; run these cells with: {again}"
    if both.keys() == typed.keys():
        return ""
    return (
        f"; to select from the last run, give its words too: {shlex.join(['bench', *command.split(), *both.values()])}"
    )


def _comparing(planned: Export, further: Sequence[str]) -> Export:
    """The plan, with methods compared by further metrics too."""
    import msgspec

    from bench.config.words import ORIGIN
    from bench.results.comparing import described, summaries

    metrics = components().metrics
    tasks = summaries(planned.tasks, further, metrics, ORIGIN)
    return msgspec.structs.replace(planned, tasks=tasks, metrics={**planned.metrics, **described(tasks, metrics)})


def last_run_now(suite: str, out: Path, cache: str = "") -> Export:
    """The plan of the last run of a suite (a name or a file), with what was edited since; a
    warning on stderr names it.
    """
    from bench.config.layers import name_of
    from bench.results.collect import last_plan
    from bench.results.ledger import Ledger
    from bench.run.edited import since, words_of

    planned = since(last_plan(Ledger(out), name_of(suite), suite), suite, str(out), components(), cache, say)
    if planned.edits:
        again = shlex.join(["bench", "run", *words_of(planned, suite, str(out), cache)])
        say(f"warning: edited since the last run: {', '.join(planned.edits)}; run again with: {again}")
    return planned
