"""Which modality the others shift, and how they are brought to its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, TypeVar

import numpy as np
import torch
from torch import nn

from bench.cohort import Cohort, Task
from bench.components import Context
from bench.errors import UsageError, unknown
from bench.sums import Sums
from bench.torch_fuser import Batch, TorchFuser
from bench_fusers.mag.plugin import MagSizes
from bench_fusers.text_modality import text_of

P = TypeVar("P", bound=MagSizes)


class AnchoredFuser(TorchFuser[P]):
    """Base of both gates: `begin` chooses the anchor, `build` finds it in `self.anchor`."""

    name: ClassVar[str]
    """What it is called in a suite."""

    anchor: str

    @property
    def reads_imputed(self) -> bool | None:
        """See `Fuser.reads_imputed`: with read=observed steps in which something was recorded,
        and what is imputed in them.
        """
        return None if self.params.read == "observed" else True

    def summary(self, cohort: Cohort, task: Task | None = None) -> Sums:
        """See `TorchFuser.summary`; and the observed steps of each modality, in the order of the
        form.
        """
        sums = super().summary(cohort, task)
        steps = [series.observed.any(axis=2).sum(dtype=np.float64) for series in cohort.modalities.values()]
        return replace(sums, totals={**sums.totals, "steps": np.array(steps)})

    def begin(self, sums: Sums, context: Context) -> None:
        """See `Learner.begin`. Raises UsageError for an anchor that the records lack, and sizes
        that do not fit together.
        """
        name, params = self.name, self.params
        if params.width % params.heads:
            raise UsageError(
                f'"fuser.{name}.width" {params.width} is not a multiple of "fuser.{name}.heads" {params.heads} (from the '
                f"parameters of {name}); choose for example fuser.{name}.heads=1"
            )
        steps = dict(zip(sums.form.modalities, sums.totals["steps"].tolist(), strict=True))
        self.anchor = choose_anchor(steps, params.anchor, name)
        context.note("anchor", self.anchor)
        super().begin(sums, context)


def choose_anchor(steps: Mapping[str, float], configured: str | None, fuser: str) -> str:
    """The configured modality. Else that of words, where a record has it; else the one with the
    most observed steps, of equal ones the first. steps: modality -> how many are observed.

    Raises UsageError, with the nearest name, for a configured one that the records lack.
    """
    if configured is not None:
        if configured not in steps:
            raise unknown("modality", configured, steps, f"fuser.{fuser}.anchor")
        return configured
    return text_of(name for name, count in steps.items() if count) or max(steps, key=lambda name: steps[name])


def align(
    anchor: torch.Tensor, times: torch.Tensor, mask: torch.Tensor, max_lag: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """For every time of the anchor the last readable step at or before it, no more than `max_lag`
    hours.

    anchor: [q]; times: [n], rising; mask: [b, n], 1 = readable; all hours. -> index int64 [b, q] (0
    where there is none) and found [b, q], 1 where there is one.
    """
    allowed = times[None, :] <= anchor[:, None]
    if max_lag is not None:
        allowed = allowed & (times[None, :] >= anchor[:, None] - max_lag)
    places = torch.arange(1, len(times) + 1, device=times.device)
    # 0 = none, so that the largest place is the last step.
    last = (allowed[None] * mask[:, None, :] * places).amax(dim=2).long()
    return (last - 1).clamp(min=0), (last > 0).to(mask.dtype)


def known_statics(layer: nn.Module, batch: Batch) -> torch.Tensor:
    """[b, width], the embedding of the statics and of which are known."""
    return torch.relu(layer(torch.cat([batch.statics, batch.statics_observed], dim=1)))
