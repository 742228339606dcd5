"""Scores computed again from packed predictions, and compared bit by bit with those of a record."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping

import numpy as np

from bench.cohort import Task
from bench.metrics.calibration import calibration
from bench.metrics.error import ScoreError
from bench.metrics.scoring import score, scores_of
from bench.results.predictions import Predictions, unpack
from bench.results.records import Record
from bench.stages.contract import broken_predictions


def differing(record: Record, content: bytes, task: Task) -> list[str]:
    """In what a record is not what its predictions give, in words; empty where all bits are the
    same. content: an .npz file from anybody.
    """
    if hashlib.sha256(content).hexdigest() != record.predictions:
        return ["its predictions are not those that its record names"]
    try:
        predictions = unpack(content)
    except (ValueError, KeyError, EOFError, OSError, NotImplementedError, zipfile.BadZipFile) as error:
        return [f"its predictions cannot be read ({type(error).__name__})"]
    if predictions.valid is None:
        return ["its predictions lack the validation part"]
    for name, part in (("test", predictions), ("validation", predictions.valid)):
        if problem := _broken(part, task):
            return [f"its predictions of the {name} part are broken: {problem}"]
    try:
        test = score(task, predictions.truth, predictions.outputs, **predictions.at_hand())
        calibrated = calibration(task, predictions.truth, predictions.outputs)
        groups = {
            "scores": test.values,
            "validation": _values(task, predictions.valid),
            "oracle": _values(task, predictions.ideal),
        }
    except ScoreError as error:
        return [str(error)]
    except Exception as error:  # metrics were written for arrays that somebody has looked at
        return [f"its predictions cannot be scored ({type(error).__name__})"]
    differs = []
    for group, values in groups.items():
        differs += _differing(group, getattr(record, group), values)
    if sorted(record.undefined) != sorted(test.undefined):
        differs.append("undefined metrics are others")
    if record.calibration != calibrated:
        differs.append("calibration differs")
    if record.counts.get("test") != len(predictions.ids):
        differs.append(f"counts test {record.counts.get('test')}, of {len(predictions.ids)} predictions")
    positives = float(predictions.truth.sum()) if task.kind == "binary" else None
    if record.counts.get("positives") != positives:
        differs.append(f"counts positives {record.counts.get('positives')}, of the predictions {positives}")
    return differs


def _values(task: Task, part: Predictions | None) -> dict[str, float]:
    return {} if part is None else scores_of(task.metrics, part.truth, part.outputs, part.at_hand()).values


def _differing(group: str, held: Mapping[str, float], values: Mapping[str, float]) -> list[str]:
    return [
        f"{group} {name} {held.get(name, 'missing')!r}, from the predictions {values.get(name, 'missing')!r}"
        for name in sorted(held.keys() | values.keys())
        if held.get(name) != values.get(name)
    ]


def _broken(part: Predictions, task: Task) -> str:
    """What of arrays from anybody is not as `Predictions` says; "" where all is."""
    n = len(part.ids) if part.ids.ndim == 1 else -1
    truth = [(n,), (n, task.outputs)]
    rows = {"groups": part.groups.shape == (n,), "truth": part.truth.shape in truth}
    rows["outputs"] = n > 0 and not broken_predictions(part.outputs, task, n)
    rows["truth"] = rows["truth"] and bool(np.isfinite(_plain(part.truth)).all())
    if part.oracle is not None:
        rows["oracle"] = part.oracle.shape == (n, task.outputs) and bool(np.isfinite(_plain(part.oracle)).all())
    if part.statics is not None and part.static_names is not None:
        rows["statics"] = part.statics.shape == (n, *part.static_names.shape) and part.statics.dtype == np.float32
    wrong = [name for name, right in rows.items() if not right]
    if n < 1 or part.ids.dtype.kind != "U" or part.groups.dtype.kind != "U" or len(np.unique(part.ids)) != n:
        wrong.append("ids")
    return ", ".join(wrong)


def _plain(array: np.ndarray) -> np.ndarray:
    """Numbers as they are; NaN in place of anything else."""
    return array if array.dtype == np.float32 else np.full(1, np.nan)
