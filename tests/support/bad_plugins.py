"""An honest imputer, scenario and dataset, and one small liar for each promise that can be
broken; fusers in `bad_fusers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.cohort import Cohort
from bench.components import Context, Dataset, Imputer, NotFitted, Scenario
from bench.registry import NoParams
from bench.testing.toy import toy_cohort

Arrays = dict[str, np.ndarray]


class Honest(Imputer[NoParams]):
    """Training means, plus noise keyed by record and draw."""

    def __init__(self, params: NoParams):
        super().__init__(params)
        self.means: Arrays | None = None

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        self.means = {
            name: np.where(s.observed, s.grid, 0).mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
            for name, s in train.modalities.items()
        }

    def noise(self, cohort: Cohort, name: str, record: int, draw: int, draws: int, context: Context) -> np.ndarray:
        rng = context.rng("draws", cohort.ids[record], name, draw)
        return rng.normal(size=cohort.modalities[name].grid.shape[1:]).astype(np.float32)

    def impute(self, cohort: Cohort, draws: int, context: Context) -> Arrays:
        if self.means is None:
            raise NotFitted("fit first")
        return {name: self.complete(cohort, name, draws, context) for name in cohort.modalities}

    def complete(self, cohort: Cohort, name: str, draws: int, context: Context) -> np.ndarray:
        assert self.means is not None
        series = cohort.modalities[name]
        noise = [[self.noise(cohort, name, i, d, draws, context) for i in range(len(cohort))] for d in range(draws)]
        return np.where(series.observed, series.grid, self.means[name] + np.array(noise, np.float32))

    def state_dict(self) -> Arrays:
        return dict(self.means or {})

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        self.means = dict(state)


class LeaksAcrossPatients(Honest):
    """Fills with the mean of the records in the call."""

    def complete(self, cohort: Cohort, name: str, draws: int, context: Context) -> np.ndarray:
        series = cohort.modalities[name]
        mean = np.where(series.observed, series.grid, 0).mean()
        return np.where(series.observed, series.grid, super().complete(cohort, name, draws, context) + mean)


class DependsOnPlace(Honest):
    """Draws noise by the place of the record in the batch."""

    def noise(self, cohort: Cohort, name: str, record: int, draw: int, draws: int, context: Context) -> np.ndarray:
        rng = context.rng("draws", record, name, draw)
        return rng.normal(size=cohort.modalities[name].grid.shape[1:]).astype(np.float32)


class DependsOnBatchSize(Honest):
    """Fills with a value that knows how many records came."""

    def complete(self, cohort: Cohort, name: str, draws: int, context: Context) -> np.ndarray:
        filled = super().complete(cohort, name, draws, context)
        observed = cohort.modalities[name].observed
        return np.where(observed, filled, filled + np.float32(len(cohort) / 100))


class IgnoresDraws(Honest):
    """Returns copies of one draw."""

    def noise(self, cohort: Cohort, name: str, record: int, draw: int, draws: int, context: Context) -> np.ndarray:
        return super().noise(cohort, name, record, 0, draws, context)


class ReturnsOneDraw(Honest):
    """Returns one draw whatever was asked for, although tagged draws."""

    def complete(self, cohort: Cohort, name: str, draws: int, context: Context) -> np.ndarray:
        return super().complete(cohort, name, 1, context)


class DrawsNotNested(Honest):
    """The first of three draws is not the first of two."""

    def noise(self, cohort: Cohort, name: str, record: int, draw: int, draws: int, context: Context) -> np.ndarray:
        return super().noise(cohort, name, record, draw + 100 * draws, draws, context)


class TouchesObserved(Honest):
    """Smooths over observed values too."""

    def complete(self, cohort: Cohort, name: str, draws: int, context: Context) -> np.ndarray:
        return super().complete(cohort, name, draws, context) * np.float32(0.99)


class UsesGlobalGenerator(Honest):
    """Learns with NumPy's global generator."""

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        super().fit(train, valid, context)
        assert self.means is not None
        for mean in self.means.values():
            mean += np.random.normal(size=mean.shape)  # noqa: NPY002


class SamplesFromGlobalGenerator(Honest):
    """Samples with NumPy's global generator."""

    def noise(self, cohort: Cohort, name: str, record: int, draw: int, draws: int, context: Context) -> np.ndarray:
        return np.random.normal(size=cohort.modalities[name].grid.shape[1:]).astype(np.float32)  # noqa: NPY002


class UsesHash(Honest):
    """Learns something that depends on the process's hash seed."""

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        super().fit(train, valid, context)
        assert self.means is not None
        for name, mean in self.means.items():
            mean += hash(name) % 1000


class ForgetsState(Honest):
    """Saves nothing."""

    def state_dict(self) -> Arrays:
        return {}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        self.means = {"vitals": np.zeros(3, np.float32), "labs": np.zeros(2, np.float32)}


class WritesToInputs(Honest):
    """Fills the grid it was given."""

    def complete(self, cohort: Cohort, name: str, draws: int, context: Context) -> np.ndarray:
        result = super().complete(cohort, name, draws, context)
        cohort.modalities[name].grid[...] = result[0]
        return result


