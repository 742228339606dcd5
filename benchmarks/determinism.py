"""Equal runs give equal bytes: another process, another order, other workers."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.measuring import IDLE, Row, Workplace


def same_bytes(place: Workplace) -> Iterator[Row]:
    """One small run twice, each with a cache of its own; timings are left out of the tables."""
    words = [IDLE, "imputer=mean,locf", "fuser=idle,linear,gbm", "scenario=mcar", "scenario.mcar.rate=0.3", "seed=1,2"]
    if place.quick:
        words = [IDLE, "imputer=mean", "fuser=idle", "seed=1,2"]
    runs = {"one": ("workers=1",), "other": ("workers=2", "shuffle=3")}
    tables = []
    for name, how in runs.items():
        folder = place.folder / name
        place.command("run", *words, *how, f"out={folder}", f"cache={folder / 'cache'}")
        place.command("report", IDLE, f"out={folder}", "--no-costs")
        tables.append([(folder / "leaderboards" / f"idle.{kind}").read_bytes() for kind in ("md", "csv", "json")])
    yield Row(
        "equal runs give equal leaderboard bytes",
        answer=tables[0] == tables[1],
        repetitions=len(tables),
        note="Markdown, CSV and JSON of one worker in order, and of two workers in shuffled order",
    )
