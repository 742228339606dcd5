"""Each channel from all others at the same instant, by ridge regression."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn import linear_model

from bench.cohort import Cohort
from bench.components import Context, Imputer, NotFitted
from bench.registry import NoParams
from bench_imputers.naive.temporal import Linear
from bench_imputers.simultaneous.plugin import RidgeParams

FEWEST = 10
"""Bins in which a channel is visible from which on it is regressed."""


class Ridge(Imputer[RidgeParams]):
    """A missing entry is predicted from all other channels of the record in that bin, those of
    other modalities too; never from its own channel.

    What is missing of the others is first completed as `linear` does, in training as later. So
    where a whole bin is missing, lines between bins are what is regressed on. A channel that is
    hardly ever visible in training, or the only one, is completed as `linear` does.

    Deterministic: one draw. State: modality -> a row per channel, float32 [channels, all channels +
    1]: the coefficients (of modalities in the order of their names) and the constant.
    """

    def __init__(self, params: RidgeParams):
        super().__init__(params)
        self._between = Linear(NoParams())
        self._rows: dict[str, np.ndarray] | None = None

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        self._between.fit(train, valid, context)
        names = sorted(train.modalities)
        observed = {name: np.asarray(train.modalities[name].observed) for name in names}
        completed = self._between.impute(train, 1, context)
        flat = [completed[name][0].reshape(-1, observed[name].shape[2]) for name in names]
        width = sum(values.shape[1] for values in flat)
        self._rows, place = {}, 0
        for name, values in zip(names, flat, strict=True):
            rows = np.full((values.shape[1], width + 1), np.nan, np.float32)
            for channel in range(values.shape[1]):
                seen = np.flatnonzero(observed[name][..., channel])
                if len(seen) >= FEWEST and width > 1:
                    chosen = seen[:: -(-len(seen) // self.params.rows)]
                    others = np.concatenate([each[chosen] for each in flat], axis=1).astype(np.float64)
                    others[:, place] = 0
                    model = linear_model.Ridge(alpha=self.params.alpha).fit(others, values[chosen, channel])
                    rows[channel] = [*model.coef_, model.intercept_]
                place += 1
            self._rows[name] = rows

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
        parts: dict[str, dict[str, np.ndarray]] = {"between": {}, "ridge": {}}
        for key, array in state.items():
            kind, _, name = key.partition("/")
            parts[kind][name] = array
        self._between.load_state_dict(parts["between"])
        self._rows = parts["ridge"]
