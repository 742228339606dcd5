"""The GRU per modality: what is concatenated, and the learned vector in place of a modality that
is absent.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bench.cohort import Task
from bench.torch_fuser import Batch, Inputs
from bench_fusers.gru.fuser import Network
from bench_fusers.gru.plugin import GRUParams
from support.encoder_views import view

TASK = Task("binary", "binary", ("auroc",))
HIDDEN = 5


def batch(absent: bool) -> Batch:
    """Two modalities of four records; of the second, records 0 and 2 have nothing where
    `absent`.
    """
    views = {"vitals": view(channels=3, seed=1), "labs": view(channels=2, length=9, seed=2)}
    present = torch.tensor([0.0, 1.0, 0.0, 1.0]) if absent else torch.ones(4)
    views["vitals"] = replace(views["vitals"], available=torch.ones(4), filled=torch.zeros(4))
    views["labs"] = replace(views["labs"], available=present, filled=torch.zeros(4))
    return Batch(views, torch.zeros(4, 0), torch.zeros(4, 0))


def network(of: Batch) -> Network:
    torch.manual_seed(0)
    shapes = {name: tuple(one.values.shape[1:]) for name, one in of.modalities.items()}
    inputs = Inputs(shapes, 0, bin_hours=1.0)  # type: ignore[arg-type]
    return Network(inputs, TASK, GRUParams(hidden=HIDDEN)).eval()


def of_labs(module: Network, of: Batch) -> torch.Tensor:
    """What stands for labs in the representation, without its two flags: it is the second of
    two.
    """
    return module.embed(of)[:, 4 * HIDDEN + 2 : 8 * HIDDEN + 2]


def test_an_absent_modality_is_read_as_a_learned_vector_the_same_for_all_records_without_it() -> None:
    of = batch(absent=True)
    module = network(of)
    with torch.no_grad():
        module.absent.normal_()
    read = of_labs(module, of)
    assert torch.equal(read[0], module.absent[1])
    assert torch.equal(read[2], module.absent[1])
    assert torch.equal(read[[1, 3]], of_labs(module, batch(absent=False))[[1, 3]])


@pytest.mark.parametrize("absent", [True, False])
def test_that_vector_learns_from_records_without_the_modality_and_from_no_others(absent: bool) -> None:
    of = batch(absent)
    module = network(of)
    module(of).sum().backward()
    assert module.absent.grad is not None
    vitals, labs = module.absent.grad
    assert not vitals.any()
    assert bool(labs.any()) == absent


def test_the_number_of_parameters() -> None:
    def cell(channels: int) -> int:
        return 3 * HIDDEN * (3 * channels + HIDDEN) + 6 * HIDDEN

    width = 2 * (4 * HIDDEN + 2)
    head = width * HIDDEN + HIDDEN + HIDDEN + 1
    made = sum(p.numel() for p in network(batch(absent=True)).parameters())
    assert made == cell(3) + cell(2) + 2 * 4 * HIDDEN + head
