"""CMU-MOSI from the files people have: valid ranges, padding on either side, what is missing,
folds, ids, refusals.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cohort import Cohort
from bench.components import Context
from bench.errors import DataError
from bench.registry import discover
from bench.stages.validate import validate
from bench_datasets.affect import read as affect_read
from bench_datasets.affect.dataset import Mosi
from bench_datasets.affect.params import MosiParams
from support import affect_pickles as files
from support.counting import numbers

SAID: dict[str, Any] = {"fold_sizes": "any", "terms": "accepted"}


def read(folder: Path, content: Any, name: str = "mosi_data.pkl", **params: Any) -> Cohort:
    """The cohort of one file, checked as the harness checks it."""
    files.write(folder / name, content)
    cohort = Mosi(MosiParams(**(SAID | params))).prepare(folder, Context())
    validate(cohort, discover().get("dataset", "mosi"))
    return cohort


def test_padding_on_the_left_and_on_the_right_give_the_same_cohort(tmp_path):
    left = read(tmp_path / "left", files.aligned(left=True))
    right = read(tmp_path / "right", files.aligned(left=False))
    for name, series in left.modalities.items():
        other = right.modalities[name]
        assert np.array_equal(series.grid, other.grid, equal_nan=True)
        assert np.array_equal(series.events.values, other.events.values)
        assert np.array_equal(series.events.times, other.events.times)


def test_a_sample_begins_at_its_first_word_and_ends_at_its_last(tmp_path):
    cohort = read(tmp_path, files.aligned())
    text = cohort.modalities["text"]
    for k in range(6):
        length = files.words(k)
        assert text.grid[k, :length, 0].tolist() == (k + 1 + 0.25 * np.arange(length)).tolist()
        assert np.isnan(text.grid[k, length:]).all()
        assert text.events.counts[k] == length
    assert cohort.length == files.STEPS
    assert cohort.bin_hours == 1


def test_folds_videos_ids_and_labels_are_those_of_the_file(tmp_path):
    cohort = read(tmp_path, files.aligned())
    assert np.bincount(cohort.splits["folds"]).tolist() == [6, 3, 4]
    assert cohort.groups[:4].tolist() == ["v0_0", "v0_0", "v0_1", "v0_1"]
    assert cohort.ids[1] == "v0_0_1.0_1.9"
    assert cohort.targets["sentiment"][:4].tolist() == [-3, -2, -1, 0]
    assert cohort.targets["sentiment"].dtype == np.float32
    assert cohort.counts["samples of label 0"].number == 2


def test_in_files_of_mmsa_the_attention_mask_says_where_a_sample_ends(tmp_path):
    cohort = read(tmp_path, files.mmsa(), "aligned_50.pkl")
    text, audio = cohort.modalities["text"], cohort.modalities["audio"]
    assert cohort.groups[:3].tolist() == ["train0", "train0", "train1"]
    for k in range(6):
        length = files.words(k)
        assert text.grid[k, length, 0] == 0, "inside the mask 0 is a value of text"
        assert np.isnan(text.grid[k, length + 1 :]).all()
        assert audio.observed[k, :, 0].sum() == length, "and a row of zeros is none of audio"
    assert cohort.counts["audio: rows inside a segment that are 0 in all channels, removed"].number == 13


def test_rows_of_zeros_can_be_kept_as_values(tmp_path):
    cohort = read(tmp_path, files.mmsa(), "aligned_50.pkl", zero_rows="value")
    assert cohort.modalities["audio"].grid[0, files.words(0), 0] == 0
    assert cohort.counts["audio: rows inside a segment that are 0 in all channels, kept as values"].number == 13


def test_files_that_are_not_aligned_are_laid_over_the_segment(tmp_path):
    cohort = read(tmp_path, files.mmsa(frames=(20, 16)), "unaligned_50.pkl", bins=4)
    audio, text = cohort.modalities["audio"], cohort.modalities["text"]
    assert cohort.length == 4
    for k in range(6):
        frames = 2 * files.words(k)
        assert audio.events.counts[k] == frames
        times = audio.events.times[audio.events.offsets[k] : audio.events.offsets[k + 1]]
        assert np.allclose(times, np.arange(frames) * 4 / frames)
        last = [np.flatnonzero(times < edge).max() for edge in (1, 2, 3, 4)]
        assert audio.grid[k, :, 0].tolist() == (1 + np.array(last)).tolist()
        assert text.events.counts[k] == files.words(k) + 1


def test_without_lengths_frames_that_are_not_zero_tell_the_range_whichever_side_is_padded(tmp_path):
    content = files.mmsa(frames=(20, 16))
    for arrays in content.values():
        for name in ("audio", "vision"):
            del arrays[f"{name}_lengths"]
            arrays[name] = arrays[name][:, ::-1].copy()
    audio = read(tmp_path, content, "unaligned_50.pkl").modalities["audio"]
    assert audio.events.counts[:3].tolist() == [4, 6, 8]
    assert audio.events.values[:4, 0].tolist() == [4, 3, 2, 1]


def test_values_beyond_a_length_and_lengths_beyond_the_array_are_counted_and_nothing_is_lost(tmp_path):
    content = files.mmsa(frames=(20, 16))
    content["train"]["audio_lengths"][0] = 1
    content["train"]["vision_lengths"][1] = 99
    cohort = read(tmp_path, content, "unaligned_50.pkl")
    assert cohort.counts["audio: samples with values beyond their length, all of them taken"].number == 1
    assert cohort.counts["vision: lengths beyond the array, cut"].number == 1
    assert cohort.modalities["audio"].events.counts[0] == 4


def test_what_is_not_finite_is_missing_and_counted_by_channel_and_part(tmp_path):
    content = files.aligned()
    content["train"]["audio"][0, -1, 0] = -np.inf
    content["test"]["audio"][:2, -1, 1] = np.nan
    content["valid"]["vision"][0, -1, 2] = np.inf
    content["test"]["text"][0, -1, 0] = np.inf
    cohort = read(tmp_path, content)
    assert numbers(cohort, "unusable") == {
        "audio channel 0: values of train that are not finite, removed": 1,
        "audio channel 1: values of test that are not finite, removed": 2,
        "vision channel 2: values of valid that are not finite, removed": 1,
        "text channel 0: values of test that are not finite, removed": 1,
    }
    audio = cohort.modalities["audio"]
    assert np.isnan(audio.grid[0, files.words(0) - 1, 0])
    assert np.isfinite(audio.grid[0, files.words(0) - 1, 1])


def test_what_float32_cannot_hold_counts_as_not_finite(tmp_path):
    content = files.aligned()
    content["train"]["audio"] = content["train"]["audio"].astype(np.float64)
    content["train"]["audio"][0, -1, 0] = 1e300
    unusable = {"audio channel 0: values of train that are not finite, removed": 1}
    assert numbers(read(tmp_path, content), "unusable") == unusable


def test_a_sample_without_text_stays_with_what_else_it_has(tmp_path):
    content = files.aligned()
    content["test"]["text"][0] = 0
    content["test"]["text"][1] = content["test"]["audio"][1] = content["test"]["vision"][1] = 0
    cohort = read(tmp_path, content)
    place = 9
    assert len(cohort) == 13
    assert cohort.counts["samples without any text"].number == 2
    assert cohort.modalities["audio"].events.counts[place] == files.words(0)
    assert cohort.modalities["text"].grid[place, 0].tolist() == [0, 0, 0, 0], "of its steps text is known to be nothing"
    assert not any(series.available[place + 1] for series in cohort.modalities.values())
    assert cohort.counts["vision: samples without any value"].number == 1


def test_the_approximate_alignment_of_multibench_is_said_and_counted(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "bench"):
        cohort = read(tmp_path, files.multibench())
    assert "alignment = approximate" in caplog.text
    assert cohort.counts["samples whose text is aligned approximately"].number == 13
    assert cohort.groups[:3].tolist() == ["train0", "train0", "train1"]
    caplog.clear()
    with caplog.at_level(logging.WARNING, "bench"):
        read(tmp_path / "other", files.aligned())
    assert "approximate" not in caplog.text
    assert "MulT or MultiBench, aligned" in caplog.text


def test_ids_that_stand_several_times_are_numbered(tmp_path):
    content = files.aligned()
    content["train"]["id"][1] = content["train"]["id"][0]
    cohort = read(tmp_path, content)
    assert cohort.ids[1] == f"{cohort.ids[0]}#2"
    assert cohort.counts["ids that stand several times, numbered"].number == 1


def test_a_label_that_is_no_number_is_an_unknown_outcome(tmp_path):
    content = files.aligned()
    content["train"]["labels"][2] = np.nan
    cohort = read(tmp_path, content)
    assert np.isnan(cohort.targets["sentiment"][2])
    assert cohort.counts["samples whose label is not a number, outcome unknown"].number == 1


def published(sizes: tuple[int, int, int]) -> dict[str, Any]:
    return files.aligned(dict(zip(("train", "valid", "test"), sizes, strict=True)), widths=(2, 1, 1))


def test_folds_of_published_sizes_are_read_and_others_are_refused(tmp_path):
    cohort = read(tmp_path / "whole", published((1284, 229, 686)), fold_sizes="published")
    assert len(cohort) == 2199
    with pytest.raises(DataError, match=r"1,283 / 229 / 685 samples; published for mosi: 1,284 / 229 / 686") as caught:
        read(tmp_path / "less", published((1283, 229, 685)), fold_sizes="published")
    assert "data.fold_sizes=any" in str(caught.value)
    with pytest.raises(DataError, match="these are the folds of mosei"):
        read(tmp_path / "other", published((16265, 1869, 4643)), fold_sizes="published")


def broken(change: Any) -> Any:
    content = files.aligned()
    change(content)
    return content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (broken(lambda c: c["test"].pop("audio")), "lacks audio in test"),
        (broken(lambda c: c["test"].pop("labels")), "lacks labels in test"),
        (broken(lambda c: c.pop("valid")), "no arrays of the part valid"),
        (
            broken(lambda c: c["train"].update(labels=np.full((6, 1, 1), 4.0))),
            "labels reach 4; sentiment lies between -3 and 3",
        ),
        (broken(lambda c: c["train"].update(labels=np.zeros((6, 1, 7)))), "another shape from part to part"),
        (broken(lambda c: c["test"]["id"].__setitem__((0, 0), b"v0_0")), r"1 videos stand in two folds \(v0_0\)"),
        (broken(lambda c: c["train"].update(text=np.zeros((6, 8, 5)))), "text has another shape"),
        (broken(lambda c: c["train"].update(text=np.zeros((5, 8, 4)))), "differ in length"),
        ({"train": [(("a",), 1)], "dev": [], "test": []}, "list of samples"),
    ],
)
def test_a_file_that_is_put_together_otherwise_is_refused_in_one_line(tmp_path, content, said):
    with pytest.raises(DataError, match=said) as caught:
        read(tmp_path, content)
    assert "mosi_data.pkl" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ids_that_do_not_tell_the_video_are_refused_with_what_is_accepted(tmp_path):
    content = files.aligned()
    for arrays in content.values():
        arrays["id"] = [f"s{k}" for k in range(len(arrays["id"]))]
    with pytest.raises(DataError, match=r"video\[k\], video\$_\$clip, or a key `video`"):
        read(tmp_path, content)
    for part, arrays in content.items():
        arrays["video"] = [part] * len(arrays["id"])
    assert set(read(tmp_path, content).groups) == {"train", "valid", "test"}


def own(folder: Path, **more: Any) -> Path:
    """An .npz of one's own features."""
    content = files.aligned()
    arrays = {f"{part}/{key}": value for part, keys in content.items() for key, value in keys.items()}
    for part in content:
        arrays[f"{part}/id"] = arrays[f"{part}/id"].astype(str)
    folder.mkdir(exist_ok=True)
    np.savez(folder / "features.npz", **(arrays | more))
    return folder


