"""Imputers that break one promise each, and fusers whose predictions are no predictions; the
rest of them is in order.
"""

from __future__ import annotations

import numpy as np

from bench.components import Imputer, NotFitted
from bench_toy.parts import Level


class Draws(Imputer):
    """Draws around the training mean of each channel, of each record by its own generator."""

    state = None

    def fit(self, train, valid, context):
        self.state = {name: np.nan_to_num(np.nanmean(s.grid, axis=(0, 1))) for name, s in train.modalities.items()}

    def impute(self, cohort, draws, context):
        if self.state is None:
            raise NotFitted("fit first")
        return {name: self.complete(cohort, name, draws, context) for name in cohort.modalities}

    def complete(self, cohort, name, draws, context):
        series = cohort.modalities[name]
        noise = [
            [self.rng(context, record, draw, draws, name).normal(size=series.grid.shape[1:]) for record in cohort.ids]
            for draw in range(draws)
        ]
        return np.where(series.observed, series.grid, self.state[name] + np.array(noise)).astype(np.float32)

    def rng(self, context, record, draw, draws, name):
        return context.rng("draws", record, draw, name)

    def state_dict(self):
        return dict(self.state or {})

    def load_state_dict(self, state):
        self.state = dict(state)


class BatchMean(Draws):
    """Fills with the mean of the records in the call."""

    def complete(self, cohort, name, draws, context):
        series = cohort.modalities[name]
        mean = np.nan_to_num(np.nanmean(series.grid)) if series.observed.any() else 0
        return np.where(series.observed, series.grid, np.float32(mean))[None].repeat(draws, axis=0)


class Unnested(Draws):
    """The first of three draws is not the first of two."""

    def rng(self, context, record, draw, draws, name):
        return context.rng("draws", record, draw, draws, name)


class Moves(Draws):
    """Smooths observed values too."""

    def complete(self, cohort, name, draws, context):
        return super().complete(cohort, name, draws, context) * np.float32(0.9)


class Spills(Draws):
    """Gives what a loop that ran away gives."""

    def complete(self, cohort, name, draws, context):
        made = super().complete(cohort, name, draws, context)
        return np.where(cohort.modalities[name].observed, made, np.float32(3e38))


class Masks(Draws):
    """Returns masked arrays."""

    def complete(self, cohort, name, draws, context):
        return np.ma.masked_array(super().complete(cohort, name, draws, context))


class Logits(Level):
    def predict(self, cohort, context):
        p = super().predict(cohort, context)
        return np.log(p / (1 - p)).astype(np.float32) * 3


class Counts(Level):
    def predict(self, cohort, context):
        return (super().predict(cohort, context) > 0.5).astype(np.int64)


class Masked(Level):
    def predict(self, cohort, context):
        p = super().predict(cohort, context)
        return np.ma.masked_array(p, mask=p > 0.5)


class Huge(Level):
    def predict(self, cohort, context):
        return np.full((len(cohort), 1), 3e38, np.float32)


class FirstCall(Level):
    """Centres what it predicts at the mean of the first records it is applied to."""

    centre = None

    def predict(self, cohort, context):
        p = super().predict(cohort, context)
        if self.centre is None:
            self.centre = p.mean()
        return np.clip(p - self.centre + np.float32(0.5), 0, 1)


class LogitsOnValid(Level):
    """Gives probabilities of the first records it is asked for, and logits of all others."""

    asked = False

    def predict(self, cohort, context):
        p = super().predict(cohort, context)
        logits, self.asked = self.asked, True
        return np.log(p / (1 - p)) if logits else p
