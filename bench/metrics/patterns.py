"""Scores by which modalities a test record has: where a method fails when a modality is missing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.cohort import Task
from bench.metrics.scoring import value
from bench.results.records import Pattern

SMALLEST = 10
"""Records a group needs to be shown. Smaller ones could say something of a single patient."""

NOTHING, OTHERS = "(nothing)", "(others)"


def by_pattern(
    task: Task, truth: np.ndarray, outputs: np.ndarray, available: Mapping[str, np.ndarray]
) -> list[Pattern]:
    """The primary score of each combination of available modalities, the most frequent first.

    truth: float32 [n] or [n, outputs]; outputs: float32 [n, outputs]; available: modality -> bool
    [n], after hiding, in the order of the modality set.

    Combinations of fewer than `SMALLEST` records are taken together as `OTHERS`. Where these are
    still too few, the smallest of the shown ones joins them. So no small group can be found by
    subtracting the shown ones from all. Empty where even that is too small.
    """
    if len(truth) < SMALLEST:
        return []
    names = np.array(["+".join(name for name in available if available[name][i]) or NOTHING for i in range(len(truth))])
    patterns, place, counts = np.unique(names, return_inverse=True, return_counts=True)
    order = sorted(range(len(patterns)), key=lambda k: (-counts[k], patterns[k]))
    small = [k for k in order if counts[k] < SMALLEST]
    shown = [k for k in order if counts[k] >= SMALLEST]
    while small and sum(counts[k] for k in small) < SMALLEST:
        small.append(shown.pop())
    groups = [(str(patterns[k]), place == k) for k in shown]
    groups += [(OTHERS, np.isin(place, small))] if small else []
    return [Pattern(name, int(rows.sum()), _score(task, truth[rows], outputs[rows])) for name, rows in groups]


def _score(task: Task, truth: np.ndarray, outputs: np.ndarray) -> float | None:
    """None where the metric is not defined on the group, as AUROC on one class alone."""
    score = value(task.primary, truth, outputs)
    return score if np.isfinite(score) else None
