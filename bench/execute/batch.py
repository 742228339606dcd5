"""A batch: jobs that a queue runs later, on other machines, and the folder by which they and the
submitting machine know of each other.

Below the folder, which all of them see:

- `batch.json`: what is to be done (`Order`), with a checksum.
- `script.sh`: what the queue runs.
- `arrays/<id>`: an array of the queue (`Array`).
- `begun/<element>`: by which job of the queue an element was begun; `over/<element>`: how it ended.
- `started/<job>/<job of the queue>`: who began a job; removed where it was stopped in order.
- `ended/<job>.json`: how a job ended that makes no record, with a checksum.
- `parts/<element>/`: the results of an element: a ledger that it alone writes.
- `logs/`: what elements and their workers printed.

An element is a part of the jobs. No file is locked: each has one writer.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from bench.errors import StorageError
from bench.execute import sbatch
from bench.execute.job import Job
from bench.files import read_bytes, storage, write_bytes
from bench.results.ledger import LARGEST_DOCUMENT, Ledger
from bench.results.merge import Merged, merge, settle
from bench.results.records import Record
from bench.results.sealed import seal, unseal
from bench.text.json_file import decoded

T = TypeVar("T")

_encoder = msgspec.json.Encoder(order="deterministic")

MOST_STARTS = 2
"""How often a job may be begun and never end: the second machine that is lost may be its fault."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done.

    - words: of the command, which an element plans again.
    - name: of the suite. out, cache: folders. device: "cpu" or "cuda", which keys are made for.
    - ingredients: what keys were made of.
    - workers: jobs that an element does at once; 0: by its cores.
    - elements: the ids of their jobs, in order.
    - bases: records of cells that were done before and that audits of this batch repeat.
    """

    words: tuple[str, ...]
    name: str
    out: str
    cache: str
    device: str
    ingredients: dict[str, str]
    workers: int = 0
    elements: tuple[tuple[str, ...], ...]
    bases: tuple[Record, ...] = ()


class Array(msgspec.Struct, frozen=True, kw_only=True):
    """An array of the queue: its first and last element, and the options it was submitted with."""

    first: int
    last: int
    options: tuple[str, ...]


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a job ended that makes no record. status "abort": the run must end, with this exit
    code.
    """

    status: Literal["ok", "failed", "timeout", "oom", "abort"]
    label: str
    reason: str = ""
    seconds: float = 0.0
    exit_code: int = 1


class Over(msgspec.Struct, frozen=True):
    """How an element ended. left: ids of jobs that it did not end; next: the job of the queue
    that goes on with them, if any.
    """

    queue_id: str
    stopped: str = ""
    left: tuple[str, ...] = ()
    next: str = ""


