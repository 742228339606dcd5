"""Promises of fusers that complete the series by themselves (tag `own_imputer`)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from bench.cohort import Cohort
from bench.components import Context
from bench.stages.audits import SHIFT, shifted
from bench.stages.contract import broken_completion, moved
from bench.testing import fusers  # noqa: F401  their promises come first
from bench.testing.checks import promise
from bench.testing.subject import Subject, each
from bench.testing.words import NotReached, require, require_same, skip


def _returned(subject: Subject, cohort: Cohort, draws: int) -> Any:
    if not subject.has("own_imputer"):
        skip("not tagged own_imputer")
    return subject.fitted().impute(cohort.without_targets(), draws, Context())


def _completed(subject: Subject, cohort: Cohort, draws: int) -> dict[str, np.ndarray]:
    """Its completion, modality -> [draws, n, length, channels]; NotReached where it is none."""
    completed = _returned(subject, cohort, draws)
    if broken_completion(completed, cohort, draws, subject.spec.tags):
        raise NotReached("completion_form")
    kept: dict[str, np.ndarray] = completed
    return kept


@promise("fuser")
def completion_form(subject: Subject) -> None:
    """Tagged own_imputer, its `impute` gives per modality float32 [draws, n, length, channels],
    finite; of any other fuser it gives None.
    """
    test = subject.data.test
    if not subject.has("own_imputer"):
        require(subject.fitted().impute(test, 1, Context()) is None, "impute completes, and no tag own_imputer says so")
        return
    problem = broken_completion(_returned(subject, test, subject.draws), test, subject.draws, subject.spec.tags)
    require(not problem, problem)


@promise("fuser")
def completion_untouched(subject: Subject) -> None:
    """In its own completion, what was observed comes back bit-identical."""
    test = subject.data.test
    for name, values in _completed(subject, test, subject.draws).items():
        count, largest = moved(test.modalities[name], values)
        require(not count, f"{count} observed entries of {name} came back changed, by up to {largest:.3g}")


@promise("fuser")
def completion_independent(subject: Subject) -> None:
    """Its own completion of a record depends neither on other records in the call nor on what an
    imputer wrote.
    """
    test = subject.data.test
    whole = _completed(subject, test, subject.draws)
    subject.require_reproducible()
    backwards = np.arange(len(test))[::-1]
    for index in (backwards[:1], backwards[: len(test) // 2]):
        part = _completed(subject, test.take(index), subject.draws)
        for name in whole:
            require_same(whole[name][:, index], part[name], f"{name} of {len(index)} records alone", exact=False)
    other = _completed(subject, each(test, partial(shifted, shift=SHIFT)), subject.draws)
    for name in whole:
        require_same(whole[name], other[name], f"{name} after imputed values shifted by {SHIFT:g} SD")


@promise("fuser")
def completion_nested(subject: Subject) -> None:
    """Asked for more draws of its own completion, it begins with the same draws."""
    test = subject.data.test
    few = _completed(subject, test, subject.draws)
    if not subject.has("draws"):
        skip("not tagged draws")
    subject.require_reproducible()
    more = _completed(subject, test, subject.draws + 1)
    for name in few:
        require_same(few[name], more[name][:-1], f"the first draws of {name}", exact=not subject.has("torch"))
