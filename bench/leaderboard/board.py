"""A leaderboard as plain data: what Markdown prints and the JSON file holds. Made by `bench.leaderboard.aggregate`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from bench.leaderboard.sections.grid import Attribution, Marginal
from bench.results.records import Bin, Override

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
    """A value somebody else published. elsewhere: why it does not stand beside ours; empty where it does."""

    method: str
    metric: str
    value: float
    std: float | None
    source: str
    elsewhere: str = ""


class Row(msgspec.Struct, kw_only=True):
    """One method of a table.

    scores, validation, interval, rank and tie_group are only there when every planned seed is ok: holes never become
    averages. statuses: status -> how many cells. reasons: why cells are not ok, each once. nobody: the modalities of its set
    that no record has, so that the row is one of the set without them. unranked: the audits that failed, because of which the
    row has no interval, rank and tie group and takes no part in anything that names a best.
    """

    imputer: str
    fuser: str
    control_imputer: bool
    control_fuser: bool
    seeds_planned: list[int]
    seeds_ok: list[int]
    statuses: dict[str, int]
    reasons: list[str]
    unranked: str = ""
    rank: int | None = None
    tie_group: int | None = None
    scores: dict[str, Score] = {}
    validation: dict[str, Score] = {}
    interval: tuple[float, float] | None = None
    audits: dict[str, AuditResult] = {}
    nobody: list[str] = []
    published: list[PublishedScore] = []

    @property
    def complete(self) -> bool:
        return bool(self.scores)

    @property
    def eligible(self) -> bool:
        """Whether it may be ranked and compared: it has all its scores and failed no audit."""
        return self.complete and not self.unranked

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
    published, elsewhere: values of others that name no row, and those that were not measured on these data.
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
    elsewhere: list[PublishedScore] = []
    alpha: float | None = None
    comparisons: int = 0
    resamples: int = 0
    floor: float | None = None
    floor_corrected: float | None = None


class Gain(msgspec.Struct, kw_only=True):
    """What one method gains, in the primary metric, from a larger modality set: paired difference over groups x seeds.

    difference: score with `larger` - score with `smaller`; low, high: its interval; p_holm: over all gains of the task
    and scenario. better: the difference is an improvement and its interval excludes 0; worse: the opposite.
    """

    smaller: str
    larger: str
    imputer: str
    fuser: str
    difference: float
    low: float
    high: float
    p_holm: float
    better: bool
    worse: bool


class Gains(msgspec.Struct, kw_only=True):
    """All gains of one task under one scenario. best: modality set -> its best method and that method's mean score."""

    task: str
    scenario: str
    metric: str
    higher: bool
    alpha: float
    best: dict[str, tuple[str, float]]
    rows: list[Gain]


class Difference(msgspec.Struct, frozen=True):
    """A paired difference with its bootstrap interval."""

    mean: float
    low: float
    high: float


class ImputationRow(msgspec.Struct, kw_only=True):
    """One imputer: modality (and "all") -> metric -> score; empty unless every planned seed has scores.

    draws, parameters: of the imputer, where its records say so and all seeds agree (parameters 0: does not apply).
    unranked: the imputer's audits that failed, because of which it stands below, is compared with nobody and never best.
    interval, tie_group, to_best (MAE minus that of the best): of MAE over all entries, where comparisons are stored.
    """

    imputer: str
    control: bool
    seeds_planned: list[int]
    seeds_scored: list[int]
    scores: dict[str, dict[str, Score]]
    unranked: str = ""
    draws: int | None = None
    parameters: int | None = None
    tie_group: int | None = None
    interval: tuple[float, float] | None = None
    to_best: Difference | None = None

    @property
    def eligible(self) -> bool:
        """Whether it may be ranked and compared: it has the score by which imputers are ordered, MAE over all entries, and failed
        no audit.
        """
        return not self.unranked and "mae" in self.scores.get("all", {})


