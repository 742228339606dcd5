"""The digest of the data: what the files of a dataset hold, whatever folder they lie in."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from bench.errors import DataError
from bench.files import write_text


def manifest(files: Sequence[Path], cache: Path) -> str:
    """SHA-256 over the names (relative to their common folder) and contents of `files`.

    Contents are hashed once: the answer is remembered under `cache` by the size and modification time of every file.
    Raises DataError for a file that cannot be read.
    """
    try:
        base = Path(os.path.commonpath([file.parent for file in files]))
        stats = [(file.relative_to(base).as_posix(), file, file.stat()) for file in sorted(files)]
        signature = hashlib.sha256(
            json.dumps([(name, str(file), stat.st_size, stat.st_mtime_ns) for name, file, stat in stats]).encode()
        ).hexdigest()
        remembered = cache / "manifests" / f"{signature}.txt"
        if remembered.is_file():
            return remembered.read_text().strip()
        whole = hashlib.sha256()
        for name, file, _ in stats:
            with file.open("rb") as stream:
                whole.update(f"{name}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    except OSError as error:
        raise DataError(f"cannot read {error.filename}: {error.strerror}") from error
    write_text(remembered, whole.hexdigest() + "\n")
    return whole.hexdigest()
