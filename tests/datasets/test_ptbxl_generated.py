"""The stand-in for PTB-XL: files that wfdb reads, known structure, every kind of statements; and
the download.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.errors import DataError
from bench_datasets.ptbxl.fetch import fetch
from bench_datasets.ptbxl.generate import generate
from bench_datasets.ptbxl.index import labels_of, read_classes, read_index
from bench_datasets.ptbxl.params import LEADS, PtbxlParams
from bench_datasets.ptbxl.verify import limb_share, verify
from support.ptbxl_files import four, prepare
from support.publishing import publishing

wfdb = pytest.importorskip("wfdb", reason="the extra signals is not installed")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ptbxl") / "made"
    generate(folder, PtbxlParams(records=300), lambda line: None)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_parameters_give_the_same_files_and_more_records_begin_with_the_same(made: Path, tmp_path: Path):
    again, more = tmp_path / "again", tmp_path / "more"
    generate(again, PtbxlParams(records=300), lambda line: None)
    assert contents(again) == contents(made)
    generate(more, PtbxlParams(records=310), lambda line: None)
    longer = contents(more)
    assert all(longer[name] == content for name, content in contents(made).items() if "_lr" in name)
    assert longer["ptbxl_database.csv"].startswith(contents(made)["ptbxl_database.csv"])


def test_another_seed_gives_other_hearts(made: Path, tmp_path: Path):
    generate(tmp_path / "other", PtbxlParams(records=40, generator_seed=1), lambda line: None)
    name = "records100/00000/00001_lr.dat"
    assert (tmp_path / "other" / name).read_bytes() != (made / name).read_bytes()


def test_wfdb_finds_in_the_files_what_their_headers_say(made: Path):
    record = wfdb.rdrecord(str(made / "records100/00000/00001_lr"), physical=False)
    assert (record.fs, record.sig_len, record.n_sig) == (100, 1000, 12)
    assert record.calc_checksum() == record.checksum
    assert record.d_signal[0].tolist() == record.init_value


def test_statements_of_every_kind_occur(made: Path):
    index, classes = read_index(made / "ptbxl_database.csv"), read_classes(made / "scp_statements.csv")
    number = labels_of(index, classes, PtbxlParams()).sum(axis=1)
    assert {0, 1, 2} <= set(number.tolist())
    assert labels_of(index, classes, PtbxlParams()).any(axis=0).all()
    likelihoods = [value for codes in index.codes for code, value in codes.items() if code in classes]
    assert {0.0, 100.0} <= set(likelihoods)
    assert any(code not in classes for codes in index.codes for code in codes)
    assert len(np.unique(index.patients)) < len(index)
    assert set(index.folds.tolist()) == set(range(1, 11))
    assert "" in index.sites or len(np.unique(index.sites)) >= 5


def test_limb_leads_are_functions_of_two_of_them_and_chest_leads_are_not(made: Path):
    cohort = prepare(made)
    values = np.concatenate([cohort.modalities[lead].grid for lead in LEADS], axis=2)
    assert limb_share(values) == 1
    own = values[..., :2].reshape(-1, 2)
    rest = values[..., 6].reshape(-1) - own @ np.linalg.lstsq(own, values[..., 6].reshape(-1), rcond=None)[0]
    assert rest.std() > 0.3 * values[..., 6].std()


def test_each_superclass_has_a_shape_of_its_own(made: Path):
    """A wide QRS complex moves slowly, a large heart far, an inverted T wave turns the mean about:
    so a few summaries tell classes apart in records they were not fitted on.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import StandardScaler

    cohort = prepare(made, single="only", min_likelihood=100)
    values = np.concatenate([cohort.modalities[lead].grid for lead in ("I", "II", "V2", "V6")], axis=2)
    steps = np.diff(values, axis=1)
    levels = (0.001, 0.1, 0.5, 0.9, 0.999)
    features = np.concatenate(
        [np.concatenate(np.quantile(each, levels, axis=1), axis=1) for each in (values, steps)], axis=1
    )
    features = StandardScaler().fit_transform(features)
    known = ~np.isnan(cohort.targets["diagnosis"])
    train = known & (cohort.splits["strat_fold"] == 0)
    test = known & (cohort.splits["strat_fold"] != 0)
    model = LogisticRegression(max_iter=2000).fit(features[train], cohort.targets["diagnosis"][train] == 0)
    assert roc_auc_score(cohort.targets["diagnosis"][test] == 0, model.predict_proba(features[test])[:, 1]) > 0.8


def test_verify_looks_at_folds_leads_units_and_the_identities(made: Path):
    found = {entry["item"]: entry for entry in verify(made, PtbxlParams())}
    assert found["release"]["status"] == "unknown"
    assert "100.00 %" in found["limb leads"]["detail"]
    assert found["unit"]["status"] == "ok"


def test_what_is_published_is_fetched_whole_then_only_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    origin = four(tmp_path / "origin")
    (origin / "LICENSE.txt").write_text("as published")
    (origin / "records500").mkdir()
    (origin / "records500" / "00001_hr.dat").write_bytes(b"not read")
    with publishing(origin) as (address, asked):
        monkeypatch.setenv("BENCH_PTBXL_URL", address)
        fetch(tmp_path / "here", PtbxlParams(), lambda line: None)
        cohort = prepare(tmp_path / "here")
        assert cohort.ids.tolist() == prepare(origin).ids.tolist()
        assert not any("records500" in name for name in asked)
        asked.clear()
        fetch(tmp_path / "here", PtbxlParams(), lambda line: None)
        assert asked == ["SHA256SUMS.txt"]


def test_a_record_that_arrives_damaged_or_is_not_published_ends_the_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    origin = four(tmp_path / "origin")
    (origin / "LICENSE.txt").write_text("as published")
    samples = origin / "records100" / "00000" / "00003_lr.dat"
    with publishing(origin) as (address, _):
        monkeypatch.setenv("BENCH_PTBXL_URL", address)
        whole = samples.read_bytes()
        samples.write_bytes(whole[:-1] + b"?")
        with pytest.raises(DataError, match=r"00003_lr\.dat arrived damaged"):
            fetch(tmp_path / "here", PtbxlParams(), lambda line: None)
        samples.write_bytes(whole)
        fetch(tmp_path / "here", PtbxlParams(), lambda line: None)
        sums = origin / "SHA256SUMS.txt"
        sums.write_text("".join(line for line in sums.read_text().splitlines(True) if "00003_lr.hea" not in line))
        with pytest.raises(DataError, match=r"does not list records100/00000/00003_lr\.hea"):
            fetch(tmp_path / "here", PtbxlParams(), lambda line: None)
