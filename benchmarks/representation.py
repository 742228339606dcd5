"""How near the representation of an imputed series is to that of the true one: TRACE, appendix A.3,
Figures 1, 6 and 7.

    bench run suite=trace_motivational
    # the same words as the run, and its folder
    python benchmarks/representation.py suite=trace_motivational
    python benchmarks/representation.py --csv parity.csv suite=trace_motivational

One fuser (--fuser, one that has `embed`) is trained once on the fully observed series for the
suite's task, on the modality that the scenarios hide in. Its frozen weights then read, for every
test record, the true series (oracle) and each imputation that the run left in the cache. Everything
counts as observed in both, so imputed values weigh as much as true ones; the row "not imputed" is
the series with its holes, which are 0 and masked. Printed per scenario and imputer, means over test
records:

    MAE          of the hidden entries, per record, on the scale of the run's leaderboard (Fig. 6),
                 and the share of records where it is below --naive
    cosine       of the two representations (Fig. 1); distance is 1 - cosine (Fig. 7)
    centred      cosine after subtracting the mean oracle representation of the training records: a
                 plain cosine is inflated by what all representations share

Each imputation of a seed is a row; nothing is averaged over seeds. Imputations that are not in the
cache are left out and named. --csv writes a line per test record: only where the data were
generated, since a line is one record's.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.cohort import Cohort, Series
from bench.components import Context, Fuser
from bench.config.request import request
from bench.errors import BenchError, UsageError
from bench.grid.cell import Cell
from bench.registry import discover
from bench.run.prepare import Prepared, prepare
from bench.run.schedule import setup_of
from bench.stages.artifacts import is_imputed
from bench.stages.imputing import load
from bench.stages.scale import Scaler
from bench.stages.view import View, view

NOT_IMPUTED = "not imputed"


class Measured(NamedTuple):
    """One row per test record: float64 [n] each; mae is NaN where nothing is hidden."""

    scenario: str
    imputer: str
    seed: int
    mae: np.ndarray
    cosine: np.ndarray
    centred: np.ndarray


def cells_of(prepared: Prepared) -> Iterator[Cell]:
    """A cell per imputation: the first of those that share it."""
    seen = set()
    for cell in prepared.plan.cells:
        tags = prepared.registry.get("imputer", cell.imputer.name).tags
        fills = not ({"leaves_nan", "hides_values"} & tags)
        if not cell.coordinates.audit and not cell.skip and fills and cell.keys["impute"] not in seen:
            seen.add(cell.keys["impute"])
            yield cell


def oracle_scaler(seen: View) -> Scaler:
    """On all training entries: one scale for all scenarios, each of which the harness scales by
    what it leaves visible.
    """
    return Scaler.fit(seen.recorded.take(np.flatnonzero(seen.parts == 0)), float("inf"))


def complete(cohort: Cohort, name: str, grid: np.ndarray, observed: np.ndarray | None = None) -> Cohort:
    """The cohort with one modality alone, its grid replaced; everything counts as observed where
    nothing else is said.
    """
    series: Series = cohort.modalities[name]
    whole = np.ones(grid.shape, bool) if observed is None else observed
    known = replace(series, grid=np.asarray(grid, np.float32), observed=whole, available=np.ones(len(grid), bool))
    return cohort.with_modalities({name: known})


def rescaled(values: np.ndarray, name: str, seen: Scaler, wanted: Scaler) -> np.ndarray:
    """Values on one scaler's scale, float32 [..., channels], on another one's."""
    (mean, scale), (center, width) = seen.state[f"series.{name}"], wanted.state[f"series.{name}"]
    return ((values.astype(np.float64) * scale + mean - center) / width).astype(np.float32)


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of each pair of rows."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


class Judge:
    """The fuser, trained once, and what it makes of the true test series."""

    def __init__(self, prepared: Prepared, seen: View, name: str, fuser: str, params: dict[str, Any], context: Context):
        task = prepared.registry.get("dataset", prepared.request.suite.dataset).tasks[
            prepared.request.suite.grid.task[0]
        ]
        self.name, self.context, self.scaler = name, context, oracle_scaler(seen)
        self.whole = self.scaler.scale(seen.recorded)
        if not self.whole.modalities[name].observed.all():
            raise UsageError(f"{name} has holes of its own: there is no fully observed series to compare with")
        parts = [self._true(np.flatnonzero(seen.parts == part)) for part in range(3)]
        self.fuser: Fuser[Any] = prepared.registry.get("fuser", fuser).build(params)
        targets = {task.name: self.whole.targets[task.name]}
        train, valid = (
            replace(part, targets={n: t[seen.parts == k] for n, t in targets.items()})
            for k, part in enumerate(parts[:2])
        )
        self.fuser.fit(train, valid, task, context)
        self.middle = self.read(parts[0]).mean(axis=0)
        self.oracle = self.read(parts[2])
        self.test = np.flatnonzero(seen.parts == 2)

    def _true(self, index: np.ndarray) -> Cohort:
        part = self.whole.take(index)
        return complete(part.without_targets(), self.name, part.modalities[self.name].grid)

    def read(self, cohort: Cohort) -> np.ndarray:
        found = self.fuser.embed(cohort.without_targets(), self.context)
        if found is None:
            raise UsageError(f"{type(self.fuser).__name__} has no embed: choose another --fuser")
        return found

    def measure(self, seen: View, grid: np.ndarray, masked: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """mae, cosine and centred cosine, float64 [test records]. grid: float32 [test, length,
        channels], as completed.
        """
        hidden = seen.hidden[self.name][self.test]
        truth = self.whole.modalities[self.name].grid[self.test]
        made = rescaled(grid, self.name, seen.scaler, self.scaler)
        if masked:
            made = np.where(hidden, np.float32(0), truth)
        count = hidden.sum(axis=(1, 2))
        error = np.where(hidden, np.abs(grid - seen.truth[self.name][self.test]), 0.0).sum(
            axis=(1, 2), dtype=np.float64
        )
        with np.errstate(invalid="ignore"):
            mae = np.where(count > 0, error / count, np.nan)
        got = self.read(complete(self.whole.take(self.test), self.name, made, ~hidden if masked else None))
        return mae, cosines(got, self.oracle), cosines(got - self.middle, self.oracle - self.middle)


def measured(prepared: Prepared, fuser: str, params: dict[str, Any]) -> Iterator[Measured]:
    """All imputations of a run that are in the cache, and the series with its holes once per
    scenario and seed.
    """
    setup, judge = setup_of(prepared), None
    holes = set()
    for cell in cells_of(prepared):
        at = cell.coordinates
        if not is_imputed(setup.store, cell.keys["impute"]):
            print(f"not in the cache: {at.scenario} {at.imputer} seed {at.seed}; run it first", file=sys.stderr)
            continue
        seen = view(cell, setup, prepared.registry)
        name = next((name for name in cell.modalities if seen.hidden[name].any()), "")
        if not name:
            continue
        if judge is None:
            device = "cuda" if prepared.plan.device == "cuda" else "cpu"
            judge = Judge(prepared, seen, name, fuser, params, Context(seed=at.seed, device=device))
        completed = load(setup.store, cell.keys["impute"]).completed[name][judge.test]
        if (at.scenario, at.seed) not in holes:
            holes.add((at.scenario, at.seed))
            _, cosine, centred = judge.measure(seen, completed, masked=True)
            yield Measured(at.scenario, NOT_IMPUTED, at.seed, np.full(len(cosine), np.nan), cosine, centred)
        yield Measured(at.scenario, at.imputer, at.seed, *judge.measure(seen, completed))


def table(rows: list[Measured], naive: str) -> str:
    """Markdown, one line per row."""
    base = {(row.scenario, row.seed): row.mae for row in rows if row.imputer == naive}
    header = ["scenario", "seed", "imputer", "MAE", f"below {naive}", "cosine", "1 − cosine", "centred cosine"]
    lines = [f"| {' | '.join(header)} |", "|" + " --- |" * len(header)]
    for row in rows:
        other = base.get((row.scenario, row.seed))
        filled = row.imputer != NOT_IMPUTED
        share = f"{(row.mae < other).mean():.1%}" if other is not None and filled and row.imputer != naive else ""
        mae = f"{np.nanmean(row.mae):.4f}" if filled else ""
        numbers = f"{row.cosine.mean():.4f} | {1 - row.cosine.mean():.4f} | {row.centred.mean():.4f}"
        lines.append(f"| {row.scenario} | {row.seed} | {row.imputer} | {mae} | {share} | {numbers} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Cosine between representations of imputed and of true series.")
    parser.add_argument("--fuser", default="gru", help="a fuser with embed (default: gru)")
    parser.add_argument("--epochs", type=int, default=10, help="of its training (default: 10)")
    parser.add_argument("--naive", default="nearest", help="the imputer others are compared with (default: nearest)")
    parser.add_argument("--csv", type=Path, help="a line per test record, of generated data only")
    said, words = parser.parse_known_args()
    try:
        registry = discover()
        prepared = prepare(request(words, registry), registry)
        if said.csv and not prepared.synthetic:
            raise UsageError("--csv writes a line per record, and these records were not generated")
        rows = list(measured(prepared, said.fuser, {"epochs": said.epochs}))
    except BenchError as error:
        print(f"representation: {error}", file=sys.stderr)
        return error.exit_code
    print(table(rows, said.naive))
    if said.csv:
        with said.csv.open("w", newline="", encoding="utf-8") as stream:
            out = csv.writer(stream)
            out.writerow(["scenario", "seed", "imputer", "record", "mae", "cosine", "centred"])
            for row in rows:
                for k, numbers in enumerate(zip(row.mae, row.cosine, row.centred, strict=True)):
                    out.writerow([row.scenario, row.seed, row.imputer, k, *(f"{number:.6f}" for number in numbers)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
