"""How often comparisons of methods are wrong, and how often they find what is there: simulated
tables whose truth is known.

    python benchmarks/significance.py               about seven minutes on two free cores; prints
                                                    Markdown
    python benchmarks/significance.py --quick       few tables of few resamples: tries the script
    python benchmarks/significance.py --only auroc  some situations, by words of their names
    python benchmarks/significance.py --time        also `bench report` of 124 methods x 3 seeds on
                                                    1,254 records, beside its goal

All data are synthetic. Each table has 6 methods (15 pairs), or 2, on 200 patients, scored by the
mean of a value per patient, or by AUROC. The family error is the share of tables in which any pair
of equal methods is told apart at alpha = 0.05; power is the share of pairs of unequal methods that
are. Compared are, on the same resamples (where it needs more, Holm has more):

- max-T and Holm as `bench report` makes them (`stats.correction`);
- max-T without the seeds' and splits' part of the variance: what patients alone say;
- Holm on crossed draws of patients and of K - 1 of K seeds, percentile p-values: what earlier
  versions did.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from bench.metrics.scoring import evaluator
from bench.results.coordinates import TableKey, method_in
from bench.statistics.corrections import holm, resamples_for
from bench.statistics.differences import compare
from bench.statistics.resampling import Split, joined, resample

ALPHA, PATIENTS = 0.05, 200
TABLE = TableKey("simulated", "all", "natural")


@dataclass(frozen=True)
class Situation:
    """What a score is made of. Standard deviations: of patients (in units of which all others are),
    of what patients and seeds do together, of seeds by themselves, of splits by themselves, the
    last two of the mean over one split's patients.

    shared: what share of the patients' variance all methods have alike, of which a difference is
    free. quiet: every second method has this share of the standard deviations of seeds. alike: what
    share of the variance of seeds two neighbours have alike. auroc: scored by AUROC on a binary
    truth, where patients are the logits.
    own_effect: methods are quiet in what seeds do by themselves alone.
    """

    name: str
    seeds: int = 1
    splits: int = 1
    together: float = 0.0
    by_seed: float = 0.0
    by_split: float = 0.0
    shared: float = 0.5
    quiet: float = 1.0
    alike: float = 0.0
    auroc: bool = False
    methods: int = 6
    own_effect: bool = False

    @property
    def pairs(self) -> list[tuple[int, int]]:
        return list(combinations(range(self.methods), 2))

    @property
    def better(self) -> np.ndarray:
        """bool [methods]: under an alternative these are better, all by the same."""
        return np.arange(self.methods) >= self.methods // 2

    @property
    def patients(self) -> int:
        """Of each split."""
        return PATIENTS // self.splits

    def variance(self) -> np.ndarray:
        """Of a method's mean score without what all methods share: by patients, both together,
        seeds, splits.
        """
        cells = self.splits * self.seeds
        of_patients = (1 - self.shared) / PATIENTS
        both = self.together**2 / PATIENTS / self.seeds
        return np.array([of_patients, both, self.by_seed**2 / cells, self.by_split**2 / self.splits])

    def share_of_seeds(self) -> float:
        return float(self.variance()[2] / self.variance().sum())


def share(of: float, seeds: int, together: float = 0.5, shared: float = 0.5) -> float:
    """The standard deviation of seeds by which they are that share of a difference's variance."""
    rest = (1 - shared) / PATIENTS + together**2 / PATIENTS / seeds
    return math.sqrt(of / (1 - of) * rest * seeds)


