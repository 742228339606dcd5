"""Promises of fusers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from bench.cohort import Cohort, Series, Task
from bench.components import Context
from bench.errors import BenchError
from bench.metrics.scoring import value
from bench.stages.audits import REACHED, SHIFT, overwritten, shifted
from bench.stages.contract import broken_predictions
from bench.testing import common  # noqa: F401  the shared promises come first
from bench.testing.checks import promise
from bench.testing.common import needs_form, require_independent, twice, works_on
from bench.testing.subject import NOBODY, Parts, Subject, each, emptied, with_target, without_validation
from bench.testing.toy import TOY_TASKS
from bench.testing.words import require, require_same, skip

FEW = 0.05
"""Share of the records that may be predicted wrongly where the answer is plain: a short training
is no defect.
"""

LEARNT = 0.7
"""AUROC on held-out toy records that counts as having learnt; chance is 0.5, standard error 0.06
on 100 records.
"""


def require_form(subject: Subject, cohort: Cohort, result: dict[str, Any], task: Task | None = None) -> None:
    """Require the type, shape, dtype and range that `predict` promises for the task."""
    problem = broken_predictions(result["predictions"], task or subject.task, len(cohort))
    require(not problem, problem)


@promise("fuser")
def output_form(subject: Subject) -> None:
    """`predict` gives a plain array, float32 [n, outputs], finite; probabilities lie in [0, 1],
    those of classes sum to 1.
    """
    require_form(subject, subject.data.test, subject.returned())


@promise("fuser")
def batch_independent(subject: Subject) -> None:
    """Predicted again alone, with others in another order, or after other calls, a record
    gets the same prediction.
    """
    needs_form(subject, require_form)
    require_independent(subject)


@promise("fuser")
def learns(subject: Subject) -> None:
    """It learns an easy task: AUROC of at least 0.7 on held-out toy records, with its parameters
    for tests.
    """
    outputs = subject.result()["predictions"].astype(np.float64)
    if subject.task.kind == "multiclass":
        outputs = outputs @ np.arange(outputs.shape[1])[:, None]
    auroc = value("auroc", subject.data.test.targets["toy"], outputs[:, :1])
    require(auroc >= LEARNT, f"AUROC {auroc:.3f} on held-out toy records; {LEARNT} is easy")


@promise("fuser")
def targets_unseen(subject: Subject) -> None:
    """Targets that stand in the cohort by mistake have no effect on `predict`."""
    subject.require_reproducible()
    whole, test = subject.result()["predictions"], with_target(subject.data.test, subject.task)
    again = subject.fitted().predict(test, Context())
    require_same(whole, again, "predictions with targets in the cohort")


@promise("fuser")
def imputed_values_reach(subject: Subject) -> None:
    """Shifting a record's imputed values by 5 standard deviations changes its prediction, for 90
    % of the records; of a fuser tagged own_imputer, for none.
    """
    subject.require_reproducible()
    if subject.has("own_imputer"):
        moved, _ = _moved(subject, None)
        require(
            not moved.any() and subject.fitted().reads_imputed is False,
            f"tagged own_imputer, but {int(moved.sum())} predictions change when imputed values shift by 5 SD, and "
            f"reads_imputed is {subject.fitted().reads_imputed}",
        )
        return
    _reaches(subject)


@promise("fuser")
def every_modality_reaches(subject: Subject) -> None:
    """Imputed values of each modality reach some prediction."""
    if subject.has("own_imputer"):
        skip("tagged own_imputer")
    subject.require_reproducible()
    _reaches(subject)
    for name in subject.data.test.modalities:
        moved, _ = _moved(subject, name)
        require(bool(moved.any()), f"no prediction changes when the imputed values of {name} shift by 5 SD")


def _reaches(subject: Subject) -> None:
    def run() -> None:
        moved, shiftable = _moved(subject, None)
        still, total = int((shiftable & ~moved).sum()), int(shiftable.sum())
        detail = f"{still} of {total} predictions do not change when imputed values shift by 5 SD, up or down"
        require(still <= (1 - REACHED) * total, detail)

    subject.returned()
    subject.once("imputed_values_reach", run)


def _moved(subject: Subject, only: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Which predictions change under a shift of imputed values up or down, and which records
    have any to shift.
    """
    whole, test = subject.result()["predictions"], subject.data.test
    shiftable = np.zeros(len(test), bool)
    for name, series in test.modalities.items():
        if only in (None, name):
            shiftable |= series.imputed.any(axis=(1, 2))

    moved = np.zeros(len(test), bool)
    for by in (SHIFT, -SHIFT):
        changed = subject.apply(subject.fitted(), each(test, partial(shifted, shift=by), only))["predictions"]
        moved |= (changed != whole).any(axis=1)
    return moved, shiftable


@promise("fuser")
def absent_modality_ignored(subject: Subject) -> None:
    """Where a modality is neither available nor filled, what its grid holds has no effect."""
    subject.require_reproducible()
    whole, test = subject.result()["predictions"], subject.data.test
    changed = subject.apply(subject.fitted(), overwritten(test))["predictions"]
    require_same(whole, changed, "predictions after the grid of absent, unfilled modalities changed")


