"""Where CMU-MOSI and CMU-MOSEI are looked for, what verify says, and the made-up stand-in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench.components import Context
from bench.errors import DataError
from bench.metrics.own import OWN
from bench.metrics.scoring import value
from bench.registry import discover
from bench.testing import check
from bench_datasets.affect import files as affect_files
from bench_datasets.affect import generate as affect_generate
from bench_datasets.affect import read as affect_read
from bench_datasets.affect import verify as affect_verify
from bench_datasets.affect.dataset import Mosei, Mosi
from bench_datasets.affect.params import MoseiParams, MosiParams
from bench_datasets.affect.plugin import METRICS as METRICS_OF_BOTH
from support import affect_pickles as files
from support.pages import page


@pytest.mark.parametrize("place", ["", "mosi", "MOSI/Processed", "Processed"])
def test_the_file_is_found_in_the_usual_places(tmp_path, place):
    path = tmp_path / place / "aligned_50.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert affect_files.mosi_files(tmp_path, MosiParams()) == [path]


def test_several_files_are_told_apart_by_name_and_none_is_chosen_in_silence(tmp_path):
    for name in ("mosi_data.pkl", "unaligned_50.pkl"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"mosi_data.pkl, unaligned_50.pkl; give one: data.file=mosi_data.pkl"):
        affect_files.mosi_files(tmp_path, MosiParams())
    assert affect_files.mosi_files(tmp_path, MosiParams(file="unaligned_50.pkl")) == [tmp_path / "unaligned_50.pkl"]


@pytest.mark.parametrize("name", ["mosi.pt", "cache.dt", "words.csd"])
def test_files_that_are_never_read_are_refused_by_their_name(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(DataError, match="is not read"):
        affect_files.mosi_files(tmp_path, MosiParams(file=name))


def test_an_empty_folder_and_a_file_that_is_not_there_say_how_to_go_on(tmp_path):
    with pytest.raises(DataError, match=r"looked for mosi_data.pkl.*github.com/thuiar/MMSA"):
        affect_files.mosi_files(tmp_path, MosiParams())
    with pytest.raises(DataError, match=r'data\.file = "x\.pkl" is not a file'):
        affect_files.mosei_files(tmp_path, MoseiParams(file="x.pkl"))


def test_both_are_declared_with_known_metrics_mae_first():
    for name in ("mosi", "mosei"):
        spec = discover().get("dataset", name)
        (task,) = spec.tasks.values()
        assert task.primary == "mae"
        assert set(task.metrics) <= OWN.keys()
        for convention in ("neg_pos", "neg_nonneg", "nonpos_pos"):
            assert {f"acc2_{convention}", f"f1_{convention}"} <= set(task.metrics)


def verified(folder: Path, params: MosiParams) -> dict[str, dict]:
    return {entry["item"]: entry for entry in affect_verify.mosi(folder, params)}


def test_verify_tells_whose_file_it_is_its_folds_and_its_alignment(tmp_path):
    files.write(tmp_path / "mosi_raw.pkl", files.multibench())
    found = verified(tmp_path, MosiParams(terms="accepted", fold_sizes="any"))
    assert "MultiBench" in found["file"]["detail"]
    assert found["alignment"]["status"] == "differs"
    assert found["folds"] == {"item": "folds", "status": "differs", "detail": "6 / 3 / 4: not a published size"}
    assert found["checksum"]["status"] == "unknown"
    assert "text 8x4" in found["features"]["detail"]


def test_verify_knows_a_published_checksum(tmp_path, monkeypatch):
    path = files.write(tmp_path / "aligned_50.pkl", files.mmsa())
    monkeypatch.setitem(affect_verify.CHECKSUMS["mosi"], affect_verify.sha256(path), "MMSA, aligned_50.pkl")
    found = verified(tmp_path, MosiParams(terms="accepted", fold_sizes="any"))
    assert found["checksum"]["status"] == "ok"
    assert "MMSA" in found["file"]["detail"]


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "mosi"
    affect_generate.mosi(folder, MosiParams(samples=120), lambda line: None)
    return folder


def test_the_stand_in_has_the_shapes_of_the_real_file_says_that_it_is_made_up_and_needs_no_terms(stand_in):
    assert json.loads((stand_in / "synthetic.json").read_text())["dataset"] == "mosi"
    cohort = Mosi(MosiParams()).prepare(stand_in, Context())
    assert {name: series.grid.shape[1:] for name, series in cohort.modalities.items()} == {
        "text": (50, 300),
        "audio": (50, 5),
        "vision": (50, 20),
    }
    assert np.bincount(cohort.splits["folds"]).tolist() == [71, 12, 37]
    assert all(name.startswith("made-up-") for name in cohort.groups)
    assert "generated" in verified(stand_in, MosiParams())["file"]["detail"]


def test_the_stand_in_of_mosei_has_wider_audio_and_vision(tmp_path):
    affect_generate.mosei(tmp_path / "made", MoseiParams(samples=60), lambda line: None)
    cohort = Mosei(MoseiParams()).prepare(tmp_path / "made", Context())
    assert [series.grid.shape[1:] for series in cohort.modalities.values()] == [(50, 300), (50, 74), (50, 35)]


def test_the_oracle_of_the_stand_in_is_the_best_prediction_by_absolute_errors(tmp_path):
    affect_generate.generate("mosi", tmp_path / "made", 700, 3)
    cohort = Mosi(MosiParams()).prepare(tmp_path / "made", Context())
    truth, oracle = cohort.targets["sentiment"], cohort.oracle["sentiment"]
    assert np.bincount(cohort.splits["folds"]).tolist() == [409, 73, 218]
    best = value("mae", truth, oracle)
    assert 0.15 < best < 0.4
    for other in (oracle + 0.2, oracle - 0.2, oracle * 0.8, oracle * 1.2, np.zeros_like(oracle)):
        assert value("mae", truth, other) > best
    assert 0.01 < (truth == 0).mean() < 0.1


def test_the_same_seed_makes_the_same_file_and_another_one_another(tmp_path, stand_in):
    affect_generate.generate("mosi", tmp_path / "same", 120, 0)
    affect_generate.generate("mosi", tmp_path / "other", 120, 1)
    for name in ("mosi_data.pkl", "oracle.npz", "synthetic.json"):
        assert (tmp_path / "same" / name).read_bytes() == (stand_in / name).read_bytes(), name
    assert (tmp_path / "other" / "mosi_data.pkl").read_bytes() != (stand_in / "mosi_data.pkl").read_bytes()


def test_the_dataset_keeps_the_promises_of_the_conformance_kit(stand_in):
    report = check(discover().get("dataset", "mosi"), data_root=stand_in)
    assert report.ok, report.to_text()
    assert len(report.of("passed")) >= 12


MANUAL = page("reference/suites/mosi.md")


def test_the_manual_names_every_parameter_metric_file_and_fold():
    for metric in METRICS_OF_BOTH:
        assert f"`{metric}`" in MANUAL, metric
    for known in affect_files.KNOWN.values():
        assert all(f"`{name}`" in MANUAL for name in known)
    for folds in affect_read.FOLD_SIZES.values():
        for sizes in folds:
            assert " / ".join(f"{size:,}" for size in sizes) in MANUAL
