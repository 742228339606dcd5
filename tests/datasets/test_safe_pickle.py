"""Pickles are read without running anything they name: what is plain comes through, everything
else is one clear line.
"""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import DataError
from bench_datasets.safe_pickle import convert
from bench_datasets.safe_pickle.convert import Field, Layout, converted
from bench_datasets.safe_pickle.reader import ALLOWED, Refused, load, scan
from support import affect_pickles

PLAIN = {
    "f4": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "f8": np.linspace(0, 1, 7),
    "big": np.arange(30_000, dtype=np.float64).reshape(100, 300),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "swapped": np.arange(3, dtype=">i4"),
    "truth": np.array([True, False]),
    "bytes": np.array([b"x", b"yy"]),
    "text": np.array(["a", "bé"]),
}
LAYOUT = Layout({"train": "train", "test": "test"}, {"a": Field("number", (1, 2)), "id": Field("text", (1,))})


class Evil:
    """Pickled as a call of `function` with `arguments`, and of a state where there is one."""

    def __init__(self, *call: Any):
        self.call = call

    def __reduce__(self) -> Any:
        return self.call


def refusal(folder: Path, content: bytes) -> str:
    """What reading it says; one line that names the file."""
    path = folder / "file.pkl"
    path.write_bytes(content)
    with pytest.raises(Refused) as caught:
        load(path)
    said = str(caught.value)
    assert said.startswith(f"{path} is refused: ")
    assert "\n" not in said
    assert said.count("is refused") == 1
    return said


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_numbers_and_text_come_through_in_every_protocol(tmp_path, protocol):
    path = affect_pickles.write(
        tmp_path / "a.pkl", {"train": PLAIN, "mean": np.float64(3.5), "ids": ["p[0]", "q"]}, protocol
    )
    content, python2 = load(path)
    for name, array in PLAIN.items():
        assert np.array_equal(content["train"][name].values, array), name
    assert content["mean"] == 3.5
    assert content["ids"] == ["p[0]", "q"]
    assert not python2


@pytest.mark.parametrize("old", [b"numpy.core.", b"numpy._core."])
@pytest.mark.parametrize("protocol", [2, 3, 5])
def test_files_of_either_numpy_major_version_load(tmp_path, old, protocol):
    path = affect_pickles.write(tmp_path / "a.pkl", [np.arange(3.0), np.float32(2)], protocol)
    content = path.read_bytes()
    there = b"numpy._core." if b"numpy._core." in content else b"numpy.core."
    if protocol > 3:  # names are length-prefixed there
        for name in (b"multiarray", b"numeric"):
            long, short = there + name, old + name
            content = content.replace(bytes([len(long)]) + long, bytes([len(short)]) + short)
        content = content[:2] + content[11:]  # the frame, which would have another length
    else:
        content = content.replace(there, old)
    path.write_bytes(content)
    (array, number), _ = load(path)
    assert array.values.tolist() == [0, 1, 2]
    assert number == 2
    assert {module for module, _ in scan(path).names if "core" in module} >= {(old + b"multiarray").decode()}


def test_a_file_of_python_2_is_read_and_its_text_decoded(tmp_path):
    values = np.arange(6.0).reshape(2, 3)
    path = tmp_path / "old.pkl"
    path.write_bytes(affect_pickles.python2(values, "Zoé"))
    content, python2 = load(path)
    assert np.array_equal(content["a"].values, values)
    assert python2
    assert convert._text(content["name"], python2) == "Zoé"