@promise("fuser")
def absent_modality_not_learnt(subject: Subject) -> None:
    """What the grid holds where a modality is neither available nor filled has no effect on what
    is learnt.
    """
    subject.require_reproducible()
    whole, small = twice(subject)["predictions"], subject.small
    changed = subject.fit(replace(small, train=overwritten(small.train), valid=overwritten(small.valid)))
    again = subject.apply(changed, small.test)["predictions"]
    require_same(
        whole, again, "predictions after the grid of absent, unfilled modalities changed in what was learnt from"
    )


@promise("fuser")
def events_as_declared(subject: Subject) -> None:
    """Values of the time-stamped events change predictions if it is tagged uses_events and reads
    them, and only then.
    """
    subject.require_reproducible()
    whole, test = subject.result()["predictions"], subject.data.test

    def shift(series: Series) -> Series:
        return replace(series, events=replace(series.events, values=5 - 3 * series.events.values))

    changed = subject.apply(subject.fitted(), each(test, shift))["predictions"]
    if not subject.has("uses_events"):
        require_same(whole, changed, "not tagged uses_events, but predictions after the events changed")
    elif subject.fitted().reads_events:
        require(bool((changed != whole).any()), "tagged uses_events, but no prediction changes with the events")
    else:
        require_same(whole, changed, "says that it reads no events (reads_events), but predictions after they changed")


@promise("fuser")
def draws_reach(subject: Subject) -> None:
    """A fuser tagged uses_draws reads them: other draws beside the same grid give other
    predictions.
    """
    if not subject.has("uses_draws"):
        skip("not tagged uses_draws")
    subject.require_reproducible()
    whole, test = subject.result()["predictions"], subject.data.test

    other = each(test, lambda series: replace(series, draws=shifted(series, SHIFT).draws))
    changed = subject.apply(subject.fitted(), other)["predictions"]
    require(bool((changed != whole).any()), "tagged uses_draws, but no prediction changes with the draws")


@promise("fuser")
def nan_grid(subject: Subject) -> None:
    """A grid with NaN is accepted if it is tagged nan_aware; otherwise it is refused by an error
    that speaks of NaN.
    """

    def open_gaps(series: Series) -> Series:
        grid = np.where(series.observed, series.grid, np.float32(np.nan))
        return replace(series, grid=grid, filled=np.zeros_like(series.filled))

    subject.fitted()
    gaps = subject.small.map(lambda cohort: each(cohort, open_gaps))
    if subject.has("nan_aware"):
        require_form(subject, gaps.test, subject.raw(subject.fit(gaps), gaps.test))
        return
    try:
        subject.fit(gaps)
    except (BenchError, ValueError) as error:
        require("nan" in str(error).lower(), f"NaN in the grid is refused by an error that does not say so: {error}")
        return
    require(False, "not tagged nan_aware, but fits a grid with NaN without a word")


@promise("fuser")
def one_class_in_validation(subject: Subject) -> None:
    """It fits when the validation part holds records of one class only."""
    if subject.task.kind == "regression":
        skip("takes regression tasks only")
    small = subject.small
    target = small.valid.targets[subject.task.name].reshape(len(small.valid), -1)[:, 0]
    valid = small.valid.take(np.flatnonzero(target == target.min()))
    works_on(subject, replace(small, valid=valid), require_form)


@promise("fuser")
def no_validation(subject: Subject) -> None:
    """It fits when the validation part is empty."""
    works_on(subject, without_validation(subject.small), require_form)


@promise("fuser")
def nobody_to_predict(subject: Subject) -> None:
    """For no records at all it predicts no rows: [0, outputs]."""
    needs_form(subject, require_form)
    nobody = subject.data.test.take(NOBODY)
    require_form(subject, nobody, subject.raw(subject.fitted(), nobody))


@promise("fuser")
def one_record_left_over(subject: Subject) -> None:
    """It fits and predicts when the last batch holds a single record."""
    batch = getattr(subject.build().params, "batch_size", 64)
    batch = batch if isinstance(batch, int) and 1 < batch <= 128 else 64
    data = subject.completed_parts(batch + 2, 16, batch + 2, length=4)
    index = np.arange(batch + 1)
    works_on(subject, Parts(data.train.take(index), data.valid, data.test.take(index)), require_form)


@promise("fuser")
def one_modality(subject: Subject) -> None:
    """It works on one modality with one channel."""
    works_on(subject, subject.completed_parts(48, 16, 16, length=6, modalities={"only": 1}), require_form)


@promise("fuser")
def modality_never_seen(subject: Subject) -> None:
    """It works where a whole modality is absent from every record and no imputer filled it."""

    def nobody(series: Series) -> Series:
        gone = emptied(series)
        return replace(gone, grid=np.zeros_like(gone.grid), filled=np.zeros_like(gone.filled))

    works_on(subject, subject.small.map(lambda cohort: each(cohort, nobody, only="labs")), require_form)


@promise("fuser")
def one_bin(subject: Subject) -> None:
    """It works on series of one bin."""
    works_on(subject, subject.completed_parts(48, 16, 16, length=1, rate=0.9), require_form)


