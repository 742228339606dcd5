"""One cell of a ledger, planned again from the words of its run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from bench.config.command import INDIFFERENT, Request
from bench.config.request import request as read_request
from bench.config.words import halves, without
from bench.errors import UsageError
from bench.grid.axes import COMPONENTS
from bench.grid.cell import Cell
from bench.grid.ingredients import differing, ingredients
from bench.grid.matching_rows import Label
from bench.registry import Registry
from bench.results import provenance
from bench.results.ledger import Ledger
from bench.results.records import Record
from bench.results.short_keys import PRINTED, again
from bench.run.prepare import Prepared, prepare
from bench.run.record import provenance_of
from bench.stages.order import STAGES

GIVEN = ("suite", "data.root", "tuned", "weights")
"""Words of a run that other ones may replace: files and folders may have moved."""

HIDDEN = "..."
"""What stands in an export for a path (`bench.results.redact`)."""

OF_NO_RESULT = ("command", "done again", "host", "left behind", "profile", "release")
"""Entries of a record's provenance that decide no number."""

CALLED = {"manifest": "digest of the data"}
"""Entries under another name than in the records."""


def words_again(record: Record, replaced: Mapping[str, str]) -> list[str]:
    """The words that plan the run of a record again. replaced: words in the place of its own.

    Raises UsageError where the record does not say them, or hides a file that is needed.
    """
    command = record.provenance.get("command", "")
    if not command:
        raise UsageError(
            f"the record of {record.key} does not say the command of its run; it was made by an earlier version: run its "
            "suite again"
        )
    _, verb, *words = shlex.split(command)
    words = without(words, [*INDIFFERENT, *replaced])
    if verb == "tune":
        words = _of_trial(words, record)
    hidden = [halves(word)[0] for word in words if halves(word)[2] == HIDDEN]
    if needed := [key for key in hidden if key != "data.root"]:
        raise UsageError(
            f"the record hides the value of {needed[0]}, which may name a folder; give it: {needed[0]}=FILE"
        )
    return [*without(words, hidden), *(f"{key}={value}" for key, value in replaced.items() if value)]


def _of_trial(words: Collection[str], record: Record) -> list[str]:
    """Words that run the row of a trial of `bench tune`."""
    from bench.tuning.search import OWN

    kinds = [halves(word)[2] for word in words if halves(word)[0] == "kind"]
    kind = kinds[0] if kinds else "fuser"
    label = getattr(record.coordinates, kind)
    own = f"{kind}.{Label.read(label).name}."
    kept = [word for word in without(words, [*OWN, kind]) if word.startswith(own) or not word.startswith(f"{kind}.")]
    return [*kept, f'{kind}="{label}"']


@dataclass
class OneCell:
    """A record, its cell as words plan it now, and what of its key is not as it was; nothing
    where the key is the same.
    """

    record: Record
    prepared: Prepared
    cell: Cell
    moved: list[str]

    @property
    def request(self) -> Request:
        return self.prepared.request


def plan_again(
    record: Record,
    words: Collection[str],
    registry: Registry,
    ledger: Ledger | None = None,
    fetch: Callable[[str], None] | None = None,
) -> OneCell:
    """The cell of a record, planned again. words: those of `words_again`, with out and cache.

    ledger: where the record lies, which may know what its key was made of. fetch: as in `prepare`.
    Raises UsageError where the words plan no such cell any more.
    """
    prepared = prepare(read_request(list(words), registry), registry, fetch)
    same = [cell for cell in prepared.plan.cells if cell.key == record.key]
    here = [cell for cell in same or prepared.plan.cells if cell.coordinates == record.coordinates] or same
    if not here:
        raise UsageError(
            f"the words of the run plan no such cell any more: {shlex.join(['bench', 'run', *words])}; the code, the suite or "
            "the names of its methods were changed"
        )
    cell = here[0]
    return OneCell(record, prepared, cell, [] if same else _moved(record, prepared, cell, ledger))


