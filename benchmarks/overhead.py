"""What a cell costs beside its methods: cells whose fuser does nothing, in a worker that is
warm.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.measuring import IDLE, CannotMeasure, Row, Taken, Workplace, median, timed

GOAL = 0.05
NO_EXTRAS = ("audits.cells=", "controls.imputer=", "controls.fuser=")
WARM_UP = 10
"""Cells not counted: the first ones import scikit-learn and load the cohort and the masks."""


def per_cell(place: Workplace) -> Iterator[Row]:
    """Generated and real cohorts, one mask for all cells and a mask for every seed."""
    cells = place.pick(60, WARM_UP + 2)
    toy = (IDLE, "imputer=mean", f"seed=0..{cells - 1}")
    yield from _rows(place, "200 generated records", toy, "toy")
    if place.quick or place.data is None:
        why = "--quick leaves it out" if place.quick else "no real data found; set BENCH_DATA_ROOT"
        yield Row("overhead per cell in a warm worker: 8,000 real stays", GOAL, note=why)
        return
    real = ("suite=physionet48", f"data.root={place.data}", "imputer=locf", "fuser=idle", *NO_EXTRAS)
    yield from _rows(place, "8,000 real stays", (*real, f"seed=0..{cells - 1}"), "real")
    masks = ("scenario=mcar", "scenario.mcar.rate=0.3", "seed=0..4", f"fuser.idle.k=0..{cells // 5 - 1}")
    yield from _rows(place, "8,000 real stays, five masks in turn", (*real, *masks), "masks")


def _rows(place: Workplace, cohort: str, words: tuple[str, ...], name: str) -> Iterator[Row]:
    prepared = _prepare((*words, f"out={place.folder / name}", "workers=1"))
    inside, between = _run(prepared)
    yield median(
        f"overhead per cell in a warm worker: {cohort}", GOAL, inside,
        "`work` of the worker: load, select, split, score, all audits",
    )  # fmt: skip
    yield median(
        f"  of which audits: {cohort}", None, _audits(prepared),
        "scored-once, imputed-reaches-fuser, absent-ignored, batch-independent",
    )  # fmt: skip
    yield median(
        f"  from one result to the next: {cohort}", None, between,
        "the same, and sending, collecting garbage, writing the record and its predictions, synced to disk",
    )  # fmt: skip


def _prepare(words: tuple[str, ...]) -> Any:
    from bench.config.request import request
    from bench.registry import discover
    from bench.run.prepare import prepare

    registry = discover()
    return prepare(request(words, registry), registry)


def _run(prepared: Any) -> tuple[list[Taken], list[Taken]]:
    """Run the grid with one worker process: seconds inside it per cell, and from one result to
    the next.
    """
    from bench.execute.api import Result, Watch
    from bench.run.execute import execute

    ends: list[tuple[float, float]] = []
    inside: list[Taken] = []

    def finished(result: Result) -> None:
        if result.status != "ok":
            raise CannotMeasure(f"{result.job.label}: {result.status} {result.reason}")
        if result.job.stage == "fuse":
            ends.append((time.perf_counter(), time.process_time()))
            inside.append(Taken(result.seconds))

    execute(prepared, Watch(finished=finished))
    pairs = list(itertools.pairwise(ends))[WARM_UP:]
    between = [Taken(after[0] - before[0], after[1] - before[1]) for before, after in pairs]
    return inside[WARM_UP:], between


def _audits(prepared: Any) -> list[Taken]:
    """The share of the audits, by timing them in this process on some of the same cells."""
    from bench.execute.worker import work
    from bench.run.schedule import jobs_of, setup_of
    from bench.stages import audits

    spent: list[Taken] = []

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            begun = time.perf_counter(), time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                spent.append(Taken(time.perf_counter() - begun[0], time.process_time() - begun[1]))

        return call

    names = ("scored_once", "imputed_reaches", "absent_ignored", "batch_independent")
    originals = {name: getattr(audits, name) for name in names}
    jobs = [job for job in jobs_of(prepared, list(prepared.plan.cells)) if job.stage == "fuse"][:12]
    try:
        for name, function in originals.items():
            setattr(audits, name, watched(function))
        for job in jobs:
            work(job, setup_of(prepared), prepared.registry)
    finally:
        for name, function in originals.items():
            setattr(audits, name, function)
    cells = [spent[start : start + len(names)] for start in range(0, len(spent), len(names))]
    return [Taken(sum(t.wall for t in cell), sum(t.cpu for t in cell)) for cell in cells][2:]


def loop(place: Workplace) -> Iterator[Row]:
    """Many trivial cells: the run loop must not slow down with their number."""
    for cells in (place.pick(200, 4), place.pick(2000, 8)):
        words = ("run", IDLE, "imputer=mean", f"seed=0..{cells - 1}", f"out=loop{cells}", "workers=2")
        taken = place.command(*words)
        each = Taken(taken.wall / cells, taken.cpu / cells)
        yield median(f"run of {cells:,} trivial cells, per cell", None, [each], "whole `bench run`, two workers")

    import msgspec

    from bench.execute.queue import Waiting
    from bench.run.schedule import jobs_of

    number = place.pick(10_000, 100)
    prepared = _prepare((IDLE, "imputer=mean", "seed=0", f"out={place.folder / 'queue'}"))
    first = msgspec.structs.replace(jobs_of(prepared, list(prepared.plan.cells))[0], id="first", needs=())
    jobs = [first, *(msgspec.structs.replace(first, id=str(k), needs=("first",)) for k in range(number - 1))]

    def hand_out() -> None:
        waiting = Waiting(jobs)
        while job := waiting.take("cpu", lambda job: True):
            waiting.ended(job.id, well=True)

    yield median(f"handing out {number:,} jobs", None, timed(hand_out, place.pick(5, 1)), "queue of the pool alone")


AUDITED = {
    "mean": (),
    "locf": (),
    "csdi-quick": ("imputer.csdi-quick.steps=100", "draws=20"),
}
"""Imputers whose audits are timed, and how they are run: two that cost next to nothing, one that
draws slowly.
"""


def imputers(place: Workplace) -> Iterator[Row]:
    """What the audits of imputers cost, beside the larger of 2 % of the stage and one second."""
    sizes = (60,) if place.quick else (200, 4000)
    for name, words in AUDITED.items() if not place.quick else [("mean", ())]:
        for size in sizes:
            suite = (IDLE, f"data.n={size}", "seed=0", "scenario=mcar", "scenario.mcar.rate=0.1", f"imputer={name}")
            yield _audited(place, f"{name}, {size:,} generated records", (*suite, *words), f"{name}{size}")
        if place.data is not None and not place.quick and name != "csdi-quick":
            real = (
                "suite=physionet48",
                f"data.root={place.data}",
                "fuser=idle",
                *NO_EXTRAS,
                f"imputer={name}",
                "seed=0",
            )
            yield _audited(place, f"{name}, 8,000 real stays", real, f"{name}real")


def _audited(place: Workplace, what: str, words: tuple[str, ...], folder: str) -> Row:
    """Do the jobs of one cell up to its imputation, in this process, and read what that left."""
    from bench.execute.worker import work
    from bench.run.schedule import jobs_of, setup_of
    from bench.stages.imputing import load
    from bench.stages.twin import LEAST, SHARE

    prepared = _prepare((*words, f"out={place.folder / folder}", f"cache={place.folder / 'cache'}"))
    setup = setup_of(prepared)
    for job in jobs_of(prepared, list(prepared.plan.cells)):
        if job.stage != "fuse":
            answer = work(job, setup, prepared.registry)
            if answer.status != "ok":
                raise CannotMeasure(f"{job.label}: {answer.status} {answer.reason}")
    costs = load(setup.store, prepared.plan.cells[0].keys["impute"]).costs
    stage = costs["impute_fit_seconds"] + costs["impute_seconds"]
    taken = costs["impute_audit_seconds"]
    note = f"{taken / stage:.1%} of the {stage:.3g} s of the stage; {costs['impute_audit_records']:.0f} records completed again"
    return Row(f"audits of an imputer: {what}", max(SHARE * stage, LEAST), taken, repetitions=1, note=note)
