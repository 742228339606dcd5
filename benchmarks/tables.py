"""The leaderboard of many records, without the bootstrap; and of fewer with it, all methods
compared with each other.
"""

from __future__ import annotations

import gc
import hashlib
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import IDLE, CannotMeasure, Row, Workplace, median, timed

if TYPE_CHECKING:
    from bench.results.predictions import Predictions
    from bench.results.records import Export, Record


def leaderboard(place: Workplace) -> Iterator[Row]:
    """Five scenarios x 40 imputers x 10 fusers x 5 seeds."""
    from bench.leaderboard import render
    from bench.results.collect import collect, last_plan
    from bench.results.export_file import encode_export
    from bench.results.ledger import Ledger
    from bench.results.redact import redact

    out = place.folder / "many"
    shape = (5, place.pick(40, 2), place.pick(10, 2), 5)
    number = _fill(place, out, shape)
    repetitions = place.pick(5, 1)

    def build() -> Export:
        ledger = Ledger(out)
        export = collect(last_plan(ledger, "idle"), ledger)
        if len(export.records) != number:
            raise CannotMeasure(f"{len(export.records)} of {number} records were found: {ledger.damaged[:3]}")
        render(export)
        return export

    export = build()
    gc.disable()  # as the command does
    taken = timed(build, repetitions)
    encoding = timed(lambda: encode_export(redact(export)), repetitions)
    gc.enable()
    yield median(
        f"leaderboard of {number:,} records", 1.0, taken,
        "read and check all fragments, aggregate, Markdown, CSV and JSON; no bootstrap",
    )  # fmt: skip
    words = ("report", IDLE, f"out={out}")
    taken = place.commands(repetitions, *words, says="idle.md")
    size = sum(path.stat().st_size for path in (out / "leaderboards").iterdir()) / 1e6
    yield median(
        f"`bench report` of {number:,} records", 1.0, taken,
        f"whole command: start-up, the leaderboard, the export of all records, {size:.0f} MB written and synced",
    )  # fmt: skip
    yield median("  of which the export of all records", None, encoding, "redacted and encoded, not written")


GIB = 2.0**30
METHODS, SEEDS, RECORDS = (31, 4), 3, 1254
"""Imputers and fusers of the table whose 124 methods are compared, its seeds, and the records of
its test part.
"""


def compared(place: Workplace) -> Iterator[Row]:
    """`bench report` of 124 methods under 3 seeds on 1,254 test records (generated predictions):
    7,626 pairs.
    """
    imputers, fusers = (place.pick(number, 2) for number in METHODS)
    out = place.folder / "compared"
    _fill(place, out, (1, imputers, fusers, SEEDS), predictions=place.pick(RECORDS, 60))
    taken = []
    for _ in range(place.pick(3, 1)):
        shutil.rmtree(out / "ledger" / "statistics", ignore_errors=True)  # which keeps what was computed
        taken.append(place.command("report", IDLE, f"out={out}", says="idle.md"))
    count = imputers * fusers
    what = f"`bench report` of {count} methods x {SEEDS} seeds on {place.pick(RECORDS, 60):,} test records"
    yield median(
        what, 20.0, taken, f"whole command; AUROC and AUPRC, {count * (count - 1) // 2:,} pairs by max-T in AUROC"
    )
    peak = max(each.peak or 0.0 for each in taken) / GIB
    yield Row("  of which memory is at most 2 GiB", answer=peak <= 2, note=f"{peak:.2f} GiB at most")


def _predict(record: Record, records: int) -> Predictions:
    """Generated: the methods see the same signal, each with noise of its own under each seed;
    later fusers with more of it.
    """
    import numpy as np

    from bench import seeds
    from bench.results.predictions import Predictions

    at = record.coordinates
    shared, own = seeds.generator(1, "data", records), seeds.generator(at.seed, "noise", at.imputer, at.fuser)
    truth = (shared.random(records) < 0.14).astype(np.float32)
    signal = 1.2 * truth + shared.normal(size=records)
    logits = signal + (0.6 + 0.1 * int(at.fuser.removeprefix("fuser"))) * own.normal(size=records)
    ids = np.array([f"r{number:05d}" for number in range(records)])
    return Predictions(ids, ids, truth, (1 / (1 + np.exp(-logits))).astype(np.float32)[:, None])


def _fill(place: Workplace, out: Path, shape: tuple[int, int, int, int], predictions: int = 0) -> int:
    """A ledger of that many records, made after one that a real run left. Returns how many there
    are.

    predictions: for so many test records; 0 = none, and then there is nothing to compare by
                 bootstrap.
    """
    import msgspec

    from bench.results.coordinates import Coordinates
    from bench.results.ledger import Ledger

    place.command("run", IDLE, "imputer=mean", "seed=1", "scenario=mcar", "scenario.mcar.rate=0.3", f"out={out}")
    ledger = Ledger(out)
    planned = ledger.last("idle")
    (model,) = ledger.load().values()
    assert planned is not None
    encoder = msgspec.json.Encoder(order="deterministic")
    cells = []
    scenarios, imputers, fusers, seeds = map(range, shape)
    for s, i, f, seed in itertools.product(scenarios, imputers, fusers, seeds):
        at = Coordinates("idle", "toy", "all", f"scenario{s}", f"imputer{i}", f"fuser{f}", seed)
        made = hashlib.sha256(str(at).encode()).hexdigest()
        shift = int(made[:6], 16) / 16**7
        record = msgspec.structs.replace(
            model,
            key=made,
            coordinates=at,
            scores={name: score + shift for name, score in model.scores.items()},
            validation={name: score + shift for name, score in model.validation.items()},
            predictions="",
        )
        cells.append((at, made))
        if predictions:
            ledger.write(record, _predict(record, predictions))
            continue
        body = encoder.encode(record)
        path = out / "ledger" / "cells" / made[:2] / f"{made}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b'{"sha256":"' + hashlib.sha256(body).hexdigest().encode() + b'","record":' + body + b"}\n")
    ledger.remember(msgspec.structs.replace(planned, planned=cells, control_imputers=["imputer0"]))
    return len(cells)
