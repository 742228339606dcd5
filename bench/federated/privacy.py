"""Differential privacy of clients: what a round tells of any one client is bounded (McMahan et al.
2018, algorithm 1).

The change of each client, over all arrays together, is cut to a norm of `clip`. The server takes
the plain mean of the changes, since counts would tell of clients, and adds Gaussian noise. The
federation then sees this mean alone, as the answer of a single client.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from bench.errors import UsageError
from bench.federated.settings import Privacy
from bench.learner import Arrays, Reply

COVERED = ("shared", "mod", "pair")
"""Groups whose arrays get noise."""

SERVER = -1
"""Who answers in place of all clients."""


def uncovered(groups: Mapping[str, str]) -> tuple[str, ...]:
    """The kinds of arrays that are sent and would tell of clients without noise, sorted. groups:
    array -> its group.
    """
    kinds = {group.partition("/")[0] for group in groups.values()}
    return tuple(sorted(kinds - {*COVERED, "local"}))


def check(groups: Mapping[str, str]) -> None:
    """Raise UsageError for what would tell of clients without noise."""
    if bare := uncovered(groups):
        raise UsageError(
            f"privacy.clip is given, and the method sends arrays of the group {', '.join(bare)}, which noise does not cover; "
            "give another method, or none of privacy"
        )


def private(
    before: Arrays, replies: Mapping[int, Reply], privacy: Privacy, rng: np.random.Generator
) -> dict[int, Reply]:
    """The noisy mean of the answers, as that of a single client.

    before: what clients received. rng: of this round alone.
    """
    assert privacy.clip is not None
    changes = {client: _change(before, reply.arrays) for client, reply in sorted(replies.items())}
    cuts = {client: min(1.0, privacy.clip / size) if (size := _norm(each)) else 1.0 for client, each in changes.items()}
    arrays = {}
    for name in before:
        parts = [cuts[client] * each[name] for client, each in changes.items() if name in each]
        if not parts:
            continue
        deviation = privacy.noise * privacy.clip / len(parts)
        mean = np.sum(parts, axis=0) / len(parts) + rng.normal(0.0, deviation, before[name].shape)
        arrays[name] = np.asarray(before[name] + mean, before[name].dtype)
    sums = {name: np.sum([reply.sums[name] for reply in replies.values()], axis=0) for name in ("loss", "count")}
    return {SERVER: Reply(arrays, dict.fromkeys(arrays, 1), dict.fromkeys(arrays, 1), sums, {})}


def epsilon(privacy: Privacy, rounds: int) -> float:
    """The epsilon of all rounds, at `privacy.delta`, for any one client that is exchanged for
    another with the same modalities.

    One client moves the mean of m by up to 2 clip / m, and the noise has the deviation noise clip /
    m. Rounds of Gaussian noise together are one Gaussian mechanism, whose epsilon is exact (Balle
    and Wang 2018, theorem 5; Dong, Roth and Su 2022, corollary 2). That a round may leave a client
    out is not counted in its favour, so this is an upper bound.
    """
    mu = 2 * math.sqrt(rounds) / privacy.noise
    most = mu * (mu / 2 + math.sqrt(-2 * math.log(privacy.delta)))  # the bound of a Gaussian tail
    if delta_of(mu, 0.0) <= privacy.delta:
        return 0.0
    return float(brentq(lambda each: delta_of(mu, each) - privacy.delta, 0.0, most))


def delta_of(mu: float, epsilon: float) -> float:
    """The delta of a Gaussian mechanism at an epsilon. mu: its sensitivity over its deviation."""
    upper, lower = norm.logcdf(mu / 2 - epsilon / mu), norm.logcdf(-mu / 2 - epsilon / mu)
    return float(np.exp(upper) - np.exp(epsilon + lower))


def _change(before: Arrays, arrays: Arrays) -> dict[str, np.ndarray]:
    return {name: np.asarray(array, np.float64) - before[name] for name, array in arrays.items()}


def _norm(change: Mapping[str, np.ndarray]) -> float:
    return float(np.sqrt(sum(np.square(each).sum() for each in change.values())))
