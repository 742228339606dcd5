"""Reading the real data, and reading them again from the cache."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator

import numpy as np

from bench.arrays import forget_checks
from benchmarks.measuring import Row, Workplace, median, timed


def parse_and_reload(place: Workplace) -> Iterator[Row]:
    """The 8,000 stays of PhysioNet 2012."""
    if place.quick or place.data is None:
        why = "--quick leaves it out" if place.quick else "no real data found; set BENCH_DATA_ROOT"
        yield Row("parse of 8,000 stays", 20.0, note=why)
        yield Row("reload of 8,000 stays", 0.5, note=why)
        return
    from bench.cohort import Cohort
    from bench.components import Context
    from bench.registry import discover
    from bench.stages.preparing import load, save

    dataset = discover().get("dataset", "physionet2012").build({})
    made: list[Cohort] = []

    def parse() -> None:
        made[:] = [dataset.prepare(place.data, Context())]

    taken = timed(parse, 2)
    cohort = made[0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    lines = cohort.counts["lines after the headers"].number
    yield median(
        f"parse of {len(cohort):,} stays", 20.0, taken,
        f"{lines:,} lines out of the archives into a cohort; peak memory of this process {peak / 1e6:.0f} MB",
    )  # fmt: skip
    path = place.folder / "cohort.safetensors"
    save(path, cohort)

    def touch(cohort: Cohort) -> None:
        for series in cohort.modalities.values():
            for array in (series.grid, series.observed, series.events.values, series.events.times):
                np.asarray(array).view(np.uint8).sum()

    size = path.stat().st_size / 1e6
    taken = timed(lambda: touch(load(path)), 5)
    yield median(
        f"reload of {len(cohort):,} stays", 0.5, taken, f"map the {size:.0f} MB file and read every byte of it"
    )
    yield median(
        "  the same, its digest compared first",
        0.5,
        timed(lambda: (forget_checks(), touch(load(path))), 5),
        "as a new process does",
    )
    yield median("  of which mapping it, before a value is used", None, timed(lambda: load(path), 5))
