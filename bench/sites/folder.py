"""The folder of a site, made from a cell of a suite and the data at hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

import bench
from bench import arrays
from bench.cohort import Cohort
from bench.data.splits import PARTS
from bench.errors import UsageError
from bench.execute.job import Setup
from bench.grid.cell import Cell
from bench.grid.federated import FREE
from bench.grid.redraw import redraws
from bench.registry import Registry
from bench.sites.agreement import Agreement, Named, Share, check_free, write
from bench.stages import artifacts
from bench.stages.clients import clients_of
from bench.stages.hiding import apply
from bench.stages.view import view


def agreement_of(cell: Cell, setup: Setup, registry: Registry, suite: str) -> Agreement:
    """What a server and its sites agree on. Raises UsageError for a cell that they cannot train."""
    rule = registry.get("federation", cell.federation.name)
    imputer = registry.get("imputer", cell.imputer.name)
    if cell.skip:
        raise UsageError(f"this cell cannot be run: {cell.skip}")
    if {"pooled", "alone"} & rule.tags:
        raise UsageError(f"{cell.federation.name} is a control, which sends nothing; give federation=fedavg or another")
    if cell.imputer.weights or not set(FREE) & imputer.tags or "draws" in imputer.tags:
        accepted = [
            spec.name for spec in registry.specs("imputer") if set(FREE) & spec.tags and "draws" not in spec.tags
        ]
        raise UsageError(
            f"{cell.imputer.label} is trained itself, which sites cannot do yet; give one of imputer={','.join(accepted)}"
        )
    if redraws(cell.scenario):
        raise UsageError("redraw=epoch gives training records new masks, which sites cannot do yet; give redraw=never")
    if setup.scaling.leaks:
        raise UsageError("scaling.over=everything looks at all records, which no site has; give scaling.over=train")
    if setup.partition.overlap:
        raise UsageError("partition.overlap gives subjects to two sites; give partition.overlap=0")
    at = cell.coordinates
    return Agreement(
        gapbench=bench.__version__,
        suite=suite,
        dataset=cell.dataset.name,
        task=registry.get("dataset", cell.dataset.name).tasks[at.task],
        modalities=cell.modalities,
        split=cell.split.in_words(),
        scenario=Named(cell.scenario.name, cell.scenario.params),
        hidden_in=setup.hiding.parts,
        imputer=Named(cell.imputer.name, cell.imputer.params),
        fuser=Named(cell.fuser.name, cell.fuser.params),
        federation=Named(cell.federation.name, cell.federation.params),
        seed=at.seed,
        rounds=setup.rounds,
        privacy=setup.privacy,
        scaling=setup.scaling,
        fill_absent=setup.fill_absent,
        precision=setup.precision,
        threads=setup.threads,
    )


def prepare(
    folder: Path, cell: Cell, setup: Setup, registry: Registry, suite: str, client: int | None = None
) -> dict[str, int]:
    """Make the folder of a site; part -> its records.

    client: of the partition of the suite; None: all records are of this site. The cohort of the
    cell lies in the cache. Raises UsageError for what sites cannot train, a client without training
    records, or a folder of something else.
    """
    agreement = agreement_of(cell, setup, registry, suite)
    check_free(folder, agreement, client)
    cohort, parts = _visible(cell, setup, registry)
    groups = cohort.groups.tolist()
    mine, owned = np.arange(len(cohort)), cell.modalities
    if client is not None:
        clients = clients_of(setup.partition, setup.classes, view(cell, setup, registry).recorded)
        if client not in range(len(clients.names)):
            raise UsageError(f"there is no client {client}; the partition has {len(clients.names)}, from 0")
        mine = clients.of(groups, client)
        owned = tuple(name for name in clients.owned[client] if name in cell.modalities)
    shares = {name: cohort.take(mine[parts[mine] == number]) for number, name in enumerate(PARTS)}
    if not len(shares["train"]):
        raise UsageError("this site has no training record")
    write(folder, agreement, Share(client=client, modalities=owned), shares, _empty(cohort))
    return {name: len(share) for name, share in shares.items()}


def _visible(cell: Cell, setup: Setup, registry: Registry) -> tuple[Cohort, np.ndarray]:
    """What of a cohort is visible, in recorded units, with the targets of one task; and the part
    of each record.
    """
    seen = view(cell, setup, registry)
    key = cell.keys["hide"]
    visible, _ = arrays.read(setup.store.open(artifacts.mask(key)), key)
    cohort = apply(seen.recorded, visible)
    task = cell.coordinates.task
    cohort = replace(cohort, targets={task: cohort.targets[task]}, oracle={}, splits={}, columns={}, counts={})
    return cohort.with_modalities({name: cohort.modalities[name] for name in cell.modalities}), seen.parts


def _empty(cohort: Cohort) -> Cohort:
    return cohort.take(np.arange(0))
