"""The metrics of predictions by name, and for which tasks. Light, since a task is declared before anything is loaded.

What they are and how they are computed: `bench.metrics.predictions`.
"""

from __future__ import annotations

from collections.abc import Mapping

from bench.cohort import Task, TaskKind

CLASSES: tuple[TaskKind, ...] = ("binary", "multilabel", "multiclass")
DECIDED: tuple[TaskKind, ...] = ("binary", "multilabel")
"""The kinds whose decisions are by a threshold."""

VALUES: tuple[TaskKind, ...] = ("binary", "multilabel", "regression")
"""The kinds of which a prediction stands beside each value of the truth."""

SIGNED = ("corr", "acc7", "acc5")
CONVENTIONS = ("neg_pos", "neg_nonneg", "nonpos_pos")
"""What stands on either side of 0: see `bench.metrics.sentiment`."""

KINDS_OF: Mapping[str, tuple[TaskKind, ...]] = {
    **dict.fromkeys(("auroc", "auprc", "f1"), CLASSES),
    "f1_tuned": DECIDED,
    **dict.fromkeys(("accuracy", "brier"), CLASSES),
    **dict.fromkeys(("mae", "mse", "rmse"), VALUES),
    **dict.fromkeys(SIGNED, ("regression",)),
    **{f"{name}_{convention}": ("regression",) for name in ("acc2", "f1", "f1_macro") for convention in CONVENTIONS},
}
"""Metric -> the kinds of tasks that it is for."""

TUNED = frozenset({"f1_tuned"})
"""Metrics of decisions at thresholds that were chosen on the validation part. None of them is a task's primary one."""


def unfit(task: Task) -> str:
    """Which metric of a task is not known, not for its kind, or may not be its primary one, in words; "" where all fit."""
    for name in task.metrics:
        if name not in KINDS_OF:
            return f'task {task.name} has the metric "{name}", which is not known; known are: {", ".join(KINDS_OF)}'
        if task.kind not in KINDS_OF[name]:
            for_it = ", ".join(known for known, kinds in KINDS_OF.items() if task.kind in kinds)
            return f'task {task.name} has the metric "{name}", which is not for {task.kind} tasks; accepted: {for_it}'
    if task.primary in TUNED:
        return f'task {task.name} has the primary metric "{task.primary}", whose thresholds are tuned: put another one first'
    return ""
