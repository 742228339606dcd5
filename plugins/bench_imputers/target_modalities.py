"""Which modalities a learnt imputer completes itself, and who completes the others.

A model of one series cannot sensibly learn a modality of hundreds of channels (codes, embeddings),
so by default it takes those of at most `widest` channels. The others are carried forward (`locf`),
else get the training mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.cohort import Cohort
from bench.components import Context
from bench.errors import UsageError, unknown
from bench.registry import NoParams
from bench_imputers.naive.temporal import Locf
from bench_imputers.targets import target_names

WIDEST = 48
"""The default of `widest`."""


def chosen(
    widths: Mapping[str, int], targets: Sequence[str], widest: int, imputer: str = "the imputer"
) -> tuple[str, ...]:
    """The modalities the imputer completes itself, in the order of `widths`: modality -> its number
    of channels.

    targets: names of modalities; empty: all of at most `widest` channels. imputer: its name, for
    messages. Raises UsageError for a name the cohort has not, and where nothing is left to
    complete.
    """
    for name in targets:
        if name not in widths:
            raise unknown("modality", name, widths, f"targets of imputer {imputer}")
    names = target_names(widths, targets, widest)
    if not names:
        width_texts = ", ".join(f"{name} {width}" for name, width in widths.items())
        raise UsageError(
            f"imputer {imputer} completes modalities of at most widest={widest} channels, and there is none ({width_texts}); "
            f"give targets={next(iter(widths))}, raise widest, or take another imputer, such as locf"
        )
    return names


class Rest:
    """Completes the modalities that the imputer does not: the last value carried forward, else the
    training mean.

    State: modality -> float32 [channels], the training means.
    """

    def __init__(self) -> None:
        self._locf = Locf(NoParams())

    def fit(self, train: Cohort, targets: Sequence[str], context: Context) -> None:
        """Learn the means of the modalities of `train` that are not in `targets`."""
        rest = _without(train, targets)
        self._locf.fit(rest, rest, context)

    def impute(self, cohort: Cohort, targets: Sequence[str], draws: int, context: Context) -> dict[str, np.ndarray]:
        """modality -> float32 [draws, n, length, channels] of those not in `targets`; all draws
        are alike.
        """
        rest = _without(cohort, targets)
        if not rest.modalities:
            return {}
        completed = self._locf.impute(rest, 1, context)
        return {name: np.repeat(values, draws, axis=0) for name, values in completed.items()}

    def state_dict(self) -> dict[str, np.ndarray]:
        return self._locf.state_dict()

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        self._locf.load_state_dict(state)


def _without(cohort: Cohort, targets: Sequence[str]) -> Cohort:
    return cohort.with_modalities({name: s for name, s in cohort.modalities.items() if name not in targets})
