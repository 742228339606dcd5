"""A method after FedMM (Peng, Bian and Xu 2024, arXiv 2402.15858), known from its abstract and from
summaries; the authors' code was not read. So it is called `fedmm-like`.

A modality has an extractor and a linear head, which learn from the records that have it, as if
there were no other modality. In a federation both are averaged over the clients that own it
(`mod/<m>`). A representation z is drawn to the prototype of its class: the mean of z over all
records of that class and modality at the clients of the last round. The loss of a modality is
that of the task plus λ ‖z - prototype‖². A client sends sums and counts of z by class (`own/`), so
the mean weighs records alike.

What is decided here:

- The extractor is the Inception network of CondI, whose clinical data this method is compared on.
- λ goes from 0 in the first round to `pull` after a third of the rounds, in a straight line.
  Central training is one round, so its λ is 0.
- A modality that is not present takes no part. The outputs of the others' heads are averaged; the
  authors classify at each client. A record without any modality has the output 0.
- Sums and counts are taken after the training of a client, in evaluation mode. A class without a
  record in a round has no prototype in the next.
- Of several labels each has a prototype, and a record is drawn to those of its labels, on average.
  A regression has no prototypes.
- Losses of modalities are added, so that no modality learns less because there are more.
- Statics are not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from bench.cohort import Cohort, Task
from bench.components import Context
from bench.learner import Plan, Reply
from bench.torch_fuser import Batch, Inputs, TorchFuser
from bench.training import autocast
from bench_fusers.extractors import Extractors
from bench_fusers.fedmm.plugin import FedMMParams

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

OF_MODALITY = re.compile(r"^(?:extractors|heads)\.(\d+)\.")
"""In the name of a weight: whose it is."""

SUMS, COUNTS = "own/sums", "own/counts"
"""What a client sends for prototypes, and what it receives."""


class FedMM(TorchFuser[FedMMParams]):
    """See the module. The representation is that of all modalities, 0 where one is not present.

    weight: λ of the present training.
    """

    weight: float = 0.0

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        return Network(inputs, task, self.params)

    @property
    def network(self) -> Network:
        """The module, once built."""
        assert isinstance(self.module, Network)
        return self.module

    def group(self, module: str, weight: str) -> str:
        """See `Learner.group`: all but sums and counts belongs to modalities."""
        match = OF_MODALITY.match(weight)
        if match is None:
            return "own"
        kind = "buffer" if super().group(module, weight) == "buffer" else "mod"
        return f"{kind}/{self.network.names[int(match[1])]}"

    def merge_own(self, round: int, replies: Mapping[int, Reply]) -> dict[str, np.ndarray]:
        """Sums and counts of all clients that answered, added in the order of their numbers."""
        own = [replies[client].arrays for client in sorted(replies)]
        return {name: np.sum([arrays[name] for arrays in own], axis=0) for name in (SUMS, COUNTS) if name in own[0]}

    def _train(self, train: Cohort, plan: Plan, context: Context) -> None:
        self.weight = self.params.pull * min(1.0, 3 * plan.after / plan.rounds)
        super()._train(train, plan, context)
        if self.network.sums is not None and self.params.pull:
            self._count(train, context)

    @torch.no_grad()
    def _count(self, train: Cohort, context: Context) -> None:
        """Put the sums and counts of a client's records in place of those that it received."""
        network = self.network
        assert network.sums is not None
        assert network.counts is not None
        network.sums.zero_()
        network.counts.zero_()
        for start in range(0, len(train), self.params.batch_size):
            items = np.arange(start, min(start + self.params.batch_size, len(train)))
            classes = memberships(self.task, np.asarray(train.targets[self.task.name])[items]).to(context.device)
            with autocast(context):
                read = network.extractors.read(self._batch(train, items, context.device))
            for place, (rows, z) in enumerate(read):
                network.sums[place] += classes[rows].T @ z.double()
                network.counts[place] += classes[rows].sum(dim=0)

    def _penalised(
        self, train: Cohort, items: np.ndarray, context: Context, loss: Loss, targets: torch.Tensor
    ) -> torch.Tensor:
        network = self.network
        own = targets[torch.from_numpy(items).to(context.device)]
        classes = None
        if self.weight and network.sums is not None:
            classes = memberships(self.task, np.asarray(train.targets[self.task.name])[items]).to(context.device)
        total = network.nothing()
        for place, (rows, z) in enumerate(network.extractors.read(self._batch(train, items, context.device))):
            if not len(rows):
                continue
            total = total + loss(network.heads[place](z).float(), own[rows])
            if classes is not None:
                total = total + self.weight * distance(z, classes[rows], *network.prototypes(place))
        return total


