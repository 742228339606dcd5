"""Scores of imputed values on the entries a scenario hid, on the standardised scale.

Definitions of the CSDI evaluation (Tashiro et al. 2021, arXiv 2107.03502, and its public code). The
point imputation is the lower median of the draws; CRPS is the normalised quantile loss over 19
levels. Coverage, which that evaluation lacks, is the share of true values inside the central 50 %
and 90 % of the draws.

All scores are made of sums over entries (`TERMS`), so they can be added up over records, parts and
resamples. Those of each test record (`Errors`) are kept, for paired comparisons and pictures; never
in an export.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from bench.arrays import npz
from bench.metrics.error import ScoreError

LEVELS = np.arange(1, 20) / 20
"""Quantile levels of CRPS: 0.05, 0.10, ..., 0.95."""

TERMS = ("hidden", "absolute", "squared", "quantile", "truth", "inside50", "inside90")
"""What is summed over hidden entries: how many they are, |error|, error squared, quantile
loss, and |truth|. Then how many truths lie inside the central 50 % and 90 % of the draws, ends
included (NaN for a single draw, which has no interval).
"""

SCORES = ("mae", "rmse", "crps", "coverage50", "coverage90")
"""The scores that are made of them, in the order of the tables."""

CHUNK = 2**23
"""Values of all draws looked at in one go (64 MiB as float64)."""


def lower_median(draws: np.ndarray) -> np.ndarray:
    """The order statistic number ceil(draws / 2) of each entry: the 50th of 100; the two middle
    ones are not averaged.

    draws: float32 [draws, n, ...]; returns [n, ...]. NaN counts as larger than any number. A single
    draw is its own median (returned without a copy).
    """
    middle = (len(draws) - 1) // 2
    if len(draws) == 1:
        only: np.ndarray = draws[0]
        return only
    median = np.empty(draws.shape[1:], draws.dtype)
    for part in _records(draws.shape):
        median[part] = np.partition(draws[:, part], middle, axis=0)[middle]
    return median


def median(draws: np.ndarray) -> np.ndarray:
    """The median of each entry, of an even number of draws the middle of the two in the middle;
    what fusers are given.

    draws: float32 [draws, n, ...]; returns [n, ...]. Draws that agree, as at observed entries, come
    back bit-identical. NaN as in `lower_median`.
    """
    if len(draws) % 2:
        return lower_median(draws)
    middle = len(draws) // 2
    medians = np.empty(draws.shape[1:], draws.dtype)
    for part in _records(draws.shape):
        ordered = np.partition(draws[:, part], (middle - 1, middle), axis=0)
        medians[part] = ordered[middle - 1] + (ordered[middle] - ordered[middle - 1]) / 2
    return medians


def imputation_scores(
    truth: Mapping[str, np.ndarray], draws: Mapping[str, np.ndarray], hidden: Mapping[str, np.ndarray] | None = None
) -> dict[str, dict[str, float]]:
    """mae, rmse, crps, coverage and hidden (how many entries were scored), per modality and over
    "all" together.

    - truth: modality -> float32 [n, length, channels], the standardised grid before hiding; or [k],
      single entries.
    - draws: modality -> float32 [draws, n, length, channels], as `Imputer.impute` returns; or
      [draws, k].
    - hidden: modality -> bool, of the shape of truth: which entries to score (every one where it is
      left out).

    See `scores_of` for what is left out, `record_sums` for what is raised.
    """
    sums = {
        name: record_sums(name, known, draws[name], hidden[name] if hidden else None) for name, known in truth.items()
    }
    return scores_of({name: terms.sum(axis=0) for name, terms in sums.items()})


def scores_of(sums: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """The scores of each modality, and of "all" together, from float64 [terms] each.

    A modality without an entry to score is left out, and "all" too where there is none. CRPS is
    left out where every true value is 0, since its divisor is the sum of |truth|. Coverage is left
    out for an imputer of one draw.
    """
    sums = {name: terms for name, terms in sums.items() if terms[0] > 0}
    if sums:
        sums["all"] = np.sum(list(sums.values()), axis=0)
    by_modality = {name: {score: float(metric(score, terms)) for score in SCORES} for name, terms in sums.items()}
    return {
        name: {
            **{score: value for score, value in scores.items() if np.isfinite(value)},
            "hidden": float(sums[name][0]),
        }
        for name, scores in by_modality.items()
    }


def metric(score: str, sums: np.ndarray) -> np.ndarray:
    """One of `SCORES` from sums, float64 [..., terms] -> [...]; NaN where it does not apply."""
    hidden, absolute, squared, quantile, truth, inside50, inside90 = np.moveaxis(sums, -1, 0)
    above, below = {
        "mae": (absolute, hidden),
        "rmse": (squared, hidden),
        "crps": (quantile, truth),
        "coverage50": (inside50, hidden),
        "coverage90": (inside90, hidden),
    }[score]
    value: np.ndarray = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
    return np.sqrt(value) if score == "rmse" else value


def record_sums(name: str, truth: np.ndarray, draws: np.ndarray, hidden: np.ndarray | None = None) -> np.ndarray:
    """The sums over the hidden entries of each record: float64 [n, terms].

    truth: float32 [n, length, channels] (or [n]); draws: float32 [draws, *truth]; hidden: bool, of
           the shape of truth
    (None: every entry). name: of the modality, for messages. Raises ScoreError when shapes do not
    fit or when a scored value is not finite: never call it for an imputer tagged `leaves_nan`.
    """
    if truth.shape != draws.shape[1:] or (hidden is not None and truth.shape != hidden.shape):
        shapes = f"truth {truth.shape}, draws {draws.shape}, hidden {None if hidden is None else hidden.shape}"
        raise ScoreError(f"{name}: the shapes do not fit: {shapes}")
    sums = np.zeros((len(truth), len(TERMS)))
    for part in _records(draws.shape):
        chosen = np.ones(truth[part].shape, bool) if hidden is None else hidden[part]
        known = truth[part][chosen].astype(np.float64)
        values = np.asarray(draws[:, part][:, chosen], np.float64)
        if bad := int((~np.isfinite(values)).sum() + (~np.isfinite(known)).sum()):
            raise ScoreError(f"{name}: {bad} values at hidden entries, true or imputed, are not finite numbers")
        place = np.nonzero(chosen)[0]
        for column, term in enumerate(_of_entries(known, values)):
            sums[part, column] = np.bincount(place, term, minlength=len(chosen))
    return sums


def _of_entries(known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The terms of each entry, float64 [terms, k]; known [k], values [draws, k], both float64."""
    error = lower_median(values) - known
    single = len(values) == 1
    quantiles = values if single else np.quantile(values, LEVELS, axis=0)
    weight = np.abs((known <= quantiles) - LEVELS[:, None])
    inside = [np.full(len(known), np.nan)] * 2
    if not single:
        ends = (4, 14), (0, 18)  # the levels 0.25 and 0.75, 0.05 and 0.95
        inside = [((quantiles[low] <= known) & (known <= quantiles[high])).astype(np.float64) for low, high in ends]
    loss = (2 * np.abs(quantiles - known) * weight).sum(axis=0) / len(LEVELS)
    return np.stack([np.ones(len(known)), np.abs(error), error**2, loss, np.abs(known), *inside])


