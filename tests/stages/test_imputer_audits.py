"""Audits of an impute stage: whoever looks at other records, at calls before or at the number of
draws is found; nobody else.
"""

from __future__ import annotations

import time
from typing import Any

import bad_histories
import bad_plugins
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cohort import Cohort
from bench.components import Context
from bench.registry import NoParams, Registry, Spec
from bench.results.records import Audit
from bench.stages.imputer_audits import ALONE, ImputerAudits
from bench.stages.twin import Twin
from bench.testing.toy import toy_cohort

COHORT = toy_cohort(n=40, length=6).without_targets()
INDEPENDENT, NESTED = "imputer-independent", "draws-nested"


def spec_of(**declared: Any) -> Spec:
    registry = Registry()
    registry.imputer("it", "bad_plugins:Honest", **{"tags": ("draws",), "randomness": "seeded", **declared})
    return registry.get("imputer", "it")


def audited(
    imputer: bad_plugins.Honest,
    draws: int = 5,
    cohort: Cohort = COHORT,
    spec: Spec | None = None,
    calls: list[tuple[int, int, float]] | None = None,
    limit: float = float("inf"),
    **asked: Any,
) -> ImputerAudits:
    """The audits of what an imputer makes of a cohort, as the stage does it. calls: gets
    records, draws and seconds of each.
    """
    imputer.fit(COHORT, COHORT, Context(seed=1))
    spec = spec or spec_of()
    with Twin(imputer, spec, Context(seed=1)) as twin:
        began = time.perf_counter()
        stage = imputer.impute(cohort, draws, Context(seed=1))
        seconds = time.perf_counter() - began
        if calls is not None:
            ask = twin.ask

            def timed(part: Cohort, draws: int = 1) -> tuple[Any, str]:
                began = time.perf_counter()
                answer = ask(part, draws)
                calls.append((len(part), draws, time.perf_counter() - began))
                return answer

            twin.ask = timed  # type: ignore[method-assign]
        return ImputerAudits(twin, spec, cohort, stage, Context(seed=1), limit).run(seconds=seconds, **asked)


def failed(results: dict[str, Audit]) -> set[str]:
    return {name for name, audit in results.items() if audit.passed is False}


@pytest.mark.parametrize(
    ("liar", "audit"),
    [
        ("LeaksAcrossPatients", INDEPENDENT),
        ("DependsOnPlace", INDEPENDENT),
        ("DependsOnBatchSize", INDEPENDENT),
        ("SamplesFromGlobalGenerator", INDEPENDENT),
        ("LearnsFromCalls", INDEPENDENT),
        ("RemembersFirstCall", INDEPENDENT),
        ("CountsCalls", INDEPENDENT),
        ("FailsAlone", INDEPENDENT),
        ("NeedsCompany", INDEPENDENT),
        ("DrawsNotNested", NESTED),
        ("SortsDraws", NESTED),
        ("PairsDraws", NESTED),
        ("ReturnsOneDraw", NESTED),
    ],
)
@pytest.mark.parametrize("limit", [0.0, float("inf")])
def test_each_liar_is_found_by_the_audit_of_its_promise_even_where_there_is_no_time(
    liar: str, audit: str, limit: float
) -> None:
    kind = getattr(bad_histories, liar, None) or getattr(bad_plugins, liar)
    draws = 1 if liar == "ReturnsOneDraw" else 4
    found = failed(audited(kind(NoParams()), draws, limit=limit).results)
    assert audit in found
    if liar not in ("SamplesFromGlobalGenerator", "LearnsFromCalls", "CountsCalls"):  # what changes from call to call
        assert found == {audit}


@settings(max_examples=40, deadline=None)
@given(
    draws=st.integers(1, 12),
    n=st.integers(1, 40),
    limit=st.sampled_from([0.0, 0.01, float("inf")]),
    tagged=st.booleans(),
    key=st.text(max_size=3),
)
def test_an_honest_imputer_is_never_accused(draws: int, n: int, limit: float, tagged: bool, key: str) -> None:
    spec = spec_of(tags=("draws",) if tagged else ())
    made = audited(
        bad_plugins.Honest(NoParams()), draws if tagged else 1, COHORT.take(np.arange(n)), spec, limit=limit, key=key
    )
    assert {name: audit.passed for name, audit in made.results.items()} == {
        INDEPENDENT: True,
        NESTED: True if tagged else None,
    }


