"""Can two methods be told apart? Paired bootstrap over groups x seeds, Holm's correction, tie groups, resolution floor.

One table is one task on one modality set under one scenario. In each resample the groups (patients) of the test part
are drawn with replacement, as many as there are, and so are the seeds; every method of the table is scored on the
same draw, so differences between methods are paired in patients and in seeds. A group's records are weighted by how
often it was drawn, which is the same as repeating them.

- Groups: the bootstrap of Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapters 6, 13 and 16. Intervals
  are percentile intervals. The two-sided p-value of a difference is 2 min(P(d* <= 0), P(d* >= 0)), each share counted
  with one added above and below the line (Davison & Hinkley, Bootstrap Methods and their Application, 1997, section
  4.2), at most 1. So methods with identical predictions have difference 0 and p = 1.
- Seeds: as a second, crossed level (Owen, The pigeonhole bootstrap, Annals of Applied Statistics 2007; Bouthillier
  et al., Accounting for variance in machine learning benchmarks, MLSys 2021). Of K seeds, K - 1 are drawn, not K:
  with so few units K draws understate the variance of a mean by (K - 1) / K, and K - 1 draws give it without bias
  (Rao & Wu, Resampling inference with complex survey data, JASA 1988). With one seed the statistics speak of
  patients alone. Two crossed levels never understate a variance, but count what patients and seeds do together up to
  three times (Owen 2007): with several seeds p-values and intervals are on the safe side.
- Splits: where a table is over several (published folds, say), each resample draws patients within the test part of each split by
  itself, never over several, and K - 1 of the K splits with replacement. Splits share training records, so their scores
  are not independent and an interval over them is too narrow rather than too wide (Nadeau & Bengio, Inference for the
  generalization error, Machine Learning 2003).
- Many comparisons: Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statistics 1979, over all
  pairs of the table. A counted p-value is never below 2 / (resamples + 1), so with m pairs at least 2 m / alpha
  resamples are needed before Holm can reject anything: `resamples_for` says how many a table draws.

A resample by which the score of a method is not defined (`bench.metrics.defined`; it lacks a class, say) is left out for every
method alike and counted. If that happens
to more than a tenth of them (as with fewer than three patients of a class), the table has no statistics. Nor has it with so few
groups that all of them pointing one way would be no evidence (`too_few`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist, median
from typing import Any

import numpy as np
from msgspec.structs import asdict, astuple, replace

from bench import seeds
from bench.cohort import Task
from bench.metrics.weighted import Evaluator, evaluator
from bench.results.coordinates import Method, Repeat, TableKey, across_sets, by_split, split_of, table_of
from bench.results.records import Comparison, Interval, Statistics, TableStatistics, TaskSummary

_CHUNK = 5_000_000
"""Weights held at once (records x resamples, float32): 20 megabytes, and rows long enough to be added quickly."""


MOST_DRAWN = 80_000_000
"""Scores of resamples held at once (methods x resamples, float64): 640 megabytes, and as much again where some are left out."""


@dataclass(frozen=True)
class Predictions:
    """What one cell predicted for the test part.

    ids:     str [n], unique record ids. groups: str [n], the patient each record belongs to.
    truth:   float32 [n], or [n, labels] for multilabel; no NaN. outputs: float32 [n, outputs], as `Fuser.predict`
    gives.
    """

    ids: np.ndarray
    groups: np.ndarray
    truth: np.ndarray
    outputs: np.ndarray

    def by_id(self) -> Predictions:
        """The same, ordered by id, so that two cells can be compared whatever order they were scored in."""
        order = np.argsort(self.ids, kind="stable")
        return Predictions(self.ids[order], self.groups[order], self.truth[order], self.outputs[order])


def compute(
    cells: Mapping[Method, Mapping[Repeat, Predictions]],
    tasks: Iterable[Task | TaskSummary],
    metrics: Sequence[str] | None = None,
    resamples: int = 1000,
    alpha: float = 0.05,
    seed: int = 0,
    modalities: Sequence[str] = (),
) -> Statistics:
    """Intervals of all methods and comparisons of all pairs, table by table; and what more modalities add.

    cells:     method -> seed of the cell, with its split where it is not the default one (`Repeat`) -> predictions; only cells
               whose status is ok.
    tasks:     the tasks by which the methods name them; the first metric of each is its primary one.
    metrics:   what to compare; None = each task's primary metric.
    resamples: at least so many; more where the pairs of a table need them (see the module).
    seed:      of the resampling (axis `bootstrap`).
    modalities: the modality sets in the order in which they grow. Of each two of them, the later is compared with the
               earlier, method by method (`Statistics.gains`), with Holm's correction over all gains of a task and
               scenario. Sets that are not named are not compared.

    A method that lacks one of the seeds of its table is not compared: a comparison on other seeds than its neighbours'
    would be another table. If the methods of a table were not scored on the same test records, none of them are.
    `Statistics.tables` says so in words.
    """
    if resamples < 1 or not 0 < alpha < 1:
        raise ValueError(f"resamples must be at least 1 and alpha within (0, 1), not {resamples} and {alpha}")
    known = {task.name: task for task in tasks}
    statistics = Statistics(resamples=resamples, alpha=alpha, seed=seed, intervals=[], comparisons=[], tables=[])
    tables: dict[TableKey, dict[Method, Mapping[Repeat, Predictions]]] = {}
    for method in sorted(cells):
        if cells[method]:
            tables.setdefault(table_of(method), {})[method] = cells[method]
    for table, rows in tables.items():
        for metric in metrics or known[table.task].metrics[:1]:
            _compute_table(statistics, table, rows, metric)
    for table, rows in _across_sets(tables, modalities).items():
        for metric in metrics or known[table.task].metrics[:1]:
            _compute_gains(statistics, table, rows, metric, modalities)
    return statistics


def resamples_for(pairs: int, least: int, alpha: float) -> int:
    """How many resamples a table of so many pairs draws: 10 pairs / alpha up to 50,000, then 4 pairs / alpha, or
    `least`; two at least, since one alone has no standard error.

    The smallest p-value after Holm's correction is then at most alpha / 5, or alpha / 2 in very large tables.
    """
    need = pairs / alpha
    return max(2, least, math.ceil(10 * need) if need <= 5_000 else max(50_000, math.ceil(4 * need)))


def _compute_table(
    statistics: Statistics, table: TableKey, rows: Mapping[Method, Mapping[Repeat, Predictions]], metric: str
) -> None:
    """Add one table's intervals and comparisons to `statistics`."""
    shared = sorted({seed for row in rows.values() for seed in row})
    methods = [method for method, row in rows.items() if sorted(row) == shared]
    about = TableStatistics(**asdict(table), metric=metric, seeds=tuple(shared))
    partial = [m.name for m in rows if m not in methods]
    reason = f"not compared, since some of their seeds are missing: {', '.join(partial)}" if partial else ""
    cells = {(method, seed): rows[method][seed].by_id() for method in methods for seed in shared}
    if refused := _differing(cells) if cells else "no method has all seeds of this table":
        statistics.tables.append(replace(about, reason=refused))
        return

    pairs = list(combinations(range(len(methods)), 2))
    resamples = resamples_for(len(pairs), statistics.resamples, statistics.alpha)
    if many := too_many(resamples, len(methods), len(pairs), statistics.alpha):
        statistics.tables.append(replace(about, resamples=resamples, reason=many))
        return
    scores, drawn, groups = _resample(cells, methods, shared, metric, resamples, (statistics.seed, *astuple(table)))
    about = replace(about, groups=groups, resamples=resamples, left_out=resamples - drawn.shape[1])
    if lacking := _lacking(about, scores, statistics.alpha):
        statistics.tables.append(replace(about, reason=lacking))
        return

    for index, method in enumerate(methods):
        low, high, error = spread(drawn[index], statistics.alpha)
        statistics.intervals.append(Interval(method, metric, low, high, error))
    statistics.comparisons.extend(paired(methods, pairs, metric, scores, drawn, statistics.alpha))
    statistics.tables.append(replace(about, reason=reason))


