"""What a report must know of a plan: everything but records and statistics."""

from __future__ import annotations

from typing import Any

import msgspec

from bench.config.asked import Request
from bench.data.release import public
from bench.grid.ingredients import deterministic, ingredients
from bench.registry import Spec
from bench.results.records import Export, Statistics, TaskSummary
from bench.run.prepare import Prepared


def described(request: Request, dataset: Spec) -> dict[str, Any]:
    """Fields of an export that tell what was asked for, whatever came of it."""
    return {
        "title": request.suite.title,
        "data": public(msgspec.to_builtins(dataset.parameters(request.suite.data))),
        "command": request.command(exact=False),
        "profile": request.settings.profile,
        "overrides": list(request.overrides),
        "scaling": request.suite.scaling.over,
        "hiding": request.suite.hiding.said(),
        "fill_absent": request.suite.fill_absent,
        "notes": request.notes,
        "statistics": Statistics(**msgspec.structs.asdict(request.suite.stats)),
        "published": list(request.suite.published),
    }


def planned_export(prepared: Prepared) -> Export:
    """What a report must know of the plan: everything but records and statistics."""
    request, plan = prepared.request, prepared.plan
    dataset = prepared.registry.get("dataset", request.suite.dataset)
    return Export(
        **described(request, dataset),
        suite=request.suite.name,
        dataset=dataset.name,
        synthetic=prepared.synthetic,
        release=prepared.release,
        tasks=[
            TaskSummary(t.name, t.kind, t.metrics, t.summary)
            for t in (dataset.tasks[name] for name in request.suite.grid.task)
        ],
        planned=[(cell.coordinates, cell.key) for cell in plan.cells],
        records=[],
        control_imputers=list(dict.fromkeys(cell.imputer.label for cell in plan.cells if cell.imputer.control)),
        control_fusers=list(dict.fromkeys(cell.fuser.label for cell in plan.cells if cell.fuser.control)),
        modality_sets={cell.coordinates.modalities: list(cell.modalities) for cell in plan.cells},
        ingredients=ingredients(request, prepared.registry, plan.manifest, plan.device, prepared.synthetic),
        deterministic=deterministic(plan, prepared.registry),
    )
