"""The network of CSDI: its published numbers, and a plain restatement of its formulas with the
same weights.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from bench_imputers.diffusion.csdi import CsdiDenoiser, step_table
from bench_imputers.diffusion.denoiser import Given, Shape
from bench_imputers.diffusion.layers import time_embedding
from bench_imputers.diffusion.params import CsdiParams
from bench_imputers.diffusion.residual import TransformerLayer, dropout

SIZES: dict[str, Any] = {
    "channels": 16,
    "heads": 2,
    "layers": 3,
    "feedforward": 24,
    "step_width": 12,
    "time_width": 10,
    "feature_width": 6,
    "diffusion_steps": 7,
}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def shape(channels: int, length: int) -> Shape:
    return Shape(channels, length, {"m": channels}, {}, tuple(0.5 + 2.0 * hour for hour in range(length)))


def network(k: int = 4, l: int = 5, context: nn.Module | None = None, width: int = 0, **sizes: Any) -> CsdiDenoiser:
    """A small network whose head is not zero, so that its output says something."""
    made = CsdiDenoiser(shape(k, l), CsdiParams(**(SIZES | sizes)), context, width)
    nn.init.normal_(made.output.weight)
    return made.eval()


def given_of(b: int, channels: int, length: int) -> Given:
    visible = (torch.rand(b, channels, length) < 0.4).float()
    return Given(torch.randn(b, channels, length) * visible, visible, {})


def count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def test_the_healthcare_configuration_has_the_published_number_of_weights() -> None:
    made = CsdiDenoiser(shape(35, 48), CsdiParams())
    assert count(made) == 414_065
    assert {count(layer) for layer in made.layers} == {94_016}
    assert {count(layer.time) for layer in made.layers} == {count(layer.feature) for layer in made.layers} == {25_216}
    assert made.features.numel() == 560
    assert count(made.step_embedding) == 33_024
    assert (count(made.input), count(made.skips), count(made.output)) == (192, 4160, 65)
    assert len(made.state_dict()) == 139


def test_the_unconditional_configuration_has_the_published_number_of_weights() -> None:
    assert count(CsdiDenoiser(shape(35, 48), CsdiParams(unconditional=True))) == 413_489


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 9), st.integers(1, 5))
def test_the_number_of_weights_follows_the_formula(k: int, c: int, r: int, half: int, f: int, df: int) -> None:
    c, e, dt = 2 * c, 2 * half, 2 * half
    sizes = CsdiParams(channels=c, heads=2, layers=r, feedforward=f, step_width=e, time_width=dt, feature_width=df)
    s = dt + df + 1
    layer = (e * c + c) + (2 * c * s + 2 * c) + 2 * (2 * c * c + 2 * c) + 2 * (4 * c * c + 9 * c + 2 * c * f + f)
    total = k * df + 2 * (e * e + e) + (2 * c + c) + (c * c + c) + (c + 1) + r * layer
    assert count(CsdiDenoiser(shape(k, 3), sizes)) == total


def test_the_untrained_network_predicts_the_bias_of_its_head() -> None:
    made = CsdiDenoiser(shape(3, 4), CsdiParams(**SIZES)).eval()
    told = given_of(2, 3, 4)
    out = made(torch.randn(2, 3, 4), torch.tensor([0, 6]), made.condition(told))
    assert torch.equal(out, made.output.bias.expand(2, 3, 4))


def test_weights_start_as_in_the_authors_code() -> None:
    made = CsdiDenoiser(shape(35, 48), CsdiParams())
    layer = made.layers[0]
    for map_ in (layer.middle, layer.side, layer.out, made.skips):
        assert float(map_.weight.detach().std()) == pytest.approx(math.sqrt(2 / map_.in_features), rel=0.05)
        assert float(map_.bias.detach().abs().max()) <= map_.in_features**-0.5
    assert float(made.features.detach().std()) == pytest.approx(1, rel=0.1)
    attention = layer.time
    assert float(attention.packed.weight.detach().abs().max()) == pytest.approx(math.sqrt(6 / (64 + 192)), rel=0.01)
    assert not attention.packed.bias.any()
    assert not attention.merge.bias.any()
    assert not made.output.weight.any()


def test_the_time_embedding_interleaves_sines_and_cosines_of_the_time_stamp() -> None:
    table = time_embedding(torch.tensor([0.0, 3.5]), 128)
    assert table.shape == (2, 128)
    assert float(table[1, 10]) == pytest.approx(math.sin(3.5 / 10000 ** (10 / 128)), abs=1e-6)
    assert float(table[1, 11]) == pytest.approx(math.cos(3.5 / 10000 ** (10 / 128)), abs=1e-6)
    assert table[0].tolist() == [0.0, 1.0] * 64


def test_the_frequencies_of_the_step_embedding_grow_from_one_to_ten_thousand() -> None:
    table = step_table(50, 128).double()
    assert table.shape == (50, 128)
    assert float(table[1, 0]) == pytest.approx(math.sin(1), abs=1e-6)
    assert float(table[1, 63]) == pytest.approx(math.sin(10_000), abs=1e-3)
    assert float(table[7, 64 + 5]) == pytest.approx(math.cos(7 * 10 ** (4 * 5 / 63)), abs=1e-4)


def stock(layer: TransformerLayer) -> nn.TransformerEncoderLayer:
    """torch's own encoder layer with the same weights."""
    width = layer.merge.in_features
    made = nn.TransformerEncoderLayer(
        width, layer.heads, layer.up.out_features, layer.dropout, activation="gelu", batch_first=True
    ).eval()
    made.load_state_dict(
        {
            "self_attn.in_proj_weight": layer.packed.weight,
            "self_attn.in_proj_bias": layer.packed.bias,
            "self_attn.out_proj.weight": layer.merge.weight,
            "self_attn.out_proj.bias": layer.merge.bias,
            "linear1.weight": layer.up.weight,
            "linear1.bias": layer.up.bias,
            "linear2.weight": layer.down.weight,
            "linear2.bias": layer.down.bias,
            "norm1.weight": layer.norm_attended.weight,
            "norm1.bias": layer.norm_attended.bias,
            "norm2.weight": layer.norm_fed.weight,
            "norm2.bias": layer.norm_fed.bias,
        }
    )
    return made