def test_features_of_ones_own_are_read_from_an_npz_and_must_say_what_made_them(tmp_path):
    own(tmp_path)
    mine = MosiParams(file="features.npz", fold_sizes="any")
    with pytest.raises(DataError, match=r"data\.feature_pipeline=NAME"):
        Mosi(mine).prepare(tmp_path, Context())
    cohort = Mosi(MosiParams(file="features.npz", fold_sizes="any", feature_pipeline="T5")).prepare(tmp_path, Context())
    same = read(tmp_path / "pickle", files.aligned())
    assert np.array_equal(cohort.modalities["text"].grid, same.modalities["text"].grid, equal_nan=True)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"train/extra": np.zeros(3)}, 'holds "train/extra"; accepted'),
        ({"train/text": np.zeros((6, 8))}, "train/text is float64 with 2 axes; expected number, 3 axes"),
        ({"train/id": np.array([{}], dtype=object)}, "no .npz of plain arrays"),
    ],
)
def test_an_npz_with_something_else_inside_is_refused(tmp_path, more, said):
    own(tmp_path, **more)
    with pytest.raises(DataError, match=said):
        Mosi(MosiParams(file="features.npz", feature_pipeline="T5")).prepare(tmp_path, Context())


def member(content: bytes, **how: Any) -> Callable[[zipfile.ZipFile], None]:
    return lambda archive: archive.writestr("train/text.npy", content, **how)


