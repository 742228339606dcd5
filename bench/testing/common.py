"""Promises that imputers and fusers share: form of the calls, isolation of records,
reproducibility.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from bench.cohort import Cohort
from bench.components import Component, Context, Dataset, Fuser, Imputer, Interrupted, NotFitted, Scenario
from bench.discovery.parameters import parameters
from bench.federation import Federation
from bench.grid.unfollowed import unfollowed
from bench.stages.twin import Twin
from bench.testing.checks import promise
from bench.testing.subject import Parts, Subject, leaves, mapped, with_values
from bench.testing.words import NotReached, Skip, Violation, require, require_same, skip
from bench.testing.worker import apply_elsewhere, audited

BASES: dict[str, type[Component[Any]]] = {
    "dataset": Dataset,
    "scenario": Scenario,
    "imputer": Imputer,
    "fuser": Fuser,
    "federation": Federation,
}


@promise("dataset", "scenario", "imputer", "fuser", "federation", first=True)
def constructs(subject: Subject) -> None:
    """It can be imported and built with its default parameters, and keeps them as `params`."""
    base = BASES[subject.spec.kind]

    def build() -> Any:
        component = subject.spec.build()
        name = type(component).__name__
        require(isinstance(component, base), f"{name} is not a subclass of {base.__module__}.{base.__name__}")
        require(component.params == subject.spec.parameters({}), "params is not the struct it was built with")
        return subject.build()

    subject.once("constructs", build)


@promise("dataset", "scenario", "imputer", "fuser", "federation", "metric")
def sources_followed(subject: Any) -> None:
    """All that decides its results is in its key: import statements lead to all of its code, and
    versions tell of libraries.
    """
    subject.built()
    places = unfollowed(subject.spec.path.partition(":")[0], reads_data=subject.spec.kind == "dataset")
    more = f"; and {len(places) - 5} more" * (len(places) > 5)
    require(
        not places,
        f"what no key notices an edit of: {'; '.join(places[:5])}{more}; "
        "see docs/reference/plugin-contract.md, What is in the key",
    )


@promise("dataset", "scenario", "imputer", "fuser", "federation")
def parameters_described(subject: Subject) -> None:
    """Every parameter says what it means: `Meta(description=...)`, which `bench show` prints; no
    failure if not.
    """
    subject.built()
    silent = [each.name for each in parameters(subject.spec.params) if not each.description]
    if silent:
        skip(f"no description: {', '.join(silent)}; give each one msgspec.Meta(description=...), for bench show")


@promise("imputer", "fuser", first=True)
def fits(subject: Subject) -> None:
    """It fits on toy records (of fusers: with one task's target; of imputers: with none) and is
    applied to others.
    """
    subject.returned()


@promise("imputer", "fuser")
def refuses_before_fit(subject: Subject) -> None:
    """Before `fit` it is refused with NotFitted."""
    subject.built()
    component = subject.build()
    call = "impute" if subject.spec.kind == "imputer" else "predict"
    try:
        subject.raw(component, subject.small.test)
    except NotFitted:
        return
    except Exception as error:
        require(False, f"{call} before fit raised {type(error).__name__} ({error}) instead of NotFitted")
    require(False, f"{call} before fit returned a result instead of raising NotFitted")


@promise("imputer", "fuser")
def inputs_untouched(subject: Subject) -> None:
    """Neither `fit` nor `impute` or `predict` changes the arrays it is given, nor its own
    parameters.
    """
    small = subject.small_fit()
    for part in ("train", "valid", "test"):
        before, after = leaves(getattr(subject.small, part)), leaves(getattr(small.data, part))
        for name in before:
            require_same(before[name], after[name], f"{name} of the {part} part was written to")
    declared = msgspec.to_builtins(subject.build().params)
    require(msgspec.to_builtins(small.component.params) == declared, "the parameters were changed")


@promise("imputer", "fuser")
def read_only_inputs(subject: Subject) -> None:
    """It works on read-only, memory-mapped arrays, as the harness hands them over."""
    subject.fitted()
    paths = iter(["train", "valid", "test"])
    small = subject.small.map(lambda cohort: mapped(cohort, subject.folder / f"{next(paths)}.safetensors"))
    subject.raw(subject.fit(small), small.test)


@promise("imputer", "fuser")
def same_alone_or_together(subject: Subject) -> None:
    """A record's result is the same, up to rounding, whether it comes alone, in half of the
    batch or in all of it.
    """
    subject.require_reproducible()
    whole, test = subject.result(), subject.data.test
    index = np.arange(len(test))
    lacking = int(np.flatnonzero(~next(iter(test.modalities.values())).available)[0])
    for chosen in (
        index[:1],
        index[lacking : lacking + 1],
        index[-1:],
        index[: len(index) // 2],
        index[len(index) // 2 :],
    ):
        part = subject.apply(subject.fitted(), test.take(chosen))
        for name in whole:
            what = f"{name} of {len(chosen)} record{'s' * (len(chosen) > 1)} taken out of {len(index)}"
            require_same(whole[name][chosen], part[name], what, exact=False)


@promise("imputer", "fuser")
def other_records_have_no_effect(subject: Subject) -> None:
    """Changing every other patient's values changes nothing in a record's result."""
    subject.require_reproducible()
    whole, test = subject.result(), subject.data.test
    for kept in (0, len(test) // 2):
        others = np.arange(len(test)) != kept
        changed = subject.apply(subject.fitted(), with_values(test, others, lambda values: 5 - 3 * values))
        for name in whole:
            require_same(whole[name][kept], changed[name][kept], f"{name} of a record whose batch mates changed")


@promise("imputer", "fuser")
def order_has_no_effect(subject: Subject) -> None:
    """Turning the order of the records around turns the results around and does nothing else."""
    subject.require_reproducible()
    whole, test = subject.result(), subject.data.test
    backwards = np.arange(len(test))[::-1]
    turned = subject.apply(subject.fitted(), test.take(backwards))
    for name in whole:
        require_same(whole[name][backwards], turned[name], f"{name} in reversed order", exact=False)


@promise("imputer", "fuser")
def earlier_calls_have_no_effect(subject: Subject) -> None:
    """What it was applied to before changes nothing: after other records, and once more, it
    gives what it gave at first.
    """
    subject.require_reproducible()
    subject.returned()
    component, test = subject.fit(subject.small), subject.small.test
    with Twin(component, subject.spec, Context()) as twin:
        first = subject.apply(component, test)
        twin.ask(test.take(np.arange(len(test))[-2:]).without_targets(), subject.draws)
        other, problem = twin.ask(test.without_targets(), subject.draws)
    require(not problem, f"after other calls {problem}")
    other = other if subject.spec.kind == "imputer" else {"predictions": other}
    for again in (subject.records_first(other, len(test)), subject.apply(component, test)):
        for name in first:
            require_same(first[name], again[name], f"{name} after other calls", exact=False)


@promise("imputer", "fuser")
def reproducible(subject: Subject) -> None:
    """Fitted and applied twice with the same seed it gives the same bits, whatever global
    generators hold.
    """
    subject.require_reproducible()
    twice(subject)


def twice(subject: Subject) -> dict[str, np.ndarray]:
    """What it gives on `small`, found to be the same twice."""

    def run() -> dict[str, np.ndarray]:
        first = subject.small_result()
        random.random()
        np.random.random()  # noqa: NPY002  a component that uses the global generator shall find it in another state
        second = subject.apply(subject.fit(subject.small), subject.small.test)
        for name in first:
            require_same(first[name], second[name], f"{name}, same seed twice")
        return first

    return subject.once("reproducible", run)


@promise("imputer", "fuser")
def same_in_another_process(subject: Subject) -> None:
    """A fresh process, as a worker is, gives the same bits."""
    subject.require_reproducible()
    here, (there, _) = twice(subject), elsewhere(subject)
    for name in here:
        require_same(here[name], there[name], f"{name} in another process")


def elsewhere(subject: Subject) -> tuple[dict[str, np.ndarray], str]:
    """What it gives on `small` in another process, and what its audit of independence finds
    there.
    """
    return subject.once("same_in_another_process", lambda: apply_elsewhere(subject))


def require_independent(subject: Subject) -> None:
    """Require the audit of independence of a run to pass, in a process in which no check left
    anything to remember.
    """
    subject.require_reproducible()
    try:
        _, fault = elsewhere(subject)
    except NotReached:
        raise
    except Skip:
        _, fault = audited(subject)
    require(not fault, fault)


@promise("imputer", "fuser")
def stops_and_goes_on(subject: Subject) -> None:
    """Stopped in the middle of `fit` it raises Interrupted; fitted again, with the same scratch
    folder, it ends the same.
    """
    subject.require_reproducible()
    subject.returned()
    whole, polls = subject.small_result(), subject.small_fit().polls
    if polls < 2:
        skip("its fit does not ask whether to stop")
    calls = 0

    def in_the_middle() -> bool:
        nonlocal calls
        calls += 1
        return calls > polls // 2

    scratch = subject.folder / "scratch"
    scratch.mkdir()
    try:
        subject.fit(subject.small, should_stop=in_the_middle, scratch=scratch)
    except Interrupted:
        pass
    else:
        require(False, "should_stop became True in the middle of fit, and fit did not raise Interrupted")
    again = subject.apply(subject.fit(subject.small, scratch=scratch), subject.small.test)
    for name in whole:
        require_same(whole[name], again[name], f"{name} of a fit that was interrupted and begun again")


@promise("imputer", "fuser")
def randomness_is_declared(subject: Subject) -> None:
    """A component declared deterministic gives the same bits for every seed."""
    if subject.spec.randomness != "deterministic":
        skip(f"declared {subject.spec.randomness}")
    first, other = twice(subject), subject.apply(subject.fit(subject.small, seed=1), subject.small.test, seed=1)
    for name in first:
        require_same(first[name], other[name], f"{name} with seed 0 and seed 1, although declared deterministic")


Form = Callable[[Subject, Cohort, dict[str, Any]], None]


def needs_form(subject: Subject, form: Form) -> None:
    """NotReached where the ordinary result has not the right form, so that one defect is
    reported once.
    """
    result = subject.returned()
    try:
        form(subject, subject.data.test, result)
    except Violation:
        raise NotReached("output_form") from None


def works_on(subject: Subject, data: Parts, form: Form) -> None:
    """Require a fit and an application on other data to succeed and to have the right form."""
    needs_form(subject, form)
    form(subject, data.test, subject.raw(subject.fit(data), data.test))