CALLS: dict[str, tuple[Callable[[str], Any], str]] = {
    "os.system": (lambda mark: Evil(os.system, (f"touch {mark}",)), "system"),
    "subprocess": (lambda mark: Evil(subprocess.check_call, (["touch", mark],)), "subprocess.check_call"),
    "builtins.eval": (lambda mark: Evil(eval, (f"open({mark!r}, 'w')",)), "builtins.eval"),
    "builtins.exec": (lambda mark: Evil(exec, (f"open({mark!r}, 'w')",)), "builtins.exec"),
    "getattr": (lambda mark: Evil(getattr, (Evil(__import__, ("os",)), "system")), "builtins.getattr"),
    "import": (lambda mark: Evil(__import__, ("antigravity",)), "builtins.__import__"),
    "open": (lambda mark: Evil(open, (mark, "w")), "open"),
    "numpy.load": (lambda mark: Evil(np.load, (mark,)), "load"),
    "numpy.fromfile": (lambda mark: Evil(np.fromfile, (mark,)), "fromfile"),
    "numpy.savetxt": (lambda mark: Evil(np.savetxt, (mark, [1.0])), "savetxt"),
    "a class": (lambda mark: Path(mark), "Path"),
    "a function": (lambda mark: pickle.loads, "loads"),
    "a list": (lambda mark: Evil(list, ()), "builtins.list"),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_file_that_calls_anything_else_is_refused_by_name_and_nothing_runs(tmp_path, name, protocol):
    mark = tmp_path / "ran"
    make, said = CALLS[name]
    content = pickle.dumps({"train": {"text": PLAIN["f4"], "id": make(str(mark))}}, protocol=protocol)
    if protocol >= 2:  # there is nothing wrong with these pickles but what they do
        assert len(content) > 100
    refused = refusal(tmp_path, content)
    assert said.rpartition(".")[2] in refused or "an instance of a class" in refused
    assert not mark.exists()


def test_the_same_file_does_run_when_it_is_unpickled_as_usual(tmp_path):
    mark = tmp_path / "ran"
    pickle.loads(pickle.dumps(Evil(os.system, (f"touch {mark}",))))
    assert mark.exists()


RAW = {
    "a name put together while reading": (b"\x80\x04\x8c\x02os\x8c\x06systemN0\x93.", "name"),
    "a name under a foreign module": (b"\x80\x04\x8c\x05numpy\x8c\x04load\x93.", "numpy.load"),
    "a dotted name": (b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tobyte\x93.", "numpy.ndarray.tobyte"),
    "a persistent id": (b"\x80\x04\x8c\x01xQ.", "persistent id"),
    "a persistent id in text": (b"Pabc\n.", "persistent id"),
    "an extension code": (b"\x80\x02\x82\x01.", "extension registry"),
    "a wide extension code": (b"\x80\x02\x84\x01\x00\x00\x00.", "extension registry"),
    "an instance, old": (b"(ios\nsystem\n.", "instance"),
    "an instance, older": (b"(cos\nsystem\no.", "instance"),
    "an instance, new": (b"\x80\x02cnumpy\nndarray\n)\x81.", "instance"),
    "a buffer outside": (b"\x80\x05\x97.", "buffer"),
    "calling the array type": (b"\x80\x02cnumpy\nndarray\n(J\xff\xff\xff\x7ftR.", "made and not read"),
    "changing a function": (b"\x80\x02c_codecs\nencode\n}X\x01\x00\x00\x00aK\x01sb.", "change a function"),
    "another codec": (b"\x80\x02c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00zipt" + b"R.", "encoding zip"),
    "a type of records": (b"\x80\x02cnumpy\ndtype\n(X\x05\x00\x00\x00f4,f4tR.", "the type 'f4,f4'"),
    "a type of addresses": (b"\x80\x02cnumpy\ndtype\n(X\x02\x00\x00\x00V8tR.", "the type 'V8'"),
    "an object as a number": (
        b"\x80\x02cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(X\x01\x00\x00\x00OtR]K\x01atR.",
        "in place of a number",
    ),
    "more than one pickle": (pickle.dumps(1) + pickle.dumps(2), "follow its end"),
    "a claim beyond the file": (b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"abc.", "claims"),
    "a claim of text beyond the file": (b"\x80\x02X" + struct.pack("<I", 2**31) + b"abc.", "claims"),
    "a place kept far away": (b"\x80\x02Nr\xff\xff\xff\xff.", "keeps"),
    "an archive of torch": (b"PK\x03\x04 and more", "zip archive"),
    "nothing": (b"", "it is empty"),
    "no end": (b"\x80\x04N", "no whole pickle"),
    "no pickle": (b"\xff\xd8 a picture", "no pickle at all"),
    "a pointer of Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "a pointer of Git LFS",
    ),
    "a web page": (b"\n <!DOCTYPE html>", "a web page"),
    "a file of torch.save": (b"PK\x03\x04archive/data.pkl", "a zip archive"),
    "a file of torch.save of old": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "torch.save"),
    "an HDF5 file": (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    "a pickle that was compressed": (b"\x1f\x8b\x08\x00", "compressed with gzip"),
    "a copy that was interrupted": (b"\0" * 100, "nothing but zeros"),
    "a damaged byte": (b"\x80\x04\xff.", "byte 2 begins nothing known"),
}


@pytest.mark.parametrize("name", RAW)
def test_hostile_and_damaged_files_are_refused(tmp_path, name):
    content, said = RAW[name]
    assert said in refusal(tmp_path, content)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_short_anywhere_is_refused(tmp_path, share):
    whole = pickle.dumps({"train": PLAIN}, protocol=4)
    refusal(tmp_path, whole[: int(len(whole) * share)])


def test_an_array_whose_bytes_do_not_fit_its_shape_is_refused(tmp_path):
    content = pickle.dumps(np.zeros((3, 5)), protocol=2)
    assert content.count(b"K\x03K\x05") == 1
    said = refusal(tmp_path, content.replace(b"K\x03K\x05", b"K\xffK\xff"))
    assert "(255, 255)" in said


def test_every_global_that_is_allowed_is_a_stand_in_of_ours():
    assert {type(made).__module__ for made in ALLOWED.values()} == {"bench_datasets.safe_pickle.reader"}
    assert not [module for module, _ in ALLOWED if module in ("builtins", "__builtin__", "os", "copyreg")]


def content(**more: Any) -> dict[str, Any]:
    part = {"a": np.arange(4.0), "id": ["w", "x", "y", "z"], **more}
    return {"train": part, "test": part}


def told(folder: Path, made: Any, layout: Layout = LAYOUT) -> tuple[dict[str, np.ndarray], convert.About]:
    with converted(affect_pickles.write(folder / "file.pkl", made), layout, lambda line: None) as got:
        return got


def test_a_conversion_is_made_once_and_holds_no_pickle(tmp_path):
    lines: list[str] = []
    path = affect_pickles.write(tmp_path / "file.pkl", content(more=np.zeros(3)))
    with converted(path, LAYOUT, lines.append) as (arrays, about):
        assert arrays["train/a"].dtype == np.float32
        assert arrays["test/id"].tolist() == ["w", "x", "y", "z"]
        assert about.sizes == {"train": 4, "test": 4}
        assert set(about.left_out) == {"train/more", "test/more"}
        assert about.sha256 == convert.sha256(path)
    place = convert.folder_of(path, about.sha256)
    with np.load(place / "arrays.npz", allow_pickle=False) as stored:
        assert set(stored.files) == set(arrays)
    with converted(path, LAYOUT, lines.append) as (again, _):
        assert np.array_equal(again["train/a"], arrays["train/a"])
    assert len(lines) == 1


def test_a_changed_file_and_a_damaged_conversion_are_converted_again(tmp_path):
    told(tmp_path, content())
    changed = content()
    changed["train"]["a"] = np.arange(4.0) + 1
    arrays, about = told(tmp_path, changed)
    assert arrays["train/a"].tolist() == [1, 2, 3, 4]
    place = convert.folder_of(tmp_path / "file.pkl", about.sha256)
    (place / "arrays.npz").write_bytes(b"PK\x03\x04 no")
    arrays, _ = told(tmp_path, changed)
    assert arrays["train/a"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ([1, 2], "holds a list"),
        ({"train": content()["train"]}, "no arrays of the part test"),
        ({"train": [(("hello",), 1.0)], "test": []}, "list of samples"),
        ({"train": 1, "test": 2}, "train is a int"),
        (content(a=np.zeros((4, 2, 2))), "3 axes"),
        (content(a=np.array([1, "x", 2, 3], dtype=object)), "train/a is a array of objects"),
        (content(a="abcd"), "train/a is a str"),
        (content(id=np.array([{}, "x", "y", "z"], dtype=object)), "something else than text"),
        (content(id=["x"]), "differ in length"),
    ],
)
def test_another_layout_is_refused_with_the_key(tmp_path, made, said):
    with pytest.raises(Refused, match=said) as caught:
        told(tmp_path, made)
    assert "file.pkl is refused" in str(caught.value)


