"""A cell computed again, beside its record: nothing of its result is taken from the cache, and
nothing is written to the ledger.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench.config.training import CLOCKED
from bench.config.words import ORIGIN
from bench.data.store import Store
from bench.errors import UsageError, unknown
from bench.files import storage, sweep, temporary_folder
from bench.grid.cell import Cell
from bench.results.ledger import Ledger
from bench.results.predictions import digest_of, earlier_digest_of
from bench.results.records import Record
from bench.results.same_bits import DIGESTS, Compared, compare, compare_predictions
from bench.run.execute import Outcome
from bench.run.one_cell import OneCell, surroundings_that_differ
from bench.run.prepare import Prepared
from bench.stages import artifacts
from bench.stages.order import STAGES

ARTIFACTS: dict[str, Callable[[str], str]] = {
    "cohort": artifacts.cohort,
    "hide": artifacts.mask,
    "impute": artifacts.imputation,
}
"""Stage -> the name of what it leaves, by its key."""

SHARED = ("manifests", "weights")
"""Folders of the cache that hold no result of a cell."""


@dataclass
class Rerun:
    """What came of computing a cell again.

    - after: its record; None where it was stopped before its end.
    - compared: field by field.
    - excuses: why bits may differ although no promise is broken.
    - cached: stages whose result was taken from the cache, since words asked for it.
    - logs: what failed -> the file that holds what it said.
    """

    outcome: Outcome
    after: Record | None
    compared: list[Compared] = field(default_factory=list)
    excuses: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    logs: dict[str, Path] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Whether all bits that were compared are the same."""
        return not any(each.differing for each in self.compared)


def check_stage(name: str) -> str:
    """The name of the first stage to compute, the first of all where none is named. Raises
    UsageError.
    """
    names = [stage.name for stage in STAGES]
    if name and name not in names:
        raise unknown("stage", name, names, ORIGIN, f"accepted: {', '.join(names)}")
    return name or names[0]


def rerun(cell: OneCell, ledger: Ledger | None, run: Callable[[Prepared], Outcome], first: str = "") -> Rerun:
    """Compute a cell again and compare it with its record.

    ledger: where the record and its predictions lie, if they are here. run: carries out a plan.
    first: the first stage that is computed. What comes before it may be taken from the cache.
    Raises UsageError for a cell that is skipped, and StorageError.
    """
    if cell.cell.skip:
        raise UsageError(f"the cell is skipped, so nothing of it can be computed: {cell.cell.skip}")
    first = check_stage(first)
    cache = cell.request.settings.cache_folder()
    place = cache / "rerun"  # it will hold records of patients, so it lies where they do
    sweep(place, older_than=0)
    with contextlib.ExitStack() as stack:
        with storage(place):
            folder = stack.enter_context(temporary_folder(place))
        cached = _link(cell.cell, cache, folder, first)
        alone = _alone(cell, folder)
        outcome = run(alone)
        result = Rerun(outcome, alone.done.get(cell.cell.key), cached=cached)
        result.logs = {what: _kept(log, place) for what, log in outcome.logs.items()}
        if result.after is not None:
            result.compared = _compared(cell.record, ledger, result.after, alone.ledger)
            result.excuses = _excuses(cell, result.after)
    return result


def _link(cell: Cell, cache: Path, folder: Path, first: str) -> list[str]:
    """Let a new cache see what of the old one holds no result, and what stages before the first
    one left. Returns these stages.
    """
    links = {cache / name: folder / name for name in SHARED}
    cached = []
    for stage in STAGES:
        if stage.name == first:
            break
        if stage.name in ARTIFACTS:
            name = ARTIFACTS[stage.name](cell.keys[stage.name])
            links[Store(cache).open(name)] = Store(folder).open(name)
            cached += [stage.name] * Store(cache).open(name).exists()
    with storage(folder):
        for origin, link in links.items():
            if origin.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(origin)
    return cached


def _alone(cell: OneCell, folder: Path) -> Prepared:
    """A run of that cell alone, with a cache and a ledger of its own."""
    prepared = cell.prepared
    settings = msgspec.structs.replace(
        prepared.request.settings, out=str(folder / "out"), cache=str(folder), executor="local", workers=1, budget="",
        shard="", shuffle=None,
    )  # fmt: skip
    request = msgspec.structs.replace(prepared.request, settings=settings)
    at, others = cell.cell.coordinates, prepared.plan.cells
    base = msgspec.structs.replace(at, audit="")
    repeated = [each for each in others if at.audit == "repeat" and each.coordinates == base]  # it is compared with it
    plan = msgspec.structs.replace(prepared.plan, request=request, cells=(*repeated, cell.cell))
    return dataclasses.replace(prepared, request=request, plan=plan, ledger=Ledger(settings.out_folder()), done={})


def _kept(log: Path, place: Path) -> Path:
    """The log of what failed, where it outlives the folder."""
    kept = place / log.name
    with storage(kept):
        shutil.copyfile(log, kept)
    return kept


def _compared(before: Record, ledger: Ledger | None, after: Record, computed: Ledger) -> list[Compared]:
    """Field by field; predictions themselves where those of the record are here."""
    if not before.predictions or not after.predictions:
        return compare(before, after)
    predictions = computed.predictions(after)
    fields = compare(before, after, {digest_of(predictions), earlier_digest_of(predictions)})
    if ledger is None or ledger.lacks(before):
        return fields
    each = compare_predictions(ledger.predictions(before), predictions)
    return [each if field.field == DIGESTS[0] else field for field in fields]


def _excuses(cell: OneCell, after: Record) -> list[str]:
    excuses = [f"the key is another now: {what}" for what in cell.moved]
    surroundings = surroundings_that_differ(cell.record.provenance, after.provenance)
    excuses += [each for each in surroundings if each not in cell.moved]
    if clocked := after.provenance.get(CLOCKED):
        excuses.append(f"the training of the {clocked} ends by a clock")
    if "cuda" in (after.provenance.get("device type"), cell.prepared.plan.device):
        excuses.append("CUDA kernels may round otherwise; equal bits are promised on the CPU only")
    return excuses
