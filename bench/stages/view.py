"""What a cell's methods may see: the cohort after hiding and scaling, and the split. Kept in memory for the next job."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from bench import arrays
from bench.cohort import Cohort
from bench.plan import Cell
from bench.registry import Registry
from bench.splits import split
from bench.stages.cohort import load, path_of
from bench.stages.hide import apply, hide
from bench.stages.job import Setup
from bench.stages.scaling import Scaler


@dataclass(frozen=True)
class View:
    """One hide key's result.

    cohort: visible entries only, standardised. parts: int8 [n], index into `bench.splits.PARTS`. hidden: modality -> bool
    [n, length, channels], observed but hidden. truth: modality -> float32 of that shape, standardised, for scoring only; never
    handed to a component. shares: realised and expected hidden share.
    """

    cohort: Cohort
    parts: np.ndarray
    hidden: dict[str, np.ndarray]
    truth: dict[str, np.ndarray]
    shares: dict[str, float]

    def select(self, modalities: tuple[str, ...]) -> View:
        """The same, for a modality set."""
        cohort = self.cohort.with_modalities({name: self.cohort.modalities[name] for name in modalities})
        return replace(self, cohort=cohort)


@lru_cache(maxsize=2)
def _raw(cache: str, key: str) -> Cohort:
    return load(path_of(Path(cache), key))


_views: dict[str, View] = {}


def view(cell: Cell, setup: Setup, registry: Registry) -> View:
    """The view of a cell's hide key. Masks are stored in the cache, so that every worker hides the same entries once."""
    if cell.hide_key in _views:
        return _views[cell.hide_key]
    cohort = _raw(setup.cache, setup.cohort_key)
    parts = split(cohort.groups.tolist(), setup.split.seed, setup.split.fractions)
    path = setup.folder("masks", f"{cell.hide_key}.safetensors")
    if not path.is_file():
        scenario = registry.get("scenario", cell.scenario.name).build(cell.scenario.params)
        made = hide(cohort, scenario, cell.coordinates.seed, cell.scenario.name)
        arrays.write(path, made.visible, {"shares": json.dumps(made.shares)})
    visible, metadata = arrays.read(path)
    seen = apply(cohort, visible)
    scaler = Scaler.fit(seen.take(np.flatnonzero(parts == 0)), setup.scaling.winsorise)
    hidden = {name: series.observed & ~visible[name] for name, series in cohort.modalities.items()}
    made_view = View(
        cohort=scaler.scale(seen),
        parts=parts,
        hidden=hidden,
        truth={
            name: scaler.grid(name, series.grid) for name, series in cohort.modalities.items() if hidden[name].any()
        },
        shares=json.loads(metadata["shares"]),
    )
    while len(_views) >= 2:
        _views.pop(next(iter(_views)))
    _views[cell.hide_key] = made_view
    return made_view