def test_a_hostile_file_is_refused_by_the_child_in_one_line_and_leaves_nothing(tmp_path):
    mark = tmp_path / "ran"
    with pytest.raises(Refused, match="system") as caught:
        told(tmp_path, content(id=Evil(os.system, (f"touch {mark}",))))
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.pkl"]


def test_a_child_that_needs_too_much_memory_or_time_is_refused_and_this_process_goes_on(tmp_path, monkeypatch):
    huge = content(a=np.zeros((4, 20_000_000), np.float16))
    path = affect_pickles.write(tmp_path / "file.pkl", huge)
    monkeypatch.setattr(convert, "limits", lambda size: (500 * 2**20, 60))
    with (
        pytest.raises(Refused, match=r"0\.5 GiB|more memory than it may have"),
        converted(path, LAYOUT, lambda line: None),
    ):
        pass
    path = affect_pickles.write(tmp_path / "file.pkl", content())
    monkeypatch.setattr(convert, "limits", lambda size: (2 * 2**30, 0))
    with pytest.raises(Refused, match="within 0 s"), converted(path, LAYOUT, lambda line: None):
        pass


def test_where_nothing_can_be_written_the_conversion_is_made_elsewhere(tmp_path, monkeypatch):
    lines: list[str] = []
    path = affect_pickles.write(tmp_path / "file.pkl", content())
    monkeypatch.setattr(convert.os, "access", lambda *asked: False)
    with converted(path, LAYOUT, lines.append) as (arrays, _):
        assert len(arrays["train/a"]) == 4
    assert sorted(found.name for found in tmp_path.iterdir()) == ["file.pkl"]
    assert "is not kept" in lines[-1]


