"""Small central trainings of every torch method, as digests: `python
tests/support/central_training.py` stores them anew.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.append(str(Path(__file__).parents[1]))  # where this file is run by itself

import bench_imputers.plugin
from bench.components import Context
from bench.registry import Registry
from bench.testing.toy import toy_cohort
from bench.train_params import TrainParams
from support.fuser_cohorts import REGISTRY, TASKS, build, cohort, parts

FILE = Path(__file__).parents[1] / "door" / "central_training.json"

IMPUTERS = Registry()
IMPUTERS.register_plugin("imputers", bench_imputers.plugin)

BRIEF: dict[str, Any] = {"epochs": 2, "batch_size": 16}


def cases() -> dict[str, tuple[str, str, str, dict[str, Any]]]:
    """Name of a case -> kind, component, kind of task ("" for imputers), parameters over those
    for tests.
    """
    fusers = [spec.name for spec in REGISTRY.specs("fuser") if "torch" in spec.tags]
    imputers = [spec.name for spec in IMPUTERS.specs("imputer") if issubclass(spec.params, TrainParams)]
    assert {"gru", "mag", "maestro", "tfn"} <= set(fusers)
    assert {"condi", "csdi", "csdi-quick", "sssd", "trace"} <= set(imputers)
    chosen: list[tuple[str, str, str, dict[str, Any]]] = [
        *(("fuser", name, kind, {}) for name in fusers for kind in ("binary", "regression")),
        *(("fuser", "gru", task.kind, {"balance": True}) for task in TASKS if task.kind != "regression"),
        ("fuser", "gru", "multiclass", {"average": 0.9, "schedule": "cosine", "optimizer": "adamw", "steps": 7}),
        ("fuser", "gru", "binary", {"patience": 1, "epochs": 6, "learning_rate": 0.1}),
        ("fuser", "tfn", "regression", {"squash": True, "regression_loss": "absolute"}),
        ("fuser", "tfn", "binary", {"preset": "mists", "width": 8, "heads": 2, "layers": 1, "front": "utde", "points": 4}),
        ("fuser", "mag", "binary", {"anchor": "vitals"}),
        ("fuser", "maestro", "binary", {"modality_dropout": 0.9}),
        *(("imputer", name, "", {}) for name in imputers),
        ("imputer", "csdi", "", {"validate": True, "average": 0.5, "mask": "mix"}),
        ("imputer", "csdi", "", {"targets": ("labs",)}),
        ("imputer", "condi", "", {"profile": "released"}),
        ("imputer", "trace", "", {"preset": "trace-temporal", "expert_width": None}),
        ("imputer", "trace", "", {"preset": "trace-pool", "targets": ("vitals",)}),
    ]  # fmt: skip
    return {_title(*each): each for each in chosen}


def _title(component: str, name: str, kind: str, params: dict[str, Any]) -> str:
    return " ".join(
        filter(None, [name, kind, *(f"{key}={value}" for key, value in params.items() if value is not None)])
    )


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode() + arrays[name].tobytes())
    return found.hexdigest()[:20]


def trained(kind: str, name: str, task_kind: str, params: dict[str, Any]) -> dict[str, str]:
    """Digests of the weights and of what is predicted, of a training on a toy cohort; one
    thread.
    """
    threads, context = torch.get_num_threads(), Context(seed=11, notes=[])
    torch.set_num_threads(1)
    try:
        if kind == "fuser":
            task = next(task for task in TASKS if task.kind == task_kind)
            train, valid, test = parts(cohort(60))
            fuser: Any = build(name, **(BRIEF | params))
            fuser.fit(train, valid, task, context)
            weights = {key: tensor.numpy() for key, tensor in fuser.module.state_dict().items()}
            made = {"": fuser.predict(test, context)}
        else:
            spec = IMPUTERS.get("imputer", name)
            imputer = spec.build({**spec.test_params, **BRIEF, "steps": None, **params})
            imputer.fit(records(24, 0), records(8, 1), context)
            weights, made = imputer.state_dict(), imputer.impute(records(6, 2), 2, context)
    finally:
        torch.set_num_threads(threads)
    return {"weights": digest(weights), "predictions": digest(made)}


def records(n: int, seed: int) -> Any:
    """A cohort with a channel, and with a modality, that no record has ever observed."""
    whole = toy_cohort(n, length=6, modalities={"vitals": 3, "labs": 2, "scans": 1}, seed=seed).without_targets()
    unseen = {"vitals": whole.modalities["vitals"].observed.copy(), "scans": np.zeros((n, 6, 1), bool)}
    unseen["vitals"][..., 1] = False
    return whole.with_modalities(
        {
            name: replace(
                series,
                observed=unseen.get(name, series.observed),
                grid=np.where(unseen.get(name, series.observed), series.grid, np.float32("nan")),
                available=unseen.get(name, series.observed).any(axis=(1, 2)),
            )
            for name, series in whole.modalities.items()
        }
    )


def machine() -> dict[str, str]:
    """What bits depend on besides the code: versions, and how this machine adds and multiplies."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            rows = torch.randn(33, 24, requires_grad=True)
            layers = [torch.nn.GRU(24, 16, batch_first=True), torch.nn.Linear(16, 16), torch.nn.LayerNorm(16)]
            read = layers[2](layers[1](layers[0](rows[None])[0]))
            mixed = torch.nn.functional.scaled_dot_product_attention(read, read, read).tanh().exp()
            torch.nn.functional.conv1d(mixed, torch.ones(33, 33, 3)).softmax(dim=-1).square().mean().backward()
            assert rows.grad is not None
            probe = {"rows": rows.grad.numpy(), "mixed": mixed.detach().numpy()}
    finally:
        torch.set_num_threads(threads)
    return {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "arithmetic": digest(probe),
    }


def stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    found = {"machine": machine(), "trainings": {name: trained(*case) for name, case in cases().items()}}
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
