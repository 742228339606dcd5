"""Sampling: chunks, shared conditioning, starts, bounds, and a GPU without memory."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from bench.components import Context, Interrupted
from bench_imputers.diffusion import drawing
from bench_imputers.diffusion.csdi import Csdi
from bench_imputers.diffusion.denoiser import Denoiser, Shape
from bench_imputers.diffusion.drawing import SamplingError
from bench_imputers.diffusion.guess import carried, interpolated
from bench_imputers.diffusion.params import DiffusionParams
from bench_imputers.naive.temporal import Linear, Locf
from support.diffusion_toys import Toy, ToyImputer, cohort, csdi, fitted, module_of, same


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


def test_draws_that_are_not_finite_are_an_error_that_says_what_to_do() -> None:
    imputer = fitted()
    state = imputer.state_dict()
    state["network/vitals/weights/weight"] = np.array(np.nan, np.float32)
    imputer.load_state_dict(state)
    with pytest.raises(SamplingError, match="bound=4"):
        imputer.impute(cohort(), 1, Context())


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


def test_the_chosen_chunk_is_small_on_a_cpu_and_large_on_a_gpu() -> None:
    assert 1 <= drawing._chosen_chunk(35 * 48, "cpu") <= 4
    assert drawing._chosen_chunk(35 * 48, "cuda") >= 256
