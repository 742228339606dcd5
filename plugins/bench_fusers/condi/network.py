"""Phase B of CondI: encoders, embeddings, classifier. Specification condi.md, section 5.

Axes: `b` records, `m` modalities in the order of the cohort, `channels` of one modality, `length`
bins, D the width of an embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from bench.torch_fuser import Batch, Inputs, ModalityView
from bench.training import BatchNorm1d
from bench_fusers.condi.plugin import CONDI_HEAD_PROFILES, CondiHeadParams
from bench_fusers.contrast import contrasted
from bench_imputers.diffusion.condi_context import (
    TABLE_SPREAD,
    CondiContext,
    ConditionTable,
    Observed,
    OtherModalities,
    by_modality,
)
from bench_imputers.diffusion.condi_encoders import InceptionEncoder
from bench_imputers.diffusion.csdi import CsdiDenoiser
from bench_imputers.diffusion.denoiser import Given

TEMPERATURE = 0.2
"""Of the contrastive loss."""


@dataclass(frozen=True)
class Labelled(Batch):
    """Some records with their labels, int64 [b] or [b, labels]; None where nothing is learnt."""

    labels: torch.Tensor | None = None


@dataclass(frozen=True)
class Features:
    """What is read of b records.

    - instance: [b, m, D], what was encoded of a modality itself (w_ins); 0 where it is absent.
    - present: [b, m], 1 where a modality has an observed entry.
    - omega: [b, m, ·], all that is read of a modality.
    """

    instance: torch.Tensor
    present: torch.Tensor
    omega: torch.Tensor


class Reader(nn.Module):
    """All that phase B trains, but for the condition.

    `paper` has one encoder; `released` three, with a pre-extractor per modality and a backbone each
    (of w_ins, of w_imputed, of the completed series), and a gate over the embeddings.
    """

    def __init__(self, sizes: Sequence[int], statics: int, outputs: int, params: CondiHeadParams):
        super().__init__()
        width, sizes = params.width, list(sizes)
        self.modality = nn.Parameter(TABLE_SPREAD * torch.randn(len(sizes), width))
        self.encoder = InceptionEncoder(sizes, width, params.filters)
        self.released = params.profile == "released"
        of_modality = 3 * width
        if self.released:
            self.imputed = InceptionEncoder(sizes, width, params.filters)
            self.main = InceptionEncoder(sizes, params.main_width, params.filters)
            self.gate = nn.Sequential(nn.Linear(4 * width, width), nn.ReLU(), nn.Linear(width, width), nn.Tanh())
            of_modality = params.main_width + width
        self.statics = nn.Linear(2 * statics, params.statics) if statics and params.statics else None
        inputs = len(sizes) * of_modality + (params.statics if self.statics else 0)
        self.classifier = classifier(inputs, params.hidden, outputs)

    def paper(self, instance: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """ω [b, m, 3 D]: w_ins, w_mod, w_cond (equation 10)."""
        return torch.cat([instance, self.modality.expand_as(instance), condition], dim=-1)

    def gated(self, instance: torch.Tensor, condition: torch.Tensor, whole: Observed, seen: Observed) -> torch.Tensor:
        """[b, m, main width + D] of the released code: the completed series, and what the gate
        makes of the four embeddings.
        """
        here = whole.present[..., None]
        missing = [each - own for each, own in zip(whole.visible, seen.visible, strict=True)]
        filled = by_modality([each * open_ for each, open_ in zip(whole.values, missing, strict=True)], missing)
        imputed = self.imputed(filled.values, filled.visible, filled.steps) * here
        main = self.main(whole.values, whole.visible, whole.steps) * here
        auxiliary = torch.cat([self.modality.expand_as(instance), instance, imputed, condition], dim=-1)
        return torch.cat([main, self.gate(auxiliary)], dim=-1)

    def flat(self, omega: torch.Tensor, batch: Batch) -> torch.Tensor:
        """[b, ·]: what the classifier reads."""
        if self.statics is None:
            return omega.flatten(1)
        known = torch.relu(self.statics(torch.cat([batch.statics, batch.statics_observed], dim=1)))
        return torch.cat([omega.flatten(1), known], dim=1)


def classifier(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """The head of the released code: two hidden layers, the second half as wide."""
    half = hidden // 2
    return nn.Sequential(
        nn.Linear(inputs, hidden), BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(hidden, half), BatchNorm1d(half), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(half, outputs),
    )  # fmt: skip


class CondiNetwork(nn.Module):
    """The reader, the condition, and, where there is one, the imputer of phase A.

    - condition: of the modalities `targets`. The others have the condition 0, and so have all where
      it is None.
    - imputer: shares the condition. Where there is one, it completes the modalities `targets`
      alone, and of the others only what is observed is read.
    - alpha_bars: the imputer's share of signal at its two first steps.

    While it trains, phase B reads what is observed, or the completed series (`phase_b_input`); else
    the completed series, whose entries all count as observed.
    """

    def __init__(self, inputs: Inputs, outputs: int, params: CondiHeadParams, targets: Sequence[str]):
        super().__init__()
        self.sizes = {name: channels for name, (_, channels) in inputs.modalities.items()}
        self.names, self.params = list(self.sizes), params
        self.places = [self.names.index(name) for name in targets]
        self.contrast = CONDI_HEAD_PROFILES.over(params).contrast
        self.reader = Reader(list(self.sizes.values()), inputs.statics, outputs, params)
        self.condition: ConditionTable | OtherModalities | None = None
        self.imputer: CsdiDenoiser | None = None
        self.alpha_bars: tuple[float, float] = (1.0, 1.0)

    def forward(self, batch: Batch) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Logits [b, outputs]; and the contrastive loss where there is one and labels are known."""
        read = self.read(batch)
        logits: torch.Tensor = self.reader.classifier(self.reader.flat(read.omega, batch))
        labels = batch.labels if isinstance(batch, Labelled) else None
        if labels is None or not self.contrast:
            return logits
        return logits, self.contrast * contrastive(read.instance, labels, read.present)

    def embed(self, batch: Batch) -> torch.Tensor:
        """[b, ·]: what the classifier reads."""
        return self.reader.flat(self.read(batch).omega, batch)

    def read(self, batch: Batch) -> Features:
        """What is read of the records of a batch."""
        views, reader = list(batch.modalities.values()), self.reader
        visible = [view.observed.transpose(1, 2) for view in views]
        values = [
            torch.where(seen > 0, view.values.transpose(1, 2), 0.0) for view, seen in zip(views, visible, strict=True)
        ]
        seen = by_modality(values, visible)
        if not reader.released:
            whole = self._completed(views, seen, None)
            instance = reader.encoder(whole.values, whole.visible, whole.steps) * whole.present[..., None]
            return Features(instance, seen.present, reader.paper(instance, self.conditions(instance, seen.present)))
        instance = reader.encoder(seen.values, seen.visible, seen.steps) * seen.present[..., None]
        condition = self.conditions(instance, seen.present)
        whole = self._completed(views, seen, self._estimated(seen, condition, instance))
        return Features(instance, seen.present, reader.gated(instance, condition, whole, seen))

    def conditions(self, instance: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """w_cond [b, m, D], by what is observed and never by what was imputed."""
        everywhere = torch.zeros_like(instance)
        if self.condition is None:
            return everywhere
        there = present[:, self.places]
        if isinstance(self.condition, ConditionTable):
            known = self.condition.routed(there)
        else:
            known = self.condition.of_others(instance[:, self.places], there)
        return everywhere.index_copy(1, torch.tensor(self.places, device=known.device), known.to(everywhere.dtype))

    @property
    def reads_grid(self) -> bool:
        """Whether what was imputed is read, in the present mode."""
        training = self.reader.training and self.params.phase_b_input == "observed"
        return not (training or self.params.no_imputation)

    def _completed(self, views: list[ModalityView], seen: Observed, estimated: list[torch.Tensor] | None) -> Observed:
        """The series that are encoded. estimated: [b, channels, length] per modality, in place of
        what is missing; None where only what is observed is read.
        """
        values, visible = [], []
        for place, view in enumerate(views):
            own, known = seen.values[place], seen.visible[place]
            here = torch.ones_like(known)
            if self.imputer is None:
                here = here * view.present[:, None, None]
            if self.imputer is not None and place not in self.places:
                here = known
            elif self.reads_grid:
                own = torch.where(here > 0, view.values.transpose(1, 2), 0.0)
            elif estimated is not None:
                own = own + (here - known) * estimated[place]
            else:
                here = known
            values.append(own)
            visible.append(here)
        return by_modality(values, visible)

    @torch.no_grad()
    def _estimated(self, seen: Observed, condition: torch.Tensor, instance: torch.Tensor) -> list[torch.Tensor]:
        """What the released code takes for imputed while it trains, close to 0 everywhere. It is
        what one answer of the network implies, at the first or second step, to a signal that is 0
        where it is missing.
        """
        estimates = [torch.zeros_like(each) for each in seen.values]
        if self.imputer is None or self.reads_grid or self.params.no_imputation:
            return estimates
        parts = [seen.values[place] for place in self.places]
        inputs = Given(torch.cat(parts, dim=1), torch.cat([seen.visible[place] for place in self.places], dim=1), {})
        step = torch.randint(2, (len(inputs.values),), device=inputs.values.device)
        kept = torch.tensor(self.alpha_bars, device=step.device)[step][:, None, None]
        noisy = kept.sqrt() * inputs.values + (1 - kept).sqrt() * torch.randn_like(inputs.values)
        noise = self.imputer(noisy, step, self._sided(inputs, condition, instance)).float()
        clean = (noisy - (1 - kept).sqrt() * noise) / kept.sqrt()
        for place, each in zip(self.places, clean.split([part.shape[1] for part in parts], dim=1), strict=True):
            estimates[place] = each
        return estimates

    def _sided(self, inputs: Given, condition: torch.Tensor, instance: torch.Tensor) -> dict[str, Any]:
        """What the imputer is conditioned on, by embeddings that are known already."""
        assert self.imputer is not None
        context = self.imputer.context
        if not isinstance(context, CondiContext) or not isinstance(context.condition, OtherModalities):
            return self.imputer.condition(inputs)
        vectors = torch.cat([condition[:, self.places], instance[:, self.places]], dim=-1)
        return self.imputer.sided(inputs, context.laid_out([], vectors))


def contrastive(instance: torch.Tensor, labels: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """The supervised contrastive loss of the released code (section 5.3), a scalar.

    Within a modality, records of one label shall be near each other. A record has its cosine over
    0.2 with each other one. Its loss is the log of the sum of their exponentials, minus their mean
    over those of its label. The result is the mean over records that have such another, then over
    modalities that have such records; 0 where none has.

    A record that lacks a modality has no part in it; the code compares its encoder's answers to
    zeros.

    instance: [b, m, D]. labels: [b], or [b, k], all of which must agree. present: [b, m].
    """
    unit = functional.normalize(instance.float(), dim=-1).transpose(0, 1)
    similar = unit @ unit.transpose(1, 2) / TEMPERATURE
    labels = labels.reshape(len(labels), -1)
    same = (labels[:, None] == labels[None]).all(dim=-1)
    here = present.T > 0
    others = here[:, :, None] & here[:, None] & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    near = others & same
    each, count = contrasted(similar, others, near)
    anchors = (count > 0).sum(dim=1)
    return (each.sum(dim=1) / anchors.clamp(min=1)).sum() / (anchors > 0).sum().clamp(min=1)