def test_a_file_that_is_not_there_is_a_plain_error(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        scan(tmp_path / "none.pkl")


def test_scanning_holds_no_large_argument_in_memory(tmp_path):
    path = affect_pickles.write(tmp_path / "large.pkl", np.zeros(3_000_000))
    tracemalloc.start()
    try:
        scan(path)
        assert tracemalloc.get_traced_memory()[1] < path.stat().st_size / 10
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_objects_of_other_libraries_are_called_by_their_name(tmp_path, protocol):
    import pandas as pd
    import torch

    for made, said in (
        (pd.DataFrame({"a": [1.0]}), "tables of pandas"),
        (torch.zeros(2), "PyTorch"),
        (__import__("collections").OrderedDict(a=1), "containers of Python's collections"),
    ):
        refused = refusal(tmp_path, pickle.dumps({"train": made}, protocol=protocol))
        assert said in refused
        assert "numpy.savez" in refused


def test_no_message_is_in_the_words_of_the_pickle_machine(tmp_path):
    for _, (content, _) in RAW.items():
        assert "opcode" not in refusal(tmp_path, content)


HASHABLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.binary(min_size=1, max_size=5),
)
SETS = st.one_of(st.frozensets(HASHABLE, max_size=3), st.sets(HASHABLE, max_size=3))


def tree(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.tuples(inner, inner),
            st.dictionaries(st.text(max_size=3), inner, max_size=3),
        ),
        max_leaves=5,
    )


def kinds(made: Any) -> set[type]:
    """The types of all that something is made of."""
    inside = made.values() if isinstance(made, dict) else made if isinstance(made, list | tuple) else ()
    return {type(made)}.union(*map(kinds, inside))


@given(tree(st.one_of(HASHABLE, SETS)), st.integers(0, 5))
def test_dicts_lists_tuples_numbers_and_text_come_through_and_sets_do_not(tmp_path_factory, made, protocol):
    path = affect_pickles.write(tmp_path_factory.mktemp("made") / "made.pkl", made, protocol)
    if {set, frozenset} & kinds(made):
        with pytest.raises(Refused, match=r"a set|a frozen set|set"):
            load(path)
    else:
        read, _ = load(path)
        assert kinds(read) <= {dict, list, tuple, int, float, bool, type(None), str, bytes}


def doubled(times: int) -> bytes:
    """Steps that leave a tuple of two tuples of two tuples ..., all the same: a few bytes, and
    2**times to whoever follows it.
    """
    return b")" + b"".join(b"\x94h" + bytes([k]) + b"\x86" for k in range(times))


@pytest.mark.parametrize(
    "content",
    [b"\x80\x04}" + doubled(60) + b"K\x01s.", b"\x80\x04cnumpy\ndtype\n" + doubled(60) + b"\x85R."],
    ids=["the key of a dictionary", "the type of an array"],
)
def test_a_small_file_that_would_compute_for_ever_is_refused_in_seconds(tmp_path, monkeypatch, content):
    assert convert.limits(0)[1] - convert.WAITING == 8
    monkeypatch.setattr(convert, "limits", lambda size: (2 * 2**30, convert.WAITING + 2))
    path = tmp_path / "file.pkl"
    path.write_bytes(content)
    before = os.times()
    with (
        pytest.raises(Refused, match=r"all of its 2 s|more than the|no whole pickle|memory"),
        converted(path, LAYOUT, lambda line: None),
    ):
        pass
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system < 5
