"""The SSSD network: its published numbers, a plain restatement of its formulas, and what it may
look at.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from bench_imputers.diffusion.denoiser import Given, Shape
from bench_imputers.diffusion.s4 import S4, legs
from bench_imputers.diffusion.schedule import schedule
from bench_imputers.diffusion.sssd import Convolution, Sssd, SssdDenoiser, step_features
from bench_imputers.diffusion.sssd_params import SssdParams
from bench_imputers.diffusion.targets import masking

laws = settings(max_examples=25, deadline=None)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def shape(channels: int, length: int) -> Shape:
    return Shape(channels, length, {"vitals": channels}, {}, tuple(float(hour) for hour in range(length)))


def small(channels: int = 3, length: int = 12, **changed: Any) -> SssdDenoiser:
    """A small network whose last layer is not 0, so that everything shows in its output."""
    sizes: dict[str, Any] = {"blocks": 2, "width": 8, "states": 16} | changed
    made = SssdDenoiser(shape(channels, length), SssdParams(**sizes))
    torch.nn.init.normal_(made.leave.weight)
    torch.nn.init.normal_(made.leave.bias)
    return made


def grids(records: int = 4, channels: int = 3, length: int = 12) -> tuple[torch.Tensor, torch.Tensor, Given]:
    """A noisy state, steps, and what is given."""
    seen = (torch.rand(records, channels, length) < 0.4).float()
    values = torch.randn(records, channels, length) * seen
    return torch.randn(records, channels, length), torch.randint(200, (records,)), Given(values, seen, {})


# Sizes and starting values


@pytest.mark.parametrize(("channels", "expected"), [(14, 48_371_726), (35, 49_156_643)])
def test_the_published_network_has_the_published_number_of_parameters(channels: int, expected: int) -> None:
    with torch.device("meta"):
        made = SssdDenoiser(shape(channels, 100), SssdParams())
    assert sum(parameter.numel() for parameter in made.parameters()) == expected == 47_848_448 + 37_377 * channels
    assert sum(parameter.numel() for parameter in made.blocks[0].parameters()) == 1_318_144 + 1_024 * channels


@given(
    channels=st.integers(1, 9),
    length=st.integers(1, 12),
    blocks=st.integers(1, 3),
    width=st.integers(1, 12),
    states=st.integers(1, 9),
)
@laws
def test_the_number_of_parameters_is_the_sum_of_the_parts_and_knows_no_length(
    channels: int, length: int, blocks: int, width: int, states: int
) -> None:
    def normed(inputs: int, outputs: int, bins: int = 1) -> int:
        return inputs * outputs * bins + 2 * outputs

    wide = 2 * width
    s4 = 2 * wide * states + wide + wide * (wide + 1) + 2 * wide
    block = 513 * width + normed(width, wide, 3) + 2 * s4 + normed(2 * channels, wide) + 2 * normed(width, width)
    ends = normed(channels, width) + normed(width, width) + (width + 1) * channels
    made = small(channels, length, blocks=blocks, width=width, states=states)
    assert sum(p.numel() for p in made.parameters()) == 129 * 512 + 513 * 512 + blocks * block + ends


def test_the_untrained_network_predicts_zero():
    state, step, seen = grids()
    made = SssdDenoiser(shape(3, 12), SssdParams(blocks=2, width=8))
    assert (made(state, step, made.condition(seen)) == 0).all()


@pytest.mark.parametrize(("inputs", "outputs", "bins"), [(64, 512, 1), (64, 512, 3)])
def test_convolutions_start_as_frameworks_default_whatever_their_normalisation(
    inputs: int, outputs: int, bins: int
) -> None:
    made, bound = Convolution(inputs, outputs, bins), 1 / math.sqrt(inputs * bins)
    assert made.weight.shape == (outputs, inputs, bins)
    for values in (made.weight, made.bias):
        assert values.abs().max() <= bound * 1.00001
        assert values.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
    norms = made.parametrizations.weight.original0.flatten()
    torch.testing.assert_close(norms, made.weight.flatten(1).norm(dim=1))


def test_the_length_of_a_normalised_weight_is_a_parameter_of_its_own():
    made = Convolution(5, 4)
    with torch.no_grad():
        made.parametrizations.weight.original1.mul_(7)
        made.parametrizations.weight.original0.fill_(2)
    torch.testing.assert_close(made.weight.flatten(1).norm(dim=1), torch.full((4,), 2.0))


def test_the_defaults_are_the_published_training():
    params = SssdParams()
    assert (params.blocks, params.width, params.states) == (36, 256, 64)
    assert (params.steps, params.batch_size, params.learning_rate) == (150_000, 50, 2e-4)
    assert (params.optimizer, params.weight_decay, params.schedule, params.clip) == ("adam", 0.0, "constant", 0.0)
    assert (params.mask, params.mask_ratio, params.observed, params.bound) == ("points", 0.9, "reference", 0.0)
    made = schedule(params.betas, params.diffusion_steps, params.beta_first, params.beta_last)
    np.testing.assert_allclose(made.betas, 1e-4 + (0.02 - 1e-4) * np.arange(200) / 199)


# The function


def test_the_step_embedding_has_sines_then_cosines_of_falling_frequency():
    made = step_features(torch.tensor([0, 7, 199]))
    assert made.shape == (3, 128)
    for row, step in enumerate((0, 7, 199)):
        for j in (0, 1, 31, 63):
            angle = step * 10_000 ** (-j / 63)
            assert made[row, j].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert made[row, 64 + j].item() == pytest.approx(math.cos(angle), abs=1e-6)


def naive_s4(layer: S4, inputs: torch.Tensor) -> torch.Tensor:
    """inputs [b, features, length], by the definition: powers of the discretised matrix, a
    matrix of lags.
    """
    length, states = inputs.shape[2], layer.c.shape[2]
    a, b = legs(states)
    mixed = torch.zeros_like(inputs)
    for feature, delta in enumerate(layer.delta.double()):
        left = torch.eye(states, dtype=torch.float64) - delta / 2 * a
        ab = torch.linalg.solve(left, 2 * torch.eye(states, dtype=torch.float64) - left)
        columns = [torch.linalg.solve(left, delta * b)]
        for _ in range(length - 1):
            columns.append(ab @ columns[-1])
        causal, anticausal = layer.c[:, feature].double() @ torch.stack(columns, 1)
        for here in range(length):
            past = sum(causal[here - there] * inputs[:, feature, there] for there in range(here + 1))
            future = sum(anticausal[there - here - 1] * inputs[:, feature, there] for there in range(here + 1, length))
            mixed[:, feature, here] = past + future + layer.d[feature] * inputs[:, feature, here]
    mixed = functional.gelu(mixed)
    mixed = torch.einsum("of,bfl->bol", layer.mix.weight, mixed) + layer.mix.bias[:, None]
    normed = functional.layer_norm((mixed + inputs).transpose(1, 2), inputs.shape[1:2])
    return normed.transpose(1, 2)


def naive(made: SssdDenoiser, state: torch.Tensor, step: torch.Tensor, seen: Given) -> torch.Tensor:
    """Section 2 of the specification, step by step, channels before bins, with the framework's
    convolutions.
    """

    def convolved(layer: Convolution, inputs: torch.Tensor) -> torch.Tensor:
        raw, size = layer.parametrizations.weight.original1, layer.parametrizations.weight.original0
        weight = size * raw / raw.square().sum(dim=(1, 2), keepdim=True).sqrt()
        return functional.conv1d(inputs, weight, layer.bias, padding=layer.kernel_size[0] // 2)

    def swish(x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(x)

    conditioning = torch.cat([seen.values * seen.conditioning, seen.conditioning], 1)
    embedding = swish(made.embed[2](swish(made.embed[0](step_features(step)))))
    h = functional.relu(convolved(made.enter, state * (1 - seen.conditioning) + seen.values * seen.conditioning))
    skips = torch.zeros_like(h)
    for block in made.blocks:
        u = convolved(block.widen, h + block.step(embedding)[:, :, None])
        u = naive_s4(block.first, u) + convolved(block.conditioning, conditioning)
        u = naive_s4(block.second, u)
        first, last = u.split(u.shape[1] // 2, dim=1)
        gated = torch.tanh(first) * torch.sigmoid(last)
        skips = skips + convolved(block.skip, gated)
        h = (h + convolved(block.residual, gated)) * math.sqrt(0.5)
    out = functional.relu(convolved(made.gather, skips / math.sqrt(len(made.blocks))))
    return functional.conv1d(out, made.leave.weight[:, :, None], made.leave.bias)


@pytest.mark.parametrize("length", [1, 2, 12])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_fast_path_is_the_formula(channels: int, length: int) -> None:
    made = small(channels, length, width=4).eval()
    state, step, seen = grids(3, channels, length)
    with torch.no_grad():
        expected = naive(made, state, step, seen)
        scale = expected.abs().max()
        assert (made(state, step, made.condition(seen)) - expected).abs().max() <= 1e-5 * scale
        made.sampling()
        assert (made(state, step, made.condition(seen)) - expected).abs().max() <= 1e-5 * scale


def test_what_was_tabulated_for_sampling_is_forgotten_by_training():
    made = small().eval()
    state, step, seen = grids()
    with torch.no_grad():
        made.sampling()
        before = made(state, step, made.condition(seen))
        for parameter in made.parameters():
            parameter.mul_(1.1)
        made.train().eval()
        after = made(state, step, made.condition(seen))
        made.sampling()
        torch.testing.assert_close(made(state, step, made.condition(seen)), after, rtol=0, atol=1e-5)
    assert not torch.allclose(before, after, atol=1e-2)


def test_a_network_that_first_sampled_can_be_trained():
    made = small().eval()
    state, step, seen = grids()
    with torch.inference_mode():
        made.sampling()
        made(state, step, made.condition(seen))
    made.train()
    made(state, step, made.condition(seen)).square().sum().backward()
    silent = {name for name, parameter in made.named_parameters() if parameter.grad is None}
    assert {name.partition(".para")[0].removesuffix(".bias") for name in silent} == {"blocks.1.residual"}


def test_recomputed_powers_change_nothing_but_rounding():
    stored, recomputed = small().eval(), small(powers="recomputed").eval()
    recomputed.load_state_dict(stored.state_dict())
    state, step, seen = grids()
    outputs = [made(state, step, made.condition(seen)) for made in (stored, recomputed)]
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-5)


# What it may look at


def test_values_that_are_not_conditioning_and_the_state_where_they_are_do_not_enter():
    made = small().eval()
    state, step, seen = grids()
    leaky = Given(torch.where(seen.conditioning > 0, seen.values, torch.randn(4, 3, 12)), seen.conditioning, {})
    other = torch.where(seen.conditioning > 0, torch.randn(4, 3, 12), state)
    with torch.no_grad():
        expected = made(state, step, made.condition(seen))
        assert torch.equal(made(state, step, made.condition(leaky)), expected)
        assert torch.equal(made(other, step, made.condition(seen)), expected)
        assert not torch.allclose(made(state + 1, step, made.condition(seen)), expected)


def test_a_record_is_denoised_the_same_in_any_company():
    made = small().eval()
    state, step, seen = grids()
    with torch.no_grad():
        together = made(state, step, made.condition(seen))
        for i in range(4):
            alone = Given(seen.values[i : i + 1], seen.conditioning[i : i + 1], {})
            one = made(state[i : i + 1], step[i : i + 1], made.condition(alone))
            torch.testing.assert_close(one, together[i : i + 1], rtol=0, atol=1e-5)


def test_training_shows_conditioning_entries_as_the_reference_does_or_clean():
    """Reference: the noise is replaced by the clean value there, so that x_t = (sqrt(abar) +
    sqrt(1 - abar)) x0.
    """
    state, step, seen = grids()
    bars = torch.from_numpy(np.cumprod(1 - np.linspace(1e-4, 0.02, 200)))[step, None, None]
    noised = (bars.sqrt() * seen.values + (1 - bars).sqrt() * seen.values).float()
    reference, clean = small(observed="reference"), small(observed="clean")
    clean.load_state_dict(reference.state_dict())
    entered = []
    for made in (reference, clean):
        made.enter.register_forward_pre_hook(lambda _, inputs: entered.append(inputs[0].transpose(1, 2)))
    with torch.no_grad():
        for made in (reference, clean):
            made(state, step, made.condition(seen))
            made.eval()
            made(state, step, made.condition(seen))
    where = seen.conditioning > 0
    for found, expected in zip(entered, (noised, seen.values, seen.values, seen.values), strict=True):
        torch.testing.assert_close(found[where], expected[where])
        assert torch.equal(found[~where], state[~where])


# Masks of a training visit

observed_grids = st.builds(
    lambda b, k, n, rate, seed: (torch.rand(b, k, n, generator=torch.Generator().manual_seed(seed)) < rate).float(),
    st.integers(1, 4), st.integers(1, 4), st.integers(1, 20), st.floats(0, 1), st.integers(0, 1000),
)  # fmt: skip
ratios = st.floats(0.05, 0.95)


@pytest.mark.parametrize("mask", ["points", "segments", "blackout"])
@given(observed=observed_grids, ratio=ratios)
@laws
def test_only_what_was_observed_is_looked_at_and_some_bins_are_hidden(
    mask: str, observed: torch.Tensor, ratio: float
) -> None:
    visible = masking(mask, ratio)(observed)
    assert ((visible == 0) | (visible == 1)).all()
    assert (visible <= observed).all()
    everything = masking(mask, ratio)(torch.ones_like(observed))
    assert (everything.sum(2) < observed.shape[2]).all()


@given(observed=observed_grids, ratio=ratios)
@laws
def test_points_hides_as_many_bins_in_each_channel_where_all_was_observed(observed: torch.Tensor, ratio: float) -> None:
    length = observed.shape[2]
    hidden = 1 - masking("points", ratio)(torch.ones_like(observed))
    assert (hidden.sum(2) == max(round(ratio * length), 1)).all()


@pytest.mark.parametrize("mask", ["segments", "blackout"])
@given(observed=observed_grids, ratio=ratios)
@laws
def test_segments_are_consecutive_and_start_at_multiples_of_their_length(
    mask: str, observed: torch.Tensor, ratio: float
) -> None:
    length = observed.shape[2]
    bins = max(round(ratio * length), 1)
    hidden = 1 - masking(mask, ratio)(torch.ones_like(observed))
    for row in hidden.flatten(0, 1):
        places = row.nonzero().flatten().tolist()
        assert places[0] % bins == 0
        assert places == list(range(places[0], min(places[0] + bins, length)))
    if mask == "blackout":
        assert (hidden == hidden[:, :1]).all()


def test_each_record_has_a_mask_of_its_own_and_each_channel_but_in_a_blackout():
    everything = torch.ones(50, 6, 40)
    for mask, own in (("points", True), ("segments", True), ("blackout", False)):
        visible = masking(mask, 0.2)(everything)
        assert len(visible[:, 0].unique(dim=0)) > 3
        assert (visible != visible[:, :1]).any().item() == own


# Learning


@pytest.mark.parametrize("observed", ["reference", "clean"])
def test_a_few_steps_of_training_learn_to_denoise_what_two_channels_share(observed: str) -> None:
    params = SssdParams(blocks=1, width=16, states=16, observed=observed, learning_rate=5e-3, mask_ratio=0.5)
    made = SssdDenoiser(shape(2, 24), params)
    bars = torch.from_numpy(Sssd(params).schedule.alpha_bars).float()
    optimizer = torch.optim.Adam(made.parameters(), params.learning_rate)
    losses = []
    for _ in range(120):
        phase = 6.28 * torch.rand(16, 1, 1)
        clean = torch.sin(phase + torch.arange(24) / 3).expand(-1, 2, -1)
        visible, noise = masking(params.mask, params.mask_ratio)(torch.ones_like(clean)), torch.randn_like(clean)
        step = torch.randint(200, (16,))
        bar = bars[step, None, None]
        state = bar.sqrt() * clean + (1 - bar).sqrt() * noise
        said = made(state, step, made.condition(Given(clean * visible, visible, {})))
        loss = ((said - noise).square() * (1 - visible)).sum() / (1 - visible).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert 0.8 < losses[0] < 1.2
    assert np.mean(losses[-20:]) < 0.4
