"""What runs the cells of `bench tune` in tests, without a worker."""

from __future__ import annotations

import types

from bench.grid.plan import plan
from bench.tuning.search import Ran


class Sealed(types.SimpleNamespace):
    """A record of which the test scores cannot be read."""

    @property
    def scores(self):
        raise AssertionError("a test score was read")

    predictions = oracle = imputation = imputation_errors = audits = scores


class World:
    """Runs the cells of a request. score: a cell -> its validation score (of the fuser and of
    the imputer), or a failure.
    """

    def __init__(self, registry, score, stop_after=None):
        self.registry, self.score, self.stop_after = registry, score, stop_after
        self.ran, self.rounds = [], 0

    def __call__(self, request):
        cells = plan(request, self.registry, "m", "cpu").cells
        self.rounds += 1
        if self.stop_after is not None and self.rounds > self.stop_after:
            return Ran(cells, {}, True)
        self.ran += cells
        return Ran(cells, {cell.key: self.record(cell) for cell in cells}, False)

    def record(self, cell):
        score = self.score(cell)
        costs = {"fit_seconds": 1.0, "predict_seconds": 0.5, "impute_fit_seconds": 20.0, "impute_seconds": 5.0}
        if isinstance(score, str):
            empty = {"validation": {}, "imputation_validation": {}}
            return Sealed(status=score, reason="as told", costs={"seconds": 9.0}, **empty)
        known = score is not None
        return Sealed(
            status="ok", reason="", costs=costs,
            validation={"auroc": score, "mae": score} if known else {},
            imputation_validation={"all": {"mae": score, "rmse": -score}, "vitals": {"mae": -score}} if known else {},
        )  # fmt: skip
