"""The ledger: one fragment per cell, written atomically; SQLite is only an index, rebuilt from fragments at will.

    <out>/ledger/cells/ab/<key>.json   the record, with a checksum of its own bytes
    <out>/ledger/cells/ab/<key>.npz    its predictions (ids, groups, truth, outputs); no pickle; written before the record
    <out>/ledger/errors/ab/<sha>.npz   what an imputation scores on each test record, named by its own digest; no pickle
    <out>/ledger/plans/<suite>.json    the cells of the last `bench run` of a suite
    <out>/ledger/index.sqlite          a copy of all records for quick reading; delete it whenever you like
    <out>/ledger/lock                  held by the one process that writes

Only the parent process of a run writes here, under the lock. Reading needs no lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench.errors import StorageError
from bench.files import storage, sweep, write_bytes
from bench.records import SCHEMA, Coordinates, Export, Record

if TYPE_CHECKING:
    from bench.stages.imputation_errors import Errors
    from bench.stats import Predictions

_encoder = msgspec.json.Encoder(order="deterministic")


TABLE = f"records_of_schema_{SCHEMA}"
"""Of the index: bodies of another schema are never taken for ours."""


class _Fragment(msgspec.Struct):
    sha256: str
    record: msgspec.Raw


class _Schema(msgspec.Struct):
    schema: int


class Ledger:
    """All records below one folder. `damaged` lists the fragments that were ignored because their checksum is wrong."""

    def __init__(self, out: Path):
        self.folder = out / "ledger"
        self.damaged: list[str] = []

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the ledger for writing. StorageError at once when another process holds it."""
        path = self.folder / "lock"
        with storage(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                holder = os.pread(descriptor, 100, 0).decode(errors="replace").strip() or "unknown"
                raise StorageError(
                    f"another bench run (process {holder}) is writing to {self.folder}; wait for it, or use another out=DIR"
                ) from error
            with storage(path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            sweep(self.folder, older_than=0)
            yield
        finally:
            os.close(descriptor)

    def _path(self, key: str) -> Path:
        return self.folder / "cells" / key[:2] / f"{key}.json"

    def write(self, record: Record, predictions: Predictions | None = None) -> None:
        """Store a record (and its predictions, first). Raises StorageError; then nothing of it is visible."""
        path = self._path(record.key)
        if predictions is not None:
            content = pack(predictions)
            record.predictions = hashlib.sha256(content).hexdigest()
            write_bytes(path.with_suffix(".npz"), content)
        body = _encoder.encode(record)
        write_bytes(path, b'{"sha256":"' + hashlib.sha256(body).hexdigest().encode() + b'","record":' + body + b"}\n")

    def predictions(self, record: Record) -> Predictions:
        """The predictions of a record. Raises StorageError when they are missing or not those the record was made from.

        What does not match is removed, so that the next run makes the cell again.
        """
        path = self._path(record.key).with_suffix(".npz")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise StorageError(
                f"the predictions {path} cannot be read ({error.strerror}); run the cell again"
            ) from error
        if hashlib.sha256(content).hexdigest() != record.predictions:
            path.unlink(missing_ok=True)
            raise StorageError(
                f"the predictions {path} did not match their record and were removed; run the suite again"
            )
        return unpack(content)

    def _errors_path(self, digest: str) -> Path:
        return self.folder / "errors" / digest[:2] / f"{digest}.npz"

    def keep_errors(self, digest: str, source: Path) -> bool:
        """Copy the errors of an imputation from the cache, unless they are here. False when they are not what they were."""
        path = self._errors_path(digest)
        if path.is_file():
            return True
        try:
            content = source.read_bytes()
        except OSError:
            return False
        if hashlib.sha256(content).hexdigest() != digest:
            return False
        write_bytes(path, content)
        return True

    def errors(self, record: Record) -> Errors | None:
        """What the imputation of a record scores on each test record; None when it is not here or was changed."""
        from bench.stages.imputation_errors import unpack

        try:
            content = self._errors_path(record.imputation_errors).read_bytes()
            return unpack(content) if hashlib.sha256(content).hexdigest() == record.imputation_errors else None
        except (OSError, ValueError, KeyError):
            return None

    def has_predictions(self, record: Record) -> bool:
        """Whether the predictions a record speaks of are there; True where it speaks of none."""
        return not record.predictions or self._path(record.key).with_suffix(".npz").is_file()

    def load(self, keys: Iterable[str] | None = None) -> dict[str, Record]:
        """Records by key: those asked for, or all. Damaged fragments are left out and named in `damaged`."""
        bodies = self._bodies()
        wanted = bodies if keys is None else [key for key in keys if key in bodies]
        decoder = msgspec.json.Decoder(Record)
        records = {}
        for key in wanted:
            try:
                records[key] = decoder.decode(bodies[key])
            except msgspec.MsgspecError:
                self.damaged.append(f"{key}.json")
        return records

    def _bodies(self) -> dict[str, bytes]:
        """The JSON of every valid record, through the index; the index is brought up to date or done without."""
        cells = self.folder / "cells"
        if not cells.is_dir():
            return {}
        found: dict[str, tuple[str, int, int]] = {}
        for shard in os.scandir(cells):
            if shard.is_dir():
                for item in os.scandir(shard.path):
                    if item.name.endswith(".json"):
                        stat = item.stat()
                        found[item.name[:-5]] = (item.path, stat.st_mtime_ns, stat.st_size)
        try:
            with contextlib.closing(self._connect()) as index:
                return self._through(index, found)
        except sqlite3.DatabaseError:
            with contextlib.suppress(OSError):  # it is only a copy: the next reading makes it anew
                (self.folder / "index.sqlite").unlink()
            return {key: body for key, (path, _, _) in found.items() if (body := self._read(Path(path)))}

    def _connect(self) -> sqlite3.Connection:
        index = sqlite3.connect(self.folder / "index.sqlite", timeout=5)
        index.execute(
            f"CREATE TABLE IF NOT EXISTS {TABLE} (key TEXT PRIMARY KEY, mtime INTEGER, size INTEGER, body BLOB)"
        )
        return index

    def _through(self, index: sqlite3.Connection, found: dict[str, tuple[str, int, int]]) -> dict[str, bytes]:
        known = {key: (mtime, size, body) for key, mtime, size, body in index.execute(f"SELECT * FROM {TABLE}")}
        bodies, changed = {}, []
        for key, (path, mtime, size) in found.items():
            if key in known and known[key][:2] == (mtime, size):
                bodies[key] = known[key][2]
            elif body := self._read(Path(path)):
                bodies[key] = body
                changed.append((key, mtime, size, body))
        gone = [(key,) for key in known.keys() - found.keys()]
        if changed or gone:
            with index:
                index.executemany(f"INSERT OR REPLACE INTO {TABLE} VALUES (?, ?, ?, ?)", changed)
                index.executemany(f"DELETE FROM {TABLE} WHERE key = ?", gone)
        return bodies

    def _read(self, path: Path) -> bytes:
        """The record's bytes when its checksum holds and its schema is ours; otherwise empty, and noted."""
        try:
            fragment = msgspec.json.decode(path.read_bytes(), type=_Fragment)
            body = bytes(fragment.record)
            if hashlib.sha256(body).hexdigest() != fragment.sha256:
                raise ValueError("checksum")
            if msgspec.json.decode(body, type=_Schema).schema == SCHEMA:
                return body
        except (OSError, ValueError, msgspec.MsgspecError):
            pass
        self.damaged.append(path.name)
        return b""

    def remember(self, planned: Export) -> None:
        """Store the plan of the last run of a suite: an export without records."""
        write_bytes(self.folder / "plans" / f"{planned.suite}.json", _encoder.encode(planned) + b"\n")

    def last(self, suite: str) -> Export | None:
        """The plan of the last run of a suite, or None when there was none here."""
        path = self.folder / "plans" / f"{suite}.json"
        if not path.is_file():
            return None
        try:
            return msgspec.json.decode(path.read_bytes(), type=Export)
        except msgspec.MsgspecError as error:
            raise StorageError(
                f"{path} was written by another version or is damaged ({error}); run the suite again"
            ) from error


def pack(predictions: Predictions) -> bytes:
    """Predictions as .npz bytes, the same for the same content."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez(
        buffer, ids=predictions.ids, groups=predictions.groups, truth=predictions.truth, outputs=predictions.outputs
    )  # fmt: skip
    return buffer.getvalue()


def unpack(content: bytes) -> Predictions:
    """The reverse of `pack`. Never unpickles: ValueError for content that would have to be."""
    import numpy as np

    from bench.stats import Predictions

    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return Predictions(**{name: arrays[name] for name in ("ids", "groups", "truth", "outputs")})


def by_coordinates(records: Iterable[Record]) -> dict[Coordinates, Record]:
    """Records by where they stand in the grid."""
    return {record.coordinates: record for record in records}
