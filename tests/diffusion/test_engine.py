"""The diffusion engine: what it trains, on what, what it refuses, and the state that travels."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.components import Context, Interrupted, NotFitted
from bench.errors import DataError, UsageError
from bench_imputers.diffusion.csdi import Csdi
from bench_imputers.diffusion.denoiser import Given, Shape
from bench_imputers.diffusion.grids import Grids
from bench_imputers.diffusion.params import DiffusionParams
from bench_imputers.naive.temporal import Locf
from support.diffusion_toys import Toy, ToyImputer, cohort, csdi, fitted, same, weights


def test_a_training_interrupted_in_the_middle_resumes_to_the_same_weights_and_draws(tmp_path: Path) -> None:
    whole = csdi()
    whole.fit(cohort(), cohort(8), Context(seed=3))
    asked = itertools.count()
    stopping = Context(seed=3, scratch=tmp_path, should_stop=lambda: next(asked) >= 4)
    with pytest.raises(Interrupted):
        csdi().fit(cohort(), cohort(8), stopping)
    notes: list[str] = []
    resumed = csdi()
    resumed.fit(cohort(), cohort(8), Context(seed=3, scratch=tmp_path, report=notes.append))
    assert "vitals: goes on at step 4 of 6" in notes
    assert weights(resumed) == weights(whole)
    assert same(resumed.impute(cohort(), 2, Context()), whole.impute(cohort(), 2, Context()))


def test_the_state_travels_to_a_fresh_imputer() -> None:
    imputer, fresh = fitted(Csdi), csdi()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    fresh.load_state_dict(imputer.state_dict())
    assert torch.equal(torch.get_rng_state(), before)
    assert weights(fresh) == weights(imputer)
    assert same(imputer.impute(cohort(), 2, Context()), fresh.impute(cohort(), 2, Context()))


def test_before_a_fit_it_is_refused_and_after_a_failed_one_too() -> None:
    imputer = fitted()
    with pytest.raises(UsageError):
        imputer.fit(cohort(modalities={"wide": 60}), cohort(8), Context())
    with pytest.raises(NotFitted):
        csdi().impute(cohort(), 1, Context())


def test_wide_modalities_are_carried_forward_and_narrow_ones_sampled() -> None:
    data = cohort(modalities={"vitals": 3, "notes": 50})
    imputer = csdi()
    imputer.fit(data, data, Context())
    made = imputer.impute(data, 3, Context())
    simple = Locf(None)  # type: ignore[arg-type]
    simple.fit(data, data, Context())
    assert np.array_equal(made["notes"][2], simple.impute(data, 1, Context())["notes"][0])
    gaps = ~data.modalities["vitals"].observed
    assert not np.array_equal(made["vitals"][0][gaps], made["vitals"][1][gaps])


def test_only_the_named_targets_are_sampled() -> None:
    imputer = fitted(Csdi, targets=("labs",))
    assert list(imputer.networks) == ["labs"]
    made = imputer.impute(cohort(), 2, Context())
    assert np.array_equal(made["vitals"][0], made["vitals"][1])


def test_a_target_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"vital.*(vitals|labs)"):
        fitted(Csdi, targets=("vital",))


def test_what_training_never_saw_is_carried_forward() -> None:
    data = cohort()
    vitals = data.modalities["vitals"]
    observed = vitals.observed.copy()
    observed[..., 1] = False
    unseen = replace(vitals, grid=np.where(observed, vitals.grid, np.float32(np.nan)), observed=observed)
    train = data.with_modalities({**data.modalities, "vitals": unseen})
    imputer = csdi()
    imputer.fit(train, train, Context())
    made = imputer.impute(data, 2, Context())["vitals"]
    last = np.where(vitals.observed[:, 0, 1], vitals.grid[:, 0, 1], 0)
    assert np.array_equal(made[:, :, 0, 1], np.stack([last, last]))
    assert np.array_equal(made[0][..., 1], made[1][..., 1])


def test_a_target_that_training_never_saw_at_all_is_filled_and_said() -> None:
    data = cohort()
    labs = data.modalities["labs"]
    empty = replace(labs, grid=np.full_like(labs.grid, np.nan), observed=np.zeros_like(labs.observed))
    notes: list[str] = []
    imputer = csdi()
    imputer.fit(data.with_modalities({**data.modalities, "labs": empty}), data, Context(report=notes.append))
    assert any("labs: never observed in training" in note for note in notes)
    made = imputer.impute(data, 2, Context())
    assert np.isfinite(made["labs"]).all()


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("when", ["fit", "impute"])
def test_observed_entries_that_are_no_finite_numbers_are_refused_by_record_and_channel(value: float, when: str) -> None:
    data = cohort()
    vitals = data.modalities["vitals"]
    record, place, channel = (int(index[0]) for index in np.nonzero(vitals.observed))
    grid = vitals.grid.copy()
    grid[record, place, channel] = value
    broken = data.with_modalities({**data.modalities, "vitals": replace(vitals, grid=grid)})
    imputer = fitted(Csdi)
    message = f"of vitals .*record {data.ids[record]}, channel vitals_{channel}, bin {place}"
    with pytest.raises(DataError, match=message):
        imputer.fit(broken, data, Context()) if when == "fit" else imputer.impute(broken, 1, Context())


@pytest.mark.parametrize("change", ["channels", "times", "absent"])
def test_a_cohort_of_another_form_is_refused(change: str) -> None:
    imputer = fitted(Csdi)
    other = cohort()
    if change == "channels":
        other = cohort(modalities={"vitals": 4, "labs": 2})
    elif change == "times":
        vitals = other.modalities["vitals"]
        other = other.with_modalities({**other.modalities, "vitals": replace(vitals, times=vitals.times * 2)})
    else:
        other = cohort(modalities={"labs": 2})
    with pytest.raises((UsageError, ValueError), match="train"):
        imputer.impute(other, 1, Context())


def test_the_loss_is_the_squared_error_over_the_hidden_entries_of_the_whole_batch() -> None:
    data = cohort()
    imputer = ToyImputer(DiffusionParams(predict="x0", mask="ratio", mask_ratio=0.5))
    shape = Shape(3, 6, {"vitals": 3}, {}, tuple(range(6)))
    grids, items = Grids(data, shape, "cpu"), np.array([0, 2, 3])
    module = Toy(shape)
    torch.manual_seed(1)
    squares, count = imputer.losses(module, grids, items)
    torch.manual_seed(1)
    values, observed = grids.batch(items)
    visible = imputer.conditioning(observed)
    hidden = observed - visible
    said = (values * visible).mean(dim=(1, 2))[:, None, None]
    assert float(count) == float(hidden.sum()) > 0
    assert float(squares.detach()) == pytest.approx(float(((values - said) ** 2 * hidden).sum()), rel=1e-5)


def test_targets_are_only_ever_hidden_observed_entries() -> None:
    shape = Shape(3, 6, {"vitals": 3}, {}, tuple(range(6)))
    seen: list[Given] = []

    class Looking(Toy):
        def condition(self, given: Given) -> Any:
            seen.append(given)
            return super().condition(given)

    data = cohort()
    grids = Grids(data, shape, "cpu")
    ToyImputer(DiffusionParams()).losses(Looking(shape), grids, np.arange(24))
    values, observed = grids.batch(np.arange(24))
    assert (seen[0].conditioning <= observed).all()
    assert torch.equal(seen[0].values, values * seen[0].conditioning)


def test_validation_keeps_the_best_weights_and_the_paper_the_last() -> None:
    rough = {"learning_rate": 0.05, "steps": None, "epochs": 12, "batch_size": 4}
    last, best = csdi(**rough), csdi(**rough, validate=True)
    notes: list[str] = []
    for imputer in (last, best):
        imputer.fit(cohort(), cohort(8, seed=1), Context(report=notes.append))
    scores = [float(note.rsplit(" ", 1)[1]) for note in notes if "vitals" in note and "validation" in note]
    assert len(scores) == 12
    assert min(scores) < scores[-1]
    assert weights(last) != weights(best)


def test_context_is_the_mean_of_the_visible_events_of_the_other_modalities() -> None:
    data = cohort()
    grids = Grids(data, Shape(3, 6, {"vitals": 3}, {"labs": 2}, tuple(range(6))), "cpu")
    events = data.modalities["labs"].events
    items = np.array([3, 0, 23])
    pooled = grids.context(items)["labs"]
    for place, item in enumerate(items):
        rows = events.values[events.offsets[item] : events.offsets[item + 1]]
        for channel in range(2):
            known = rows[~np.isnan(rows[:, channel]), channel]
            assert float(pooled.values[place, channel]) == pytest.approx(known.mean() if len(known) else 0, abs=1e-5)
    assert pooled.available.tolist() == list(data.modalities["labs"].available[items])


def test_a_joint_method_has_one_network_for_all_targets_stacked() -> None:
    class Joint(ToyImputer):
        joint = True
        uses_context = True

    data = cohort(modalities={"vitals": 3, "labs": 2, "notes": 60})
    imputer = Joint(DiffusionParams(steps=2, predict="x0", diffusion_steps=4))
    imputer.fit(data, data, Context())
    (network,) = imputer.networks.values()
    assert (network.shape.channels, dict(network.shape.parts)) == (5, {"vitals": 3, "labs": 2})
    assert dict(network.shape.context) == {"notes": 60}
    fresh = Joint(imputer.params)
    fresh.load_state_dict(imputer.state_dict())
    made = fresh.impute(data, 2, Context())
    for name, series in data.modalities.items():
        assert np.array_equal(made[name][0][series.observed], series.grid[series.observed])


def test_infinite_event_values_are_refused_where_they_are_read_as_context() -> None:
    data = cohort()
    labs = data.modalities["labs"]
    values = labs.events.values.copy()
    row, channel = (int(index[0]) for index in np.nonzero(~np.isnan(values)))
    values[row, channel] = np.inf
    broken = data.with_modalities(
        {**data.modalities, "labs": replace(labs, events=replace(labs.events, values=values))}
    )
    with pytest.raises(DataError, match=f"labs_{channel}, read as context, are infinite"):
        Grids(broken, Shape(3, 6, {"vitals": 3}, {"labs": 2}, tuple(range(6))), "cpu")
