"""Scores of imputed values on the entries a scenario hid, on the standardised scale.

Definitions of the CSDI evaluation (Tashiro et al. 2021, arXiv 2107.03502, and its public code): the point imputation is
the lower median of the draws; CRPS is the normalised quantile loss over 19 levels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

LEVELS = np.arange(1, 20) / 20
"""Quantile levels of CRPS: 0.05, 0.10, ..., 0.95."""

CHUNK = 2**23
"""Values of all draws looked at in one go (64 MiB as float64)."""


def lower_median(draws: np.ndarray) -> np.ndarray:
    """The order statistic number ceil(draws / 2) of each entry: the 50th of 100; the two middle ones are not averaged.

    draws: float32 [draws, n, ...]; returns [n, ...]. NaN counts as larger than any number. A single draw is its own
    median (returned without a copy).
    """
    middle = (len(draws) - 1) // 2
    if len(draws) == 1:
        return draws[0]
    median = np.empty(draws.shape[1:], draws.dtype)
    for part in _records(draws.shape):
        median[part] = np.partition(draws[:, part], middle, axis=0)[middle]
    return median


@dataclass
class _Sums:
    count: int = 0
    absolute: float = 0.0
    squared: float = 0.0
    quantile: float = 0.0
    truth: float = 0.0

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(*(getattr(self, name) + getattr(other, name) for name in _Sums.__dataclass_fields__))

    def scores(self) -> dict[str, float]:
        scores = {"mae": self.absolute / self.count, "rmse": float(np.sqrt(self.squared / self.count))}
        if self.truth > 0:
            scores["crps"] = self.quantile / self.truth
        return {**scores, "hidden": float(self.count)}


def imputation_scores(
    truth: Mapping[str, np.ndarray], draws: Mapping[str, np.ndarray], hidden: Mapping[str, np.ndarray] | None = None
) -> dict[str, dict[str, float]]:
    """mae, rmse, crps and hidden (how many entries were scored), per modality and over "all" entries together.

    truth:  modality -> float32 [n, length, channels], the standardised grid before hiding; or [k], single entries.
    draws:  modality -> float32 [draws, n, length, channels], as `Imputer.impute` returns; or [draws, k].
    hidden: modality -> bool, of the shape of truth: which entries to score (every one where it is left out).

    Modalities are those of `truth`; one without an entry to score is left out, and "all" too where there is none. crps
    is left out where every true value is 0, since its divisor is the sum of |truth|. Raises ValueError when shapes do
    not fit or when a scored value is not finite: never call it for an imputer tagged `leaves_nan`.
    """
    sums = {name: _sums(name, known, draws[name], hidden[name] if hidden else None) for name, known in truth.items()}
    sums = {name: found for name, found in sums.items() if found.count}
    if sums:
        sums["all"] = sum(sums.values(), _Sums())
    return {name: found.scores() for name, found in sums.items()}


def _sums(name: str, truth: np.ndarray, draws: np.ndarray, hidden: np.ndarray | None) -> _Sums:
    if truth.shape != draws.shape[1:] or (hidden is not None and truth.shape != hidden.shape):
        shapes = f"truth {truth.shape}, draws {draws.shape}, hidden {None if hidden is None else hidden.shape}"
        raise ValueError(f"{name}: the shapes do not fit: {shapes}")
    total = _Sums()
    for part in _records(draws.shape):
        chosen = np.ones(truth[part].shape, bool) if hidden is None else hidden[part]
        known = truth[part][chosen].astype(np.float64)
        values = np.asarray(draws[:, part][:, chosen], np.float64)
        if bad := int((~np.isfinite(values)).sum() + (~np.isfinite(known)).sum()):
            raise ValueError(f"{name}: {bad} values at hidden entries, true or imputed, are not finite numbers")
        total += _of_entries(known, values)
    return total


def _of_entries(known: np.ndarray, values: np.ndarray) -> _Sums:
    """Sums over entries; known [k], values [draws, k], both float64."""
    error = lower_median(values) - known
    quantiles = values if len(values) == 1 else np.quantile(values, LEVELS, axis=0)
    weight = np.abs((known <= quantiles) - LEVELS[:, None])
    return _Sums(
        count=len(known),
        absolute=float(np.abs(error).sum()),
        squared=float((error**2).sum()),
        quantile=float((2 * np.abs(quantiles - known) * weight).sum() / len(LEVELS)),
        truth=float(np.abs(known).sum()),
    )


def _records(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices of the records (axis 1) of an array of that shape, each of about CHUNK values."""
    per_record = max(1, int(np.prod(shape)) // max(shape[1], 1))
    step = max(1, CHUNK // per_record)
    return (slice(start, start + step) for start in range(0, shape[1], step))