SITUATIONS = [
    Situation("1 seed, methods correlated 0.5"),
    Situation("1 seed, methods correlated 0.95", shared=0.95),
    Situation("1 seed, AUROC", auroc=True),
    Situation("3 seeds that do nothing", seeds=3),
    Situation("3 seeds, only with patients together", seeds=3, together=1.0, shared=1.0),
    Situation("3 seeds, with patients together", seeds=3, together=1.0),
    Situation("3 seeds, AUROC, with patients together", seeds=3, together=0.7, auroc=True),
    *(
        Situation(f"3 seeds, {round(100 * of)} % of the variance", seeds=3, together=0.5, by_seed=share(of, 3))
        for of in (0.1, 0.3, 0.5, 0.9)
    ),
    Situation("3 seeds, 50 %, every second method a fifth", 3, together=0.5, by_seed=share(0.5, 3), quiet=0.2),
    Situation("3 seeds, 50 %, neighbours alike 0.8", 3, together=0.5, by_seed=share(0.5, 3), alike=0.8),
    Situation("2 seeds, with patients together", seeds=2, together=1.0),
    Situation("2 seeds, 30 % of the variance", seeds=2, together=0.5, by_seed=share(0.3, 2)),
    Situation("5 seeds, 30 % of the variance", seeds=5, together=0.5, by_seed=share(0.3, 5)),
    Situation("5 splits, 1 seed", splits=5),
    Situation("5 splits, 3 seeds, with patients together", seeds=3, splits=5, together=1.0),
    Situation("5 splits, 3 seeds, splits 30 %", seeds=3, splits=5, together=0.5, by_split=0.11),
    Situation(
        "3 seeds, 50 %, every second a fifth, by themselves", 3, 1, 0.5, share(0.5, 3), quiet=0.2, own_effect=True
    ),
    Situation("2 methods, 3 seeds, with patients together", seeds=3, together=1.0, methods=2),
    Situation("2 methods, 3 seeds, 50 % of the variance", seeds=3, together=0.5, by_seed=share(0.5, 3), methods=2),
    Situation("2 methods, 3 seeds, 90 % of the variance", seeds=3, together=0.5, by_seed=share(0.9, 3), methods=2),
]


def simulate(situation: Situation, effect: float, rng: np.random.Generator, resamples: int) -> list[Split]:
    """One table. effect: by how much the better methods are, in standard errors of a difference."""
    step = effect * math.sqrt(2 * situation.variance().sum()) * situation.better
    return [_split(situation, step, rng, resamples) for _ in range(situation.splits)]


