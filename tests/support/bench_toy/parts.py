"""The components behind `bench_toy.plugin`."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.components import Dataset, Fuser, Imputer, Interrupted
from bench.testing.toy import toy_cohort


class Toy(Dataset):
    def prepare(self, root, context):
        cohort = toy_cohort(n=self.params.n, seed=7)
        return replace(cohort, targets={**cohort.targets, "plain": cohort.targets["toy"]})


def level(cohort):
    """The mean of everything observed or imputed in what is present, [n, 1]: a crude severity."""
    read = [np.where(s.present[:, None, None], s.grid, 0).mean(axis=(1, 2)) for s in cohort.modalities.values()]
    return np.mean(read, axis=0)[:, None]


class Level(Fuser):
    def fit(self, train, valid, task, context):
        self.offset = context.rng("init").normal() * 1e-3

    def predict(self, cohort, context):
        return (1 / (1 + np.exp(-level(cohort) - self.offset))).astype(np.float32)


class Waits(Level):
    def fit(self, train, valid, task, context):
        super().fit(train, valid, task, context)
        context.note("waits", int(self.params.seconds > 0))
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


class Careless(Level):
    def predict(self, cohort, context):
        everything = [replace(s, filled=~s.available) for s in cohort.modalities.values()]
        return super().predict(cohort.with_modalities(dict(zip(cohort.modalities, everything, strict=True))), context)


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


class Stateless(Imputer):
    def fit(self, train, valid, context):
        pass

    def impute(self, cohort, draws, context):
        return {name: np.nan_to_num(s.grid)[None] for name, s in cohort.modalities.items()}


class Around(Imputer):
    """Draws around the channel's training mean, with the channel's spread; counts its fits in a
    file.
    """

    def fit(self, train, valid, context):
        if self.params.beacon:
            with Path(self.params.beacon).open("a") as file:
                file.write("fitted\n")
        self.state = {
            name: np.stack(
                [np.nan_to_num(np.nanmean(s.grid, axis=(0, 1))), np.nan_to_num(np.nanstd(s.grid, axis=(0, 1)))]
            ).astype(np.float32)
            for name, s in train.modalities.items()
        }

    def impute(self, cohort, draws, context):
        made = {}
        for name, s in cohort.modalities.items():
            mean, spread = self.state[name]
            noise = np.stack(
                [
                    np.stack(
                        [context.rng("draw", name, record, k).normal(size=s.grid.shape[1:]) for record in cohort.ids]
                    )
                    for k in range(draws)
                ]
            )
            drawn = (mean + self.params.width * spread * noise).astype(np.float32)
            made[name] = np.where(s.observed, s.grid, drawn)
        return made

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = {name: np.array(values) for name, values in state.items()}

    def parameters(self):
        return sum(values.size for values in self.state.values())
