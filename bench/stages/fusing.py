"""The work of the stage `fuse`: fit on train, select on valid, predict test once, score, audit."""

from __future__ import annotations

import hashlib
import time
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from bench import seeds
from bench.cohort import Cohort, Task
from bench.components import Context
from bench.config.suite import Split
from bench.data.splits import CROSSING, PARTS, crossing
from bench.errors import PluginError
from bench.execute.job import Job, Setup
from bench.grid.axes import CENTRAL
from bench.metrics.calibration import calibration
from bench.metrics.patterns import by_pattern
from bench.metrics.scoring import load, score, scores_of
from bench.registry import Registry, Spec
from bench.results.predictions import Predictions
from bench.results.records import Measures
from bench.stages import audits, handed
from bench.stages.clients import client_audits, federated, fuser_of, trained_by
from bench.stages.completing import NOTHING, Completing, scored_completion
from bench.stages.contract import broken_predictions
from bench.stages.imputing import completed_cohort
from bench.stages.redraw import redrawn_by
from bench.stages.stage import Output
from bench.stages.twin import LEAST, SHARE, Twin
from bench.stages.view import View


def fuse(job: Job, setup: Setup, registry: Registry, context: Context) -> Output:
    """Do the job: what the cell measures and its test predictions. Raises whatever makes the
    cell fail.
    """
    cell = job.cell
    at = cell.coordinates
    cohort, seen, imputation = completed_cohort(cell, setup, registry)
    task: Task = registry.get("dataset", cell.dataset.name).tasks[at.task]
    parts, left_out = _parts(cohort, seen.parts, task, at.seed if at.audit == "permuted-labels" else None)
    for name in PARTS:
        if not len(parts[name]):
            raise PluginError(
                f"the {name} part of task {task.name} holds no record with a known outcome; what is missing says: "
                f"bench data verify {cell.dataset.name}"
            )
    spec = registry.get("fuser", cell.fuser.name)
    load(task.metrics)
    fuser = fuser_of(cell, setup, registry, seen.recorded)
    started = time.perf_counter()
    notes: list[tuple[str, tuple[object, ...]]] = []
    redrawn = redrawn_by(cell, setup, registry, seen, context)
    fuser.fit(parts["train"], parts["valid"], task, replace(context, notes=notes, redrawn=redrawn))
    _synchronise(context.device)
    fitted = time.perf_counter()
    test = parts["test"].without_targets()
    imputer_tags = registry.get("imputer", cell.imputer.name).tags
    completes = "own_imputer" in spec.tags and not at.audit and "hides_values" not in imputer_tags
    completion = NOTHING
    with ExitStack() as twins:
        twin = twins.enter_context(Twin(fuser, spec, context))
        filler = twins.enter_context(Twin(Completing(fuser, spec), spec, context)) if completes else None
        began = time.perf_counter()
        outputs = fuser.predict(test, context)
        _synchronise(context.device)
        predicted = time.perf_counter()
        _require(spec, outputs, task, "test", len(test))
        valid_outputs = fuser.predict(parts["valid"].without_targets(), context)
        _require(spec, valid_outputs, task, "valid", len(parts["valid"]))
        limit = max(SHARE * (fitted - started + predicted - began), LEAST)
        audit_began = time.perf_counter()
        independent = audits.batch_independent(
            twin, test, outputs, context, key=job.id, seconds=predicted - began, limit=limit
        )
        answered = time.perf_counter()
        if filler is not None:
            completion = scored_completion(
                fuser, filler, spec, seen, cohort, context, draws=setup.draws, key=job.id, fitted=fitted - started
            )
    truth = parts["test"].targets[task.name]
    outcomes = {
        "scored-once": audits.scored_once(
            parts["test"].ids, cohort.ids[(seen.parts == 2) & _eligible(cohort, task)], outputs
        ),
        **imputation.audits,
        "imputed-reaches-fuser": audits.imputed_reaches(fuser, test, imputer_tags, context),
        "absent-ignored": audits.absent_ignored(fuser, test, context),
        "batch-independent": independent,
        **completion.audits,
    }
    if at.federation != CENTRAL:
        outcomes |= client_audits(setup, seen.recorded, parts, trained_by(fuser), imputation.trained)
    predictions = replace(
        _predictions(parts["test"], outputs, task, cohort, seen.recorded),
        valid=_predictions(parts["valid"], valid_outputs, task, cohort, seen.recorded),
    )
    scores = score(task, truth, outputs, **predictions.at_hand())
    if at.audit == "permuted-labels":
        outcomes = {"permuted-labels": audits.at_chance(task, truth, outputs)}
    measures = Measures(
        scores=scores.values,
        undefined=scores.undefined,
        validation=_scores(task, predictions.valid),
        oracle=_scores(task, predictions.ideal),
        imputation=imputation.scores,
        imputation_validation=imputation.validation,
        imputation_errors=imputation.errors,
        completion=dict(completion.scores),
        completion_errors=hashlib.sha256(completion.errors).hexdigest() if completion.errors else "",
        hidden={**seen.shares, **absent_share(seen, cohort)},
        audits=outcomes,
        costs={
            **imputation.costs,
            "fit_seconds": fitted - started,
            "predict_seconds": predicted - began,
            "seconds_per_sample": (predicted - began) / len(outputs),
            **completion.costs,
            "batch_audit_seconds": began - fitted + answered - audit_began,
            **handed.costs(fuser, spec),
        },
        counts={
            **{name: len(part) for name, part in parts.items()},
            **({"positives": int(truth.sum())} if task.kind == "binary" else {}),
            "left_out": left_out,
            **_absent(cohort, seen.recorded, sum(map(len, parts.values()))),
            **_crossing(cohort, seen.parts, task, cell.split),
        },
        patterns=by_pattern(task, truth, outputs, {name: series.available for name, series in test.modalities.items()}),
        calibration=calibration(task, truth, outputs),
        federated=None
        if at.federation == CENTRAL
        else federated(cell, setup, seen.recorded, parts, outputs, task, trained_by(fuser), imputation.trained),
        notes=[*handed.notes(notes, spec, cell.modalities)],
    )
    return Output(measures, predictions, completion.errors)