def slowly(
    made: CsdiDenoiser, told: Given, state: torch.Tensor, step: torch.Tensor, extra: torch.Tensor | None
) -> torch.Tensor:
    """The network as its description puts it: (b, channels, K, L) tensors, convolutions, the
    side information in full.
    """
    b, k, l = state.shape
    visible = told.conditioning

    def convolution(y: torch.Tensor, layer: nn.Linear) -> torch.Tensor:
        return functional.conv1d(y.flatten(2), layer.weight[:, :, None], layer.bias).view(b, -1, k, l)

    side = [made.times.T[None, :, None].expand(b, -1, k, l), made.features.T[None, :, :, None].expand(b, -1, k, l)]
    inputs = [state[:, None]]
    if not made.unconditional:
        side.append(visible[:, None])
        inputs = [told.values[:, None], ((1 - visible) * state)[:, None]]
    if extra is not None:
        side.append(extra.view(b, -1, extra.shape[-1]).transpose(1, 2)[..., None].expand(b, -1, k, l))
    whole = torch.cat(side, dim=1)
    x = torch.relu(convolution(torch.cat(inputs, dim=1), made.input))
    embedded = made.step_embedding(made.table[step])
    skips = torch.zeros(())
    for layer in made.layers:
        y = x + layer.step(embedded)[:, :, None, None]
        width = y.shape[1]
        if l > 1:
            y = (
                stock(layer.time)(y.permute(0, 2, 3, 1).reshape(b * k, l, width))
                .view(b, k, l, width)
                .permute(0, 3, 1, 2)
            )
        if k > 1:
            y = (
                stock(layer.feature)(y.permute(0, 3, 2, 1).reshape(b * l, k, width))
                .view(b, l, k, width)
                .permute(0, 3, 2, 1)
            )
        y = convolution(y, layer.middle) + convolution(whole, layer.side)
        gate, filtered = y.chunk(2, dim=1)
        residual, skip = convolution(torch.sigmoid(gate) * torch.tanh(filtered), layer.out).chunk(2, dim=1)
        x = (x + residual) / math.sqrt(2)
        skips = skips + skip
    y = torch.relu(convolution(skips / math.sqrt(len(made.layers)), made.skips))
    return convolution(y, made.output)[:, 0]


class Fixed(nn.Module):
    """A context encoder that answers with fixed vectors."""

    def __init__(self, vectors: torch.Tensor):
        super().__init__()
        self.vectors = vectors

    def forward(self, told: Given) -> torch.Tensor:
        return self.vectors


@pytest.mark.parametrize("sampling", [False, True], ids=["training form", "sampling form"])
@pytest.mark.parametrize(("k", "l"), [(4, 5), (1, 6), (5, 1), (1, 1), (20, 17)])
@pytest.mark.parametrize("unconditional", [False, True])
def test_the_network_is_the_one_of_the_description(sampling: bool, k: int, l: int, unconditional: bool) -> None:
    made = network(k, l, unconditional=unconditional)
    told, state, step = given_of(3, k, l), torch.randn(3, k, l), torch.tensor([0, 6, 3])
    with torch.no_grad():
        expected = slowly(made, told, state, step, None)
        if sampling:
            made.sampling()
        found = made(state, step, made.condition(told))
    assert float((found - expected).abs().max()) <= 1e-5 * max(float(expected.abs().max()), 1)