def too_few(groups: int, alpha: float) -> str:
    """Why so few groups allow no statistics, in words; "" where they do.

    The differences of G groups that are as likely to be positive as negative all have one sign with probability 2^(1 - G), the
    smallest two-sided p-value of a sign test. Where this is not below alpha nothing can be told apart, whatever resampling says:
    of one group every resample is the same.
    """
    least = next(count for count in range(1, 1100) if 2.0 ** (1 - count) < alpha)
    return f"not compared: {groups} test group{'s' * (groups != 1)}, at least {least} are needed" * (groups < least)


def too_many(resamples: int, methods: int, pairs: int, alpha: float) -> str:
    """Why so many resamples of so many methods are not drawn, in words; "" where they are."""
    return (
        f"not compared: {pairs:,} pairs at level {alpha:g} need {resamples:,} resamples of {methods:,} methods, and "
        f"{MOST_DRAWN:,} scores are held at most; raise stats.alpha, lower stats.resamples or compare fewer methods"
    ) * (resamples * methods > MOST_DRAWN)


def _lacking(about: TableStatistics, scores: np.ndarray, alpha: float) -> str:
    """Why there are no statistics: too few groups, or too many resamples that could not be scored; "" where there are."""
    if few := too_few(about.groups, alpha):
        return few
    if about.left_out <= about.resamples / 10 and np.isfinite(scores).all():
        return ""
    return f"{about.left_out} of {about.resamples} resamples lack a class, or what else the score needs: too few records have it"


