"""What files a generated cohort consists of, and that they depend on nothing but the arguments."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

import numpy as np
import pandas as pd
import pyarrow.parquet

from bench.errors import DataError, UsageError
from bench_datasets.mimic4.generate.generator import generate

HEADERS = {
    "hosp/patients": "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod",
    "hosp/admissions": "subject_id,hadm_id,admittime,dischtime,deathtime,admission_type,admit_provider_id,"
    "admission_location,discharge_location,insurance,language,marital_status,race,edregtime,edouttime,"
    "hospital_expire_flag",
    "hosp/diagnoses_icd": "subject_id,hadm_id,seq_num,icd_code,icd_version",
    "hosp/d_icd_diagnoses": "icd_code,icd_version,long_title",
    "icu/icustays": "subject_id,hadm_id,stay_id,first_careunit,last_careunit,intime,outtime,los",
    "icu/d_items": "itemid,label,abbreviation,linksto,category,unitname,param_type,lownormalvalue,highnormalvalue",
    "icu/chartevents": "subject_id,hadm_id,stay_id,caregiver_id,charttime,storetime,itemid,value,valuenum,valueuom,"
    "warning",
    "note/radiology": "note_id,subject_id,hadm_id,note_type,note_seq,charttime,storetime,text",
}


def quiet(line: str) -> None:
    pass


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("name", HEADERS)
def test_a_table_has_the_columns_of_the_release_in_their_order(generated: Path, name: str) -> None:
    with gzip.open(generated / f"{name}.csv.gz", "rt") as lines:
        assert next(lines).strip() == HEADERS[name]


def test_there_is_no_other_file_than_the_tables_the_embeddings_the_oracle_and_the_mark(generated: Path) -> None:
    parquets = {"cxr", "ecg", "oracle/oracle", "oracle/labels", "oracle/values"}
    assert set(content(generated)) == (
        {f"{name}.csv.gz" for name in HEADERS} | {f"{name}.parquet" for name in parquets} | {"synthetic.json"}
    )


def test_equal_arguments_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        generate(tmp_path / name, 25, 7, quiet)
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_another_seed_gives_other_patients(tmp_path: Path) -> None:
    for seed in (1, 2):
        generate(tmp_path / str(seed), 5, seed, quiet)
    assert content(tmp_path / "1")["icu/icustays.csv.gz"] != content(tmp_path / "2")["icu/icustays.csv.gz"]


def test_the_rows_of_a_smaller_cohort_are_the_first_rows_of_a_larger_one(generated: Path, tmp_path: Path) -> None:
    for stays in range(23, 29):  # some of these cut a patient or an admission in two
        small = tmp_path / str(stays)
        generate(small, stays, 0, quiet)
        for name in HEADERS:
            with gzip.open(generated / f"{name}.csv.gz") as whole, gzip.open(small / f"{name}.csv.gz") as part:
                rows = part.read()
                assert whole.read(len(rows)) == rows, (stays, name)
        for path in small.rglob("*.parquet"):
            rows_small = pyarrow.parquet.read_table(path).to_pandas()
            rows_large = pyarrow.parquet.read_table(generated / path.relative_to(small)).to_pandas()
            pd.testing.assert_frame_equal(rows_small, rows_large.head(len(rows_small)))


def test_density_multiplies_the_chart_and_leaves_all_other_files_as_they_are(tmp_path: Path) -> None:
    generate(tmp_path / "1", 30, 0, quiet)
    generate(tmp_path / "3", 30, 0, quiet, density=3.0)
    once, thrice = content(tmp_path / "1"), content(tmp_path / "3")
    changed = {name for name in once if once[name] != thrice[name]}
    assert changed == {"icu/chartevents.csv.gz", "synthetic.json"}
    rows = [gzip.decompress(files["icu/chartevents.csv.gz"]).count(b"\n") for files in (once, thrice)]
    assert 2.7 < rows[1] / rows[0] < 3.3


def test_the_width_of_the_embeddings_is_an_argument(tmp_path: Path) -> None:
    generate(tmp_path / "a", 20, 0, quiet, cxr_width=1024, ecg_width=256)
    for name, width in (("cxr", 1024), ("ecg", 256)):
        rows = pyarrow.parquet.read_table(tmp_path / "a" / f"{name}.parquet")
        assert [str(field.type) for field in rows.schema] == ["int64", "int64", "timestamp[ms]", "list<element: float>"]
        assert {len(row) for row in rows["embedding"].to_pylist()} == {width}


def test_a_finished_folder_of_the_same_arguments_is_left_alone(tmp_path: Path) -> None:
    generate(tmp_path / "a", 5, 0, quiet)
    before = (tmp_path / "a" / "synthetic.json").stat().st_mtime_ns
    generate(tmp_path / "a", 5, 0, quiet)
    assert (tmp_path / "a" / "synthetic.json").stat().st_mtime_ns == before


def test_a_folder_with_something_else_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(DataError, match="something else"):
        generate(tmp_path, 5, 0, quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_nothing_is_left_of_a_cohort_that_was_interrupted(tmp_path: Path) -> None:
    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "a", 5, 0, stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("stays", "density"), [(0, 1.0), (-3, 1.0), (10**9, 1.0), (5, 0.0), (5, np.nan)])
def test_an_impossible_size_is_refused_before_anything_is_written(tmp_path: Path, stays: int, density: float) -> None:
    with pytest.raises(UsageError, match="is not accepted; give a number from"):
        generate(tmp_path / "a", stays, 0, quiet, density=density)
    assert list(tmp_path.iterdir()) == []
