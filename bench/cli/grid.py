"""`bench plan` and `bench run`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from bench.cli.main import JSON, answer, components, say

if TYPE_CHECKING:
    from pathlib import Path

    from bench.config.command import Request
    from bench.execute.job import Job
    from bench.grid.cell import Cell
    from bench.run.execute import Outcome
    from bench.run.prepare import Prepared

WORDS = click.argument("words", nargs=-1, metavar="[KEY=VALUE]...")


@click.command()
@WORDS
@JSON
@click.option("--cells", is_flag=True, help="List every cell.")
def plan(words: tuple[str, ...], as_json: bool, cells: bool) -> None:
    """Show the cells of a suite, what is cached and what the rest will cost. Runs nothing."""
    from bench.config.request import request as read_request

    registry = components()
    request = read_request(words, registry)  # before the other imports: a mistyped name is answered at once
    from bench.config.words import in_ranges
    from bench.execute.progress import clock
    from bench.grid.axes import NAMES, shown
    from bench.grid.differences import sentence
    from bench.results.short_keys import length_for
    from bench.run.prepare import prepare
    from bench.run.schedule import jobs_of, workers_of
    from bench.stages.order import LAST, STAGES

    prepared = prepare(request, registry, pending=True)
    todo = prepared.todo()
    jobs = jobs_of(prepared, todo)
    states = [_state(cell, prepared) for cell in prepared.cells]
    status = Counter(states)
    seconds = sum(job.estimate for job in jobs)
    workers = workers_of(prepared)
    if as_json:
        answer(
            {
                "suite": prepared.request.suite.name,
                "profile": prepared.request.settings.profile,
                "overrides": prepared.request.overrides,
                "device": prepared.plan.device,
                "data": {
                    "root": str(prepared.root),
                    "manifest": prepared.plan.manifest or None,
                    "release": prepared.release,
                    "pending": prepared.pending,
                },
                "cells": len(prepared.cells),
                "status": dict(status),
                "jobs": dict(Counter(job.stage for job in jobs)),
                "estimated_seconds": seconds / workers,
                "plan": [
                    {
                        "key": None if prepared.pending else c.key,
                        "coordinates": c.coordinates,
                        "skip": c.skip,
                        "cached": c.key in prepared.done,
                    }
                    for c in prepared.cells
                ],
            }
        )
        return
    suite = prepared.request.suite
    print(f"{suite.name} ({prepared.request.settings.profile}): {suite.title}")
    if differs := sentence(prepared.request.overrides):
        print(differs)
    if prepared.pending:
        how = "generate a synthetic cohort in" if prepared.synthetic else "download it into"
        print(
            f"data: {suite.dataset}, not here yet: bench run will {how} {prepared.root}; keys, and "
            f"what of it is done already, are known then; device: {prepared.plan.device}"
        )
    else:
        manifest = prepared.plan.manifest[:12]
        release = f" ({prepared.release})" if prepared.release else ""
        print(
            f"data: {suite.dataset}{release} in {prepared.root}, digest of the data {manifest}; device: {prepared.plan.device}"
        )
    for split in suite.splits().values():
        if shown("split", split.by):
            print(f"split: {split.in_words()}")
    if prepared.request.settings.shard:
        print(sharing(prepared))
    for axis in NAMES:
        values = dict.fromkeys(str(getattr(c.coordinates, axis)) for c in prepared.cells)
        if any(shown(axis, value) for value in values):
            print(f"  {axis:<11}{', '.join(in_ranges(values))}")
    audits = sum(bool(c.coordinates.audit) for c in prepared.cells)
    print(
        f"cells: {len(prepared.cells)} ({audits} of them {'an audit' if audits == 1 else 'audits'}); "
        + ", ".join(f"{n} {s}" for s, n in sorted(status.items()))
    )
    counts = Counter(job.stage for job in jobs)
    assumed = f" (assuming {prepared.estimates.records:,} records)" if counts[STAGES[0].name] else ""
    numbers = ", ".join(
        f"{counts[each.name]} {each.noun}{'s' * (counts[each.name] != 1)}" for each in STAGES if each.own_job
    )
    for reason, many in Counter(c.skip for c in prepared.cells if c.skip).items():
        print(f"skipped, {many} cell{'s' * (many > 1)}: {reason}")
    failed = [prepared.done[c.key] for c in prepared.cells if c.key in prepared.done]
    reasons = Counter((r.status, r.reason) for r in failed if r.status in ("failed", "timeout", "oom"))
    for (status_of, reason), many in reasons.items():
        print(f"{status_of}, {many} cell{'s' * (many > 1)}: {reason} (logs: {prepared.ledger.folder / 'logs'})")
    print(f"to do: {numbers}; about {clock(seconds / workers)} with {workers} worker{'s' * (workers > 1)}{assumed}")
    if cells:
        length = length_for(cell.key for cell in prepared.cells)
        for cell, state in zip(prepared.cells, states, strict=True):
            key = "?" if prepared.pending else cell.key[:length]
            print(f"  {key:<{length}}  {state:<8} {LAST.label(cell)}  {cell.skip}".rstrip())


def _state(cell: Cell, prepared: Prepared) -> str:
    """The status of a cell: that of its record; without one, whether it is to run."""
    record = prepared.done.get(cell.key)
    return record.status if record else "skipped" if cell.skip else "not-run"


@click.command()
@WORDS
@JSON
@click.option("--quiet", "-q", is_flag=True, help="Say only what did not end well, and the result.")
@click.option("--verbose", "-v", is_flag=True, help="Say also which job begins, and what methods say meanwhile.")
def run(words: tuple[str, ...], as_json: bool, quiet: bool, verbose: bool) -> None:
    """Run a suite: every cell that the ledger lacks. The same command goes on after any
    interruption.
    """
    from bench.errors import UsageError

    if quiet and verbose:
        raise UsageError("--quiet and --verbose contradict each other; give one of them")
    from bench.config.request import request as read_request

    registry = components()
    request = read_request(words, registry)
    from bench.execute import executors
    from bench.run import snapshot
    from bench.run.prepare import prepare

    executors.check_here(request.settings)
    snapshot.check(request)
    prepared = prepare(request, registry, fetch=say)
    snapshot.check(request, prepared)
    say_differences(request)
    for split in request.suite.splits().values():
        if split.legacy:
            say(f"warning: {split.label}: split by record, so patients stand on both sides; every table will say so")
    if request.settings.shard:
        say(sharing(prepared))
    outcome = carry_out(prepared, quiet=quiet, verbose=verbose)
    _conclude(outcome, snapshot.keep(outcome, say), as_json)


def sharing(prepared: Prepared) -> str:
    """Which part of the plan a run is of."""
    from bench.grid.shard import groups

    number, parts = prepared.request.settings.part()
    apart = len(groups(prepared.plan.cells))
    some = f"shard {number} of {parts}: {len(prepared.cells)} of {len(prepared.plan.cells)} cells"
    few = f"; the plan has {apart} imputation{'s' * (apart != 1)}, whose cells stay together, so that some parts are empty"
    return some + few * (parts > apart)


def say_differences(request: Request) -> None:
    """Tell the person who waits in what the suite is not run as it stands."""
    from bench.grid.differences import sentence

    if differs := sentence(request.overrides):
        say(f"{request.suite.name} {differs}")


def carry_out(prepared: Prepared, remember: bool = True, quiet: bool = False, verbose: bool = False) -> Outcome:
    """Run what is left of a plan, with progress on stderr; Ctrl-C and SIGTERM end it cleanly.
    remember: see `execute`. quiet, verbose: see `Progress`.
    """
    from bench.execute.progress import Progress, clock
    from bench.execute.stopping import stopping
    from bench.run.execute import execute
    from bench.run.schedule import workers_of

    progress = Progress(workers_of(prepared), quiet, verbose)

    watch = progress.watch(lambda job: prepared.estimates.of(job.stage, job.cell))

    def started(jobs: list[Job]) -> None:
        progress.expect(jobs)
        total = len(prepared.cells)
        cached = total - progress.total
        if quiet:
            return
        say(
            f"{prepared.request.suite.name}: {_cells(total)}, {cached} done before, about {clock(progress.eta())} to go"
        )

    with progress, stopping(watch, say):
        return execute(prepared, watch, started, remember)


def _crossing(prepared: Prepared) -> dict[str, int]:
    """Task -> how many patients stand on both sides, under a legacy split."""
    from bench.data.splits import CROSSING

    ok = (record for record in prepared.done.values() if CROSSING in record.counts)
    return {record.coordinates.task: record.counts[CROSSING] for record in ok}


def _conclude(outcome: Outcome, kept: Path | None, as_json: bool) -> None:
    """kept: the snapshot of the run."""
    from bench.grid.differences import sentence
    from bench.results.records import IMPUTER_AUDITS

    prepared, counts = outcome.prepared, outcome.counts
    request = prepared.request
    if as_json:
        answer(
            {
                "suite": request.suite.name,
                "overrides": request.overrides,
                "release": prepared.release,
                "cells": sum(counts.values()),
                "status": dict(counts),
                "cached": outcome.cached,
                "stopped": outcome.stopped,
                "ledger": str(prepared.ledger.folder),
                "run": kept.stem if kept else None,
            }
        )
    else:
        shown = ", ".join(f"{counts[status]} {status}" for status in sorted(counts))
        release = f" ({prepared.release})" if prepared.release else ""
        print(f"{request.suite.name}{release}: {_cells(sum(counts.values()))}: {shown}")
        if differs := sentence(request.overrides):
            print(differs)
    for task, crossing in sorted(_crossing(prepared).items()):
        say(f"split={request.suite.grid.split[0]}: {task}: {crossing:,} patients stand on both sides")
    for name in outcome.warnings[:5]:
        then = "is made again when the run goes on" if outcome.unfinished else "was made again"
        say(f"warning: {name} in the ledger was damaged; it was not believed and {then}")
    broken = [
        f"{record.coordinates.imputer if name in IMPUTER_AUDITS else record.coordinates.fuser}: {name} ({audit.detail})"
        for record in prepared.done.values()
        for name, audit in record.audits.items()
        if audit.passed is False
    ]
    for line in dict.fromkeys(broken):
        say(f"audit failed: {line}")
    for what, log in [*outcome.logs.items()][:5]:
        say(f"{what} failed; what it said, which stays on this machine: {log}")
    out = "" if request.settings.out == "results" else f" out={request.settings.out}"
    if outcome.unfinished:
        are = "is" if outcome.unfinished == 1 else "are"
        say(f"{_cells(outcome.unfinished)} {are} left ({outcome.stopped}); go on with: {request.command()}")
    if kept:
        say(f"kept as run {kept.stem}; see: bench history suite={request.settings.suite}{out}")
    cache = f" cache={request.settings.cache_folder()}" if request.settings.cache or request.settings.shared else ""
    say(f"table: bench report suite={request.settings.suite}{out}{cache}")
    code = 0
    if outcome.bad:
        code = 1
    elif broken:
        code = 7
    raise SystemExit(unfinished_code(outcome) if outcome.unfinished else code)


def _cells(number: int) -> str:
    return f"{number} cell{'s' * (number != 1)}"


def unfinished_code(outcome: Outcome) -> int:
    """The exit code of a run that was stopped before its end."""
    return {"Ctrl-C": 130, "SIGTERM": 143}.get(outcome.stopped, 6)
