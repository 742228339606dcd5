"""The nouns of the data: events, series, cohort, task, count. Shapes and units are stated once,
here.

Axes: `n` records (one stay, clip or recording each), `length` bins of the regular grid, `channels`
of one modality, `draws` of an imputer, `rows` of time-stamped events. Times are hours since the
record's own origin (for an ICU stay: its admission). Values are float32; NaN means not observed.
Arrays may be memory-mapped and read-only: copy before writing.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal, SupportsIndex, get_args

import msgspec

from bench.errors import PluginError

if TYPE_CHECKING:
    # At run time NumPy is imported where it is used. Every plugin's light module imports `Task`
    # from here, and a command that only speaks of names should not wait for it.
    import numpy as np

__all__ = [
    "COUNT_KINDS", "Cohort", "Count", "CountKind", "Counts", "Events", "Series", "Task", "TaskKind", "bin_events", "bins_of",
]  # fmt: skip

TaskKind = Literal["binary", "multiclass", "multilabel", "regression"]

CountKind = Literal["found", "left_out", "unusable", "repaired"]
"""What a count tells of: see the methods of `Counts`."""

COUNT_KINDS: tuple[str, ...] = get_args(CountKind)

EDGE = 3
"""Steps of float32 that a time may be away from a bin's edge and still lie on it: what place / rate
/ 3600 loses when each operation is rounded to float32.
"""


class Task(msgspec.Struct, frozen=True):
    """What is predicted. Light enough to be declared beside a dataset's registration, before
    anything is loaded.

    - outputs: the width of a prediction. 1 for binary (probability of class 1); the number of
      values for regression (1, or more for a forecast); the number of classes for multiclass
      (probabilities that sum to 1). For multilabel it is the number of labels (a probability each).
    - metrics: names of metrics (`bench list metrics`). The first is the primary one, by which
      leaderboards are sorted and models selected on the validation part.
    - eligible: the approximate share of a cohort's records whose outcome is known; for estimates
      alone.
    """

    name: str
    kind: TaskKind
    metrics: tuple[str, ...]
    outputs: int = 1
    summary: str = ""
    eligible: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0

    def target_shape(self, n: int) -> tuple[int, ...]:
        """The shape of the targets of `n` records: [n, outputs] for multilabel and for several
        values, else [n].
        """
        wide = self.kind == "multilabel" or (self.kind == "regression" and self.outputs > 1)
        return (n, self.outputs) if wide else (n,)

    @property
    def primary(self) -> str:
        return self.metrics[0]


@dataclass(frozen=True)
class Events:
    """One modality as recorded: time-stamped rows, stored one record after the other (ragged, no
    padding).

    - offsets: int64 [n + 1]; record i owns rows offsets[i]:offsets[i + 1].
    - times: float32 [rows]; hours, not decreasing within a record.
    - values: float32 [rows, channels]; NaN where a channel was not observed at that time.
    """

    offsets: np.ndarray
    times: np.ndarray
    values: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Rows of each record, int64 [n]."""
        import numpy as np

        return np.diff(self.offsets)

    def records(self) -> np.ndarray:
        """The record each row belongs to, int64 [rows]."""
        import numpy as np

        return np.repeat(np.arange(len(self.offsets) - 1), self.counts)

    def take(self, index: np.ndarray) -> Events:
        """The events of the records in `index` (int [k]), in that order."""
        import numpy as np

        counts = self.counts[index]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][index] - offsets[:-1], counts)
        # `take` copies whole rows, four times as fast as `values[rows]`.
        return Events(offsets, self.times[rows], np.asarray(self.values).take(rows, axis=0))

    def padded(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same as rectangles: times [n, most], values [n, most, channels], observed (bool, as
        values).

        `most` is the largest number of rows of a record. Padding has time 0, value NaN and observed
        False.
        """
        import numpy as np

        counts = self.counts
        most = int(counts.max(initial=0))
        times = np.zeros((len(counts), most), np.float32)
        values = np.full((len(counts), most, self.values.shape[1]), np.nan, np.float32)
        records = self.records()
        places = np.arange(len(records)) - np.repeat(self.offsets[:-1], counts)
        times[records, places] = self.times
        values[records, places] = self.values
        return times, values, ~np.isnan(values)


@dataclass(frozen=True)
class Series:
    """One modality of a cohort, in both forms.

    - channels: names, one per channel.
    - units: the unit of each, as recorded (the harness standardises values, not names).
    - grid: float32 [n, length, channels]. Before imputation it is NaN exactly where `observed` is
      False. A fuser receives the completed grid (the median of the draws), with no NaN unless the
      imputer is the control `none`. It means nothing where the modality is not `present`.
    - observed: bool [n, length, channels]; True where a value was recorded and is visible.
      Imputation never changes it.
    - times: float32 [length]; hours, left edge of each bin.
    - events: the time-stamped form, hidden entries removed.
    - available: bool [n]; the record has at least one visible entry in this modality.
    - filled: bool [n]; the modality was absent and an imputer generated it, which a run asks for
      (`Suite.fill_absent`). Never True where `available` is.
    - draws: float32 [draws, n, length, channels], memory-mapped, for fusers tagged `uses_draws`;
      otherwise None.
    """

    channels: tuple[str, ...]
    units: tuple[str, ...]
    grid: np.ndarray
    observed: np.ndarray
    times: np.ndarray
    events: Events
    available: np.ndarray
    filled: np.ndarray
    draws: np.ndarray | None = None

    @property
    def present(self) -> np.ndarray:
        """bool [n]; there is something to read: the modality is available or an imputer filled it.
        Elsewhere the grid means nothing.
        """
        present: np.ndarray = self.available | self.filled
        return present

    @property
    def imputed(self) -> np.ndarray:
        """bool [n, length, channels]; what an imputer put there: not observed, and the modality
        is present.
        """
        imputed: np.ndarray = ~self.observed & self.present[:, None, None]
        return imputed

    def take(self, index: np.ndarray) -> Series:
        """The series of the records in `index` (int [k]), in that order."""
        return replace(
            self,
            grid=self.grid[index],
            observed=self.observed[index],
            events=self.events.take(index),
            available=self.available[index],
            filled=self.filled[index],
            draws=None if self.draws is None else self.draws[:, index],
        )


class Count(msgspec.Struct, frozen=True):
    """How many of something a dataset met while it prepared a cohort, and what became of them."""

    number: int
    kind: CountKind


class Counts:
    """What a dataset counts while it prepares a cohort, by a short English name of what was
    counted.

    Each method adds to the count of that name and says of which kind it is. A name has one kind:
    PluginError where it is counted as another.
    """

    def __init__(self) -> None:
        self._counts: dict[str, Count] = {}

    def found(self, what: str, number: SupportsIndex = 1) -> None:
        """What there is, or was met; nothing was changed."""
        self._add(what, number, "found")

    def left_out(self, what: str, number: SupportsIndex = 1) -> None:
        """What is not in the cohort by a rule of the dataset, though it could be read; what
        stays unknown of a record.
        """
        self._add(what, number, "left_out")

    def unusable(self, what: str, number: SupportsIndex = 1) -> None:
        """What is not in the cohort because it is damaged: it could not be read, or cannot be
        meant.
        """
        self._add(what, number, "unusable")

    def repaired(self, what: str, number: SupportsIndex = 1) -> None:
        """What is in the cohort otherwise than it was recorded."""
        self._add(what, number, "repaired")

    def add(self, counts: Mapping[str, Count]) -> None:
        """All of these, each of its kind."""
        for what, count in counts.items():
            self._add(what, count.number, count.kind)

    def number(self, what: str) -> int:
        """How many were counted under that name; 0 where it was not counted."""
        return self._counts[what].number if what in self._counts else 0

    def total(self, kind: CountKind) -> int:
        """The sum of the counts of a kind."""
        return sum(count.number for count in self._counts.values() if count.kind == kind)

    def by_name(self) -> dict[str, Count]:
        """The counts that are not 0, as `Cohort.counts` holds them, sorted by name."""
        return {what: count for what, count in sorted(self._counts.items()) if count.number}

    def _add(self, what: str, number: SupportsIndex, kind: CountKind) -> None:
        before = self._counts.get(what, Count(0, kind))
        if before.kind != kind:
            raise PluginError(f'"{what}" was counted as {before.kind} and now as {kind}: a name has one kind')
        self._counts[what] = Count(before.number + operator.index(number), kind)


@dataclass(frozen=True)
class Cohort:
    """Records with their modalities, statics, targets and groups.

    - ids: unique record ids, str [n].
    - groups: group (patient) ids, str [n]; records of one group never stand in two parts of a split
      (but see `bench.data.splits.split_records`).
    - modalities: name -> Series, all with the same n, length and times.
    - statics: float32 [n, statics]; NaN where unknown.
    - targets: task name -> float32 [n] (or [n, outputs], see `Task.target_shape`); NaN where the
      task does not apply or the outcome is unknown. Multiclass targets are class indices. Empty in
      the cohort handed to `predict`.
    - bin_hours: width of a bin of the grid, hours.
    - oracle: generated cohorts only: task -> float32 [n, outputs], the best possible prediction,
      known because the data were made. Used for regret; never handed to a component.
    - splits: splits that came with the data, by name: int8 [n], an index into
      `bench.data.splits.PARTS`; for `split=NAME`.
    - columns: what else is known of records and could divide them among clients, by name (a site, a
      care unit): str [n], "" where unknown; for `[partition]`. Never handed to a component.
    - counts: what preparing the data met, left out and repaired, by a short English name (`Counts`
      collects it); shown by `bench data verify`.
    """

    ids: np.ndarray
    groups: np.ndarray
    modalities: Mapping[str, Series]
    statics: np.ndarray
    static_names: tuple[str, ...]
    targets: Mapping[str, np.ndarray]
    bin_hours: float = 1.0
    counts: Mapping[str, Count] = field(default_factory=dict)
    oracle: Mapping[str, np.ndarray] = field(default_factory=dict)
    splits: Mapping[str, np.ndarray] = field(default_factory=dict)
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def length(self) -> int:
        """Bins of the regular grid."""
        return int(next(iter(self.modalities.values())).grid.shape[1])

    def take(self, index: np.ndarray) -> Cohort:
        """The records in `index` (int [k]), in that order."""
        return replace(
            self,
            ids=self.ids[index],
            groups=self.groups[index],
            modalities={name: series.take(index) for name, series in self.modalities.items()},
            statics=self.statics[index],
            targets={name: target[index] for name, target in self.targets.items()},
            oracle={name: outputs[index] for name, outputs in self.oracle.items()},
            splits={name: parts[index] for name, parts in self.splits.items()},
            columns={name: values[index] for name, values in self.columns.items()},
        )

    def with_modalities(self, modalities: Mapping[str, Series]) -> Cohort:
        """The same records with other series."""
        return replace(self, modalities=dict(modalities))

    def without_targets(self) -> Cohort:
        """The same records with no targets and no oracle, as `predict` and `impute` receive
        them.
        """
        return replace(self, targets={}, oracle={})


def bins_of(times: np.ndarray, bin_hours: float = 1.0) -> np.ndarray:
    """The bin of each time, int64, any shape: the number of whole bins before it; negative before
    the origin.

    A time on a bin's left edge is inside that bin, also where float32 moved it below the edge. Data
    sampled at a regular rate have times place x width, and no float32 holds a width of 100 Hz in
    hours. So a time within `EDGE` steps of float32 of an edge lies on it. Everything that asks in
    which bin an event lies asks here: two answers would leave a hidden value in the events.
    """
    import numpy as np

    exact = np.asarray(times, np.float64)
    nearest = np.rint(exact / bin_hours)
    # A bin narrower than a few steps has no inside left: then a time belongs to the edge it is
    # nearest to.
    on_edge = np.abs(exact - nearest * bin_hours) <= EDGE * np.spacing(np.abs(np.asarray(times, np.float32)))
    return np.where(on_edge, nearest, np.floor(exact / bin_hours)).astype(np.int64)


def bin_events(events: Events, length: int, bin_hours: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """The regular grid of events: the last observation in [h, h + 1) bins (`bins_of`), channel by
    channel.

    Returns grid float32 [n, length, channels] (NaN where a bin holds no observation) and observed
    (bool, same shape). Rows at or after `length` bins, or before time 0, are outside the grid. A
    later row that lacks a channel never overwrites a value observed earlier in the same bin
    (mimic48 protocol, section 6, our decision).
    """
    import numpy as np

    channels = events.values.shape[1]
    n = len(events.offsets) - 1
    grid = np.full((n, length, channels), np.nan, np.float32)
    records = events.records()
    bins = bins_of(events.times, bin_hours)
    inside = (bins >= 0) & (bins < length)
    for channel in range(channels):
        rows = np.flatnonzero(inside & ~np.isnan(events.values[:, channel]))
        grid[records[rows], bins[rows], channel] = events.values[rows, channel]
    return grid, ~np.isnan(grid)
