"""How the trainings of clients become one: the component kind `federation`.

A federation sees named arrays and counts, never a record. `bench.federated` runs the rounds: it
chooses clients, trains a learner on each (`bench.learner`), and merges what they answer. Under any
federation, arrays of the group `buffer/` are averaged, and those of `own/` are merged by the
learner.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

import msgspec
import numpy as np

from bench.components import Component
from bench.train_params import TrainParams

if TYPE_CHECKING:
    import torch  # which no command should wait for
    from torch import nn

__all__ = ["Federation", "Update", "shares", "weighted_sum"]

P = TypeVar("P", bound=msgspec.Struct)


@dataclass(frozen=True)
class Update:
    """What one client answers for one array.

    - array: as it is after the client's training; of any shape, the same for all clients.
    - n: training items behind it; at least 1.
    - steps: optimiser steps; at least 1.
    """

    array: np.ndarray
    n: int
    steps: int


class Federation(Component[P]):
    """How what clients share is merged, and what is added to their losses.

    A federation may keep something from round to round, such as moments of an adaptive server. It
    hands this out and takes it back, so that a cell that was stopped goes on with the same bits.
    """

    def prepare(self, params: TrainParams) -> None:
        """Look at how the clients train. Raises UsageError, with what to type, where this cannot be
        merged.
        """
        return None

    def penalty(self) -> Callable[[nn.Module], Callable[[], torch.Tensor]] | None:
        """What is added to the loss of each step of a client; called with its module as
        received.
        """
        return None

    @abstractmethod
    def merge(self, name: str, before: np.ndarray, updates: Sequence[Update]) -> np.ndarray:
        """An array after a round, of the shape of `before`; float64, and rounded by the caller.

        - name: of the array.
        - before: as the clients received it, float64.
        - updates: at least one, in the order of the clients' numbers.
        """

    def state_dict(self) -> dict[str, np.ndarray]:
        """What it keeps between rounds."""
        return {}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Take what `state_dict` gave."""
        return None


def shares(counts: Sequence[int]) -> list[Fraction]:
    """Each count over their sum. Exact, so that shares sum to 1 and equal counts give equal
    weights.
    """
    whole = sum(counts)
    return [Fraction(count, whole) for count in counts]


def weighted_sum(arrays: Sequence[np.ndarray], weights: Sequence[Fraction]) -> np.ndarray:
    """The weighted sum of arrays of one shape, float64, added in their order."""
    total = np.zeros(arrays[0].shape)
    for array, weight in zip(arrays, weights, strict=True):
        total += np.multiply(array, float(weight), dtype=np.float64)
    return total
