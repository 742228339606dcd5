"""The stage `hide`: masks of a cohort, the assertion on the hidden share, the visible cohort."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cohort import Cohort, Events, bin_events
from bench.components import Scenario
from bench.errors import PluginError
from bench.registry import NoParams, Registry
from bench.scenarios import plugin
from bench.stages.hiding import apply, hide
from bench.testing.toy import toy_cohort

REGISTRY = Registry()
REGISTRY.register_plugin("scenarios", plugin)
COHORT = toy_cohort(n=60)
VARIANTS: dict[str, dict[str, Any]] = {
    "natural": {},
    "mcar": {"rate": 0.4},
    "block": {"rate": 0.4},
    "modality_drop": {"rate": 0.5},
    "within": {"ps": 0.8, "pw": 0.5},
    "rectangle": {"rate": 0.4},
}


def build(name: str, **params: Any) -> Scenario:
    scenario: Scenario = REGISTRY.get("scenario", name).build(params or VARIANTS[name])
    return scenario


def same(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> bool:
    return all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("name", VARIANTS)
def test_visible_and_hidden_part_what_was_observed(name: str) -> None:
    made = hide(COHORT, build(name), 1, name)
    for modality, series in COHORT.modalities.items():
        assert not (made.visible[modality] & made.hidden[modality]).any()
        assert np.array_equal(made.visible[modality] | made.hidden[modality], series.observed)
    assert any(mask.any() for mask in made.hidden.values()) == (name != "natural")


@pytest.mark.parametrize("name", VARIANTS)
@given(order=st.permutations(range(60)), kept=st.integers(1, 60))
@settings(max_examples=8, deadline=None)
def test_the_mask_of_a_record_depends_on_no_other_record_and_on_no_order(
    name: str, order: list[int], kept: int
) -> None:
    index = np.array(order[:kept])
    whole = hide(COHORT, build(name), 1, name).hidden
    part = hide(COHORT.take(index), build(name), 1, name).hidden
    assert same(part, {modality: mask[index] for modality, mask in whole.items()})


def test_another_seed_or_another_label_hides_other_entries() -> None:
    one = hide(COHORT, build("mcar"), 1, "mcar").hidden
    assert same(one, hide(COHORT, build("mcar"), 1, "mcar").hidden)
    assert not same(one, hide(COHORT, build("mcar"), 2, "mcar").hidden)
    assert not same(one, hide(COHORT, build("mcar"), 1, "other").hidden)


def test_shares_are_counted_over_the_whole_cohort() -> None:
    made = hide(COHORT, build("mcar"), 1, "mcar")
    recorded = sum(series.observed.sum() for series in COHORT.modalities.values())
    share = sum(mask.sum() for mask in made.hidden.values()) / recorded
    assert made.shares["realised"] == pytest.approx(share)
    assert made.shares["entries"] == pytest.approx(share)
    assert made.shares["expected"] == pytest.approx(0.4)
    assert 0 < made.shares["standard_error"] < 0.02


def test_a_cohort_in_which_nothing_was_observed_has_nothing_to_hide() -> None:
    empty = COHORT.take(np.array([59]))
    assert hide(empty, build("mcar"), 1, "mcar").shares == dict.fromkeys(
        ("expected", "realised", "standard_error", "entries"), 0.0
    )


class Liar(Scenario[NoParams]):
    """Drops each modality with probability 0.25, but states another share."""

    stated = 0.5

    def hide(
        self, observed: Mapping[str, np.ndarray], rng: Callable[[str], np.random.Generator]
    ) -> dict[str, np.ndarray]:
        return {m: np.full(mask.shape, rng(m).random() < 0.25) for m, mask in observed.items()}

    def expected(self, observed: Mapping[str, np.ndarray]) -> float:
        return self.stated


def test_a_scenario_that_hides_another_share_than_it_states_is_caught() -> None:
    with pytest.raises(PluginError, match=r'scenario "liar" hid 0.2\d+ of the cells, .* promise 0.5'):
        hide(toy_cohort(n=400), Liar(NoParams()), 1, "liar")


@pytest.mark.parametrize("seed", range(20))
def test_a_scenario_that_keeps_its_word_is_never_accused_without_a_spread_of_its_own(seed: int) -> None:
    honest = Liar(NoParams())
    honest.stated = 0.25
    hide(COHORT, honest, seed, "honest")


@pytest.mark.parametrize("seed", range(5))
def test_rare_effects_are_no_breach_where_no_record_or_one_happens_to_be_affected(seed: int) -> None:
    hide(toy_cohort(n=300), build("within", ps=0.002, pw=0.9), seed, "within")


class Counts(Liar):
    """Decides by how often it was asked."""

    stated = 0.25
    calls = 0

    def hide(
        self, observed: Mapping[str, np.ndarray], rng: Callable[[str], np.random.Generator]
    ) -> dict[str, np.ndarray]:
        self.calls += 1
        return {m: np.full(mask.shape, self.calls % 4 == 0) for m, mask in observed.items()}


class Shared(Liar):
    """Draws from one generator for all records."""

    stated = 0.25
    rng = np.random.default_rng(3)

    def hide(
        self, observed: Mapping[str, np.ndarray], rng: Callable[[str], np.random.Generator]
    ) -> dict[str, np.ndarray]:
        return {m: np.full(mask.shape, self.rng.random() < 0.25) for m, mask in observed.items()}


@pytest.mark.parametrize("kind", [Counts, Shared])
def test_a_scenario_whose_masks_depend_on_earlier_calls_is_refused(kind: type[Liar]) -> None:
    with pytest.raises(PluginError, match=r"hides other entries of .* when it is asked for the same record again"):
        hide(COHORT, kind(NoParams()), 1, "liar")


def test_a_scenario_without_chance_must_match_exactly() -> None:
    class Exact(Liar):
        stated = 0.25 + 1e-6

        def hide(
            self, observed: Mapping[str, np.ndarray], rng: Callable[[str], np.random.Generator]
        ) -> dict[str, np.ndarray]:
            return {m: np.arange(12)[:, None] < np.full(mask.shape, 3) for m, mask in observed.items()}

        def spread(self, observed: Mapping[str, np.ndarray]) -> float:
            return 0.0

    with pytest.raises(PluginError):
        hide(COHORT, Exact(NoParams()), 1, "exact")


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"vitals": np.ones((12, 3))}, r"bool array \[12, 3\] .* got float64"),
        ({"vitals": np.ones((3, 12), bool)}, r"got bool \[3, 12\]"),
        ({"vitals": np.ma.ones((12, 3), bool)}, "got a masked array"),
        ({"notes": np.ones((12, 3), bool)}, "only modalities of the record: labs, vitals"),
    ],
)
def test_what_is_no_mask_is_refused_with_the_modality_and_without_the_record(masks: dict, message: str) -> None:
    class Broken(Liar):
        def hide(
            self, observed: Mapping[str, np.ndarray], rng: Callable[[str], np.random.Generator]
        ) -> dict[str, np.ndarray]:
            return masks

    with pytest.raises(PluginError, match=f'scenario "broken".*{message}') as caught:
        hide(COHORT, Broken(NoParams()), 1, "broken")
    assert "r0000" not in str(caught.value)


class AtOnce(Liar):
    """Hides the first two bins of every record; all masks at once."""

    stated = 2 / 12
    masks: Any = None

    def hide_cohort(self, observed: Mapping[str, np.ndarray], ids: Sequence[str]) -> dict[str, np.ndarray] | None:
        if self.masks is not None:
            return self.masks
        return {m: np.broadcast_to(np.arange(12)[:, None] < 2, known.shape) for m, known in observed.items()}

    def spread(self, observed: Mapping[str, np.ndarray]) -> float:
        return 0.0


def test_a_scenario_that_hides_a_cohort_at_once_is_taken_at_its_word_and_its_share_is_asserted() -> None:
    made = hide(COHORT, AtOnce(NoParams()), 1, "at once")
    for name, series in COHORT.modalities.items():
        assert np.array_equal(made.hidden[name], series.observed & (np.arange(12)[:, None] < 2))
    assert made.shares["standard_error"] == 0
    wrong = AtOnce(NoParams())
    wrong.stated = 0.25
    with pytest.raises(PluginError, match=r"promise 0\.25"):
        hide(COHORT, wrong, 1, "at once")


@pytest.mark.parametrize("masks", [{"vitals": np.ones((3, 12, 3), bool)}, {"vitals": True}])
def test_masks_of_another_number_of_records_are_refused(masks: Any) -> None:
    wrong = AtOnce(NoParams())
    wrong.masks = masks
    with pytest.raises(PluginError, match=r"hide_cohort\(\) must return .* n = 60 records"):
        hide(COHORT, wrong, 1, "at once")


def test_a_scenario_cannot_write_into_the_observed_masks() -> None:
    class Vandal(Liar):
        def hide(
            self, observed: Mapping[str, np.ndarray], rng: Callable[[str], np.random.Generator]
        ) -> dict[str, np.ndarray]:
            observed["vitals"][:] = False
            return {}

    with pytest.raises(ValueError, match="read-only"):
        hide(COHORT, Vandal(NoParams()), 1, "vandal")


def visible_cohort(name: str, cohort: Cohort = COHORT) -> Cohort:
    return apply(cohort, hide(cohort, build(name), 1, name).visible)


@pytest.mark.parametrize("name", VARIANTS)
def test_grid_events_and_flags_of_the_visible_cohort_tell_the_same(name: str) -> None:
    cohort = visible_cohort(name)
    for modality, series in cohort.modalities.items():
        before = COHORT.modalities[modality]
        grid, observed = bin_events(series.events, cohort.length)
        assert np.array_equal(observed, series.observed)
        assert np.array_equal(grid, series.grid, equal_nan=True)
        assert np.array_equal(np.isnan(series.grid), ~series.observed)
        assert np.array_equal(series.grid[series.observed], before.grid[series.observed])
        assert np.array_equal(series.available, series.observed.any(axis=(1, 2)))
        assert not series.filled.any()


def test_no_event_in_a_hidden_cell_is_left_and_all_others_are() -> None:
    made = hide(COHORT, build("mcar"), 1, "mcar")
    for modality, series in apply(COHORT, made.visible).modalities.items():
        before, expected = COHORT.modalities[modality].events, []
        for i, time, row in zip(before.records(), before.times, before.values, strict=True):
            shown = np.where(made.visible[modality][i, int(time)], row, np.nan)
            if not np.isnan(shown).all():
                expected.append((i, time, *shown))
        got = np.column_stack([series.events.records(), series.events.times, series.events.values])
        assert np.array_equal(got, np.array(expected), equal_nan=True)


def test_without_hiding_nothing_changes() -> None:
    for modality, series in visible_cohort("natural").modalities.items():
        before = COHORT.modalities[modality]
        assert np.array_equal(series.grid, before.grid, equal_nan=True)
        assert np.array_equal(series.events.offsets, before.events.offsets)
        assert np.array_equal(series.events.values, before.events.values, equal_nan=True)


def test_events_outside_the_grid_leave_under_every_scenario() -> None:
    series = COHORT.modalities["vitals"]
    late = Events(
        np.append(series.events.offsets[:-1], series.events.offsets[-1] + 1),
        np.append(series.events.times, np.float32(12.0)),
        np.vstack([series.events.values, np.ones((1, 3), np.float32)]),
    )
    cohort = COHORT.with_modalities({**COHORT.modalities, "vitals": replace(series, events=late)})
    assert visible_cohort("natural", cohort).modalities["vitals"].events.times.max() < 12


def test_nothing_can_be_shown_that_was_not_observed() -> None:
    with pytest.raises(ValueError, match="only where that is"):
        apply(COHORT, {name: ~series.observed for name, series in COHORT.modalities.items()})
