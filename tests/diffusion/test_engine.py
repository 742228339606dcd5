"""The diffusion engine, with a denoiser small enough to know by heart and with csdi."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.cohort import Cohort
from bench.components import Context, Interrupted, NotFitted
from bench.errors import DataError, UsageError
from bench.testing.toy import toy_cohort
from bench_imputers.diffusion import drawing
from bench_imputers.diffusion.csdi import Csdi
from bench_imputers.diffusion.denoiser import Denoiser, Given, Shape
from bench_imputers.diffusion.drawing import SamplingError
from bench_imputers.diffusion.engine import DiffusionImputer
from bench_imputers.diffusion.grids import Grids
from bench_imputers.diffusion.guess import carried, interpolated
from bench_imputers.diffusion.params import CsdiParams, DiffusionParams
from bench_imputers.temporal import Linear, Locf

TINY: dict[str, Any] = {
    "channels": 8,
    "heads": 2,
    "layers": 1,
    "feedforward": 8,
    "step_width": 8,
    "time_width": 8,
    "feature_width": 4,
    "diffusion_steps": 6,
    "steps": 6,
    "bound": 4.0,
}


class Toy(Denoiser):
    """Says `weight` x the mean of the visible values, everywhere. log: the number of units of every call."""

    log: list[int]

    def __init__(self, shape: Shape):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.log, self.conditioned = [], 0

    def condition(self, given: Given) -> Any:
        self.conditioned += 1
        return {"mean": [given.values.mean(dim=(1, 2))], "shared": torch.ones(1, 1, 1)}

    def forward(self, state: torch.Tensor, step: torch.Tensor, conditioned: Any) -> torch.Tensor:
        self.log.append(len(state))
        mean = conditioned["mean"][0]
        assert len(mean) in (1, len(state))
        assert len(step) == len(state)
        return self.weight * mean[:, None, None] * conditioned["shared"] + 0 * state


class ToyImputer(DiffusionImputer[DiffusionParams]):
    """A diffusion imputer of `Toy`."""

    largest = 10**9

    def build(self, shape: Shape) -> Denoiser:
        limit = self.largest

        class Limited(Toy):
            def forward(self, state: torch.Tensor, step: torch.Tensor, conditioned: Any) -> torch.Tensor:
                if len(state) > limit:
                    raise torch.cuda.OutOfMemoryError("CUDA out of memory")
                return super().forward(state, step, conditioned)

        return Limited(shape)


def cohort(n: int = 24, **toy: Any) -> Cohort:
    return toy_cohort(n, length=6, **toy).without_targets()


def fitted(
    kind: Callable[[Any], DiffusionImputer[Any]] = ToyImputer, context: Context | None = None, **params: Any
) -> DiffusionImputer[Any]:
    """An imputer trained for a few steps on 24 records."""
    given = {"steps": 2, "predict": "x0", "diffusion_steps": 4, **params}
    imputer = kind(DiffusionParams(**given)) if kind is not Csdi else csdi(**params)
    imputer.fit(cohort(), cohort(8, seed=1), context or Context())
    return imputer


def csdi(**params: Any) -> Csdi:
    return Csdi(CsdiParams(**(TINY | params)))


def module_of(imputer: DiffusionImputer[Any], name: str = "vitals") -> Any:
    assert imputer.networks is not None
    return imputer.networks[name].module


def same(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray], atol: float = 0.0) -> bool:
    return all(np.allclose(a[name], b[name], rtol=0, atol=atol) for name in a)


def weights(imputer: DiffusionImputer[Any]) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in imputer.state_dict().items()}


def test_conditioning_is_computed_once_for_all_draws_and_steps_of_its_records() -> None:
    imputer = fitted(chunk=2)
    module = module_of(imputer)
    module.log.clear()
    module.conditioned = 0
    imputer.impute(cohort(5), 4, Context())
    assert module.conditioned == 5
    assert module.log == [2] * (5 * 2 * 4)  # records, calls for four draws, steps


def test_a_chunk_holds_several_records_where_these_have_fewer_draws() -> None:
    imputer = fitted(chunk=6)
    module = module_of(imputer)
    module.log.clear()
    module.conditioned = 0
    imputer.impute(cohort(5), 2, Context())
    assert module.conditioned == 2
    assert module.log == [6] * (2 * 4)


@pytest.mark.parametrize("chunk", [1, 3, 4, 7, 64])
def test_the_size_of_a_chunk_changes_rounding_only(chunk: int) -> None:
    plain, other = csdi(), csdi(chunk=chunk)
    plain.fit(cohort(), cohort(8), Context())
    other.load_state_dict(plain.state_dict())
    assert same(plain.impute(cohort(7), 3, Context()), other.impute(cohort(7), 3, Context()), 1e-5)


def test_more_draws_begin_with_the_same_draws_and_other_seeds_give_others() -> None:
    imputer = fitted(Csdi)
    few, many = (imputer.impute(cohort(), draws, Context()) for draws in (2, 5))
    assert same(few, {name: array[:2] for name, array in many.items()}, 1e-5)
    assert not same(few, imputer.impute(cohort(), 2, Context(seed=1)), 0.01)


def test_a_gpu_without_memory_halves_the_chunk_says_so_and_changes_no_result() -> None:
    notes: list[str] = []
    whole = fitted(chunk=16).impute(cohort(), 4, Context())
    imputer = ToyImputer(DiffusionParams(steps=2, predict="x0", diffusion_steps=4, chunk=16))
    imputer.largest = 5
    train = cohort()
    imputer.networks = None
    with pytest.raises(torch.cuda.OutOfMemoryError):  # in training there is no chunk to halve: batch_size is the method
        imputer.fit(train, cohort(8, seed=1), Context())
    imputer = ToyImputer(DiffusionParams(steps=2, predict="x0", diffusion_steps=4, chunk=16))
    imputer.largest = 5
    imputer.load_state_dict(fitted(chunk=16).state_dict())
    again = imputer.impute(train, 4, Context(report=notes.append))
    assert same(whole, again, 1e-6)
    assert [note for note in notes if "chunk=" in note] == [
        f"{name}: out of GPU memory, goes on with chunk={chunk}" for name in ("labs", "vitals") for chunk in (8, 4)
    ]


def test_a_single_draw_that_does_not_fit_is_a_clear_error() -> None:
    imputer = ToyImputer(DiffusionParams(steps=2, predict="x0", diffusion_steps=4))
    imputer.largest = 0
    imputer.load_state_dict(fitted().state_dict())
    with pytest.raises(SamplingError, match="does not fit into the memory"):
        imputer.impute(cohort(), 2, Context())


def test_imputing_stops_when_the_run_is_being_stopped_and_says_where_it_is() -> None:
    imputer = fitted()
    asked = itertools.count()
    with pytest.raises(Interrupted, match="stopped while imputing"):
        imputer.impute(cohort(), 2, Context(should_stop=lambda: next(asked) >= 3))
    notes: list[str] = []
    imputer.impute(cohort(), 2, Context(report=notes.append))
    assert "modality vitals: record 24 of 24" in notes


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
    assert imputer.networks is not None
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


def test_draws_that_are_not_finite_are_an_error_that_says_what_to_do() -> None:
    imputer = fitted()
    state = imputer.state_dict()
    state["network/vitals/weights/weight"] = np.array(np.nan, np.float32)
    imputer.load_state_dict(state)
    with pytest.raises(SamplingError, match="bound=4"):
        imputer.impute(cohort(), 1, Context())


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


@pytest.mark.parametrize(("start", "simple"), [("noised_locf", Locf), ("noised_linear", Linear)])
def test_a_warm_start_begins_at_the_simple_completion_under_the_noise_of_the_last_step(start: str, simple: Any) -> None:
    states: list[torch.Tensor] = []

    class Starting(ToyImputer):
        def build(self, shape: Shape) -> Denoiser:
            class Watching(Toy):
                def forward(self, state: torch.Tensor, step: torch.Tensor, conditioned: Any) -> torch.Tensor:
                    if not self.training and int(step[0]) == 3:
                        states.append(state.clone())
                    return super().forward(state, step, conditioned)

            return Watching(shape)

    # Next to no noise: the start is the completion itself.
    imputer = fitted(Starting, start=start, beta_first=1e-9, beta_last=1e-8, targets=("vitals",))
    data = cohort()
    imputer.impute(data, 1, Context())
    expected = simple(None)
    expected.fit(cohort(), data, Context())
    filled = expected.impute(data, 1, Context())["vitals"][0]
    got = torch.cat(states)[: len(data)].transpose(1, 2).numpy()
    assert np.abs(got - filled).max() < 0.01


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
def test_completions_as_tensors_are_those_of_the_simple_imputers(rate: float) -> None:
    data = cohort(rate=max(rate, 0.001))
    series = data.modalities["vitals"]
    observed = series.observed & (rate > 0)
    grid = np.where(observed, series.grid, np.float32(0))
    fill = np.array([0.5, -1, 2], np.float32)
    tensors = [torch.from_numpy(array.transpose(0, 2, 1).astype(np.float32)) for array in (grid, observed)]
    for kind, guess in ((Locf, carried), (Linear, interpolated)):
        simple = kind(None)  # type: ignore[arg-type]
        expected = simple.complete(grid, observed, fill)
        found = guess(*tensors, torch.from_numpy(fill)).transpose(1, 2).numpy()
        assert np.allclose(found, expected, atol=1e-6)


def test_a_residual_process_that_says_nothing_is_linear_interpolation() -> None:
    data = cohort()
    imputer = fitted(residual=True, steps=1, learning_rate=1e-9)
    state = imputer.state_dict()
    state |= {key: np.array(0, np.float32) for key in state if key.endswith("/weights/weight")}
    imputer.load_state_dict(state)
    simple = Linear(None)  # type: ignore[arg-type]
    simple.fit(data, data, Context())
    expected = simple.impute(data, 1, Context())
    for name, made in imputer.impute(data, 1, Context()).items():
        seen = data.modalities[name].observed.any(axis=1, keepdims=True) & np.ones_like(data.modalities[name].observed)
        assert np.allclose(made[0][seen], expected[name][0][seen], atol=1e-5)


@pytest.mark.parametrize(
    ("solver", "steps"), [("ancestral", 0), ("ancestral", 3), ("ddim", 3), ("dpm++", 3), ("ddim", 1)]
)
@pytest.mark.parametrize("predict", ["noise", "x0", "v"])
def test_the_bound_holds_whatever_the_solver_and_the_prediction(solver: str, steps: int, predict: str) -> None:
    imputer = fitted(Csdi, solver=solver, solver_steps=steps, predict=predict, bound=0.25)
    data = cohort()
    made = imputer.impute(data, 3, Context())["vitals"]
    gaps = ~data.modalities["vitals"].observed
    assert np.abs(made[:, gaps]).max() <= 0.25 + 1e-3
    assert np.isfinite(made).all()


def test_unconditional_sampling_pastes_the_noised_values_before_every_call() -> None:
    states: list[torch.Tensor] = []
    imputer = fitted(Csdi, unconditional=True, targets=("vitals",), chunk=4, beta_first=1e-9, beta_last=1e-8)
    module = module_of(imputer)
    inner = module.forward
    module.forward = lambda state, step, conditioned: states.append(state.clone()) or inner(state, step, conditioned)
    data = cohort(4)
    imputer.impute(data, 1, Context())
    series = data.modalities["vitals"]
    for state in states:  # next to no noise: the values themselves
        assert np.allclose(state.transpose(1, 2).numpy()[series.observed], series.grid[series.observed], atol=0.01)


def test_bfloat16_draws_are_near_those_of_full_precision() -> None:
    imputer = fitted(Csdi)
    plain, half = (
        imputer.impute(cohort(), 1, Context(precision=precision))["vitals"] for precision in ("fp32", "bf16")
    )
    assert half.dtype == np.float32
    assert not np.array_equal(plain, half)
    assert np.abs(plain - half).mean() < 0.05


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
    assert imputer.networks is not None
    (network,) = imputer.networks.values()
    assert (network.shape.channels, dict(network.shape.parts)) == (5, {"vitals": 3, "labs": 2})
    assert dict(network.shape.context) == {"notes": 60}
    fresh = Joint(imputer.params)
    fresh.load_state_dict(imputer.state_dict())
    made = fresh.impute(data, 2, Context())
    for name, series in data.modalities.items():
        assert np.array_equal(made[name][0][series.observed], series.grid[series.observed])


def test_the_chosen_chunk_is_small_on_a_cpu_and_large_on_a_gpu() -> None:
    assert 1 <= drawing._chosen_chunk(35 * 48, "cpu") <= 4
    assert drawing._chosen_chunk(35 * 48, "cuda") >= 256


def test_infinite_event_values_are_refused_where_they_are_read_as_context() -> None:
    data = cohort()
    labs = data.modalities["labs"]
    values = labs.events.values.copy()
    row, channel = (int(index[0]) for index in np.nonzero(~np.isnan(values)))
    values[row, channel] = np.inf
    broken = data.with_modalities({**data.modalities, "labs": replace(labs, events=replace(labs.events, values=values))})
    with pytest.raises(DataError, match=f"labs_{channel}, read as context, are infinite"):
        Grids(broken, Shape(3, 6, {"vitals": 3}, {"labs": 2}, tuple(range(6))), "cpu")
