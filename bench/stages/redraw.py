"""Training records with a new mask at each epoch, completed by the cell's imputer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.cohort import Cohort
from bench.components import Context
from bench.execute.job import Setup
from bench.grid.cell import Cell
from bench.grid.redraw import redraws
from bench.metrics.imputation import median
from bench.registry import Registry
from bench.stages.clients import imputer_of
from bench.stages.hiding import apply, shown_in_epoch
from bench.stages.imputing import blank, filled
from bench.stages.view import View


def redrawn_by(
    cell: Cell, setup: Setup, registry: Registry, seen: View, context: Context
) -> Callable[[int, Cohort], Cohort] | None:
    """For `Context.redrawn` of a fuser; None where the cell's scenario hides once.

    The imputer is one that learns nothing, or sums, from training records as the first epoch shows
    them. It is fitted here, once. Scaling is of that epoch too.
    """
    if not redraws(cell.scenario) or "train" not in setup.hiding.parts:
        return None
    spec = registry.get("imputer", cell.imputer.name)
    scenario = registry.get("scenario", cell.scenario.name).build(cell.scenario.params)
    rows = {record: row for row, record in enumerate(seen.recorded.ids.tolist())}

    def shown(cohort: Cohort) -> Cohort:
        return blank(cohort) if "hides_values" in spec.tags else cohort

    train, valid = (shown(seen.cohort.take(np.flatnonzero(seen.parts == part))).without_targets() for part in (0, 1))
    imputer = imputer_of(cell, setup, registry, seen.recorded)
    imputer.fit(train, valid, context)

    def redrawn(epoch: int, cohort: Cohort) -> Cohort:
        if not epoch:
            return cohort
        recorded = seen.recorded.take(np.array([rows[record] for record in cohort.ids.tolist()]))
        visible = shown_in_epoch(recorded, scenario, cell.coordinates.seed, cell.scenario.name, epoch)
        scaled = seen.scaler.scale(apply(recorded, visible))
        again = shown(scaled.with_modalities({name: scaled.modalities[name] for name in cell.modalities}))
        completed = imputer.impute(again.without_targets(), 1, context)
        medians = {name: median(values) for name, values in completed.items()}
        return cohort.with_modalities(filled(again, medians, None, spec, setup).modalities)

    return redrawn
