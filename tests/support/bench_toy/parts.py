"""The components behind `bench_toy.plugin`."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from bench.components import Dataset, Fuser, Imputer, Interrupted
from bench.testing.toy import toy_cohort


class Toy(Dataset):
    def prepare(self, root, context):
        return toy_cohort(n=self.params.n, seed=7)


def level(cohort):
    """The mean of everything observed or imputed, [n, 1]: a crude severity."""
    return np.mean([s.grid.mean(axis=(1, 2)) for s in cohort.modalities.values()], axis=0)[:, None]


class Level(Fuser):
    def fit(self, train, valid, task, context):
        self.offset = context.rng("init").normal() * 1e-3

    def predict(self, cohort, context):
        return (1 / (1 + np.exp(-level(cohort) - self.offset))).astype(np.float32)


class Waits(Level):
    def fit(self, train, valid, task, context):
        super().fit(train, valid, task, context)
        if self.params.beacon:
            Path(self.params.beacon).touch()
        if self.params.megabytes:
            self.ballast = np.ones(self.params.megabytes * 2**17)
        end = time.monotonic() + self.params.seconds
        while time.monotonic() < end:
            if context.should_stop() and not self.params.stubborn:
                raise Interrupted
            time.sleep(0.02)
        if self.params.fail == "raise":
            raise ValueError("told to fail")
        if self.params.fail == "die":
            os._exit(3)
        if self.params.fail == "memory":
            raise MemoryError("told to want more")
        if self.params.fail == "print":
            print("chatter on stdout")


class Peeks(Level):
    def predict(self, cohort, context):
        values = level(cohort)
        return (1 / (1 + np.exp(values.mean() - values))).astype(np.float32)


class Blind(Level):
    def predict(self, cohort, context):
        seen = [np.where(s.observed, s.grid, 0).mean(axis=(1, 2)) for s in cohort.modalities.values()]
        return (1 / (1 + np.exp(-np.mean(seen, axis=0)[:, None]))).astype(np.float32)


class Restless(Level):
    def fit(self, train, valid, task, context):
        self.offset = float(np.random.default_rng().normal())


class Holes(Level):
    def predict(self, cohort, context):
        outputs = super().predict(cohort, context)
        outputs[: len(outputs) // 2] = np.nan
        return outputs


class Touches(Imputer):
    def fit(self, train, valid, context):
        pass

    def impute(self, cohort, draws, context):
        return {name: np.nan_to_num(s.grid)[None] + np.float32(0.1) for name, s in cohort.modalities.items()}
