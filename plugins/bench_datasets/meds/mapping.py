"""The TOML file that says what the codes of `meds` mean. Light: reads no data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from bench.errors import DataError
from bench.files import read_toml
from bench.registry import Contents
from bench_datasets.mapped import Bounds, Grid, channels_of, task_of
from bench_datasets.meds.params import SPLIT, START, MedsParams

Codes = Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]

SPLITS = Path("metadata") / "subject_splits.parquet"


class Records(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a record is: what is known of a subject from an event on."""

    start: Annotated[Codes, msgspec.Meta(description="Codes that begin a record, at time 0.")]
    end: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Codes that end it, the first one from its start on. What comes later is left out, and a record that "
            "ends before its grid does has no outcome. Empty: nothing ends it but the next start."
        ),
    ] = ()


class CodedChannel(Bounds, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A channel: codes whose numeric values it holds, and what is kept of them."""

    codes: Annotated[
        Codes, msgspec.Meta(description="Its codes. Of values at one time that of the code listed first is kept.")
    ]


class CodedTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is predicted: whether a code occurs after the grid."""

    codes: Annotated[Codes, msgspec.Meta(description="The outcome is 1 where one of these occurs, else 0.")]
    until: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Codes up to the first of which, itself included, it is looked for; without such an event the outcome "
            "is unknown. Empty: as long as there are data."
        ),
    ] = ()
    summary: Annotated[str, msgspec.Meta(description="The task in a few words, for tables.")] = ""


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    records: Annotated[Records, msgspec.Meta(description="What a record is.")]
    grid: Annotated[Grid, msgspec.Meta(description="The bins of a record.")]
    modalities: Annotated[
        dict[str, dict[str, CodedChannel]], msgspec.Meta(description="Modality → channel → codes, unit and bounds.")
    ]
    tasks: Annotated[dict[str, CodedTask], msgspec.Meta(description="Task → what is predicted.")]
    statics: Annotated[
        dict[str, Codes],
        msgspec.Meta(
            description="Static → codes without a time, such as GENDER//M: 1 for subjects that have one, else 0."
        ),
    ] = {}
    folder: Annotated[
        str, msgspec.Meta(description="The folder of `data/` and `metadata/`, relative to the TOML file.")
    ] = "."


def read_mapping(root: Path, params: MedsParams) -> Mapping:
    """The mapping in that folder. Raises DataError with the line and what is accepted."""
    path = root / params.mapping
    if not path.is_file():
        raise DataError(
            f"there is no {params.mapping} in {root}, which says what the codes mean; write one "
            "(docs/reference/datasets/meds.md has an example), or name another: data.mapping=FILE"
        )
    mapping = read_toml(path, Mapping)
    channels_of(mapping.modalities, path, '[modalities.vitals] heart_rate = { codes = ["LAB//220045"], unit = "bpm" }')
    if not mapping.tasks:
        raise DataError(f'{path}: [tasks] names no task; write for example [tasks.died] codes = ["MEDS_DEATH"]')
    return mapping


def contents(root: Path, params: MedsParams) -> Contents:
    """What the cohort will have. Raises DataError as `read_mapping` does."""
    mapping = read_mapping(root, params)
    return Contents(
        tasks=tuple(task_of(name, "binary", 2, task.summary) for name, task in mapping.tasks.items()),
        modalities=tuple(mapping.modalities),
        splits=(SPLIT,) if splits_file(root, params, mapping) else (),
        columns=(START,),
    )


def splits_file(root: Path, params: MedsParams, mapping: Mapping) -> Path | None:
    """The file that parts subjects, or None where the data have none."""
    path = (root / params.mapping).parent / mapping.folder / SPLITS
    return path if path.is_file() else None


def shards(root: Path, params: MedsParams, mapping: Mapping) -> list[Path]:
    """The files of events, in order. Raises DataError where there is none."""
    folder = (root / params.mapping).parent / mapping.folder / "data"
    if paths := sorted(folder.rglob("*.parquet")):
        return paths
    raise DataError(
        f"there is no .parquet file in {folder}; put data/ and metadata/ beside {params.mapping}, or name in it where they "
        'are: folder = "DIR"'
    )


def files(root: Path, params: MedsParams) -> list[Path]:
    """The mapping, the events and the split. Raises DataError where there are no events."""
    mapping = read_mapping(root, params)
    split = splits_file(root, params, mapping)
    return [root / params.mapping, *shards(root, params, mapping), *([split] if split else [])]
