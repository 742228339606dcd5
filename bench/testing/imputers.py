"""Promises of imputers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bench import arrays
from bench.cohort import Cohort, Series, bin_events
from bench.components import Context
from bench.stages.contract import broken_completion, moved
from bench.testing import common  # noqa: F401  the shared promises come first
from bench.testing.checks import promise
from bench.testing.common import needs_form, require_independent, works_on
from bench.testing.subject import Parts, Subject, each, emptied, parts, with_values, without_validation
from bench.testing.words import require, require_same, skip


def require_form(subject: Subject, cohort: Cohort, result: Any) -> None:
    """Require the type, shape, dtype and content that `impute` promises, as far as the tags let
    them stand.
    """
    problem = broken_completion(result, cohort, subject.draws, subject.spec.tags)
    require(not problem, problem)


@promise("imputer")
def output_form(subject: Subject) -> None:
    """`impute` gives plain arrays, per modality float32 [draws, n, length, channels], finite
    (NaN only if tagged leaves_nan).
    """
    require_form(subject, subject.data.test, subject.returned())


@promise("imputer")
def observed_untouched(subject: Subject) -> None:
    """What was observed comes back bit-identical, in every draw."""
    if subject.has("hides_values"):
        skip("tagged hides_values")
    test = subject.data.test
    for name, result in subject.result().items():
        count, largest = moved(test.modalities[name], np.moveaxis(result, 1, 0))
        require(not count, f"{count} observed entries of {name} came back changed, by up to {largest:.3g}")


@promise("imputer")
def imputer_independent(subject: Subject) -> None:
    """Completed again alone, with others in another order, or after other calls, a record
    gets the same values.
    """
    needs_form(subject, require_form)
    require_independent(subject)


@promise("imputer")
def values_hidden(subject: Subject) -> None:
    """An imputer tagged hides_values lets no recorded value through: other values, same result."""
    if not subject.has("hides_values"):
        skip("not tagged hides_values")
    whole, test = subject.result(), subject.data.test
    changed = subject.apply(subject.fitted(), with_values(test, np.ones(len(test), bool), lambda v: 5 - 3 * v))
    for name in whole:
        require_same(whole[name], changed[name], f"{name} after every value changed")


@promise("imputer")
def draws_honoured(subject: Subject) -> None:
    """An imputer tagged draws returns as many draws as asked, different from each other; any
    other returns one.
    """
    test = subject.data.test
    result = subject.fitted().impute(test, 4, Context())
    wanted = 4 if subject.has("draws") else 1
    for name, array in result.items():
        require(len(array) == wanted, f"asked for 4 draws of {name}, got {len(array)}; by its tags it gives {wanted}")
    if subject.has("draws"):
        for a in range(4):
            for b in range(a):
                alike = all(np.array_equal(array[a], array[b], equal_nan=True) for array in result.values())
                require(not alike, f"draws {b} and {a} are the same")


@promise("imputer")
def draws_nested(subject: Subject) -> None:
    """Asking for more draws begins with the same draws."""
    if not subject.has("draws"):
        skip("not tagged draws")
    subject.require_reproducible()
    test = subject.data.test
    many = subject.fitted().impute(test, 4, Context())
    for draws in (1, 2, 3):
        few = subject.fitted().impute(test, draws, Context())
        for name in few:
            what = f"the first {draws} of 4 draws of {name}"
            require_same(few[name], many[name][:draws], what, exact=not subject.has("torch"))


@promise("imputer")
def saves_and_loads(subject: Subject) -> None:
    """A fresh imputer that takes the stored state imputes the same, without `fit`."""
    subject.require_reproducible()
    whole = subject.result()
    path = subject.folder / "state.safetensors"
    arrays.write(path, subject.fitted().state_dict())
    fresh = subject.build()
    fresh.load_state_dict(arrays.read(path)[0])
    again = subject.apply(fresh, subject.data.test)
    for name in whole:
        require_same(whole[name], again[name], f"{name} after saving and loading")


@promise("imputer")
def one_channel(subject: Subject) -> None:
    """It works on one modality with one channel."""
    works_on(subject, parts(32, 8, 12, length=6, modalities={"only": 1}).map(Cohort.without_targets), require_form)


@promise("imputer")
def one_bin(subject: Subject) -> None:
    """It works on series of one bin."""
    works_on(subject, parts(32, 8, 12, length=1, rate=0.9).map(Cohort.without_targets), require_form)


@promise("imputer")
def empty_record(subject: Subject) -> None:
    """It completes a record that has no observation at all, alone in its call."""
    needs_form(subject, require_form)
    last = subject.data.test.take(np.array([len(subject.data.test) - 1]))
    require_form(subject, last, subject.raw(subject.fitted(), last))


@promise("imputer")
def constant_channel(subject: Subject) -> None:
    """It works where a channel has the same value in all records at all times."""

    def freeze(series: Series) -> Series:
        values = series.events.values.copy()
        values[:, 0] = np.where(np.isnan(values[:, 0]), np.nan, 0)
        events = replace(series.events, values=values)
        return replace(series, events=events, grid=bin_events(events, series.grid.shape[1])[0])

    works_on(subject, subject.small.map(lambda cohort: each(cohort, freeze)), require_form)


@promise("imputer")
def no_validation(subject: Subject) -> None:
    """It fits when the validation part is empty."""
    works_on(subject, without_validation(subject.small), require_form)


@promise("imputer")
def channel_never_seen(subject: Subject) -> None:
    """It works where a channel has no observation in the training part, observed later or not."""
    small = subject.small
    train, valid = (each(cohort, _without_first_channel) for cohort in (small.train, small.valid))
    changed = Parts(train, valid, small.test)
    works_on(subject, changed, require_form)


@promise("imputer")
def modality_never_seen(subject: Subject) -> None:
    """It works where a whole modality is absent from every record."""
    works_on(subject, subject.small.map(lambda cohort: each(cohort, emptied, only="labs")), require_form)


def _without_first_channel(series: Series) -> Series:
    values = series.events.values.copy()
    values[:, 0] = np.nan
    events = replace(series.events, values=values)
    grid, observed = bin_events(events, series.grid.shape[1])
    return replace(series, events=events, grid=grid, observed=observed, available=np.any(observed, axis=(1, 2)))
