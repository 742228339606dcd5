"""A method after FedMSplit (Chen and Zhang, KDD 2022), as the public code of CondI (Zheng et al.
2026) has it among its baselines. The authors' code was not read, so it is called
`fedmsplit-like`.

A model is split into blocks: an extractor per modality, and a classifier of two layers, which reads
the sum of the representations of the modalities that are present. The server mixes each block for
each client, from all clients that sent it, by attention (`bench_fusers.fedmsplit.mixture`). A
client goes on from its own mixture. The plain mean of the mixtures of the clients of a round
predicts, and is sent to clients that have no mixture yet. A proximal term, 0.01 times the squared
distance, holds a training near the weights that it received.

What is decided here:

- The proximal term begins in the second round: in the first, what was received is not learnt. So
  central training has none.
- It is measured from the mixture that the client received.
- A client mixes and keeps blocks of modalities that its training records have. Of others it has
  those of the mean.
- A record without any modality has the sum 0. Statics are not read.
- Blocks have merges of their own, whatever the federation; it decides who takes part and how long
  they train.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from bench.cohort import Cohort, Task
from bench.components import Context
from bench.learner import Own, Penalty, Plan, Reply
from bench.torch_fuser import Batch, Inputs, TorchFuser
from bench_fusers.extractors import Extractors
from bench_fusers.fedmsplit.mixture import mixed, plain
from bench_fusers.fedmsplit.plugin import FedMSplitParams

P = TypeVar("P", bound=FedMSplitParams)

OF_MODALITY = re.compile(r"^(?:extractors|here)\.(\d+)(?:\.|$)")
"""In the name of a weight: whose it is."""


class Blocks(TorchFuser[P]):
    """Base of the fusers whose blocks are mixed for each client."""

    def block(self, weight: str) -> str:
        """The block that a weight is in: a modality, or "" for the classifier; None: in none."""
        match = OF_MODALITY.match(weight)
        return self.names[int(match[1])] if match else ""

    @property
    def names(self) -> list[str]:
        """The modalities."""
        assert isinstance(self.module, Network)
        return self.module.names

    def group(self, module: str, weight: str) -> str:
        """See `Learner.group`: all is merged here."""
        block = self.block(weight)
        return f"own/{block}" if block else "own"

    def merge_own(self, round: int, replies: Mapping[int, Reply]) -> Own:
        """See `Learner.merge_own`: mixtures, and their plain mean for all."""
        assert self.module is not None
        weights = {name for name, _ in self.module.named_parameters()}
        blocks: dict[str, dict[int, dict[str, np.ndarray]]] = {}
        for client in sorted(replies):
            for name, array in replies[client].arrays.items():
                block = name.rpartition("/")[0]
                if self.mixes(name):
                    blocks.setdefault(block, {}).setdefault(client, {})[name] = array
        personal = mixed(blocks, lambda name: name.rpartition("/")[2] in weights)
        sent = {client: {**replies[client].arrays, **personal.get(client, {})} for client in replies}
        return {**plain(sent, list(self.groups())), **personal}

    def mixes(self, name: str) -> bool:
        """Whether an array is mixed for each client, rather than averaged for all."""
        return True

    def _train(self, train: Cohort, plan: Plan, context: Context) -> None:
        if self.params.proximal and plan.after:
            plan = replace(plan, penalty=both(plan.penalty, proximal(self.params.proximal)))
        super()._train(train, plan, context)


class FedMSplit(Blocks[FedMSplitParams]):
    """See the module. The representation is the sum that is classified."""

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        return Network(inputs, task, self.params)


class Network(nn.Module):
    """Extractors and a classifier. forward(batch) -> outputs [b, outputs]."""

    def __init__(self, inputs: Inputs, task: Task, params: FedMSplitParams):
        super().__init__()
        self.names = list(inputs.modalities)
        self.extractors = Extractors((channels for _, channels in inputs.modalities.values()), params)
        self.classifier = nn.Sequential(
            nn.Linear(self.reads(params), params.hidden), nn.ReLU(), nn.Linear(params.hidden, task.outputs)
        )

    def reads(self, params: FedMSplitParams) -> int:
        """Width of what the classifier reads."""
        return params.width

    def forward(self, batch: Batch) -> torch.Tensor:
        outputs: torch.Tensor = self.classifier(self.embed(batch))
        return outputs

    def embed(self, batch: Batch) -> torch.Tensor:
        """[b, D]: the sum over the modalities that are present."""
        return self.extractors.whole(batch).sum(dim=1)


def proximal(weight: float) -> Penalty:
    """The squared distance to the weights that a training begins with, times a weight."""

    def begin(module: nn.Module) -> Callable[[], torch.Tensor]:
        learnt = [each for each in module.parameters() if each.requires_grad]
        received = [each.detach().clone() for each in learnt]
        return lambda: (
            weight
            * torch.stack([(now - then).square().sum() for now, then in zip(learnt, received, strict=True)]).sum()
        )

    return begin


def both(one: Penalty | None, other: Penalty) -> Penalty:
    """The sum of two penalties."""
    if one is None:
        return other
    first = one

    def begin(module: nn.Module) -> Callable[[], torch.Tensor]:
        parts = first(module), other(module)
        return lambda: parts[0]() + parts[1]()

    return begin