class Network(nn.Module):
    """Extractors and heads by modality. forward(batch) -> outputs [b, outputs].

    - sums: float64 [m, classes, D], of representations by class; None in a regression.
    - counts: float64 [m, classes], of records.
    """

    def __init__(self, inputs: Inputs, task: Task, params: FedMMParams):
        super().__init__()
        self.names, self.outputs = list(inputs.modalities), task.outputs
        self.extractors = Extractors((channels for _, channels in inputs.modalities.values()), params)
        self.heads = nn.ModuleList(nn.Linear(params.width, task.outputs) for _ in self.names)
        classes = {"regression": 0, "binary": 2}.get(task.kind, task.outputs)
        sums, counts = (len(self.names), classes, params.width), (len(self.names), classes)
        self.register_buffer("sums", torch.zeros(sums, dtype=torch.float64) if classes else None)
        self.register_buffer("counts", torch.zeros(counts, dtype=torch.float64) if classes else None)
        self.sums: torch.Tensor | None
        self.counts: torch.Tensor | None

    def forward(self, batch: Batch) -> torch.Tensor:
        outputs = batch.statics.new_zeros(len(batch.statics), self.outputs)
        heads = batch.statics.new_zeros(len(batch.statics), 1)
        for head, (rows, z) in zip(self.heads, self.extractors.read(batch), strict=True):
            outputs = outputs.index_add(0, rows, head(z).float())
            heads = heads.index_add(0, rows, heads.new_ones(len(rows), 1))
        return outputs / heads.clamp(min=1)

    def embed(self, batch: Batch) -> torch.Tensor:
        """[b, m x D]: all representations, 0 where a modality is not present."""
        return self.extractors.whole(batch).flatten(1)

    def prototypes(self, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Of a modality: [classes, D], and [classes], 1 where a class has one, else 0."""
        assert self.sums is not None
        assert self.counts is not None
        counts = self.counts[place]
        return (self.sums[place] / counts.clamp(min=1)[:, None]).float(), (counts > 0).float()

    def nothing(self) -> torch.Tensor:
        """A loss of 0 that has a gradient, of records without any modality."""
        first = next(self.parameters())
        return 0.0 * first.sum()


def memberships(task: Task, truth: np.ndarray) -> torch.Tensor:
    """float64 [b, classes], 1 for a record's class, or for each of its labels; else 0.

    truth: [b], or [b, labels].
    """
    labels = torch.from_numpy(np.array(truth, np.float64)).reshape(len(truth), -1)
    if task.kind == "multilabel":
        return labels
    return functional.one_hot(labels[:, 0].long(), 2 if task.kind == "binary" else task.outputs).double()


def distance(z: torch.Tensor, classes: torch.Tensor, prototypes: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Mean squared distance of z [b, D] to the prototypes of their classes, a scalar.

    A record with several of them counts their mean, one without any has 0.

    classes: [b, classes], 1 or 0. prototypes: [classes, D]. known: [classes], 1 where there is one.
    """
    near = classes.float() * known
    squared = (z[:, None] - prototypes).square().sum(dim=2)
    return ((squared * near).sum(dim=1) / near.sum(dim=1).clamp(min=1)).mean()
