"""The digest of the data: their names and contents, wherever they lie."""

from __future__ import annotations

import os

import pytest

from bench.errors import DataError
from bench.manifest import manifest

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


def test_contents_are_read_once(files, tmp_path):
    made = files("a")
    first = manifest(made, tmp_path / "cache")
    for remembered in (tmp_path / "cache" / "manifests").iterdir():
        remembered.write_text("what was remembered\n")
    assert manifest(made, tmp_path / "cache") == "what was remembered"
    assert first != "what was remembered"


def test_a_change_is_seen_by_the_time_of_the_file_and_a_mere_touch_changes_nothing(files, tmp_path):
    made = files("a")
    first = manifest(made, tmp_path / "cache")
    os.utime(made[0], (1, 1))
    assert manifest(made, tmp_path / "cache") == first
    made[0].write_bytes(b"ONE")
    os.utime(made[0], (2, 2))
    assert manifest(made, tmp_path / "cache") != first


def test_a_file_that_is_gone_is_named(files, tmp_path):
    made = files("a")
    made[1].unlink()
    with pytest.raises(DataError, match=r"cannot read .*2\.txt: No such file"):
        manifest(made, tmp_path / "cache")
