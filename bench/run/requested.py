"""The export that words ask for: of a file, of the last run of a suite, of one that was kept, or of
the cells that they select.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from bench.config.layers import NO_SUITE, name_of
from bench.config.request import request
from bench.config.words import ORIGIN, WHOLE, halves, parse
from bench.errors import UsageError
from bench.grid.axes import COMPONENTS
from bench.registry import Registry
from bench.results.collect import collect, collect_kept, last_plan
from bench.results.comparing import described, summaries
from bench.results.export_file import load_export
from bench.results.ledger import Ledger
from bench.results.records import Export
from bench.results.snapshots import find, suite_of
from bench.run.edited import since, words_of
from bench.run.export import planned_export
from bench.run.prepare import prepare

Say = Callable[[str], None]
"""Told each line that a person should read."""

FURTHER = ("metrics", "stats.metrics")
RUN = "run"
SIMPLE = {*FURTHER, RUN, "suite", "out", "to", "from", "cache", "workers", "threads", "budget", "retry", "shuffle"}
"""Words that ask for the last run of a suite, or for a run by its name, or only say how it ran.
Any other word makes a plan of its own.
"""


def export_of(
    words: Sequence[str], components: Callable[[], Registry], say: Say, command: str = "report"
) -> tuple[Export, Path]:
    """The export the words ask for and the folder its tables go to. command: what was typed, for
    what to type next. components: discovers them, where they are needed.

    Of the last run, the cells whose sources, parameters or data were edited since are marked
    (`Export.edited`), with a warning.
    """
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
            planned = last_run_now(text["suite"], out, components, say, text.get("cache", ""))
        further = [name for key in FURTHER if key in words_by_key for name in words_by_key[key].texts]
        if further:
            planned = _comparing(planned, further, components())
    elif RUN in words_by_key:
        others = ", ".join(sorted(words_by_key.keys() - SIMPLE))
        raise UsageError(f"run=NAME shows a run as it was, whole; leave out: {others}")
    else:
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
    if len(names) != 1:
        raise UsageError(f'"run" takes one value (from {ORIGIN}): "{RUN}={",".join(names)}"')
    return find(out, suite_of(out, suite), names[0])


def _narrowed(words: Sequence[str], planned: Export, last: Export | None, command: str) -> str:
    """How to ask for these words of the last run alone, or to run what it lacks; empty where they
    hold all of its words.
    """
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


def _comparing(planned: Export, further: Sequence[str], registry: Registry) -> Export:
    """The plan, with methods compared by further metrics too."""
    metrics = registry.metrics
    tasks = summaries(planned.tasks, further, metrics, ORIGIN)
    return msgspec.structs.replace(planned, tasks=tasks, metrics={**planned.metrics, **described(tasks, metrics)})


def last_run_now(suite: str, out: Path, components: Callable[[], Registry], say: Say, cache: str = "") -> Export:
    """The plan of the last run of a suite (a name or a file), with what was edited since; a
    warning on stderr names it.
    """
    planned = since(last_plan(Ledger(out), name_of(suite), suite), suite, str(out), components(), cache, say)
    if planned.edits:
        again = shlex.join(["bench", "run", *words_of(planned, suite, str(out), cache)])
        say(f"warning: edited since the last run: {', '.join(planned.edits)}; run again with: {again}")
    return planned
