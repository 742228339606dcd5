"""How often `bench history` marks a step where there is none, and how often it finds one, among
made-up revisions.

    python benchmarks/history.py                     some four minutes
    python benchmarks/history.py --quick             a few histories, to try the script
    python benchmarks/history.py --ruptures          the segmentation of ruptures beside it, where
                                                     that is installed

A history has 30 revisions. Each scores the same method under the same seeds: level + effect of the
seed + noise of one standard deviation. A step is as many standard errors of the paired difference
of two revisions: sqrt(2 / seeds) standard deviations each. It comes after some quiet revisions. A
step is found within two revisions if the run with which it was noticed is the first or second
behind it.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.statistics.steps import SPAN, about_seeds, follow

Noise = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
Find = Callable[[np.ndarray], list[tuple[int, int]]]
"""Values [runs, seeds] -> the place of each step, and of the run with which it was noticed."""

SEEDS = (1, 2, 3, 5)
QUIET = (3, 5, 6, 8, 10, 15, 20)
GOALS = {"4 SE within 2 runs": (4.0, 2, 90), "2 SE within 10 runs": (2.0, 10, 75)}
"""Name -> size, within how many runs, and in how many of 100 histories it is to be found."""

FALSE_ALARMS = 1
"""Of 100 quiet histories, at most."""

SHAPES: dict[str, Noise] = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "uniform": lambda rng, size: rng.uniform(-math.sqrt(3), math.sqrt(3), size),
    "skewed (exponential)": lambda rng, size: rng.exponential(size=size) - 1,
    "long tails (t, 5 degrees)": lambda rng, size: rng.standard_t(5, size) / math.sqrt(5 / 3),
}


def made(
    rng: np.random.Generator, seeds: int, quiet: int = SPAN, size: float = 0.0, noise: Noise = SHAPES["normal"]
) -> np.ndarray:
    """A history, float64 [SPAN, seeds]. size: of its step after so many quiet runs, in standard
    errors of the paired difference.
    """
    values = 3 * rng.standard_normal((1, seeds)) + noise(rng, (SPAN, seeds))
    values[quiet:] += size * math.sqrt(2 / seeds)
    return values


def by_gapbench(values: np.ndarray) -> list[tuple[int, int]]:
    return [(step.at, step.noticed) for step in follow(values).steps]


def by_ruptures(penalty: float) -> Find:
    """What PELT of ruptures makes of the means of all runs so far, after each run; squared loss, in
    units of the noise between seeds.
    """
    import ruptures

    def find(values: np.ndarray) -> list[tuple[int, int]]:
        first_seen: dict[int, int] = {}
        for last in range(2, len(values)):
            runs = values[: last + 1]
            means = runs.mean(axis=1)
            noise = about_seeds(runs - means[:, None])
            freedom = (len(runs) - 1) * (runs.shape[1] - 1)
            scaled = means / math.sqrt(noise.squares / freedom / runs.shape[1])
            for cut in ruptures.Pelt(model="l2", min_size=1, jump=1).fit(scaled[:, None]).predict(pen=penalty)[:-1]:
                first_seen.setdefault(cut, last)
        return [*first_seen.items()]

    return find


def false_alarms(find: Find, seeds: int, histories: int, noise: Noise) -> float:
    """Per 100 quiet histories: in how many a step is marked."""
    rng = np.random.default_rng([seeds, 0])
    return 100 * np.mean([bool(find(made(rng, seeds, noise=noise))) for _ in range(histories)])


def share_found(find: Find, seeds: int, quiet: int, size: float, within: int, histories: int) -> float:
    """Per 100 histories: in how many a step is found within so many runs."""
    rng = np.random.default_rng([seeds, quiet])
    hits = [
        any(quiet <= when < quiet + within for _, when in find(made(rng, seeds, quiet, size)[: quiet + within]))
        for _ in range(histories)
    ]
    return 100 * np.mean(hits)


def rows(find: Find, histories: int, seeds: tuple[int, ...], quiet: tuple[int, ...]) -> Iterator[list[str]]:
    for name, noise in SHAPES.items():
        for each in seeds:
            rate = false_alarms(find, each, 3 * histories, noise)
            print(name, each, rate, file=sys.stderr, flush=True)
            yield [f"no step, {name}", str(each), "30", f"{rate:.2f}", f"<= {FALSE_ALARMS}", _met(rate <= FALSE_ALARMS)]
    for name, (size, within, goal) in GOALS.items():
        for each in seeds:
            for runs in quiet:
                rate = share_found(find, each, runs, size, within, histories)
                yield [name, str(each), str(runs), f"{rate:.1f}", f">= {goal}", _met(rate >= goal)]


def _met(reached: bool) -> str:
    return "yes" if reached else "no"


def main() -> int:
    from tabulate import tabulate

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--histories", type=int, default=1000, help="per row; three times as many without a step")
    parser.add_argument("--quick", action="store_true", help="few histories of few kinds")
    parser.add_argument(
        "--ruptures", action="store_true", help="the segmentation of ruptures as well (pip install ruptures)"
    )
    options = parser.parse_args()
    histories, seeds, quiet = (20, (3,), (10,)) if options.quick else (options.histories, SEEDS, QUIET)
    finders: dict[str, tuple[Find, int, tuple[int, ...], tuple[int, ...]]] = {
        "bench history": (by_gapbench, histories, seeds, quiet)
    }
    if options.ruptures:
        for penalty in (17.6, 25.0, 35.0, 60.0):
            finders[f"ruptures, penalty {penalty:g}"] = (by_ruptures(penalty), max(20, histories // 5), (3,), (10,))
    for name, (find, *sizes) in finders.items():
        print(f"Synthetic, {name}; of 100 histories:\n")
        header = ["history", "seeds", "quiet runs", "marked or found", "goal", "reached"]
        print(
            tabulate(list(rows(find, *sizes)), header, tablefmt="github", disable_numparse=True), end="\n\n", flush=True
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
