"""TRACE, stage 1: CSDI conditioned on the record's other modalities. Specification trace.md.

One network per target modality. Every other modality of the cell enters, whatever their number: its visible events in the
window are averaged to one vector, and the context made of these vectors (`trace_context`) joins the side information of
each layer, the same for all channels and bins, so that its part of each map is computed once per record. Where all
modalities are completed by diffusion, as in a cell of several narrow ones, each is context to the others as recorded.

What the paper names an expert is never defined, and the public code has none: the presets are readings of it (section
3.3), and a result carries the preset it was made with.
"""

from __future__ import annotations

from bench_imputers.diffusion.csdi import CsdiDenoiser
from bench_imputers.diffusion.denoiser import Denoiser, Shape
from bench_imputers.diffusion.params_context import TraceChoice, TraceParams, csdi_sizes, trace_choice
from bench_imputers.diffusion.presets import PresetImputer
from bench_imputers.diffusion.trace_context import pooled_context


class Trace(PresetImputer[TraceParams]):
    """Presets and the variants of figure 4 (section 10); naive imputation, the sixth, is the imputer `locf`."""

    @property
    def choice(self) -> TraceChoice:
        return trace_choice(self.params)

    @property
    def uses_context(self) -> bool:
        return self.params.variant not in ("unconditional", "uni")

    @property
    def pastes(self) -> bool:
        return self.params.variant == "unconditional" and self.params.replace_observed

    def build(self, shape: Shape) -> Denoiser:
        sizes = csdi_sizes(self.params, unconditional=self.params.variant == "unconditional")
        if not self.uses_context:
            return CsdiDenoiser(shape, sizes)
        context = pooled_context(shape.context, self.params, self.choice)
        return CsdiDenoiser(shape, sizes, context, self.params.context_width)
