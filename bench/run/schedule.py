"""The jobs that give cells their records, in the order in which they are run, and what the
workers must know.
"""

from __future__ import annotations

import random
from functools import lru_cache

import msgspec

from bench.execute import device, executors
from bench.execute.job import Job, Setup
from bench.grid.cell import Cell
from bench.grid.federated import task_of
from bench.run.prepare import Prepared
from bench.stages.order import BY_NAME, LAST, STAGES


def setup_of(prepared: Prepared) -> Setup:
    """What the workers must know."""
    request = prepared.request
    suite = request.suite
    dataset = prepared.registry.get("dataset", suite.dataset)
    return Setup(
        root=str(prepared.root),
        cache=str(request.settings.cache_folder()),
        manifest=prepared.plan.manifest,
        contents=dataset.seen() if dataset.contents else None,
        scaling=suite.scaling,
        hiding=suite.hiding,
        fill_absent=suite.fill_absent,
        draws=suite.draws,
        precision=request.settings.precision,
        threads=request.settings.threads,
        differ=suite.weights.differ,
        partition=suite.partition,
        classes=task_of(request),
        rounds=suite.rounds,
        privacy=suite.privacy,
    )


def gpus_of(prepared: Prepared) -> tuple[str, ...]:
    """What CUDA_VISIBLE_DEVICES must say for each GPU that the run uses; none where it runs on
    the CPU or on other machines.
    """
    settings = prepared.request.settings
    here = settings.executor == executors.HERE and prepared.plan.device == "cuda"
    return device.chosen(settings.device) if here else ()


def workers_of(prepared: Prepared) -> int:
    """How many processes the run has. Without a number: one per core, and no fewer than GPUs, so
    that none of these idles.
    """
    return prepared.request.settings.workers or max(device.cores(), len(gpus_of(prepared)))


def jobs_of(prepared: Prepared, todo: list[Cell]) -> list[Job]:
    """The jobs that give those cells their records, each after those that it needs, and what cells
    share once.

    So a budget ends with whole cells. With `shuffle` their order is drawn, as far as needs allow.
    """
    plan, registry = prepared.plan, prepared.registry
    missing = lru_cache(maxsize=None)(lambda stage, key: not BY_NAME[stage].is_done(prepared.store, key))
    jobs: dict[str, Job] = {}
    runnable = {cell.key: cell for cell in todo if not cell.skip}  # two rows may be one result
    for cell in runnable.values():
        needs: list[str] = []
        for stage in STAGES:
            key = cell.keys[stage.name]
            if not stage.own_job or not missing(stage.name, key):
                continue
            if stage is LAST and cell.coordinates.audit == "repeat":
                base = prepared.bases.get(msgspec.structs.replace(cell.coordinates, audit=""))
                needs += [base] if base in runnable and base != key else []
            if key not in jobs:
                torch = "torch" in stage.spec(cell, registry).tags
                jobs[key] = Job(
                    id=key, stage=stage.name, label=stage.label(cell), cell=cell, needs=tuple(needs),
                    device=plan.device if torch else "cpu", estimate=prepared.estimates.of(stage.name, cell),
                )  # fmt: skip
            needs.append(key)
    work = list(jobs.values())
    shuffle = prepared.request.settings.shuffle
    if shuffle is not None:
        random.Random(shuffle).shuffle(work)
    return work
