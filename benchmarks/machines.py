"""What many machines cost the one that sends jobs and collects results: 10,000 jobs through an
executor that answers at once, and 10,000 fragments moved into a ledger, beside reading and checking
the same files plainly.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measuring import IDLE, Row, Workplace

RECORDS = 200
"""Test records of a cell, and as many for validation."""

PARTS = 64
"""Elements of a batch that wrote the fragments."""


def jobs(place: Workplace) -> Iterator[Row]:
    """Jobs through an executor that answers at once: the processor time of the parent for each,
    the writing of its record included.
    """
    from unittest import mock

    import numpy as np

    from bench.config.request import request
    from bench.execute import executors
    from bench.execute.api import Options, Result, Watch
    from bench.registry import discover
    from bench.results.predictions import Predictions
    from bench.results.records import Measures
    from bench.run.execute import execute
    from bench.run.prepare import prepare
    from bench.stages.stage import Output

    ids = np.array(["a", "b"])
    predictions = Predictions(ids, ids, np.zeros(2, np.float32), np.zeros((2, 1), np.float32))
    output = Output(Measures(scores={"auroc": 0.5}, costs={"fit_seconds": 1.0}), predictions)

    class Instant:
        """Ends every job well at once."""

        def __init__(self, options: Options):
            pass

        def run(self, jobs: Any, setup: Any, watch: Watch) -> None:
            for job in jobs:
                watch.started(job)
                watch.finished(
                    Result(job=job, status="ok", seconds=1.0, output=output if job.stage == "fuse" else None)
                )

    registry = discover()
    seeds = place.pick(5_000, 20)
    words = (IDLE, "imputer=mean,locf", f"seed=0..{seeds - 1}", f"out={place.folder / 'jobs'}")
    prepared = prepare(request(words, registry), registry, fetch=lambda text: None)
    sent: list[Any] = []
    with mock.patch.object(executors, "find", return_value=Instant):
        begun = time.process_time()
        execute(prepared, Watch(finished=lambda result: None), sent.extend)
        spent = time.process_time() - begun
    what = f"the parent's processor time for each of {len(sent):,} jobs"
    yield Row(what, 0.002, spent / len(sent), repetitions=1, note="records and predictions written")


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
