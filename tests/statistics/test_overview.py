"""Win rate and skill score over many tables: closed forms, and laws that hold whatever is missing
and whoever always loses.
"""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.statistics.overview import Losses, Standing, losses_of, standings

METHODS = ("a", "b", "c", "d", "control")


@st.composite
def worlds(draw: st.DrawFn, missing: bool = True) -> dict[str, Losses]:
    """Tables of some of the methods, with ties; most have a control."""
    tables = {}
    for t in range(draw(st.integers(1, 8))):
        optional = [m for m in METHODS[:-1] if not missing or draw(st.booleans())]
        losses = {m: draw(st.sampled_from([0.0, 0.1, 0.2, 0.35, 0.5, 2.0])) for m in [*optional, "control"]}
        tables[f"table {t}"] = Losses(losses, "control" if draw(st.booleans()) or t == 0 else "")
    return tables


def by_method(tables: dict[str, Losses], **more: int) -> dict[str, Standing]:
    return {each.method: each for each in standings(tables, **{"resamples": 50, **more})}


def without(tables: dict[str, Losses], method: str, name: str) -> dict[str, Losses]:
    """The tables, one of which lacks a row."""
    table = tables[name]
    return {**tables, name: Losses({m: v for m, v in table.losses.items() if m != method}, table.control)}


def with_loser(tables: dict[str, Losses]) -> dict[str, Losses]:
    return {name: Losses({**t.losses, "loser": max(t.losses.values()) + 1}, t.control) for name, t in tables.items()}


laws = settings(max_examples=60, deadline=None, derandomize=True)


def test_two_tables_by_hand() -> None:
    tables = {"x": Losses({"a": 0.1, "b": 0.2, "c": 0.2}, "b"), "y": Losses({"a": 0.4, "b": 0.1}, "b")}
    by_name = by_method(tables)
    assert {m: s.win_rate.value for m, s in by_name.items() if s.win_rate} == pytest.approx(
        {"a": 2 / 3, "b": 1.5 / 3, "c": 0.5 / 2}
    )
    assert by_name["a"].skill.value == pytest.approx(1 - math.sqrt(0.5 * 4))  # type: ignore[union-attr]
    assert by_name["b"].skill.value == by_name["c"].skill.value == 0  # type: ignore[union-attr]
    assert [each.method for each in standings(tables)] == ["a", "b", "c"]


def test_ratios_are_clipped_and_of_two_zeros_it_is_one() -> None:
    def skill(loss: float, control: float) -> float:
        return by_method({"x": Losses({"a": loss, "c": control}, "c")})["a"].skill.value  # type: ignore[union-attr]

    assert skill(1e-9, 1.0) == pytest.approx(0.99)
    assert skill(0.0, 1.0) == pytest.approx(0.99)
    assert skill(1e9, 1.0) == skill(1.0, 0.0) == pytest.approx(-99)
    assert skill(0.0, 0.0) == 0


@laws
@given(worlds(), st.data())
def test_a_method_that_a_table_lacks_counts_neither_for_nor_against_anyone_there(
    tables: dict[str, Losses], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(tables)))
    method = data.draw(st.sampled_from(sorted(tables[name].losses)))
    if method == tables[name].control:
        return
    before, after = by_method(tables), by_method(without(tables, method, name))
    gone = tables[name].losses[method]
    for other, standing in before.items():
        if other == method:
            continue
        assert standing.skill == after[other].skill
        pairs = sum(len(t.losses) - 1 for t in tables.values() if other in t.losses)
        met, loss = other in tables[name].losses, tables[name].losses.get(other, 0.0)
        won = (loss < gone) + 0.5 * (loss == gone) if met else 0.0
        if pairs - met:
            wins = standing.win_rate.value * pairs - won  # type: ignore[union-attr]
            assert after[other].win_rate.value == pytest.approx(wins / (pairs - met))  # type: ignore[union-attr]
        else:
            assert after[other].win_rate is None


