"""Named arrays in safetensors files."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from safetensors.numpy import load_file, save_file

from bench import arrays
from bench.errors import StorageError
from support.sealing import DAMAGE, damaged

DTYPES = ["bool", "uint8", "int8", "int32", "int64", "float16", "float32", "float64"]
ANY_ARRAY = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
RELAXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)


@given(
    st.dictionaries(TEXTS.filter(lambda name: name not in ("", "__metadata__")), ANY_ARRAY),
    st.dictionaries(TEXTS, TEXTS),
)
@RELAXED
def test_what_is_written_is_read_bit_for_bit(tmp_path, written, metadata):
    arrays.write(tmp_path / "file", written, metadata)
    read, about = arrays.read(tmp_path / "file")
    assert about == metadata
    assert read.keys() == written.keys()
    for name, array in written.items():
        assert read[name].dtype == array.dtype
        assert read[name].shape == array.shape
        assert read[name].tobytes() == array.tobytes()


@given(DAMAGE)
@settings(RELAXED, max_examples=400)
def test_any_changed_byte_is_noticed_whether_of_the_data_or_of_the_metadata(tmp_path, damage):
    file = tmp_path / "file"
    arrays.write(file, {"a": np.arange(9.0), "b": np.ones((2, 3), bool)}, {"ids": '["r0001", "r0002"]'})
    file.write_bytes(damaged(file.read_bytes(), *damage))
    arrays.forget_checks()
    with pytest.raises(arrays.Damaged):
        arrays.read(file)


def test_what_the_metadata_say_is_never_believed_after_a_change_even_where_the_data_are_not_read(tmp_path):
    file = tmp_path / "file"
    arrays.write(file, {"a": np.arange(9.0)}, {"ids": '["r0001", "r0002"]'})
    file.write_bytes(file.read_bytes().replace(b"r0002", b"r0003"))
    assert not arrays.is_complete(file)
    with pytest.raises(arrays.Damaged, match="checksum does not match"):
        arrays.metadata(file)


def test_a_file_of_the_format_before_is_read(tmp_path):
    text = {"ids": "r1"}
    about = {"format": 1, "sha256": arrays._digest({"a": np.arange(3.0)}), "metadata": text}
    save_file({"a": np.arange(3.0)}, tmp_path / "file", metadata={"gapbench": json.dumps(about, sort_keys=True)})
    assert arrays.read(tmp_path / "file")[1] == text


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_library_reads_the_same(tmp_path, dtype):
    written = {"a": np.arange(7).astype(dtype), "b": np.ones((2, 3), dtype)}
    arrays.write(tmp_path / "file", written)
    theirs, ours = load_file(tmp_path / "file"), arrays.read(tmp_path / "file")[0]
    assert all(np.array_equal(theirs[name], ours[name]) for name in written)


def test_views_and_foreign_orders_are_written_as_what_they_show(tmp_path):
    whole = np.arange(24, dtype=np.float32).reshape(4, 6)
    arrays.write(tmp_path / "file", {"t": whole.T, "step": whole[::2, ::-1]})
    read, _ = arrays.read(tmp_path / "file")
    assert np.array_equal(read["t"], whole.T)
    assert np.array_equal(read["step"], whole[::2, ::-1])


def test_arrays_stay_on_the_disk_and_cannot_be_written(tmp_path):
    arrays.write(tmp_path / "file", {"a": np.zeros(1000, np.float32)})
    read = arrays.read(tmp_path / "file")[0]["a"]
    base = read
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        read[0] = 1


def test_a_file_is_replaced_as_a_whole_while_others_still_read_the_old_one(tmp_path):
    arrays.write(tmp_path / "file", {"a": np.zeros(10)})
    before = arrays.read(tmp_path / "file")[0]["a"]
    arrays.write(tmp_path / "file", {"a": np.ones(10)})
    assert before.sum() == 0
    assert arrays.read(tmp_path / "file")[0]["a"].sum() == 10


def test_a_file_cut_short_anywhere_is_refused(tmp_path):
    arrays.write(tmp_path / "file", {"a": np.arange(20.0), "b": np.ones(3, np.int32)}, {"said": "here"})
    whole = (tmp_path / "file").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(
            StorageError, match=r"cut is not a complete safetensors file .*; delete it and run the same command again"
        ):
            arrays.read(tmp_path / "cut")


@pytest.mark.parametrize(
    "content",
    [b"garbage that is long enough to hold a header", pickle.dumps([1, 2, 3]), (2).to_bytes(8, "little") + b"[]",
     (9).to_bytes(8, "little") + b'{"a": {}}', b"\xff" * 64],
)  # fmt: skip
def test_what_is_no_safetensors_file_is_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(StorageError, match="not a complete safetensors file"):
        arrays.read(tmp_path / "file")
