"""How far the features of a filled record are from those of the complete record: CondI, section 4.4
and Figure 3.

    python benchmarks/reconstruction.py                         generated ECGs, minutes on two cores
    python benchmarks/reconstruction.py --to figure3.svg        a picture too (.svg or .png)
    python benchmarks/reconstruction.py imputer=mean,linear     other words of a run go behind
    python benchmarks/reconstruction.py --size paper data.root=DIR     PTB-XL; needs a GPU

For each seed an encoder is trained once, on complete training records (the fuser, whose `embed`
gives the features). Entries are then hidden by the scenario. Each imputer learns from what is left
of the training records and fills the test records, with the median of its draws. `zero` is 0 in
recorded units. The features of each filled test record are compared with those of the complete one,
under the same weights and without dropout. Printed per filling:

    MAE          of the hidden entries, in standard deviations of the complete training entries
    L2           the Euclidean distance of the features
    cosine       1 minus their cosine
    nearer       the share of test records that are nearer than with zero, for both distances

Values are means over records and seeds. Intervals of 95 % come from a bootstrap of patients, after
the mean over seeds. Below, each filling is compared with the last imputer in pairs of records.

What differs from the publication: its features are those of a model that was trained with holes,
and its samples are hidden at the same times in all leads; the scenario `within` draws them for each
lead. It compares with zeros alone, which change the size of features, so that any filling is nearer
in L2.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.cohort import Cohort, Task
from bench.components import Context, Fuser
from bench.config.request import request
from bench.errors import BenchError, UsageError
from bench.execute.job import Job
from bench.figures import printed
from bench.figures.looks import COLOURS, PALETTE
from bench.grid.cell import Cell
from bench.metrics.imputation import median
from bench.registry import Registry, discover
from bench.run.prepare import Prepared, prepare
from bench.run.schedule import setup_of
from bench.stages.order import BY_NAME
from bench.stages.scale import Scaler
from bench.stages.view import View, view
from benchmarks.representation import cells_of, cosines, oracle_scaler, rescaled

ZERO = "zero (recorded units)"
LEVEL, RESAMPLES = 0.95, 2000

ALWAYS = (
    "suite=ptbxl", "task=diagnosis", "modalities=all", "scenario=within", "scenario.within.ps=1.0", "scenario.within.pw=0.2",
    "scenario.within.affected=12", "imputer=mean,locf,linear,condi", "fuser=condi-head", "controls.imputer=",
    "controls.fuser=", "audits.cells=",
)  # fmt: skip
SIZES = {
    "demo": (
        "seed=1,2", "draws=10", "data.records=400", "data.length=40", "fuser.condi-head.width=16",
        "fuser.condi-head.filters=4", "fuser.condi-head.hidden=32", "fuser.condi-head.epochs=4",
        "fuser.condi-head.learning_rate=0.05", "imputer.condi.channels=16", "imputer.condi.heads=2",
        "imputer.condi.layers=2", "imputer.condi.feedforward=16", "imputer.condi.step_width=32",
        "imputer.condi.time_width=32", "imputer.condi.feature_width=8", "imputer.condi.context_width=16",
        "imputer.condi.condition_width=16", "imputer.condi.expert_width=32", "imputer.condi.steps=1500",
        "imputer.condi.learning_rate=0.002", "imputer.condi.bound=3.0",
    ),
    "paper": ("seed=1,2,3,4,5", "draws=10", "data.length=250"),
}  # fmt: skip


@dataclass(frozen=True)
class Distances:
    """Of one filling and one seed, float64 [test records with hidden entries] each."""

    filling: str
    mae: np.ndarray
    l2: np.ndarray
    cosine: np.ndarray


@dataclass(frozen=True)
class Filling:
    """One filling over all seeds: name of a distance -> float64 [records], the mean over seeds."""

    name: str
    values: Mapping[str, np.ndarray]


def distances(filled: np.ndarray, complete: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The Euclidean distance of each pair of rows, and 1 - their cosine; float64 [n] each.

    filled, complete: float [n, width].
    """
    a, b = filled.astype(np.float64), complete.astype(np.float64)
    return np.linalg.norm(a - b, axis=1), 1 - cosines(a, b)


