"""What published pipelines on these data get wrong, tried on the stages of the harness (mimic48
protocol, sections 5, 7, 9, 14).

That a later row of an hour never overwrites an observed value is in test_mimic4_values.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.cohort import Cohort
from bench.components import Context
from bench.config.request import request
from bench.config.suite import Split
from bench.data.splits import crossing, part, split_records
from bench.execute.job import Job, Setup
from bench.grid.plan import Plan, plan
from bench.registry import Registry, discover
from bench.stages import artifacts
from bench.stages.fusing import fuse
from bench.stages.imputing import impute
from bench.stages.preparing import save
from bench.stages.view import View, view
from support.mimic4_tables import Tables, prepare, ward

SUITE = """
name = "defects"
title = "Defects"
dataset = "mimic4"
modalities = { vitals = ["vitals"] }
grid = { task = ["ihm48"], modalities = ["vitals"], imputer = ["mean"], fuser = ["linear"], seed = [1] }
controls = { imputer = [], fuser = [] }
audits = { cells = [] }
"""


class Harness:
    """One cell on a prepared cohort, in this process. Every harness needs a name of its own:
    views are kept by key.
    """

    def __init__(self, cohort: Cohort, folder: Path, name: str, *words: str, suite: str = SUITE):
        (folder / "defects.toml").write_text(suite)
        self.registry: Registry = discover()
        asked = request([f"suite={folder / 'defects.toml'}", *words], self.registry)
        self.plan: Plan = plan(asked, self.registry, name, "cpu")
        self.cell = self.plan.cells[0]
        said = {name: getattr(asked.suite, name) for name in Setup.__struct_fields__ if hasattr(asked.suite, name)}
        self.setup = Setup(
            **said, root=str(folder), cache=str(folder / name), precision="fp32", threads=1,
        )  # fmt: skip
        save(self.setup.store.open(artifacts.cohort(self.cell.keys["cohort"])), cohort)

    def view(self) -> View:
        return view(self.cell, self.setup, self.registry)

    def run(self):
        """What the cell measures, and its predictions."""
        for stage, work in (("impute", impute), ("fuse", fuse)):
            job = Job(id=self.cell.keys[stage], stage=stage, label="", cell=self.cell)
            output = work(job, self.setup, self.registry, Context(seed=1))
        return output.measures, output.predictions


def returning_ward(patients: int = 40) -> Tables:
    """A ward whose patients all come back for a second stay; stays reach 48 hours."""
    tables = ward(patients)
    for i in range(patients):
        tables.rows["icu/icustays"][i][6:] = ["2150-01-09 08:00:00", 8]
        tables.admission(2000 + i, i, int(i % 4 == 0))
        tables.stay(7000 + i, 60, i, 2000 + i)
        tables.chart(7000 + i, 1, "Heart Rate", 80)
    return tables


@pytest.fixture
def returning(tmp_path: Path) -> Cohort:
    return prepare(returning_ward().write(tmp_path / "data"))


def test_no_stay_is_dropped_at_test_however_many_rows_it_has_or_how_few(tmp_path: Path) -> None:
    """Published code removes stays of 1,000 rows and more, and batches that raise, from training
    and test alike.
    """
    tables = returning_ward()
    for stay in range(7000, 7040, 2):
        for row in range(1_100):
            tables.chart(stay, 2 + row / 50, "Heart Rate", 60 + row % 40)
    cohort = prepare(tables.write(tmp_path / "data"))
    assert (cohort.modalities["vitals"].events.counts >= 1_100).sum() == 20
    harness = Harness(cohort, tmp_path, "dropped")
    record, predictions = harness.run()
    tested = cohort.ids[(harness.view().parts == 2) & ~np.isnan(cohort.targets["ihm48"])]
    counts = cohort.modalities["vitals"].events.counts[np.isin(cohort.ids, tested)]
    assert counts.max() >= 1_100 > counts.min()
    assert sorted(predictions.ids.tolist()) == sorted(tested.tolist())
    assert record.audits["scored-once"].passed
    assert record.counts["test"] == len(tested)


def test_scalers_see_stays_of_training_patients_alone(returning: Cohort, tmp_path: Path) -> None:
    """Published code fills with means over all stays, the test included, and scales each split
    by its own statistics.
    """
    first = Harness(returning, tmp_path, "scaler").view()
    others = first.parts != 0
    assert 0 < others.sum() < len(others)
    series = returning.modalities["vitals"]
    series.grid[others] *= 3
    series.events.values[np.isin(series.events.records(), np.flatnonzero(others))] *= 3
    returning.statics[others] += 50
    second = Harness(returning, tmp_path, "scaler again").view()
    assert not np.array_equal(first.recorded.modalities["vitals"].grid, series.grid, equal_nan=True)
    for name, state in first.scaler.state.items():
        np.testing.assert_array_equal(state, second.scaler.state[name])


def test_by_default_no_patient_stands_on_two_sides_and_by_the_legacy_rule_as_many_as_are_said(
    returning: Cohort, tmp_path: Path
) -> None:
    by_patient = Harness(returning, tmp_path, "patient")
    by_stay = Harness(returning, tmp_path, "stay", "split=reference-stay")
    assert crossing(returning.groups, by_patient.view().parts) == 0
    np.testing.assert_array_equal(by_stay.view().parts, split_records(returning.ids.tolist(), 0))
    both = crossing(returning.groups, by_stay.view().parts)
    assert both > 0
    assert by_stay.cell.keys["cohort"] != Harness(returning, tmp_path, "stay").cell.keys["cohort"]
    assert by_stay.run()[0].counts["patients_on_both_sides"] == both  # every stay takes part in the task
    assert "patients_on_both_sides" not in by_patient.run()[0].counts


def test_the_note_encoder_learns_from_those_who_train_by_the_rule_of_the_suite(tmp_path: Path) -> None:
    root = returning_ward().write(tmp_path)
    one, two = (
        prepare(root, lambda ids, groups, rule=rule: part(Split(by=rule), ids, groups)).modalities["notes"]
        for rule in ("patient", "reference-stay")
    )
    assert one.grid.shape != two.grid.shape or not np.array_equal(one.grid, two.grid, equal_nan=True)


@pytest.mark.parametrize("there", [True, False])
def test_a_record_says_of_a_modality_that_nobody_has_and_of_no_other(tmp_path: Path, there: bool) -> None:
    tables = returning_ward()
    if not there:
        del tables.rows["note/radiology"]
    cohort = prepare(tables.write(tmp_path / "data"))
    both = SUITE.replace('["vitals"] }', '["vitals", "notes"] }')
    record, _ = Harness(cohort, tmp_path, f"notes {there}", suite=both).run()
    counts = record.counts
    without = {name: count for name, count in counts.items() if name.startswith("without")}
    assert without == ({} if there else {"without_notes": counts["train"] + counts["valid"] + counts["test"]})
