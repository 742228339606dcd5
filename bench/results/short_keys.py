"""Short keys: the beginning of a cell's key, as tables print it and a person types it."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NoReturn

from bench.config.words import ORIGIN, without
from bench.errors import StorageError, UsageError
from bench.results.coordinates import Coordinates, cell_in_words
from bench.results.ledger import Ledger
from bench.results.records import Export, Record

PRINTED = 8
"""Characters of a short key, unless more are needed to tell the cells of a table apart."""

LEAST = 6
"""Characters by which a cell can be named."""

MOST_NAMED = 5
"""Cells that an error names."""


def length_for(keys: Iterable[str]) -> int:
    """How many characters tell these keys apart, `PRINTED` at least."""
    ordered = sorted(set(keys))
    return max([PRINTED, *(_common(*pair) + 1 for pair in itertools.pairwise(ordered))])


def _common(a: str, b: str) -> int:
    """How many characters both begin with."""
    return next((place for place, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def record_in_ledger(ledger: Ledger, typed: str) -> Record:
    """The record of the cell whose key begins so. Raises UsageError, with the cells it may be,
    where there is none or there are several, and StorageError where the record is damaged.
    """
    begin = _checked(typed)
    keys = ledger.keys(begin)
    records = ledger.load(keys)
    if not keys:
        _refuse_unknown(begin, ledger)
    if len(keys) > 1:
        raise _several(begin, {key: records[key].coordinates for key in keys if key in records}, str(ledger.folder))
    if keys[0] not in records:
        raise StorageError(
            f"the record of the cell {keys[0]} in {ledger.folder} is damaged or of another version; run its suite again"
        )
    return records[keys[0]]


def record_in_export(export: Export, typed: str, origin: str) -> Record:
    """The same of an export. origin: the file it is from."""
    begin = _checked(typed)
    records = {record.key: record for record in export.records if record.key.startswith(begin)}
    if len(records) > 1:
        raise _several(begin, {key: record.coordinates for key, record in records.items()}, origin)
    for record in records.values():
        return record
    if planned := [at for at, key in export.planned if key.startswith(begin)]:
        raise UsageError(f"{cell_in_words(planned[0])} was not run: {origin} has no record of it")
    raise UsageError(f'no cell of {origin} has a key that begins with "{begin}"')


def _checked(typed: str) -> str:
    begin = typed.lower()
    if not re.fullmatch(rf"[0-9a-f]{{{LEAST},64}}", begin):
        raise UsageError(
            f'"{typed}" (from {ORIGIN}) is no key of a cell: give at least {LEAST} of its digits, 0 to 9 and a to f; tables and '
            "bench plan --cells show them"
        )
    return begin


def _several(begin: str, cells: Mapping[str, Coordinates], origin: str) -> UsageError:
    length = length_for(cells)
    named = [f"{key[:length]} ({cell_in_words(at)})" for key, at in cells.items()]
    more = f", and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return UsageError(
        f'the keys of {len(named)} cells in {origin} begin with "{begin}" (from {ORIGIN}); give more of it: '
        f"{', '.join(named[:MOST_NAMED])}{more}"
    )


def again(command: str, ledger: Ledger | None, dropped: Collection[str] = ("name", "out", "shard")) -> str:
    """A command as it can be typed again once its run has ended: the name of the run is taken. It
    is of all cells, and of the folder of the ledger in which they lie now. Empty where there is no
    command.
    """
    if ledger is None or not command:
        return shlex.join(without(shlex.split(command), ["name"]))
    words = without(shlex.split(command), dropped)
    folder = ledger.folder.parent
    return shlex.join([*words, *[f"out={folder}"] * (folder != Path("results"))])


def _refuse_unknown(begin: str, ledger: Ledger) -> NoReturn:
    """Raises UsageError, and says so where a run has planned the cell."""
    from bench.results.conflicts import place

    conflicts = [key for key in ledger.in_conflict() if key.startswith(begin)]
    for suite in ledger.suites():
        planned = ledger.last(suite)
        for at, key in planned.planned if planned else ():
            if key.startswith(begin) and planned:
                if key in conflicts:
                    raise UsageError(
                        f"{cell_in_words(at)} is {place(key, ledger)}; make it again: {again(planned.command, ledger)}"
                    )
                raise UsageError(
                    f"{cell_in_words(at)} was planned and not run: {ledger.folder} has no record of it; go on with: "
                    f"{again(planned.command, ledger, ('out', 'shard'))}"
                )
    for key in conflicts:
        raise UsageError(f"{key} is {place(key, ledger)}; run its suite again")
    folder = ledger.folder.parent
    out = "" if folder == Path("results") else " " + shlex.quote(f"out={folder}")
    raise UsageError(
        f'no cell in {ledger.folder} has a key that begins with "{begin}" (from {ORIGIN}); give the folder of its run, '
        f"out=DIR, or see all keys: bench plan suite=NAME --cells{out}"
    )
