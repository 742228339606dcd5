"""The one place where a cell's record is built: from what its worker measured and from where it
was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from bench.config.command import Variant
from bench.config.suite import Suite
from bench.config.training import BUDGETS, CLOCKED
from bench.execute.api import Result
from bench.grid.cell import Cell
from bench.registry import Registry, Spec
from bench.results import provenance
from bench.results.further import code_of
from bench.results.records import Audit, Measures, Record, Status
from bench.run.drowned import drowned
from bench.run.prepare import Prepared
from bench.stages import artifacts
from bench.train_params import StepParams

NAMES = ("host", "cpu", "cuda")
"""Entries of a worker's surroundings that name a machine; the device that was used has its own
entry.
"""


def skipped(prepared: Prepared, cell: Cell) -> Record:
    """The record of a cell that is not run, with the reason."""
    where = provenance_of(prepared, cell, "cpu", provenance.of_worker(None))
    return _record(cell, Measures(), "skipped", cell.skip, where)


def record_of(prepared: Prepared, cell: Cell, result: Result) -> Record:
    """The record of a cell whose last job has ended, before its predictions are stored.

    Where the errors of the imputation cannot be kept beside it, it does not name them.
    """
    where = provenance_of(prepared, cell, result.job.device, result.surroundings)
    if result.left:
        where["left behind"] = f"{', '.join(result.left)}; its worker was replaced"
    if result.output is None:
        assert result.status != "not-run"
        return _record(cell, Measures(costs={"seconds": result.seconds}), result.status, result.reason, where)
    measures = result.output.measures
    costs = {**measures.costs, "peak_memory_bytes": float(result.peak_memory)}
    changed: dict[str, Any] = {"costs": costs}
    if measures.imputation_errors and not prepared.ledger.keep_errors(
        measures.imputation_errors, errors_of(prepared, cell)
    ):
        changed["imputation_errors"] = ""
    if measures.completion_errors:
        prepared.ledger.keep_errors(measures.completion_errors, result.output.completion_errors)
    if drowned_audits := drowned(measures, result.output.predictions):
        changed["audits"] = {**measures.audits, **drowned_audits}
    if cell.coordinates.audit == "repeat":
        changed["audits"] = {"repeat-identical": _repeated(prepared, cell, result)}
    return _record(cell, msgspec.structs.replace(measures, **changed), "ok", "", where)


def unstorable(record: Record, error: ValueError) -> Record:
    """The record of a cell whose own one could not be read again."""
    reason = f"the record of the cell cannot be stored: {error}"
    return Record(
        key=record.key, coordinates=record.coordinates, status="failed", reason=reason, own_words=True,
        provenance=record.provenance,
    )  # fmt: skip


def errors_of(prepared: Prepared, cell: Cell) -> Path:
    """Where the errors of a cell's imputation on each test record lie."""
    return prepared.store.open(artifacts.imputation(cell.keys["impute"], "errors.npz"))


def training_of(suite: Suite, method: Variant, spec: Spec) -> str:
    """What `[training]` gave this method, in words: with its own values where it sets some. Empty
    for one that is not trained step by step, or that was loaded and not trained.
    """
    training = suite.training.of(method.kind)
    shared = training.shared() if training else {}
    if training is None or not shared or method.weights or not issubclass(spec.params, training.takes):
        return ""
    values = {key: method.params.get(key) for key in {*shared, *BUDGETS}}
    return msgspec.convert(values, type(training)).in_words()


def by_the_clock(method: Variant, registry: Registry) -> bool:
    """Whether a training of it ended by a clock, so that no other is alike bit by bit."""
    trained = issubclass(registry.get(method.kind, method.name).params, StepParams) and not method.weights
    return trained and bool(method.params.get("seconds"))


def _record(cell: Cell, measures: Measures, status: Status, reason: str, where: dict[str, str]) -> Record:
    return Record(
        **msgspec.structs.asdict(measures), key=cell.key, coordinates=cell.coordinates, status=status, reason=reason,
        provenance=where, own_words=True, metrics_code=code_of([*measures.scores, *measures.undefined]),
    )  # fmt: skip


def provenance_of(prepared: Prepared, cell: Cell, device: str, surroundings: Mapping[str, str]) -> dict[str, str]:
    """Where a record comes from; entries that say nothing are left out. device: of the fuser's
    job, "cpu" or "cuda".
    """
    request, plan, registry = prepared.request, prepared.plan, prepared.registry
    suite, scenario = request.suite, cell.scenario
    fuser, imputer = registry.get("fuser", cell.fuser.name), registry.get("imputer", cell.imputer.name)

    def where(spec: Spec, kind: str) -> dict[str, str]:
        precision = request.settings.precision if "torch" in spec.tags else "fp32"
        return {"device": surroundings.get(kind, ""), "precision": precision}

    of_fuser = where(fuser, device)
    of_imputer = where(imputer, plan.device if "torch" in imputer.tags else "cpu")
    entries = {
        "imputer weights": prepared.weights[cell.imputer.weights] if cell.imputer.weights else "",
        **{name: value for name, value in surroundings.items() if name not in NAMES},
        "host": surroundings.get("host", ""),
        "manifest": plan.manifest,
        "release": prepared.release,
        "split": cell.split.in_words(),
        "scaling": suite.scaling.in_words(),
        "hidden in": suite.hiding.in_words(),
        "absent modalities": "filled" if suite.fill_absent else "",
        "profile": request.settings.profile,
        "command": request.command(),
        "threads": str(request.settings.threads),
        "scenario parameters": f"{scenario.label} {_json(scenario.params)}" if scenario.params else "",
        "training": training_of(suite, cell.fuser, fuser),
        "imputer training": training_of(suite, cell.imputer, imputer),
        CLOCKED: ", ".join(each.kind for each in (cell.imputer, cell.fuser) if by_the_clock(each, registry)),
        **of_fuser,
        "device type": device,
        **{f"imputer {name}": value for name, value in of_imputer.items() if value != of_fuser[name]},
    }
    return {name: value for name, value in entries.items() if value}


def _json(params: dict[str, object]) -> str:
    return msgspec.json.encode(params, order="deterministic").decode()


def _repeated(prepared: Prepared, cell: Cell, result: Result) -> Audit:
    """The audit `repeat-identical`: the same cell, done again by another job, gave the same
    bits.
    """
    from bench.results.predictions import digest_of

    base = prepared.done.get(prepared.bases.get(msgspec.structs.replace(cell.coordinates, audit=""), ""))
    assert result.output is not None
    if base is None or base.status != "ok":
        return Audit(None, "the cell to compare with has no result")
    if by_the_clock(cell.fuser, prepared.registry):
        return Audit(None, "each training ends by a clock, so that two differ")
    if base.predictions == digest_of(result.output.predictions):
        return Audit(True, "predictions are bit-identical")
    if result.job.device == "cuda":
        return Audit(None, "differs by rounding, as CUDA kernels may; identity is promised on the CPU only")
    return Audit(False, "predictions differ from the first run of the same cell")