def _records(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices of the records (axis 1) of an array of that shape, each of about CHUNK values."""
    per_record = max(1, int(np.prod(shape)) // max(shape[1], 1))
    step = max(1, CHUNK // per_record)
    return (slice(start, start + step) for start in range(0, shape[1], step))


@dataclass(frozen=True)
class Errors:
    """Sums over the hidden entries of each test record; how many they are does not depend on the
    imputer.

    - ids, groups: str [n].
    - modalities: str [modalities], those in which anything was hidden.
    - sums: float64 [n, modalities, terms], terms as in `TERMS`; NaN where a term does not apply to
      the imputer.
    """

    ids: np.ndarray
    groups: np.ndarray
    modalities: np.ndarray
    sums: np.ndarray

    @property
    def all(self) -> np.ndarray:
        """The sums over all modalities, float64 [n, terms]."""
        sums: np.ndarray = self.sums.sum(axis=1)
        return sums

    def by_id(self) -> Errors:
        """The same, ordered by id."""
        order = np.argsort(self.ids, kind="stable")
        return Errors(self.ids[order], self.groups[order], self.modalities, self.sums[order])


def pack(errors: Errors) -> bytes:
    """As .npz bytes, the same for the same content."""
    buffer = io.BytesIO()
    np.savez(buffer, ids=errors.ids, groups=errors.groups, modalities=errors.modalities, sums=errors.sums)
    return buffer.getvalue()


def unpack(content: bytes) -> Errors:
    """The reverse of `pack`. Never unpickles; ValueError for content of another form."""
    with npz(io.BytesIO(content), len(content)) as arrays:
        errors = Errors(**{name: arrays[name] for name in ("ids", "groups", "modalities", "sums")})
    if errors.sums.shape != (len(errors.ids), len(errors.modalities), len(TERMS)):
        raise ValueError(f"sums of imputation errors have shape {errors.sums.shape}")
    return errors
