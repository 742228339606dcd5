"""Controls: what a leaderboard must beat to claim that imputed values help."""

from __future__ import annotations

import numpy as np

from bench_imputers.naive.channels import Constant


class Unfilled(Constant):
    """No imputation: NaN where nothing is visible. For fusers tagged `nan_aware` only; has no
    imputation scores.
    """

    value = float("nan")


class MaskOnly(Constant):
    """Zeros everywhere, observed entries included: what a fuser then learns, it learns from masks
    and times alone.

    The one exception to the rule that observed entries come back unchanged (tag `hides_values`).
    The harness takes the values out of the events as well, keeping their times and which channels
    were observed.
    """

    def complete(self, grid: np.ndarray, observed: np.ndarray, fill: np.ndarray) -> np.ndarray:
        return np.zeros(grid.shape, np.float32)
