"""The TOML file that says what the tables of `longcsv` hold. Light: reads no table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from bench.errors import DataError
from bench.files import read_toml
from bench.registry import Contents
from bench_datasets.long_rows import Channel
from bench_datasets.longcsv.params import LongCsvParams
from bench_datasets.mapped import Bounds, Grid, channels_of, task_of

ENDINGS = (".csv", ".csv.gz", ".parquet")


class Measurements(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table with a row per measurement. It may have further columns."""

    file: Annotated[
        str, msgspec.Meta(description="Its file, `.csv`, `.csv.gz` or `.parquet`; relative to the TOML file.")
    ] = "measurements.csv"
    id: Annotated[str, msgspec.Meta(description="The column that names the record.")] = "id"
    time: Annotated[
        str,
        msgspec.Meta(
            description="The column of the time since the record's start, a number in `grid.unit`; with `labels.start` a date "
            "and time."
        ),
    ] = "time"
    variable: Annotated[str, msgspec.Meta(description="The column that names what was measured.")] = "variable"
    value: Annotated[str, msgspec.Meta(description="The column of the number.")] = "value"


class Labels(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table with a row per record. It may have further columns."""

    file: Annotated[
        str, msgspec.Meta(description="Its file, `.csv`, `.csv.gz` or `.parquet`; relative to the TOML file.")
    ] = "labels.csv"
    id: Annotated[str, msgspec.Meta(description="The column that names the record.")] = "id"
    group: Annotated[
        str,
        msgspec.Meta(
            description="The column that names the patient or subject: no split parts their records. Empty: every record "
            "is of another."
        ),
    ] = ""
    start: Annotated[
        str,
        msgspec.Meta(
            description="The column of the record's start, a date and time such as 2024-05-01 13:30. Empty: times are numbers."
        ),
    ] = ""
    statics: Annotated[
        tuple[str, ...], msgspec.Meta(description="Columns of numbers known from the start, such as an age.")
    ] = ()
    columns: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Columns by which records may be divided among clients, such as a site."),
    ] = ()


class LabelTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is predicted: a column of the labels. An empty field is an unknown outcome."""

    kind: Annotated[Literal["binary", "multiclass", "regression"], msgspec.Meta(description="What the column holds.")]
    column: Annotated[str, msgspec.Meta(description="The column; empty: that of the task's name.")] = ""
    classes: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="What the column says for each class, in order. Needed for multiclass; a binary column may hold 0 "
            "and 1 without."
        ),
    ] = ()
    summary: Annotated[str, msgspec.Meta(description="The task in a few words, for tables.")] = ""

    def __post_init__(self) -> None:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes names one twice; keep one")
        if self.kind == "regression" and self.classes:
            raise ValueError("a regression has no classes; leave them out")
        if self.kind == "binary" and len(self.classes) not in (0, 2):
            raise ValueError('binary takes two classes, the negative one first, such as ["no", "yes"]')
        if self.kind == "multiclass" and len(self.classes) < 2:
            raise ValueError('multiclass needs its classes, such as ["home", "ward", "died"]')


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    grid: Annotated[Grid, msgspec.Meta(description="The bins of a record, needed.")]
    modalities: Annotated[
        dict[str, dict[str, Bounds]],
        msgspec.Meta(description="Modality → variable, as the table names it → unit and bounds."),
    ]
    tasks: Annotated[dict[str, LabelTask], msgspec.Meta(description="Task → what is predicted.")]
    measurements: Annotated[Measurements, msgspec.Meta(description="The table of measurements.")] = Measurements()
    labels: Annotated[Labels, msgspec.Meta(description="The table of records.")] = Labels()


def read_mapping(root: Path, params: LongCsvParams) -> Mapping:
    """The mapping in that folder. Raises DataError with the line and what is accepted."""
    path = root / params.mapping
    if not path.is_file():
        raise DataError(
            f"there is no {params.mapping} in {root}, which says what the tables hold; type: bench new "
            "suite NAME (it writes an example), or name another: data.mapping=FILE"
        )
    mapping = read_toml(path, Mapping)
    channels(mapping, path)
    if not mapping.tasks:
        raise DataError(f'{path}: [tasks] names no task; write for example [tasks.died] kind = "binary"')
    for table, file in (("measurements", mapping.measurements.file), ("labels", mapping.labels.file)):
        if not file.endswith(ENDINGS):
            raise DataError(f'{path}: {table}.file = "{file}" is not accepted; accepted: {", ".join(ENDINGS)}')
    return mapping


def channels(mapping: Mapping, path: Path) -> tuple[Channel, ...]:
    """All channels, by modality. Raises DataError for a variable in two modalities."""
    result = channels_of(
        mapping.modalities, path, '[modalities.vitals] heart_rate = {unit = "bpm", low = 20, high = 300}'
    )
    names = [each.name for each in result]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f'{path}: the variable "{twice[0]}" stands in two modalities; keep one')
    return result


def contents(root: Path, params: LongCsvParams) -> Contents:
    """What the cohort will have. Raises DataError as `read_mapping` does."""
    mapping = read_mapping(root, params)
    return Contents(
        tasks=tuple(task_of(name, t.kind, len(t.classes), t.summary) for name, t in mapping.tasks.items()),
        modalities=tuple(mapping.modalities),
        columns=mapping.labels.columns,
    )


def files(root: Path, params: LongCsvParams) -> list[Path]:
    """The mapping and the two tables. Raises DataError where one is missing."""
    mapping = read_mapping(root, params)
    path = root / params.mapping
    tables = [path.parent / table.file for table in (mapping.measurements, mapping.labels)]
    for table, name in zip(tables, ("measurements", "labels"), strict=True):
        if not table.is_file():
            raise DataError(f'{table} is missing; put it there, or name another in {path}: [{name}] file = "FILE"')
    return [path, *tables]
