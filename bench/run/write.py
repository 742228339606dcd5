"""From results of jobs to records of cells, one by one as they come, each with where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.config.asked import Variant
from bench.config.suite import Suite, Training
from bench.execute import device as devices
from bench.execute.job import errors_file
from bench.execute.local import Result
from bench.files import write_text
from bench.grid.plan import Cell
from bench.registry import Spec
from bench.results import provenance
from bench.results.records import Audit, Record
from bench.run.prepare import Prepared
from bench.stages.cohort import size_of
from bench.train_params import TrainParams


def _said(suite: Suite) -> dict[str, str]:
    """What of the protocol differs from the default, for the provenance of every record."""
    return {
        "scaling": suite.scaling.said(),
        "hidden in": suite.hiding.said(),
        "absent modalities": "filled" if suite.fill_absent else "",
    }


def training_of(suite: Suite, fuser: Variant, spec: Spec) -> str:
    """What `[training]` gave this fuser, in words: with its own values where it sets some, and empty for one that the harness
    does not train step by step.
    """
    shared = suite.training.shared()
    if not shared or not issubclass(spec.params, TrainParams):
        return ""
    return msgspec.convert({key: fuser.params[key] for key in shared}, Training).said()


def _json(params: dict[str, object]) -> str:
    return msgspec.json.encode(params, order="deterministic").decode()


class Writer:
    """Turns results of jobs into records of cells, one by one, as they come."""

    def __init__(self, prepared: Prepared):
        self.prepared = prepared
        plan, request = prepared.plan, prepared.request
        self.left = 0
        self.logs: dict[str, Path] = {}
        self.cells = {c.key: c for c in plan.cells}
        self.bases = {c.coordinates: c.key for c in plan.cells if not c.coordinates.audit}
        self.common = {
            **provenance.surroundings(),
            "manifest": plan.manifest,
            **({"release": prepared.release} if prepared.release else {}),
            "split": request.suite.split.said(),
            **{name: said for name, said in _said(request.suite).items() if said},
            "profile": request.settings.profile,
            "command": request.command(),
            "threads": str(request.settings.threads),
        }

    def take(self, result: Result) -> None:
        if result.job.kind != "fuse":
            if result.status == "ok" and result.job.kind == "cohort":
                plan = self.prepared.plan
                size = size_of(self.prepared.request.settings.cache_folder(), plan.cohort_key)
                self.prepared.estimates.resize(size or self.prepared.estimates.records)
            elif result.status == "ok" and result.job.kind == "impute" and result.job.cell:
                at = result.job.cell.coordinates
                self.prepared.estimates.see("impute", at.scenario, at.imputer, result.seconds)
            elif result.log:
                self._log(result)
            return
        cell = result.job.cell
        assert cell is not None
        if result.status == "not-run":
            self.left += 1
            return
        if result.status == "ok":
            assert result.answer is not None
            record, predictions = result.answer.result
            at = cell.coordinates
            self.prepared.estimates.see("fuse", at.task, at.fuser, result.seconds)
            self.write(record, predictions, result.job.device, result.answer.left)
            return
        if result.log:
            self._log(result)
        record = Record(
            key=cell.key, coordinates=cell.coordinates, status=result.status, reason=result.reason,
            costs={"seconds": result.seconds},
        )  # fmt: skip
        self.write(record, device=result.job.device, left=result.answer.left if result.answer else ())

    def write(self, record: Record, predictions: object = None, device: str = "cpu", left: Sequence[str] = ()) -> None:
        """Complete a record with where it comes from and store it. One that could not be read again is a failed cell.

        left: see `bench.execute.worker.Answer`.
        """
        cell = self.cells[record.key]
        spec = self.prepared.registry.get("fuser", cell.fuser.name)
        training = training_of(self.prepared.request.suite, cell.fuser, spec)
        about = {**({"training": training} if training else {}), **self._where(cell, device)}
        scenario = cell.scenario
        hidden = {"scenario parameters": f"{scenario.label} {_json(scenario.params)}"} if scenario.params else {}
        if record.imputation_errors:
            cache = self.prepared.request.settings.cache_folder()
            if not self.prepared.ledger.keep_errors(
                record.imputation_errors, errors_file(cache, self.cells[record.key].impute_key)
            ):
                record.imputation_errors = ""
        if left:
            hidden["left behind"] = f"{', '.join(left)}; its worker was replaced"
        given = self.cells[record.key].imputer.weights
        trained = {"imputer weights": self.prepared.weights[given]} if given else {}
        record.provenance = {**trained, **self.common, **hidden, **about}
        record.own_words = True
        try:
            self.prepared.ledger.write(record, predictions)  # type: ignore[arg-type]
        except ValueError as error:
            record = Record(
                key=record.key, coordinates=record.coordinates, status="failed", own_words=True,
                reason=f"the record of the cell cannot be stored: {error}", provenance=record.provenance,
            )  # fmt: skip
            self.prepared.ledger.write(record)
        if record.coordinates.audit == "repeat" and record.status == "ok":
            self._compare(record, device)
        self.prepared.done[record.key] = record

    def _where(self, cell: Cell, kind: str) -> dict[str, str]:
        """The device and the precision of the fuser; of the imputer too, where they are others. kind: of the fuser's job."""
        plan, registry = self.prepared.plan, self.prepared.registry
        torch = [
            "torch" in registry.get(*of).tags for of in (("fuser", cell.fuser.name), ("imputer", cell.imputer.name))
        ]
        precisions = [self.prepared.request.settings.precision if each else "fp32" for each in torch]
        of_fuser = {"device": devices.name(kind), "precision": precisions[0]}
        of_imputer = {"device": devices.name(plan.device if torch[1] else "cpu"), "precision": precisions[1]}
        other = {f"imputer {name}": value for name, value in of_imputer.items() if value != of_fuser[name]}
        return {**of_fuser, "device type": kind, **other}

    def _compare(self, record: Record, device: str) -> None:
        """The audit `repeat-identical`: the same cell, done again by another job, gave the same bits."""
        base = self.prepared.done.get(self.bases.get(msgspec.structs.replace(record.coordinates, audit=""), ""))
        if base is None or base.status != "ok":
            audit = Audit(None, "the cell to compare with has no result")
        elif base.predictions == record.predictions:
            audit = Audit(True, "test predictions are bit-identical")
        elif device == "cuda":
            audit = Audit(None, "differs by rounding, as CUDA kernels may; identity is promised on the CPU only")
        else:
            audit = Audit(False, "test predictions differ from the first run of the same cell")
        record.audits = {"repeat-identical": audit}
        self.prepared.ledger.write(record)

    def _log(self, result: Result) -> None:
        path = self.prepared.ledger.folder / "logs" / f"{result.job.id}.log"
        write_text(path, result.log)
        self.logs[result.job.label] = path
