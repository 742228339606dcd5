"""The digest of the data: what the files of a dataset hold, whatever folder they lie in.

Contents decide, never times or sizes. Files of up to `READ_ALWAYS` bytes together are read each
time: 8,000 small files take about 0.4 s. Of more, a file is read again unless nothing about it says
that it changed. That is device, inode, size and the times of the last change of its content (mtime)
and of its inode (ctime). A program can set mtime back, but not ctime, so neither a restored mtime
nor a file put in another's place hides an edit. A file that changed less than `SETTLED` seconds ago
is read each time. A later write within one tick of the clock, or into a memory map that is not
written back yet, leaves no other time.

Not seen are edits of large files while the system clock is set back, and edits through a memory map
on a file system in memory. Nor are edits on file systems that keep no ctime.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.errors import DataError
from bench.files import read_bytes, remember_digest, state_of, write_text

READ_ALWAYS = 256 * 2**20
"""Bytes that are read rather than trusted."""

SETTLED = 60.0
"""Seconds since its last change after which a large file may be recognised without reading it."""


def manifest(files: Sequence[Path], cache: Path) -> str:
    """SHA-256 over the names (relative to their common folder) and contents of `files`; links are
    followed.

    Digests of large files are remembered under `cache` (see the module). Raises DataError for a
    file that cannot be read, or that changes while it is read.
    """
    try:
        base = Path(os.path.commonpath([file.parent for file in files]))
        much = sum(file.stat().st_size for file in files) > READ_ALWAYS
        whole = hashlib.sha256()
        for file in sorted(files):
            name = file.relative_to(base).as_posix()
            whole.update(f"{name}\0{_content(file, cache if much else None)}\n".encode())
    except OSError as error:
        raise DataError(f"cannot read {error.filename}: {error.strerror}") from error
    return whole.hexdigest()


def _content(file: Path, cache: Path | None) -> str:
    """SHA-256 of a file; remembered where a cache is given and the file has settled."""
    with file.open("rb") as stream:
        before = state_of(os.fstat(stream.fileno()))
        signature = hashlib.sha256(msgspec.json.encode(before)).hexdigest()
        remembered = cache / "manifests" / f"{signature}.txt" if cache else None
        settled = time.time() - max(before[-2:]) / 1e9 > SETTLED
        if remembered and settled and (known := _recall(remembered, signature)):
            remember_digest(before, known)
            return known
        content = hashlib.file_digest(stream, "sha256").hexdigest()
        if state_of(os.fstat(stream.fileno())) != before:
            raise DataError(f"{file} changed while it was read; wait until it is written, then run the same command")
    if remembered and settled:
        write_text(remembered, f"{content} {_check(signature, content)}\n")
    remember_digest(before, content)
    return content


def _recall(remembered: Path, signature: str) -> str:
    """The digest that was remembered; empty when there is none or what stands there was damaged."""
    try:
        content, check = read_bytes(remembered, 2**20).decode("ascii").split()
    except (OSError, ValueError):
        return ""
    return content if check == _check(signature, content) else ""


def _check(signature: str, content: str) -> str:
    return hashlib.sha256(f"{signature} {content}".encode()).hexdigest()
