"""Files that appear whole or not at all: written beside their place, synced, then renamed.

Trade-offs: the folder itself is synced once per file, so a crash of the machine keeps either the
old or the new file. A leftover `.tmp-*` of a killed process is harmless and is removed by `sweep`,
which knows by a lock which processes are alive.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from bench.config import toml_file
from bench.config.conversion import bare, convert, types_of
from bench.config.toml_lines import line_of
from bench.errors import DataError, StorageError, UsageError, unknown

__all__ = ["content_digest", "read_bytes", "read_toml", "replacing", "storage", "write_bytes", "write_text"]


@contextlib.contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn what the operating system says of `path` into one clear StorageError."""
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOSPC: "the disk is full; free some space",
            errno.EDQUOT: "the disk quota is used up; free some space",
            errno.EFBIG: "the file-size limit is reached; raise it (ulimit -f)",
            errno.EROFS: "the file system is read-only; choose another folder",
            errno.EACCES: "permission denied; choose another folder",
            errno.EPERM: "permission denied; choose another folder",
            errno.EEXIST: "part of the path is a file, not a folder",
            errno.ENOTDIR: "part of the path is a file, not a folder",
        }
        reason = reasons.get(error.errno or 0, error.strerror or str(error))
        raise StorageError(
            f"cannot write {path}: {reason}; then run the same command again (folders: out=DIR, cache=DIR): "
            "what was finished is kept"
        ) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path to write to; on success it is synced and renamed to `path`, on failure it is
    removed.

    Works for a file and for a folder. A folder is renamed only if `path` does not exist yet. If
    another process was faster, its folder stays, since equal keys hold equal content. Raises
    StorageError.
    """
    with storage(path), temporary_folder(path.parent) as folder:
        temporary = folder / path.name
        yield temporary
        if temporary.is_dir():
            for item in temporary.rglob("*"):
                if item.is_file():
                    sync(item)
            try:
                temporary.replace(path)
            except OSError:
                if not path.is_dir():
                    raise
        else:
            sync(temporary)
            temporary.replace(path)
        sync(path.parent)


@contextlib.contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """An empty folder in `parent`, which is removed at the end with all in it. Raises OSError."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".tmp-", dir=parent))
    lock = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks: `sweep` then goes by age
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write a UTF-8 text file whole or not at all."""
    write_bytes(path, content.encode())


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a file. Raises OSError, also where it has more than `most` bytes; no more
    than these are ever read.
    """
    with path.open("rb") as stream:
        content = stream.read(most + 1) if os.fstat(stream.fileno()).st_size <= most else None
    if content is None or len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most // 2**20:,} MiB, the most that is read", str(path))
    return content


S = TypeVar("S", bound=msgspec.Struct)


def read_toml(path: Path, struct: type[S]) -> S:
    """A TOML file as a struct. Raises DataError with the line, what is accepted and the nearest
    key; also where the file is missing, damaged or large.
    """
    try:
        text = toml_file.text_of(path)
        tree = toml_file.parsed(text)
        origin = partial(_place, path, text)
        if stray := next(_unknown_keys(tree, struct, ""), None):
            raise unknown("key", stray[0], stray[1], origin(stray[0]))
        return convert(tree, struct, "", origin)
    except toml_file.NotToml as error:
        raise DataError(f"{path} {error}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except UsageError as error:
        raise DataError(str(error)) from None


def _place(path: Path, text: str, dotted: str) -> str:
    line = line_of(text, dotted)
    return f"{path}, line {line}" if line else str(path)


def _unknown_keys(tree: Any, kind: Any, prefix: str) -> Iterator[tuple[str, list[str]]]:
    """Each key that no struct has, and the keys that are accepted in its place."""
    kind = bare(kind)
    if not isinstance(tree, dict):
        return
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        types = types_of(kind)
        for key, value in tree.items():
            if key not in types:
                yield prefix + key, [prefix + name for name in types]
            else:
                yield from _unknown_keys(value, types[key], f"{prefix}{key}.")
    elif get_origin(kind) is dict:
        for key, value in tree.items():
            yield from _unknown_keys(value, get_args(kind)[1], f"{prefix}{key}.")


def is_file_of(path: Path, digest: str) -> bool:
    """Whether a file is there and has that SHA-256."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == digest
    except OSError:
        return False


_known: dict[tuple[int, ...], str] = {}


def state_of(stat: os.stat_result) -> tuple[int, ...]:
    """What a file system knows of a file's identity and its last change. Device, inode, size, and
    in nanoseconds the times of the last change of its content (mtime) and of its inode (ctime). A
    program can set the first time back, not the second.
    """
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def content_digest(path: Path) -> str:
    """SHA-256 of a file, as hex digits. A file that this process has read to make the keys is
    not read again. Raises OSError.
    """
    with path.open("rb") as stream:
        state = state_of(os.fstat(stream.fileno()))
        if state not in _known:
            _known[state] = hashlib.file_digest(stream, "sha256").hexdigest()
    return _known[state]


def remember_digest(state: tuple[int, ...], digest: str) -> None:
    """Keep the digest of a file of that state for `content_digest`, as long as the process
    lives.
    """
    _known[state] = digest


HOUR = 3600.0


def sweep(folder: Path, older_than: float = HOUR) -> None:
    """Remove what killed processes left behind in `folder`, once it is older than some seconds.

    What a living process writes is left alone however old it is; where the file system cannot tell,
    what is younger than an hour.
    """
    for leftover in list(folder.rglob(".tmp-*")):
        with contextlib.suppress(OSError):
            age = time.time() - leftover.stat().st_mtime
            if age > older_than and _abandoned(leftover, age):
                shutil.rmtree(leftover, ignore_errors=True)


def _abandoned(leftover: Path, age: float) -> bool:
    descriptor = os.open(leftover, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return age > HOUR
    finally:
        os.close(descriptor)
    return True


def sync(path: Path) -> None:
    """Have the system write a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_path(value: str) -> bool:
    """Whether a text begins as an absolute path does, or in somebody's home."""
    return bool(re.match(r"[/~\\]|[A-Za-z]:[/\\]", value))
