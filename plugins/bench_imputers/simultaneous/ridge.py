"""Each channel from all others at the same instant, by ridge regression."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import linalg

from bench.cohort import Cohort, Task
from bench.components import Context, Imputer, NotFitted
from bench.errors import UsageError
from bench.registry import NoParams
from bench.sums import Summed, Sums, product_matrix, products
from bench_imputers.naive.temporal import Linear
from bench_imputers.simultaneous.named import parts_of
from bench_imputers.simultaneous.plugin import RidgeParams

FEWEST = 10
"""Bins in which a channel is visible from which on it is regressed."""

CUT = 10.0
"""Standard deviations at which the harness cuts values."""

WIDEST = 256
"""Channels. The sums of products of each of them take a matrix of all others."""

BINS = 2**16
"""Bins that are completed at a time."""


class Ridge(Summed, Imputer[RidgeParams]):
    """A missing entry is predicted from all other channels of the record in that bin, those of
    other modalities too; never from its own channel.

    What is missing of the others is first completed as `linear` does, in training as later. So
    where a whole bin is missing, lines between bins are what is regressed on. A channel that a
    training record lacks altogether is 0 there, the mean before winsorising. A channel that is
    hardly ever visible in training, or the only one, is completed as `linear` does.

    The regressions are of all training bins, and learnt from exact sums of products: the same bits,
    however records are divided among clients. The constant is not penalised, as in scikit-learn.

    Deterministic: one draw. State: modality -> a row per channel, float32 [channels, all channels +
    1]: the coefficients (of modalities in the order of their names) and the constant.
    """

    def __init__(self, params: RidgeParams):
        super().__init__(params)
        self._between = Linear(NoParams())
        self._rows: dict[str, np.ndarray] | None = None

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        self.begin(self.summary(train), context)

    def summary(self, cohort: Cohort, task: Task | None = None) -> Sums:
        """See `bench.sums.Summed`: the sums of `linear`, and for each channel those of the products
        of all channels and 1, over the bins in which it is visible. Raises UsageError for more
        channels than `WIDEST`.
        """
        names = sorted(cohort.modalities)
        series = [cohort.modalities[name] for name in names]
        channels = [each.grid.shape[2] for each in series]
        if (width := sum(channels)) > WIDEST:
            raise UsageError(
                f"ridge regressions of {width:,} channels on each other are too large, {WIDEST} are accepted; choose another "
                "imputer, or a modality set without embeddings"
            )
        total = np.zeros((width, 2, width + 1, width + 1), np.int64)
        zeros = [np.zeros(count, np.float32) for count in channels]
        step = max(1, BINS // series[0].grid.shape[1])
        for start in range(0, len(cohort), step):
            observed = [np.asarray(each.observed[start : start + step]) for each in series]
            grids = [np.asarray(each.grid[start : start + step]) for each in series]
            filled = [self._between.complete(*each) for each in zip(grids, observed, zeros, strict=True)]
            rows = np.clip(np.concatenate([*filled, np.ones_like(filled[0][..., :1])], axis=2), -CUT, CUT)
            visible = np.concatenate(observed, axis=2)
            for channel in range(width):
                total[channel] += products(rows[visible[..., channel]])
        places = np.split(total, np.cumsum(channels)[:-1])
        between = {f"between/{name}": sums for name, sums in self._between.summary(cohort).totals.items()}
        return Sums(None, None, between | {f"ridge/{name}": part for name, part in zip(names, places, strict=True)})

    def begin(self, sums: Sums, context: Context) -> None:
        """See `bench.sums.Summed`."""
        parts = parts_of(sums.totals, "between", "ridge")
        self._between.begin(Sums(None, None, parts["between"]), context)
        self._rows, place = {}, 0
        for name, each in parts["ridge"].items():
            rows = np.full((len(each), each.shape[-1]), np.nan, np.float32)
            for channel, matrix in enumerate(map(product_matrix, each)):
                if matrix[-1, -1] >= FEWEST and len(matrix) > 2:
                    rows[channel] = self._regressed(matrix, place)
                place += 1
            self._rows[name] = rows

    def _regressed(self, matrix: np.ndarray, place: int) -> np.ndarray:
        """Coefficients and constant, float64 [all channels + 1], from sums of products; that of the
        channel itself is 0.
        """
        others = np.delete(np.arange(len(matrix) - 1), place)
        mean = matrix[-1, :-1] / matrix[-1, -1]
        centred = matrix[:-1, :-1] - matrix[-1, -1] * np.outer(mean, mean)
        penalised = centred[np.ix_(others, others)] + self.params.alpha * np.eye(len(others))
        row = np.zeros(len(matrix))
        row[others] = linalg.solve(penalised, centred[others, place], assume_a="pos")
        row[-1] = mean[place] - row[:-1] @ mean
        return row

    def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray]:
        if self._rows is None:
            raise NotFitted("Ridge must be fitted, or given a state, before it imputes")
        if cohort.modalities.keys() != self._rows.keys():
            raise ValueError(f"modalities {sorted(cohort.modalities)} are not those of training: {sorted(self._rows)}")
        names = sorted(cohort.modalities)
        completed = self._between.impute(cohort, 1, context)
        # Record by record: a larger product of matrices may round a record otherwise.
        for record in range(len(cohort)):
            whole = np.concatenate([completed[name][0, record] for name in names], axis=1).astype(np.float64)
            for name in names:
                rows = self._rows[name].astype(np.float64)
                missing = ~np.asarray(cohort.modalities[name].observed[record])
                if missing.any():
                    predicted = whole @ rows[:, :-1].T + rows[:, -1]
                    known = missing & ~np.isnan(predicted)
                    np.copyto(completed[name][0, record], predicted, where=known, casting="same_kind")
        return completed

    def parameters(self) -> int:
        return sum(rows.size for rows in (self._rows or {}).values())

    def state_dict(self) -> dict[str, np.ndarray]:
        fills = {f"between/{name}": fill for name, fill in self._between.state_dict().items()}
        return fills | {f"ridge/{name}": rows for name, rows in (self._rows or {}).items()}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        parts = parts_of(state, "between", "ridge")
        self._between.load_state_dict(parts["between"])
        self._rows = parts["ridge"]
