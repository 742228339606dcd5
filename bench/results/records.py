"""What a cell left behind (`Record`) and what may be committed of it (`Export`).
Schema-versioned, plain data.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from bench.grid.axes import PATIENT
from bench.results.coordinates import Coordinates, Method, Repeat, TableKey
from bench.results.federated import Federated
from bench.results.run_info import RunInfo

SCHEMA = 1

Status = Literal["ok", "failed", "skipped", "timeout", "oom", "not-run"]
STATUSES: tuple[Status, ...] = ("ok", "failed", "skipped", "timeout", "oom", "not-run")


class Audit(msgspec.Struct, frozen=True):
    """The outcome of one audit: passed is None where it does not apply, and detail says why or
    what was measured.
    """

    passed: bool | None
    detail: str = ""


IMPUTER_AUDITS = ("observed-untouched", "imputer-independent", "draws-nested")
"""Audits of an imputation, made in the impute stage; all cells that share it have their
outcomes.
"""

COMPLETION_AUDITS = {
    "observed-untouched": "completion-untouched",
    "imputer-independent": "completion-independent",
    "draws-nested": "completion-nested",
}
"""The same of what a fuser completes by itself: the audit of an imputer -> that of a fuser."""


def failed_audits(record: Record) -> dict[str, str]:
    """The audits that a record failed: name -> what was measured."""
    return {name: audit.detail for name, audit in record.audits.items() if audit.passed is False}


class Pattern(msgspec.Struct, frozen=True):
    """The test records to which the same modalities were available, after hiding; see
    `bench.metrics.patterns`.

    - name: the modalities joined by "+", "(nothing)", or "(others)" for all combinations that are
      too small to be shown.
    - records: how many, never fewer than `bench.metrics.patterns.SMALLEST`.
    - score: the task's primary metric over them; None where it is not defined (one class alone).
    """

    name: str
    records: int
    score: float | None


class Bin(msgspec.Struct, frozen=True):
    """Predictions of nearly the same probability: how many, the mean probability, the share that
    came true.
    """

    records: int
    predicted: float
    observed: float


class Calibration(msgspec.Struct, frozen=True):
    """How well probabilities of the test part are calibrated; see `bench.metrics.calibration`.

    - ece: expected calibration error, 0 to 1.
    - brier: the mean squared error of the probabilities.
    - bins: those that hold enough records to be shown, by growing probability; `ece` is of all of
      them.
    """

    ece: float
    brier: float
    bins: list[Bin] = []


class Note(msgspec.Struct, frozen=True):
    """What a fuser's fit decided or found, as it declares it (`bench.registry.Spec.notes`): no
    words of its own.
    """

    name: str
    values: list[int | float | str]


class Measures(msgspec.Struct, kw_only=True, frozen=True):
    """What a cell measured, as its worker hands it over.

    - scores: test metrics by name.
    - validation: the same on the validation part.
    - undefined: metrics without a score on the test part; a metric of the task that is in neither
      could not be computed.
    - oracle: generated data only: what the best possible prediction scores on the same test
      records.
    - imputation: of the test part, modality (and "all") -> mae, rmse, crps, coverage50, coverage90
      and hidden (how many entries were scored). Standardised scale; coverage of several draws only.
    - imputation_validation: the same of the validation part alone: what imputers are tuned by.
      Empty in earlier versions.
    - completion: the scores of `imputation`, of what the fuser completed by itself (tag
      `own_imputer`). Empty for other fusers, and where nothing is hidden.
    - hidden: unit-share expected and realised of the scenario: {"expected", "realised",
      "standard_error"}.
    - absent: which share of the hidden entries of test records lies in modalities that are absent
      to the fuser, so that it reads no value that was imputed there.
    - audits: by name; see docs/explanation/audits.md.
    - costs: of the fuser, seconds (impute, fit, predict), seconds_per_sample, parameters, steps (of
      the optimiser, all networks together, where it takes any) and peak_memory_bytes. Of the
      imputer, impute_seconds_per_draw (per record and draw), imputer_parameters, imputer_steps,
      impute_peak_memory_bytes, draws. Of a fuser's own completion of the test part,
      complete_seconds, complete_seconds_per_draw, completion_draws. Of audits of independence,
      batch_audit_seconds, impute_audit_seconds, impute_audit_records, completion_audit_seconds.
    - counts: train, valid, test records of the task, positives, left out (ineligible or unknown
      outcome). Under a split by record also how many patients stand on both sides; without_NAME
      where no record has the modality NAME of its set.
    - imputation_errors: SHA-256 of the array file of the imputation's error on each test record,
      shared by all cells of the imputation; "" when nothing was scored.
    - completion_errors: the same of the fuser's own completion.
    - patterns: the primary score by which modalities were available; empty where there are too few
      test records.
    - calibration: of tasks that predict probabilities; None for regression.
    - federated: of a cell whose methods clients trained: clients, rounds, bytes.
    - notes: what the fuser said of its fit (`bench.components.Context.note`); text in records of
      earlier versions.
    """

    scores: dict[str, float] = {}
    undefined: list[str] = []
    validation: dict[str, float] = {}
    oracle: dict[str, float] = {}
    imputation: dict[str, dict[str, float]] = {}
    imputation_validation: dict[str, dict[str, float]] = {}
    completion: dict[str, dict[str, float]] = {}
    hidden: dict[str, float] = {}
    audits: dict[str, Audit] = {}
    costs: dict[str, float] = {}
    counts: dict[str, int] = {}
    imputation_errors: str = ""
    completion_errors: str = ""
    patterns: list[Pattern] = []
    calibration: Calibration | None = None
    federated: Federated | None = None
    notes: list[Note | str] = []


class Record(Measures, kw_only=True, frozen=True):
    """One cell's result. Every planned cell has one once it was tried. Built by `bench.run.record`,
    then never changed.

    Fields that came later have a default and no new schema number: older records lack them, and a
    leaderboard shows a dash.

    - provenance: versions, revision, device, precision, manifest digest, split, command (data.root
      redacted on export).
    - predictions: SHA-256 of the array file beside the fragment; "" when there is none.
    - metrics_code: the digest of the code by which scores other than the primary one were computed;
      "" in earlier versions.
    - own_words: the reason holds no words of a component; False in records of earlier versions,
      where it may.
    """

    schema: int = SCHEMA
    key: str
    coordinates: Coordinates
    status: Status
    reason: str = ""
    provenance: dict[str, str] = {}
    predictions: str = ""
    metrics_code: str = ""
    own_words: bool = False


Correction = Literal["maxt", "holm"]
"""How p-values are adjusted for the number of comparisons (`bench.statistics.corrections`)."""


class Comparison(msgspec.Struct, frozen=True):
    """A paired bootstrap of two methods on the same test groups and seeds.

    - difference: mean over seeds of primary(a) - primary(b), in the metric's own direction.
    - low, high: its interval.
    - standard_error: of the difference.
    - p: two-sided bootstrap p-value.
    - p_adjusted: for all comparisons of the table (one task, modality set and scenario), by
      `Statistics.correction`. Files call it `p_holm`, its name when that was the only correction,
      so that exports and baselines of earlier versions can be read.
    """

    a: Method
    b: Method
    metric: str
    difference: float
    low: float
    high: float
    standard_error: float
    p: float
    p_adjusted: float = msgspec.field(name="p_holm")


class Interval(msgspec.Struct, frozen=True):
    """A method's own bootstrap over groups x seeds of the primary metric."""

    method: Method
    metric: str
    low: float
    high: float
    standard_error: float


