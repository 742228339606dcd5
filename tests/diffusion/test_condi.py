"""CondI: its sizes and profiles, that without table and experts it is CSDI, and that it
completes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench import arrays
from bench.cohort import Cohort
from bench.components import Context
from bench.testing.toy import toy_cohort
from bench_imputers.diffusion.condi import Condi
from bench_imputers.diffusion.condi_context import (
    ConditionTable,
    ObservedContext,
)
from bench_imputers.diffusion.condi_encoders import Backbone, PreExtractor, SmallEncoder
from bench_imputers.diffusion.condi_params import CONDI_PROFILES, CondiParams
from bench_imputers.diffusion.csdi import CsdiDenoiser
from bench_imputers.diffusion.denoiser import Given
from bench_imputers.diffusion.params import CsdiParams
from support.condi_networks import PARTS, PROFILES, SMALL, answer, context_of, count, network, shape, told


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


# Sizes: 12 leads of 250 steps, as in the public code

LEADS = {f"lead{i}": 1 for i in range(12)}


def published(**chosen: Any) -> CsdiDenoiser:
    with torch.device("meta"):
        made = Condi(CondiParams(**chosen)).build(shape(LEADS, 250))
    assert isinstance(made, CsdiDenoiser)
    return made


def denoiser_size(side: int, channels: int) -> int:
    """Of the network of CSDI (specification of CSDI, section 2.6)."""
    transformer = 4 * 64**2 + 9 * 64 + 2 * 64 * 64 + 64
    layer = 128 * 64 + 64 + 2 * 64 * side + 128 + 2 * (2 * 64**2 + 128) + 2 * transformer
    return channels * 64 + 2 * (128**2 + 128) + 3 * 64 + 64**2 + 64 + 65 + 4 * layer


TABLE = 12 * 12 * 128
SMALL_ENCODER = 9 * 32 + 32 + 64 + 9 * 32 * 64 + 64 + 128 + 64 * 128 + 128
MIXTURE = 1548 * 256 + 256 + 256 * 3 + 3 + 3 * (1548 * 256 + 256 + 256 * 128 + 128)
PRE = 32 + 2 * 39 * 32 * 32 + 39 * 32 * 16 + 39 * 16 + 1
BACKBONE = sum(2 * 32 * inputs + (39 + 19 + 9) * 32 * 32 + 256 for inputs in (1, *[128] * 5)) + 128 + 128**2 + 2 * 256
HEAD = 2 * 256 + 256 * 128 + 128 + 2 * 128


@pytest.mark.parametrize(
    ("chosen", "side", "channels", "context", "total"),
    [
        ({}, 128 + 64 + 1 + 128 + 12 * 128, 12, TABLE + SMALL_ENCODER + MIXTURE, 3_022_212),
        ({"cond_layout": "own"}, 128 + 64 + 1 + 128 + 128, 12, TABLE + SMALL_ENCODER + MIXTURE, 2_301_316),
        ({"experts": 0}, 128 + 64 + 1 + 12 * 128, 12, TABLE, 1_243_713),
        ({"experts": 0, "condition": "none"}, 193, 12, 0, 438_849),
        ({"profile": "released"}, 449, 1, 12 * PRE + BACKBONE + HEAD + 2 * (128**2 + 128), 2_313_101),
    ],
)
def test_the_number_of_parameters_is_the_sum_of_the_parts(
    chosen: dict[str, Any], side: int, channels: int, context: int, total: int
) -> None:
    made = published(**chosen)
    assert sum(made.widths) == side
    assert count(made.context) == context
    assert count(made) == denoiser_size(side, channels) + context == total


def test_the_mixture_reads_the_published_width() -> None:
    context = context_of(published()).context
    assert isinstance(context, ObservedContext)
    assert context.mixture.gate[0].in_features == 1548
    assert len(context.mixture.experts) == 3


def test_encoders_have_the_sizes_of_the_description() -> None:
    assert count(SmallEncoder([1] * 12, 128)) == SMALL_ENCODER
    assert count(SmallEncoder([1, 3, 1, 2], 128)) == SMALL_ENCODER + 9 * 5 * 32 + 2 * 32
    assert (count(PreExtractor(1)), count(PreExtractor(3))) == (PRE, PRE + 2 * 32 + 3)
    assert count(Backbone()) == BACKBONE


# Profiles


def test_profiles_choose_what_the_specification_says() -> None:
    paper, released = (CONDI_PROFILES.over(CondiParams(profile=name)) for name in ("paper", "released"))
    assert (paper.condition, paper.cond_layout, paper.experts, paper.joint) == ("table", "all", 3, True)
    assert (released.condition, released.cond_layout, released.experts, released.joint) == ("others", "own", 0, False)
    assert Condi(CondiParams()).schedule.alpha_bars[-1] < 1e-4
    assert Condi(CondiParams(profile="released")).schedule.alpha_bars[-1] == pytest.approx(0.603, abs=0.001)


def test_what_is_given_wins_over_the_profile() -> None:
    choice = CONDI_PROFILES.over(CondiParams(profile="released", experts=2, beta_last=0.5))
    assert (choice.experts, choice.beta_last, choice.betas) == (2, 0.5, "linear")


def test_the_training_is_that_of_the_specification() -> None:
    p = CondiParams()
    assert (p.optimizer, p.learning_rate, p.weight_decay, p.clip, p.batch_size) == ("adamw", 1e-3, 1e-6, 1.0, 32)
    assert (p.diffusion_steps, p.mask) == (50, "random")


def test_released_says_that_it_starts_from_noise_that_training_never_reaches() -> None:
    lines: list[str] = []
    cohort = toy_cohort(n=8, length=4).without_targets()
    chosen = SMALL | {"profile": "released", "steps": 1, "diffusion_steps": 50}
    Condi(CondiParams(**chosen)).fit(cohort, cohort, Context(report=lines.append))
    assert any("60% of the variance is still signal" in line for line in lines)


# Without both it is CSDI


def test_without_table_and_experts_it_is_csdi() -> None:
    sizes = {name: value for name, value in SMALL.items() if name in CsdiParams.__struct_fields__}
    made = network(condition="none", experts=0)
    plain = CsdiDenoiser(shape(PARTS), CsdiParams(**sizes)).eval()
    plain.load_state_dict(made.state_dict())
    given_, state = told(), torch.randn(3, 5, 5)
    assert torch.equal(answer(made, given_, state), answer(plain, given_, state))


def test_with_table_and_experts_of_zero_it_is_csdi() -> None:
    made, plain = network(), network(condition="none", experts=0)
    context = context_of(made)
    assert isinstance(context.condition, ConditionTable)
    assert context.context is not None
    nn.init.zeros_(context.condition.table)
    for expert in context.context.mixture.experts:
        nn.init.zeros_(expert[2].weight)
        nn.init.zeros_(expert[2].bias)
    weights = {name: value for name, value in made.state_dict().items() if not name.startswith("context.")}
    for name in list(weights):
        if name.endswith(".side.weight"):
            weights[name] = weights[name][:, : sum(plain.widths)]
    plain.load_state_dict(weights)
    given_, state = told(), torch.randn(3, 5, 5)
    assert torch.allclose(answer(made, given_, state), answer(plain, given_, state), atol=1e-6)


# Series by themselves


def test_released_runs_every_channel_as_a_series_by_itself() -> None:
    made = network(profile="released")
    assert made.features.shape == (1, 4)
    given_, state = told(), torch.randn(3, 5, 5)
    vectors = context_of(made)(given_)

    class Fixed(nn.Module):
        def __init__(self, channel: int):
            super().__init__()
            self.channel = channel

        def forward(self, given_: Given) -> torch.Tensor:
            return vectors[:, self.channel]

    whole, context = answer(made, given_, state), made.context
    for channel in range(5):
        own = slice(channel, channel + 1)
        made.context = Fixed(channel)
        alone = answer(made, Given(given_.values[:, own], given_.conditioning[:, own], {}), state[:, own])
        assert torch.allclose(whole[:, own], alone, atol=1e-5)
    made.context = context


@pytest.mark.parametrize(("joint", "met"), [(True, True), (False, False)])
def test_noisy_channels_meet_in_a_joint_network_alone(joint: bool, met: bool) -> None:
    made, given_ = network(joint=joint), told()
    state = torch.randn(3, 5, 5).requires_grad_()
    answer(made, given_, state)[:, 0].sum().backward()
    assert state.grad is not None
    assert bool(state.grad[:, 1:].any()) == met


# Batches


@pytest.mark.parametrize("chosen", PROFILES)
def test_records_of_a_batch_do_not_touch_each_other_in_sampling(chosen: dict[str, Any]) -> None:
    made, given_, state = network(**chosen), told(4), torch.randn(4, 5, 5)
    alone = Given(given_.values[1:2], given_.conditioning[1:2], {})
    with torch.no_grad():
        made.sampling()
        assert torch.allclose(answer(made, given_, state)[1], answer(made, alone, state[1:2])[0], atol=1e-5)


# In the engine


def fitted(cohort: Cohort, **chosen: Any) -> Condi:
    params = SMALL | {"steps": 3, "batch_size": 8, "bound": 4.0} | chosen
    made = Condi(CondiParams(**params))
    made.fit(cohort, cohort, Context())
    return made


@pytest.mark.parametrize("chosen", PROFILES)
def test_it_completes_what_is_missing_and_travels(chosen: dict[str, Any], tmp_path: Path) -> None:
    cohort = toy_cohort(n=16, length=5).without_targets()
    made = fitted(cohort, **chosen)
    arrays.write(tmp_path / "state.safetensors", made.state_dict())
    again = Condi(made.params)
    again.load_state_dict(arrays.read(tmp_path / "state.safetensors")[0])
    completed, repeated = (each.impute(cohort, 2, Context()) for each in (made, again))
    for name, series in cohort.modalities.items():
        assert np.isfinite(completed[name]).all()
        assert np.array_equal(completed[name], repeated[name])
        assert np.array_equal(completed[name][0][series.observed], series.grid[series.observed])


def test_one_network_completes_all_targets_and_wide_modalities_have_no_part() -> None:
    cohort = toy_cohort(n=12, length=4, modalities={"vitals": 2, "notes": 60, "labs": 1}).without_targets()
    made = fitted(cohort)
    assert {name: dict(network.shape.parts) for name, network in made.networks.items()} == {
        "joint": {"vitals": 2, "labs": 1}
    }


@pytest.mark.parametrize("chosen", [{}, {"profile": "released"}])
def test_one_modality_of_one_channel_at_one_bin_is_completed(chosen: dict[str, Any]) -> None:
    cohort = toy_cohort(n=9, length=1, modalities={"only": 1}, rate=0.9).without_targets()
    assert np.isfinite(fitted(cohort, **chosen, epochs=1, steps=None).impute(cohort, 1, Context())["only"]).all()
