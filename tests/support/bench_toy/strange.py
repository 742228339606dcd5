"""Components that hand over whatever a test puts at one of their doors."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np

from bench.cohort import Count
from bench.components import Dataset, Fuser, Imputer, Scenario
from bench.testing.toy import toy_cohort
from bench_toy.parts import level

DOORS: dict[str, Any] = {}
"""What is handed over, by the name of the door; what is not here is as it should be."""


def through(door, proper):
    value = DOORS.get(door, proper)
    if door in DOORS and isinstance(value, BaseException):
        raise value
    return value


class StrangeDataset(Dataset):
    def prepare(self, root, context):
        made = toy_cohort(n=120, seed=7)
        context.report(through("dataset report", "reading"))
        vitals = made.modalities["vitals"]
        vitals = replace(
            vitals,
            channels=(*vitals.channels[:-1], through("channel", vitals.channels[-1])),
            units=(*vitals.units[:-1], through("unit of a channel", vitals.units[-1])),
        )
        names = through("modalities", ("vitals", "labs"))
        ids = made.ids.tolist()
        ids[3] = through("id", ids[3])
        groups = made.groups.tolist()
        groups[5] = through("group", groups[5])
        target = made.targets["toy"].copy()
        target[4] = through("target", target[4])
        return replace(
            made,
            ids=np.array(ids) if "id" not in DOORS else np.array(ids, object),
            groups=np.array(groups) if "group" not in DOORS else np.array(groups, object),
            modalities=dict(zip(names, (vitals, made.modalities["labs"]), strict=True)),
            static_names=through("static names", made.static_names),
            targets={through("task", "toy"): target},
            counts={
                through("name of a count", "rows"): Count(
                    through("number of a count", 3), through("kind of a count", "found")
                ),
                "stays": through("count", Count(3, "found")),
            },
        )


class StrangeScenario(Scenario):
    @property
    def unit(self):
        return through("unit", "cells")

    def hide(self, observed, rng):
        mask = through("mask", np.zeros_like(observed["vitals"]))
        return {through("name of a mask", "vitals"): mask}

    def expected(self, observed):
        return through("expected", 0.0)


class StrangeImputer(Imputer):
    def fit(self, train, valid, context):
        context.report(through("imputer report", "fitting"))
        through("imputer error", None)

    def impute(self, cohort, draws, context):
        made = {name: np.nan_to_num(s.grid)[None] for name, s in cohort.modalities.items()}
        made[through("name of an imputed modality", "vitals")] = through("imputed", made["vitals"])
        return through("imputation", made)

    def state_dict(self):
        return through("state", {through("name of a state", "weight"): through("array of a state", np.zeros(3))})

    def parameters(self):
        return through("imputer parameters", 3)


class StrangeFuser(Fuser):
    @property
    def reads_imputed(self):
        return through("reads_imputed", True)

    def fit(self, train, valid, task, context):
        context.report(through("report", "fitting"))
        logging.getLogger("strange").warning(through("warning", "careful"))
        if "note" in DOORS:
            context.note(DOORS["note"])
        if "notes" in DOORS:
            context.notes.append(DOORS["notes"])
        context.note(through("name of a note", "experts"), through("value of a note", 3))
        through("error", None)

    def predict(self, cohort, context):
        outputs = (1 / (1 + np.exp(-level(cohort)))).astype(np.float32)
        return through("outputs", outputs)

    def parameters(self):
        return through("parameters", 7)


KNOWN = (
    "dataset report", "channel", "unit of a channel", "modalities", "id", "group", "target", "static names", "task",
    "name of a count", "number of a count", "kind of a count", "count", "unit", "mask", "name of a mask", "expected",
    "imputer report", "imputer error", "name of an imputed modality", "imputed", "imputation", "state",
    "name of a state", "array of a state", "imputer parameters", "reads_imputed", "report", "warning", "note", "notes",
    "name of a note", "value of a note", "error", "outputs", "parameters",
)  # fmt: skip
"""All doors."""


def declare(registry) -> None:
    """The four of them, each called `strange`."""
    from bench.testing import TOY_TASK

    registry.dataset(
        "strange", "bench_toy.strange:StrangeDataset", tasks=[TOY_TASK], modalities=("vitals", "labs"),
        tags=("synthetic",),
    )  # fmt: skip
    registry.scenario("strange", "bench_toy.strange:StrangeScenario")
    registry.imputer("strange", "bench_toy.strange:StrangeImputer")
    registry.fuser("strange", "bench_toy.strange:StrangeFuser", notes={"experts": "count", "anchor": "modality"})
