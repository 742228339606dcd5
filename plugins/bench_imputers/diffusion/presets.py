"""Diffusion imputers whose noise schedule may be left to a preset."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

from bench.components import Context
from bench.sums import Sums
from bench_imputers.diffusion.condi_params import CondiChoice
from bench_imputers.diffusion.engine import DiffusionImputer
from bench_imputers.diffusion.params import CsdiSizes
from bench_imputers.diffusion.schedule import Schedule, schedule
from bench_imputers.diffusion.trace_params import TraceChoice

P = TypeVar("P", bound=CsdiSizes)

LITTLE = 0.05
"""A share of signal at the last step below which a start from noise is close enough to what the network was trained on."""


class PresetImputer(DiffusionImputer[P]):
    """Base of the imputers with presets."""

    @property
    @abstractmethod
    def choice(self) -> TraceChoice | CondiChoice:
        """What was given, and what the preset says where nothing was."""

    @property
    def schedule(self) -> Schedule:
        p, choice = self.params, self.choice
        return schedule(choice.betas, p.diffusion_steps, p.beta_first, choice.beta_last)

    def begin(self, sums: Sums, context: Context) -> None:
        """See `DiffusionImputer.begin`. Says so where sampling starts from noise that training never reaches."""
        left = self.schedule.alpha_bars[-1]
        if left > LITTLE and self.params.start == "noise":
            context.report(
                f"{self._who}: after the last of {self.params.diffusion_steps} steps {left:.0%} of the variance is still "
                "signal, and sampling starts from noise alone; start=noised_locf starts from what training has seen"
            )
        super().begin(sums, context)