def paired(
    methods: Sequence[Method],
    pairs: Sequence[tuple[int, int]],
    metric: str,
    scores: np.ndarray,
    drawn: np.ndarray,
    alpha: float,
) -> list[Comparison]:
    """The comparison of each pair (places in `methods`), with Holm's correction over all of them.

    scores: float64 [methods], of the test part as it is; drawn: float64 [methods, resamples].
    """
    found = []
    for a, b in pairs:
        difference = drawn[a] - drawn[b]
        below, above = int((difference <= 0).sum()), int((difference >= 0).sum())
        p = min(1.0, 2 * (min(below, above) + 1) / (len(difference) + 1))
        found.append((a, b, *spread(difference, alpha), p))
    adjusted = holm([entry[-1] for entry in found])
    return [
        Comparison(methods[a], methods[b], metric, float(scores[a] - scores[b]), low, high, error, p, p_holm)
        for (a, b, low, high, error, p), p_holm in zip(found, adjusted, strict=True)
    ]


Rows = dict[Method, Mapping[Repeat, Predictions]]


def _across_sets(tables: Mapping[TableKey, Rows], modalities: Sequence[str]) -> dict[TableKey, Rows]:
    """The rows of all tables that differ in their modality set alone, as far as the set is named."""
    merged: dict[TableKey, Rows] = {}
    for table, rows in tables.items():
        if table.modalities in modalities:
            merged.setdefault(across_sets(table), {}).update(rows)
    return merged


def _compute_gains(statistics: Statistics, table: TableKey, rows: Rows, metric: str, modalities: Sequence[str]) -> None:
    """Add what the later of each two modality sets gains over the earlier with the same imputer, fuser and seeds."""
    at = {(m.modalities, m.imputer, m.fuser): m for m in rows}
    wanted = [
        (at[later, imputer, fuser], at[earlier, imputer, fuser])
        for earlier, later in combinations(modalities, 2)
        for name, imputer, fuser in at
        if name == earlier and (later, imputer, fuser) in at
    ]
    wanted = [(a, b) for a, b in wanted if sorted(rows[a]) == sorted(rows[b])]
    if not wanted:
        return
    shared = sorted({seed for pair in wanted for seed in rows[pair[0]]})
    wanted = [pair for pair in wanted if sorted(rows[pair[0]]) == shared]
    methods = sorted({method for pair in wanted for method in pair})
    cells = {(method, seed): rows[method][seed].by_id() for method in methods for seed in shared}
    if not cells or _differing(cells):
        return
    resamples = resamples_for(len(wanted), statistics.resamples, statistics.alpha)
    if too_many(resamples, len(methods), len(wanted), statistics.alpha):
        return
    place = statistics.seed, *astuple(replace(table, modalities="gains"))
    scores, drawn, groups = _resample(cells, methods, shared, metric, resamples, place)
    if too_few(groups, statistics.alpha):
        return
    if resamples - drawn.shape[1] > resamples / 10 or not np.isfinite(scores).all():
        return
    pairs = [(methods.index(a), methods.index(b)) for a, b in wanted]
    statistics.gains.extend(paired(methods, pairs, metric, scores, drawn, statistics.alpha))


def _differing(cells: Mapping[tuple[Method, Repeat], Predictions]) -> str:
    """Which cell was not scored on the same test ids, groups and truth as the first of its split, in words; "" when all were."""
    first: dict[str, Predictions] = {}
    for (method, repeat), other in cells.items():
        same = first.setdefault(split_of(repeat), other)
        for name in ("ids", "groups", "truth"):
            if not np.array_equal(getattr(same, name), getattr(other, name)):
                return f"not compared: {method.name} at seed {repeat} was scored on other test {name}"
    return ""


def _resample(
    cells: Mapping[tuple[Method, Repeat], Predictions],
    methods: Sequence[Method],
    shared: Sequence[Repeat],
    metric: str,
    resamples: int,
    place: tuple[Any, ...],
) -> tuple[np.ndarray, np.ndarray, int]:
    """Scores as they are, float64 [methods]; of every resample by which all are defined, float64 [methods, usable]; how many
    groups, of all splits together. place: what the draws are derived from, the seed first.
    """
    parts = by_split(shared)
    of_split = [
        _of_split(cells, methods, repeats, metric, resamples, place if len(parts) == 1 else (*place, split))
        for split, repeats in parts.items()
    ]
    shares = shares_of(len(parts), resamples, place, "splits")
    scores = np.mean([scores for scores, _, _ in of_split], axis=0)
    drawn = np.sum([shares[:, k] * drawn for k, (_, drawn, _) in enumerate(of_split)], axis=0)
    usable = np.isfinite(drawn).all(axis=0)
    return scores, drawn if usable.all() else drawn[:, usable], sum(groups for _, _, groups in of_split)


