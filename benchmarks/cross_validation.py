"""Cross-validation of fusers within the training and validation parts: for choosing between designs
without the test part.

    # leaves the imputation in the cache
    bench run suite=physionet48 imputer=linear fuser=linear seed=1 controls.imputer=
    python benchmarks/cross_validation.py suite=physionet48 imputer=linear fuser=gru seed=1,2 \\
        controls.imputer=

The patients of both parts are dealt into --folds folds. Each fold is predicted once per seed by a
fuser trained on four fifths of the other folds' records and selected on the last fifth. Printed per
task, imputer and fuser: the primary metric by fold, mean over seeds, and the mean over all. Test
records are never read. The imputer itself was fitted on the training part alone, which matters for
imputers that learn: compare fusers behind one imputer, not imputers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.cohort import Cohort, Task
from bench.components import Context
from bench.config.request import request
from bench.errors import BenchError
from bench.grid.cell import Cell
from bench.metrics.scoring import score
from bench.registry import Registry, discover
from bench.run.prepare import prepare
from bench.run.schedule import setup_of
from bench.stages.imputing import completed_cohort


def folds_of(groups: np.ndarray, folds: int) -> np.ndarray:
    """The fold of each record: int [n]; records of a patient share one."""
    names, place = np.unique(groups, return_inverse=True)
    found: np.ndarray = np.random.default_rng(5).integers(0, folds, len(names))[place]
    return found


def scores(cell: Cell, cohort: Cohort, task: Task, registry: Registry, folds: int) -> Iterator[float]:
    """The primary metric of each fold in turn."""
    fold = folds_of(cohort.groups, folds)
    for number in range(folds):
        rest = np.flatnonzero(fold != number)
        np.random.default_rng(number).shuffle(rest)
        fifth = len(rest) // 5
        fuser = registry.get("fuser", cell.fuser.name).build(cell.fuser.params)
        context = Context(seed=cell.coordinates.seed)
        fuser.fit(cohort.take(np.sort(rest[fifth:])), cohort.take(np.sort(rest[:fifth])), task, context)
        test = cohort.take(np.flatnonzero(fold == number))
        outputs = fuser.predict(test.without_targets(), context)
        yield score(task, test.targets[task.name], outputs).values[task.metrics[0]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("words", nargs="+", help="as of bench run")
    asked = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    registry = discover()
    prepared = prepare(request(asked.words, registry), registry)
    setup = setup_of(prepared)
    cells = [cell for cell in prepared.plan.cells if not cell.coordinates.audit and not cell.skip]
    cells.sort(key=shared)
    for (name, modalities, scenario, imputer, fuser), same in groupby(cells, key=shared):
        task = registry.get("dataset", prepared.request.suite.dataset).tasks[name]
        found = []
        for cell in same:
            cohort, seen, _ = completed_cohort(cell, setup, registry)
            known = ~np.isnan(cohort.targets[name].reshape(len(cohort), -1)).any(axis=1)
            part = cohort.take(np.flatnonzero((seen.parts < 2) & known))
            part = replace(part, targets={name: part.targets[name]}, oracle={})
            found.append(list(scores(cell, part, task, registry, asked.folds)))
        by_fold = np.mean(found, axis=0)
        said = " ".join(f"{value:.4f}" for value in by_fold)
        print(
            f"{name} {modalities} {scenario} {imputer} x {fuser}: {task.metrics[0]} {by_fold.mean():.4f}, by fold {said}"
        )


def shared(cell: Cell) -> tuple[str, str, str, str, str]:
    """What the cells of all seeds share."""
    at = cell.coordinates
    return at.task, at.modalities, at.scenario, at.imputer, at.fuser


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"{error}")
