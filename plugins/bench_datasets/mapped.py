"""What the TOML files of `longcsv` and `meds` say alike: the grid, channels with bounds, tasks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from bench.cohort import Task
from bench.errors import DataError
from bench_datasets.long_rows import LARGEST, Channel
from bench_datasets.metrics import CLASSIFICATION

HOURS = {"seconds": 1 / 3600, "minutes": 1 / 60, "hours": 1.0, "days": 24.0}

METRICS = {
    "binary": CLASSIFICATION,
    "multiclass": ("accuracy", "f1", "balanced_accuracy", "auroc", "brier"),
    "regression": ("mae", "rmse", "corr"),
}
"""Kind of task -> its metrics, the primary one first."""


class Grid(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The bins of a record."""

    length: Annotated[int, msgspec.Meta(ge=1, le=1_000_000, description="Bins of a record.")]
    step: Annotated[float, msgspec.Meta(gt=0, description="The width of a bin, in that unit.")] = 1.0
    unit: Annotated[
        Literal["seconds", "minutes", "hours", "days"],
        msgspec.Meta(description="The unit of the step, and of times that are numbers."),
    ] = "hours"

    @property
    def bin_hours(self) -> float:
        return self.step * HOURS[self.unit]


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is kept of a variable."""

    unit: Annotated[str, msgspec.Meta(description="Its unit, for tables.")] = ""
    low: Annotated[
        float | None, msgspec.Meta(description="Values below are dropped and counted. Null, or left out: none are.")
    ] = None
    high: Annotated[
        float | None, msgspec.Meta(description="Values above are dropped and counted. Null, or left out: none are.")
    ] = None

    def __post_init__(self) -> None:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low = {self.low:g} is above high = {self.high:g}; exchange them")

    def channel(self, modality: str, name: str) -> Channel:
        """The channel of that modality and name."""
        low, high = (-LARGEST if self.low is None else self.low), (LARGEST if self.high is None else self.high)
        return Channel(modality, name, self.unit, low, high)


def channels_of(modalities: Mapping[str, Mapping[str, Bounds]], path: Path, example: str) -> tuple[Channel, ...]:
    """All channels, by modality. Raises DataError where there is none. example: how one is
    written.
    """
    empty = [name for name, members in modalities.items() if not members]
    if empty or not modalities:
        what = f"[modalities.{empty[0]}] names no variable" if empty else "[modalities] is missing"
        raise DataError(f"{path}: {what}; write for example {example}")
    return tuple(
        bounds.channel(modality, name) for modality, members in modalities.items() for name, bounds in members.items()
    )


def task_of(name: str, kind: Literal["binary", "multiclass", "regression"], classes: int, summary: str) -> Task:
    """A task with the metrics of its kind."""
    return Task(name, kind, METRICS[kind], outputs=classes if kind == "multiclass" else 1, summary=summary)
