"""The network of `pepsy-like`.

Axes: `b` records, `m` modalities in the order of the cohort, D the width of an embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from bench.cohort import Task
from bench.torch_fuser import Batch, Inputs
from bench_fusers.contrast import within_records
from bench_fusers.extractors import Extractors, present
from bench_fusers.pepsy.plugin import PepsyParams

SPREAD = 0.02
"""Standard deviation of the table of modalities at the start."""


@dataclass(frozen=True)
class Chosen:
    """The controls of b records.

    - places: int64 [b, k], which of the pool.
    - mean: [b, D].
    - near: [b], their mean cosine to the queries of the record.
    """

    places: torch.Tensor
    mean: torch.Tensor
    near: torch.Tensor


class Network(nn.Module):
    """Extractors, embeddings, controls, gate, classifier. forward(batch) -> outputs [b, outputs];
    while it trains, with what is added to the loss.

    - controls: [pool, D].
    - used: int64 [pool], 1 for controls that a record has chosen since it was set to 0.
    """

    def __init__(self, inputs: Inputs, task: Task, params: PepsyParams):
        super().__init__()
        self.names, self.params = list(inputs.modalities), params
        modalities, width = len(self.names), params.width
        self.extractors = Extractors((channels for _, channels in inputs.modalities.values()), params)
        self.modality = nn.Parameter(SPREAD * torch.randn(modalities, width))
        self.controls = nn.Parameter(torch.empty(params.pool, width).uniform_(-1, 1))
        self.register_buffer("used", torch.zeros(params.pool, dtype=torch.int64))
        self.used: torch.Tensor
        self.query = nn.Linear(2 * width, width, bias=False)
        self.gate = nn.Linear(6 * width, 3 * width)
        self.classifier = nn.Sequential(
            nn.Linear(modalities * 3 * width, params.hidden), nn.ReLU(), nn.Linear(params.hidden, task.outputs)
        )

    def forward(self, batch: Batch) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        here = present(batch)
        z = self.extractors.whole(batch)
        w, chosen = self.embeddings(z, here)
        outputs: torch.Tensor = self.classifier(self.fused(w).flatten(1))
        if not self.training:
            return outputs
        self.used[chosen.places.flatten()] = 1
        params = self.params
        apart = within_records(z, here, params.temperature) + within_records(
            w, torch.ones_like(here), params.temperature
        )
        return outputs, params.contrast * apart - params.attract * chosen.near.mean()

    def embed(self, batch: Batch) -> torch.Tensor:
        """[b, m x 3 D]: what the classifier reads."""
        return self.fused(self.embeddings(self.extractors.whole(batch), present(batch))[0]).flatten(1)

    def embeddings(self, z: torch.Tensor, here: torch.Tensor) -> tuple[torch.Tensor, Chosen]:
        """w = [w_mod; w_ins; w_mis], [b, m, 3 D], and the controls.

        z: [b, m, D], 0 where a modality is absent. here: [b, m], 1 or 0.
        """
        mean = z.sum(dim=1, keepdim=True) / here.sum(dim=1).clamp(min=1)[:, None, None]
        instance = torch.where(here[..., None] > 0, z, mean)
        modality = self.modality.expand_as(z)
        chosen = choose(self.query(torch.cat([instance, modality], dim=-1)), self.controls, self.params.chosen)
        return torch.cat([modality, instance, chosen.mean[:, None].expand_as(z)], dim=-1), chosen

    def fused(self, w: torch.Tensor) -> torch.Tensor:
        """[b, m, 3 D]: between w and what attention makes of it, number by number."""
        other = attended(w)
        share = self.gate(torch.cat([w, other], dim=-1)).sigmoid()
        fused: torch.Tensor = share * w + (1 - share) * other
        return fused


def choose(queries: torch.Tensor, controls: torch.Tensor, number: int) -> Chosen:
    """The `number` controls whose mean cosine to the queries of a record is largest.

    queries: [b, m, D]. controls: [pool, D].
    """
    near = functional.normalize(queries.float(), dim=-1) @ functional.normalize(controls, dim=-1).T
    best = near.mean(dim=1).topk(min(number, len(controls)), dim=1)
    return Chosen(best.indices, controls[best.indices].mean(dim=1), best.values.mean(dim=1))


def attended(w: torch.Tensor) -> torch.Tensor:
    """[b, m, ·]: the mean over the modalities of a record, weighed for each by the softmax of its
    cosines to them, its own among them.
    """
    unit = functional.normalize(w.float(), dim=-1)
    mixed: torch.Tensor = (unit @ unit.transpose(1, 2)).softmax(dim=-1) @ w.float()
    return mixed
