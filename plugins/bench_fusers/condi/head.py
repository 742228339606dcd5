"""CondI in two stages: phase B alone, on the series that any imputer completed. Specification
condi.md, section 11(c).

It differs from `condi` in what its conditional embedding learns from: the labels alone, not the
loss of a diffusion too. Which modalities are present, as that embedding asks, is what was observed
before imputation.

What is decided here:

- Encoders are trained on what is observed, and predict from the completed series, as published
  (`phase_b_input`).
- A modality that is absent, and that no imputer filled, has the encoding 0.
- `released`: while it trains, what is missing is 0, as good as what that code computes there. Its
  network of the others' encodings is trained by the labels, since no diffusion trains it.
- The loss follows the kind of the task; the published one is that of classes. There is no
  contrastive loss in a regression.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from bench.cohort import Cohort, Task
from bench.torch_fuser import Batch, Inputs, TorchFuser
from bench_fusers.condi.network import CondiNetwork, Labelled
from bench_fusers.condi.plugin import CondiHeadParams
from bench_imputers.diffusion.condi_context import TABLE, ConditionTable, OtherModalities, own_group, pairs

P = TypeVar("P", bound=CondiHeadParams)


class PhaseB(TorchFuser[P]):
    """Base of both fusers: batches with labels while they train, and who owns which array
    (section 7).
    """

    @property
    def network(self) -> CondiNetwork:
        """The module, once built."""
        assert isinstance(self.module, CondiNetwork)
        return self.module

    def pieces(self, module: str, weight: str, tensor: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """See `Learner.pieces`: entries of the table belong to pairs of modalities."""
        parts = [self.network.names[place] for place in self.network.places]
        return pairs(parts, tensor) if weight.endswith(TABLE) else super().pieces(module, weight, tensor)

    def group(self, module: str, weight: str) -> str:
        """See `Learner.group`: pre-extractors belong to modalities."""
        group, network = super().group(module, weight), self.network
        if group != "shared":
            return group
        names = network.names if weight.startswith("reader.") else [network.names[i] for i in network.places]
        return own_group({name: network.sizes[name] for name in names}, weight) or group

    def _batch(self, cohort: Cohort, items: np.ndarray, device: str) -> Batch:
        batch = super()._batch(cohort, items, device)
        if not self.network.reader.training or self.task.kind == "regression":
            return batch
        labels = torch.from_numpy(np.asarray(cohort.targets[self.task.name])[items]).to(device).long()
        return Labelled(batch.modalities, batch.statics, batch.statics_observed, labels)


class CondiHead(PhaseB[CondiHeadParams]):
    """See the module. The representation is what the classifier reads."""

    @property
    def reads_imputed(self) -> bool:
        """See `Fuser.reads_imputed`."""
        return not self.params.no_imputation

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        network = CondiNetwork(inputs, task.outputs, self.params, list(inputs.modalities))
        if not self.params.no_condi:
            network.condition = condition(network)
        return network


def condition(network: CondiNetwork) -> ConditionTable | OtherModalities:
    """That of the profile. The network of `released` shares the encoder of w_ins."""
    if not network.reader.released:
        return ConditionTable(len(network.places), network.params.width)
    others = OtherModalities([], network.params.width)
    others.encoder = network.reader.encoder.of(network.places)
    return others
