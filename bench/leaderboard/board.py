"""A leaderboard as plain data: what Markdown prints and the JSON file holds. Made by `bench.leaderboard.aggregate`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

AuditState = Literal["passed", "failed", "not applicable", "not run"]


class Score(msgspec.Struct, frozen=True):
    """Mean over n seeds and the sample standard deviation (n - 1); std is None for one seed."""

    mean: float
    std: float | None
    n: int

    @classmethod
    def over(cls, values: Sequence[float]) -> Score:
        """The score of at least one value, one per seed."""
        mean = math.fsum(values) / len(values)
        if len(values) == 1:
            return cls(mean, None, 1)
        return cls(mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)), len(values))


class AuditResult(msgspec.Struct, frozen=True):
    """One audit of one row, over all its cells. detail: what failed, or why it does not apply or was not run."""

    state: AuditState
    detail: str = ""


class PublishedScore(msgspec.Struct, frozen=True):
    """A value somebody else published."""

    method: str
    metric: str
    value: float
    std: float | None
    source: str


class Row(msgspec.Struct, kw_only=True):
    """One method of a table.

    scores, validation, interval, rank and tie_group are only there when every planned seed is ok: holes never become
    averages. statuses: status -> how many cells. reasons: why cells are not ok, each once.
    """

    imputer: str
    fuser: str
    control_imputer: bool
    control_fuser: bool
    seeds_planned: list[int]
    seeds_ok: list[int]
    statuses: dict[str, int]
    reasons: list[str]
    rank: int | None = None
    tie_group: int | None = None
    scores: dict[str, Score] = {}
    validation: dict[str, Score] = {}
    interval: tuple[float, float] | None = None
    audits: dict[str, AuditResult] = {}
    published: list[PublishedScore] = []

    @property
    def complete(self) -> bool:
        return bool(self.scores)

    @property
    def control(self) -> bool:
        return self.control_imputer or self.control_fuser

    @property
    def name(self) -> str:
        return f"{self.imputer} + {self.fuser}"


class Table(msgspec.Struct, kw_only=True):
    """One task on one modality set under one scenario. Rows are in the order they are printed.

    higher: metric -> larger is better. counts: of the task's records, the same for every cell, or it says so in
    `notes`.
    notes: sentences a reader must not miss: controls that tie, why there is no comparison.
    oracle: metric -> what the best possible prediction scores, where the data were generated and it is known.
    floor, floor_corrected: the resolution floor, for one comparison and after Holm's correction.
    """

    task: str
    summary: str
    modalities: str
    scenario: str
    primary: str
    metrics: list[str]
    higher: dict[str, bool]
    seeds: list[int]
    counts: dict[str, int]
    oracle: dict[str, float] = {}
    rows: list[Row]
    notes: list[str]
    published: list[PublishedScore] = []
    alpha: float | None = None
    comparisons: int = 0
    resamples: int = 0
    floor: float | None = None
    floor_corrected: float | None = None


class ImputationRow(msgspec.Struct, kw_only=True):
    """One imputer: modality (and "all") -> metric -> score; empty unless every planned seed has scores."""

    imputer: str
    control: bool
    seeds_planned: list[int]
    seeds_scored: list[int]
    scores: dict[str, dict[str, Score]]


class Imputation(msgspec.Struct, kw_only=True):
    """Scores on the entries that a scenario hid, for one modality set (standardised scale, lower is better).

    expected, realised: the hidden share, mean over seeds; entries: modality -> entries scored per seed, mean over
    seeds.
    silent: imputers without scores, since they fill nothing.
    """

    modalities: str
    scenario: str
    expected: float | None
    realised: float | None
    metrics: list[str]
    columns: list[str]
    entries: dict[str, float]
    rows: list[ImputationRow]
    silent: list[str]
    notes: list[str]


class Cost(msgspec.Struct, kw_only=True):
    """What the ok cells of one method took, on average: seconds per stage, seconds per sample, bytes, parameters."""

    task: str
    modalities: str
    scenario: str
    imputer: str
    fuser: str
    cells: int
    device: str
    values: dict[str, float]


class Board(msgspec.Struct, kw_only=True):
    """The whole leaderboard. provenance: name -> value -> how many records say so. costs: None where left out."""

    schema: int
    suite: str
    title: str
    dataset: str
    synthetic: bool
    command: str
    statuses: dict[str, int]
    tables: list[Table]
    imputation: list[Imputation]
    provenance: dict[str, dict[str, int]]
    notes: list[str]
    costs: list[Cost] | None = None
