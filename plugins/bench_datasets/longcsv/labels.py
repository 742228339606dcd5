"""The table of records: who they are, and what is known of their outcomes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.cohort import Counts
from bench.errors import DataError, nearest
from bench_datasets.longcsv.mapping import LabelTask, Mapping
from bench_datasets.longcsv.tables import MISSING, Labels, moments_of, read_labels

TRUTH = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}
"""What a binary column may hold without classes, in small letters."""


@dataclass(frozen=True)
class Records:
    """The records in their order.

    - ids, groups: str [n].
    - start: float64 [n]; hours since 1970, 0 where times are numbers.
    - statics: float32 [n, statics].
    - targets: task -> float32 [n].
    - columns: name -> str [n].
    """

    ids: np.ndarray
    groups: np.ndarray
    start: np.ndarray
    statics: np.ndarray
    targets: dict[str, np.ndarray]
    columns: dict[str, np.ndarray]

    def take(self, index: np.ndarray) -> Records:
        """Those records, in that order."""
        return Records(
            self.ids[index],
            self.groups[index],
            self.start[index],
            self.statics[index],
            {name: each[index] for name, each in self.targets.items()},
            {name: each[index] for name, each in self.columns.items()},
        )


def read_records(path: Path, mapping: Mapping, origin: Path, counts: Counts) -> Records:
    """The records by id as text. Rows without an id, and rows that repeat another, are counted.

    Raises DataError for a field that is not accepted, and for an id with two different rows.
    """
    about = mapping.labels
    wanted = {"labels.id": about.id} | ({"labels.group": about.group} if about.group else {})
    wanted |= {"labels.start": about.start} if about.start else {}
    wanted |= {f"labels.statics[{place}]": name for place, name in enumerate(about.statics)}
    wanted |= {f"labels.columns[{place}]": name for place, name in enumerate(about.columns)}
    wanted |= {f"tasks.{name}.column": task.column or name for name, task in mapping.tasks.items()}
    table = read_labels(path, wanted, origin)
    rows = _distinct(table, about.id, list(dict.fromkeys(wanted.values())), counts)
    if not rows:
        raise DataError(f"{path} has no row with an id in the column {about.id!r}; put a row for each record there")

    def column(name: str) -> list[str]:
        return [table.columns[name][row] for row in rows]

    places = [table.places[row] for row in rows]
    groups = column(about.group or about.id)
    if "" in groups:
        raise DataError(f"{places[groups.index('')]} has no group in the column {about.group!r}; put one there")
    start = np.zeros(len(rows))
    if about.start:
        start = moments_of(pd.Series(column(about.start), dtype="str")).values
        if (lost := np.isnan(start)).any():
            row = int(np.argmax(lost))
            raise DataError(
                f"{places[row]}: {about.start} = {column(about.start)[row]!r} is not accepted; give a date and time, such as "
                "2024-05-01 13:30"
            )
    statics = [[_number(*field, name) for field in zip(column(name), places, strict=True)] for name in about.statics]
    targets = {}
    for name, task in mapping.tasks.items():
        fields = column(task.column or name)
        known = {text: _target(text, task) for text in set(fields)}
        if strange := [text for text, value in known.items() if value is None]:
            text = min(strange, key=fields.index)
            raise DataError(f"{places[fields.index(text)]}: {_refused(text, name, task, origin)}")
        targets[name] = np.array([known[text] for text in fields], np.float32)
        counts.left_out(f"task {name}: outcome unknown", np.isnan(targets[name]).sum())
    return Records(
        np.array(column(about.id)),
        np.array(groups),
        start,
        np.array(statics, np.float32).reshape(len(about.statics), len(rows)).T.copy(),
        targets,
        {name: np.array(column(name)) for name in about.columns},
    )


def _distinct(table: Labels, id_: str, names: list[str], counts: Counts) -> list[int]:
    """The rows that are records, by id."""
    counts.found("labels: rows", len(table.places))
    first: dict[str, int] = {}
    again = 0
    for row, name in enumerate(table.columns[id_]):
        other = first.setdefault(name, row) if name else row
        again += other != row
        differs = [each for each in names if table.columns[each][row] != table.columns[each][other]]
        if differs:
            raise DataError(
                f"{table.places[row]}: the id {name!r} stands in {table.places[other].rpartition(', ')[2]} too, with another "
                f"{differs[0]}; which one is right is unknown: keep one"
            )
    counts.unusable("labels: rows without an id, skipped", table.columns[id_].count(""))
    counts.left_out("labels: rows that repeat another, one kept", again)
    return [first[name] for name in sorted(first)]


def _number(text: str, place: str, name: str) -> float:
    if text in MISSING:
        return math.nan
    value = _read(text)
    if value is None:
        raise DataError(
            f"{place}: {name} = {text!r} is not accepted, since statics are numbers; write numbers, leave it empty where "
            "unknown, or take it out of labels.statics"
        )
    return value


def _target(text: str, task: LabelTask) -> float | None:
    """What a field means; NaN where it is unknown, None where it is not accepted."""
    if text in task.classes:
        return float(task.classes.index(text))
    if text in MISSING:
        return math.nan
    if task.kind == "regression":
        return _read(text)
    return None if task.classes else TRUTH.get(text.lower())


def _read(text: str) -> float | None:
    """A number that float32 can hold, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= 1e12 and "_" not in text else None


def _refused(text: str, name: str, task: LabelTask, origin: Path) -> str:
    accepted = ", ".join(task.classes) or ("a number up to 1e12" if task.kind == "regression" else "0, 1, false, true")
    more = ""
    if task.kind == "binary" and not task.classes:
        more = f'; other words are named in {origin.name}: [tasks.{name}] classes = ["NEGATIVE", "POSITIVE"]'
    near = nearest(text, task.classes)
    return f"{task.column or name} = {text!r} is not accepted; {near}accepted: {accepted}, or empty where unknown{more}"
