"""`meds` on the open demo of MIMIC-IV in MEDS, against the tables of the same patients.

The tables admissions, icustays, patients and labevents are those that PhysioNet publishes. The
table chartevents of the open data was rebuilt from MEDS, so that equal bedside values say that two
readers agree, and nothing of how MEDS was made.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tomli_w

from bench.cohort import Cohort
from bench.components import Context
from bench_datasets.meds.dataset import Meds
from bench_datasets.meds.params import MedsParams
from bench_datasets.mimic4.files import DEMO
from bench_datasets.mimic4.table import VARIABLES
from support.counting import numbers
from support.mimic4_tables import prepare as prepare_mimic4

pytestmark = pytest.mark.data

SHARED = [each for each in VARIABLES if not any(label.conversion for label in each.labels)]
"""Variables of `mimic4` that are not converted: those that a mapping of codes can say too."""

LABS = {"creatinine": 50912, "potassium": 50971, "lactate": 50813}
"""Items of the hospital's laboratory, in labevents."""


@pytest.fixture(scope="module")
def demo(open_data: Path) -> Path:
    return open_data / DEMO


@pytest.fixture(scope="module")
def stays(demo: Path) -> pd.DataFrame:
    """The ICU stays by the name of the record that they are in MEDS."""
    table = pd.read_csv(demo / "icu" / "icustays.csv.gz", parse_dates=["intime", "outtime"])
    table["id"] = [f"{row.subject_id} {row.intime.isoformat()}" for row in table.itertuples()]
    return table.set_index("id")


@pytest.fixture(scope="module")
def read(open_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("meds")
    bedside = {
        each.name: {
            "codes": [f"LAB//{label.item}" for label in each.labels if label.maps != "reference"],
            "unit": each.unit,
            "low": float(each.low),
            "high": float(each.high),
        }
        for each in SHARED
    }
    mapping = {
        "folder": str(open_data / "mimic-iv-demo-meds-0.0.1"),
        "records": {"start": ["ICU_ADMISSION"], "end": ["ICU_DISCHARGE"]},
        "grid": {"length": 48},
        "statics": {"male": ["GENDER//M"]},
        "modalities": {"vitals": bedside, "labs": {name: {"codes": [f"LAB//{item}"]} for name, item in LABS.items()}},
        "tasks": {"died": {"codes": ["HOSPITAL_DISCHARGE//DIED"], "until": ["HOSPITAL_DISCHARGE"]}},
    }
    (folder / "meds.toml").write_text(tomli_w.dumps(mapping), encoding="utf-8")
    return Meds(MedsParams()).prepare(folder, Context())


@pytest.fixture(scope="module")
def tables(demo: Path) -> Cohort:
    """The cohort of `mimic4`."""
    return prepare_mimic4(demo)


def values(cohort: Cohort, modality: str, stay_of: dict[str, str] | None = None) -> dict[tuple[str, str, float], float]:
    """(record, channel, hours) -> value, of all events of a modality."""
    series, known = cohort.modalities[modality], {}
    rows, channels = np.nonzero(~np.isnan(series.events.values))
    for row, channel, record in zip(rows, channels, series.events.records()[rows], strict=True):
        name = str(cohort.ids[record])
        place = (stay_of[name] if stay_of else name, series.channels[channel], float(series.events.times[row]))
        known[place] = float(series.events.values[row, channel])
    return known


def test_its_records_are_the_stays_with_their_units(read: Cohort, stays: pd.DataFrame) -> None:
    assert set(read.ids) == set(stays.index)
    assert read.columns["start"].tolist() == stays.loc[read.ids, "first_careunit"].tolist()
    assert np.bincount(read.splits["meds"]).sum() == len(read) == 140


def test_bedside_values_are_those_that_mimic4_reads_until_the_end_of_the_stay(
    read: Cohort, tables: Cohort, stays: pd.DataFrame
) -> None:
    ours = values(read, "vitals", stays["stay_id"].astype(str).to_dict())
    hours = (stays["outtime"] - stays["intime"]).dt.total_seconds() / 3600
    ends = dict(zip(stays["stay_id"].astype(str), hours, strict=True))
    shared = {each.name for each in SHARED}
    theirs = {place: value for place, value in values(tables, "vitals").items() if place[1] in shared}
    late = {place for place in theirs if place[2] > ends[place[0]]}
    assert len(late) == 12, "which mimic4 keeps, by the number of the stay, and MEDS leaves out"
    assert ours == {place: value for place, value in theirs.items() if place not in late}
    assert len(ours) == 42_285


def test_laboratory_values_are_those_of_the_published_table(read: Cohort, demo: Path, stays: pd.DataFrame) -> None:
    columns = ["subject_id", "itemid", "charttime", "valuenum"]
    events = pd.read_csv(demo / "hosp" / "labevents.csv.gz", usecols=columns, parse_dates=["charttime"])
    names = {item: name for name, item in LABS.items()}
    events = events[events["itemid"].isin(names) & events["valuenum"].notna()]
    expected: dict[tuple[str, str, float], float] = {}
    for stay in stays.itertuples():
        over = min(stay.outtime, stay.intime + pd.Timedelta(hours=48, seconds=-1))
        rows = events[(events["subject_id"] == stay.subject_id) & events["charttime"].between(stay.intime, over)]
        for row in rows.itertuples():
            hours = float(np.float32((row.charttime - stay.intime).total_seconds() / 3600))
            place = (str(stay.Index), names[row.itemid], hours)
            expected[place] = min(float(np.float32(row.valuenum)), expected.get(place, np.inf))
    assert values(read, "labs") == expected
    assert len(expected) > 500


def test_outcomes_and_statics_are_those_of_the_published_tables(
    read: Cohort, tables: Cohort, stays: pd.DataFrame
) -> None:
    order = [tables.ids.tolist().index(str(stay)) for stay in stays.loc[read.ids, "stay_id"]]
    np.testing.assert_array_equal(read.targets["died"], tables.targets["ihm48"][order])
    assert numbers(read)["task died: records"] == 74
    assert numbers(read)["task died: positive"] == 12
    np.testing.assert_array_equal(read.statics[:, 1], tables.statics[order, 1])
    # MEDS has a birthday on 1 January, the tables an age in years of an anchor.
    assert np.abs(read.statics[:, 0] - tables.statics[order, 0]).max() < 1
