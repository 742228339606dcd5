"""TRACE, stage 1: CSDI conditioned on the record's other modalities. Specification trace.md.

One network per target modality. Every other modality of the cell enters, whatever their number. Its
visible events in the window are averaged to one vector (in the preset trace-temporal they stay
apart). The context made of them (`trace_context`) joins the side information of each layer, so its
part of each map is computed once per record. Where diffusion completes all modalities, as in a cell
of several narrow ones, each is context to the others as recorded.

The paper never defines what an expert is, and TRACE's own repository has none. So the presets are
readings of it, and a result carries the preset it was made with. That the authors ran trace-moe is
an inference. A multimodal CSDI with such experts stands in the public repository of CondI, for the
very vectors of TRACE. With 3 experts it has both sizes that TRACE prints (2.7 M parameters, 10.35
MB). TRACE's Table 6 and Figure 5 say that 5 is the default.
"""

from __future__ import annotations

from bench_imputers.diffusion.csdi import CsdiDenoiser, csdi_sizes
from bench_imputers.diffusion.denoiser import Denoiser, Shape
from bench_imputers.diffusion.presets import PresetImputer
from bench_imputers.diffusion.trace_context import context_of
from bench_imputers.diffusion.trace_params import TRACE_PRESETS, TraceChoice, TraceParams


class Trace(PresetImputer[TraceParams]):
    """Presets and the variants of figure 4 (section 10); naive imputation, the sixth, is the
    imputer `locf`.
    """

    @property
    def choice(self) -> TraceChoice:
        return TRACE_PRESETS.over(self.params)

    @property
    def uses_context(self) -> bool:
        return self.params.variant not in ("unconditional", "uni")

    @property
    def uses_events(self) -> bool:
        return self.choice.context == "events" and self.params.variant == "full"

    @property
    def pastes(self) -> bool:
        return self.params.variant == "unconditional" and self.params.replace_observed

    def build(self, shape: Shape) -> Denoiser:
        sizes = csdi_sizes(self.params, unconditional=self.params.variant == "unconditional")
        if not self.uses_context:
            return CsdiDenoiser(shape, sizes)
        context = context_of(shape, self.params.variant, self.choice, self.params.heads)
        return CsdiDenoiser(shape, sizes, context, self.choice.context_width)
