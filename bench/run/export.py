"""What a report must know of a plan: everything but records and statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from bench.config.command import Request
from bench.data.release import public
from bench.discovery.metric import MetricSpec
from bench.grid.ingredients import deterministic, ingredients
from bench.registry import Spec
from bench.results.comparing import described as metrics_of
from bench.results.comparing import summaries
from bench.results.records import Export, Statistics
from bench.run.prepare import Prepared


def described(request: Request, dataset: Spec, metrics: Mapping[str, MetricSpec]) -> dict[str, Any]:
    """Fields of an export that tell what was asked for, whatever came of it. metrics: all that
    are known.
    """
    suite, stats = request.suite, request.suite.stats
    tasks = summaries([dataset.tasks[name] for name in suite.grid.task], stats.metrics, metrics, f"suite {suite.name}")
    return {
        "title": request.suite.title,
        "data": public(msgspec.to_builtins(dataset.parameters(request.suite.data))),
        "command": request.command(exact=False),
        "profile": request.settings.profile,
        "overrides": list(request.overrides),
        "scaling": request.suite.scaling.over,
        "hiding": request.suite.hiding.in_words(),
        "fill_absent": request.suite.fill_absent,
        "notes": request.notes,
        "tasks": tasks,
        "metrics": metrics_of(tasks, metrics),
        "statistics": Statistics(
            resamples=stats.resamples, alpha=stats.alpha, seed=stats.seed, correction=stats.correction
        ),
        "published": list(request.suite.published),
    }


def planned_export(prepared: Prepared) -> Export:
    """What a report must know of the plan: everything but records and statistics."""
    request, plan = prepared.request, prepared.plan
    dataset = prepared.registry.get("dataset", request.suite.dataset)
    return Export(
        **described(request, dataset, prepared.registry.metrics),
        suite=request.suite.name,
        dataset=dataset.name,
        synthetic=prepared.synthetic,
        release=prepared.release,
        planned=[(cell.coordinates, cell.key) for cell in plan.cells],
        records=[],
        control_imputers=list(dict.fromkeys(cell.coordinates.imputer for cell in plan.cells if cell.imputer.control)),
        control_fusers=list(dict.fromkeys(cell.coordinates.fuser for cell in plan.cells if cell.fuser.control)),
        completing=_completing(prepared),
        modality_sets={cell.coordinates.modalities: list(cell.modalities) for cell in plan.cells},
        ingredients=ingredients(request, prepared.registry, plan.manifest, plan.device, prepared.synthetic),
        deterministic=deterministic(plan, prepared.registry),
    )


def _completing(prepared: Prepared) -> list[tuple[str, str]]:
    """`Export.completing` of a plan."""
    spec = prepared.registry.get
    pairs = {
        (cell.coordinates.imputer, cell.coordinates.fuser): None
        for cell in prepared.plan.cells
        if "own_imputer" in spec("fuser", cell.fuser.name).tags
        and "leaves_nan" in spec("imputer", cell.imputer.name).tags
    }
    return list(pairs)
