"""What the keys of a plan are made of, by name: so that two plans can be compared in words a person
understands.

Every input of a key is in one of the entries: equal ingredients mean equal keys. The values are
digests or short words; they hold nothing of a patient.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bench import NUMERICS
from bench.config.command import Request
from bench.grid.axes import COMPONENTS
from bench.grid.identity import component, digest, harness, of_metric, sources
from bench.grid.plan import Plan
from bench.registry import Registry, Spec
from bench.results.records import SCHEMA
from bench.stages.order import STAGES

DATA = "data"
DEVICE = "device"
"""Names of entries that are looked up again rather than computed."""


def ingredients(request: Request, registry: Registry, manifest: str, device: str, synthetic: bool) -> dict[str, str]:
    """Name of an ingredient -> its digest or value, for a request on data of that digest and that
    device.

    synthetic: whether the cohort was generated, so that its generator counts.
    """
    suite, settings = request.suite, request.settings
    dataset = registry.get("dataset", suite.dataset)
    ingredients: dict[str, str] = {
        DATA: manifest,
        DEVICE: device,
        "harness": f"numerics {NUMERICS}, schema {SCHEMA}",
        **{f"code of stage {stage.name}": harness(stage.code) for stage in STAGES},
        "split": digest(suite.split_identity()),
        "scaling": digest(suite.scaling.identity()),
        "hiding": digest(suite.hiding.identity()),
        "draws": str(suite.draws),
        "absent modalities": "filled" if suite.fill_absent else "absent",
        "threads": str(settings.threads),
        "precision": settings.precision,
        f"parameters of dataset {dataset.name}": digest(msgspec.to_builtins(dataset.parameters(suite.data))),
        "partition and rounds": digest(
            [msgspec.to_builtins(each) for each in (suite.partition, suite.rounds, suite.privacy)]
        ),
        "cells": digest([suite.grid, suite.controls, suite.audits.cells, suite.name]),
        **{f"weights of imputer {v.name}": v.weights for v in request.variants["imputer"] if v.weights},
    }
    if synthetic and dataset.generate:
        ingredients[f"generator of dataset {dataset.name}"] = sources(dataset.generate.partition(":")[0])[0]
    for name in suite.grid.task:
        task = dataset.tasks[name]
        ingredients[f"task {name}"] = digest([task.kind, task.outputs, task.primary])
        ingredients[f"metric {task.primary}"] = of_metric(registry.get("metric", task.primary))
    for name in suite.grid.modalities:
        ingredients[f"modality set {name}"] = ", ".join(suite.modalities.get(name, dataset.modalities))
    _add(ingredients, dataset)
    for kind in COMPONENTS:
        for variant in request.variants[kind]:
            spec = registry.get(kind, variant.name)
            ingredients[f"parameters of {kind} {variant.label}"] = digest([variant.params, spec.randomness])
            _add(ingredients, spec)
    return ingredients


def _add(ingredients: dict[str, str], spec: Spec) -> None:
    described = component(spec)
    ingredients |= {f"library {name}": version for name, version in described.pop("libraries").items()}
    ingredients[f"source of {spec.kind} {spec.name}"] = digest(described)


def differing(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What of two plans differs, in words, in the order of the second."""
    words = []
    for name in dict.fromkeys([*after, *before]):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        plain = name.startswith(("library ", "modality set ")) or name in (
            DEVICE, "harness", "draws", "absent modalities", "threads", "precision",
        )  # fmt: skip
        if old is None or new is None:
            words.append(f"{name} ({'new' if old is None else 'gone'})")
        else:
            words.append(f"{name} ({old}, now {new})" if plain else name)
    return words


def deterministic(planned: Plan, registry: Registry) -> list[str]:
    """`imputer LABEL` and `fuser LABEL` of the variants in a plan whose components are declared
    deterministic.
    """
    names = {
        f"{row.kind} {getattr(cell.coordinates, row.kind)}": row.name
        for cell in planned.cells
        for row in (cell.imputer, cell.fuser)
    }
    return [
        label
        for label, name in names.items()
        if registry.get(label.partition(" ")[0], name).randomness == "deterministic"
    ]
