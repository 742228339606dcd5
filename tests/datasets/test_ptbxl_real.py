"""The published index of PTB-XL 1.0.1 and a published record, against what is known of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.cohort import Counts
from bench_datasets.ptbxl.index import Index, labels_of, merged, read_classes, read_index, single_of
from bench_datasets.ptbxl.params import PtbxlParams
from bench_datasets.ptbxl.release import release
from bench_datasets.ptbxl.verify import limb_share
from support.ptbxl_files import prepare


@pytest.fixture(scope="module")
def folder(open_data: Path) -> Path:
    return open_data / "ptbxl"


@pytest.fixture(scope="module")
def index(folder: Path) -> Index:
    return read_index(folder / "ptbxl_database.csv.gz")


@pytest.mark.parametrize("statements", ["scp_statements.csv", "scp_statements.1.0.3.csv"])
def test_superclasses_have_the_published_counts_in_both_tables_of_statements(folder: Path, index: Index, statements):
    classes = read_classes(folder / statements)
    assert len(classes) == 44
    labels = labels_of(index, classes, PtbxlParams())
    assert labels.sum(axis=0).tolist() == [9528, 5486, 5250, 4907, 2655]
    assert (~labels.any(axis=1)).sum() == 407


def test_the_three_label_rules_differ_by_thousands_of_records(folder: Path, index: Index):
    classes = read_classes(folder / "scp_statements.csv")
    any_key, certain = (labels_of(index, classes, PtbxlParams(min_likelihood=least)) for least in (0, 100))
    assert certain.sum(axis=0).tolist() == [7185, 2984, 4579, 4787, 1473]
    sizes = {rule: np.bincount(single_of(any_key, rule)[~np.isnan(single_of(any_key, rule))].astype(int)).tolist()
             for rule in ("priority", "only")}  # fmt: skip
    assert sizes == {"priority": [9528, 5485, 3872, 2009, 536], "only": [9083, 2538, 2406, 1709, 536]}


def test_folds_keep_patients_together(index: Index):
    assert len(index) == 21_837
    assert len(np.unique(index.patients)) == 18_885
    assert np.bincount(index.folds).tolist() == [0, 2177, 2184, 2194, 2175, 2176, 2178, 2178, 2179, 2193, 2203]


def test_most_sites_are_small_and_some_patients_were_at_several(index: Index):
    counts = Counts()
    named, sizes = np.unique(merged(index.sites, 50, counts), return_counts=True)
    assert dict(zip(named.tolist(), sizes.tolist(), strict=True)) == {
        "": 18, "0": 8940, "1": 6296, "2": 5075, "3": 611, "4": 100, "5": 58, "merged": 739,
    }  # fmt: skip
    assert counts.number("sites") == 51
    pairs = np.unique(np.stack([index.patients.astype(str), index.sites])[:, index.sites != ""], axis=1)
    assert (np.unique(pairs[0], return_counts=True)[1] > 1).sum() == 46


def test_the_index_tells_its_release(folder: Path):
    assert release(folder, PtbxlParams()) == "PTB-XL 1.0.1"


def test_a_published_record_is_read_and_its_limb_leads_are_functions_of_two(folder: Path, tmp_path: Path):
    pytest.importorskip("wfdb", reason="the extra signals is not installed")
    shutil.copytree(folder / "records100", tmp_path / "records100")
    shutil.copy(folder / "scp_statements.csv", tmp_path)
    import gzip

    with gzip.open(folder / "ptbxl_database.csv.gz", "rt", encoding="utf-8") as stream:
        (tmp_path / "ptbxl_database.csv").write_text(stream.readline() + stream.readline(), "utf-8")
    cohort = prepare(tmp_path)
    assert cohort.ids.tolist() == ["1"]
    values = np.concatenate([series.grid for series in cohort.modalities.values()], axis=2)
    assert values.shape == (1, 1000, 12)
    np.testing.assert_allclose(values[0, 0, :3], [-0.119, -0.055, 0.064], atol=1e-6)
    assert limb_share(values) == 1
