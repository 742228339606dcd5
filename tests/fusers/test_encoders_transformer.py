"""Attention, transformer layers, the head, and the embeddings of time and place."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from bench_fusers.encoders.time import PositionTable, Time2Vec, sinusoid
from bench_fusers.encoders.transformer import Attention, CrossEncoder, CrossLayer, FeedForward, ResidualHead


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def made(kind: type[nn.Module], *args: object, **options: object) -> nn.Module:
    torch.manual_seed(0)
    return kind(*args, **options).eval()


def size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_attention_is_that_of_torch() -> None:
    ours = made(Attention, 8, 2)
    theirs = nn.MultiheadAttention(8, 2, batch_first=True)
    theirs.in_proj_weight.data, theirs.in_proj_bias.data = ours.packed.weight.data, draw(24)
    theirs.out_proj.load_state_dict(ours.out.state_dict())
    ours.packed.bias.data = theirs.in_proj_bias.data
    x, source, mask = draw(3, 5, 8), draw(3, 4, 8, seed=1), torch.tensor([[1, 1, 0, 1], [1, 0, 0, 0], [1, 1, 1, 1.0]])
    expected = theirs(x, source, source, key_padding_mask=mask == 0)[0]
    torch.testing.assert_close(ours(x, source, mask), expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(ours(x), theirs(x, x, x)[0], atol=1e-6, rtol=1e-5)


def test_masked_keys_are_never_read() -> None:
    module, x, source = made(Attention, 8, 2), draw(2, 5, 8), draw(2, 4, 8, seed=1)
    mask = torch.tensor([[1.0, 1, 0, 0], [1, 1, 1, 0]])
    other = torch.where(mask[..., None] > 0, source, 1e3)
    torch.testing.assert_close(module(x, source, mask), module(x, other, mask))
    torch.testing.assert_close(module(x, source[:, :3], mask[:, :3]), module(x, source, mask))


def test_a_query_with_nothing_to_read_gets_zero_and_finite_gradients() -> None:
    module, x, source = made(Attention, 8, 2), draw(2, 3, 8), draw(2, 4, 8, seed=1).requires_grad_()
    module.out.bias.data.fill_(5)
    read = module(x, source, torch.tensor([[0.0, 0, 0, 0], [0, 1, 0, 0]]))
    read.sum().backward()
    assert (read[0] == 0).all()
    assert (read[1] != 0).any()
    assert source.grad is not None
    assert torch.isfinite(source.grad).all()
    assert (source.grad[0] == 0).all()


def test_only_allowed_pairs_are_read() -> None:
    module, x = made(Attention, 8, 2), draw(2, 4, 8)
    causal = torch.ones(4, 4).tril().bool()
    later = torch.cat([x[:, :2], x[:, 2:] + 9], dim=1)
    for allowed in (causal, causal.expand(2, -1, -1)):
        torch.testing.assert_close(module(x, allowed=allowed)[:, :2], module(later, allowed=allowed)[:, :2])
    first = module(x, mask=torch.tensor([[0.0, 1, 1, 1], [1, 1, 1, 1]]), allowed=causal)
    assert (first[0, 0] == 0).all()
    assert (first[1, 0] != 0).all()


def test_self_attention_does_not_know_the_order_of_its_steps() -> None:
    module, x, order = made(CrossEncoder, 8, 2, 2), draw(2, 5, 8), torch.tensor([3, 1, 0, 4, 2])
    torch.testing.assert_close(module(x)[:, order], module(x[:, order]), atol=1e-5, rtol=1e-5)


def test_padding_changes_nothing_that_is_read() -> None:
    module, x = made(CrossEncoder, 8, 2, 2), draw(2, 5, 8)
    padded = torch.cat([x, torch.full((2, 3, 8), 7.0)], dim=1)
    mask = (torch.arange(8) < 5).float().expand(2, -1)
    torch.testing.assert_close(module(padded, mask=mask)[:, :5], module(x), atol=1e-6, rtol=1e-5)


def test_a_layer_is_pre_norm_with_one_norm_for_queries_and_source() -> None:
    module, x, source = made(CrossEncoder, 8, 2, 1), draw(2, 5, 8), draw(2, 4, 8, seed=1)
    layer = module.layers[0]
    first, second = layer.norms
    u = x + layer.attention(first(x), first(source))
    torch.testing.assert_close(module(x, source), module.norm(u + layer.feed_forward(second(u))))


@pytest.mark.parametrize("width", [8, 40])
def test_parameters_of_a_layer_and_of_a_stack_are_those_published(width: int) -> None:
    assert size(CrossLayer(width, 4)) == 12 * width**2 + 13 * width
    assert size(CrossEncoder(width, 4, 3)) == 3 * (12 * width**2 + 13 * width) + 2 * width


def test_attention_starts_from_one_packed_matrix_with_the_published_bound() -> None:
    module = made(Attention, 64, 8)
    bound = math.sqrt(6 / (4 * 64))
    assert 0.97 * bound < module.packed.weight.abs().max() <= bound
    assert (module.packed.bias == 0).all()
    assert (module.out.bias == 0).all()


def test_heads_must_share_the_width() -> None:
    with pytest.raises(ValueError, match="width 10 is not a multiple of heads 4"):
        Attention(10, 4)


def test_dropout_acts_in_training_only() -> None:
    module, x = made(CrossEncoder, 8, 2, 2, dropout=0.5), draw(2, 5, 8)
    assert torch.equal(module(x), module(x))
    assert not torch.equal(module.train()(x), module(x))


def test_every_weight_of_a_cross_encoder_is_reached_by_the_gradient() -> None:
    module = made(CrossEncoder, 8, 2, 2)
    (module(draw(2, 5, 8), draw(2, 4, 8, seed=1)) * draw(2, 5, 8, seed=2)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in module.parameters())


def test_an_inner_width_can_be_chosen() -> None:
    assert size(FeedForward(8, inner=5)) == 8 * 5 + 5 + 5 * 8 + 8


def test_the_head_adds_what_two_layers_make_of_it() -> None:
    head, h = made(ResidualHead, 6, 3, 0.1), draw(4, 6)
    torch.testing.assert_close(head(h), head.out(h + head.second(torch.relu(head.first(h)))))
    assert size(head) == 2 * (6 * 6 + 6) + 6 * 3 + 3


def test_time2vec_is_one_line_and_sines() -> None:
    module, times = made(Time2Vec, 5), draw(2, 3)
    embedded = module(times)
    assert embedded.shape == (2, 3, 5)
    torch.testing.assert_close(embedded[..., :1], times[..., None] * module.linear.weight[0] + module.linear.bias)
    angle = times[..., None] * module.periodic.weight[:, 0] + module.periodic.bias
    torch.testing.assert_close(embedded[..., 1:], angle.sin())


@pytest.mark.parametrize("width", [2, 3, 8, 9])
def test_sinusoids_are_sines_then_cosines_of_falling_frequency(width: int) -> None:
    half = width // 2
    positions = torch.tensor([[0.0, 1.0, 2.5]])
    embedded = sinusoid(positions, width)
    assert embedded.shape == (1, 3, width)
    for k in range(half):
        frequency = 10000 ** (-k / max(half - 1, 1))
        torch.testing.assert_close(embedded[..., k], torch.sin(positions * frequency), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(embedded[..., half + k], torch.cos(positions * frequency), atol=1e-6, rtol=1e-5)
    assert width % 2 == 0 or (embedded[..., -1] == 0).all()


def test_the_first_place_of_a_table_stays_zero_and_all_others_learn() -> None:
    table = made(PositionTable, 6, 4)
    assert (table(6)[0] == 0).all()
    assert torch.equal(table(3), table(6)[:3])
    table(6).square().sum().backward()
    assert (table.table.grad != 0).all()
    assert PositionTable(1, 4)(1).shape == (1, 4)
