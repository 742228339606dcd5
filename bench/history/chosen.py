"""Which quantities of a method a history shows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from bench.config.words import ORIGIN
from bench.errors import unknown
from bench.gate.quantities import CALIBRATION, COSTS, IMPUTER_COSTS, Quantity, Run
from bench.history.lines import Choose
from bench.leaderboard.board import higher_is_better
from bench.results.coordinates import Method
from bench.results.records import IMPUTATION_METRICS, Export

USUAL = (IMPUTATION_METRICS[0], COSTS[0], IMPUTER_COSTS[0])
"""What is shown besides the primary metric of each task, where nothing is asked for."""


def chooser(exports: Sequence[Export], metrics: Collection[str] = ()) -> Choose:
    """Of each method the quantities with these names; the usual ones without any. UsageError for a
    name that no run has.
    """
    known = {name for export in exports for task in export.tasks for name in task.metrics}
    known |= {*CALIBRATION, *IMPUTATION_METRICS, *COSTS, *IMPUTER_COSTS}
    for name in metrics:
        if name not in known:
            raise unknown("metric", name, known, ORIGIN)

    def choose(run: Run, method: Method) -> Iterator[Quantity]:
        primary = run.primary(method.task)
        names = metrics or ((primary, *USUAL) if method.task else USUAL)
        of_task = {name for task in run.export.tasks if task.name == method.task for name in task.metrics}
        for name in dict.fromkeys(names):
            if name in (of_task if metrics else {primary}):
                yield Quantity("score", name, bool(higher_is_better(run.export, name)))
            elif name in (CALIBRATION if method.task else IMPUTATION_METRICS):
                yield Quantity("calibration" if method.task else "imputation", name)
            if name in (COSTS if method.task else IMPUTER_COSTS):
                yield Quantity("cost", name)

    return choose
