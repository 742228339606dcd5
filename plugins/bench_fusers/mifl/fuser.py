"""MIFL, as the public code of CondI (Zheng et al. 2026) has it among its baselines; neither its
paper nor its authors' code was read. So it is called `mifl-like`.

It is `fedmsplit-like` but for what is classified: the modalities side by side. A present one has
its representation plus an embedding of presence, an absent one the embedding of absence. There are
two for each modality, drawn uniformly between -1 and 1. A contrastive loss, of weight 5, draws the
sum of a record's modalities near each of them, and away from the same modality of records with
other labels. The server averages embeddings uniformly; all clients are sent the same.

What is decided here:

- The classifier has a ReLU behind its hidden layer, as that of `fedmsplit-like`.
- In the contrastive loss, modalities that are absent are neither near nor far: their vectors are
  the same in all records. In the sum they count.
- Vectors are those that are classified, and cosines count.
- Records with several labels differ where any label does. A regression has no contrastive loss.
- The embedding of presence belongs to its modality: clients without it send none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from bench.cohort import Cohort, Task
from bench.components import Context
from bench.torch_fuser import Batch, Inputs
from bench_fusers.contrast import contrasted
from bench_fusers.extractors import present
from bench_fusers.fedmsplit import fuser as fedmsplit
from bench_fusers.fedmsplit.plugin import FedMSplitParams
from bench_fusers.mifl.plugin import MIFLParams

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

RELATIONS = ("here", "absent")
"""The first parts of the names of both kinds of embeddings."""


class MIFL(fedmsplit.Blocks[MIFLParams]):
    """See the module. The representation is what is classified."""

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        return Network(inputs, task, self.params)

    def mixes(self, name: str) -> bool:
        """See `Blocks.mixes`: embeddings are averaged."""
        return name.rpartition("/")[2].partition(".")[0] not in RELATIONS

    def _penalised(
        self, train: Cohort, items: np.ndarray, context: Context, loss: Loss, targets: torch.Tensor
    ) -> torch.Tensor:
        assert isinstance(self.module, Network)
        batch = self._batch(train, items, context.device)
        z = self.module.features(batch)
        total = loss(self.module.classifier(z.flatten(1)).float(), targets[torch.from_numpy(items).to(context.device)])
        if self.task.kind == "regression" or not self.params.contrast:
            return total
        labels = torch.from_numpy(np.asarray(train.targets[self.task.name])[items]).to(context.device)
        return total + self.params.contrast * contrastive(z, present(batch), labels, self.params.temperature)


class Network(fedmsplit.Network):
    """Extractors, embeddings, a classifier. forward(batch) -> outputs [b, outputs].

    - here: of presence, per modality [D].
    - absent: of absence, [m, D].
    """

    def __init__(self, inputs: Inputs, task: Task, params: MIFLParams):
        super().__init__(inputs, task, params)
        width = params.width
        self.here = nn.ParameterList(torch.empty(width).uniform_(-1, 1) for _ in self.names)
        self.absent = nn.Parameter(torch.empty(len(self.names), width).uniform_(-1, 1))

    def reads(self, params: FedMSplitParams) -> int:
        return len(self.names) * params.width

    def features(self, batch: Batch) -> torch.Tensor:
        """[b, m, D]: representations with the embedding of presence, or that of absence."""
        here = present(batch)[..., None] > 0
        return torch.where(here, self.extractors.whole(batch) + torch.stack(list(self.here)), self.absent)

    def embed(self, batch: Batch) -> torch.Tensor:
        """[b, m x D]: all modalities side by side."""
        return self.features(batch).flatten(1)


def contrastive(z: torch.Tensor, here: torch.Tensor, labels: torch.Tensor, temperature: float) -> torch.Tensor:
    """The sum of a record's modalities shall be near each of these, and far from the same modality
    of records with other labels; a scalar.

    The loss of a record and a modality that it has is the log of the sum of the exponentials of all
    these similarities, minus its own. The result is their mean; 0 where there are none.

    z: [b, m, D]. here: [b, m], 1 or 0. labels: [b], or [b, k].
    """
    anchors = functional.normalize(z.float().sum(dim=1), dim=-1)
    unit = functional.normalize(z.float(), dim=-1).transpose(0, 1)
    similar = anchors @ unit.transpose(1, 2) / temperature  # [m, b, b]
    labels = labels.reshape(len(labels), -1)
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    differs = (labels[:, None] != labels[None]).any(dim=-1)
    there = here.T[:, None, :] > 0
    each, count = contrasted(similar, (itself | differs) & there, itself & there)
    return each.sum() / (count > 0).sum().clamp(min=1)