@pytest.mark.parametrize("sampling", [False, True], ids=["training form", "sampling form"])
@pytest.mark.parametrize("form", [(3, 7), (3, 4, 7)], ids=["per record", "per channel"])
def test_context_vectors_enter_as_side_information_of_their_record_or_channel(
    sampling: bool, form: tuple[int, ...]
) -> None:
    vectors = torch.randn(form)
    made = network(4, 5, Fixed(vectors), 7)
    told, state, step = given_of(3, 4, 5), torch.randn(3, 4, 5), torch.tensor([1, 1, 4])
    extra = vectors if len(form) == 3 else vectors[:, None].expand(3, 4, 7)
    with torch.no_grad():
        expected = slowly(made, told, state, step, extra)
        if sampling:
            made.sampling()
        found = made(state, step, made.condition(told))
    assert float((found - expected).abs().max()) <= 1e-5 * max(float(expected.abs().max()), 1)


def test_draws_of_a_record_share_its_conditioning() -> None:
    made = network(4, 5)
    told, states = given_of(1, 4, 5), torch.randn(3, 4, 5)
    with torch.no_grad():
        made.sampling()
        shared = made(states, torch.tensor([2, 2, 2]), made.condition(told))
        repeated = Given(told.values.expand(3, -1, -1), told.conditioning.expand(3, -1, -1), {})
        assert torch.allclose(shared, made(states, torch.tensor([2, 2, 2]), made.condition(repeated)), atol=1e-6)


def test_values_of_the_state_at_visible_entries_have_no_effect() -> None:
    made = network()
    told, state = given_of(2, 4, 5), torch.randn(2, 4, 5)
    step = torch.tensor([3, 3])
    with torch.no_grad():
        conditioned = made.condition(told)
        assert torch.equal(made(state, step, conditioned), made(state + 9 * told.conditioning, step, conditioned))


def test_records_of_a_batch_do_not_touch_each_other() -> None:
    made = network()
    told, state, step = given_of(3, 4, 5), torch.randn(3, 4, 5).requires_grad_(), torch.tensor([1, 2, 3])
    made(state, step, made.condition(told))[1].sum().backward()
    assert state.grad is not None
    assert not state.grad[[0, 2]].any()
    assert state.grad[1].any()


def test_training_forgets_what_sampling_tabulated() -> None:
    made = network()
    told, state, step = given_of(1, 4, 5), torch.randn(1, 4, 5), torch.tensor([1])
    with torch.no_grad():
        made.sampling()
        before = made(state, step, made.condition(told))
        made.train()
        for weight in made.parameters():
            weight.mul_(1.1)
        made.eval()
        plain = made(state, step, made.condition(told))
        made.sampling()
        assert not torch.allclose(before, plain)
        assert torch.allclose(made(state, step, made.condition(told)), plain, atol=1e-4)


def test_every_weight_but_the_unused_half_of_the_last_map_is_trained() -> None:
    made = network().train()
    told = given_of(2, 4, 5)
    made(torch.randn(2, 4, 5), torch.tensor([1, 5]), made.condition(told)).square().sum().backward()
    last = made.layers[-1].out.weight
    for name, weight in made.named_parameters():
        assert weight.grad is not None, name
        # The bias of keys adds the same to all scores of a query, which a softmax does not see.
        assert weight.grad.abs().max() > 0, name
    assert last.grad is not None
    assert not last.grad[:16].any()


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_dropout_drops_its_share_keeps_the_mean_and_passes_gradients_where_it_kept(share: float) -> None:
    y = torch.ones(300_001, requires_grad=True)
    dropped = dropout(y, share)
    dropped.sum().backward()
    assert float((dropped == 0).float().mean()) == pytest.approx(share, abs=0.004)
    assert dropped.detach().unique().tolist() == pytest.approx([0, 1 / (1 - share)], rel=1e-4)
    assert torch.equal(y.grad, dropped.detach())  # type: ignore[arg-type]


def test_dropout_hides_neighbours_independently() -> None:
    kept = (dropout(torch.ones(400_000), 0.3) > 0).float()
    for lag in (1, 2, 3, 4, 8):
        pairs = torch.stack([kept[:-lag], kept[lag:]])
        assert abs(float(torch.corrcoef(pairs)[0, 1])) < 0.008


def test_attention_with_dropout_is_on_average_attention() -> None:
    layer = TransformerLayer(CsdiParams(**SIZES)).train()
    y = torch.randn(1, 6, 16)
    with torch.no_grad():
        often = torch.stack([layer._attend(y) for _ in range(4000)]).mean(dim=0)
        assert torch.allclose(often, layer.eval()._attend(y), atol=0.02)