def _scores(task: Task, predictions: Predictions | None) -> dict[str, float]:
    """The task's metrics that are defined, of predictions that decide nothing of the cell."""
    if predictions is None:
        return {}
    return scores_of(task.metrics, predictions.truth, predictions.outputs, predictions.at_hand()).values


def _predictions(part: Cohort, outputs: np.ndarray, task: Task, cohort: Cohort, recorded: Cohort) -> Predictions:
    """What is kept of a part. recorded: the whole cohort in recorded units, its records in the
    order of `cohort`.
    """
    place = {record: index for index, record in enumerate(cohort.ids.tolist())}
    index = np.array([place[record] for record in part.ids.tolist()], int)
    return Predictions(
        ids=part.ids,
        groups=part.groups,
        truth=np.asarray(part.targets[task.name]),
        outputs=outputs,
        statics=np.asarray(recorded.statics[index]),
        static_names=np.array(recorded.static_names, str),
        oracle=np.asarray(cohort.oracle[task.name][index]) if task.name in cohort.oracle else None,
    )


def _require(spec: Spec, outputs: object, task: Task, part: str, n: int) -> None:
    """Raise PluginError unless these are predictions of n records of a part, as the contract has
    them.
    """
    if problem := broken_predictions(outputs, task, n):
        raise PluginError(f"{handed.who(spec)}on the {part} part, {problem}")


def _eligible(cohort: Cohort, task: Task) -> np.ndarray:
    target = cohort.targets[task.name]
    known: np.ndarray = ~np.isnan(target.reshape(len(target), -1)).any(axis=1)
    return known


def _parts(cohort: Cohort, parts: np.ndarray, task: Task, permute: int | None) -> tuple[dict[str, Cohort], int]:
    """Train, valid and test of a task: eligible records, no other task's targets; labels
    permuted within parts on demand.
    """
    eligible = _eligible(cohort, task)
    cohorts = {}
    for number, name in enumerate(PARTS):
        index = np.flatnonzero((parts == number) & eligible)
        part = cohort.take(index)
        target = np.array(part.targets[task.name])
        if permute is not None:
            target = target[seeds.generator(permute, "audit", "permuted-labels", name).permutation(len(target))]
        cohorts[name] = replace(part, targets={task.name: target}, oracle={})
    return cohorts, int((~eligible).sum())


def absent_share(seen: View, cohort: Cohort) -> dict[str, float]:
    """`absent` of `Record.hidden`; nothing where no entry of a test record is hidden."""
    if not seen.shares["entries"]:
        return {}
    entries, unread = 0, 0
    tests = seen.parts == 2
    for name, series in cohort.modalities.items():
        recorded, visible = (part.modalities[name].observed[tests] for part in (seen.recorded, seen.cohort))
        counts = np.count_nonzero(recorded & ~visible, axis=(1, 2))
        entries += int(counts.sum())
        unread += int(counts[~series.present[tests]].sum())
    return {"absent": unread / entries} if entries else {}


def _absent(cohort: Cohort, recorded: Cohort, records: int) -> dict[str, int]:
    """Records of the cell without a modality that no record has: its table says that the modality
    adds nothing.
    """
    nowhere = [name for name in cohort.modalities if not recorded.modalities[name].available.any()]
    return {f"without_{name}": records for name in nowhere}


def _crossing(cohort: Cohort, parts: np.ndarray, task: Task, split: Split) -> dict[str, int]:
    """How many patients of a task stand on both sides; said where the rule of the split allows
    any.
    """
    if not split.legacy:
        return {}
    eligible = _eligible(cohort, task)
    return {CROSSING: crossing(cohort.groups[eligible], parts[eligible])}


def _synchronise(device: str) -> None:
    """Wait for the GPU, so that a wall time holds all the work that it is named for."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()
