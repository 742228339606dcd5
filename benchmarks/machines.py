"""What many machines cost the one that collects: 10,000 fragments moved into a ledger, beside
reading and checking the same files plainly.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measuring import Row, Workplace

RECORDS = 200
"""Test records of a cell, and as many for validation."""

PARTS = 64
"""Elements of a batch that wrote the fragments."""


def collect(place: Workplace) -> Iterator[Row]:
    """Fragments of 64 elements: read and checked, then collected."""
    from bench.execute.batch import Batch, Order, close
    from bench.results.ledger import Ledger

    cells = place.pick(10_000, 200)
    order = Order(words=(), name="made", out="", cache="", device="cpu", ingredients={}, elements=())
    batch = Batch.create(place.folder / "batch", order)
    ledgers = [Ledger(batch.part(number)) for number in range(PARTS)]
    for number in range(cells):
        _write(ledgers[number % PARTS].folder, number)
    plainly = min(_seconds(lambda: _read(batch)) for _ in range(3))
    yield Row(f"{cells:,} fragments read and checked plainly", None, plainly, repetitions=3)
    into = Ledger(place.folder / "collected")
    with into.locked():
        taken = _seconds(lambda: list(batch.collect(into)))
    settled = _seconds(lambda: close(into, batch))
    note = f"read, checked and moved; {taken / plainly:.2f} x reading them plainly"
    yield Row(f"collect of {cells:,} fragments", 60.0, taken, repetitions=1, note=note)
    yield Row("  and removing the batch, once that is safe", None, settled, repetitions=1, note="256 folders synced")
    whole = len(into.load()) == cells and not into.damaged
    yield Row("  at most 2 x reading them plainly", answer=whole and taken <= 2 * plainly)


def _write(folder: Path, number: int) -> None:
    """A fragment as a cell leaves it, without syncing each file: nothing here is to be kept."""
    import hashlib

    import msgspec
    import numpy as np

    from bench.results.coordinates import Coordinates
    from bench.results.predictions import Predictions, pack
    from bench.results.records import Record
    from bench.results.sealed import seal
    from bench.results.shareable import encoded

    key = hashlib.sha256(str(number).encode()).hexdigest()
    ids = np.array([f"patient-{k}" for k in range(RECORDS)])
    outputs = np.full((RECORDS, 1), number, np.float32)
    valid = Predictions(ids, ids, outputs[:, 0], outputs)
    content = pack(Predictions(ids, ids, outputs[:, 0], outputs, valid=valid))
    at = Coordinates("made", "ihm", "all", "natural", "mean", "gru", number)
    record = Record(
        key=key, coordinates=at, status="ok", scores={"auroc": 0.5, "auprc": 0.25}, costs={"fit_seconds": 1.0},
        provenance={f"entry {k}": "some words" for k in range(12)}, predictions=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip
    path = folder / "cells" / key[:2] / f"{key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".npz").write_bytes(content)
    path.write_bytes(seal(encoded(msgspec.structs.replace(record, own_words=True))))


def _read(batch: Any) -> None:
    from bench.results.ledger import Ledger

    for number in range(PARTS):
        ledger = Ledger(batch.part(number))
        for record in ledger.load().values():
            ledger.lacks(record)


def _seconds(function: Any) -> float:
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun
