"""Results of one key that differ, in words: which cell, on what machines, and by how much."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from bench.config.training import CLOCKED
from bench.errors import StorageError
from bench.files import read_bytes
from bench.results.coordinates import cell_in_words
from bench.results.ledger import LARGEST_ARRAYS, Ledger
from bench.results.merge import Conflict
from bench.results.predictions import Predictions, unpack
from bench.results.records import Record
from bench.results.same_bits import compare_predictions, differing_pair


def in_words(conflict: Conflict, ledger: Ledger) -> str:
    """A conflict in one line: which cell, in what it differs and by how much, and what may be the
    reason. ledger: where both results lie, set apart.
    """
    records = conflict.here, conflict.other
    where = [f"{origin} ({_made_on(each)})" for origin, each in zip(conflict.origins, records, strict=True)]
    return f"conflict: {_cell(records[0])}: {_fields(conflict.fields)} differ in {' and '.join(where)}" + _rest(
        records, ledger
    )


def still_in_words(key: str, ledger: Ledger) -> str:
    """The same of a conflict that an earlier merge left."""
    records = ledger.set_apart(key)
    if not records:
        return f"still in conflict: {key}: see {ledger.conflict(key)}"
    *pair, fields = differing_pair(records)
    where = " and ".join(map(_made_on, pair))
    return f"still in conflict: {_cell(pair[0])}: {_fields(fields)} differ ({where})" + _rest(pair, ledger)


def place(key: str, ledger: Ledger) -> str:
    """Where the results of a key lie that differ, in words."""
    return f"in conflict: results that differ lie in {ledger.conflict(key)}, and none counts until it is run again"


def _cell(record: Record) -> str:
    return f"{cell_in_words(record.coordinates)} ({record.key[:8]})"


def _fields(names: Collection[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names) or "results"


def _made_on(record: Record) -> str:
    provenance = record.provenance
    return f"{provenance.get('host', 'unknown host')}, {provenance.get('device', 'unknown device')}"


def _rest(records: Sequence[Record], ledger: Ledger) -> str:
    clocked = ["its training ends by a clock"] * any(CLOCKED in each.provenance for each in records)
    return "".join(f"; {each}" for each in (*_score(records, ledger), *_predictions(records, ledger), *clocked))


def _score(records: Sequence[Record], ledger: Ledger) -> Iterator[str]:
    """The primary metric, where a plan here knows it; else the first by which both differ."""
    one, other = (each.scores for each in records)
    try:
        planned = ledger.last(records[0].coordinates.suite)
    except StorageError:
        planned = None
    primary = [t.metrics[0] for t in planned.tasks if t.name == records[0].coordinates.task] if planned else []
    differ = [name for name in one if one[name] != other.get(name, one[name])]
    for name in [name for name in (*primary, *differ) if name in one and name in other][:1]:
        change = f"{one[name]:.6g} and {other[name]:.6g} ({other[name] - one[name]:+.2g})"
        yield f"{name} {change if name in differ else f'{one[name]:.6g} in both'}"


def _predictions(records: Sequence[Record], ledger: Ledger) -> Iterator[str]:
    """How many predictions differ and by how much, where both are still there."""
    both = [_set_apart(each, ledger) for each in records if each.predictions]
    for one, other in pairwise(both):
        if one is not None and other is not None:
            compared = compare_predictions(one, other)
            yield from (f"{part}: {change}" for part, change in compared.differing.items())


def _set_apart(record: Record, ledger: Ledger) -> Predictions | None:
    try:
        return unpack(read_bytes(ledger.apart(record).with_suffix(".npz"), LARGEST_ARRAYS))
    except (OSError, ValueError, KeyError, StorageError):
        return None