def _moved(record: Record, prepared: Prepared, cell: Cell, ledger: Ledger | None) -> list[str]:
    """What a key was made of that is other now, in words."""
    planned = ledger.last(record.coordinates.suite) if ledger else None
    if planned is not None and planned.ingredients and record.key in {key for _, key in planned.planned}:
        now = ingredients(
            prepared.request, prepared.registry, prepared.plan.manifest, prepared.plan.device, prepared.synthetic
        )
        words = [name for name in differing(planned.ingredients, now) if _concerns(name, cell)]
    else:
        where = provenance_of(prepared, cell, prepared.plan.device, provenance.of_worker(None))
        words = surroundings_that_differ(record.provenance, where)
    return words or ["code of its methods or of the harness"]


def _concerns(ingredient: str, cell: Cell) -> bool:
    """Whether an ingredient of a plan is one of a cell: those of other methods are none."""
    for kind in (*COMPONENTS, "dataset"):
        named = ingredient.partition(f" of {kind} ")[2]
        if named:
            variant = cell.chosen[kind]
            return named.split(" (")[0] in (variant.name, variant.label)
    return True


def surroundings_that_differ(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The entries of two records' provenance that differ, of those that may decide a number."""
    names = [name for name in dict.fromkeys([*before, *after]) if name not in OF_NO_RESULT]
    return [
        f"{CALLED.get(name, name)} ({before.get(name, 'not noted')}, now {after.get(name, 'not noted')})"
        for name in names
        if before.get(name) != after.get(name)
    ]


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a cell.

    - parameters: kind of component -> its label and all parameters, and the dataset's; empty where
      its run cannot be planned any more.
    - stages: stage -> its key, as words plan it now, and whether what it leaves is in the cache.
    - moved: what of its key is not as it was. problem: why nothing could be planned.
    - files: what there is -> its path. lost: those that are gone or were changed.
    - again: the command that computes it again; run: that of its run.
    """

    record: Record
    parameters: dict[str, tuple[str, dict[str, Any]]]
    stages: dict[str, tuple[str, bool]]
    moved: list[str]
    problem: str
    files: dict[str, str]
    lost: list[str]
    again: str
    run: str


def content(
    record: Record, ledger: Ledger | None, planned: OneCell | None, problem: str, words: Sequence[str]
) -> Content:
    """Everything about a cell. planned: as it is planned now, or None and the problem. words: how
    its record was named.
    """
    parameters: dict[str, tuple[str, dict[str, Any]]] = {}
    stages: dict[str, tuple[str, bool]] = {}
    if planned is not None:
        cell, store = planned.cell, planned.prepared.store
        for kind in ("dataset", *COMPONENTS):
            variant = cell.chosen[kind]
            parameters[kind] = variant.label, variant.params
        stages = {stage.name: (cell.keys[stage.name], stage.is_done(store, cell.keys[stage.name])) for stage in STAGES}
    files: dict[str, str] = {}
    lost: list[str] = []
    if ledger is not None:
        named = {record.predictions: "predictions", record.imputation_errors: "errors of the imputation",
                 record.completion_errors: "errors of the completion", "": "record"}  # fmt: skip
        files = {named[digest]: str(ledger.folder / path) for path, digest in ledger.files_of(record).items()}
        lost = list(map(str, ledger.lacks(record)))
        for key in dict.fromkeys([record.key, *(key for key, _ in stages.values())]):
            log = ledger.folder / "logs" / f"{key}.log"
            files |= {"log" if key == record.key else "log of a stage before": str(log)} if log.is_file() else {}
    return Content(
        record=record, parameters=parameters, stages=stages, moved=planned.moved if planned else [], problem=problem,
        files=files, lost=lost, again=shlex.join(["bench", "rerun", record.key[:PRINTED], *words]),
        run=again(record.provenance.get("command", ""), ledger),
    )  # fmt: skip
