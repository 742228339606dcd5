"""How the server merges the controls of clients, after PFPT (arXiv 2502.19752, the class in three
public copies of its code).

Every uploaded control is the start of a slot: a Gaussian, whose mean is the slot, and whose
standard deviations a network learns from it. Another learns how likely a client uses it. Each
client's controls are assigned to different slots, at first at random. Client after client, one
step of Adam fits the slots to its assignment. Then the Hungarian algorithm assigns its controls
once more, for the largest likelihood. Slots that no client uses in the end are dropped, so the
number of controls changes.

What is decided here: one Adam serves all clients, whose turn comes by their numbers. Both networks
have one hidden layer with a ReLU. All is float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import nn
from torch.nn import functional

RATE = 1e-3
"""Learning rate of Adam, as in the public code."""

HIDDEN = 128
"""Width of the networks of scale and usage, as in the public code."""


class Slots(nn.Module):
    """Candidates for controls: means [s, D], and what learns scale and usage from them."""

    def __init__(self, start: torch.Tensor, hidden: int = HIDDEN):
        super().__init__()
        width = start.shape[1]
        self.means = nn.Parameter(start.double())
        self.scale = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width), nn.Sigmoid()).double()
        self.usage = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 1)).double()

    def gains(self, controls: torch.Tensor) -> torch.Tensor:
        """[n, s]: what the log-likelihood gains where a control [n, D] is assigned to a slot.

        That is the log of its density, and the log odds of the slot's usage.
        """
        scale = self.scale(self.means)
        distances = ((controls[:, None] - self.means) / scale).square().sum(dim=2)
        density = -distances / 2 - scale.log().sum(dim=1) - self.means.shape[1] / 2 * math.log(2 * math.pi)
        gains: torch.Tensor = density + self.usage(self.means)[:, 0]
        return gains

    def likelihood(self, controls: torch.Tensor, places: np.ndarray) -> torch.Tensor:
        """The log-likelihood of a client's controls [n, D] in their slots [n], a scalar."""
        unused = functional.logsigmoid(-self.usage(self.means)).sum()
        own = torch.arange(len(controls)), torch.from_numpy(places)
        return self.gains(controls)[own].sum() + unused


def assigned(gains: np.ndarray) -> np.ndarray:
    """Slot of each control [n], no two alike, for the largest total of gains [n, s]; n <= s."""
    _, places = linear_sum_assignment(gains, maximize=True)
    return np.asarray(places, np.int64)


def matched(pools: Sequence[np.ndarray], repeats: int, largest: int, rng: np.random.Generator) -> np.ndarray:
    """The merged controls, float32 [·, D].

    Where more than `largest` slots are used, those stay that most clients use, of equal ones the
    first.

    pools: the controls of each client, [n, D]. Initial weights come from torch's generator, the
    first assignment from `rng`.
    """
    slots = Slots(torch.from_numpy(np.concatenate(pools)))
    number = len(slots.means)
    controls = [torch.from_numpy(pool).double() for pool in pools]
    places = [rng.permutation(number)[: len(pool)] for pool in pools]
    adam = torch.optim.Adam(slots.parameters(), lr=RATE)
    for _ in range(repeats):
        for client, own in enumerate(controls):
            adam.zero_grad()
            (-slots.likelihood(own, places[client])).backward()
            adam.step()
            with torch.no_grad():
                places[client] = assigned(slots.gains(own).numpy())
    users = np.bincount(np.concatenate(places), minlength=number)
    most = np.argsort(-users, kind="stable")[:largest]
    kept = np.sort(most[users[most] > 0])
    return slots.means.detach().numpy()[kept].astype(np.float32)
