"""An honest federation, and a liar for each promise of federations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from bench.federation import Federation, Update, shares, weighted_sum
from bench.registry import NoParams


class HonestFederation(Federation[NoParams]):
    """The mean by items, and a step of momentum that it keeps by array."""

    def __init__(self, params: NoParams):
        super().__init__(params)
        self.moved: dict[str, np.ndarray] = {}

    def merge(self, name: str, before: np.ndarray, updates: Sequence[Update]) -> np.ndarray:
        change = self.mean(updates) - before
        self.moved[name] = np.asarray(0.5 * self.moved.get(name, np.zeros(before.shape)) + change)
        return np.asarray(before + self.moved[name])

    def mean(self, updates: Sequence[Update]) -> np.ndarray:
        return weighted_sum([each.array for each in updates], shares([each.n for each in updates]))

    def state_dict(self) -> dict[str, np.ndarray]:
        return dict(self.moved)

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        self.moved = dict(state)


class FavoursTheFirst(HonestFederation):
    """The answer that comes first counts twice."""

    def mean(self, updates: Sequence[Update]) -> np.ndarray:
        return super().mean([updates[0], *updates])


class IgnoresItems(HonestFederation):
    """Every client counts the same, however many items it has."""

    def mean(self, updates: Sequence[Update]) -> np.ndarray:
        return weighted_sum([each.array for each in updates], shares([1] * len(updates)))


class ForgetsItsState(HonestFederation):
    """Keeps its momentum from round to round, and hands nothing out."""

    def state_dict(self) -> dict[str, np.ndarray]:
        return {}


class WarmsUpInSecret(HonestFederation):
    """From the third round on it moves half as far, and no state tells which round it is."""

    def __init__(self, params: NoParams):
        super().__init__(params)
        self.rounds: dict[str, int] = {}

    def merge(self, name: str, before: np.ndarray, updates: Sequence[Update]) -> np.ndarray:
        self.rounds[name] = self.rounds.get(name, 0) + 1
        far = super().merge(name, before, updates)
        return far if self.rounds[name] < 3 else np.asarray((before + far) / 2)


class SharesItsState(HonestFederation):
    """Its momentum lies in the class, where every other run finds it."""

    everywhere: ClassVar[dict[str, np.ndarray]] = {}

    def __init__(self, params: NoParams):
        super().__init__(params)
        self.moved = self.everywhere

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        self.moved.update(state)


class KeepsWords(HonestFederation):
    """Hands out what no file of arrays can hold."""

    def state_dict(self) -> dict[str, np.ndarray]:
        return {name: array.astype(object) for name, array in self.moved.items()}


class OneMomentum(HonestFederation):
    """All arrays share one momentum."""

    def merge(self, name: str, before: np.ndarray, updates: Sequence[Update]) -> np.ndarray:
        change = self.mean(updates) - before
        kept = self.moved.get("all", np.zeros(()))
        self.moved["all"] = np.asarray(0.5 * kept + change.mean())
        return np.asarray(before + change + kept)


class SpoilsBuffers(HonestFederation):
    """Doubles all of the memory that an answer is a view of, running statistics included."""

    def merge(self, name: str, before: np.ndarray, updates: Sequence[Update]) -> np.ndarray:
        merged = super().merge(name, before, updates)
        for update in updates:
            if update.array.base is not None:
                update.array.base[...] *= 2
        return merged


class WritesToAnswers(HonestFederation):
    """Turns every answer into its change, in place."""

    def mean(self, updates: Sequence[Update]) -> np.ndarray:
        right = super().mean(updates)
        for update in updates:
            update.array[...] -= right.astype(update.array.dtype)
        return right


class SinglePrecision(HonestFederation):
    """Rounds by itself."""

    def merge(self, name: str, before: np.ndarray, updates: Sequence[Update]) -> np.ndarray:
        return super().merge(name, before, updates).astype(np.float32)


class AlwaysDecays(HonestFederation):
    """Shrinks every array, also where no client learnt anything."""

    def mean(self, updates: Sequence[Update]) -> np.ndarray:
        return super().mean(updates) * 0.99


class GuessesAtRandom(HonestFederation):
    """Adds noise of a generator that nobody seeds."""

    def mean(self, updates: Sequence[Update]) -> np.ndarray:
        right = super().mean(updates)
        return np.asarray(right + np.random.default_rng().normal(size=right.shape))


class HoldsBackAtOnce(HonestFederation):
    """Its penalty is above 0 at the weights that a client received."""

    def penalty(self) -> Callable[[nn.Module], Callable[[], torch.Tensor]]:
        return lambda module: lambda: torch.ones(())
