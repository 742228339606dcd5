"""The digest of the data: their names and contents, wherever they lie."""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
import tempfile
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.manifest import manifest
from bench.errors import DataError

CONTENTS = {"set-a/1.txt": b"one", "set-a/2.txt": b"two", "outcomes.txt": b"x,y\n"}


@pytest.fixture
def files(tmp_path):
    """A function that writes a data set into a folder and returns its files."""

    def write(folder, contents=CONTENTS):
        made = []
        for name, content in contents.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            made.append(path)
        return made

    return write


def test_the_same_files_have_the_same_digest_in_any_folder_and_order(files, tmp_path):
    here, there = files("here"), files("somewhere/else")
    assert manifest(here, tmp_path / "cache") == manifest(there[::-1], tmp_path / "cache")


@pytest.mark.parametrize(
    "other",
    [
        {**CONTENTS, "set-a/1.txt": b"ONE"},
        {**CONTENTS, "set-a/3.txt": b""},
        {name: content for name, content in CONTENTS.items() if name != "set-a/2.txt"},
        {**{k: v for k, v in CONTENTS.items() if k != "set-a/1.txt"}, "set-a/one.txt": b"one"},
        {**CONTENTS, "set-a/1.txt": b"two", "set-a/2.txt": b"one"},
        {**CONTENTS, "set-a/1.txt": b"onetwo", "set-a/2.txt": b""},
    ],
    ids=["content", "one more", "one less", "renamed", "swapped", "moved along"],
)
def test_any_change_of_names_or_contents_changes_the_digest(files, tmp_path, other):
    assert manifest(files("a"), tmp_path / "cache") != manifest(files("b", other), tmp_path / "cache")


def restored(path, stat):
    """Give a file the times it had."""
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def in_place(path, content):
    """Overwrite the bytes of a file."""
    with path.open("r+b") as stream:
        stream.write(content)


def replaced(path, content):
    """Put another file in its place."""
    other = path.with_name(f"other-{path.name}")
    other.write_bytes(content)
    restored(other, path.stat())
    other.replace(path)


def removed_first(path, content):
    """Remove the file and write it anew: the inode may be the same."""
    path.unlink()
    path.write_bytes(content)


def linked(path, content):
    """Make it a link to another file; of a link, move what it leads to."""
    target = path.with_name(f"target-{path.name}")
    target.write_bytes(content)
    restored(target, path.stat())
    path.unlink()
    path.symlink_to(target)


def mapped(path, content):
    """Write through a memory map."""
    with path.open("r+b") as stream, mmap.mmap(stream.fileno(), 0) as memory:
        memory[:] = content


def folder_swapped(path, content):
    """Put another folder in the place of the one it lies in."""
    other = path.parent.with_name("other")
    shutil.copytree(path.parent, other)
    (other / path.name).write_bytes(content)
    restored(other / path.name, path.stat())
    path.parent.rename(path.parent.with_name("away"))
    other.rename(path.parent)


TRICKS = [in_place, replaced, removed_first, linked, mapped, folder_swapped]


@pytest.fixture(params=["small", "large"])
def size(request, monkeypatch):
    """Files that are read each time, and files that are recognised without reading as soon as
    they are settled.
    """
    if request.param == "large":
        monkeypatch.setattr("bench.data.manifest.READ_ALWAYS", 0)
        monkeypatch.setattr("bench.data.manifest.SETTLED", 0.02)
    return request.param


