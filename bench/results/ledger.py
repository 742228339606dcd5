"""The ledger: one fragment per cell, written atomically.

Below `<out>/ledger`:

- `cells/ab/<key>.json`: the record, with a checksum of its own bytes.
- `cells/ab/<key>.npz`: its predictions of the test and the validation part; no pickle; written
  before the record.
- `errors/ab/<sha>.npz`: what an imputation scores on each test record, named by its own digest; no
  pickle.
- `conflicts/<key>/<sha>.json`, `.npz`: results of one key that differ, so that neither is believed
  (`bench.results.merge`).
- `plans/<suite>.json`: the cells of the last `bench run` of a suite, with a checksum.
- `scores/<key>.json`: further scores of stored predictions, computed once, with a checksum.
- `statistics/<key>.json`: comparisons of the same predictions, computed once, with a checksum.
- `lock`: held by the one process that writes.

Only the parent process of a run writes here, under the lock. Reading needs no lock. Whatever is
read is compared with its checksum first: what was changed is never believed, and the next run makes
it again. There is no index. A copy could only be trusted where times and sizes of files can be, and
to read and check ten thousand fragments takes a fifth of a second.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from bench.errors import StorageError
from bench.files import is_file_of, read_bytes, storage, sweep, write_bytes
from bench.results.records import SCHEMA, Export, Further, Record, Statistics
from bench.results.sealed import seal, unseal
from bench.results.shareable import check_names, encoded
from bench.text.json_file import decoded
from bench.text.names import check, is_name

if TYPE_CHECKING:
    from bench.metrics.imputation import Errors
    from bench.results.predictions import Predictions

T = TypeVar("T")

_encoder = msgspec.json.Encoder(order="deterministic")

LARGEST_DOCUMENT, LARGEST_ARRAYS = 64 * 2**20, 256 * 2**20
"""Bytes that are read of a JSON document (of a cell, a plan, statistics), and of a file of
arrays.
"""

_export = msgspec.json.Decoder(Export)
_statistics = msgspec.json.Decoder(Statistics)
_scores = msgspec.json.Decoder(dict[str, Further])


class Ledger:
    """All records below one folder. `damaged` lists the files that were ignored because their
    checksum is wrong.
    """

    def __init__(self, out: Path):
        self.folder = out / "ledger"
        self.damaged: list[str] = []
        self._compared: dict[Path, bool] = {}

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
        check("key", key, str(self.folder), StorageError)
        return self.folder / "cells" / key[:2] / f"{key}.json"

    def write(self, record: Record, predictions: Predictions | None = None) -> Record:
        """Store a record (and its predictions, first); the record as it is stored, with their
        digest.

        Raises StorageError, and ValueError for what could not be read again; then nothing of it is
        visible.
        """
        from bench.results.predictions import pack

        path = self._path(record.key)
        content = b"" if predictions is None else pack(predictions)
        if content:
            record = msgspec.structs.replace(record, predictions=hashlib.sha256(content).hexdigest())
        body = encoded(record)
        if content:
            write_bytes(path.with_suffix(".npz"), content)
        write_bytes(path, seal(body))
        return record

    def predictions(self, record: Record) -> Predictions:
        """The predictions of a record. Raises StorageError when they are missing or not those the
        record was made from.

        What does not match stays where it is; the next run puts others in its place.
        """
        from bench.results.predictions import unpack

        path = self._path(record.key).with_suffix(".npz")
        try:
            content = read_bytes(path, LARGEST_ARRAYS)
        except OSError as error:
            raise StorageError(
                f"the predictions {path} cannot be read ({error.strerror}); run the cell again"
            ) from error
        if hashlib.sha256(content).hexdigest() != record.predictions:
            raise StorageError(f"the predictions {path} do not match their record; run the suite again")
        return unpack(content)

    def files_of(self, record: Record) -> dict[str, str]:
        """The files of a record, those of arrays first: name below the folder -> its digest, empty
        for the record itself.
        """
        cell = f"cells/{check('key', record.key, str(self.folder), StorageError)}".replace("/", f"/{record.key[:2]}/")
        files = {f"{cell}.npz": record.predictions} if record.predictions else {}
        for digest in filter(None, (record.imputation_errors, record.completion_errors)):
            files[f"errors/{check('digest', digest, str(self.folder), StorageError)[:2]}/{digest}.npz"] = digest
        return {**files, f"{cell}.json": ""}

    def _errors_path(self, digest: str) -> Path:
        check("digest", digest, str(self.folder), StorageError)
        return self.folder / "errors" / digest[:2] / f"{digest}.npz"

    def keep_errors(self, digest: str, source: Path | bytes) -> bool:
        """Keep the errors of an imputation, from a file of the cache or as they are, unless they
        are here. False when they are not what they were.
        """
        path = self._errors_path(digest)
        if self._intact(path, digest):
            return True
        if isinstance(source, Path):
            if not is_file_of(source, digest):
                return False
            source = source.read_bytes()
        write_bytes(path, source)
        self._compared[path] = True
        return True

    def errors(self, record: Record) -> Errors | None:
        """What the imputation of a record scores on each test record; None when it is not here
        or was changed.
        """
        from bench.metrics.imputation import unpack

        try:
            content = read_bytes(self._errors_path(record.imputation_errors), LARGEST_ARRAYS)
            return unpack(content) if hashlib.sha256(content).hexdigest() == record.imputation_errors else None
        except (OSError, ValueError, KeyError, StorageError):
            return None

    def lacks(self, record: Record) -> list[Path]:
        """The files of arrays that a record speaks of and that are gone or not what they were;
        changed ones are named in `damaged`.
        """
        files = {self.folder / path: digest for path, digest in self.files_of(record).items() if digest}
        lost = [path for path, digest in files.items() if not self._intact(path, digest)]
        self._note(*(path.name for path in lost if path.is_file()))
        return lost

    def _intact(self, path: Path, digest: str) -> bool:
        """Whether a file is what it was; looked at once, since all cells of an imputation share
        one.
        """
        if path not in self._compared:
            self._compared[path] = is_file_of(path, digest)
        return self._compared[path]

    def _note(self, *names: str) -> None:
        self.damaged += [name for name in dict.fromkeys(names) if name not in self.damaged]

    def load(self, keys: Iterable[str] | None = None) -> dict[str, Record]:
        """Records by key: those asked for, or all. Damaged fragments, and those of another schema,
        are left out and named in `damaged`.
        """
        fragments = self._fragments() if keys is None else self._present({*keys})
        decoder = msgspec.json.Decoder(Record)
        records: dict[str, Record] = {}
        for key, path in fragments:
            try:
                record = decoded(unseal(read_bytes(Path(path), LARGEST_DOCUMENT)), decoder)
            except (OSError, ValueError, msgspec.MsgspecError):
                record = None
            if record is None or record.key != key or record.schema != SCHEMA:
                self._note(f"{key}.json")
            else:
                records[key] = record
        return records

    def keys(self, begin: str) -> list[str]:
        """The keys of all fragments that begin so, whatever is in them. begin: two characters or
        more.
        """
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            names = [item.name for item in os.scandir(self.folder / "cells" / begin[:2])]
            return sorted(n.removesuffix(".json") for n in names if n.startswith(begin) and n.endswith(".json"))
        return []

    def suites(self) -> list[str]:
        """The suites whose last run is known here."""
        return sorted(path.stem for path in (self.folder / "plans").glob("*.json"))

    def _present(self, keys: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Key and path of the fragments of those keys that are there."""
        folder = f"{self.folder}/cells"
        paths = ((key, f"{folder}/{key[:2]}/{check('key', key, folder, StorageError)}.json") for key in keys)
        return ((key, path) for key, path in paths if os.path.exists(path))  # noqa: PTH110 - half the time of a Path

    def _fragments(self) -> Iterator[tuple[str, str]]:
        """Key and path of every fragment, whatever is in it."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.folder / "cells") as shards:
            for shard in shards:
                if shard.is_dir():
                    for item in os.scandir(shard.path):
                        if item.name.endswith(".json"):
                            yield item.name.removesuffix(".json"), item.path

    def conflict(self, key: str) -> Path:
        """Where results of a key lie that differ."""
        return self.folder / "conflicts" / check("key", key, str(self.folder), StorageError)

    def apart(self, record: Record) -> Path:
        """Where a record lies that was set apart, since another result of its key differs."""
        return self.conflict(record.key) / f"{hashlib.sha256(encoded(record)).hexdigest()[:16]}.json"

    def ever_in_conflict(self) -> list[str]:
        """The keys of which results differed, whether or not they were run again since."""
        return sorted(path.name for path in (self.folder / "conflicts").glob("*") if is_name(path.name))

    def set_apart(self, key: str) -> list[Record]:
        """The results of a key that differed. Damaged ones are left out and named in `damaged`."""
        decoder = msgspec.json.Decoder(Record)
        records = []
        for path in sorted(self.conflict(key).glob("*.json")):
            try:
                record = decoded(unseal(read_bytes(path, LARGEST_DOCUMENT)), decoder)
            except (OSError, ValueError, msgspec.MsgspecError):
                record = None
            if record is None or record.key != key or record.schema != SCHEMA:
                self._note(f"conflicts/{key}/{path.name}")
            else:
                records.append(record)
        return records

    def in_conflict(self, keys: Iterable[str] | None = None) -> list[str]:
        """The keys, of those or of all, of which results differ and none counts: no run here has
        made them again.
        """
        differed = self.ever_in_conflict()
        wanted = set(differed if keys is None else keys)
        differed = [key for key in differed if key in wanted]
        there = self.load(differed)
        return [k for k in differed if k not in there or there[k].status != "ok" or self.lacks(there[k])]

    def _plan_path(self, suite: str) -> Path:
        return self.folder / "plans" / f"{check('suite', suite, str(self.folder))}.json"

    def remember(self, planned: Export) -> None:
        """Store the plan of the last run of a suite: an export without records."""
        write_bytes(self._plan_path(planned.suite), seal(_encoder.encode(planned)))

    def last(self, suite: str) -> Export | None:
        """The plan of the last run of a suite, or None when there was none here."""
        path = self._plan_path(suite)
        planned = _stored(path, _export, "; run the suite again")
        return None if planned is None else check_names(planned, str(path))

    def _scores_path(self, code: str) -> Path:
        return self.folder / "scores" / f"{check('code', code, str(self.folder))}.json"

    def keep_scores(self, code: str, scores: dict[str, Further]) -> None:
        """Store what a metric of that code gives: digest of predictions -> scores."""
        write_bytes(self._scores_path(code), seal(_encoder.encode(scores)))

    def scores(self, code: str) -> dict[str, Further]:
        """What `keep_scores` stored; empty where nothing was. Raises StorageError when it was
        changed.
        """
        return _stored(self._scores_path(code), _scores) or {}

    def _statistics_path(self, key: str) -> Path:
        return self.folder / "statistics" / f"{key}.json"

    def keep_statistics(self, key: str, statistics: Statistics) -> None:
        """Store what was computed from predictions, under a digest of all that decides it."""
        write_bytes(self._statistics_path(key), seal(_encoder.encode(statistics)))

    def statistics(self, key: str) -> Statistics | None:
        """The statistics of that key; None when they are not here. Raises StorageError when they
        were changed.
        """
        return _stored(self._statistics_path(key), _statistics)


def _stored(path: Path, decoder: msgspec.json.Decoder[T], remedy: str = "") -> T | None:
    """What a sealed file holds; None when it is not there. Raises StorageError, with the remedy,
    when it was changed.
    """
    if not path.is_file():
        return None
    try:
        return decoded(unseal(read_bytes(path, LARGEST_DOCUMENT)), decoder)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise StorageError(f"{path} was written by another version or is damaged ({error}){remedy}") from error
