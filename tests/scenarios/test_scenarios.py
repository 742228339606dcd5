"""What each scenario hides in one record, and that the share it states is the share it hides."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import seeds
from bench.components import Scenario
from bench.errors import UsageError
from bench.registry import Registry
from bench.scenarios import plugin
from support.pages import page

REGISTRY = Registry()
REGISTRY.register_plugin("scenarios", plugin)


def build(name: str, **params: Any) -> Scenario:
    scenario: Scenario = REGISTRY.get("scenario", name).build(params)
    return scenario


def stream(record: int, seed: int = 0) -> Callable[[str], np.random.Generator]:
    return lambda name: seeds.generator(seed, "mask", record, name)


def record(length: int = 20, seed: int = 0, **rates: float) -> dict[str, np.ndarray]:
    """One record: modality -> observed [length, 3], each entry observed with the modality's
    rate.
    """
    rng = np.random.default_rng(seed)
    return {name: rng.random((length, 3)) < rate for name, rate in rates.items()}


def units(scenario: Scenario, observed: dict[str, np.ndarray], masks: dict[str, np.ndarray]) -> tuple[int, int]:
    """Hidden and all units of a record, counted the long way."""
    hidden = whole = 0
    for name, known in observed.items():
        if not known.any():
            continue
        mask = masks.get(name, np.zeros(known.shape, bool))
        if scenario.unit == "entries":
            hidden, whole = hidden + int((mask & known).sum()), whole + int(known.sum())
        else:
            hidden, whole = hidden + int(mask.any(axis=1).sum()), whole + len(known)
    return hidden, whole


VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("natural", {}),
    ("mcar", {"rate": 0.1}),
    ("mcar", {"rate": 0.77}),
    ("mcar", {"rate": 1.0}),
    ("block", {"rate": 0.3}),
    ("modality_drop", {"rate": 0.4}),
    ("modality_drop", {"rate": 1.0}),
    ("rectangle", {"rate": 0.3}),
    ("rectangle", {"rate": 0.6, "modality": "a"}),
    ("rectangle", {"rate": 1.0}),
    ("within", {"ps": 0.5, "pw": 0.4}),
    ("within", {"ps": 0.5, "pw": 0.4, "pattern": "block"}),
    ("within", {"ps": 1.0, "pw": 0.4, "affected": 2}),
    ("within", {"ps": 0.7, "pw": 1.0}),
    ("within", {"ps": 1.0, "pw": 0.95, "affected": 9, "pattern": "block"}),
]
RECORDS = {
    "dense": record(a=0.9, b=0.5, c=0.4),
    "one modality absent": record(a=0.9, b=0.0, c=0.1),
    "one modality present": record(a=0.3, b=0.0, c=0.0),
    "a single entry": {"a": np.arange(60).reshape(20, 3) == 17, "b": np.zeros((20, 3), bool)},
    "one bin": record(length=1, a=1.0, b=1.0),
}


@pytest.mark.parametrize("content", RECORDS)
@pytest.mark.parametrize(("name", "params"), VARIANTS, ids=lambda v: str(v))
def test_the_hidden_share_has_the_mean_and_the_spread_that_the_scenario_states(
    name: str, params: dict[str, Any], content: str
) -> None:
    scenario, observed, draws = build(name, **params), RECORDS[content], 800
    counts = [units(scenario, observed, scenario.hide(observed, stream(i))) for i in range(draws)]
    shares = np.array([hidden / whole for hidden, whole in counts])
    mean, spread = scenario.expected(observed), scenario.spread(observed)
    assert abs(shares.mean() - mean) <= 4.5 * spread / np.sqrt(draws) + 1e-12
    assert shares.std() == pytest.approx(spread, rel=0.15, abs=1e-9)


@given(
    st.sampled_from(VARIANTS),
    st.integers(0, 10**6),
    st.integers(1, 30),
    st.lists(st.floats(0, 1), min_size=1, max_size=4),
)
@settings(max_examples=150, deadline=None)
def test_a_mask_does_not_depend_on_the_order_in_which_modalities_are_listed(
    variant: tuple[str, dict[str, Any]], seed: int, length: int, rates: list[float]
) -> None:
    scenario = build(variant[0], **variant[1])
    observed = record(length, seed, **dict(zip("abcd", rates, strict=False)))
    masks = scenario.hide(observed, stream(seed))
    again = scenario.hide(dict(reversed(observed.items())), stream(seed))
    assert masks.keys() == again.keys()
    assert all(np.array_equal(masks[name], again[name]) for name in masks)


@given(
    st.sampled_from(["modality_drop", "within"]),
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.lists(st.floats(0, 0.3), min_size=1, max_size=4),
)
@settings(max_examples=150, deadline=None)
def test_modality_drop_and_within_leave_every_record_at_least_one_observed_value(
    name: str, seed: int, length: int, rates: list[float]
) -> None:
    params = {"rate": 1.0} if name == "modality_drop" else {"ps": 1.0, "pw": 0.9, "affected": 4}
    observed = record(length, seed, **{f"m{i}": rate for i, rate in enumerate(rates)})
    masks = build(name, **params).hide(observed, stream(seed))
    left = any((known & ~masks.get(m, np.zeros(known.shape, bool))).any() for m, known in observed.items())
    assert left == any(known.any() for known in observed.values())


def test_mcar_hides_observed_entries_only_and_never_off_by_a_whole_entry() -> None:
    observed = record(a=0.7, b=0.2)
    for i in range(50):
        for name, mask in build("mcar", rate=0.3).hide(observed, stream(i)).items():
            assert not (mask & ~observed[name]).any()
            assert abs(mask.sum() - 0.3 * observed[name].sum()) < 1


def test_mcar_hides_each_observed_entry_equally_often() -> None:
    observed = record(length=4, a=0.8)
    draws = 4000
    often = np.sum([build("mcar", rate=0.25).hide(observed, stream(i))["a"] for i in range(draws)], axis=0)
    expected = draws * 0.25
    assert (abs(often - expected)[observed["a"]] < 4.5 * np.sqrt(expected * 0.75)).all()


def test_a_higher_rate_hides_all_that_a_lower_one_hides() -> None:
    observed = record(a=0.7, b=0.4, c=0.4)
    pairs: tuple[tuple[Scenario, Scenario], ...] = (
        (build("mcar", rate=0.2), build("mcar", rate=0.6)),
        (build("modality_drop", rate=0.3), build("modality_drop", rate=0.9)),
        (build("within", ps=0.4, pw=0.3), build("within", ps=0.8, pw=0.5)),
        (build("rectangle", rate=0.2), build("rectangle", rate=0.5)),
    )
    for low, high in pairs:
        for i in range(40):
            less, more = low.hide(observed, stream(i)), high.hide(observed, stream(i))
            assert all(not (mask & ~more[name]).any() for name, mask in less.items())


def test_block_hides_one_run_of_whole_bins_and_edges_as_rarely_as_documented() -> None:
    observed, length, bins, draws = record(length=10, a=0.9), 10, 3, 4000
    often = np.zeros(length)
    for i in range(draws):
        mask = build("block", rate=0.3).hide(observed, stream(i))["a"]
        assert (mask.all(axis=1) == mask.any(axis=1)).all()
        assert [hidden for hidden, _ in groupby(mask[:, 0])].count(True) == 1
        assert mask[:, 0].sum() == bins
        often += mask[:, 0]
    documented = np.array(
        [min(j + 1, length - j, bins, length - bins + 1) / (length - bins + 1) for j in range(length)]
    )
    assert (abs(often - draws * documented) < 4.5 * np.sqrt(draws * documented * (1 - documented)) + 1e-9).all()


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_block_of_rate_0_hides_nothing_and_of_rate_1_everything(rate: float) -> None:
    observed = record(a=0.5)
    assert build("block", rate=rate).hide(observed, stream(0))["a"].mean() == rate


@pytest.mark.parametrize(
    ("rate", "size"),
    [
        (0.0, (0, 0)),
        (0.05, (11, 7)),
        (0.1, (16, 9)),
        (0.2, (22, 14)),
        (0.3, (27, 17)),
        (0.4, (32, 19)),
        (0.5, (35, 21)),
    ],
)
def test_rectangle_has_the_sizes_of_the_table_of_its_source_on_a_grid_of_50_by_30(
    rate: float, size: tuple[int, int]
) -> None:
    mask = build("rectangle", rate=rate).hide({"a": np.ones((50, 30), bool)}, stream(0))["a"]
    assert (mask.any(axis=1).sum(), mask.any(axis=0).sum()) == size
    assert mask.sum() == size[0] * size[1]


def test_rectangle_lies_equally_often_at_every_place_where_it_fits() -> None:
    observed, draws = {"a": np.ones((6, 5), bool)}, 4000
    scenario = build("rectangle", rate=0.4)
    corners = np.zeros((6, 5))
    for i in range(draws):
        corners.reshape(-1)[np.argmax(scenario.hide(observed, stream(i))["a"])] += 1
    bins, channels = 4, 3
    places = (6 - bins + 1) * (5 - channels + 1)
    assert (corners > 0).sum() == places
    assert (abs(corners[corners > 0] - draws / places) < 4.5 * np.sqrt(draws / places)).all()


def test_rectangle_lies_in_the_modality_it_is_told_and_in_each_otherwise() -> None:
    observed = record(a=0.9, b=0.9, c=0.0)
    assert set(build("rectangle", rate=0.3, modality="b").hide(observed, stream(0))) == {"b"}
    assert set(build("rectangle", rate=0.3).hide(observed, stream(0))) == {"a", "b"}
    assert build("rectangle", rate=0.3, modality="c").hide(observed, stream(0)) == {}
    with pytest.raises(UsageError, match=r'modality "bb" is not known .*did you mean "b"'):
        build("rectangle", modality="bb").hide(observed, stream(0))


def test_published_holdout_draws_record_after_record_from_one_legacy_generator() -> None:
    rng = np.random.default_rng(0)
    observed = {"a": rng.random((9, 5, 3)) < 0.6, "b": rng.random((9, 5, 2)) < 0.6}
    observed["a"][4] = observed["b"][4] = False
    ids = ["100", "20", "3", "41", "5", "600", "7", "8", "9"]
    masks = build("published_holdout", rate=0.3, seed=4).hide_cohort(observed, ids)
    np.random.seed(4)  # noqa: NPY002
    for place in sorted(range(9), key=lambda i: int(ids[i])):
        known = np.concatenate([observed["a"][place], observed["b"][place]], axis=1)
        positions = np.where(known.reshape(-1))[0].tolist()
        expected = np.zeros(known.size, bool)
        if positions:
            chosen = np.random.choice(positions, (int)(len(positions) * 0.3), replace=False)  # noqa: NPY002
            expected[chosen] = True
        assert masks is not None
        assert np.array_equal(np.concatenate([masks["a"][place], masks["b"][place]], axis=1).reshape(-1), expected)


def test_published_holdout_of_another_seed_hides_other_entries_and_of_the_same_the_same() -> None:
    observed = {"a": np.ones((5, 20, 3), bool)}
    one, again, other = (
        build("published_holdout", seed=seed).hide_cohort(observed, list("abcde")) for seed in (1, 1, 2)
    )
    assert one is not None
    assert again is not None
    assert other is not None
    assert np.array_equal(one["a"], again["a"])
    assert not np.array_equal(one["a"], other["a"])
    assert (one["a"].sum(axis=(1, 2)) == 6).all()


def test_modality_drop_drops_each_modality_equally_often_and_all_but_one_at_rate_1() -> None:
    observed = record(a=0.9, b=0.3, c=0.1, d=0.0)
    draws = 3000
    dropped = [set(build("modality_drop", rate=1.0).hide(observed, stream(i))) for i in range(draws)]
    assert {len(names) for names in dropped} == {2}
    for name in "abc":
        assert abs(sum(name in names for names in dropped) - draws * 2 / 3) < 4.5 * np.sqrt(draws * 2 / 9)


@pytest.mark.parametrize("pattern", ["point", "block"])
def test_within_hides_exactly_its_share_of_bins_in_the_fixed_number_of_modalities(pattern: str) -> None:
    observed = record(length=48, a=0.9, b=0.9, c=0.9)
    for i in range(30):
        masks = build("within", ps=1.0, pw=0.3, affected=2, pattern=pattern).hide(observed, stream(i))
        assert len(masks) == 2
        for mask in masks.values():
            assert (mask.all(axis=1) == mask.any(axis=1)).all()
            assert mask[:, 0].sum() == round(0.3 * 48)


def test_within_blocks_have_a_mean_length_of_a_tenth_of_the_grid() -> None:
    observed = record(length=50, a=0.9)
    for i in range(50):
        mask = build("within", ps=1.0, pw=0.4, pattern="block").hide(observed, stream(i))["a"][:, 0]
        runs = [sum(1 for _ in run) for hidden, run in groupby(mask) if hidden]
        assert np.mean(runs) == 5


def test_within_matches_the_closed_form_of_its_source() -> None:
    observed = record(length=40, a=0.9, b=0.9, c=0.9, d=0.9)
    assert build("within", ps=0.8, pw=0.2).expected(observed) == pytest.approx(0.8 * 0.2 * 5 / 8)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("mcar", {"rate": 1.1}),
        ("block", {"rate": -0.1}),
        ("within", {"affected": 0}),
        ("within", {"pattern": "blocks"}),
    ],
)
def test_parameters_out_of_range_are_refused_with_the_key(name: str, params: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"scenario.{name}.{next(iter(params))}"):
        build(name, **params)


def test_the_manual_names_every_scenario_with_its_parameters_and_defaults() -> None:
    manual = page("reference/scenarios.md")
    for spec in REGISTRY.specs("scenario"):
        fields = msgspec.structs.fields(spec.params)
        call = ", ".join(f"{f.name}={'unset' if f.default is None else f.default}" for f in fields)
        assert f"## `{spec.name}({call})`" in manual
