"""The table of axes: what derives from it agrees with it, and each axis enters the key of the
stage that it names.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from bench.config.suite import Grid
from bench.errors import UsageError
from bench.grid.axes import AXES, NAMES, Axis
from bench.registry import discover
from bench.results import coordinates
from bench.results.coordinates import Coordinates, Method, TableKey, imputation_of, method_of
from bench.stages.order import BY_NAME, STAGES
from bench.testing.toy import toy_cohort
from support.toy_stages import prepared

PARTS = np.repeat([0, 1, 2], [60, 20, 40]).astype(np.int8)
COHORT = replace(toy_cohort(n=120, absent=0.0), splits={"fold0": PARTS, "fold1": np.roll(PARTS, 40)})
SUITE = """
name = "axes"
title = "t"
dataset = "toy"
modalities = { both = ["vitals", "labs"], vitals = ["vitals"] }
grid = { task = ["toy"], modalities = ["both"], scenario = ["mcar"], imputer = ["locf"], fuser = ["linear"], seed = [1] }
controls = { imputer = [], fuser = [] }
audits = { cells = [] }
scenario = { mcar = { rate = 0.4 } }
"""
OTHER = {
    "split": "split=fold0",
    "modalities": "modalities=vitals",
    "scenario": "scenario.mcar.rate=0.5",
    "imputer": "imputer=linear",
    "fuser": "fuser=gbm",
    "seed": "seed=2",
}
"""Axis -> a word that changes its value; the toy has one task."""


def planned(folder, *words):
    return prepared(folder, SUITE, COHORT, *words)[0]


def fields(struct):
    return {field.name for field in msgspec.structs.fields(struct)}


def test_what_derives_from_the_table_agrees_with_it():
    assert fields(Grid) == set(NAMES)
    assert fields(Coordinates) == {"suite", *NAMES, "audit"}
    assert fields(TableKey) == {axis.name for axis in AXES if axis.place == "table"}
    rows = {axis.name for axis in AXES if axis.place == "row" and axis.component}
    assert fields(Method) == fields(TableKey) | rows - {"federation"}  # stands in the labels of what it trained
    assert all(axis.stage in BY_NAME for axis in AXES)
    kinds = {stage.kind for stage in STAGES} - {"dataset"}
    assert {axis.name for axis in AXES if axis.component} == kinds | {"federation"}  # which no stage runs
    defaults = {field.name: field.default for field in msgspec.structs.fields(Coordinates)}
    assert all(defaults[axis.name] == axis.default for axis in AXES if axis.default is not None)


@pytest.mark.parametrize("axis", [axis for axis in AXES if axis.name in OTHER], ids=lambda axis: axis.name)
def test_another_value_moves_the_key_of_its_stage_and_of_those_after_it_and_of_none_before(axis, tmp_path):
    (one,), (other,) = planned(tmp_path).cells, planned(tmp_path, OTHER[axis.name]).cells
    moved = [stage.name for stage in STAGES if one.keys[stage.name] != other.keys[stage.name]]
    names = [stage.name for stage in STAGES]
    first = "hide" if axis.name == "seed" else axis.stage  # a seed also draws the masks
    assert moved == names[names.index(first) :]


def test_a_plan_holds_every_combination_once_in_the_order_of_the_table(tmp_path):
    words = ("split=fold0,fold1", "modalities=both,vitals", "imputer=locf,mean", "fuser=linear,gbm", "seed=1,2")
    cells = planned(tmp_path, *words).cells
    found = [tuple(getattr(cell.coordinates, name) for name in NAMES) for cell in cells]
    values = [list(dict.fromkeys(column)) for column in zip(*found, strict=True)]
    assert found == list(itertools.product(*values))
    assert len({cell.key for cell in cells}) == len(cells) == 2**5


def test_the_default_of_an_axis_is_left_out_where_people_and_files_read_coordinates(tmp_path):
    (default,), (carried,) = planned(tmp_path).cells, planned(tmp_path, "split=fold0").cells
    assert b"split" not in msgspec.json.encode(default.coordinates)
    assert b'"split":"fold0"' in msgspec.json.encode(carried.coordinates)
    assert (default.coordinates.repeat, carried.coordinates.repeat) == (1, "fold0/1")


def test_cells_of_several_splits_share_the_cohort_and_hide_with_masks_of_their_own_key(tmp_path):
    one, two = planned(tmp_path, "split=fold0,fold1").cells
    assert one.keys["cohort"] == two.keys["cohort"]
    assert one.keys["hide"] != two.keys["hide"]


@pytest.mark.parametrize("words", ["split=patient,fold0", "split=fold0,reference-stay", "split=patient,reference-stay"])
def test_a_rule_and_another_split_are_two_protocols_and_make_no_table(words, tmp_path):
    with pytest.raises(UsageError, match=r"run (patient|reference-stay) by itself"):
        planned(tmp_path, words)


def test_every_stage_has_its_component_in_the_registry():
    assert all(discover().names(stage.kind) for stage in STAGES)


def test_a_value_of_an_axis_that_is_no_component_stands_behind_the_label_of_what_it_concerns(monkeypatch):
    class Further(Coordinates, frozen=True, kw_only=True):
        seam: str = "median"
        federation: str = "central"

    at = Coordinates("s", "t", "m", "natural", "mean", "gru", 1)
    rows = [Axis(name="seam", stage="fuse", place="row", default="median"),
            Axis(name="federation", stage="impute", place="row", default="central")]  # fmt: skip
    monkeypatch.setattr(coordinates, "BESIDE", tuple(rows))
    plain = Further(**msgspec.structs.asdict(at))
    assert method_of(plain) == Method("t", "m", "natural", "mean", "gru")
    other = msgspec.structs.replace(plain, seam="draws", federation="fedavg")
    assert method_of(other) == Method("t", "m", "natural", "mean · federation=fedavg", "gru · seam=draws")
    assert imputation_of(other).imputer == "mean · federation=fedavg"
