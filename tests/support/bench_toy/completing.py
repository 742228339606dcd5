"""Fusers that complete the series by themselves, and break promises about it."""

from __future__ import annotations

import numpy as np

from bench_toy.parts import Blind


class Fills(Blind):
    """Fills zeros, and predicts from what is observed."""

    nan_aware = True

    @property
    def reads_imputed(self):
        return False

    def fill(self, cohort, draw, context):
        return np.zeros(len(cohort), np.float32)

    def impute(self, cohort, draws, context):
        fills = [self.fill(cohort, draw, context) for draw in range(draws)]
        return {
            name: np.stack([np.where(s.observed, s.grid, fill[:, None, None]) for fill in fills]).astype(np.float32)
            for name, s in cohort.modalities.items()
        }


class Draws(Fills):
    """Each draw fills another value, drawn for the record."""

    def fill(self, cohort, draw, context):
        return np.array([context.rng("draws", name, draw).normal() for name in cohort.ids.tolist()], np.float32)


class Moves(Draws):
    def impute(self, cohort, draws, context):
        return {name: values + np.float32(0.1) for name, values in super().impute(cohort, draws, context).items()}


class Company(Draws):
    def fill(self, cohort, draw, context):
        return super().fill(cohort, draw, context) + np.float32(len(cohort))


class Unnested(Draws):
    def impute(self, cohort, draws, context):
        return {name: values[::-1] for name, values in super().impute(cohort, draws, context).items()}


class Declines(Fills):
    def impute(self, cohort, draws, context):
        return None


class Partly(Fills):
    """Completes the first record it meets alone, and no others."""

    def impute(self, cohort, draws, context):
        return super().impute(cohort, draws, context) if len(cohort) == 1 else None


class Holes(Fills):
    def fill(self, cohort, draw, context):
        return np.full(len(cohort), np.nan, np.float32)
