"""`bench data embed`: values known in closed form, what is counted, what is refused, and that
interruptions change nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from bench.errors import DataError, PluginError, UsageError
from bench_datasets.mimic4.embed import embedder as mimic4_embed
from bench_datasets.mimic4.embeddings import made_by
from support.asking import SUPPORT
from support.mimic4_tables import START, edit, prepare
from support.raw_signals import (
    LEADS,
    cxr,
    ecg,
    ecg_path,
    ecgs,
    refused,
    rows_of,
    script,
    stays,
    values,
    xray_path,
    xrays,
)

pytest.importorskip("PIL", reason="pip install 'gapbench[signals]'")
pytest.importorskip("wfdb", reason="pip install 'gapbench[signals]'")


@pytest.fixture(autouse=True)
def tiny_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SUPPORT))


# --- chest X-rays


def test_grey_values_become_the_librarys_range(tmp_path: Path) -> None:
    made = cxr(xrays(tmp_path / "x", [0, 255, 51]), tmp_path / "cxr.parquet")
    assert values(tmp_path / "cxr.parquet") == [[-1024], [1024], [-614.4]]
    assert (made["rows"], made["width"]) == (3, 1)
    cxr(xrays(tmp_path / "x", [0, 255, 51]), tmp_path / "unit.parquet", low=0, high=1)
    assert values(tmp_path / "unit.parquet") == [[0], [1], [0.2]]


@pytest.mark.parametrize("shape", [(300, 500), (224, 224), (225, 223), (50, 7)])
def test_resizing_by_area_keeps_the_mean_and_covers_every_pixel(shape: tuple[int, int]) -> None:
    from bench_datasets.mimic4.embed.read import prepare_image

    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    small = prepare_image(pixels, 224, 0, 255)
    assert small.shape == (1, 224, 224)
    np.testing.assert_allclose(small.mean(), pixels.mean(), rtol=1e-5)
    if shape == (224, 224):
        np.testing.assert_array_equal(small[0], pixels)


def test_a_new_pixel_is_the_mean_of_exactly_what_it_covers() -> None:
    from bench_datasets.mimic4.embed.read import prepare_image

    pixels = np.array([[0, 100, 200]], np.uint8)  # each of two new pixels covers one old one and half of the next
    expected = [(0 + 100 / 2) / 1.5, (100 / 2 + 200) / 1.5]
    np.testing.assert_allclose(prepare_image(pixels, 2, 0, 255)[0], [expected] * 2, rtol=1e-5)


def test_colour_images_are_read_as_grey(tmp_path: Path) -> None:
    cxr(xrays(tmp_path / "x", [np.full((10, 10, 3), 255, np.uint8)]), tmp_path / "cxr.parquet")
    assert values(tmp_path / "cxr.parquet") == [[1024]]


def test_a_feature_map_goes_through_relu_and_is_averaged(tmp_path: Path) -> None:
    cxr(xrays(tmp_path / "x", [255, 0]), tmp_path / "cxr.parquet", model="tiny_models:Scaled", options={"start": 0.5})
    assert values(tmp_path / "cxr.parquet") == [[512, 0], [0, 512]]


def test_a_submodule_can_be_called_in_place_of_the_model(tmp_path: Path) -> None:
    cxr(xrays(tmp_path / "x", [255]), tmp_path / "cxr.parquet", model="tiny_models:Scaled", method="inner")
    assert values(tmp_path / "cxr.parquet") == [[1024]]


def test_the_models_own_preprocessing_takes_the_place_of_ours(tmp_path: Path) -> None:
    made = cxr(xrays(tmp_path / "x", [7, 9]), tmp_path / "cxr.parquet", model="tiny_models:corner")
    assert values(tmp_path / "cxr.parquet") == [[7], [9]]
    assert made["preprocessing"] == "the model's own"


@pytest.mark.parametrize("clock", ["0.5", "59.25", "501.0", "93421.125", "213014", "000000"])
def test_study_times_are_read_without_their_leading_zeros(tmp_path: Path, clock: str) -> None:
    xrays(tmp_path / "x", [1])
    edit(tmp_path / "x" / "mimic-cxr-2.0.0-metadata.csv.gz", lambda text: text.replace("70000.5", clock))
    cxr(tmp_path / "x", tmp_path / "cxr.parquet")
    whole, _, part = clock.partition(".")
    hours, minutes, seconds = int(whole) // 10_000, int(whole) // 100 % 100, int(whole) % 100
    expected = START.replace(hour=hours, minute=minutes, second=seconds) + timedelta(seconds=float(f"0.{part or 0}"))
    assert rows_of(tmp_path / "cxr.parquet")[0][1] == expected


def test_rows_without_a_readable_time_are_counted_and_said(tmp_path: Path) -> None:
    xrays(tmp_path / "x", [1, 2])
    edit(tmp_path / "x" / "mimic-cxr-2.0.0-metadata.csv.gz", lambda text: text.replace("70000.5", "noon"))
    said: list[str] = []
    made = cxr(tmp_path / "x", tmp_path / "cxr.parquet", said=said)
    assert made["rows"] == 1
    assert made["counts"]["without a readable id or time, skipped"] == 1
    assert [line for line in said if line.startswith("warning")] == [
        "warning: 1 rows of the list have no readable id or time and are skipped"
    ]


def test_damaged_images_are_left_out_counted_and_said_without_a_name(tmp_path: Path) -> None:
    xrays(tmp_path / "x", [10, 20, 30, 40])
    cut, wrong, gone = (xray_path(tmp_path / "x", number, 1) for number in (0, 1, 2))
    cut.write_bytes(cut.read_bytes()[:-200])
    wrong.write_text("<html>")
    gone.unlink()
    said: list[str] = []
    made = cxr(tmp_path / "x", tmp_path / "cxr.parquet", said=said)
    assert made["rows"] == 1
    assert sorted(made["unreadable"].values()) == [1, 1, 1]
    warnings = [line for line in said if line.startswith("warning")]
    assert len(warnings) == 1
    assert "3 of 4 images could not be embedded and are left out; the first: damaged image" in warnings[0]
    assert not any(word in " ".join([*said, str(made["unreadable"])]) for word in ("image-", "p1/", "s5000"))


def test_nothing_readable_is_refused(tmp_path: Path) -> None:
    xrays(tmp_path / "x", [10])
    xray_path(tmp_path / "x", 0, 1).unlink()
    line = refused(DataError, cxr, tmp_path / "x", tmp_path / "cxr.parquet")
    assert "none of the 1 images listed" in line
    assert "no such file" in line
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


def test_with_a_root_only_what_was_made_in_the_window_of_a_stay_is_embedded(tmp_path: Path) -> None:
    stays(tmp_path / "mimic")
    xrays(tmp_path / "x", [10, 20, 30, 40], hours=(-1, 2, 47.9, 55))
    for number in (0, 3):  # not even looked at
        xray_path(tmp_path / "x", number, 1).unlink()
    made = cxr(tmp_path / "x", tmp_path / "cxr.parquet", root=tmp_path / "mimic", low=0, high=255)
    assert values(tmp_path / "cxr.parquet") == [[20], [30]]
    assert (made["counts"]["listed"], made["counts"]["to embed"], made["unreadable"]) == (4, 2, {})
    xrays(tmp_path / "y", [10], subject=2)
    assert "made in the window of an ICU stay" in refused(
        DataError, cxr, tmp_path / "y", tmp_path / "other.parquet", root=tmp_path / "mimic"
    )


def test_a_vector_that_is_not_finite_is_left_out_counted_and_said(tmp_path: Path) -> None:
    said: list[str] = []
    made = cxr(
        xrays(tmp_path / "x", [0, 255, 0, 255]),
        tmp_path / "cxr.parquet",
        model="tiny_models:Bright",
        batch=2,
        said=said,
    )
    assert values(tmp_path / "cxr.parquet") == [[1], [1]]
    assert [row[1].hour for row in rows_of(tmp_path / "cxr.parquet")] == [8, 10]
    assert made["unreadable"] == {"the model gives numbers that are not finite": 2}
    assert any("2 of 4 images could not be embedded" in line and "not finite" in line for line in said)


def test_a_model_that_gives_no_finite_vector_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    xrays(tmp_path / "x", [0, 0])
    line = refused(PluginError, cxr, tmp_path / "x", tmp_path / "cxr.parquet", model="tiny_models:Bright")
    assert "tiny_models:Bright gives numbers that are not finite for each of the 2 images" in line
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


# --- ECGs


def flat(samples: int = 5000, *levels: float) -> np.ndarray:
    """A recording of constant leads: 0.1, 0.2, ... mV, or the levels given."""
    return np.tile(np.array(levels or [(i + 1) / 10 for i in range(12)]), (samples, 1))


def test_each_lead_is_read_in_millivolts(tmp_path: Path) -> None:
    ecg(ecgs(tmp_path / "e", flat()), tmp_path / "ecg.parquet")
    expected = [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2]]
    np.testing.assert_allclose(values(tmp_path / "ecg.parquet"), expected, atol=1e-3)


def test_the_first_4096_samples_are_taken(tmp_path: Path) -> None:
    signal = flat()
    signal[4096:] = 5
    ecg(ecgs(tmp_path / "e", signal), tmp_path / "ecg.parquet")
    np.testing.assert_allclose(values(tmp_path / "ecg.parquet")[0], flat()[0], atol=1e-3)


def test_a_shorter_recording_ends_in_zeros(tmp_path: Path) -> None:
    ecg(ecgs(tmp_path / "e", flat(1024)), tmp_path / "ecg.parquet")
    np.testing.assert_allclose(values(tmp_path / "ecg.parquet")[0], flat()[0] / 4, atol=1e-3)


def test_samples_that_are_not_there_count_as_zero(tmp_path: Path) -> None:
    signal = flat()
    signal[: 4096 // 2, 0] = np.nan
    ecg(ecgs(tmp_path / "e", signal), tmp_path / "ecg.parquet")
    found = values(tmp_path / "ecg.parquet")[0]
    np.testing.assert_allclose(found, [0.05, *flat()[0, 1:]], atol=1e-3)


def test_leads_are_found_by_name_in_whatever_order_they_stand(tmp_path: Path) -> None:
    mixed = [LEADS[i] for i in (3, 1, 0, 2, 11, 5, 4, 6, 7, 10, 9, 8)]
    levels = [(LEADS.index(name) + 1) / 10 for name in mixed]
    ecg(ecgs(tmp_path / "e", flat(5000, *levels), leads=[name.upper() for name in mixed]), tmp_path / "ecg.parquet")
    np.testing.assert_allclose(values(tmp_path / "ecg.parquet")[0], flat()[0], atol=1e-3)


def test_another_sampling_rate_is_resampled_and_said(tmp_path: Path) -> None:
    time = np.arange(2500) / 250
    signal = flat(2500)
    signal[:, 0] = np.sin(2 * np.pi * 2 * time)
    signal[7, 1] = np.nan  # would spread through the filter
    said: list[str] = []
    made = ecg(ecgs(tmp_path / "e", signal, rate=250), tmp_path / "ecg.parquet", said=said)
    assert made["remarks"] == {"resampled": 1}
    assert any("1 recordings had another sampling rate and were resampled" in line for line in said)
    from bench_datasets.mimic4.embed.read import read_leads

    found, resampled = read_leads(ecg_path(tmp_path / "e", 0), LEADS, 500)
    assert resampled
    assert found.shape == (5000, 12)
    assert np.isfinite(found).all()
    inside = slice(500, 4500)  # away from the filter's edges
    np.testing.assert_allclose(found[inside, 0], np.sin(2 * np.pi * 2 * np.arange(5000) / 500)[inside], atol=0.01)


def test_a_record_that_lacks_a_lead_or_is_damaged_is_left_out(tmp_path: Path) -> None:
    ecgs(tmp_path / "e", flat()[:, :11], flat(), flat(), flat())
    damaged, headless = ecg_path(tmp_path / "e", 1), ecg_path(tmp_path / "e", 2)
    damaged.with_suffix(".dat").write_bytes(damaged.with_suffix(".dat").read_bytes()[:1001])
    headless.with_suffix(".hea").write_text("nonsense")
    made = ecg(tmp_path / "e", tmp_path / "ecg.parquet")
    assert made["rows"] == 1
    assert made["unreadable"]["a record without lead V6"] == 1
    assert sum(made["unreadable"].values()) == 3


def test_a_unit_that_is_no_voltage_is_left_out(tmp_path: Path) -> None:
    ecgs(tmp_path / "e", flat(), flat())
    header = ecg_path(tmp_path / "e", 0).with_suffix(".hea")
    header.write_text(header.read_text().replace("/mV", "/mmHg"))
    micro = ecg_path(tmp_path / "e", 1).with_suffix(".hea")
    micro.write_text(micro.read_text().replace("/mV", "/uV"))
    made = ecg(tmp_path / "e", tmp_path / "ecg.parquet")
    assert made["unreadable"] == {"a lead in mmHg, which is no voltage": 1}
    np.testing.assert_allclose(rows_of(tmp_path / "ecg.parquet")[0][2], flat()[0] / 1000, atol=1e-5)


# --- going on, and what is written


def test_an_interrupted_run_goes_on_and_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    xrays(tmp_path / "x", [10, 20, 30, 40, 50, 60, 70])
    xray_path(tmp_path / "x", 4, 1).write_text("damaged")
    whole, to = tmp_path / "whole.parquet", tmp_path / "cxr.parquet"
    cxr(tmp_path / "x", whole, part=2, batch=2)
    seen: list[int] = []
    embed = mimic4_embed.Model.embed

    def until(number: int) -> Callable[..., np.ndarray]:
        def call(model: mimic4_embed.Model, batch: np.ndarray) -> np.ndarray:
            seen.append(len(batch))
            if len(seen) == number:
                raise KeyboardInterrupt
            return embed(model, batch)

        return call

    monkeypatch.setattr(mimic4_embed.Model, "embed", until(3))
    with pytest.raises(KeyboardInterrupt):
        cxr(tmp_path / "x", to, part=2, batch=2)
    assert not to.exists()
    monkeypatch.setattr(mimic4_embed.Model, "embed", until(0))
    seen.clear()
    said: list[str] = []
    cxr(tmp_path / "x", to, part=2, batch=2, said=said)
    assert "going on: 4 of 7 images were done before" in said
    assert seen == [1, 1]
    assert to.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cxr.parquet", "whole.parquet", "x"]


def test_parts_of_another_model_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    xrays(tmp_path / "x", [10, 20, 30])

    def stop(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(mimic4_embed, "_join", stop)
        with pytest.raises(KeyboardInterrupt):
            cxr(tmp_path / "x", tmp_path / "cxr.parquet", low=0, high=1)
    said: list[str] = []
    cxr(tmp_path / "x", tmp_path / "cxr.parquet", low=0, high=255, said=said)
    assert any("parts of another model" in line for line in said)
    assert values(tmp_path / "cxr.parquet") == [[10], [20], [30]]


def test_batches_and_parts_change_no_value(tmp_path: Path) -> None:
    xrays(tmp_path / "x", list(range(0, 250, 25)))
    for batch, part in ((1, 1), (3, 4), (32, 1024)):
        cxr(tmp_path / "x", tmp_path / f"{batch}.parquet", batch=batch, part=part)
    assert values(tmp_path / "1.parquet") == values(tmp_path / "3.parquet") == values(tmp_path / "32.parquet")


def test_the_same_command_again_does_nothing_and_another_one_is_refused(tmp_path: Path) -> None:
    xrays(tmp_path / "x", [10])
    to = tmp_path / "cxr.parquet"
    assert cxr(tmp_path / "x", to)["made"]
    before = to.read_bytes()
    assert not cxr(tmp_path / "x", to)["made"]
    line = refused(UsageError, cxr, tmp_path / "x", to, low=0)
    assert "made differently (preprocessing)" in line
    assert to.read_bytes() == before
    to.write_text("something of mine")
    assert "is no file of embeddings" in refused(UsageError, cxr, tmp_path / "x", to)
    assert to.read_text() == "something of mine"


def test_the_file_says_how_it_was_made(tmp_path: Path) -> None:
    import hashlib

    from tiny_models import Average

    model = script(tmp_path / "model.pt", Average(), (2, 1, 8, 8))
    xrays(tmp_path / "x", [10, 20])
    xray_path(tmp_path / "x", 1, 1).unlink()
    cxr(tmp_path / "x", tmp_path / "cxr.parquet", model=str(model))
    told = made_by(tmp_path / "cxr.parquet")
    assert told["model"] == "model.pt"
    assert told["model_sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert told["preprocessing"] == "grey, 0..255 to -1024..1024, 224 x 224 by area"
    assert {"torch", "pillow", "gapbench"} <= told["libraries"].keys()
    assert told["unreadable"] == {"no such file": 1}
    assert str(tmp_path) not in str(told)


def test_what_was_embedded_is_read_by_the_dataset(tmp_path: Path) -> None:
    root = stays(tmp_path / "mimic")
    xrays(tmp_path / "x", [0, 255, 51])
    xray_path(tmp_path / "x", 2, 1).unlink()
    cxr(tmp_path / "x", root / "cxr.parquet", root=root)
    ecg(ecgs(tmp_path / "e", flat(), flat()), root / "ecg.parquet")
    cohort = prepare(root)
    assert cohort.modalities["cxr"].events.values.tolist() == [[-1024], [1024]]
    np.testing.assert_allclose(cohort.modalities["cxr"].events.times, [1 + 0.5 / 3600, 2 + 0.5 / 3600], atol=1 / 3600)
    np.testing.assert_allclose(cohort.modalities["ecg"].events.values, flat(2), atol=1e-3)
    assert cohort.modalities["cxr"].available.tolist() == cohort.modalities["ecg"].available.tolist() == [True]
    assert cohort.counts["cxr: files that could not be read when embedded, left out"].number == 1
    (root / "cxr.parquet").unlink()
    (root / "ecg.parquet").rename(root / "cxr.parquet")
    assert "holds embeddings of ecg" in refused(DataError, prepare, root)


# --- lists


def test_a_folder_without_the_list_or_with_another_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    assert "no mimic-cxr-2.0.0-metadata.csv.gz in" in refused(DataError, cxr, tmp_path / "x", tmp_path / "o.parquet")
    assert "no record_list.csv.gz in" in refused(DataError, ecg, tmp_path / "x", tmp_path / "o.parquet")
    xrays(tmp_path / "x", [1])
    edit(tmp_path / "x" / "mimic-cxr-2.0.0-metadata.csv.gz", lambda text: text.replace("StudyTime", "Time"))
    assert "lacks the column StudyTime" in refused(DataError, cxr, tmp_path / "x", tmp_path / "o.parquet")


def test_a_list_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    listed = xrays(tmp_path / "x", [1] * 50) / "mimic-cxr-2.0.0-metadata.csv.gz"
    listed.write_bytes(listed.read_bytes()[:-20])
    assert "cut short or damaged" in refused(DataError, cxr, tmp_path / "x", tmp_path / "o.parquet")


@pytest.mark.parametrize(("package", "call"), [("PIL.Image", cxr), ("wfdb", ecg)])
def test_a_package_that_is_not_installed_is_named_with_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, call: Callable[..., object]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert "pip install 'gapbench[signals]'" in refused(PluginError, call, tmp_path, tmp_path / "o.parquet")
