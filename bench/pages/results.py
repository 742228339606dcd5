"""What the leaderboards say of each method: its best row of each table, and what its cells cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import fsum

from bench.grid.matching_rows import Label
from bench.leaderboard.rows import Row
from bench.leaderboard.task_table import TaskTable
from bench.pages.row_links import Component, components
from bench.pages.sources import Source
from bench.results.coordinates import method_of
from bench.results.records import Record

COSTS = {
    "imputer": (
        "impute_fit_seconds", "impute_seconds", "impute_seconds_per_draw", "imputer_parameters",
        "impute_peak_memory_bytes",
    ),
    "fuser": ("fit_seconds", "predict_seconds", "seconds_per_sample", "parameters", "peak_memory_bytes"),
    "federation": ("fit_seconds", "bytes_sent", "bytes_received"),
}  # fmt: skip
"""Of a kind of component, the costs of a cell that are its own, in the order they are shown."""


@dataclass(frozen=True)
class Best:
    """The best row of a method in one table; of rows without a rank the first one."""

    source: Source
    table: TaskTable
    row: Row


@dataclass
class Cost:
    """Means over the ok cells of one label of a method on one leaderboard. values: cost -> mean."""

    source: Source
    label: str
    cells: int
    values: dict[str, float]


@dataclass
class Results:
    """All that the leaderboards say of a method, in their order."""

    best: list[Best] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)


def results(sources: Iterable[Source]) -> dict[Component, Results]:
    """Method -> its results, of every method that a leaderboard has."""
    by_component: dict[Component, Results] = {}
    for source in sources:
        for table in source.tables:
            seen: set[Component] = set()
            for row in table.rows:  # ranked rows come first
                for component in components(row):
                    if component not in seen:
                        seen.add(component)
                        by_component.setdefault(component, Results()).best.append(Best(source, table, row))
        for component, cost in _costs(source):
            by_component.setdefault(component, Results()).costs.append(cost)
    return by_component


def _costs(source: Source) -> Iterable[tuple[Component, Cost]]:
    records: dict[tuple[Component, str], list[Record]] = {}
    for at, record in source.board.scored.items():
        if record is None or record.status != "ok":
            continue
        method = method_of(at)
        labels = {"imputer": method.imputer, "fuser": method.fuser}
        for kind, text in labels.items():
            records.setdefault(((kind, Label.read(text).name), text), []).append(record)
        if trained := {label.federation for text in labels.values() if (label := Label.read(text)).federation}:
            for text in sorted(trained):
                records.setdefault((("federation", Label.read(text).name), text), []).append(record)
    for (component, text), inside in records.items():
        values = {name: _mean(name, inside) for name in COSTS[component[0]]}
        known = {name: value for name, value in values.items() if value is not None}
        if known:
            yield component, Cost(source, text, len(inside), known)


def _mean(name: str, records: Sequence[Record]) -> float | None:
    """None where no record says it."""
    values = [value for record in records if (value := _value(name, record)) is not None]
    return fsum(values) / len(values) if values else None


def _value(name: str, record: Record) -> float | None:
    if not name.startswith("bytes_"):
        return record.costs.get(name)
    trained = [each for each in (record.federated.imputer, record.federated.fuser) if each] if record.federated else []
    if not trained:
        return None
    return float(sum(sum((each.up if name == "bytes_sent" else each.down).values()) for each in trained))
