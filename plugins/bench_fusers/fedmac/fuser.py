"""A method after FedMAC (Nguyen et al. 2024, arXiv 2410.03070), as the public code of CondI (Zheng
et al. 2026) has it among its baselines. The authors' code was not read, so it is called
`fedmac-like`.

All modalities share an encoder but for its first layers, which belong to each. A learnt embedding
stands for an absent modality. What the others of the same record tell of a modality is rebuilt, as
their mean weighed by similarity. A gate weighs both, and a network of two layers classifies all
modalities side by side. A contrastive loss draws modalities of one record together, away from those
of other records. It is the mean of that of the representations and that of their projections.

What is decided here:

- A modality is rebuilt from others of its own record alone. In the code all records of a batch
  take part, so that a prediction depends on its batch mates.
- Similarities are cosines of projections over the temperature of the loss. What is mixed are
  representations; the embeddings of absent modalities are among them. An only modality is rebuilt
  by itself.
- The loss has no anchor and no candidate that is absent: there, all records would have the same
  vector. The code's rows of records and of modalities are in different orders, which is mended.
- Embeddings are averaged by the federation. In the code each client keeps its own, and the server
  classifies with those that it drew.
- The projector has a ReLU. The gate has two convolutions of 3 x 3 over modalities and numbers, a
  ReLU between them, and `gate` channels.
- Losses follow the kind of the task. Statics are not read.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from bench.cohort import Task
from bench.torch_fuser import Batch, Inputs, TorchFuser
from bench_fusers.contrast import within_records
from bench_fusers.extractors import SharedExtractor, present
from bench_fusers.fedmac.plugin import FedMACParams
from bench_imputers.diffusion.condi_context import own_group

SPREAD = 0.02
"""Standard deviation of the embeddings at the start."""


class FedMAC(TorchFuser[FedMACParams]):
    """See the module. The representation is what the classifier reads."""

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        return Network(inputs, task, self.params)

    def group(self, module: str, weight: str) -> str:
        """See `Learner.group`: the first layers of the encoder belong to modalities."""
        group = super().group(module, weight)
        assert isinstance(self.module, Network)
        return (own_group(self.module.sizes, weight) or group) if group == "shared" else group


class Network(nn.Module):
    """Encoder, embeddings, projector, gate, classifier. forward(batch) -> outputs [b, outputs];
    while it trains, with the contrastive loss.
    """

    def __init__(self, inputs: Inputs, task: Task, params: FedMACParams):
        super().__init__()
        self.sizes = {name: channels for name, (_, channels) in inputs.modalities.items()}
        modalities, width = len(self.sizes), params.width
        self.contrast, self.temperature = params.contrast, params.temperature
        self.extractor = SharedExtractor(list(self.sizes.values()), params)
        self.absent = nn.Parameter(SPREAD * torch.randn(modalities, width))
        self.projector = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
        self.gate = nn.Sequential(
            nn.Conv2d(2, params.gate, 3, padding=1), nn.ReLU(), nn.Conv2d(params.gate, 1, 3, padding=1), nn.Sigmoid()
        )
        self.classifier = nn.Sequential(
            nn.Linear(modalities * width, params.hidden), nn.ReLU(), nn.Linear(params.hidden, task.outputs)
        )

    def forward(self, batch: Batch) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        z, projected = self.read(batch)
        outputs: torch.Tensor = self.classifier(self.gated(z, projected).flatten(1))
        if not self.training or not self.contrast:
            return outputs
        here = present(batch)
        losses = [within_records(each, here, self.temperature) for each in (z, projected)]
        return outputs, self.contrast * (losses[0] + losses[1]) / 2

    def embed(self, batch: Batch) -> torch.Tensor:
        """[b, m x D]: what the classifier reads."""
        return self.gated(*self.read(batch)).flatten(1)

    def read(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Representations [b, m, D], the embedding where a modality is absent, and projections."""
        z = torch.where(present(batch)[..., None] > 0, self.extractor(batch), self.absent)
        return z, self.projector(z)

    def gated(self, z: torch.Tensor, projected: torch.Tensor) -> torch.Tensor:
        """[b, m, D]: between z and what rebuilds it, number by number."""
        other = rebuilt(z, projected, self.temperature)
        share: torch.Tensor = self.gate(torch.stack([z, other], dim=1))[:, 0]
        return share * z + (1 - share) * other


def rebuilt(z: torch.Tensor, projected: torch.Tensor, temperature: float) -> torch.Tensor:
    """[b, m, D]: each modality from the others of its record, the softmax of whose similarities
    weighs them; an only modality is itself.

    z: [b, m, D]. projected: [b, m, D], whose cosines over the temperature are the similarities.
    """
    if z.shape[1] == 1:
        return z
    unit = functional.normalize(projected.float(), dim=-1)
    itself = torch.eye(z.shape[1], dtype=torch.bool, device=z.device)
    similar = (unit @ unit.transpose(1, 2) / temperature).masked_fill(itself, -torch.inf)
    mixed: torch.Tensor = similar.softmax(dim=-1) @ z.float()
    return mixed
