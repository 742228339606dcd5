"""The synthetic TRACE study: what is generated follows its definition, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bench.testing
from bench.cohort import Cohort
from bench.components import Context
from bench.errors import UsageError
from bench.registry import Registry
from bench.stages.hiding import hide
from bench_datasets import plugin
from bench_datasets.trace_motivational import record

REGISTRY = Registry()
REGISTRY.register_plugin("gapbench:datasets", plugin)
SPEC = REGISTRY.get("dataset", "trace_motivational")
SMALL = {"train": 300, "valid": 40, "test": 60}


def made(**params: object) -> Cohort:
    cohort: Cohort = SPEC.build({**SMALL, **params}).prepare(Path(), Context())
    return cohort


COHORT = made()
DRAWN = record.draw(np.random.default_rng(0), 200)
LATENT = record.latent(DRAWN)


def test_the_contract_of_datasets_is_kept() -> None:
    report = bench.testing.check(SPEC, registry=REGISTRY)
    assert report.ok, report.to_text()


def test_sizes_shapes_and_the_split_by_construction() -> None:
    shapes = {name: series.grid.shape for name, series in COHORT.modalities.items()}
    assert shapes == {"series": (400, 50, 30), "c_low": (400, 50, 16), "c_high": (400, 50, 16)}
    assert COHORT.targets["forecast"].shape == (400, 300)
    assert [int((COHORT.splits["sizes"] == part).sum()) for part in range(3)] == [300, 40, 60]
    assert COHORT.ids[[0, 300, 340]].tolist() == ["train-00000", "valid-00000", "test-00000"]


def test_the_series_is_observed_everywhere_and_a_condition_is_one_item_at_time_0() -> None:
    assert COHORT.modalities["series"].observed.all()
    for name in ("c_low", "c_high"):
        observed = COHORT.modalities[name].observed
        assert observed[:, 0].all()
        assert not observed[:, 1:].any()


def test_channels_are_standardised_over_the_training_records_alone() -> None:
    grid = COHORT.modalities["series"].grid[:300].reshape(-1, 30).astype(float)
    assert grid.mean(axis=0) == pytest.approx(np.zeros(30), abs=1e-5)
    assert grid.std(axis=0) == pytest.approx(np.ones(30), abs=1e-5)


def test_the_forecast_goes_on_where_the_series_ends() -> None:
    """Neighbouring steps are nearer to each other than steps that are far apart: the 50th and
    the first of the target too.
    """
    grid, target = COHORT.modalities["series"].grid, COHORT.targets["forecast"].reshape(400, 10, 30)
    step = np.abs(target[:, 0] - grid[:, -1]).mean()
    inside = np.abs(np.diff(grid, axis=1)).mean()
    assert step == pytest.approx(inside, rel=0.15)
    assert step < 0.6 * np.abs(target[:, 0] - grid[:, 20]).mean()


def test_parameters_lie_in_their_ranges_and_bursts_are_as_frequent_as_said() -> None:
    ranges = {
        "low": {"f": (0.6, 2.0), "a": (0.6, 1.5), "s": (-1, 1), "q": (-0.3, 0.3), "phi": (0, 2 * np.pi)},
        "mid": {"f": (2.5, 5.0), "a": (0.4, 1.2), "phi": (0, 2 * np.pi)},
        "high": {"f": (6, 11), "a": (0.2, 0.9), "phi": (0, 2 * np.pi)},
        "drift": {"f": (0.1, 0.5), "a": (0.05, 0.35), "phi": (0, 2 * np.pi)},
    }
    for group, names in ranges.items():
        for name, (low, high) in names.items():
            values = getattr(DRAWN, group)[name]
            assert low <= values.min() < low + 0.1 * (high - low)
            assert high - 0.1 * (high - low) < values.max() <= high
    present = record.draw(np.random.default_rng(1), 4000).burst["present"]
    assert abs(present.mean() - 0.7) < 4.5 * np.sqrt(0.21 / 4000)
    assert {name: array.shape for name, array in DRAWN.low.items()} == dict.fromkeys(
        ("f", "a", "s", "q", "phi"), (200, 8)
    )


@pytest.mark.parametrize(("dim", "step"), [(0, 0), (7, 49), (10, 13), (13, 59), (14, 0), (29, 30)])
def test_latent_series_are_the_equations_written_out(dim: int, step: int) -> None:
    i, t = 3, step / 49
    drift = DRAWN.drift["a"][i] * np.sin(2 * np.pi * DRAWN.drift["f"][i] * t + DRAWN.drift["phi"][i])
    if dim < 8:
        p = {name: values[i, dim] for name, values in DRAWN.low.items()}
        own = p["a"] * np.sin(2 * np.pi * p["f"] * t + p["phi"]) + p["s"] * (t - 0.5) + p["q"] * (t - 0.5) ** 2
    elif dim < 14:
        p = {name: values[i, dim - 8] for name, values in DRAWN.mid.items()}
        own = p["a"] * np.sin(2 * np.pi * p["f"] * t + p["phi"])
    else:
        p = {name: values[i, dim - 14] for name, values in DRAWN.high.items()}
        own = p["a"] * np.sin(2 * np.pi * p["f"] * t + p["phi"])
        own += 0.3 * p["a"] * np.cos(2 * np.pi * 1.7 * p["f"] * t + p["phi"] / 2)
        b = {name: values[i] for name, values in DRAWN.burst.items()}
        own += b["A"] * np.exp(-((t - b["mu"]) ** 2) / (2 * b["sigma"] ** 2)) if b["present"] else 0
    assert LATENT.whole[i, step, dim] == pytest.approx(own + drift)


def test_a_record_without_a_burst_has_none_and_its_parameters_are_0() -> None:
    quiet = DRAWN.burst["present"] == 0
    assert quiet.any()
    assert not LATENT.burst[quiet].any()
    assert all(not values[quiet].any() for values in DRAWN.burst.values())
    assert LATENT.burst[~quiet].max(axis=1) == pytest.approx(DRAWN.burst["A"][~quiet], rel=0.05)


def test_features_have_28_entries_made_of_what_they_say() -> None:
    u1, u2 = record.features(DRAWN, LATENT, np.random.default_rng(0))
    assert u1.shape == u2.shape == (200, 28)
    assert u1[:, 0] == pytest.approx(DRAWN.low["a"].mean(axis=1))
    assert u1[:, 7] == pytest.approx(DRAWN.low["f"].max(axis=1))
    assert u1[:, 20] == pytest.approx((DRAWN.low["a"] * DRAWN.low["f"]).mean(axis=1))
    assert u1[:, 22] == pytest.approx(DRAWN.drift["a"])
    assert u2[:, 14] == pytest.approx(DRAWN.burst["present"])
    assert u2[:, 21] == pytest.approx(np.log(u2[:, 19] / u2[:, 18]))
    assert (u1[:, 25:].std(), u2[:, 23:].std()) == (pytest.approx(0.05, rel=0.2), pytest.approx(0.05, rel=0.2))


def explained(cohort: Cohort, name: str) -> float:
    """Share of a condition's variance that energy, mean and slope of each channel explain by least
    squares, over chance.

    Over the 2,000 training records; 91 regressors explain 91 / 2,000 of what has nothing to do with
    them.
    """
    grid = cohort.modalities["series"].grid[:2000]
    slope = np.einsum("nlc,l->nc", grid, np.linspace(-1, 1, 50))
    rows = np.column_stack([(grid**2).mean(axis=1), grid.mean(axis=1), slope, np.ones(len(grid))])
    condition = cohort.modalities[name].grid[:2000, 0]
    left = condition - rows @ np.linalg.lstsq(rows, condition, rcond=None)[0]
    return float(1 - left.var() / condition.var()) * 2000 / 91


def test_shuffled_conditions_are_the_same_ones_at_other_records_of_the_same_part() -> None:
    shuffled = made(shuffled_conditions=True)
    assert np.array_equal(shuffled.modalities["series"].grid, COHORT.modalities["series"].grid)
    for name in ("c_low", "c_high"):
        before, after = (cohort.modalities[name].grid[:, 0] for cohort in (COHORT, shuffled))
        for part in range(3):
            rows = COHORT.splits["sizes"] == part
            assert {tuple(row) for row in before[rows]} == {tuple(row) for row in after[rows]}
            assert (before[rows] != after[rows]).any(axis=1).mean() > 0.9


def test_conditions_tell_of_the_series_and_shuffled_ones_do_not() -> None:
    own, shuffled = made(train=2000), made(train=2000, shuffled_conditions=True)
    for name in ("c_low", "c_high"):
        assert explained(own, name) > 2
        assert explained(shuffled, name) < 1.2


def test_a_larger_data_set_begins_with_the_records_of_a_smaller_one_up_to_the_scale() -> None:
    larger = made(train=900).modalities["series"].grid
    smaller = COHORT.modalities["series"].grid
    for k in range(30):
        assert np.corrcoef(larger[:300, :, k].ravel(), smaller[:300, :, k].ravel())[0, 1] == pytest.approx(1)
        assert np.corrcoef(larger[900:, :, k].ravel(), smaller[300:, :, k].ravel())[0, 1] == pytest.approx(1)


def test_another_seed_is_another_study() -> None:
    assert not np.allclose(made(seed=1).modalities["series"].grid, COHORT.modalities["series"].grid)
    with pytest.raises(UsageError, match="train"):
        SPEC.parameters({"train": 0})


@pytest.mark.parametrize(
    ("rate", "bins", "channels"),
    [(0.05, 11, 7), (0.1, 16, 9), (0.2, 22, 14), (0.3, 27, 17), (0.4, 32, 19), (0.5, 35, 21)],
)
def test_the_rectangles_have_the_sizes_of_the_study_and_never_lie_in_a_condition(
    rate: float, bins: int, channels: int
) -> None:
    from bench.scenarios import plugin as scenarios

    registry = Registry()
    registry.register_plugin("scenarios", scenarios)
    scenario = registry.get("scenario", "rectangle").build({"rate": rate, "modality": "series"})
    hidden = hide(COHORT, scenario, 3, "rectangle").hidden
    assert not hidden["c_low"].any()
    assert not hidden["c_high"].any()
    assert (hidden["series"].any(axis=2).sum(axis=1) == bins).all()
    assert (hidden["series"].any(axis=1).sum(axis=1) == channels).all()
    assert (hidden["series"].sum(axis=(1, 2)) == bins * channels).all()