class Batch:
    """The folder of a batch."""

    def __init__(self, folder: Path):
        self.folder = folder

    @classmethod
    def create(cls, folder: Path, order: Order) -> Batch:
        """Lay out the folder of a new batch. Raises StorageError."""
        batch = cls(folder)
        write_bytes(folder / "batch.json", seal(_encoder.encode(order)))
        for name in ("arrays", "begun", "over", "started", "ended", "parts", "logs"):
            with storage(folder / name):
                (folder / name).mkdir(exist_ok=True)
        return batch

    @cached_property
    def order(self) -> Order:
        """Raises StorageError where it is gone or damaged."""
        order = _read(self.folder / "batch.json", Order)
        if order is None:
            raise StorageError(f"{self.folder} holds no batch of bench run; submit it again")
        return order

    def submit(self, first: int, last: int, options: Sequence[str], after: Sequence[str] = ()) -> str:
        """Have the queue run some elements, once other arrays are over. Returns the id of the
        array. Raises StorageError.
        """
        depends = [f"--dependency=afterany:{':'.join(after)}"] if after else []
        array = sbatch.submit(str(self.folder / "script.sh"), f"{first}-{last}", [*depends, *options])
        note = Array(first=first, last=last, options=tuple(options))
        write_bytes(self.folder / "arrays" / array, seal(_encoder.encode(note)))
        return array

    def again(self, element: int) -> str:
        """Have the queue run an element once more, as it was submitted."""
        array = next(each for each in self._arrays().values() if each.first <= element <= each.last)
        return self.submit(element, element, array.options)

    def _arrays(self) -> dict[str, Array]:
        notes = {name: _read(self.folder / "arrays" / name, Array) for name in self.arrays}
        return {name: array for name, array in notes.items() if array}

    @property
    def arrays(self) -> list[str]:
        """The ids of its arrays."""
        return sorted(self.names("arrays"))

    def in_queue(self, queued: Collection[str]) -> set[int]:
        """The elements that are queued or run, by what the queue says of all jobs."""
        arrays = self._arrays().items()
        spans = ((name, number) for name, array in arrays for number in range(array.first, array.last + 1))
        return {number for name, number in spans if f"{name}_{number}" in queued}

    def part(self, element: int) -> Path:
        """The folder of results of an element."""
        return self.folder / "parts" / str(element)

    def end(self, job: str, ended: Ended) -> None:
        """Note how a job ended that makes no record."""
        write_bytes(self.folder / "ended" / f"{job}.json", seal(_encoder.encode(ended)))

    def ended(self, job: str) -> Ended | None:
        return _read(self.folder / "ended" / f"{job}.json", Ended)

    def start(self, job: str, queue_id: str) -> None:
        """Note that a job is begun."""
        folder = self.folder / "started" / job
        with storage(folder):
            folder.mkdir(exist_ok=True)
            (folder / queue_id).touch()

    def stopped(self, job: str, queue_id: str) -> None:
        """Note that a job was stopped in order, so that its start does not count."""
        (self.folder / "started" / job / queue_id).unlink(missing_ok=True)

    def starts(self, job: str) -> list[str]:
        """By which jobs of the queue a job was begun that has not ended in order."""
        folder = self.folder / "started" / job
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def begin(self, element: int, queue_id: str) -> None:
        write_bytes(self.folder / "begun" / str(element), queue_id.encode())

    def begun(self, element: int) -> str:
        """By which job of the queue an element was begun last; empty where none has."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "begun" / str(element)).read_text("utf-8")
        return ""

    def conclude(self, element: int, over: Over) -> None:
        write_bytes(self.folder / "over" / str(element), seal(_encoder.encode(over)))

    def over(self, element: int) -> Over | None:
        return _read(self.folder / "over" / str(element), Over)

    def names(self, kind: str) -> set[str]:
        """The names of the files of a kind."""
        return {path.name.removesuffix(".json") for path in (self.folder / kind).iterdir()}

    def collect(self, into: Ledger) -> Iterator[Merged]:
        """Bring the results that there are into a ledger, whose lock is held.

        Until `close`, a crash of the machine may bring them back here.
        """
        touched: set[str] = set()
        for name in sorted(self.names("parts"), key=int):
            ledger = Ledger(self.part(int(name)))
            if (ledger.folder / "cells").is_dir():
                yield merge(ledger, into, move=True, touched=touched)

    def remove(self, logs: Path) -> None:
        """Remove the folder; what was printed is kept."""
        with storage(logs):
            for log in sorted((self.folder / "logs").iterdir()):
                logs.mkdir(parents=True, exist_ok=True)
                shutil.move(log, logs / log.name)
            shutil.rmtree(self.folder)


def remember(ledger: Ledger, batch: Batch) -> None:
    """Note in a ledger where its results will come from."""
    write_bytes(ledger.folder / "submitted" / batch.folder.name, str(batch.folder).encode())


def remembered(ledger: Ledger) -> list[Batch]:
    """The batches whose results are not all in the ledger yet. One whose folder is gone is
    forgotten.
    """
    batches = []
    for note in sorted((ledger.folder / "submitted").glob("[!.]*")):
        folder = Path(note.read_text("utf-8"))
        if (folder / "batch.json").is_file():
            batches.append(Batch(folder))
        else:
            note.unlink()
    return batches


def close(ledger: Ledger, batch: Batch) -> None:
    """Remove a batch of which nothing is queued and everything is in the ledger, for good."""
    settle(ledger.folder.glob("[ce]*/??"))  # of cells and errors
    batch.remove(ledger.folder / "logs" / batch.folder.name)
    (ledger.folder / "submitted" / batch.folder.name).unlink(missing_ok=True)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return decoded(unseal(read_bytes(path, LARGEST_DOCUMENT)), msgspec.json.Decoder(kind))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise StorageError(f"{path} cannot be read ({error}); submit the run again") from error


def divided(jobs: Sequence[Job], most: int, together: Sequence[str]) -> list[list[Job]]:
    """Jobs as parts of about equal estimates, at most so many. A job stays with those it needs.

    together: a word for each job. Jobs of one word stand side by side: they read the same files.
    """
    place = {job.id: number for number, job in enumerate(jobs)}
    first = {job.id: min([place[job.id], *(place[need] for need in job.needs if need in place)]) for job in jobs}
    word = dict(zip((job.id for job in jobs), together, strict=True))
    ordered = sorted(jobs, key=lambda job: (word[jobs[first[job.id]].id], first[job.id], place[job.id]))
    total, parts = sum(job.estimate for job in jobs), min(most, len(jobs))
    divided: list[list[Job]] = []
    gone = 0.0
    for job in ordered:
        follows = first[job.id] != place[job.id]
        due = len(divided) < parts and gone >= total * len(divided) / parts
        if not divided or (due and not follows):
            divided.append([])
        divided[-1].append(job)
        gone += job.estimate
    return divided