@promise("fuser")
def statics_unknown(subject: Subject) -> None:
    """It works where no static covariate of any record is known: all are NaN."""

    def forget(cohort: Cohort) -> Cohort:
        return replace(cohort, statics=np.full_like(cohort.statics, np.nan))

    works_on(subject, subject.small.map(forget), require_form)


@promise("fuser")
def no_statics(subject: Subject) -> None:
    """It works on a cohort without static covariates."""

    def strip(cohort: Cohort) -> Cohort:
        return replace(cohort, statics=cohort.statics[:, :0], static_names=())

    works_on(subject, subject.small.map(strip), require_form)


def _predicted(subject: Subject, kind: str, data: Parts) -> np.ndarray:
    """What it predicts for the test part of a task of this kind, in the right form; skipped
    where it refuses the kind.
    """
    task = TOY_TASKS[kind]
    needs_form(subject, require_form)
    try:
        fitted = subject.fit(data, task)
    except BenchError as refusal:
        skip(f"refuses {kind} tasks: {refusal}")
    result = subject.raw(fitted, data.test)
    require_form(subject, data.test, result, task)
    predictions: np.ndarray = result["predictions"]
    return predictions


def _takes(subject: Subject, kind: str) -> None:
    if TOY_TASKS[kind] is not subject.task:
        _predicted(subject, kind, subject.small)
        return
    needs_form(subject, require_form)
    require_form(subject, subject.small.test, subject.small_fit().returned)


@promise("fuser")
def takes_binary(subject: Subject) -> None:
    """It predicts the probability of class 1 of a binary task, or refuses such tasks clearly."""
    _takes(subject, "binary")


@promise("fuser")
def takes_multiclass(subject: Subject) -> None:
    """It predicts the probabilities of a multiclass task, or refuses such tasks clearly."""
    _takes(subject, "multiclass")


@promise("fuser")
def takes_multilabel(subject: Subject) -> None:
    """It predicts the probabilities of a multilabel task, or refuses such tasks clearly."""
    _takes(subject, "multilabel")


@promise("fuser")
def takes_regression(subject: Subject) -> None:
    """It predicts the value of a regression task, or refuses such tasks clearly."""
    _takes(subject, "regression")


@promise("fuser")
def class_unseen(subject: Subject) -> None:
    """Of a multiclass task, a class that no training record has is the likeliest one for at most
    5 % of the records.
    """
    data, name = subject.data, TOY_TASKS["multiclass"].name
    train = data.train.take(np.flatnonzero(data.train.targets[name] != 1))
    outputs = _predicted(subject, "multiclass", replace(data, train=train))
    likeliest = int((outputs[:, 1] == outputs.max(axis=1)).sum())
    require(
        likeliest <= FEW * len(outputs),
        f"a class that was never seen is likeliest for {likeliest} of {len(outputs)} records",
    )


@promise("fuser")
def label_never_varies(subject: Subject) -> None:
    """A binary label that is 1 in the whole training part is predicted to be 1, for most records.

    Not for all: with the parameters of a test a training takes seconds, and may not have come far.
    """
    data, name = subject.data, TOY_TASKS["binary"].name
    train = replace(data.train, targets={**data.train.targets, name: np.ones_like(data.train.targets[name])})
    outputs = _predicted(subject, "binary", replace(data, train=train))
    middle = float(np.median(outputs))
    require(middle > 0.5, f"the median probability is {middle:.2g}, of a label that was always 1")


@promise("fuser")
def target_scale(subject: Subject) -> None:
    """A regression is learnt as well in another unit: a target 1000 times as large has at most
    1000 times the error (+ 10 %).
    """
    name = TOY_TASKS["regression"].name

    def error(scale: float) -> float:
        data = subject.data.map(lambda c: replace(c, targets={**c.targets, name: c.targets[name] * np.float32(scale)}))
        return float(np.abs(_predicted(subject, "regression", data)[:, 0] - data.test.targets[name]).mean() / scale)

    own, large = error(1), error(1000)
    require(
        large <= 1.1 * own,
        f"the mean absolute error is {own:.3g}, and 1000 x {large:.3g} where the target is 1000 times as large",
    )


@promise("fuser")
def embeds(subject: Subject) -> None:
    """`embed`, where offered, gives float32 [n, width] of finite numbers."""
    test = subject.data.test
    embedded = subject.fitted().embed(test.without_targets(), Context())
    if embedded is None:
        skip("offers no embedding")
    right = isinstance(embedded, np.ndarray) and embedded.ndim == 2 and len(embedded) == len(test)
    require(right, f"embed gives {getattr(embedded, 'shape', type(embedded).__name__)} for {len(test)} records")
    require(embedded.dtype == np.float32, f"embeddings are {embedded.dtype}, not float32")
    require(bool(np.isfinite(embedded).all()), "embeddings are not all finite")


@promise("fuser")
def counts_parameters(subject: Subject) -> None:
    """After `fit`, `parameters` gives a whole number, 0 where the notion does not apply."""
    count = subject.fitted().parameters()
    require(isinstance(count, int) and count >= 0, f"parameters() gives {count!r}")
