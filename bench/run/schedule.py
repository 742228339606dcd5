"""The jobs that give cells their records, in the order in which they are run, and what the workers must know."""

from __future__ import annotations

import random

import msgspec

from bench import arrays
from bench.execute import device
from bench.execute.job import Job, Setup, is_imputed
from bench.execute.local import cores
from bench.grid.plan import Cell
from bench.run.prepare import Prepared
from bench.stages.cohort import path_of


def setup_of(prepared: Prepared) -> Setup:
    """What the workers must know."""
    request = prepared.request
    return Setup(
        dataset=request.suite.dataset,
        data=request.suite.data,
        root=str(prepared.root),
        cache=str(request.settings.cache_folder()),
        cohort_key=prepared.plan.cohort_key,
        manifest=prepared.plan.manifest,
        split=request.suite.split,
        scaling=request.suite.scaling,
        hiding=request.suite.hiding,
        fill_absent=request.suite.fill_absent,
        draws=request.suite.draws,
        precision=request.settings.precision,
        threads=request.settings.threads,
        differ=request.suite.weights.differ,
    )


def gpus_of(prepared: Prepared) -> tuple[str, ...]:
    """What CUDA_VISIBLE_DEVICES must say for each GPU that the run uses; none where it runs on the CPU."""
    return tuple(device.gpus()) if prepared.plan.device == "cuda" else ()


def workers_of(prepared: Prepared) -> int:
    """How many processes the run has. Without a number: one per core, and no fewer than GPUs, so that none of these idles."""
    return prepared.request.settings.workers or max(cores(), len(gpus_of(prepared)))


def jobs_of(prepared: Prepared, todo: list[Cell]) -> list[Job]:
    """The jobs that give those cells their records: one cohort, each imputation once, one fusion per cell."""
    cache = prepared.request.settings.cache_folder()
    plan, estimates = prepared.plan, prepared.estimates
    jobs: dict[str, Job] = {}

    def device_of(kind: str, name: str) -> str:
        return plan.device if "torch" in prepared.registry.get(kind, name).tags else "cpu"

    runnable = list({cell.key: cell for cell in todo if not cell.skip}.values())  # two rows may be one result
    first: tuple[str, ...] = ()
    if runnable and not arrays.is_complete(path_of(cache, plan.cohort_key)):
        dataset = prepared.registry.get("dataset", prepared.request.suite.dataset)
        jobs[plan.cohort_key] = Job(
            id=plan.cohort_key,
            kind="cohort",
            label=f"prepare {dataset.name}",
            estimate=dataset.expected_seconds(prepared.request.suite.data, estimates.records),
        )
        first = (plan.cohort_key,)
    imputations = {}
    for cell in runnable:
        at = cell.coordinates
        if cell.impute_key not in imputations and not is_imputed(cache, cell.impute_key):
            imputations[cell.impute_key] = Job(
                id=cell.impute_key,
                kind="impute",
                label=f"impute {at.scenario} {at.imputer} seed {at.seed}",
                cell=cell,
                needs=first,
                device=device_of("imputer", cell.imputer.name),
                estimate=estimates.impute(cell),
            )
    fusions = []
    bases = {cell.coordinates: cell.key for cell in plan.cells if not cell.coordinates.audit}
    fresh = {cell.key for cell in runnable}
    for cell in runnable:
        needs = (*first, *((cell.impute_key,) if cell.impute_key in imputations else ()))
        base = bases.get(msgspec.structs.replace(cell.coordinates, audit=""))
        if cell.coordinates.audit == "repeat" and base in fresh and base != cell.key:
            needs = (*needs, base)
        fusions.append(
            Job(
                id=cell.key,
                kind="fuse",
                label=label(cell),
                cell=cell,
                needs=needs,
                device=device_of("fuser", cell.fuser.name),
                estimate=estimates.fuse(cell),
            )
        )
    work = [*imputations.values(), *fusions]
    shuffle = prepared.request.settings.shuffle
    if shuffle is not None:
        random.Random(shuffle).shuffle(work)
    else:
        work = _interleave(list(imputations.values()), fusions)
    return [*jobs.values(), *work]


def _interleave(imputations: list[Job], fusions: list[Job]) -> list[Job]:
    """Each imputation just before the first fusion that needs it, so that a budget ends with whole cells."""
    by_id = {job.id: job for job in imputations}
    ordered: list[Job] = []
    for job in fusions:
        ordered += [by_id.pop(need) for need in job.needs if need in by_id]
        ordered.append(job)
    return ordered


def label(cell: Cell) -> str:
    """A cell in a few words, for a person who watches."""
    c = cell.coordinates
    extra = f" [{c.audit}]" if c.audit else ""
    return f"{c.task} {c.modalities} {c.scenario} {c.imputer} x {c.fuser} seed {c.seed}{extra}"
