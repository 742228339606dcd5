"""Several ledgers become one: records by key, and nothing is averaged.

Of one key, a result counts more than a failure. Two results that agree are one. Two that differ
break the promise that equal keys give equal results: both are kept out of the ledger, below
`conflicts/`, until the cell is run again there. A record whose files were damaged is left out.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench.files import is_file_of, storage, sync, write_bytes
from bench.results.ledger import Ledger
from bench.results.records import Record
from bench.results.same_bits import differing
from bench.results.shareable import encoded

RANK = {"ok": 2, "skipped": 1}
"""Status -> how much it counts; what failed counts nothing."""


class Conflict(msgspec.Struct, frozen=True):
    """Two results of one key that differ. fields: in what; origins: where each comes from."""

    here: Record
    other: Record
    fields: tuple[str, ...]
    origins: tuple[str, str]


@dataclass
class Merged:
    """What a merge did: counts of records, by what became of them.

    - taken: into the ledger. same: a result like it was there. outdone: a failure beside a result.
    - held: of a key whose results differed before.
    - conflicts: results that differ. damaged: names of files that are not what they were.
    """

    taken: list[Record] = field(default_factory=list)
    same: int = 0
    outdone: int = 0
    held: int = 0
    conflicts: list[Conflict] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def merge(source: Ledger, into: Ledger, move: bool = False, touched: set[str] | None = None) -> Merged:
    """Bring what one ledger holds into another, whose lock is held. Raises StorageError.

    move: the source gives its files away, and they are newer. They are renamed and not
          copied, where both lie on one file system.
    touched: collects the folders that must be settled (`settle`) before the source is removed;
             without it they are settled here.
    """
    merged = Merged()
    records = source.load()
    there = into.load(records)
    folders = set() if touched is None else touched
    conflicts = (into.folder / "conflicts").is_dir()
    carry = _Carrier(source, into, move, folders)
    for key, record in records.items():
        if source.lacks(record):
            continue
        present = there.get(key)
        if present is not None and into.lacks(present):
            present = None
        if present is None and conflicts and into.in_conflict(key):
            merged.held += 1
        elif present is None or _counts_more(record, present, newer=move):
            merged.outdone += present is not None
            carry.bring(record)
            merged.taken.append(record)
            continue
        elif record.status != present.status:
            merged.outdone += 1
        elif record.status == "ok" and (fields := differing(present, record)):
            origins = str(into.folder.parent), str(source.folder.parent)
            merged.conflicts.append(Conflict(present, record, fields, origins))
            carry.apart(present, record)
            conflicts = True
        else:
            merged.same += 1
        carry.drop(record)
    merged.damaged = list(source.damaged)
    carry.logs()
    if touched is None:
        settle(folders)
    return merged


def settle(folders: Iterable[str | Path]) -> None:
    """Have the disk know what is in some folders: until then a crash of the machine could undo a
    rename.
    """
    for folder in map(Path, folders):
        with storage(folder):
            sync(folder)


def _counts_more(record: Record, present: Record, newer: bool) -> bool:
    """Whether a record takes the place of one that is there. newer: it was made later, so that it
    tells the last failure.
    """
    one, other = RANK.get(record.status, 0), RANK.get(present.status, 0)
    return one > other or (newer and one == other == 0)


def plans(source: Ledger, into: Ledger) -> Iterator[str]:
    """Bring the plans of a ledger into another that lacks them. Yields the suites of which both
    have one, with other cells.
    """
    for path in sorted((source.folder / "plans").glob("*.json")):
        planned, present = source.last(path.stem), into.last(path.stem)
        if planned is not None and present is None:
            into.remember(planned)
        elif planned is not None and present is not None and planned.planned != present.planned:
            yield path.stem


class _Carrier:
    """Brings the files of records from one ledger to another."""

    def __init__(self, source: Ledger, into: Ledger, move: bool, folders: set[str]):
        self.source, self.into, self.move, self.folders = source, into, move, folders

    def bring(self, record: Record) -> None:
        for name, digest in self.source.files_of(record).items():
            shared = name.startswith("errors/")  # other records may name the same file
            if not (shared and is_file_of(self.into.folder / name, digest)):
                self._carry(f"{self.source.folder}/{name}", f"{self.into.folder}/{name}", keep=shared)

    def drop(self, record: Record) -> None:
        """What is not brought is not asked for again, where the source gives its files away."""
        for name in reversed(self.source.files_of(record)):
            if self.move and name.startswith("cells/"):
                (self.source.folder / name).unlink(missing_ok=True)

    def apart(self, present: Record, other: Record) -> None:
        """Keep both results of a key where no table is made of them."""
        for ledger, record in ((self.into, present), (self.source, other)):
            files = [name for name in ledger.files_of(record) if name.startswith("cells/")]
            digest = hashlib.sha256(encoded(record)).hexdigest()[:16]
            for name in reversed(files) if ledger is self.into else files:  # a record is gone before its arrays
                path = ledger.folder / name
                self._carry(str(path), str(self.into.conflict(record.key) / f"{digest}{path.suffix}"))
                if ledger is self.into:
                    path.unlink(missing_ok=True)

    def logs(self) -> None:
        """What failed jobs wrote, by the key of the job."""
        for log in sorted((self.source.folder / "logs").glob("*.log")):
            if len(log.stem) == 64:
                self._carry(str(log), str(self.into.folder / "logs" / log.name))

    def _carry(self, origin: str, place: str, keep: bool = False) -> None:
        """keep: others may name the same file."""
        folder = place.rpartition("/")[0]
        try:
            if folder not in self.folders:
                Path(folder).mkdir(parents=True, exist_ok=True)
                self.folders.add(folder)
            if self.move and not keep:
                os.replace(origin, place)  # noqa: PTH105 - a third of the time of Path.replace
                return
        except OSError as error:
            if error.errno != errno.EXDEV:
                with storage(Path(place)):
                    raise
        write_bytes(Path(place), Path(origin).read_bytes())


def summary(parts: Mapping[str, Merged]) -> str:
    """What merges did, in words."""
    counts = {
        "taken": sum(len(each.taken) for each in parts.values()),
        "there already": sum(each.same for each in parts.values()),
        "failures beside a result": sum(each.outdone for each in parts.values()),
        "still in conflict": sum(each.held for each in parts.values()),
        "in conflict": sum(len(each.conflicts) for each in parts.values()),
    }
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count or what == "taken")
