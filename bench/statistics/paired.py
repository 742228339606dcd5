"""Can two methods be distinguished? Paired bootstrap of a table's methods, on one shared set of
resamples.

One table is one task on one modality set under one scenario. In each resample the groups (patients)
of the test part are drawn with replacement, as many as there are. Every method of the table is
scored on the same draw, under each of its seeds, so differences between methods are paired in
patients and in seeds. A group's records are weighted by how often it was drawn, which is the same
as repeating them.

- Resamples: `bench.statistics.resampling`. The bootstrap of Efron & Tibshirani, An Introduction to
  the Bootstrap (1993), chapters 6, 13 and 16. The p-values count one more above and below the line
  (Davison & Hinkley, Bootstrap Methods and their Application, 1997, section 4.2).
- Variance of a difference over patients, seeds and splits, its interval and its p-value:
  `bench.statistics.differences`. With one seed the statistics speak of patients alone, not of
  training again (Bouthillier et al., Accounting for variance in machine learning benchmarks, MLSys
  2021).
- Many comparisons: `bench.statistics.corrections`; max-T over all pairs of a table, or Holm's
  procedure (`correction`).
- Tie groups and the resolution floor: `bench.statistics.ties`.

A resample by which the score of a method is not defined (`bench.metrics.defined`; it lacks a class,
say) is left out for every method alike and counted. If that happens to more than a tenth of them
(as with fewer than three patients of a class), the table has no statistics. Nor has it with so few
groups that all of them pointing one way would be no evidence (`too_few`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from msgspec.structs import asdict, astuple, replace

from bench import seeds
from bench.cohort import Task
from bench.errors import PluginError
from bench.metric import Evaluator
from bench.metrics.known import metric as metric_of
from bench.metrics.scoring import evaluator
from bench.results.coordinates import Method, Repeat, TableKey, across_sets, by_split, split_of, table_of
from bench.results.predictions import Predictions
from bench.results.records import Comparison, Correction, Statistics, TableStatistics, TaskSummary
from bench.statistics import differences
from bench.statistics.corrections import resamples_for
from bench.statistics.resampling import Resampled, Split, joined, resample, too_few, too_many


def compute(
    cells: Mapping[Method, Mapping[Repeat, Predictions]],
    tasks: Iterable[Task | TaskSummary],
    metrics: Sequence[str] | None = None,
    resamples: int = 2000,
    alpha: float = 0.05,
    seed: int = 0,
    modalities: Sequence[str] = (),
    correction: Correction = "maxt",
) -> Statistics:
    """Intervals of all methods and comparisons of all pairs, table by table; and what more
    modalities add.

    - cells: method -> seed of the cell, with its split where it is not the default one (`Repeat`)
      -> predictions; only cells whose status is ok.
    - tasks: the tasks by which the methods name them; the first metric of each is its primary one.
    - metrics: what to compare; None = each task's primary metric, and those by which it is compared
      too (`TaskSummary.compared`).
    - resamples: of each table; more where alpha, or with Holm's procedure the pairs of a table,
      need them (`resamples_for`).
    - seed: of the resampling (axis `bootstrap`).
    - modalities: the modality sets in the order in which they grow. Of each two of them, the later
      is compared with the earlier, method by method (`Statistics.gains`), adjusted over all gains
      of a task and scenario. Sets that are not named are not compared.
    - correction: `maxt` or `holm`: how p-values are adjusted for the number of comparisons.

    A method that lacks one of the seeds of its table is not compared: a comparison on other seeds
    than its neighbours' would be another table. If the methods of a table were not scored on the
    same test records, none of them are. `Statistics.tables` says so in words.
    """
    if resamples < 1 or not 0 < alpha < 1:
        raise ValueError(f"resamples must be at least 1 and alpha within (0, 1), not {resamples} and {alpha}")
    known = {task.name: task for task in tasks}
    statistics = Statistics(
        resamples=resamples, alpha=alpha, seed=seed, correction=correction, intervals=[], comparisons=[], tables=[]
    )
    tables: dict[TableKey, dict[Method, Mapping[Repeat, Predictions]]] = {}
    for method in sorted(cells):
        if cells[method]:
            tables.setdefault(table_of(method), {})[method] = cells[method]
    for table, rows in tables.items():
        for metric in metrics or _compared(known[table.task]):
            _compute_table(statistics, table, rows, metric)
    for table, rows in _across_sets(tables, modalities).items():
        for metric in metrics or known[table.task].metrics[:1]:
            _compute_gains(statistics, table, rows, metric, modalities)
    return statistics


def between(
    before: Mapping[Method, Mapping[Repeat, Predictions]],
    after: Mapping[Method, Mapping[Repeat, Predictions]],
    tasks: Iterable[Task | TaskSummary],
    settings: Statistics,
) -> dict[Method, Comparison]:
    """Each method of one run (a) against itself in another (b), by the primary metric of its task.
    Adjusted over the methods of a table.

    A method is compared where both runs have the same seeds of it, on the same test records.
    settings: resamples, alpha, seed and correction.
    """
    known = {task.name: task for task in tasks}
    groups: dict[tuple[TableKey, tuple[Repeat, ...]], list[Method]] = {}
    for method in sorted(before.keys() & after.keys()):
        if (repeats := sorted(before[method])) == sorted(after[method]) and repeats:
            groups.setdefault((table_of(method), tuple(repeats)), []).append(method)
    compared: dict[Method, Comparison] = {}
    alpha, correction = settings.alpha, settings.correction
    for (table, shared), methods in groups.items():
        names = {(m, run): replace(m, imputer=f"{m.imputer} ({run})") for m in methods for run in ("before", "after")}
        runs = {"before": before, "after": after}
        cells = {(name, each): runs[run][m][each].by_id() for (m, run), name in names.items() for each in shared}
        resamples = resamples_for(len(methods), settings.resamples, alpha, correction)
        if _differing(cells) or too_many(resamples, len(names), len(methods), alpha):
            continue
        metric = known[table.task].metrics[0]
        place = settings.seed, *astuple(table), "runs"
        rows = list(names.values())
        resampled = _resample(cells, rows, shared, metric, resamples, place)
        if _lacking(resampled, resamples, alpha):
            continue
        pairs = [(rows.index(names[m, "before"]), rows.index(names[m, "after"])) for m in methods]
        rows_compared, _ = differences.compare(rows, pairs, metric, resampled, alpha, correction, place)
        compared |= {m: replace(each, a=m, b=m) for m, each in zip(methods, rows_compared, strict=True)}
    return compared


def _compared(task: Task | TaskSummary) -> tuple[str, ...]:
    """The metrics by which methods are compared: the primary one, and those that were asked for."""
    return task.metrics[:1] if isinstance(task, Task) else (task.metrics[0], *task.compared)


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
    alpha, correction = statistics.alpha, statistics.correction
    resamples = resamples_for(len(pairs), statistics.resamples, alpha, correction)
    if many := too_many(resamples, len(methods), len(pairs), alpha):
        statistics.tables.append(replace(about, resamples=resamples, reason=many))
        return
    place = (statistics.seed, *astuple(table))
    try:
        resampled = _resample(cells, methods, shared, metric, resamples, place)
    except PluginError as failed:  # of a metric asked for: its words may tell of records
        statistics.tables.append(replace(about, resamples=resamples, reason=f"not compared: {failed.public}"))
        return
    about = replace(about, groups=resampled.groups, resamples=resamples, left_out=resampled.left_out)
    if lacking := _lacking(resampled, resamples, alpha):
        statistics.tables.append(replace(about, reason=lacking))
        return

    statistics.intervals.extend(differences.intervals(methods, metric, resampled, alpha))
    comparisons, critical = differences.compare(methods, pairs, metric, resampled, alpha, correction, place)
    statistics.comparisons.extend(comparisons)
    statistics.tables.append(replace(about, reason=reason, critical=critical))


def _lacking(resampled: Resampled, resamples: int, alpha: float) -> str:
    """Why there are no statistics: too few groups, or too many resamples that could not be
    scored; "" where there are.
    """
    if few := too_few(resampled.groups, alpha):
        return few
    if resampled.left_out <= resamples / 10 and np.isfinite(resampled.scores).all():
        return ""
    return f"{resampled.left_out} of {resamples} resamples lack a class, or what else the score needs: too few records have it"


Rows = dict[Method, Mapping[Repeat, Predictions]]


def _across_sets(tables: Mapping[TableKey, Rows], modalities: Sequence[str]) -> dict[TableKey, Rows]:
    """The rows of all tables that differ in their modality set alone, as far as the set is
    named.
    """
    merged: dict[TableKey, Rows] = {}
    for table, rows in tables.items():
        if table.modalities in modalities:
            merged.setdefault(across_sets(table), {}).update(rows)
    return merged


def _compute_gains(statistics: Statistics, table: TableKey, rows: Rows, metric: str, modalities: Sequence[str]) -> None:
    """Add what the later of each two modality sets gains over the earlier with the same imputer,
    fuser and seeds.
    """
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
    alpha, correction = statistics.alpha, statistics.correction
    resamples = resamples_for(len(wanted), statistics.resamples, alpha, correction)
    if too_many(resamples, len(methods), len(wanted), alpha):
        return
    place = statistics.seed, *astuple(replace(table, modalities="gains"))
    resampled = _resample(cells, methods, shared, metric, resamples, place)
    if _lacking(resampled, resamples, alpha):
        return
    pairs = [(methods.index(a), methods.index(b)) for a, b in wanted]
    gains, _ = differences.compare(methods, pairs, metric, resampled, alpha, correction, place)
    statistics.gains.extend(gains)


def _differing(cells: Mapping[tuple[Method, Repeat], Predictions]) -> str:
    """Which cell was not scored on the same test ids, groups and truth as the first of its
    split, in words; "" when all were.
    """
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
) -> Resampled:
    """All methods on all splits. place: what the draws are derived from, the seed first."""
    parts = by_split(shared)
    return joined(
        [
            _of_split(cells, methods, repeats, metric, resamples, place if len(parts) == 1 else (*place, split))
            for split, repeats in parts.items()
        ]
    )


def _of_split(
    cells: Mapping[tuple[Method, Repeat], Predictions],
    methods: Sequence[Method],
    repeats: Sequence[Repeat],
    metric: str,
    resamples: int,
    place: tuple[Any, ...],
) -> Split:
    """The methods on one split, whose seeds were scored on one test part. Cells with the same
    predictions are scored once.
    """
    first = cells[methods[0], repeats[0]]
    names, group_of = np.unique(first.groups, return_inverse=True)
    evaluators: dict[bytes, Evaluator] = {}
    which: list[list[bytes]] = []
    for method in methods:
        which.append([])
        for repeat in repeats:
            cell = cells[method, repeat]
            metric_inputs = cell.needed_by(metric_of(metric))
            tuned = b"".join(np.ascontiguousarray(part).tobytes() for part in metric_inputs.get("validation", ()))
            outputs = np.ascontiguousarray(cell.outputs)
            signature = outputs.tobytes() + tuned
            if signature not in evaluators:
                evaluators[signature] = evaluator(metric, first.truth, outputs, **metric_inputs)
            which[-1].append(signature)
    numbers = {signature: number for number, signature in enumerate(evaluators)}
    index = np.array([[numbers[signature] for signature in row] for row in which])

    def evaluate(weights: np.ndarray) -> np.ndarray:
        scores: np.ndarray = np.stack([one(weights) for one in evaluators.values()])[index]
        return scores

    scores = evaluate(np.ones((len(first.ids), 1)))[:, :, 0]
    seed, *table = place
    rng = seeds.generator(seed, "bootstrap", "groups", *table)
    return resample(scores, evaluate, group_of, len(names), resamples, rng)
