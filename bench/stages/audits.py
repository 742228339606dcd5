"""Audits made inside every cell: promises are tested on the very model whose score enters the
table.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np

from bench.cohort import Cohort, Series, Task
from bench.components import Context, Fuser
from bench.errors import PluginError
from bench.metrics.defined import needs
from bench.results.records import Audit
from bench.stages.contract import TOLERANCE, apart, broken_array
from bench.stages.twin import Twin, sample

PROBE = 64
"""Test records whose imputed values are shifted: those with most of them."""

SHIFT = 5.0
"""How far, in standard deviations of the channel."""

REACHED = 0.9
"""The share of probed records whose prediction must move. Not all: a tree ensemble may put both
values in one leaf.
"""

CHANCE = 0.01
"""A share below REACHED passes where fewer than PROBE records could be probed and chance
explains it at least so often.
"""

ALONE, COMPANY = 8, 256
"""Test records that are predicted again alone, and in one call in other company, at most (of few
records half).
"""

FALSE_ALARM = 1e-4
"""How often an honest pipeline may fail the audit of permuted labels."""


def scored_once(ids: np.ndarray, planned: np.ndarray, outputs: np.ndarray) -> Audit:
    """Each test id of the task is scored exactly once. Raises PluginError, so that the cell
    fails, when it is not.
    """
    if len(outputs) != len(ids) or len(np.unique(ids)) != len(ids) or set(ids.tolist()) != set(planned.tolist()):
        raise PluginError(
            f"{len(planned)} test records are planned, {len(np.unique(ids))} ids and {len(outputs)} predictions came"
        )
    return Audit(True, f"{len(ids)} test records")


def imputed_reaches(fuser: Fuser[Any], test: Cohort, imputer_tags: Collection[str], context: Context) -> Audit:
    """Shifting a record's imputed values by 5 SD, up or down, changes its prediction: for 90 % of
    the probed records.

    Probed are the records with most imputed values, since a single one may move no split of a tree,
    or be forgotten by the end of a long series. Of fewer than PROBE records, fewer may move, as
    long as chance explains it (a probability of 1 % or more at a rate of 90 %). A fuser that says
    it reads none (`Fuser.reads_imputed`) fails where any prediction moves. Of one that says it
    reads a part of them nothing is asked, and the share is told.
    """
    if {"leaves_nan", "hides_values"} & set(imputer_tags):
        return Audit(None, "nothing is imputed")
    imputed = np.zeros(len(test), np.int64)
    for series in test.modalities.values():
        imputed += series.imputed.sum(axis=(1, 2))
    fullest = np.argsort(-imputed, kind="stable")[:PROBE]
    index = np.sort(fullest[imputed[fullest] > 0])
    if not len(index):
        return Audit(None, "no test record has an imputed value")
    probe = test.take(index)
    before = fuser.predict(probe, context)
    moved = np.zeros(len(index), bool)
    for shift in (SHIFT, -SHIFT):
        other = probe.with_modalities({name: shifted(series, shift) for name, series in probe.modalities.items()})
        moved |= (fuser.predict(other, context) != before).any(axis=1)
    share = float(moved.mean())
    if fuser.reads_imputed is None:
        return Audit(
            None,
            f"reads a part of what is imputed, as its parameters ask; {share:.0%} of {len(index)} predictions moved",
        )
    if not fuser.reads_imputed:
        detail = "reads observed values alone, as its parameters ask"
        yet = f", yet {share:.0%} of {len(index)} predictions moved" if share else ""
        return Audit(False if share else None, detail + yet)
    passed = share >= REACHED or (len(index) < PROBE and _at_most(int(moved.sum()), len(index)) >= CHANCE)
    return Audit(passed, f"{share:.0%} of {len(index)} predictions moved")


def _at_most(moved: int, probed: int) -> float:
    """The chance that at most so many of the probed move, each with probability REACHED."""
    return math.fsum(math.comb(probed, k) * REACHED**k * (1 - REACHED) ** (probed - k) for k in range(moved + 1))


def shifted(series: Series, shift: float) -> Series:
    """The series with every imputed value, and every draw of it, moved."""
    imputed, by = series.imputed, np.float32(shift)
    draws = None if series.draws is None else np.where(imputed, series.draws + by, series.draws)
    return replace(series, grid=np.where(imputed, series.grid + by, series.grid), draws=draws)


def absent_ignored(fuser: Fuser[Any], test: Cohort, context: Context) -> Audit:
    """What the grid holds of a modality that is neither available nor filled has no effect, up to
    rounding.

    Of test records that lack one, those entries (and their draws) are set to SHIFT: of each
    modality the first records that lack it, up to its share of PROBE.
    """
    share = math.ceil(PROBE / len(test.modalities))
    lacking = [np.flatnonzero(~series.present)[:share] for series in test.modalities.values()]
    index = np.unique(np.concatenate(lacking))
    if not len(index):
        return Audit(None, "no test record has an absent modality")
    probe = test.take(index)
    difference = np.abs(fuser.predict(overwritten(probe), context) - fuser.predict(probe, context))
    worst = float(difference.max())
    return Audit(worst <= TOLERANCE[context.precision], f"largest difference {worst:.1e} over {len(index)} records")


def overwritten(cohort: Cohort) -> Cohort:
    """The cohort with other content (SHIFT) in the grid and the draws of absent modalities."""

    def write(series: Series) -> Series:
        absent = ~series.present[:, None, None]
        draws = None if series.draws is None else np.where(absent, np.float32(SHIFT), series.draws)
        return replace(series, grid=np.where(absent, np.float32(SHIFT), series.grid), draws=draws)

    return cohort.with_modalities({name: write(series) for name, series in cohort.modalities.items()})


def batch_independent(
    twin: Twin,
    test: Cohort,
    outputs: np.ndarray,
    context: Context,
    *,
    key: str = "",
    seconds: float = 0.0,
    limit: float = math.inf,
) -> Audit:
    """Alone, in other company and another order, and after other calls, a record gets what it got
    among all test records.

    Up to rounding; of records drawn by the key.

    - twin: of the fuser, made before the stage's first call.
    - outputs: of all test records, in so many seconds.
    - limit: seconds these calls may take. Two are always made, one record alone and some in
      company. Others follow (the next ones in company, then more alone) while one more like the
      last fits.
    """
    twin.seconds = seconds
    most = max(2, min(COMPANY, math.ceil(len(test) / 2)))
    fits = max(2, int(min(most, limit / 2 * len(test) / max(seconds, 1e-9))))
    order = sample(test, max(2 * most, ALONE), "fuser", key)
    first, rest = order[:1], order[1:]
    one, two = np.concatenate([rest[: fits - 1][::-1], first]), rest[fits - 1 : 2 * fits - 1][::-1]
    calls = [first, one, *([two] if len(two) > 1 else []), *rest[: ALONE - 1, None]]
    spent = each = 0.0
    for number, index in enumerate(calls):
        if number > 1 and spent + each > limit:
            break
        began = time.perf_counter()
        part = test.take(index)
        again, problem = twin.ask(part)
        each = time.perf_counter() - began
        spent += each
        how = "alone" if len(index) == 1 else "in other company and order"
        if problem := problem or broken_array(
            again, "the output of predict", (len(index), outputs.shape[1]), "n, outputs"
        ):
            return Audit(False, f"{how}, {problem}")
        if by := apart(again, outputs[index], TOLERANCE[context.precision]):
            return Audit(False, f"{how}, predictions differ by up to {by:.1g}")
    return Audit(True, "records predicted again, alone and in other company and order, got the same predictions")


def at_chance(task: Task, truth: np.ndarray, outputs: np.ndarray) -> Audit:
    """With labels permuted within each part before anything was fitted, the test score is chance.

    Test labels are then independent of everything the fuser saw. So the AUROC has mean 1/2 and the
    standard error of the Mann-Whitney statistic, and Spearman's correlation that of independence. A
    leak of test targets is the only way to exceed the bound. The rate of false alarms is
    `FALSE_ALARM`, shared by Bonferroni among several labels, classes or values.
    """
    tests = 1
    if task.kind == "regression":
        from scipy.stats import spearmanr

        columns = truth.reshape(len(truth), -1)
        correlations = [
            0.0  # a constant prediction knows nothing
            if needs("constant", actual, 1, predicted).lacking()
            else float(spearmanr(actual, predicted).statistic)
            for actual, predicted in zip(columns.T, outputs.T, strict=True)
        ]
        name, value, tests = "Spearman", max(correlations, key=abs), columns.shape[1]
        worst = abs(value) * np.sqrt(len(truth) - 1)
    else:
        from sklearn.metrics import roc_auc_score

        columns = truth if truth.ndim == 2 else truth[:, None]
        if task.kind == "multiclass":
            columns = truth[:, None] == np.arange(task.outputs)
        name, worst, value = "AUROC", 0.0, 0.5
        for k in range(columns.shape[1]):
            positives = int(columns[:, k].sum())
            negatives = len(columns) - positives
            if positives and negatives:
                error = np.sqrt((positives + negatives + 1) / (12 * positives * negatives))
                auroc = float(roc_auc_score(columns[:, k], outputs[:, k]))
                if abs(auroc - 0.5) / error >= worst:
                    worst, value = abs(auroc - 0.5) / error, auroc
        tests = columns.shape[1]
    bound = NormalDist().inv_cdf(1 - FALSE_ALARM / (2 * tests))
    return Audit(bool(worst <= bound), f"{name} {value:.3f}, {worst:.1f} standard errors from chance")
