"""Exports made of known ingredients, for tests of statistics, leaderboards and gates."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import numpy as np

from bench.grid.axes import PATIENT
from bench.grid.identity import digest
from bench.results.coordinates import Coordinates, Method
from bench.results.predictions import Predictions
from bench.results.records import Audit, Export, Published, Record, TaskSummary
from bench.statistics.paired import compute

SEEDS = (42, 52, 72)
IHM = TaskSummary("ihm", "binary", ("auroc", "auprc", "f1"), "in-hospital death")
LOS = TaskSummary("los", "regression", ("mae", "rmse"), "length of stay in days")
PROVENANCE = {
    "gapbench": "0.1.0",
    "library torch": "2.13.0",
    "device": "a CPU",
    "manifest": "d1" * 32,
    "split": "seed 7, fractions 0.7/0.15/0.15",
}
CELL_AUDITS = {
    "scored-once": Audit(True, "1200 test records"),
    "imputed-reaches-fuser": Audit(True, "100% of 64 predictions moved"),
    "batch-independent": Audit(True, "largest difference 0.0e+00 over 8 records"),
    "observed-untouched": Audit(True),
}

Quality = Callable[[str, str, int], float]
"""(imputer, fuser, seed) -> the primary score of that cell."""


def steady(imputer: str, fuser: str, seed: int) -> float:
    """A score that depends on the method, and a little on the seed."""
    base = {"gbm": 0.86, "gru": 0.83, "linear": 0.82}.get(fuser, 0.8)
    return base + 0.002 * len(imputer) + 0.001 * ((seed * 7919) % 5)


def make_record(at: Coordinates, value: float, metrics: Iterable[str] = IHM.metrics, **changes: Any) -> Record:
    """An ok record whose primary score is `value`."""
    fields: dict[str, Any] = {
        "key": key_of(at),
        "coordinates": at,
        "status": "ok",
        "scores": {metric: value - 0.3 * k for k, metric in enumerate(metrics)},
        "validation": {metric: value - 0.3 * k + 0.01 for k, metric in enumerate(metrics)},
        "audits": dict(CELL_AUDITS),
        "costs": {
            "fit_seconds": 1.25 + at.seed / 100,
            "predict_seconds": 0.5,
            "seconds_per_sample": 0.0004,
            "parameters": 1234.0,
            "peak_memory_bytes": 3e8,
        },
        "counts": {"train": 5600, "valid": 1200, "test": 1200, "positives": 166, "left_out": 34},
        "provenance": {**PROVENANCE, "command": "bench run suite=demo data.root=/home/someone/data"},
        "predictions": "ab" * 32,
    }
    if at.scenario != "natural":
        size = 0.3 + 0.01 * len(at.imputer) + at.seed / 10_000
        scores = {"mae": size, "rmse": size * 1.4, "crps": size * 0.9}
        fields["imputation"] = {
            "all": {**scores, "hidden": 5000.0},
            "labs": {**{k: v + 0.1 for k, v in scores.items()}, "hidden": 2000.0},
            "vitals": {**{k: v - 0.1 for k, v in scores.items()}, "hidden": 3000.0},
        }
        fields["hidden"] = {"expected": 0.1, "realised": 0.1003, "standard_error": 0.0004}
    return Record(**(fields | changes))


def key_of(at: Coordinates) -> str:
    """A key that differs from cell to cell, as that of a real one does."""
    return digest([at.task, at.modalities, at.scenario, at.imputer, at.fuser, at.repeat, at.audit])


def alter(record: Record, **fields: Any) -> None:
    """Change fields of a record where it lies, which nobody but a test may do."""
    for name, value in fields.items():
        msgspec.structs.force_setattr(record, name, value)


def make_export(
    imputers: Iterable[str] = ("mean", "locf", "linear"),
    fusers: Iterable[str] = ("linear", "gbm", "gru"),
    seeds: Iterable[int] = SEEDS,
    scenarios: Iterable[str] = ("natural",),
    tasks: Iterable[TaskSummary] = (IHM,),
    quality: Quality = steady,
    audit_cells: bool = True,
    splits: Iterable[str] = (PATIENT,),
    **changes: Any,
) -> Export:
    """All planned cells ok. Audit cells: one of each kind per task and fuser, on the first
    imputer, scenario and seed.
    """
    imputers, fusers, seeds, scenarios, tasks = [*imputers], [*fusers], [*seeds], [*scenarios], [*tasks]
    splits = [*splits]
    records, audits = [], []
    for task in tasks:
        for scenario in scenarios:
            for imputer in imputers:
                for fuser in fusers:
                    for split, seed in itertools.product(splits, seeds):
                        at = Coordinates("demo", task.name, "all", scenario, imputer, fuser, seed, split=split)
                        records.append(make_record(at, quality(imputer, fuser, seed), task.metrics))
        for fuser in fusers if audit_cells else ():
            for kind, name in (("permuted-labels", "permuted-labels"), ("repeat", "repeat-identical")):
                at = Coordinates("demo", task.name, "all", scenarios[0], imputers[0], fuser, seeds[0], kind, splits[0])
                audits.append(make_record(at, 0.5, task.metrics, audits={name: Audit(True, "measured")}))
    fields: dict[str, Any] = {
        "suite": "demo",
        "title": "Demonstration",
        "dataset": "physionet2012",
        "synthetic": False,
        "command": "bench run suite=demo data.root=/home/someone/data seed=42,52,72",
        "tasks": tasks,
        "planned": [(record.coordinates, record.key) for record in [*records, *audits]],
        "records": [*records, *audits],
        "control_imputers": ["mean"],
        "control_fusers": ["linear"],
    }
    return Export(**(fields | changes))


def simulated(
    noise: dict[str, float], n: int = 400, seeds: Iterable[int] = SEEDS, prevalence: float = 0.3, seed: int = 0
) -> dict[Method, dict[int, Predictions]]:
    """Binary predictions of methods called by the keys of `noise`, on one test set; more noise,
    worse predictions.

    Two records per group. A noise of 0 is a deterministic method: the same predictions for all
    seeds.
    """
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < prevalence).astype(np.float32)
    signal = truth * 1.2 + rng.normal(size=n)
    ids = np.array([f"r{k:05d}" for k in range(n)])
    groups = np.array([f"g{k // 2:05d}" for k in range(n)])
    cells: dict[Method, dict[int, Predictions]] = {}
    for name, size in noise.items():
        for each in seeds:
            score = signal + size * rng.normal(size=n)
            outputs = (1 / (1 + np.exp(-score))).astype(np.float32)[:, None]
            method = Method("ihm", "all", "natural", name, "gbm")
            cells.setdefault(method, {})[each] = Predictions(ids, groups, truth, outputs)
    return cells


def simulated_export(noise: dict[str, float], n: int = 400, **changes: Any) -> Export:
    """An export whose scores and stored statistics come from `simulated` predictions."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    cells = simulated(noise, n)
    records = []
    for method, seeds in cells.items():
        for seed, p in seeds.items():
            at = Coordinates("demo", **msgspec.structs.asdict(method), seed=seed)
            scores = {
                "auroc": float(roc_auc_score(p.truth, p.outputs[:, 0])),
                "auprc": float(average_precision_score(p.truth, p.outputs[:, 0])),
                "f1": 0.5,
            }
            records.append(make_record(at, scores["auroc"], scores=scores))
    fields: dict[str, Any] = {
        "planned": [(record.coordinates, record.key) for record in records],
        "records": records,
        "statistics": compute(cells, [IHM]),
        "control_fusers": [],
    }
    return make_export(**(fields | changes))


RELEASE = "PhysioNet 2012 sets a, b, c"
PUBLISHED = [
    Published("ihm", "locf + gbm", "auroc", 0.871, 0.004, "A. Author 2020, table 2", release=RELEASE),
    Published("ihm", "SAnD", "auroc", 0.84, None, "B. Author 2018", release=RELEASE),
]
