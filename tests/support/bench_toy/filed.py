"""A toy dataset with a file that decides its content, and a generator that writes it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from bench.components import Dataset
from bench.errors import DataError
from bench.testing.toy import TOY_TASK, toy_cohort

NAME = "records.json"


def files(root, params):
    if not (root / NAME).is_file():
        raise DataError(f"there is no {NAME} in {root}")
    return [root / NAME]


def generate(folder, params, report):
    folder.mkdir(parents=True)
    values = np.random.default_rng(3).random(120).round(3).tolist()
    (folder / NAME).write_text(json.dumps({"seed": 7, "ages": values}))


class Filed(Dataset):
    def prepare(self, root, context):
        told = json.loads((root / NAME).read_text())
        made = toy_cohort(n=len(told["ages"]), seed=told["seed"])
        vitals = made.modalities["vitals"]
        aged = vitals.grid + np.array(told["ages"], np.float32)[:, None, None]
        return made.with_modalities({**made.modalities, "vitals": replace(vitals, grid=aged)})


def declare(registry) -> None:
    """The dataset `filed`."""
    registry.dataset(
        "filed", "bench_toy.filed:Filed", tasks=[TOY_TASK], modalities=("vitals", "labs"),
        files="bench_toy.filed:files", generate="bench_toy.filed:generate",
    )  # fmt: skip
