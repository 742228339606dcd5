"""What `Fuser.predict` and `Imputer.impute` promise to return, looked at by one function each: in
every cell of a run and by `bench check`. Each says in words which promise is broken, "" where all
are kept.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from bench.cohort import Cohort, Series, Task
from bench.stages.handed import difference, is_plain, kind_of

TOLERANCE = {"fp32": 1e-5, "bf16": 2e-2}
"""How far two results for one record may be apart by rounding alone, by precision: absolute, and
relative to their size. Rounding depends on the shape of a batch.
"""

SUM = 1e-4
"""How far the probabilities of the classes of a record may sum to something else than 1, by
rounding.
"""

LARGEST = 1e12
"""A number beyond this is no measurement and no prediction: the squares of some of them overflow
float32.
"""


def broken_array(array: Any, what: str, shape: tuple[int, ...], axes: str) -> str:
    """Whether something is a plain array, float32, of that shape. what: what it is called; axes:
    what its axes are called.
    """
    if is_plain(array) and array.dtype == np.float32 and array.shape == shape:
        return ""
    return f"{what} is {kind_of(array)}; it must be a plain NumPy array, float32 {list(shape)} ({axes})"


def broken_numbers(array: np.ndarray, what: str, nan: bool = False) -> str:
    """Whether all numbers of an array are finite and of a size that can be computed with. nan:
    NaN may stand there.
    """
    bad = int((np.isinf(array) if nan else ~np.isfinite(array)).sum())
    if bad:
        return f"{what} has {bad} of {array.size} values that are not finite numbers"
    large = int((np.abs(array) > LARGEST).sum())
    if large:
        return f"{what} has {large} of {array.size} values beyond {LARGEST:g}: too large to compute with, their squares overflow"
    return ""


def broken_predictions(outputs: Any, task: Task, n: int) -> str:
    """Whether this is what `predict` promises for n records: float32 [n, outputs], finite;
    probabilities within [0, 1], those of classes with the sum 1 (up to `SUM`).
    """
    what = "the output of predict"
    if problem := broken_array(outputs, what, (n, task.outputs), "n, outputs") or broken_numbers(outputs, what):
        return problem
    if task.kind == "regression" or not n:
        return ""
    outside = int(((outputs < 0) | (outputs > 1)).sum())
    if outside:
        detail = f"{outside} of {outputs.size} are not (logits need a sigmoid or softmax)"
        return f"predictions of a {task.kind} task are probabilities, from 0 to 1; {detail}"
    if task.kind == "multiclass":
        off = float(np.abs(outputs.sum(axis=1, dtype=np.float64) - 1).max())
        if off > SUM:
            return f"the probabilities of the classes of a record must sum to 1; here they are off by up to {off:.1g}"
    return ""


def broken_completion(completed: Any, cohort: Cohort, draws: int, tags: Collection[str]) -> str:
    """Whether this has the form that `impute` promises for a cohort: per modality float32 [draws,
    n, length, channels], finite (NaN only if tagged leaves_nan). Observed entries are another
    question: see `moved`.
    """
    if not isinstance(completed, dict) or set(completed) != set(cohort.modalities):
        differs = difference(completed if isinstance(completed, dict) else (), cohort.modalities)
        return f"it must return an array for each modality it was given ({differs})"
    for name, series in cohort.modalities.items():
        array = completed[name]
        problem = broken_array(array, name, (draws, *series.grid.shape), "draws, n, length, channels")
        if problem := problem or broken_numbers(array, name, "leaves_nan" in tags):
            return problem
    return ""


def moved(series: Series, completed: np.ndarray) -> tuple[int, float]:
    """How many observed entries, over all draws, did not come back as they were, and by how much at
    most (infinite: as NaN).

    completed: float32 [draws, n, length, channels].
    """
    count, largest = 0, 0.0
    for draw in completed:
        changed = (draw != series.grid) & series.observed
        if changed.any():
            count += int(changed.sum())
            by = np.abs(draw[changed].astype(np.float64) - series.grid[changed])
            largest = max(largest, float(np.nan_to_num(by, nan=np.inf).max()))
    return count, largest


def apart(one: np.ndarray, two: np.ndarray, tolerance: float) -> float:
    """The largest difference of two results, 0 where all of it is rounding; infinite where NaN
    stands in other places.
    """
    if np.array_equal(one, two, equal_nan=True):
        return 0.0
    if not np.array_equal(np.isnan(one), np.isnan(two)):
        return float("inf")
    difference = np.nan_to_num(np.abs(one.astype(np.float64) - two))
    near = difference <= tolerance * (1 + np.nan_to_num(np.abs(two)))
    return 0.0 if near.all() else float(difference.max())
