"""Batches of small random modalities for tests of a fuser's module, without training it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from bench.cohort import Task
from bench.torch_fuser import Batch, Inputs, ModalityView, TorchFuser

BINARY = Task("binary", "binary", ("auroc",))
RECORDS = 6


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's generator seeded inside, as it was afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def inputs(sizes: dict[str, tuple[int, int]], statics: int = 0) -> Inputs:
    return Inputs(modalities=sizes, statics=statics, bin_hours=1.0)


def batch(
    sizes: dict[str, tuple[int, int]], statics: int = 0, seed: int = 0, absent: dict[str, tuple[int, ...]] | None = None
) -> Batch:
    """RECORDS records of random values, half of them observed; `absent`: modality -> records
    without it.
    """
    made = {}
    with seeded(seed):
        for name, (length, channels) in sizes.items():
            here = torch.ones(RECORDS)
            here[list((absent or {}).get(name, ()))] = 0
            made[name] = ModalityView(
                values=torch.randn(RECORDS, length, channels),
                observed=(torch.rand(RECORDS, length, channels) < 0.5).float() * here[:, None, None],
                times=torch.arange(length).float(),
                available=here,
                filled=torch.zeros(RECORDS),
            )
        return Batch(made, torch.randn(RECORDS, statics), torch.ones(RECORDS, statics))


def changed(whole: Batch, name: str, **fields: torch.Tensor) -> Batch:
    """The same batch with other tensors in one modality."""
    return replace(whole, modalities={**whole.modalities, name: replace(whole.modalities[name], **fields)})


def taken(whole: Batch, records: list[int]) -> Batch:
    """Some records of a batch."""

    def of(view: ModalityView) -> ModalityView:
        per_record = {name: getattr(view, name)[records] for name in ("values", "observed", "available", "filled")}
        return replace(view, **per_record)

    views = {name: of(view) for name, view in whole.modalities.items()}
    return Batch(views, whole.statics[records], whole.statics_observed[records])


def module(fuser: TorchFuser[Any], sizes: dict[str, tuple[int, int]], statics: int = 0, outputs: int = 1) -> nn.Module:
    """The fuser's untrained module, ready to predict."""
    with seeded(1):
        return fuser.build(inputs(sizes, statics), task(outputs)).eval()


def task(outputs: int) -> Task:
    return BINARY if outputs == 1 else Task("labels", "multilabel", ("auroc",), outputs=outputs)


def count(made: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(parameter.numel() for parameter in made.parameters())


def without_gradient(made: nn.Module, whole: Batch) -> list[str]:
    """The parameters whose gradient is zero or not finite for a random sum of the predictions."""
    with seeded(2):
        (made(whole) * torch.randn(RECORDS, 1)).sum().backward()
    return [
        name
        for name, parameter in made.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0 or not parameter.grad.isfinite().all()
    ]
