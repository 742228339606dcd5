"""From the ledger to an export: planned cells, their records, and statistics computed once and
stored.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Container
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench.errors import StorageError, UsageError
from bench.grid.axes import PATIENT
from bench.grid.differences import suffix
from bench.grid.identity import digest
from bench.results.completions import imputations
from bench.results.coordinates import Method, Repeat, method_of
from bench.results.further import code_of, completed
from bench.results.ledger import Ledger
from bench.results.named_suite import check_named
from bench.results.records import Export, Record, Statistics
from bench.results.shareable import shareable
from bench.text.names import check

if TYPE_CHECKING:
    from bench.metrics.imputation import Errors
from bench.results.predictions import Predictions

STATISTICS_VERSION = 5
"""Raised by hand when the statistics of the same predictions would come out differently."""


def collect(planned: Export, ledger: Ledger, say: Callable[[str], None] = lambda message: None) -> Export:
    """The export of a plan: what the ledger holds of it, with comparisons. planned: an export
    without records.

    planned.statistics holds the settings of the bootstrap. A record is shown where the plan puts
    its key, so a cell that two suites share is computed once.
    """
    keys = {key for _, key in planned.planned}
    records_by_key = ledger.load(keys)
    if conflicts := ledger.in_conflict(keys):
        cells = "1 cell is" if len(conflicts) == 1 else f"{len(conflicts):,} cells are"
        say(f"warning: {cells} in conflict and in no table: see {ledger.folder / 'conflicts'}; run the suite again")
    records = [
        shareable(msgspec.structs.replace(records_by_key[key], coordinates=at))
        for at, key in planned.planned
        if key in records_by_key
    ]
    return _with_statistics(
        msgspec.structs.replace(planned, records=completed(records, planned.tasks, ledger, say)), ledger, say
    )


def collect_kept(snapshot: Export, ledger: Ledger, say: Callable[[str], None] = lambda message: None) -> Export:
    """The snapshot of a run (`bench.results.snapshots`), with comparisons of those of its cells
    whose predictions the ledger still holds. All records are as they were.
    """
    there = ledger.load({record.key for record in snapshot.records})
    held = [r for r in snapshot.records if r.key in there and there[r.key].predictions == r.predictions]
    lost = sum(bool(r.predictions) for r in snapshot.records) - sum(bool(r.predictions) for r in held)
    if lost:
        say(f"warning: the predictions of {lost:,} cells of this run are not in the ledger any more: not compared")
    records = {(r.coordinates, r.key): r for r in snapshot.records}
    records |= {(r.coordinates, r.key): r for r in completed(held, snapshot.tasks, ledger, say)}
    compared = _with_statistics(msgspec.structs.replace(snapshot, records=held), ledger, say)
    return msgspec.structs.replace(compared, records=list(records.values()))


def predictions_of(
    export: Export, ledger: Ledger, methods: Container[Method]
) -> dict[Method, dict[Repeat, Predictions]]:
    """The predictions of those methods of which the ledger still holds those of all ok cells."""
    records = [
        record
        for record in export.records
        if record.status == "ok" and not record.coordinates.audit and method_of(record.coordinates) in methods
    ]
    there = ledger.load({record.key for record in records})
    cells_by_method: dict[Method, dict[Repeat, Predictions]] = {}
    lost = set()
    for record in records:
        method = method_of(record.coordinates)
        held = there.get(record.key)
        try:
            if not record.predictions or held is None or held.predictions != record.predictions:
                raise StorageError("made again since")
            cells_by_method.setdefault(method, {})[record.coordinates.repeat] = ledger.predictions(record)
        except StorageError:
            lost.add(method)
    return {method: cells for method, cells in cells_by_method.items() if method not in lost}


def _with_statistics(export: Export, ledger: Ledger, say: Callable[[str], None]) -> Export:
    settings = export.statistics or Statistics(resamples=2000, alpha=0.05, seed=0, correction="maxt")
    return msgspec.structs.replace(export, statistics=_statistics(export, settings, ledger, say))


def _statistics(export: Export, settings: Statistics, ledger: Ledger, say: Callable[[str], None]) -> Statistics:
    """Statistics of the scored cells: those stored for the same predictions and settings, else
    computed and stored.
    """
    scored = [r for r in export.records if r.status == "ok" and not r.coordinates.audit and r.predictions]
    key = digest(
        {
            "cells": sorted((msgspec.structs.astuple(r.coordinates), r.predictions) for r in scored),
            "settings": (settings.resamples, settings.alpha, settings.seed, settings.correction),
            "tasks": [(t.name, t.metrics[0], t.compared, code_of([t.metrics[0], *t.compared])) for t in export.tasks],
            "modalities": _modality_sets(export),
            "imputations": sorted(
                {r.imputation_errors for r in scored} | ({r.completion_errors for r in scored} - {""})
            ),
            "version": STATISTICS_VERSION,
        }
    )
    try:
        if stored := ledger.statistics(key):
            return stored
    except StorageError as error:
        say(f"warning: {error}; they are computed again")
    from bench.statistics.paired import compute

    cells: dict[Method, dict[Repeat, Predictions]] = {}
    whole = True
    for record in scored:
        try:
            predictions = ledger.predictions(record)
        except StorageError as error:
            say(f"warning: {error}")
            whole = False
            continue
        cells.setdefault(method_of(record.coordinates), {})[record.coordinates.repeat] = predictions
    if cells:
        say(f"comparing {len(cells)} method{'s' * (len(cells) > 1)} by paired bootstrap")
    statistics = compute(
        cells,
        export.tasks,
        resamples=settings.resamples,
        alpha=settings.alpha,
        seed=settings.seed,
        modalities=_modality_sets(export),
        correction=settings.correction,
    )
    errors, complete = _errors(scored, ledger)
    if errors:
        from bench.statistics.imputation import compare

        statistics.imputation = compare(errors, settings.resamples, settings.alpha, settings.seed, settings.correction)
    if not complete:
        say("warning: the errors of some imputations are not in the ledger: those imputers are not compared")
    if whole and complete:
        ledger.keep_statistics(key, statistics)
    return statistics


def _errors(scored: list[Record], ledger: Ledger) -> tuple[dict[Method, dict[Repeat, Errors]], bool]:
    """What each imputation scores on each test record, by imputer (or fuser that completes by
    itself) and seed; whether all that were scored are there.
    """
    known: dict[str, Errors | None] = {}
    errors_of_method: dict[Method, dict[Repeat, Errors]] = {}
    complete = True
    for method, at, record in imputations({each.coordinates: each for each in scored}):
        if record is None or not record.imputation:
            continue
        digest = record.imputation_errors
        if digest not in known:
            known[digest] = ledger.errors(record) if digest else None
        errors = known[digest]
        if errors is None:
            complete = False
            continue
        errors_of_method.setdefault(method, {})[at.repeat] = errors
    return errors_of_method, complete


def _modality_sets(export: Export) -> list[str]:
    """The modality sets of the plan, in the order of the suite."""
    return list(dict.fromkeys(at.modalities for at, _ in export.planned))


def suite_word(export: Export) -> str:
    """The word that names the suite of an export: as it was typed, where a file was named."""
    typed = (word for word in shlex.split(export.command) if word.startswith("suite="))
    return shlex.quote(next(typed, f"suite={export.suite}"))


def last_plan(ledger: Ledger, suite: str, typed: str = "") -> Export:
    """The plan of the last run of a suite. typed: how the suite was named.

    Raises UsageError, with the command that helps, when there was none, or it was of another suite
    file. Raises StorageError where it is damaged.
    """
    planned = ledger.last(suite)
    if planned is None:
        plans = ledger.suites()
        has = f" (it has: {', '.join(plans)})" if plans else ""
        word = shlex.quote(f"suite={typed or suite}")
        out = ledger.folder.parent
        elsewhere = "" if out == Path("results") else " " + shlex.quote(f"out={out}")
        raise UsageError(f"{ledger.folder} holds no run of suite {suite}{has}; first: bench run {word}{elsewhere}")
    if typed:
        check_named(planned, typed)
    return planned


def stem(export: Export) -> str:
    """File name of a suite's leaderboard, without suffix: another profile, another split, or what
    differs from the suite otherwise (`bench.grid.differences.suffix`) is another table. So is a run
    that was chosen by its name.
    """
    named = {"profile": export.profile} if export.profile != "demo" else {}
    named |= {"split": "+".join(export.splits)} if export.splits != [PATIENT] else {}
    parts = [check(kind, name, "the records") for kind, name in {"suite": export.suite, **named}.items()]
    run = f"run-{check('run', export.run.name, 'the records')}" if export.run else ""
    return "-".join(filter(None, [*parts, suffix(export.overrides), run]))


def records_path(folder: Path, export: Export) -> Path:
    """Where the export beside a leaderboard lies."""
    return folder / f"{stem(export)}.records.json"
