"""A scenario that hides a cohort at once and a dataset that carries a split, and a liar for each
promise of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.cohort import Cohort
from bench.components import Context, Dataset, Scenario
from bench.registry import NoParams
from bench.testing.toy import toy_cohort

Arrays = dict[str, np.ndarray]
Generators = Callable[[str], np.random.Generator]


class AtOnce(Scenario[NoParams]):
    """Hides the first bin of every record, all records at once."""

    def hide(self, observed: Mapping[str, np.ndarray], rng: Generators) -> Arrays:
        return {name: self._mask(known) for name, known in observed.items()}

    def hide_cohort(self, observed: Mapping[str, np.ndarray], ids: Sequence[str]) -> Arrays | None:
        return {name: np.stack([self._mask(known) for known in masks]) for name, masks in observed.items()}

    def expected(self, observed: Mapping[str, np.ndarray]) -> float:
        return 1 / len(next(iter(observed.values())))

    def spread(self, observed: Mapping[str, np.ndarray]) -> float:
        return 0.0

    def _mask(self, known: np.ndarray) -> np.ndarray:
        return np.repeat((np.arange(len(known)) == 0)[:, None], known.shape[1], axis=1)


class AtOnceByChance(AtOnce):
    """Draws one bin for the whole cohort from the global generator."""

    def hide_cohort(self, observed: Mapping[str, np.ndarray], ids: Sequence[str]) -> Arrays | None:
        masks = super().hide_cohort(observed, ids) or {}
        length = next(iter(observed.values())).shape[1]
        return {name: np.roll(mask, np.random.randint(length), axis=1) for name, mask in masks.items()}  # noqa: NPY002


class AtOnceByPlace(AtOnce):
    """Hides another bin from record to record, in the order they stand in."""

    def hide_cohort(self, observed: Mapping[str, np.ndarray], ids: Sequence[str]) -> Arrays | None:
        masks = super().hide_cohort(observed, ids) or {}
        return {n: np.stack([np.roll(row, k, axis=0) for k, row in enumerate(mask)]) for n, mask in masks.items()}


class Carries(Dataset[NoParams]):
    """Carries a split that keeps the two records of a patient together."""

    step = 2

    def prepare(self, root: Path, context: Context) -> Cohort:
        cohort = toy_cohort(n=12, length=6)
        parts = (np.arange(len(cohort)) // self.step % 3).astype(np.int8)
        return replace(cohort, splits={"fold0": parts})


class HasColumn(Dataset[NoParams]):
    """Carries a column that names the site of each record."""

    def prepare(self, root: Path, context: Context) -> Cohort:
        cohort = toy_cohort(n=12, length=6)
        return replace(cohort, columns={"site": np.array(["north", "south", ""] * 4)})


class CarriesThroughPatients(Carries):
    """Parts the records of a patient."""

    step = 1
