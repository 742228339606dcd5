"""How methods stand over many tables: win rate, and skill score against a control.

A table holds the loss of each method that has a whole row there; smaller is better. Rows that are
missing are not filled: a method counts, for itself and for others, in its own tables alone.

Win rate. Of all pairs (another method, a table that holds both), the share that the method wins. A
tie is half a win:

    W_i = sum_t sum_{j != i} ([loss_it < loss_jt] + 1/2 [loss_it = loss_jt]) / sum_t (n_t - 1)

over the tables t of method i, each with n_t methods. Where all tables hold the same methods this is
the average win rate of fev-bench (Shchur et al. 2025, arXiv 2509.26468), and the mean over methods
is 1/2.

Skill score. One minus the geometric mean of the losses relative to those of the table's control:

    S_i = 1 - exp(mean_t log clip(loss_it / loss_ct, 0.01, 100))

over the tables t that hold method i and have a control c. 0: as good as the control; 0.2: a loss 20
% smaller; below 0: worse. It is the skill score of fev-bench, with its clip. The control is another
row in each table where the caller says so, and no other method changes it. So a row that always
loses moves no skill score. By win rate it moves no order among methods that have the same tables.

Losses (`losses_of`). A metric that is better smaller is its own loss. One that is better larger,
and at most 1, has the loss 1 - value, as TabArena has 1 - AUROC (Erickson et al. 2025, arXiv
2506.16791). Of others a ratio means nothing: they have a win rate alone.

Intervals. One bootstrap over tables serves both quantities: each resample draws as many tables as
there are, with replacement, and both are computed of it. Percentiles of the resamples that hold a
table of the method. A method of fewer tables than `bench.statistics.resampling.too_few` asks for
has no interval. Tables that share records are not independent; intervals of such are too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from bench import seeds
from bench.statistics.resampling import too_few, weights_of

SMALLEST, LARGEST = 0.01, 100.0
"""Ratios of losses are clipped to these, so that one table decides no geometric mean."""

RESAMPLES = 2000


class Losses(msgspec.Struct, frozen=True):
    """The losses of one table, by method; finite, smaller is better.

    - control: the method that skill is measured against. "": none, or ratios mean nothing.
    """

    losses: Mapping[str, float]
    control: str = ""


class Estimate(msgspec.Struct, frozen=True):
    """A quantity over so many tables; its interval where there are enough of them."""

    value: float
    tables: int
    low: float | None = None
    high: float | None = None


class Standing(msgspec.Struct, frozen=True):
    """A method over its tables. win_rate: 0 to 1; None where it never met another. skill: at most
    1; None where no table of it has a control.
    """

    method: str
    tables: int
    win_rate: Estimate | None
    skill: Estimate | None


def losses_of(values: Mapping[str, float], higher: bool, at_most_one: bool) -> tuple[dict[str, float], bool]:
    """Scores by method as losses, and whether ratios of them mean anything.

    higher: whether larger is better. at_most_one: whether the metric can be no larger than 1.
    """
    if not higher:
        return dict(values), all(value >= 0 for value in values.values())
    if at_most_one and all(value <= 1 for value in values.values()):
        return {method: 1 - value for method, value in values.items()}, True
    return {method: -value for method, value in values.items()}, False


def standings(
    tables: Mapping[str, Losses], alpha: float = 0.05, resamples: int = RESAMPLES, seed: int = 0
) -> list[Standing]:
    """All methods, by win rate, then skill, then name. The order of tables and of methods changes
    no bit.

    tables: by name. Raises ValueError for a control that has no loss in its table.
    """
    if not any(table.losses for table in tables.values()):
        return []
    ordered = [tables[name] for name in sorted(tables)]
    methods = sorted({method for table in ordered for method in table.losses})
    wins, pairs, logs, there = (np.array(each, np.float64) for each in _arrays(ordered, methods))
    whole = np.ones((len(ordered), 1))
    win, skill = _mean(wins, pairs, whole), _skill(logs, there, whole)
    rng = seeds.generator(seed, "bootstrap", "overview")
    draws = list(weights_of(np.arange(len(ordered)), len(ordered), resamples, rng))
    drawn_win, drawn_skill = (
        np.concatenate([of(*arrays, drawn) for drawn in draws], axis=1)
        for of, arrays in ((_mean, (wins, pairs)), (_skill, (logs, there)))
    )
    held = [sum(method in table.losses for table in ordered) for method in methods]
    result = [
        Standing(
            method,
            held[k],
            _estimate(win[k, 0], int((pairs[k] > 0).sum()), drawn_win[k], alpha),
            _estimate(skill[k, 0], int(there[k].sum()), drawn_skill[k], alpha),
        )
        for k, method in enumerate(methods)
    ]
    return sorted(
        result, key=lambda each: (*(-(q.value if q else -np.inf) for q in (each.win_rate, each.skill)), each.method)
    )


def _arrays(tables: Sequence[Losses], methods: Sequence[str]) -> tuple[list[list[float]], ...]:
    """float [methods, tables] each: wins, pairs, logarithms of ratios (0 where there is none), and
    1 where there is a ratio.
    """
    wins, pairs, logs, there = ([[0.0] * len(tables) for _ in methods] for _ in range(4))
    place = {method: k for k, method in enumerate(methods)}
    for t, table in enumerate(tables):
        in_order = np.sort(np.fromiter(table.losses.values(), np.float64))
        control = table.losses.get(table.control)
        if table.control and control is None:
            raise ValueError(f"the control {table.control!r} has no loss in its table")
        for method, loss in table.losses.items():
            k = place[method]
            smaller, not_larger = (int(np.searchsorted(in_order, loss, side)) for side in ("left", "right"))
            wins[k][t] = len(in_order) - not_larger + (not_larger - smaller - 1) / 2
            pairs[k][t] = len(in_order) - 1
            if control is not None:
                logs[k][t], there[k][t] = np.log(_ratio(loss, control)), 1.0
    return wins, pairs, logs, there


def _ratio(loss: float, control: float) -> float:
    """Clipped; of two losses of 0 it is 1."""
    if control == 0:
        return 1.0 if loss == 0 else LARGEST
    return min(max(loss / control, SMALLEST), LARGEST)


def _mean(values: np.ndarray, counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """float64 [methods, resamples]: sums over tables by their ratio; NaN of no count. values,
    counts: [methods, tables]; weights: [tables, resamples].

    Not a BLAS product, whose rounding depends on the number of threads.
    """
    above, below = (np.einsum("mt,tr->mr", each, weights.astype(np.float64)) for each in (values, counts))
    mean: np.ndarray = np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
    return mean


def _skill(logs: np.ndarray, there: np.ndarray, weights: np.ndarray) -> np.ndarray:
    skill: np.ndarray = 1 - np.exp(_mean(logs, there, weights))
    return skill


def _estimate(value: float, tables: int, drawn: np.ndarray, alpha: float) -> Estimate | None:
    """None where the quantity is not defined. drawn: float64 [resamples], NaN where it is not."""
    if np.isnan(value):
        return None
    usable = drawn[np.isfinite(drawn)]
    if too_few(tables, alpha) or not len(usable):
        return Estimate(float(value), tables)
    low, high = np.quantile(usable, [alpha / 2, 1 - alpha / 2])
    return Estimate(float(value), tables, float(low), float(high))
