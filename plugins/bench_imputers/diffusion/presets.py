"""Diffusion imputers whose noise schedule may be left to a preset."""

from __future__ import annotations

from typing import TypeVar

from bench.components import Context
from bench.sums import Sums
from bench_imputers.diffusion.engine import DiffusionImputer
from bench_imputers.diffusion.params import CsdiSizes

P = TypeVar("P", bound=CsdiSizes)

LITTLE = 0.05
"""A share of signal at the last step below which a start from noise is close enough to what the
network was trained on.
"""


class PresetImputer(DiffusionImputer[P]):
    """Base of the imputers with presets."""

    def begin(self, sums: Sums, context: Context) -> None:
        """See `DiffusionImputer.begin`. Says so where sampling starts from noise that training
        never reaches.
        """
        left = self.schedule.alpha_bars[-1]
        if left > LITTLE and self.params.start == "noise":
            context.report(
                f"{self._who}: after the last of {self.params.diffusion_steps} steps {left:.0%} of the variance is still "
                "signal, and sampling starts from noise alone; start=noised_locf starts from what training has seen"
            )
        super().begin(sums, context)