def settle():
    time.sleep(0.05)


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.__name__)
def test_a_changed_byte_is_noticed_however_it_is_changed_and_whatever_the_file_then_says_of_itself(
    files, tmp_path, size, trick
):
    made, cache = files("a"), tmp_path / "cache"
    settle()
    first = manifest(made, cache)
    assert manifest(made, cache) == first
    before = made[0].stat()
    trick(made[0], b"onE")
    restored(made[0], before)
    assert (made[0].stat().st_size, made[0].stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    settle()
    changed = manifest(made, cache)
    assert changed != first
    assert changed == manifest(files("b", {**CONTENTS, "set-a/1.txt": b"onE"}), cache)


EDITS = st.lists(
    st.tuples(st.sampled_from(TRICKS[:5]), st.integers(0, 2), st.binary(min_size=3, max_size=3), st.booleans()),
    min_size=1,
    max_size=5,
)


@settings(max_examples=25, deadline=None)
@given(EDITS)
def test_the_digest_is_a_function_of_what_the_files_hold_after_any_edits(edits):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.data.manifest.READ_ALWAYS", 0)
        patch.setattr("bench.data.manifest.SETTLED", 0.005)
        files = [Path(folder) / "data" / f"{k}.txt" for k in range(3)]
        held = [b"abc", b"def", b"ghi"]
        files[0].parent.mkdir()
        for file, content in zip(files, held, strict=True):
            file.write_bytes(content)
        known = {}
        for trick, which, content, waits in edits:
            if waits:
                time.sleep(0.015)
            before = files[which].stat()
            if trick is mapped or files[which].is_symlink():
                trick = in_place
            trick(files[which], content)
            restored(files[which], before)
            held[which] = content
            digest = manifest(files, Path(folder) / "cache")
            assert known.setdefault(tuple(held), digest) == digest
        assert len(set(known.values())) == len(known)


def test_an_edit_inside_an_archive_is_noticed(tmp_path):
    archive = tmp_path / "set.zip"
    digests = []
    for content in ("one", "two"):
        with zipfile.ZipFile(archive, "w") as stream:
            stream.writestr(zipfile.ZipInfo("1.txt"), content)
        os.utime(archive, (1, 1))
        digests.append(manifest([archive], tmp_path / "cache"))
    assert digests[0] != digests[1]


def test_a_mere_touch_changes_nothing(files, tmp_path, size):
    made = files("a")
    first = manifest(made, tmp_path / "cache")
    os.utime(made[0], (1, 1))
    assert manifest(made, tmp_path / "cache") == first


@pytest.fixture
def read(monkeypatch):
    """The names of the files whose contents were read."""
    found = []
    original = hashlib.file_digest

    def noted(stream, name):
        found.append(Path(stream.name).name)
        return original(stream, name)

    monkeypatch.setattr("bench.data.manifest.hashlib.file_digest", noted)
    return found


def test_large_files_are_read_once_and_again_when_what_was_remembered_is_damaged(files, tmp_path, monkeypatch, read):
    monkeypatch.setattr("bench.data.manifest.READ_ALWAYS", 0)
    monkeypatch.setattr("bench.data.manifest.SETTLED", 0.02)
    made = files("a")
    settle()
    first = manifest(made, tmp_path / "cache")
    assert sorted(read) == ["1.txt", "2.txt", "outcomes.txt"]
    del read[:]
    assert (manifest(made, tmp_path / "cache"), read) == (first, [])
    remembered = sorted((tmp_path / "cache" / "manifests").iterdir())
    for place in range(0, len(remembered[0].read_bytes()) - 1, 7):
        whole = bytearray(remembered[0].read_bytes())
        whole[place] ^= 1
        remembered[0].write_bytes(whole)
        assert manifest(made, tmp_path / "cache") == first
        assert len(read) == 1, place
        del read[:]


def test_a_large_file_that_changed_a_moment_ago_is_read_each_time(files, tmp_path, monkeypatch, read):
    monkeypatch.setattr("bench.data.manifest.READ_ALWAYS", 0)
    made = files("a")
    assert manifest(made, tmp_path / "cache") == manifest(made, tmp_path / "cache")
    assert len(read) == 6
    assert not (tmp_path / "cache").exists()


def test_a_file_that_is_written_while_it_is_read_is_named(files, tmp_path, monkeypatch):
    made = files("a")
    original = hashlib.file_digest

    def slow(stream, name):
        found = original(stream, name)
        with Path(stream.name).open("ab") as more:
            more.write(b"more")
        return found

    monkeypatch.setattr("bench.data.manifest.hashlib.file_digest", slow)
    with pytest.raises(DataError, match=r"outcomes\.txt changed while it was read; wait until it is written"):
        manifest(made, tmp_path / "cache")


def test_a_file_that_is_gone_is_named(files, tmp_path):
    made = files("a")
    made[1].unlink()
    with pytest.raises(DataError, match=r"cannot read .*2\.txt: No such file"):
        manifest(made, tmp_path / "cache")