def _split(situation: Situation, step: np.ndarray, rng: np.random.Generator, resamples: int) -> Split:
    count, methods, seeds = situation.patients, situation.methods, situation.seeds
    loud = np.where(np.arange(methods) % 2, 1.0, situation.quiet)[:, None, None]
    common, own = math.sqrt(situation.shared), math.sqrt(1 - situation.shared)
    values = common * rng.normal(size=(1, 1, count)) + own * rng.normal(size=(methods, 1, count))
    values = values + (1.0 if situation.own_effect else loud) * situation.together * rng.normal(
        size=(methods, seeds, count)
    )
    neighbours = np.repeat(rng.normal(size=(methods // 2, seeds, 1)), 2, axis=0)
    by_seed = math.sqrt(situation.alike) * neighbours
    by_seed = by_seed + math.sqrt(1 - situation.alike) * rng.normal(size=(methods, seeds, 1))
    shift = loud * situation.by_seed * by_seed + situation.by_split * rng.normal(size=(methods, 1, 1))
    if situation.auroc:
        evaluate = _auroc(values, step, rng)
    else:
        scored = values + shift + step[:, None, None]
        evaluate = partial(_means, scored)
    scores = evaluate(np.ones((count, 1), np.float32))[:, :, 0]
    return resample(scores, evaluate, np.arange(count), count, resamples, rng)


def _means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return values @ weights / weights.sum(axis=0)


def _auroc(noise: np.ndarray, step: np.ndarray, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """The noise is added to what tells the classes apart, which the better methods have more of;
    30 % are positive.
    """
    truth = (rng.random(noise.shape[2]) < 0.3).astype(np.float32)
    # Twice the step, for a power far from 0 and from 1: AUROC is known less well than a mean, and
    # moves less.
    logits = (1.2 + 2 * step[:, None, None]) * truth + noise
    built = [[evaluator("auroc", truth, seed.astype(np.float32)[:, None]) for seed in method] for method in logits]
    return lambda weights: np.array([[one(weights) for one in row] for row in built])


def crossed(splits: Sequence[Split], pairs: Sequence[tuple[int, int]], rng: np.random.Generator) -> np.ndarray:
    """Holm's p-values of percentile p-values where K - 1 of K seeds, and of splits, are drawn
    with each resample.
    """
    drawn = np.array([_mean_of_draws(split.under, rng) if split.under.size else split.drawn for split in splits])
    scores = _mean_of_draws(np.moveaxis(drawn, 0, 1), rng)
    scores = scores[:, np.isfinite(scores).all(axis=0)]
    p_values = []
    for a, b in pairs:
        difference = scores[a] - scores[b]
        less = min((difference <= 0).sum(), (difference >= 0).sum())
        p_values.append(min(1.0, 2 * (less + 1) / (len(difference) + 1)))
    return np.array(holm(p_values))


def _mean_of_draws(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """values: float64 [methods, units, resamples] -> [methods, resamples]."""
    count, resamples = values.shape[1:]
    picked = rng.integers(0, count, (max(1, count - 1), resamples))
    return np.mean([values[:, row, np.arange(resamples)] for row in picked], axis=0)


EFFECT = 3.5
"""By how many standard errors of a difference the better methods are better."""

COLUMNS = ("max-T", "Holm", "patients alone", "crossed draws")


def outcome(situation: Situation, effect: float, seed: int, resamples: int) -> np.ndarray:
    """Of one table: float64 [columns + 1, 2]: whether any equal pair was told apart, and the share
    of unequal pairs that were; the last row has the share of equal pairs told apart before any
    correction.
    """
    rng = np.random.default_rng(seed)
    pairs, better = situation.pairs, situation.better
    names = [method_in(TABLE, f"method{k}") for k in range(situation.methods)]
    many = resamples_for(len(pairs), resamples, ALPHA, "holm")
    splits = simulate(situation, effect, rng, many)
    whole = joined(splits)
    few = replace(whole, drawn=whole.drawn[:, :resamples])
    runs = [(few, "maxt"), (whole, "holm"), (replace(few, levels=()), "maxt")]
    found = [compare(names, pairs, "score", each, ALPHA, correction, (seed,))[0] for each, correction in runs]
    adjusted = [np.array([c.p_adjusted for c in each]) for each in found] + [crossed(splits, pairs, rng)]
    different = np.array([better[a] != better[b] for a, b in pairs]) & (effect > 0)
    rows = [[(p[~different] < ALPHA).any(), share_of(p[different] < ALPHA)] for p in adjusted]
    alone = np.array([c.p for c in found[0]])
    return np.array([*rows, [share_of(alone[~different] < ALPHA), 0.0]], float)


def share_of(found: np.ndarray) -> float:
    """The share of these pairs, 0 where there are none."""
    return float(found.mean()) if found.size else 0.0


def measured(situation: Situation, effect: float, tables: int, resamples: int, pool: ProcessPoolExecutor) -> np.ndarray:
    """The mean outcome of so many tables."""
    one = partial(outcome, situation, effect, resamples=resamples)
    first = 1_000_000 * SITUATIONS.index(situation) + (500_000 if effect else 0)
    return np.mean(list(pool.map(one, range(first, first + tables), chunksize=10)), axis=0)


def lines(situations: Sequence[Situation], tables: int, resamples: int, effect: float) -> Iterator[list[str]]:
    """Of each situation: its name, family errors, the error of one pair, and under the
    alternative powers and a family error.
    """
    with ProcessPoolExecutor(2) as pool:
        for situation in situations:
            null = measured(situation, 0.0, tables, resamples, pool)
            other = measured(situation, effect, tables, resamples, pool)
            numbers = [*null[: len(COLUMNS), 0], null[-1, 0], *other[:2, 1], other[0, 0]]
            yield [situation.name, *(f"{number:.3f}" for number in numbers)]


def main() -> int:
    from tabulate import tabulate

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few tables of few resamples")
    parser.add_argument("--tables", type=int, default=1000, help="simulated tables per situation")
    parser.add_argument("--only", default="", help="situations whose name has this in it")
    parser.add_argument("--time", action="store_true", help="time `bench report` as well")
    asked = parser.parse_args()
    tables, resamples = (4, 200) if asked.quick else (asked.tables, 2000)
    chosen = [situation for situation in SITUATIONS if asked.only in situation.name]
    if not chosen:
        parser.error(f"no situation has {asked.only!r} in its name; there are: {'; '.join(s.name for s in SITUATIONS)}")
    if asked.time:
        from benchmarks.measuring import Workplace, table
        from benchmarks.tables import compared

        with Workplace(asked.quick) as place:
            print(table(list(compared(place))), flush=True)
    header = ["situation", *(f"error: {name}" for name in COLUMNS), "one pair", "power: max-T", "power: Holm",
              "error beside unequal: max-T"]  # fmt: skip
    rows = []
    for row in lines(chosen, tables, resamples, EFFECT):
        rows.append(row)
        print(" ".join(row), file=sys.stderr, flush=True)
    error = math.sqrt(ALPHA * (1 - ALPHA) / tables)
    print(f"Synthetic: {tables:,} tables each; at 0.05 the simulation is known to {error:.3f} (standard deviation).\n")
    print(tabulate(rows, header, tablefmt="github", disable_numparse=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