CLAIM = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000, 50)}"
HEADER = b"\x93NUMPY\x01\x00"


@pytest.mark.parametrize(
    ("add", "said"),
    [
        (member(b"words"), "no .npz of plain arrays"),
        (lambda archive: archive.writestr("train/text", b"words"), "no .npz of plain arrays"),
        (member(HEADER + b"\x05\x00((((\n"), "no .npz of plain arrays"),
        (member(HEADER + b"\x5a\x00" + CLAIM.ljust(89) + b"\n"), "no .npz of plain arrays"),
    ],
    ids=["no array", "no name", "a broken header", "a claim of 364 TiB"],
)
def test_an_npz_that_is_damaged_or_made_to_harm_is_refused_in_one_line(tmp_path, add, said):
    with zipfile.ZipFile(tmp_path / "features.npz", "w") as archive:
        add(archive)
    with pytest.raises(DataError, match=said):
        Mosi(MosiParams(file="features.npz", feature_pipeline="T5")).prepare(tmp_path, Context())


def test_an_npz_that_would_unpack_to_far_more_than_it_has_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(affect_read, "LARGEST", 1000)
    monkeypatch.setattr(affect_read, "TIMES", 1)
    with zipfile.ZipFile(tmp_path / "features.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        member(bytes(1_000_000))(archive)
    with pytest.raises(DataError, match="would unpack to 1,000,000 bytes; at most"):
        Mosi(MosiParams(file="features.npz", feature_pipeline="T5")).prepare(tmp_path, Context())


def test_labels_of_which_none_is_known_are_refused_as_that(tmp_path):
    own(tmp_path, **{f"{part}/labels": np.full(len(keys["id"]), np.nan) for part, keys in files.aligned().items()})
    with pytest.raises(DataError, match="no label is a number"):
        Mosi(MosiParams(file="features.npz", feature_pipeline="T5", fold_sizes="any")).prepare(tmp_path, Context())


def test_who_has_not_said_that_the_terms_are_followed_is_told_what_to_type(tmp_path):
    with pytest.raises(DataError, match=r"data\.terms=accepted"):
        read(tmp_path, files.aligned(), terms="")


def test_what_is_read_does_not_depend_on_whether_it_was_converted_before(tmp_path):
    first = read(tmp_path, files.aligned())
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".converted")]
    second = Mosi(MosiParams(**SAID)).prepare(tmp_path, Context())
    assert np.array_equal(first.modalities["audio"].grid, second.modalities["audio"].grid, equal_nan=True)
    assert first.ids.tolist() == second.ids.tolist()