STATISTICS = {
    "mean": lambda grid: np.nanmean(grid),
    "largest": lambda grid: np.nanmax(grid),
    "spread": lambda grid: np.nanstd(grid),
    "size": lambda grid: len(grid) / 40,
    "first": lambda grid: np.nanmean(grid[0]),
    "last": lambda grid: np.nanmean(grid[-1]),
    "neighbour": lambda grid: np.roll(np.nanmean(grid, axis=(1, 2)), 1)[:, None, None],
    "place": lambda grid: np.arange(len(grid))[:, None, None] / len(grid),
}
"""What an imputer may take of the other records of a call."""


@settings(max_examples=60, deadline=None)
@given(
    peek=st.sampled_from(sorted(STATISTICS)),
    weight=st.floats(0.01, 3),
    draws=st.integers(1, 6),
    limit=st.sampled_from([0.0, float("inf")]),
    key=st.text(max_size=3),
)
def test_whatever_an_imputer_takes_of_other_records_is_found(
    peek: str, weight: float, draws: int, limit: float, key: str
) -> None:
    class Peeks(bad_plugins.Honest):
        def complete(self, cohort: Cohort, name: str, draws: int, context: Context) -> np.ndarray:
            series = cohort.modalities[name]
            with np.errstate(all="ignore"):
                taken = np.nan_to_num(STATISTICS[peek](np.nan_to_num(series.grid)))
            filled = super().complete(cohort, name, draws, context) + np.float32(weight) * taken
            return np.where(series.observed, series.grid, filled).astype(np.float32)

    made = audited(Peeks(NoParams()), draws, limit=limit, key=key)
    assert failed(made.results) == {INDEPENDENT}


@settings(max_examples=15, deadline=None)
@given(each=st.floats(0, 0.02), per_draw=st.floats(0, 0.002), limit=st.floats(0.001, 0.2), draws=st.integers(1, 6))
def test_after_the_two_calls_that_are_always_made_the_time_is_kept(
    each: float, per_draw: float, limit: float, draws: int
) -> None:
    own: list[tuple[int, int, float]] = []

    class Slow(bad_plugins.Honest):
        def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray]:
            time.sleep(each + per_draw * draws * len(cohort))
            return super().impute(cohort, draws, context)

    made = audited(Slow(NoParams()), draws, calls=own, limit=limit)
    assert not failed(made.results)
    assert len(own) >= 2
    assert len(own) == 2 or sum(seconds for _, _, seconds in own[:-1]) <= limit
    assert len(own) <= 2 + 3 + ALONE
    assert made.records >= 2


def test_where_draws_are_dear_few_are_asked_for() -> None:
    asked: list[tuple[int, int, float]] = []

    class Dear(bad_plugins.Honest):
        def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray]:
            time.sleep(0.0005 * draws * len(cohort))
            return super().impute(cohort, draws, context)

    cohort = COHORT.take(np.arange(6))
    made = audited(Dear(NoParams()), 100, cohort, calls=asked, limit=0.01)
    assert not failed(made.results)
    assert asked
    assert all(n <= 2 and draws < 100 for n, draws, _ in asked)


def test_a_stochastic_imputer_is_excused_and_says_so() -> None:
    spec = spec_of(randomness="stochastic")
    made = audited(bad_plugins.SamplesFromGlobalGenerator(NoParams()), spec=spec)
    assert {audit.passed for audit in made.results.values()} == {None}
    assert {audit.detail for audit in made.results.values()} == {"declared stochastic: two results cannot be compared"}


def test_findings_name_no_record_and_hold_no_word_of_the_component() -> None:
    for name in ("FailsAlone", "NeedsCompany", "LearnsFromCalls"):
        made = audited(getattr(bad_histories, name)(NoParams()))
        for audit in made.results.values():
            assert not any(str(record) in audit.detail for record in COHORT.ids)
            assert "no deviation" not in audit.detail


def test_lack_of_memory_in_an_audit_is_lack_of_memory_of_the_stage() -> None:
    class Hungry(bad_plugins.Honest):
        def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray]:
            if len(cohort) == 1:
                raise MemoryError
            return super().impute(cohort, draws, context)

    with pytest.raises(MemoryError):
        audited(Hungry(NoParams()))
