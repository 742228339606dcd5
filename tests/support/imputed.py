"""Scores of imputations at once, from arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.metrics.imputation import record_sums, scores_of


def imputation_scores(
    truth: Mapping[str, np.ndarray], draws: Mapping[str, np.ndarray], hidden: Mapping[str, np.ndarray] | None = None
) -> dict[str, dict[str, float]]:
    """mae, rmse, crps, coverage and hidden (how many entries were scored), per modality and over "all" together.

    truth:  modality -> float32 [n, length, channels], the standardised grid before hiding; or [k], single entries.
    draws:  modality -> float32 [draws, n, length, channels], as `Imputer.impute` returns; or [draws, k].
    hidden: modality -> bool, of the shape of truth: which entries to score (every one where it is left out).

    See `scores_of` for what is left out.
    """
    sums = {
        name: record_sums(name, known, draws[name], hidden[name] if hidden else None) for name, known in truth.items()
    }
    return scores_of({name: found.sum(axis=0) for name, found in sums.items()})