class TableStatistics(TableKey, frozen=True, kw_only=True):
    """How the statistics of one table (task, modality set, scenario) and metric were made, or why
    there are none.

    - seeds: those (and splits) of the cells that every compared method has.
    - groups: of the test part, of all splits.
    - resamples: how many were drawn.
    - left_out: how many of them had no score of some method (they lack a class, say) and were not
      used.
    - critical: what the largest statistic of all comparisons exceeds with probability alpha where
      no two methods differ (None: not known).
    - reason: why no method, or which method, is not compared ("" = all are).
    """

    metric: str
    seeds: tuple[Repeat, ...] = ()
    groups: int = 0
    resamples: int = 0
    left_out: int = 0
    critical: float | None = None
    reason: str = ""


class ImputationStatistics(msgspec.Struct, kw_only=True):
    """Paired comparisons of imputers on the same hidden entries of the same records; lower is
    better.

    Methods and tables have no task and no fuser (""): an imputation serves all of them.

    - intervals: of mae, rmse and crps.
    - comparisons: of mae, a - b, all pairs of a table (one modality set and scenario).
    """

    intervals: list[Interval] = []
    comparisons: list[Comparison] = []
    tables: list[TableStatistics] = []


class Statistics(msgspec.Struct, kw_only=True):
    """What is computed from predictions and stored, so that tables can be regenerated without them.

    - resamples: the least number of resamples per table (see
      `bench.statistics.corrections.resamples_for`).
    - correction: how p-values are adjusted for the number of comparisons. Earlier versions do not
      say it: theirs are adjusted by Holm's procedure.
    - gains: of two modality sets, the larger (a) against the smaller (b) with the same imputer and
      fuser; adjusted within the gains of one task and scenario.
    - imputation: of imputers on hidden entries.
    """

    resamples: int
    alpha: float
    seed: int
    correction: Correction = "holm"
    intervals: list[Interval] = []
    comparisons: list[Comparison] = []
    tables: list[TableStatistics] = []
    gains: list[Comparison] = []
    imputation: ImputationStatistics = msgspec.field(default_factory=ImputationStatistics)


class TaskSummary(msgspec.Struct, frozen=True):
    """What a table must know of a task: metrics (the first is primary). compared: those besides the
    primary one by which methods are compared too.
    """

    name: str
    kind: str
    metrics: tuple[str, ...]
    summary: str = ""
    compared: tuple[str, ...] = ()


