"""Which combination of a small space to try next: Optuna, asked so that no combination comes
twice.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

from bench.errors import UsageError

Combination = tuple[int, ...]
"""Per parameter, which of its values: a place in its list."""

ATTEMPTS = 50
"""How often Optuna is asked before a combination that was never tried is drawn at random
instead.
"""


def version() -> str:
    """Optuna's version. Raises UsageError, with what to type, where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise UsageError("bench tune needs Optuna; install it with: pip install 'gapbench[tune]'") from None
    return str(optuna.__version__)


class Proposer:
    """Proposals for a space with so many values per parameter; the first combination, (0, 0, ...),
    is tried from the start.

    Random until a score is known, then Optuna's tree-structured Parzen estimator. The same seed and
    the same scores give the same proposals.
    """

    def __init__(self, sizes: Sequence[int], seed: int, higher: bool):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna = optuna
        seed %= 2**32
        self._space: dict[str, Any] = {
            str(place): optuna.distributions.CategoricalDistribution(tuple(range(size)))
            for place, size in enumerate(sizes)
        }
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=1)
        self._study = optuna.create_study(direction="maximize" if higher else "minimize", sampler=sampler)
        self._random = random.Random(seed)
        self._untried = set(itertools.product(*map(range, sizes)))
        self._untried.discard((0,) * len(sizes))

    def propose(self) -> Combination | None:
        """A combination that was never proposed; None when there is none left."""
        if not self._untried:
            return None
        combination = next((c for c in (self._ask() for _ in range(ATTEMPTS)) if c in self._untried), None)
        combination = combination or self._random.choice(sorted(self._untried))
        self._untried.remove(combination)
        return combination

    def _ask(self) -> Combination:
        trial = self._study.ask(self._space)
        self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)  # what came of it is told by `learn`
        return tuple(trial.params[name] for name in self._space)

    def learn(self, combination: Combination, score: float) -> None:
        """Take the score of a combination. One that has none is not told."""
        trial = self._optuna.trial.create_trial(
            params=dict(zip(self._space, combination, strict=True)), distributions=self._space, value=score
        )
        self._study.add_trial(trial)