@laws
@given(worlds())
def test_a_method_that_always_loses_changes_no_skill_and_no_order_of_methods_of_the_same_tables(
    tables: dict[str, Losses],
) -> None:
    before, after = by_method(tables), by_method(with_loser(tables))
    assert after["loser"].win_rate.value == 0  # type: ignore[union-attr]
    assert {m: s.skill for m, s in before.items()} == {m: s.skill for m, s in after.items() if m != "loser"}

    def at(by_name: dict[str, Standing], method: str) -> float:
        rate = by_name[method].win_rate
        return -1 if rate is None else rate.value

    held = {m: frozenset(name for name, t in tables.items() if m in t.losses) for m in before}
    for first in before:
        for second in before:
            if held[first] == held[second] and at(before, first) >= 0:
                moved = at(before, first) - at(before, second), at(after, first) - at(after, second)
                assert (moved[0] > 1e-12) == (moved[1] > 1e-12)


@laws
@given(worlds(missing=False))
def test_where_all_tables_hold_all_methods_win_rates_average_to_a_half(tables: dict[str, Losses]) -> None:
    rates = [each.win_rate.value for each in standings(tables, resamples=1) if each.win_rate]
    assert sum(rates) / len(rates) == pytest.approx(0.5)
    assert len(rates) == len(METHODS)


@laws
@given(worlds())
def test_the_skill_of_the_control_is_zero_and_so_is_its_interval(tables: dict[str, Losses]) -> None:
    skill = by_method(tables)["control"].skill
    assert skill is not None
    assert {skill.value, skill.low or 0.0, skill.high or 0.0} == {0.0}


@laws
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_tables_and_of_methods_changes_no_bit(tables: dict[str, Losses], random) -> None:
    def mixed(values: dict) -> dict:
        items = list(values.items())
        random.shuffle(items)
        return dict(items)

    other = {name: Losses(mixed(dict(t.losses)), t.control) for name, t in mixed(tables).items()}
    assert msgspec.json.encode(standings(tables, resamples=50)) == msgspec.json.encode(standings(other, resamples=50))


def test_both_intervals_are_of_the_same_resamples_and_only_where_tables_are_enough() -> None:
    """With losses of 1 and e, both quantities are functions of how often one kind was drawn."""
    kinds = [1, 1, 1, 0, 1, 0, 1, 1]
    tables = {str(k): Losses({"a": 1.0 if won else math.e, "c": math.sqrt(math.e)}, "c") for k, won in enumerate(kinds)}
    standing = by_method(tables, resamples=500)["a"]
    assert standing.win_rate is not None
    assert standing.skill is not None
    assert standing.win_rate.low is not None
    assert standing.win_rate.high is not None
    for rate, skill in (
        (standing.win_rate.value, standing.skill.value),
        (standing.win_rate.low, standing.skill.low),
        (standing.win_rate.high, standing.skill.high),
    ):
        assert skill == pytest.approx(1 - math.exp(0.5 - rate), abs=0.02)
    assert standing.win_rate.low < standing.win_rate.value < standing.win_rate.high
    few = by_method({name: tables[name] for name in "01234"}, resamples=500)["a"]
    assert few.win_rate is not None
    assert (few.win_rate.low, few.win_rate.high) == (None, None)


def test_losses_of_metrics_and_when_their_ratios_mean_something() -> None:
    assert losses_of({"a": 0.75}, higher=True, at_most_one=True) == ({"a": 0.25}, True)
    assert losses_of({"a": 0.75}, higher=False, at_most_one=False) == ({"a": 0.75}, True)
    assert losses_of({"a": 7.5}, higher=True, at_most_one=False) == ({"a": -7.5}, False)
    assert losses_of({"a": -0.5}, higher=False, at_most_one=False) == ({"a": -0.5}, False)


def test_there_may_be_no_table_and_a_control_must_have_a_loss() -> None:
    assert standings({}) == []
    with pytest.raises(ValueError, match="control"):
        standings({"x": Losses({"a": 1.0}, "b")})