class Further(msgspec.Struct, frozen=True):
    """A score that was computed from stored predictions: of the test part, of the validation part,
    and of the best possible prediction. None where it is not defined, or there is nothing to score.
    """

    test: float | None = None
    validation: float | None = None
    oracle: float | None = None


class MetricSummary(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a table must know of a metric, so that it can be made where its plugin is not
    installed.
    """

    higher: bool | None = True
    chance: float | None = None
    summary: str = ""


IMPUTATION = "imputation"
"""What a published value names in place of a task when it is a score on hidden entries."""

IMPUTATION_METRICS = ("mae", "rmse", "crps")
"""What is published of one."""


class Published(msgspec.Struct, frozen=True):
    """A published value: stands in a column of its own, never among ours."""

    task: Annotated[
        str,
        msgspec.Meta(
            description="The task; `imputation` for a score on hidden entries (`mae`, `rmse`, `crps`), whose `method` is "
            "an imputer."
        ),
    ]
    method: Annotated[
        str,
        msgspec.Meta(
            description="`imputer + fuser`, or the label of an imputer or fuser that only one row bears: it stands beside "
            "that row. Any other name gets a line of its own."
        ),
    ]
    metric: Annotated[str, msgspec.Meta(description="The metric, by our name of it.")]
    value: Annotated[float, msgspec.Meta(description="The score.")]
    std: Annotated[float | None, msgspec.Meta(description="Its standard deviation over seeds.")] = None
    source: Annotated[str, msgspec.Meta(description="Where it was published.")] = ""
    modalities: Annotated[
        str, msgspec.Meta(description="The modality set it was published for; empty: every table of the task.")
    ] = ""
    scenario: Annotated[
        str,
        msgspec.Meta(
            description="The scenario it was published for, by its label (`mcar(rate=0.1)`); empty: every table of the "
            "task."
        ),
    ] = ""
    release: Annotated[
        str,
        msgspec.Meta(
            description="The release it was measured on, as the dataset tells it. Empty: not known, so it never stands "
            "beside ours."
        ),
    ] = ""
    data: Annotated[dict[str, Any], msgspec.Meta(description="Parameters of the dataset that must be so.")] = {}
    notes: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="What is odd about the value: a sentence each, printed below the table."),
    ] = ()


class Override(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key of a suite that a run set to something else than the suite and its profile: both values
    in words.

    shipped: the name of the installed suite that `suite` is the value of, where the run was of
             another file of that name.
    """

    key: str
    value: str
    suite: str
    shipped: str = ""


class Export(msgspec.Struct, kw_only=True):
    """All a leaderboard is made of: the suite, every planned cell, the records without predictions,
    the comparisons.

    - planned: the coordinates and the key of each cell of the plan, in order; a planned cell
      without a record is shown as not-run.
    - controls: labels of imputers and fusers that are in the grid as controls.
    - completing: (imputer, fuser), their labels, where the fuser completes by itself what the
      imputer leaves open. The imputer is then no control.
    - scaling: what standardisation was learnt over; every rule but `train` is in all notes.
    - hiding: the parts in which scenarios hide, empty for all of them.
    - fill_absent: whether imputers filled modalities that a record lacks altogether.
    - metrics: what is known of the metrics of the tasks; empty in exports of earlier versions.
    - overrides: all in which the run differs from the suite and its profile
      (`bench.grid.differences`); every output says it in its first lines.
    - release: which release the data are (empty: not recorded; `bench.data.release`).
    - data: the parameters of the dataset.
    - notes: further sentences that every table says.
    - ingredients: what the keys of the plan were made of (`bench.grid.ingredients`).
    - deterministic: the labels of components declared so (None: made by a version that did not
      say).
    - edited: the keys of planned cells whose key is another with the code, the suite and the data
      as they were when this was made. Their records were made before an edit.
    - edits: what was edited (`bench.run.edited`).
    - run: which run it is of; None where records of several may stand in it.
    """

    schema: int = SCHEMA
    run: RunInfo | None = None
    suite: str
    title: str
    dataset: str
    synthetic: bool
    release: str = ""
    data: dict[str, Any] = {}
    profile: str = "demo"
    overrides: list[Override] = []
    scaling: str = "train"
    hiding: str = ""
    fill_absent: bool = False
    notes: tuple[str, ...] = ()
    command: str
    tasks: list[TaskSummary]
    metrics: dict[str, MetricSummary] = {}
    planned: list[tuple[Coordinates, str]]
    records: list[Record]
    statistics: Statistics | None = None
    control_imputers: list[str] = []
    control_fusers: list[str] = []
    completing: list[tuple[str, str]] = []
    published: list[Published] = []
    modality_sets: dict[str, list[str]] = {}
    ingredients: dict[str, str] = {}
    deterministic: list[str] | None = None
    edited: list[str] = []
    edits: list[str] = []

    @property
    def splits(self) -> list[str]:
        """The splits of its cells."""
        return list(dict.fromkeys(at.split for at, _ in self.planned)) or [PATIENT]