class LeavesNaN(Honest):
    """Forgets the first bin."""

    def complete(self, cohort: Cohort, name: str, draws: int, context: Context) -> np.ndarray:
        result = super().complete(cohort, name, draws, context)
        result[:, :, 0] = cohort.modalities[name].grid[:, 0]
        return result


class DoublePrecision(Honest):
    """Returns float64."""

    def complete(self, cohort: Cohort, name: str, draws: int, context: Context) -> np.ndarray:
        return super().complete(cohort, name, draws, context).astype(np.float64)


class NeverRefuses(Honest):
    """Imputes zeros before fit."""

    def impute(self, cohort: Cohort, draws: int, context: Context) -> Arrays:
        self.means = self.means or {n: np.zeros(s.grid.shape[2], np.float32) for n, s in cohort.modalities.items()}
        return super().impute(cohort, draws, context)


class NeedsTwoBins(Honest):
    """Takes differences in time and fails when there are none."""

    def complete(self, cohort: Cohort, name: str, draws: int, context: Context) -> np.ndarray:
        np.diff(cohort.modalities[name].grid, axis=1).max()
        return super().complete(cohort, name, draws, context)


class NeedsTargets(Honest):
    """Looks at the outcome when it fits."""

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        train.targets["toy"].mean()
        super().fit(train, valid, context)


class NeedsVariance(Honest):
    """Refuses a channel without variance."""

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        super().fit(train, valid, context)
        for series in train.modalities.values():
            for channel in range(series.grid.shape[2]):
                values = series.grid[..., channel][series.observed[..., channel]]
                if len(values) and values.std() == 0:
                    raise ValueError("no variance")


class NeedsValidation(Honest):
    """Looks at the first validation record."""

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        assert valid.ids[0]
        super().fit(train, valid, context)


class CrashesWhenBuilt(Honest):
    """Cannot be built."""

    def __init__(self, params: NoParams):
        raise RuntimeError("no such device")


Generators = Callable[[str], np.random.Generator]


class HonestScenario(Scenario[NoParams]):
    """Hides each observed entry with probability 0.3."""

    unit = "entries"

    def hide(self, observed: Mapping[str, np.ndarray], rng: Generators) -> Arrays:
        return {name: known & (rng(name).random(known.shape) < 0.3) for name, known in observed.items()}

    def expected(self, observed: Mapping[str, np.ndarray]) -> float:
        return 0.3

    def spread(self, observed: Mapping[str, np.ndarray]) -> float:
        return float((0.21 / max(sum(int(known.sum()) for known in observed.values()), 1)) ** 0.5)


class Remembers(HonestScenario):
    """Hides nothing of every second record it meets."""

    calls = 0

    def hide(self, observed: Mapping[str, np.ndarray], rng: Generators) -> Arrays:
        self.calls += 1
        return super().hide(observed, rng) if self.calls % 3 else {}

    def expected(self, observed: Mapping[str, np.ndarray]) -> float:
        return 0.2

    def spread(self, observed: Mapping[str, np.ndarray]) -> float:
        return 0.4


class HidesTooMuch(HonestScenario):
    """Promises less than it hides."""

    def expected(self, observed: Mapping[str, np.ndarray]) -> float:
        return 0.2


class CountsInsteadOfMasks(HonestScenario):
    """Returns integers."""

    def hide(self, observed: Mapping[str, np.ndarray], rng: Generators) -> Arrays:
        return {name: mask.astype(int) for name, mask in super().hide(observed, rng).items()}


class HidesInPlace(HonestScenario):
    """Clears the mask it was given."""

    def hide(self, observed: Mapping[str, np.ndarray], rng: Generators) -> Arrays:
        masks = super().hide(observed, rng)
        for name, known in observed.items():
            known[masks[name]] = False
        return masks


class HonestDataset(Dataset[NoParams]):
    """The toy cohort."""

    def prepare(self, root: Path, context: Context) -> Cohort:
        return toy_cohort(n=12, length=6)


class RepeatsIds(HonestDataset):
    """Gives two records one id."""

    def prepare(self, root: Path, context: Context) -> Cohort:
        cohort = super().prepare(root, context)
        return replace(cohort, ids=cohort.groups)


class FillsZeros(HonestDataset):
    """Has zeros where nothing was observed."""

    def prepare(self, root: Path, context: Context) -> Cohort:
        cohort = super().prepare(root, context)
        return cohort.with_modalities({n: replace(s, grid=np.nan_to_num(s.grid)) for n, s in cohort.modalities.items()})


class ForgetsATask(HonestDataset):
    """Has no target."""

    def prepare(self, root: Path, context: Context) -> Cohort:
        return super().prepare(root, context).without_targets()


class AnotherOrder(HonestDataset):
    """Lists the records in another order each time, as a set or a folder may."""

    calls = 0

    def prepare(self, root: Path, context: Context) -> Cohort:
        AnotherOrder.calls += 1
        cohort = super().prepare(root, context)
        return cohort.take(np.roll(np.arange(len(cohort)), AnotherOrder.calls))


class CountsWithoutAKind(HonestDataset):
    """Counts as a dictionary of numbers."""

    def prepare(self, root: Path, context: Context) -> Cohort:
        return replace(super().prepare(root, context), counts={"rows": 3})  # type: ignore[dict-item]