def interval(values: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """A percentile bootstrap of the mean over records, of whole groups; the same draws for the same
    groups.
    """
    _, place = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(place, values), np.bincount(place)
    drawn = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def whole(cohort: Cohort, grids: Mapping[str, np.ndarray]) -> Cohort:
    """The cohort with these grids, float32 [n, length, channels] by modality; everything counts as
    observed.
    """
    ones = np.ones(len(cohort), bool)
    modalities = {
        name: replace(
            series,
            grid=np.asarray(grids[name], np.float32),
            observed=np.ones(series.grid.shape, bool),
            available=ones,
            filled=~ones,
        )
        for name, series in cohort.modalities.items()
    }
    return cohort.with_modalities(modalities)


class Encoder:
    """A fuser that was trained on complete records, and the features of the test records.

    test: the places of the test records in the cohort.
    """

    def __init__(self, fuser: Fuser[Any], task: Task, seen: View, context: Context):
        self.fuser, self.context, self.scaler = fuser, context, oracle_scaler(seen)
        self.cohort = self.scaler.scale(replace(seen.recorded, columns={})).with_modalities(
            {name: self.scaler.scale(seen.recorded).modalities[name] for name in seen.cohort.modalities}
        )
        for name, series in self.cohort.modalities.items():
            if not series.observed.all():
                raise UsageError(
                    f"{name} has holes of its own, so there is no complete record to compare with; give a suite whose data "
                    "are complete, such as suite=ptbxl, or modalities=NAME of a set that is"
                )
        target = self.cohort.targets[task.name]
        known = ~np.isnan(target.reshape(len(target), -1)).any(axis=1)
        train, valid = (self._complete(np.flatnonzero((seen.parts == part) & known), task) for part in (0, 1))
        fuser.fit(train, valid, task, context)
        self.test = np.flatnonzero(seen.parts == 2)
        self.tests = self._complete(self.test, task).without_targets()
        self.features = self.read({name: series.grid for name, series in self.tests.modalities.items()})

    def _complete(self, index: np.ndarray, task: Task) -> Cohort:
        part = self.cohort.take(index)
        part = replace(part, targets={task.name: part.targets[task.name]}, oracle={})
        return whole(part, {name: series.grid for name, series in part.modalities.items()})

    def read(self, grids: Mapping[str, np.ndarray]) -> np.ndarray:
        """The features of the test records with these grids, float32 [n, width]."""
        features = self.fuser.embed(whole(self.tests, grids), self.context)
        if features is None:
            raise UsageError(
                f"{type(self.fuser).__name__} gives no features (embed); give another one, such as fuser=gru"
            )
        return features

    def measure(self, name: str, seen: View, values: Mapping[str, np.ndarray], own: Scaler) -> Distances:
        """Of one filling. values: modality -> float32 [test, length, channels], on the scale of
        `own`; they count where entries are hidden.
        """
        hidden = {each: mask[self.test] for each, mask in seen.hidden.items()}
        grids, error = {}, np.zeros(len(self.test))
        for each, series in self.tests.modalities.items():
            filled = rescaled(np.asarray(values[each]), each, own, self.scaler)
            grids[each] = np.where(hidden[each], filled, series.grid)
            error += np.abs(grids[each].astype(np.float64) - series.grid).sum(axis=(1, 2))
        count = np.sum([mask.sum(axis=(1, 2)) for mask in hidden.values()], axis=0)
        chosen = count > 0
        l2, cosine = distances(self.read(grids)[chosen], self.features[chosen])
        return Distances(name, error[chosen] / count[chosen], l2, cosine)


def zeros(tests: Cohort, scaler: Scaler) -> dict[str, np.ndarray]:
    """0 in recorded units, on the scale of a scaler."""
    grids = {}
    for name, series in tests.modalities.items():
        center, width = scaler.state[f"series.{name}"]
        grids[name] = np.broadcast_to((-center / width).astype(np.float32), series.grid.shape)
    return grids


def completed(cell: Cell, seen: View, registry: Registry, draws: int, context: Context) -> dict[str, np.ndarray]:
    """The test records as the imputer of a cell completes them: modality -> float32 [test, length,
    channels], the median of its draws.
    """
    spec = registry.get("imputer", cell.imputer.name)
    cohort = seen.cohort.without_targets()
    train, valid, test = (cohort.take(np.flatnonzero(seen.parts == part)) for part in range(3))
    imputer = spec.build(cell.imputer.params)
    imputer.fit(train, valid, context)
    values = imputer.impute(test, draws if "draws" in spec.tags else 1, context)
    return {name: median(each) for name, each in values.items()}


def measured(prepared: Prepared) -> Iterator[tuple[np.ndarray, Distances]]:
    """The groups of the records that are compared, and the distances: of each seed and filling."""
    setup, registry = setup_of(prepared), prepared.registry
    suite, encoder, seed = prepared.request.suite, None, None
    cells = sorted(cells_of(prepared), key=lambda cell: cell.coordinates.seed)
    places = {
        (cell.coordinates.scenario, cell.fuser.label, cell.coordinates.modalities) for cell in prepared.plan.cells
    }
    if len(places) != 1:
        raise UsageError(
            f"one scenario, one fuser and one modality set are compared at a time, and there are {len(places)} "
            "combinations; give scenario=NAME fuser=NAME modalities=NAME"
        )
    if not cells:
        raise UsageError("no imputer of this run fills anything; give imputer=NAME, such as imputer=mean")
    names = shortened(list(dict.fromkeys(cell.coordinates.imputer for cell in cells)))
    task = registry.get("dataset", suite.dataset).tasks[suite.grid.task[0]]
    first, stage = cells[0], BY_NAME["cohort"]
    if not stage.is_done(setup.store, first.keys[stage.name]):
        job = Job(id=first.keys[stage.name], stage=stage.name, label="", cell=first)
        stage.run(job, setup, registry, stage.context(job, setup))
    for cell in cells:
        at, device = cell.coordinates, "cuda" if prepared.plan.device == "cuda" else "cpu"
        context = Context(seed=at.seed, device=device)
        seen = view(cell, setup, registry).select(cell.modalities)
        if not any(mask[seen.parts == 2].any() for mask in seen.hidden.values()):
            raise UsageError(
                f"{at.scenario} hides nothing of a test record; give another scenario, such as scenario=mcar"
            )
        if encoder is None or at.seed != seed:
            seed = at.seed
            print(f"seed {seed}: training {cell.fuser.label} on complete records", file=sys.stderr)
            encoder = Encoder(registry.get("fuser", cell.fuser.name).build(cell.fuser.params), task, seen, context)
            groups = encoder.tests.groups[_has_hidden(seen, encoder.test)]
            yield groups, encoder.measure(ZERO, seen, zeros(encoder.tests, encoder.scaler), encoder.scaler)
        print(f"seed {seed}: {at.imputer}", file=sys.stderr)
        yield (
            groups,
            encoder.measure(
                names[at.imputer], seen, completed(cell, seen, registry, suite.draws, context), seen.scaler
            ),
        )


def shortened(labels: Sequence[str]) -> dict[str, str]:
    """Label -> the name alone, where no other label has that name."""
    names = [label.partition("(")[0] for label in labels]
    return {label: name if names.count(name) == 1 else label for label, name in zip(labels, names, strict=True)}


def _has_hidden(seen: View, test: np.ndarray) -> np.ndarray:
    present: np.ndarray = np.any([mask[test].any(axis=(1, 2)) for mask in seen.hidden.values()], axis=0)
    return present


def over_seeds(rows: Sequence[tuple[np.ndarray, Distances]]) -> tuple[np.ndarray, list[Filling]]:
    """The groups, and each filling's mean over seeds. UsageError where seeds compare other
    records.
    """
    groups = rows[0][0]
    if any(not np.array_equal(each, groups) for each, _ in rows):
        raise UsageError("seeds hide entries of other test records; give scenario.within.ps=1.0, or one seed")
    by_name: dict[str, list[Distances]] = {}
    for _, each in rows:
        by_name.setdefault(each.filling, []).append(each)
    return groups, [
        Filling(
            name, {what: np.mean([getattr(each, what) for each in seeds], axis=0) for what in ("mae", "l2", "cosine")}
        )
        for name, seeds in by_name.items()
    ]


def table(groups: np.ndarray, fillings: Sequence[Filling]) -> str:
    """Markdown, a line per filling."""
    header = [
        "filling",
        "MAE",
        "interval",
        "L2",
        "interval",
        "1 − cosine",
        "interval",
        "nearer in L2",
        "nearer in cosine",
    ]
    lines = [f"| {' | '.join(header)} |", "|" + " --- |" * len(header)]
    base = fillings[0]
    for each in fillings:
        line = [each.name]
        for what in ("mae", "l2", "cosine"):
            low, high = interval(each.values[what], groups)
            line += [f"{each.values[what].mean():.4f}", f"{low:.4f}–{high:.4f}"]
        for what in ("l2", "cosine"):
            line.append("" if each is base else f"{(each.values[what] < base.values[what]).mean():.1%}")
        lines.append(f"| {' | '.join(line)} |")
    return "\n".join(lines)


def verdicts(groups: np.ndarray, fillings: Sequence[Filling]) -> list[str]:
    """What the last filling gains over each other one: the mean difference of pairs, and in words
    what its interval says.
    """
    last, words = fillings[-1], {"mae": "MAE", "l2": "L2", "cosine": "cosine distance"}
    said = []
    for what, name in words.items():
        by: dict[str, list[str]] = {"smaller": [], "larger": [], "not surely another": []}
        for other in fillings[:-1]:
            gap = last.values[what] - other.values[what]
            low, high = interval(gap, groups)
            kind = "smaller" if high < 0 else "larger" if low > 0 else "not surely another"
            by[kind].append(f"{other.name} ({gap.mean():+.4f}, {low:+.4f} to {high:+.4f})")
        parts = (f"{kind} than with {', '.join(names)}" for kind, names in by.items() if names)
        said.append(f"{name} with {last.name} is {'; '.join(parts)}.")
    return said


def draw(fillings: Sequence[Filling], groups: np.ndarray, title: str, path: Path) -> None:
    """Two panels: each distance of each filling. A box holds the middle half of the records, lines
    reach from 5 % to 95 %; a point is the mean with its interval.
    """
    drawn, axes = printed.figure(1, 2, 4.6, 0.9 + 0.42 * len(fillings), sharey=True)
    names = [each.name for each in fillings]
    for axis, what, label in zip(axes[0], ("l2", "cosine"), ("L2 distance", "1 − cosine"), strict=True):
        for place, each in enumerate(fillings):
            values = each.values[what]
            ends, colour = np.quantile(values, [0.05, 0.25, 0.75, 0.95]), PALETTE[place % COLOURS]
            axis.plot([ends[0], ends[3]], [place, place], color=colour, linewidth=1, alpha=0.5)
            axis.barh(place, ends[2] - ends[1], left=ends[1], height=0.5, color=colour, alpha=0.35, linewidth=0)
            low, high = interval(values, groups)
            mean = float(values.mean())
            axis.errorbar(
                mean, place, xerr=[[max(mean - low, 0)], [max(high - mean, 0)]], color=colour, marker="o", markersize=4,
                linewidth=2, capsize=4,
            )  # fmt: skip
        axis.set_yticks(range(len(names)), names)
        axis.set_xlim(left=0)
        axis.set_xlabel(f"{label} to the complete record")
        axis.locator_params(axis="x", nbins=5)
    axes[0, 0].invert_yaxis()
    printed.add_title(drawn, f"{title}. Box: the middle half of the records; point: the mean with its 95 % interval")
    printed.save(drawn, path)


def words_of(size: str, words: Sequence[str]) -> list[str]:
    """The words of a size and those that were typed, which replace the former and all below
    them.
    """
    typed = {word.partition("=")[0] for word in words}
    presets = [word for word in (*ALWAYS, *SIZES[size]) if word.partition("=")[0] not in typed]
    for axis, chosen in (("suite", "ptbxl"), ("scenario", "within"), ("imputer", "condi"), ("fuser", "condi-head")):
        given = next((word.partition("=")[2] for word in words if word.startswith(f"{axis}=")), None)
        if given is not None and chosen not in given.split(","):
            presets = [word for word in presets if not word.startswith(f"{axis}.{chosen}.")]
            if axis == "suite":
                presets = [word for word in presets if not word.startswith(("data.", "task=", "modalities="))]
    return [*presets, *words]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Distances of features of filled records from those of complete ones.")
    parser.add_argument(
        "--size", choices=SIZES, default="demo", help="demo: minutes; paper: published sizes (default: demo)"
    )
    parser.add_argument("--to", type=Path, help="a picture, .svg or .png")
    options, words = parser.parse_known_args(arguments)
    try:
        if options.to:
            printed.check_target(options.to)
        registry = discover()
        prepared = prepare(request(words_of(options.size, words), registry), registry, fetch=lambda text: None)
        groups, fillings = over_seeds(list(measured(prepared)))
        suite = prepared.request.suite
        labels = dict.fromkeys(cell.coordinates.imputer for cell in cells_of(prepared))
        how = f"Encoder {prepared.plan.cells[0].fuser.label}; imputers {', '.join(labels)}; draws {suite.draws}."
        about = (
            f"Feature reconstruction: {suite.dataset}{' (generated records)' if prepared.synthetic else ''}, "
            f"{prepared.plan.cells[0].coordinates.scenario}; {len(groups)} test records, {len(suite.grid.seed)} seeds, "
            f"encoder {prepared.plan.cells[0].fuser.name}"
        )
        print("\n".join([about, "", table(groups, fillings), "", *verdicts(groups, fillings), "", how]))
        if options.to:
            draw(fillings, groups, about, options.to)
    except BenchError as error:
        print(f"reconstruction: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
