"""PTB-XL from its files to a cohort: labels by each rule, folds, sites, samples; and what is
refused.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from bench.cohort import bins_of
from bench.components import Context
from bench.errors import DataError
from bench_datasets.ptbxl.dataset import PtbxlLimbChest
from bench_datasets.ptbxl.files import files
from bench_datasets.ptbxl.params import CHEST, CLASSES, LEADS, LIMB, PtbxlParams
from support.counting import numbers
from support.ptbxl_files import CODES, four, name, prepare, row, signal, write

pytest.importorskip("wfdb", reason="the extra signals is not installed")


def labels(root: Path, **params: object) -> dict[str, tuple[str, float]]:
    """Record -> its superclasses, joined, and the place of its single one."""
    cohort = prepare(root, **params)
    sets = ["+".join(np.array(CLASSES)[many == 1]) for many in cohort.targets["diagnoses"]]
    return dict(zip(cohort.ids.tolist(), zip(sets, cohort.targets["diagnosis"].tolist(), strict=True), strict=True))


def test_any_statement_counts_by_default_and_the_first_class_of_the_priority_is_the_single_label(tmp_path):
    assert labels(four(tmp_path)) == {"1": ("NORM", 0), "2": ("MI+HYP", 1), "3": ("STTC+CD", 2)}


def test_with_a_likelihood_of_100_certain_statements_alone_count(tmp_path):
    assert labels(four(tmp_path), min_likelihood=100) == {"1": ("NORM", 0), "2": ("HYP", 4)}
    assert labels(tmp_path, min_likelihood=15) == {"1": ("NORM", 0), "2": ("MI+HYP", 1), "3": ("STTC", 2)}


def test_a_single_label_of_records_with_one_superclass_alone_leaves_the_others_unknown(tmp_path):
    found = labels(four(tmp_path), single="only")
    assert found["1"] == ("NORM", 0)
    assert found["2"][0] == "MI+HYP"
    assert np.isnan([found["2"][1], found["3"][1]]).all()


def test_records_without_a_superclass_are_counted_and_kept_where_that_is_asked_for(tmp_path):
    assert numbers(prepare(four(tmp_path)))["records without a superclass"] == 1
    kept = prepare(tmp_path, unlabelled="kept")
    assert kept.ids.tolist() == ["1", "2", "3", "4"]
    assert kept.targets["diagnoses"][3].tolist() == [0, 0, 0, 0, 0]
    assert np.isnan(kept.targets["diagnosis"][3])


def test_no_record_with_a_superclass_is_refused(tmp_path):
    write(tmp_path, [row(1, {"SR": 0.0})])
    with pytest.raises(DataError, match="min_likelihood"):
        prepare(tmp_path)


def test_folds_1_to_8_are_for_training_9_for_validation_and_10_for_the_test(tmp_path):
    write(tmp_path, [row(n, {"NORM": 100.0}, fold=n) for n in range(1, 11)])
    assert prepare(tmp_path).splits["strat_fold"].tolist() == [0] * 8 + [1, 2]


def test_small_sites_are_merged_visibly_and_unknown_ones_stay_unknown(tmp_path):
    sites = ["0.0"] * 3 + ["1.0", "12.0", ""]
    write(tmp_path, [row(n, {"NORM": 100.0}, site=site) for n, site in enumerate(sites, 1)])
    cohort = prepare(tmp_path, merge_sites_below=2)
    assert cohort.columns["site"].tolist() == ["0", "0", "0", "merged", "merged", ""]
    assert numbers(cohort)["sites of fewer than 2 records, merged into one"] == 2
    assert numbers(cohort)["records without a site"] == 1
    assert prepare(tmp_path, merge_sites_below=0).columns["site"].tolist() == ["0", "0", "0", "1", "12", ""]


def test_a_patient_is_a_group(tmp_path):
    write(tmp_path, [row(1, CODES[0], patient="7.0"), row(2, CODES[0], patient="7.0"), row(3, CODES[0])])
    assert prepare(tmp_path).groups.tolist() == ["7", "7", "503"]


def test_every_lead_is_a_modality_in_millivolts_one_sample_a_bin(tmp_path):
    cohort = prepare(four(tmp_path))
    assert tuple(cohort.modalities) == LEADS
    for place, lead in enumerate(LEADS):
        series = cohort.modalities[lead]
        assert series.units == ("mV",)
        np.testing.assert_allclose(series.grid[1, :, 0], signal(2)[:, place], atol=1e-6)
        assert series.events.counts.tolist() == [1000, 1000, 1000]
        assert np.array_equal(bins_of(series.events.times[:1000], cohort.bin_hours), np.arange(1000))
    assert cohort.bin_hours * 3600 * 100 == pytest.approx(1)


def test_limb_and_chest_leads_can_be_two_modalities_of_the_same_samples(tmp_path):
    apart = prepare(four(tmp_path))
    cohort = PtbxlLimbChest(PtbxlParams()).prepare(tmp_path, Context())
    for group, leads in {"limb": LIMB, "chest": CHEST}.items():
        assert cohort.modalities[group].channels == leads
        stacked = np.concatenate([apart.modalities[lead].grid for lead in leads], axis=2)
        assert np.array_equal(cohort.modalities[group].grid, stacked)


def test_the_middle_of_a_record_is_taken(tmp_path):
    short = prepare(four(tmp_path), length=250).modalities["V1"].grid[0, :, 0]
    np.testing.assert_allclose(short, signal(1)[375:625, 6], atol=1e-6)


def test_leads_are_found_by_name_whatever_their_order_and_capitals(tmp_path):
    header = four(tmp_path) / f"{name(1)}.hea"
    first, *lines = header.read_text().splitlines()
    renamed = [
        f"{' '.join(line.split()[:-1])} {lead}" for line, lead in zip(lines, reversed(("i", *LEADS[1:])), strict=True)
    ]
    header.write_text("\n".join([first, *renamed]) + "\n")
    cohort = prepare(tmp_path)
    np.testing.assert_allclose(cohort.modalities["I"].grid[0, :, 0], signal(1)[:, 11], atol=1e-6)


def test_a_sample_that_the_file_marks_as_invalid_is_missing_and_counted(tmp_path):
    values = signal(1)
    values[3, 6] = -32.768
    write(tmp_path, [row(1, CODES[0])], {1: values})
    cohort = prepare(tmp_path)
    series = cohort.modalities["V1"]
    assert np.flatnonzero(~series.observed[0, :, 0]).tolist() == [3]
    assert len(series.events.times) == 999
    assert numbers(cohort)["samples that the files mark as invalid"] == 1


@pytest.mark.parametrize(
    "codes",
    [
        "__import__('os').system('touch ran')",
        "[1, 2]",
        "{'NORM': 101}",
        "{'NORM': 'x'}",
        "{1: 100.0}",
        "{'NORM': nan}",
        "(" * 900,
        "{'A': " * 300,
        "x" * 3000,
        "",
    ],
)
def test_statements_are_parsed_as_literals_and_anything_else_is_refused(tmp_path, codes, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, [row(1, {"NORM": 100.0}), row(2, codes)])
    with pytest.raises(DataError, match="record 2: scp_codes"):
        prepare(tmp_path)
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([row(1, CODES[0]), row(1, CODES[0])], "a record twice"),
        ([row(1, CODES[0], fold=11)], "strat_fold must be 1 to 10"),
        ([row(1, CODES[0], patient="7.0"), row(2, CODES[0], patient="7.0", fold=2)], "a patient stands in two folds"),
        ([row(1, CODES[0], patient="")], "patient_id is not a whole number"),
        ([row(1, CODES[0], site="Berlin")], "whole numbers"),
        ([row(1, CODES[0]).replace("records100/", "../records100/")], "filename_lr"),
        ([], "lists nothing"),
    ],
)
def test_an_index_that_is_not_whole_is_refused(tmp_path, rows, reason):
    write(tmp_path, rows)
    with pytest.raises(DataError, match=reason):
        prepare(tmp_path)


def test_an_index_without_a_column_and_a_file_that_is_none_are_refused(tmp_path):
    index = four(tmp_path) / "ptbxl_database.csv"
    index.write_text(index.read_text().replace("strat_fold", "fold"))
    with pytest.raises(DataError, match="lacks the columns strat_fold"):
        prepare(tmp_path)
    index.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(DataError, match="HDF5"):
        prepare(tmp_path)


def test_the_tables_may_be_compressed_and_are_unpacked_within_bounds(tmp_path, monkeypatch):
    before = prepare(four(tmp_path))
    index = tmp_path / "ptbxl_database.csv"
    index.with_name("ptbxl_database.csv.gz").write_bytes(gzip.compress(index.read_bytes()))
    index.unlink()
    assert prepare(tmp_path).ids.tolist() == before.ids.tolist()
    monkeypatch.setattr("bench_datasets.ptbxl.index.LARGEST", 100)
    with pytest.raises(DataError, match="unpacks to more"):
        prepare(tmp_path)


def damaged(kind: str, header: Path, samples: Path) -> None:
    text = header.read_text()
    if kind == "missing":
        samples.unlink()
    elif kind == "cut":
        samples.write_bytes(samples.read_bytes()[:-100])
    elif kind == "elsewhere":
        (header.parents[2] / "secret.dat").write_bytes(samples.read_bytes())
        header.write_text(text.replace(f"{header.stem}.dat", "../../secret.dat"))
    elif kind == "huge":
        header.write_text(text.replace("12 100 1000", "12 100 100000000000"))
    elif kind == "rate":
        header.write_text(text.replace("12 100 1000", "12 500 1000"))
    elif kind == "unit":
        header.write_text(text.replace("/mV", "/degC"))
    elif kind == "lead":
        header.write_text(text.replace(" V6", " V7"))
    elif kind == "empty":
        header.write_text("")
    else:
        header.write_bytes(b"\xff" * 2**17)


@pytest.mark.parametrize("kind", ["missing", "cut", "elsewhere", "huge", "rate", "unit", "lead", "empty", "bytes"])
def test_a_record_that_is_missing_damaged_or_of_another_form_is_refused_by_name(tmp_path, kind):
    header = four(tmp_path) / f"{name(2)}.hea"
    damaged(kind, header, header.with_suffix(".dat"))
    with pytest.raises(DataError, match="00002_lr"):
        prepare(tmp_path)


@pytest.mark.parametrize("place", ["", "ptb-xl-1.0.3", "physionet.org/files/ptb-xl/1.0.3"])
def test_the_files_are_found_where_programs_put_them(tmp_path, place):
    four(tmp_path / place)
    assert len(files(tmp_path, PtbxlParams())) == 2 + 2 * 4


def test_an_empty_place_says_what_to_type(tmp_path):
    with pytest.raises(DataError, match=r"bench data fetch ptbxl data\.root="):
        prepare(tmp_path)
    four(tmp_path)
    (tmp_path / "scp_statements.csv").unlink()
    with pytest.raises(DataError, match=r"no scp_statements\.csv"):
        prepare(tmp_path)
