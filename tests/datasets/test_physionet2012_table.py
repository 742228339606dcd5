"""The table of plausible values and unit slips, row by row, and its copy in the manual."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cohort import Count, Counts
from bench_datasets.physionet2012.table import INDEX, MODALITIES, VARIABLES, Slip, Variable, channels, clean
from support.pages import page

SLIPS = [(variable, slip) for variable in VARIABLES for slip in variable.slips]
KNOWN_SLIPS = [
    ("Temp", 2.5, 36.5),
    ("Temp", 98.6, 37.0),
    ("Temp", 371.0, 37.1),
    ("pH", 73.5, 7.35),
    ("pH", 735.0, 7.35),
    ("FiO2", 40.0, 0.4),
    ("WBC", 12500.0, 12.5),
    ("Height", 1.8, 180.0),
    ("Height", 70.0, 177.8),
    ("Height", 406.4, 160.0),
]


def cleaned(name: str, *values: float) -> tuple[list[float], dict[str, Count]]:
    counts = Counts()
    result = clean(np.full(len(values), INDEX[name]), np.array(values, float), counts)
    return result.tolist(), counts.by_name()


@pytest.mark.parametrize(("name", "typed", "meant"), KNOWN_SLIPS)
def test_a_unit_slip_is_mended_and_counted(name: str, typed: float, meant: float) -> None:
    values, counts = cleaned(name, typed)
    assert values[0] == pytest.approx(meant, rel=1e-6)
    assert list(counts.values()) == [Count(1, "repaired")]


def test_every_slip_of_the_table_has_a_worked_example() -> None:
    example = {
        (v.name, s.reading)
        for v, s in SLIPS
        for name, typed, _ in KNOWN_SLIPS
        if v.name == name and s.low <= typed <= s.high
    }
    assert example == {(v.name, s.reading) for v, s in SLIPS}


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_the_bounds_stay_and_what_is_beyond_is_removed(variable: Variable) -> None:
    step = 1e-6 * max(abs(variable.low), abs(variable.high))
    values, counts = cleaned(variable.name, variable.low, variable.high, variable.low - step, variable.high + step)
    assert values[:2] == [variable.low, variable.high]
    assert np.isnan(values[2:]).all()
    what = f"{variable.name}: outside {variable.low:g} to {variable.high:g}, removed"
    assert counts == {what: Count(2, "left_out")}


@pytest.mark.parametrize(
    ("variable", "slip"), SLIPS, ids=lambda item: item.name if isinstance(item, Variable) else item.reading
)
def test_a_slip_can_be_read_in_one_way_only(variable: Variable, slip: Slip) -> None:
    assert slip.high < variable.low or slip.low > variable.high
    others = [other for other in variable.slips if other is not slip]
    assert all(slip.high < other.low or slip.low > other.high for other in others)
    for edge in (slip.low, slip.high):
        assert not np.isnan(cleaned(variable.name, edge)[0][0])


@given(st.sampled_from(VARIABLES), st.lists(st.floats(-1e5, 1e7)))
def test_cleaning_twice_changes_nothing_more_and_leaves_only_plausible_values(
    variable: Variable, values: list[float]
) -> None:
    once, _ = cleaned(variable.name, *values)
    twice, counts = cleaned(variable.name, *once)
    np.testing.assert_array_equal(once, twice)
    assert counts == {}
    kept = np.array([value for value in once if not np.isnan(value)])
    assert ((kept >= variable.low) & (kept <= variable.high)).all()


@given(st.sampled_from(VARIABLES), st.lists(st.floats(0, 1)))
def test_plausible_values_are_never_touched(variable: Variable, shares: list[float]) -> None:
    values = [
        min(max(variable.low + share * (variable.high - variable.low), variable.low), variable.high) for share in shares
    ]
    assert cleaned(variable.name, *values) == (values, {})


def test_cleaning_one_variable_leaves_the_others_alone() -> None:
    variables = np.array([INDEX["pH"], INDEX["HR"], INDEX["Glucose"]])
    values = clean(variables, np.array([735.0, 735.0, 735.0]), Counts())
    np.testing.assert_allclose(values, [7.35, np.nan, 735.0])


def test_the_modalities_hold_each_series_once() -> None:
    assert [len(channels(modality)) for modality in MODALITIES] == [10, 19, 6, 2]
    assert len(INDEX) == len(VARIABLES) == 41


def test_the_manual_prints_this_table() -> None:
    assert markdown() in page("reference/datasets/physionet2012.md")


def markdown() -> str:
    """The table."""
    lines = ["| variable | modality | unit | plausible | unit slips mended |", "| --- | --- | --- | --- | --- |"]
    for v in VARIABLES:
        slips = "; ".join(f"{s.low:g} to {s.high:g}: {s.reading} ({_formula(s)})" for s in v.slips)
        lines.append(f"| {v.name} | {v.modality} | {v.unit} | {v.low:g} to {v.high:g} | {slips} |")
    return "\n".join(lines) + "\n"


def _formula(slip: Slip) -> str:
    shift = f" {'+' if slip.shift > 0 else '−'} {abs(slip.shift):.4g}" if slip.shift else ""
    return f"× {slip.scale:.4g}{shift}"
