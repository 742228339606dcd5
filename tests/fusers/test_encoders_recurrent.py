"""A recurrent encoder: a state for every step, made of that step and those before it."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from bench_fusers.encoders.recurrent import Recurrent

CELLS = pytest.mark.parametrize("cell", ["gru", "lstm"])
Cell = Literal["gru", "lstm"]


@CELLS
def test_there_is_a_state_for_every_step_and_it_has_read_nothing_that_came_later(cell: Cell) -> None:
    encoder, x = Recurrent(3, 5, cell), torch.randn(2, 7, 3)
    states = encoder(x)
    assert states.shape == (2, 7, 5)
    later = x.clone()
    later[:, 4] += 1
    changed = (encoder(later) != states).any(dim=2).any(dim=0)
    assert changed.tolist() == [False] * 4 + [True] * 3


@CELLS
def test_a_record_is_read_the_same_whoever_shares_the_batch(cell: Cell) -> None:
    encoder, x = Recurrent(3, 5, cell), torch.randn(4, 7, 3)
    torch.testing.assert_close(encoder(x)[1:2], encoder(x[1:2]))


@pytest.mark.parametrize(("cell", "gates"), [("gru", 3), ("lstm", 4)])
def test_it_has_the_parameters_of_its_cell(cell: Cell, gates: int) -> None:
    count = sum(weight.numel() for weight in Recurrent(3, 5, cell).parameters())
    assert count == gates * (3 * 5 + 5 * 5 + 2 * 5)


@CELLS
def test_gradients_of_the_last_state_reach_every_weight_and_the_first_step(cell: Cell) -> None:
    encoder, x = Recurrent(3, 5, cell), torch.randn(2, 4, 3, requires_grad=True)
    encoder(x)[:, -1].sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in encoder.parameters())
    assert x.grad is not None
    assert x.grad[:, 0].any()
