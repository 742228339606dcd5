"""Several ledgers become one: records by key, and nothing is averaged.

Of one key, a result counts more than a failure. Two results that agree are one. Two that differ
break the promise that equal keys give equal results: both are kept out of the ledger, below
`conflicts/`, until the cell is run again there. Then that result counts, and what lies below
`conflicts/` is the memory of what it was preferred to. A record whose files were damaged is left
out.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from bench.errors import StorageError
from bench.files import is_file_of, storage, sync, write_bytes
from bench.results.ledger import Ledger
from bench.results.records import Record
from bench.results.same_bits import differing, differing_pair

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
    - held: keys whose results differed before. settled: results that differed, of a key that was
      decided since.
    - conflicts: results that differ. damaged: names of files that are not what they were.
    """

    taken: list[Record] = field(default_factory=list)
    same: int = 0
    outdone: int = 0
    held: list[str] = field(default_factory=list)
    settled: int = 0
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
    records = {key: record for key, record in source.load().items() if not source.lacks(record)}
    there = {key: record for key, record in into.load(records).items() if not into.lacks(record)}
    folders = set() if touched is None else touched
    differed = {*into.ever_in_conflict()}
    carry = _Carrier(source, into, move, folders)
    for key, record in records.items():
        present = there.get(key)
        is_result = present is not None and present.status == "ok"
        apart = into.set_apart(key) if key in differed else []
        if key in differed and not is_result and not _decides(record, apart, source, into, newer=move):
            merged.held.append(key)
        elif present is None or _counts_more(record, present, newer=move):
            merged.outdone += present is not None
            carry.bring(record)
            merged.taken.append(record)
            continue
        elif record.status != present.status:
            merged.outdone += 1
        elif record.status != "ok" or not (fields := differing(present, record)):
            merged.same += 1
        elif _all_among([record], apart):
            merged.settled += 1
        elif _all_among([present, *apart], source.set_apart(key)):
            carry.bring(record)
            merged.taken.append(record)
            continue
        else:
            origins = str(into.folder.parent), str(source.folder.parent)
            merged.conflicts.append(Conflict(present, record, fields, origins))
            carry.apart(present, record)
        carry.drop(record)
    _bring_conflicts(source, into, carry, merged)
    merged.damaged = [*source.damaged]
    carry.logs()
    if touched is None:
        settle(folders)
    return merged


def _decides(record: Record, apart: list[Record], source: Ledger, into: Ledger, newer: bool) -> bool:
    """Whether a record counts although results of its key were set apart: it was made later, for
    this ledger, or the source chose it when it knew them all.
    """
    if newer:
        return not into.apart(record).is_file()
    return record.status == "ok" and bool(apart) and _all_among(apart, source.set_apart(record.key))


def _all_among(records: list[Record], others: list[Record]) -> bool:
    """Whether each record is like one of some others."""
    return all(any(not differing(other, record) for other in others) for record in records)


def _bring_conflicts(source: Ledger, into: Ledger, carry: _Carrier, merged: Merged) -> None:
    """Bring what a source has set apart, too: results that differ there are believed nowhere, and
    what was decided there stays decided.
    """
    open_there = {*source.in_conflict()}
    for key in source.ever_in_conflict():
        apart, here = source.set_apart(key), into.set_apart(key)
        if _all_among(apart, here):
            if key in open_there and key not in merged.held and into.in_conflict([key]):
                merged.held.append(key)
            continue
        present = into.load([key]).get(key)
        for record in apart:
            carry.conflict(record)
        if key in open_there:
            if present is not None and present.status == "ok":
                carry.set_apart_here(present)
            origin = str(source.folder.parent)
            merged.conflicts.append(Conflict(*differing_pair(apart), origins=(origin, origin)))


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


def plans(source: Ledger, into: Ledger, damaged: list[str]) -> Iterator[str]:
    """Bring the plans of a ledger into another that lacks them or whose own is damaged. Yields the
    suites of which both have one, with other cells. damaged: collects the names of files of the
    source that are not what they were.
    """
    for path in sorted((source.folder / "plans").glob("*.json")):
        try:
            planned = source.last(path.stem)
        except StorageError:
            damaged.append(f"plans/{path.name}")
            continue
        try:
            present = into.last(path.stem)
        except StorageError:
            present = None
        if planned is not None and present is None:
            into.remember(planned)
        elif planned is not None and present is not None and planned.planned != present.planned:
            yield path.stem


def _of_cell(name: str) -> bool:
    """Whether a file is of one cell alone."""
    return name.startswith("cells/")


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
        self.set_apart_here(present)
        place = self.into.apart(other)
        for name in filter(_of_cell, self.source.files_of(other)):
            path = self.source.folder / name
            self._carry(str(path), str(place.with_suffix(path.suffix)))

    def set_apart_here(self, present: Record) -> None:
        """Take a result out of all tables."""
        place = self.into.apart(present)
        for name in reversed([*filter(_of_cell, self.into.files_of(present))]):  # a record is gone before its arrays
            path = self.into.folder / name
            self._carry(str(path), str(place.with_suffix(path.suffix)))
            path.unlink(missing_ok=True)

    def conflict(self, record: Record) -> None:
        """Bring a result that the source has set apart."""
        for suffix in (".npz", ".json"):
            path = self.source.apart(record).with_suffix(suffix)
            if path.is_file():
                self._carry(str(path), str(self.into.apart(record).with_suffix(suffix)))

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


def summary(parts: Iterable[Merged]) -> str:
    """What merges did, in words. Results are counted, but for conflicts, which are of cells."""
    parts = list(parts)
    fresh = {conflict.here.key for each in parts for conflict in each.conflicts}
    counts = {
        "taken": sum(len(each.taken) for each in parts),
        "there already": sum(each.same for each in parts),
        "failures beside a result": sum(each.outdone for each in parts),
        "set apart before and settled since": sum(each.settled for each in parts),
        "still in conflict": len({key for each in parts for key in each.held} - fresh),
        "in conflict": len(fresh),
        "damaged": sum(len(each.damaged) for each in parts),
    }
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count or what == "taken")
