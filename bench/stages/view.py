"""What a cell's methods may see: the cohort after hiding and scaling, and the split. Kept in
memory for the next job.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from bench import arrays
from bench.cohort import Cohort
from bench.config.suite import Split
from bench.data.splits import PARTS, part
from bench.data.store import Store
from bench.execute.job import Setup
from bench.federated.settings import Partition
from bench.grid.cell import Cell
from bench.registry import Registry
from bench.stages import artifacts
from bench.stages.clients import clients_of, narrowed
from bench.stages.hiding import apply, hide
from bench.stages.preparing import load
from bench.stages.scale import Scaler


@dataclass(frozen=True)
class View:
    """One hide key's result.

    - cohort: visible entries only, standardised.
    - parts: int8 [n], index into `bench.data.splits.PARTS`.
    - shares: realised and expected hidden share.
    - recorded: the cohort before hiding; with scaler it gives the truth of what is hidden, for
      scoring only: never handed to a component.
    """

    cohort: Cohort
    parts: np.ndarray
    shares: dict[str, float]
    recorded: Cohort
    scaler: Scaler

    @cached_property
    def hidden(self) -> dict[str, np.ndarray]:
        """modality -> bool [n, length, channels], observed but hidden."""
        known = self.recorded.modalities
        return {name: known[name].observed & ~series.observed for name, series in self.cohort.modalities.items()}

    @cached_property
    def truth(self) -> dict[str, np.ndarray]:
        """modality -> float32 [n, length, channels], standardised, where anything is hidden."""
        known = self.recorded.modalities
        return {name: self.scaler.grid(name, known[name].grid) for name, mask in self.hidden.items() if mask.any()}

    @property
    def nbytes(self) -> int:
        """Memory it holds: what is not mapped from a file."""
        series = self.cohort.modalities.values()
        return sum(s.grid.nbytes + s.events.times.nbytes + s.events.values.nbytes for s in series)

    def select(self, modalities: tuple[str, ...]) -> View:
        """The same, for a modality set."""
        cohort = self.cohort.with_modalities({name: self.cohort.modalities[name] for name in modalities})
        return replace(self, cohort=cohort)


@lru_cache(maxsize=2)
def _raw(cache: str, key: str) -> Cohort:
    return load(Store(Path(cache)).open(artifacts.cohort(key)))


@lru_cache(maxsize=2)
def _parts(cache: str, key: str, split: Split) -> np.ndarray:
    cohort = _raw(cache, key)
    return part(split, cohort.ids.tolist(), cohort.groups.tolist(), cohort.splits)


@lru_cache(maxsize=1)
def _narrowed(cache: str, key: str, split: Split, rule: Partition, classes: str) -> Cohort:
    cohort = _raw(cache, key)
    return narrowed(cohort, _parts(cache, key, split), clients_of(rule, classes, cohort))


_views: dict[str, View] = {}

KEPT = 2**30
"""Bytes of views a worker keeps for its next cells: those of all seeds of a few thousand stays;
one where views are larger.
"""


def view(cell: Cell, setup: Setup, registry: Registry) -> View:
    """The view of a cell's hide key. Masks are stored in the cache, so that every worker hides
    the same entries once.
    """
    key, cohort_key = cell.keys["hide"], cell.keys["cohort"]
    if key in _views:
        return _views[key]
    cohort, parts = _raw(setup.cache, cohort_key), _parts(setup.cache, cohort_key, cell.split)
    if setup.partition.visible is not None:
        cohort = _narrowed(setup.cache, cohort_key, cell.split, setup.partition, setup.classes)
    path = setup.store.open(artifacts.mask(key))
    if not setup.store.has(artifacts.mask(key)):
        scenario = registry.get("scenario", cell.scenario.name).build(cell.scenario.params)
        hidden = hide(cohort, scenario, cell.coordinates.seed, cell.scenario.name)
        spared = ~np.isin(parts, [PARTS.index(name) for name in setup.hiding.parts])
        for name, mask in hidden.visible.items():
            mask[spared] = cohort.modalities[name].observed[spared]
        arrays.write(path, hidden.visible, {"key": key, "shares": json.dumps(hidden.shares)})
    visible, metadata = arrays.read(path, key)
    seen = apply(cohort, visible)
    teaches = cohort if setup.scaling.leaks else seen.take(np.flatnonzero(parts == 0))
    scaler = Scaler.fit(teaches, setup.scaling.cut)
    made_view = View(replace(scaler.scale(seen), columns={}), parts, json.loads(metadata["shares"]), cohort, scaler)
    while _views and sum(kept.nbytes for kept in _views.values()) + made_view.nbytes > KEPT:
        _views.pop(next(iter(_views)))
    _views[key] = made_view
    return made_view
