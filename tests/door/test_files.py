"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from bench import files
from bench.errors import DataError, StorageError
from bench.files import replacing, storage, sweep, write_bytes, write_text


def everything(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def interrupted(path, error, folder=False):
    """Write half of a file (or of a folder), and be stopped by an error."""
    with replacing(path) as temporary:
        if folder:
            temporary.mkdir()
        (temporary / "file" if folder else temporary).write_bytes(b"half")
        raise error


def test_what_is_written_is_there_with_its_folders_and_nothing_else(tmp_path):
    write_bytes(tmp_path / "a" / "b" / "file", b"content")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"content"
    assert everything(tmp_path) == ["a", "a/b", "a/b/file"]


def test_text_is_utf_8_on_every_system(tmp_path):
    write_text(tmp_path / "file", "café\n")
    assert (tmp_path / "file").read_bytes() == b"caf\xc3\xa9\n"


def test_a_failure_in_the_middle_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(ZeroDivisionError):
        interrupted(path, ZeroDivisionError())
    assert path.read_bytes() == b"old"
    assert everything(tmp_path) == ["file"]


def test_a_failure_in_the_middle_of_a_new_file_leaves_none(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "file", KeyboardInterrupt())
    assert everything(tmp_path) == []


def test_a_process_that_is_killed_in_the_middle_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    code = f"""
import os
from pathlib import Path
from bench.files import replacing
with replacing(Path({str(path)!r})) as temporary:
    temporary.write_bytes(b"half")
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    assert path.read_bytes() == b"old"
    sweep(tmp_path, older_than=0)
    assert everything(tmp_path) == ["file"]


def test_the_content_is_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    happened = []
    monkeypatch.setattr(files, "sync", lambda path: happened.append(("sync", path.name)))
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, to: (happened.append(("name", to.name)), replace(self, to))[1])
    write_bytes(tmp_path / "file", b"content")
    assert happened == [("sync", "file"), ("name", "file"), ("sync", tmp_path.name)]


def test_a_folder_appears_with_all_its_files(tmp_path):
    with replacing(tmp_path / "folder") as temporary:
        (temporary / "inner").mkdir(parents=True)
        (temporary / "inner" / "file").write_bytes(b"content")
        assert not (tmp_path / "folder").exists()
    assert everything(tmp_path) == ["folder", "folder/inner", "folder/inner/file"]


def test_a_folder_that_fails_in_the_middle_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        interrupted(tmp_path / "folder", ZeroDivisionError(), folder=True)
    assert everything(tmp_path) == []


def test_a_folder_that_another_process_made_first_stays(tmp_path):
    with replacing(tmp_path / "folder") as temporary:
        temporary.mkdir()
        (temporary / "late").touch()
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "early").touch()
    assert everything(tmp_path) == ["folder", "folder/early"]


def test_many_writers_at_once_leave_one_whole_file(tmp_path):
    contents = [bytes([65 + number]) * 100_000 for number in range(8)]
    threads = [threading.Thread(target=write_bytes, args=(tmp_path / "file", content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file").read_bytes() in contents
    assert everything(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EFBIG, "the file-size limit is reached"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EACCES, "permission denied"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_what_the_system_refuses_is_one_clear_line_that_names_the_path_and_what_to_do(tmp_path, number, said):
    with pytest.raises(StorageError) as caught, storage(tmp_path / "file"):
        raise OSError(number, os.strerror(number))
    message = str(caught.value)
    assert message.startswith(f"cannot write {tmp_path / 'file'}: {said}")
    assert "run the same command again" in message
    assert "\n" not in message


def test_a_disk_that_fills_up_in_the_middle_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(StorageError, match="the disk is full"):
        interrupted(path, OSError(errno.ENOSPC, "No space left on device"))
    assert path.read_bytes() == b"old"
    assert everything(tmp_path) == ["file"]


def test_a_path_through_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        write_bytes(tmp_path / "file" / "inner", b"")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that refuses files")
def test_a_place_that_takes_no_files_is_refused():
    with pytest.raises(StorageError, match="cannot write /proc/nowhere/file"):
        write_bytes(Path("/proc/nowhere/file"), b"")


def test_sweeping_takes_old_leftovers_and_nothing_else(tmp_path):
    for name in ("old", "young"):
        (tmp_path / "deep" / f".tmp-{name}" / "inner").mkdir(parents=True)
    (tmp_path / "deep" / "file").touch()
    long_ago = time.time() - 7200
    os.utime(tmp_path / "deep" / ".tmp-old", (long_ago, long_ago))
    sweep(tmp_path)
    assert everything(tmp_path) == ["deep", "deep/.tmp-young", "deep/.tmp-young/inner", "deep/file"]


def test_sweeping_leaves_alone_what_somebody_still_writes_however_old(tmp_path):
    with replacing(tmp_path / "folder") as temporary:
        temporary.mkdir()
        os.utime(temporary.parent, (0, 0))
        sweep(tmp_path)
        assert temporary.is_dir()
    assert everything(tmp_path) == ["folder"]


def test_sweeping_what_is_not_there_does_nothing(tmp_path):
    sweep(tmp_path / "nowhere")
    assert everything(tmp_path) == []


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    width: int = 1


class Whole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    inner: Inner = Inner()
    named: dict[str, Inner] = {}


def test_a_toml_file_is_a_struct(tmp_path):
    (tmp_path / "x.toml").write_text('name = "a"\n[named.b]\nwidth = 2\n')
    assert files.read_toml(tmp_path / "x.toml", Whole) == Whole(name="a", named={"b": Inner(2)})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('name = "a"\n\n[inner]\nwidht = 2', r'key "inner.widht" .*line 4\); did you mean "inner.width"\? accepted: inner.width'),
        ('name = "a"\n[named.b]\nw = 2', r'key "named.b.w" is not known \(from .*x.toml, line 3\)'),
        ('name = "a"\n[inner]\nwidth = "b"', r'"inner.width" = "b" is not accepted .*line 3\): expected a whole number'),
        ("[inner]", r'"name" is required and was not given'),
        ("name", r"x.toml is not valid TOML"),
        (None, r"x.toml cannot be read"),
    ],
)  # fmt: skip
def test_a_toml_file_that_is_no_such_struct_is_refused_in_one_line_with_its_place(tmp_path, text, why):
    if text is not None:
        (tmp_path / "x.toml").write_text(text)
    with pytest.raises(DataError, match=why) as refused:
        files.read_toml(tmp_path / "x.toml", Whole)
    assert len(str(refused.value).splitlines()) == 1