def shares_of(count: int, resamples: int, place: tuple[Any, ...], what: str) -> np.ndarray:
    """How much each of `count` seeds or splits weighs in a resample that draws count - 1 of them: float64 [resamples, count]."""
    seed, *table = place
    draws = max(1, count - 1)
    picked = seeds.generator(seed, "bootstrap", what, *table).integers(0, count, (resamples, draws))
    return np.stack([(picked == k).mean(axis=1) for k in range(count)], axis=1)


def _of_split(
    cells: Mapping[tuple[Method, Repeat], Predictions],
    methods: Sequence[Method],
    repeats: Sequence[Repeat],
    metric: str,
    resamples: int,
    place: tuple[Any, ...],
) -> tuple[np.ndarray, np.ndarray, int]:
    """The same of one split, whose seeds were scored on one test part; every resample, also by which a score is not defined."""
    first = cells[methods[0], repeats[0]]
    names, group_of = np.unique(first.groups, return_inverse=True)
    evaluators: dict[bytes, Evaluator] = {}
    which: list[list[bytes]] = []
    for method in methods:
        which.append([])
        for repeat in repeats:
            outputs = np.ascontiguousarray(cells[method, repeat].outputs)
            signature = outputs.tobytes()
            if signature not in evaluators:
                evaluators[signature] = evaluator(metric, first.truth, outputs)
            which[-1].append(signature)

    ones = np.ones((len(first.ids), 1))
    plain = {signature: float(evaluate(ones)[0]) for signature, evaluate in evaluators.items()}
    scores = np.array([np.mean([plain[signature] for signature in row]) for row in which])

    seed, *table = place
    shares = shares_of(len(repeats), resamples, place, "seeds")
    drawn = np.zeros((len(methods), resamples))
    start = 0
    for weights in weights_of(group_of, len(names), resamples, seeds.generator(seed, "bootstrap", "groups", *table)):
        part = slice(start, start + weights.shape[1])
        values = {signature: evaluate(weights) for signature, evaluate in evaluators.items()}
        for index, row in enumerate(which):
            for k, signature in enumerate(row):
                drawn[index, part] += shares[part, k] * values[signature]
        start = part.stop
    return scores, drawn, len(names)


def weights_of(group_of: np.ndarray, groups: int, resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each record is drawn: float32 [n, chunk], chunk after chunk. The chunk's size changes no number."""
    chunk = int(np.clip(_CHUNK // max(len(group_of), groups), 1, resamples))
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        picked = rng.integers(0, groups, (size, groups)) + np.arange(size)[:, None] * groups
        counts = np.bincount(picked.ravel(), minlength=size * groups).reshape(size, groups)
        yield np.ascontiguousarray(counts.T.astype(np.float32)[group_of])


def spread(values: np.ndarray, alpha: float) -> tuple[float, float, float]:
    """Percentile interval and standard error of resampled values, float64 [resamples]."""
    low, high = np.quantile(values, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high), float(values.std(ddof=1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: max over smaller p of (number of p not smaller) x p, at most 1."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def tie_groups(ranked: Sequence[Method], comparisons: Iterable[Comparison], alpha: float = 0.05) -> list[int]:
    """The tie group of each method of one table, in the order given (best first), counted from 1.

    The best method leads group 1, together with every method that cannot be told apart from it (p_holm >= alpha). The
    best of the rest leads group 2, and so on. So each group is about its leader: two of its members may differ
    from each other, and a method may stand below one that is in a later group if its scores scatter more. A pair
    without a comparison counts as not told apart.
    """
    apart = {frozenset((c.a, c.b)) for c in comparisons if c.p_holm < alpha}
    groups: dict[Method, int] = {}
    for number, leader in enumerate(ranked, 1):
        if leader in groups:
            continue
        number = max(groups.values(), default=0) + 1
        for method in ranked:
            if method not in groups and frozenset((leader, method)) not in apart:
                groups[method] = number
    return [groups[method] for method in ranked]


def resolution_floor(statistics: Statistics, table: TableKey, corrected: bool = False) -> float | None:
    """The smallest true difference of the primary metric that a table would detect with 80 % power, two-sided.

    (z[1 - alpha/2] + z[0.8]) x the median standard error of the table's differences; pairs with identical predictions
    (standard error 0) say nothing and are left out. This is for one comparison fixed beforehand; `corrected` divides
    alpha by the number of pairs, which is what Holm's procedure asks of the first of them. None when nothing was
    compared.
    """
    errors = [c.standard_error for c in statistics.comparisons if table_of(c.a) == table]
    if not any(errors):
        return None
    alpha = statistics.alpha / len(errors) if corrected else statistics.alpha
    normal = NormalDist()
    return (normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(0.8)) * median(error for error in errors if error > 0)
