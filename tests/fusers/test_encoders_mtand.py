"""Multi-time attention, against the softmax written out channel by channel."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_fusers.encoders import mtand
from bench_fusers.encoders.mtand import MultiTimeAttention
from bench_fusers.encoders.time import Time2Vec

POINTS = torch.linspace(0, 1, 5)


def rows(b: int = 4, n: int = 9, channels: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    times, values = torch.rand(b, n, generator=draw), torch.randn(b, n, channels, generator=draw)
    return times, values, (torch.rand(b, n, channels, generator=draw) < 0.5).float()


def attention(channels: int = 3, seed: int = 1, **options: object) -> MultiTimeAttention:
    torch.manual_seed(seed)
    return MultiTimeAttention(channels, width=7, heads=2, time_width=8, **options).eval()  # type: ignore[arg-type]


def written_out(
    module: MultiTimeAttention, queries: torch.Tensor, times: torch.Tensor, values: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """[b, heads, q, channels]: for each head and channel a softmax of its own, over its own
    rows.
    """
    b, _, channels = values.shape
    queries = queries if queries.dim() == 2 else queries.expand(b, -1)
    q, k = module.query(module.time(queries)), module.key(module.time(times))
    size = q.shape[2] // module.heads
    result = torch.zeros(b, module.heads, queries.shape[1], channels)
    for i in range(b):
        for h in range(module.heads):
            of = slice(h * size, (h + 1) * size)
            scores = q[i, :, of] @ k[i, :, of].T / size**0.5
            for c in range(channels):
                kept = mask[i, :, c] > 0
                if kept.any():
                    result[i, h, :, c] = scores[:, kept].softmax(dim=1) @ values[i, kept, c]
    return result


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([1.0, 10.0]))
def test_it_is_a_masked_softmax_for_each_channel(seed: int, scale: float) -> None:
    module = attention(seed=seed)
    module.query.weight.data *= scale
    times, values, mask = rows(seed=seed)
    made = module.attend(POINTS, times, values, mask)[0]
    torch.testing.assert_close(made, written_out(module, POINTS, times, values, mask), atol=1e-5, rtol=1e-4)


def test_queries_may_differ_from_record_to_record() -> None:
    module, (times, values, mask) = attention(), rows()
    queries = torch.rand(4, 5)
    made = module.attend(queries, times, values, mask)[0]
    torch.testing.assert_close(made, written_out(module, queries, times, values, mask), atol=1e-5, rtol=1e-4)


def test_one_mask_for_all_channels_is_that_mask_for_each() -> None:
    module, (times, values, mask) = attention(), rows()
    rowwise = mask[:, :, 0]
    each = rowwise[..., None].expand_as(values)
    torch.testing.assert_close(module(POINTS, times, values, rowwise), module(POINTS, times, values, each))


def test_the_published_values_and_mask_side_by_side_come_to_values_and_whether_they_were_seen() -> None:
    module, (times, values, mask) = attention(channels=6), rows()
    mask[0, :, 1] = 0
    both = module.attend(POINTS, times, torch.cat([values, mask], 2), torch.cat([mask, mask], 2))[0]
    assert torch.equal(both[:, :, :, 3:].round(decimals=5), mask.amax(1)[:, None, None].expand_as(both[:, :, :, 3:]))
    single, seen = module.attend(POINTS, times, values, mask)
    torch.testing.assert_close(both[:, :, :, :3], single)
    assert torch.equal(seen, mask.amax(1))


def test_pieces_of_a_batch_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    module, (times, values, mask) = attention(), rows()
    whole = [module(queries, times, values, mask) for queries in (POINTS, POINTS.expand(4, -1))]
    monkeypatch.setattr(mtand, "PIECE", 3 * 2 * 5 * 9)
    for queries, expected in zip((POINTS, POINTS.expand(4, -1)), whole, strict=True):
        torch.testing.assert_close(module(queries, times, values, mask), expected)


def test_the_order_of_rows_does_not_matter() -> None:
    module, (times, values, mask) = attention(), rows()
    order = torch.randperm(9, generator=torch.Generator().manual_seed(3))
    shuffled = module(POINTS, times[:, order], values[:, order], mask[:, order])
    torch.testing.assert_close(module(POINTS, times, values, mask), shuffled, atol=1e-6, rtol=1e-5)


def test_a_channel_that_no_row_observed_gives_zero_and_changes_no_other() -> None:
    module, (times, values, mask) = attention(), rows()
    full = module.attend(POINTS, times, values, mask)[0]
    mask[:, :, 1] = 0
    made, seen = module.attend(POINTS, times, values, mask)
    assert (made[..., 1] == 0).all()
    assert (seen[:, 1] == 0).all()
    torch.testing.assert_close(made[..., [0, 2]], full[..., [0, 2]])


@pytest.mark.parametrize("time", [0.0, 0.3, 500.0])
def test_padding_never_matters_whatever_time_and_values_it_holds(time: float) -> None:
    module, (times, values, mask) = attention(), rows()
    more = [torch.full((4, 3), time), torch.full((4, 3, 3), 1e4), torch.zeros(4, 3, 3)]
    padded = [torch.cat(pair, dim=1) for pair in zip((times, values, mask), more, strict=True)]
    torch.testing.assert_close(module(POINTS, *padded), module(POINTS, times, values, mask), atol=1e-6, rtol=1e-5)


def test_a_record_with_no_readable_row_is_finite_and_has_finite_gradients() -> None:
    module, (times, values, mask) = attention(seen=True), rows()
    mask[0] = 0
    made = module(POINTS, times, values, mask)
    made.square().sum().backward()
    torch.testing.assert_close(made[0], module.out.bias.expand_as(made[0]))
    assert all(torch.isfinite(p.grad).all() for p in module.parameters() if p.grad is not None)


def test_a_channel_seen_only_where_the_scores_underflow_is_an_average_not_a_hole() -> None:
    module = attention()
    module.query.weight.data *= 1e3
    module.key.weight.data *= 1e3
    times, values, mask = rows()
    made = module.attend(POINTS, times, values, mask)[0]
    made.sum().backward()
    low = torch.where(mask > 0, values, torch.inf).amin(dim=1)[:, None, None]
    high = torch.where(mask > 0, values, -torch.inf).amax(dim=1)[:, None, None]
    assert ((made >= low - 1e-4) & (made <= high + 1e-4))[(mask.amax(1) > 0)[:, None, None].expand_as(made)].all()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters() if p.grad is not None)


def test_gradients_are_those_of_finite_differences() -> None:
    module = attention(seen=True).double()
    times, values, mask = (part.double() for part in rows(b=2, n=4))
    assert torch.autograd.gradcheck(
        lambda t, v: module(POINTS.double(), t, v, mask), (times.requires_grad_(), values.requires_grad_())
    )


def test_every_weight_is_reached_by_the_gradient() -> None:
    module, (times, values, mask) = attention(seen=True), rows()
    module(POINTS, times, values, mask).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        if name != "key.bias":  # a constant in all scores of a query: no softmax changes by it
            assert parameter.grad.abs().max() > 1e-7, name


def test_dropout_acts_in_training_only_and_keeps_the_mean() -> None:
    module, (times, values, mask) = attention(dropout=0.3), rows(b=1)
    still = module.attend(POINTS, times, values, mask)[0]
    assert torch.equal(still, module.attend(POINTS, times, values, mask)[0])
    module.train()
    torch.manual_seed(0)
    many = [part.expand(20000, *part.shape[1:]) for part in (times, values, mask)]
    made = module.attend(POINTS, *many)[0]
    assert made.std(dim=0).max() > 0.1
    torch.testing.assert_close(made.mean(dim=0), still[0], atol=0.03, rtol=0)


def test_an_embedding_of_time_can_be_shared() -> None:
    time = Time2Vec(8)
    modules = [attention(time=time), attention(time=time)]
    assert modules[0].time is modules[1].time


def test_bfloat16_agrees_to_a_percent() -> None:
    module, (times, values, mask) = attention(), rows()
    exact = module(POINTS, times, values, mask)
    with torch.autocast("cpu", torch.bfloat16):
        rough = module(POINTS, times, values, mask).float()
    torch.testing.assert_close(rough, exact, atol=2e-2, rtol=1e-2)


def test_heads_must_share_the_width_of_the_time_embedding() -> None:
    with pytest.raises(ValueError, match="time_width 8 is not a multiple of heads 3"):
        MultiTimeAttention(2, 4, heads=3, time_width=8)
