"""Weights that travel: loaded they do what they did, and whatever does not fit them is refused
in one line.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bench import arrays
from bench.errors import DataError, PluginError, UsageError
from bench.registry import discover
from bench.stages import weights
from bench.stages.scale import Scaler
from bench.stages.weights import TOLERANCE, WeightsRecord, check_cohort, check_plan, read
from bench.testing.toy import toy_cohort
from support.weight_files import STATE, made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "w.safetensors"
    weights.write(path, STATE, made())
    return path


def test_what_was_written_is_read(file: Path) -> None:
    found = read(file)
    assert {name: array.tolist() for name, array in found.state.items()} == {n: a.tolist() for n, a in STATE.items()}
    assert found.record == made(arrays=weights.described(STATE))
    assert found.digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert found.record.in_words() == (
        "around: trained on generated data of toy (digest of the data m1, "
        "suite hidden, natural, seed 1, 30 records, 61 s) by A. Person"
    )


def test_the_record_beside_is_the_one_inside_and_is_not_needed(file: Path) -> None:
    beside = file.with_suffix(".json")
    assert msgspec.json.decode(beside.read_bytes(), type=WeightsRecord) == read(file).record
    beside.unlink()
    assert read(file).record.component == "around"


def test_the_same_weights_are_the_same_file(file: Path, tmp_path: Path) -> None:
    weights.write(tmp_path / "again.safetensors", STATE, made())
    assert (tmp_path / "again.safetensors").read_bytes() == file.read_bytes()


def test_another_name_than_safetensors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"must end in \.safetensors"):
        weights.write(tmp_path / "w.pt", STATE, made())


@pytest.mark.parametrize("taken", ["w.safetensors", "w.json"])
def test_what_is_there_already_is_kept_and_a_free_name_is_said(tmp_path: Path, taken: str) -> None:
    for name in (taken, "w-2.json"):
        (tmp_path / name).write_text("hours of training")
    with pytest.raises(
        UsageError, match=rf"{taken} is there already and was kept; give to=\S+w-3\.safetensors, or move"
    ):
        weights.write(tmp_path / "w.safetensors", STATE, made())
    assert (tmp_path / taken).read_text() == "hours of training"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([taken, "w-2.json"])


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_both_files_have_the_mode_of_any_other_file(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        (tmp_path / "ordinary").touch()
        weights.write(tmp_path / "w.safetensors", STATE, made())
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode for path in tmp_path.iterdir()}
    assert set(modes) == {"ordinary", "w.safetensors", "w.json"}
    assert set(modes.values()) == {modes["ordinary"]}


def cut_short(content: bytes) -> bytes:
    return content[:-5]


def last_byte(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def other_record(content: bytes) -> bytes:
    return content.replace(b"A. Person", b"B. Person")


def nested(content: bytes) -> bytes:
    header = b"[" * 200_000
    return struct.pack("<Q", len(header)) + header


@pytest.mark.parametrize(
    "damage",
    [
        cut_short,
        last_byte,
        other_record,
        nested,
        lambda c: b"",
        lambda c: b"\x80\x04pickle",
        lambda c: c[:40],
        lambda c: c[8:],
    ],
)
def test_a_damaged_file_is_one_line(file: Path, damage: Callable[[bytes], bytes]) -> None:
    file.write_bytes(damage(file.read_bytes()))
    arrays.forget_checks()
    with pytest.raises(DataError, match=r"w\.safetensors .*get the file again") as caught:
        read(file)
    assert "\n" not in str(caught.value)


def rewritten(file: Path, state: dict[str, np.ndarray], change: Callable[[dict], None] = lambda record: None) -> None:
    """The file with other arrays or another record, all checksums right."""
    record = json.loads(arrays.metadata(file)["weights"])
    change(record)
    text = json.dumps(record)
    arrays.write(file, state, {"weights": text, "sha256": hashlib.sha256(text.encode()).hexdigest()})


@pytest.mark.parametrize(
    "state",
    [
        {**STATE, "vitals": STATE["vitals"].astype(np.float64)},
        {**STATE, "vitals": STATE["vitals"].reshape(3, 2)},
        {"vitals": STATE["vitals"]},
        {**STATE, "more": np.zeros(1)},
    ],
)
def test_arrays_of_other_names_types_or_shapes_than_the_record_says_are_refused(file: Path, state: dict) -> None:
    rewritten(file, state)
    with pytest.raises(DataError, match="names, types or shapes of its arrays"):
        read(file)


def test_a_later_format_an_incomplete_record_and_no_record_at_all_are_told_apart(file: Path, tmp_path: Path) -> None:
    rewritten(file, STATE, lambda record: record.update(format=9))
    with pytest.raises(DataError, match="has format 9, this bench reads format 1; upgrade"):
        read(file)
    rewritten(file, STATE, lambda record: (record.update(format=1), record.pop("seed")))
    with pytest.raises(DataError, match="holds a record that cannot be read"):
        read(file)
    arrays.write(tmp_path / "bare.safetensors", STATE)
    with pytest.raises(DataError, match="no record of weights"):
        read(tmp_path / "bare.safetensors")
    with pytest.raises(UsageError, match="there are no weights at"):
        read(tmp_path / "nowhere.safetensors")


def test_installed_weights_are_found_by_the_beginning_of_their_digest(file: Path, tmp_path: Path) -> None:
    found = read(file)
    path = weights.install(found, tmp_path / "cache")
    assert path.read_bytes() == file.read_bytes()
    assert weights.find(found.name, tmp_path / "cache").digest == found.digest
    with pytest.raises(UsageError, match="there are no weights at"):
        weights.find("0123456789", tmp_path / "cache")


def test_installed_weights_that_were_changed_are_installed_again_or_named(file: Path, tmp_path: Path) -> None:
    found = read(file)
    path = weights.install(found, tmp_path / "cache")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="was changed since it was installed; remove it and install the file again"):
        weights.find(found.name, tmp_path / "cache")
    weights.install(found, tmp_path / "cache")
    assert weights.find(found.name, tmp_path / "cache").digest == found.digest


def test_a_digest_that_is_too_short_is_told_how_long_it_must_be(file: Path, tmp_path: Path) -> None:
    weights.install(read(file), tmp_path / "cache")
    short = read(file).digest[:7]
    with pytest.raises(UsageError, match=f'"{short}" is no file of weights, and too short .* first 8 digits or more'):
        weights.find(short, tmp_path / "cache")


def test_two_files_of_one_imputer_are_refused(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    weights.write(other, STATE, made(seed=2))
    with pytest.raises(UsageError, match="both weights of around"):
        weights.wanted([str(file), str(other)], tmp_path / "cache")


PLAN = {
    "imputer": ("1", [{"width": 1.0}]),
    "modalities": {"all": ("vitals", "labs")},
    "data": ("toy", {"n": 48}, "m1", {"seed": 0}),
    "differ": (),
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"imputer": ("2", [{"width": 1.0}])}, "were made by its version 1, installed is 2"),
        ({"imputer": ("1", [{"width": 2.0}])}, r"width=1.0, the run has width=2.0; give imputer\.around\.width=1\.0"),
        ({"imputer": ("1", [{"width": 1.0}, {"width": 3.0}])}, "the run has width=3.0"),
        ({"modalities": {"all": ("labs", "vitals")}}, "for the modalities vitals, labs in this order"),
        ({"modalities": {"all": ("vitals", "labs"), "some": ("vitals",)}}, "modality set some has vitals"),
        ({"data": ("toy", {"n": 48}, "m1", {"seed": 3})}, "give weights.differ=split"),
        ({"data": ("toy", {"n": 48}, "m2", {"seed": 0})}, "give weights.differ=split"),
        ({"data": ("toy", {"n": 99}, "m1", {"seed": 0})}, "give weights.differ=split"),
    ],
)
def test_what_the_plan_tells_is_refused_before_anything_runs(file: Path, changes: dict, said: str) -> None:
    check_plan(read(file), **PLAN)
    with pytest.raises(UsageError, match=said):
        check_plan(read(file), **(PLAN | changes))


@pytest.mark.parametrize(
    ("trained", "run", "said"),
    [
        (("a", "b c"), (), "trained with 'targets=a,b c', the run has targets=; give 'imputer.around.targets=a,b c'"),
        ((), ("a",), "trained with targets=, the run has targets=a; give imputer.around.targets="),
        (("a,b", "5"), ("a", "b", 5), """give 'imputer.around.targets="a,b","5"'"""),
        (True, False, "trained with targets=true, the run has targets=false; give imputer.around.targets=true"),
        (None, 5, "trained with targets=None, the run has targets=5; leave imputer.around.targets out"),
        ({"a": 1}, {}, "the run has targets={}; set imputer.around.targets so in the suite file"),
    ],
)
def test_parameters_come_back_from_a_file_as_they_went_and_others_are_said_in_words_of_the_command(
    tmp_path: Path, trained: object, run: object, said: str
) -> None:
    weights.write(tmp_path / "p.safetensors", STATE, made(params={"targets": trained}))
    found = read(tmp_path / "p.safetensors")
    check_plan(found, **(PLAN | {"imputer": ("1", [{"targets": trained}])}))
    with pytest.raises(UsageError, match=re.escape(said) + "$"):
        check_plan(found, **(PLAN | {"imputer": ("1", [{"targets": run}])}))


def test_parameters_of_another_time_cannot_be_said(file: Path) -> None:
    with pytest.raises(UsageError, match=r"other parameters than there are now \(height\); train it again"):
        check_plan(read(file), **(PLAN | {"imputer": ("1", [{"width": 1.0, "height": 2.0}])}))


def test_lists_among_the_parameters_of_a_dataset_come_back_as_they_went(tmp_path: Path) -> None:
    spec = discover().get("dataset", "physionet2012")
    whole, one = (msgspec.to_builtins(spec.parameters({"sets": sets})) for sets in (["a", "b"], ["a"]))
    assert isinstance(whole["sets"], tuple)
    split = {"seed": 0, "fractions": (0.7, 0.15, 0.15)}
    weights.write(tmp_path / "d.safetensors", STATE, made(dataset="physionet2012", data=whole, split=split))
    found = read(tmp_path / "d.safetensors")
    check_plan(found, **(PLAN | {"data": ("physionet2012", whole, "m1", split)}))
    with pytest.raises(UsageError, match="other files or another split"):
        check_plan(found, **(PLAN | {"data": ("physionet2012", one, "m1", split)}))


def test_another_split_of_the_same_data_is_accepted_when_said_and_other_data_have_no_split_in_common(
    file: Path,
) -> None:
    check_plan(read(file), **(PLAN | {"data": ("toy", {"n": 48}, "m1", {"seed": 3}), "differ": ("split",)}))
    check_plan(read(file), **(PLAN | {"data": ("another", {}, "m9", {"seed": 3})}))


def test_channels_units_lengths_and_bins_that_differ_are_refused() -> None:
    cohort = toy_cohort()
    scaler = Scaler.fit(cohort)
    check_cohort(made(), cohort, scaler, ())
    vitals = cohort.modalities["vitals"]
    from dataclasses import replace

    cases = {
        'channels of vitals differ: they were trained on "vitals_0", here is "HR"': replace(
            cohort, modalities={**cohort.modalities, "vitals": replace(vitals, channels=("HR", "vitals_1", "vitals_2"))}
        ),
        'units of vitals differ: they were trained on "SD", here is "bpm"': replace(
            cohort, modalities={**cohort.modalities, "vitals": replace(vitals, units=("SD", "bpm", "SD"))}
        ),
        "12 bins of 1 h, here are 12 of 0.5 h": replace(cohort, bin_hours=0.5),
        "channels of statics differ": replace(cohort, static_names=("age", "weight")),
    }
    for said, other in cases.items():
        with pytest.raises(UsageError, match=said):
            check_cohort(made(), other, scaler, ("scaling",))
    with pytest.raises(UsageError, match="12 bins of 1 h, here are 8 of 1 h"):
        check_cohort(made(), toy_cohort(length=8), scaler, ("scaling",))


@pytest.mark.parametrize("part", ["series.vitals", "series.labs", "statics"])
@pytest.mark.parametrize("row", [0, 1])
def test_a_scaling_within_the_tolerance_is_used_and_one_beyond_is_refused_unless_said(part: str, row: int) -> None:
    cohort = toy_cohort()
    fitted = Scaler.fit(cohort)

    def moved(by: float) -> Scaler:
        state = {name: array.copy() for name, array in fitted.state.items()}
        state[part][row, 1] += by * fitted.state[part][1, 1]
        return Scaler(state)

    check_cohort(made(), cohort, moved(0.9 * TOLERANCE), ())
    with pytest.raises(UsageError, match=r"give weights\.differ=scaling"):
        check_cohort(made(), cohort, moved(1.1 * TOLERANCE), ())
    check_cohort(made(), cohort, moved(1.1 * TOLERANCE), ("scaling",))


def test_values_cut_elsewhere_are_refused() -> None:
    cohort = toy_cohort()
    with pytest.raises(UsageError, match="were cut at 10 standard deviations, here at inf"):
        check_cohort(made(), cohort, Scaler.fit(cohort, float("inf")), ())


def test_an_imputer_that_chokes_on_the_state_is_named(file: Path) -> None:
    class Picky:
        def load_state_dict(self, state: object) -> None:
            raise KeyError("blocks.0.weight")

    cohort = toy_cohort()
    with pytest.raises(
        PluginError, match=r"imputer around does not take the weights \w{8}: KeyError: 'blocks.0.weight'"
    ):
        weights.load_into(Picky(), file, cohort, Scaler.fit(cohort), ())  # type: ignore[arg-type]
