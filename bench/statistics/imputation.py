"""Can two imputers be distinguished on hidden entries? Paired bootstrap over groups x seeds, as in
`bench.statistics.paired`.

Masks are the same for every imputer, so errors are paired entry by entry; what is resampled are
groups (patients), with all hidden entries of their records. A score of a resample is made of the
sums of its records (`record_sums`): the ratio of sums, not a mean of per-record means, as the score
itself is. One table is one modality set under one scenario: an imputation serves all tasks and
fusers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from msgspec.structs import asdict, astuple, replace

from bench import seeds
from bench.metrics.imputation import Errors, metric
from bench.results.coordinates import Method, Repeat, TableKey, by_split, table_of
from bench.results.records import Correction, ImputationStatistics, TableStatistics
from bench.statistics import differences
from bench.statistics.corrections import resamples_for
from bench.statistics.resampling import Resampled, Split, joined, resample, too_few, too_many

METRICS = ("mae", "rmse", "crps")
"""Scores with an interval; the first is the one that imputers are compared by."""

Cells = Mapping[Method, Mapping[Repeat, Errors]]
"""Imputer (a method without task and fuser) -> seed -> errors."""


def compare(
    cells: Cells, resamples: int, alpha: float, seed: int, correction: Correction = "maxt"
) -> ImputationStatistics:
    """Intervals of all imputers and comparisons of all pairs, by modality set and scenario. See
    the module.
    """
    statistics = ImputationStatistics(intervals=[], comparisons=[], tables=[])
    tables: dict[TableKey, dict[Method, Mapping[Repeat, Errors]]] = {}
    for method in sorted(cells):
        tables.setdefault(table_of(method), {})[method] = cells[method]
    for key, rows in tables.items():
        _table(statistics, key, rows, resamples, alpha, seed, correction)
    return statistics


def _table(
    statistics: ImputationStatistics,
    key: TableKey,
    rows: Mapping[Method, Mapping[Repeat, Errors]],
    least: int,
    alpha: float,
    seed: int,
    correction: Correction,
) -> None:
    shared = sorted({seed for row in rows.values() for seed in row})
    methods = [method for method, row in rows.items() if sorted(row) == shared]
    partial = [method.imputer for method in rows if method not in methods]
    reason = f"not compared, since some of their seeds are missing: {', '.join(partial)}" if partial else ""
    about = TableStatistics(**asdict(key), metric=METRICS[0], seeds=tuple(shared))
    if not methods:
        statistics.tables.append(replace(about, reason="no imputer has all seeds of this table"))
        return
    errors_by_split = {
        split: {method: [rows[method][each].by_id() for each in repeats] for method in methods}
        for split, repeats in by_split(shared).items()
    }
    if differing := next(filter(None, map(_differing, errors_by_split.values())), ""):
        statistics.tables.append(replace(about, reason=differing))
        return
    pairs = list(combinations(range(len(methods)), 2))
    resamples = resamples_for(len(pairs), least, alpha, correction)
    if many := too_many(len(METRICS) * resamples, len(methods), len(pairs), alpha):
        statistics.tables.append(replace(about, resamples=resamples, reason=many))
        return
    place = seed, *astuple(replace(key, task="imputation"))
    by_metric = _resample({split: list(each.values()) for split, each in errors_by_split.items()}, resamples, place)
    first = by_metric[METRICS[0]]
    about = replace(about, groups=first.groups, resamples=resamples, left_out=first.left_out)
    if few := too_few(first.groups, alpha):
        statistics.tables.append(replace(about, reason=few))
        return
    if about.left_out > resamples / 10:
        left = f"{about.left_out} of {resamples} resamples hold no hidden entry: too few patients have one"
        statistics.tables.append(replace(about, reason=left))
        return
    for name, resampled in by_metric.items():
        if np.isfinite(resampled.scores).all() and resampled.left_out == first.left_out:
            statistics.intervals.extend(differences.intervals(methods, name, resampled, alpha))
    comparisons, critical = differences.compare(methods, pairs, METRICS[0], first, alpha, correction, place)
    statistics.comparisons.extend(comparisons)
    statistics.tables.append(replace(about, reason=reason, critical=critical))


def _differing(errors_by_method: Mapping[Method, Sequence[Errors]]) -> str:
    """Which imputer was not scored on the same records and entries as the first one, in words;
    "" when all were.
    """
    (_, first), *others = errors_by_method.items()
    if any(not np.array_equal(first[0].ids, each.ids) for each in first):
        return f"not compared: the seeds of {next(iter(errors_by_method)).imputer} were scored on other test records"
    for method, errors in others:
        for one, two in zip(first, errors, strict=True):
            if not np.array_equal(one.ids, two.ids) or not np.array_equal(one.all[:, 0], two.all[:, 0]):
                return f"not compared: {method.imputer} was scored on other hidden entries"
    return ""


def _resample(
    errors: Mapping[str, Sequence[Sequence[Errors]]], resamples: int, place: tuple[Any, ...]
) -> dict[str, Resampled]:
    """By metric, all imputers on all splits. errors: by split, imputer and seed, records of a
    split in the same order.
    """
    of_split = [
        _of_split(each, resamples, place if len(errors) == 1 else (*place, split)) for split, each in errors.items()
    ]
    return {name: joined([each[name] for each in of_split]) for name in METRICS}


def _of_split(errors: Sequence[Sequence[Errors]], resamples: int, place: tuple[Any, ...]) -> dict[str, Split]:
    """The same of one split."""
    first = errors[0][0]
    names, group_of = np.unique(first.groups, return_inverse=True)
    imputers = len(errors)
    # float64 [imputers, seeds, terms, groups]: a resample weighs whole groups, so their sums are
    # all it needs.
    sums = np.nan_to_num(
        [[[np.bincount(group_of, term, minlength=len(names)) for term in each.all.T] for each in row] for row in errors]
    )

    def evaluate(weights: np.ndarray) -> np.ndarray:
        resampled = np.moveaxis(sums @ weights.astype(np.float64), 2, -1)
        return np.concatenate([metric(name, resampled) for name in METRICS])

    scores = evaluate(np.ones((len(names), 1), np.float32))[:, :, 0]
    seed, *table = place
    rng = seeds.generator(seed, "bootstrap", "groups", *table)
    drawn = resample(scores, evaluate, np.arange(len(names)), len(names), resamples, rng)
    parts = {name: slice(k * imputers, (k + 1) * imputers) for k, name in enumerate(METRICS)}
    return {
        name: Split(drawn.scores[part], drawn.drawn[part], drawn.under[part], drawn.groups)
        for name, part in parts.items()
    }