class Imputation(msgspec.Struct, kw_only=True):
    """Scores on the entries that a scenario hid, for one modality set (standardised scale, lower is better).

    expected, realised: the hidden share, mean over seeds; entries: modality -> entries scored per seed, mean over
    seeds. absent: the share of hidden entries of test records in modalities that are absent to fusers, mean over seeds.
    silent: imputers without scores, since they fill nothing. alpha: of the comparisons, where there are any.
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
    absent: float | None = None
    alpha: float | None = None
    published: list[PublishedScore] = []
    elsewhere: list[PublishedScore] = []


class CurveRow(msgspec.Struct, kw_only=True):
    """One imputer over the rates of a curve: metric -> a score (or None), and its interval (or None), per rate."""

    imputer: str
    control: bool
    draws: int | None
    scores: dict[str, list[Score | None]]
    intervals: dict[str, list[tuple[float, float] | None]]


class Curve(msgspec.Struct, kw_only=True):
    """Scenarios that differ in their rate alone, side by side: scores over all entries. scenario: what they share."""

    modalities: str
    scenario: str
    rates: list[float]
    metrics: list[str]
    rows: list[CurveRow]


class Contrary(msgspec.Struct, kw_only=True):
    """Two imputers of which the first has significantly lower MAE on hidden entries but the worse score of the task.

    mae, score: first minus second, paired; score is None where the two were not compared on the task. apart: whether the
    interval of the score excludes 0.
    """

    first: str
    second: str
    mae: Difference
    score: Difference | None
    difference: float
    apart: bool


class Agreement(msgspec.Struct, kw_only=True):
    """Whether imputers with lower MAE lead to better predictions, for one fuser in one table.

    rho: Spearman's rank correlation over imputers, signed so that 1 means the better imputation always predicts better;
    None with fewer than three imputers or where one side does not differ. p: two-sided permutation p-value, exact or of
    random permutations. contrary: the pairs for which it does not hold; None where imputers were not compared.
    """

    task: str
    modalities: str
    scenario: str
    fuser: str
    metric: str
    imputers: int
    rho: float | None
    p: float | None
    exact: bool
    contrary: list[Contrary] | None


class ImputerCost(msgspec.Struct, kw_only=True):
    """What one imputer took, the mean over seeds: seconds, bytes; and its draws and parameters."""

    modalities: str
    scenario: str
    imputer: str
    device: str
    seeds: int
    values: dict[str, float]


class Cost(msgspec.Struct, kw_only=True):
    """What the ok cells of one method took, on average: seconds per stage, seconds per sample, bytes, parameters.

    score: mean of the primary metric, of eligible rows. whole: cost of the whole method per name of
    `bench.leaderboard.sections.pareto.COSTS`, imputer included unless `fuser_only`. front: those of them for which no row of the
    table is at least as good and at least as cheap, and one of both strictly.
    """

    task: str
    modalities: str
    scenario: str
    imputer: str
    fuser: str
    cells: int
    device: str
    values: dict[str, float]
    score: float | None = None
    whole: dict[str, float] = {}
    fuser_only: bool = False
    front: list[str] = []


class PatternRow(msgspec.Struct, kw_only=True):
    """The primary score of one method by pattern, in the order of the table's; None where a seed lacks it.

    worst: place of the worst pattern among those large enough to be called so.
    """

    imputer: str
    fuser: str
    control_imputer: bool
    control_fuser: bool
    scores: list[Score | None]
    worst: int | None = None


class Patterns(msgspec.Struct, kw_only=True):
    """Scores by which modalities a test record has, for one table. records: per pattern, the mean over seeds."""

    task: str
    modalities: str
    scenario: str
    metric: str
    higher: bool
    names: list[str]
    records: list[float]
    rows: list[PatternRow]


class CalibrationRow(msgspec.Struct, kw_only=True):
    """How well one method's probabilities are calibrated. bins: of all seeds together, of the best rows, for a picture."""

    imputer: str
    fuser: str
    control_imputer: bool
    control_fuser: bool
    ece: Score | None
    brier: Score | None
    bins: list[Bin]


class Calibrations(msgspec.Struct, kw_only=True):
    """Calibration of one table's rows, in their order."""

    task: str
    modalities: str
    scenario: str
    rows: list[CalibrationRow]


class Board(msgspec.Struct, kw_only=True):
    """The whole leaderboard. release: which release the data are, empty where it is not recorded. nobody: modality set -> the
    modalities of it that no record has. overrides: in what the run differs from the suite and its profile. provenance: name
    -> value -> how many records say so. costs, imputer_costs: None where left out.
    """

    schema: int
    suite: str
    profile: str
    overrides: list[Override]
    title: str
    dataset: str
    release: str
    synthetic: bool
    command: str
    statuses: dict[str, int]
    tables: list[Table]
    imputation: list[Imputation]
    provenance: dict[str, dict[str, int]]
    notes: list[str]
    nobody: dict[str, list[str]] = {}
    costs: list[Cost] | None = None
    gains: list[Gains] = []
    curves: list[Curve] = []
    agreements: list[Agreement] = []
    attributions: list[Attribution] = []
    marginals: list[Marginal] = []
    patterns: list[Patterns] = []
    calibrations: list[Calibrations] = []
    imputer_costs: list[ImputerCost] | None = None
