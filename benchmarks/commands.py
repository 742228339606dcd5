"""Commands as a person types them: start-up included."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.measuring import IDLE, CannotMeasure, Row, Workplace, median, timed


def help_(place: Workplace) -> Iterator[Row]:
    """`bench --help`."""
    taken = place.commands(place.pick(9, 1), "--help", says="Run a suite")
    yield median("`bench --help`", 0.2, taken, "whole command")
    python = timed(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), place.pick(9, 1))
    ratio = statistics.median(each.wall for each in taken) / statistics.median(each.wall for each in python)
    yield Row("  in at most 3.5 x the time of bare Python", answer=ratio <= 3.5, note=f"{ratio:.2f} x")


def typos(place: Workplace) -> Iterator[Row]:
    """Three kinds of mistyped names, each answered with the nearest."""
    cases = {
        "run suite=physionet84": 'did you mean "physionet48"?',
        "plan suite=physionet48 imputer=locff": 'did you mean "locf"?',
        "show meen": 'did you mean "mean"?',
    }
    for words, answer in cases.items():
        taken = place.commands(place.pick(5, 1), *words.split(), code=2, says=answer)
        yield median(f"mistyped name: `bench {words}`", 0.3, taken, "whole command; the answer names the nearest")


def plan(place: Workplace) -> Iterator[Row]:
    """A grid of two imputers, 50 variants of a fuser and 100 seeds."""
    variants, seeds = place.pick(50, 2), place.pick(100, 3)
    words = (IDLE, "imputer=mean,locf", f"fuser.idle.k=0..{variants - 1}", f"seed=0..{seeds - 1}", "out=planned")
    cells = 2 * variants * seeds
    taken = place.commands(place.pick(5, 1), "plan", *words, says=f"cells: {cells} ")
    yield median(f"plan of {cells:,} cells", 1.0, taken, "whole `bench plan`: cells, keys, what is cached, estimates")

    from bench.config.request import request
    from bench.grid.plan import plan as make
    from bench.registry import discover

    registry = discover()

    def planned() -> None:
        found = len(make(request(words, registry), registry, "", "cpu").cells)
        if found != cells:
            raise CannotMeasure(f"{found} cells were planned, not {cells}")

    taken = timed(planned, place.pick(5, 1))
    yield median(f"the same {cells:,} cells in a process that runs already", None, taken, "request and plan only")


def cached(place: Workplace) -> Iterator[Row]:
    """A grid whose cells are all done."""
    seeds = place.pick(50, 2)
    words = ("run", IDLE, "imputer=mean,locf", f"seed=0..{seeds - 1}", "out=cached")
    place.command(*words)
    taken = place.commands(place.pick(7, 1), *words, says=f"{2 * seeds} done before")
    yield median(f"fully cached grid of {2 * seeds} cells", 0.5, taken, "whole `bench run`, nothing left to do")
