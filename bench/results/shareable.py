"""Whether a record can be stored and read again, and what of a record and an export may leave
the machine.
"""

from __future__ import annotations

import msgspec

from bench.errors import StorageError
from bench.results.records import Export, Measures, Note, Record
from bench.text.names import check

LARGEST = 2**20
"""Bytes of a record's JSON at most."""

_encoder = msgspec.json.Encoder(order="deterministic")


def encoded(record: Measures) -> bytes:
    """A record, or what is measured of one, as JSON that is read back as that very thing. Raises
    ValueError for what JSON cannot
    carry: a number that is not finite, text that is no Unicode, another type than its field's; and
           for more than `LARGEST`.
    """
    try:
        body = _encoder.encode(record)
        same = msgspec.json.decode(body, type=type(record)) == record
    except (msgspec.MsgspecError, TypeError, UnicodeError, OverflowError, RecursionError) as error:
        raise ValueError(f"it cannot be written as JSON and read again ({type(error).__name__})") from error
    if not same:
        raise ValueError("it is not the same once it is written as JSON and read again")
    if len(body) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST // 2**20} MiB")
    return body


def shareable(record: Record) -> Record:
    """The record as it may leave the machine: without words of a component, which records of
    earlier versions hold.
    """
    notes = [note for note in record.notes if isinstance(note, Note)]
    reason = record.reason
    if record.status in ("failed", "oom", "timeout") and not record.own_words:
        reason = "told in the ledger alone, by an earlier version; run it again"
    if notes == record.notes and reason == record.reason:
        return record
    return msgspec.structs.replace(record, notes=notes, reason=reason, own_words=True)


def check_names(export: Export, origin: str) -> Export:
    """The export, whose names may become those of files. Raises StorageError, saying where it is
    from, for one that may not.
    """
    at = [coordinates for coordinates, _ in export.planned] + [record.coordinates for record in export.records]
    named = {
        "suite": [export.suite, *(each.suite for each in at)],
        "profile": [export.profile],
        "run": [export.run.name] if export.run else [],
        "split": [each.split for each in at],
        "dataset": [export.dataset],
        "task": [*(task.name for task in export.tasks), *(each.task for each in at)],
        "modality set": [*export.modality_sets, *(each.modalities for each in at)],
    }
    for kind, names in named.items():
        for name in dict.fromkeys(names):
            check(kind, name, origin, StorageError)
    return export
