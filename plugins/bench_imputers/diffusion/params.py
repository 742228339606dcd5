"""Parameters of the diffusion imputers, light enough to be imported where the plugin declares
itself.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.train_params import IN_LABEL, AboveZero, NotNegative, Positive, TrainParams

Whole = Annotated[int, msgspec.Meta(ge=0)]
Rate = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Betas = Literal["quadratic", "linear"]
Mask = Literal["random", "historical", "mix", "ratio", "points", "segments", "blackout"]

HUBER = 0.5
"""Where `loss: huber` turns from squared to absolute, in standard deviations."""


class DiffusionParams(TrainParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every diffusion imputer can set beside its network and the training loop.

    Raises ValueError for values that exclude each other.
    """

    steps: Annotated[
        Positive | None,
        IN_LABEL,
        msgspec.Meta(
            description="Where given, a fixed budget: exactly so many optimiser steps, whatever `epochs` and `patience` "
            "say."
        ),
    ] = None
    targets: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Modalities completed by diffusion; empty: every modality of at most `widest` channels. The "
            "others are completed by the last value carried forward, else the training mean."
        ),
    ] = ()
    widest: Annotated[
        Positive,
        msgspec.Meta(
            description="Most channels of a modality that is a target without being named; wider ones are embeddings of "
            "notes or images."
        ),
    ] = 48
    diffusion_steps: Annotated[int, msgspec.Meta(ge=2, description="Steps of the diffusion process, T.")] = 50
    betas: Annotated[
        Betas,
        IN_LABEL,
        msgspec.Meta(
            description="How the noise variances grow from `beta_first` to `beta_last`: linearly, or their square roots "
            "do (quadratic)."
        ),
    ] = "quadratic"
    beta_first: Annotated[
        Rate, IN_LABEL, msgspec.Meta(description="Noise variance of the first step; below `beta_last`.")
    ] = 1e-4
    beta_last: Annotated[Rate, IN_LABEL, msgspec.Meta(description="Noise variance of the last step.")] = 0.5
    predict: Annotated[
        Literal["noise", "x0", "v"],
        IN_LABEL,
        msgspec.Meta(
            description="What the network predicts: the noise, the clean value (x0), or v = √ᾱ noise − √(1 − ᾱ) x0."
        ),
    ] = "noise"
    residual: Annotated[
        bool,
        IN_LABEL,
        msgspec.Meta(
            description="The process runs on the difference to the linear interpolation of the visible entries."
        ),
    ] = False
    mask: Annotated[
        Mask,
        msgspec.Meta(
            description="What a training visit hides. A share of the entries, uniform in (0, 1) (random); what the record "
            "before in the batch lacks (historical); either, by a coin (mix); the share `mask_ratio` (ratio). "
            "Or bins, whatever was observed there: `mask_ratio` of them in each channel, as single bins "
            "(points) or one segment (segments), or the same segment in all channels (blackout)."
        ),
    ] = "random"
    mask_ratio: Annotated[
        Rate, msgspec.Meta(description="Share that the masks ratio, points, segments and blackout hide.")
    ] = 0.2
    loss: Annotated[
        Literal["squared", "absolute", "huber"],
        msgspec.Meta(
            description="Loss at hidden entries while training: squared, as published; absolute; or huber, squared up to "
            "0.5 standard deviations and absolute beyond, so that typing errors do not dominate."
        ),
    ] = "squared"
    noises: Annotated[
        Positive,
        msgspec.Meta(
            description="Steps and noises drawn at each visit of a record, all under the same mask and one conditioning."
        ),
    ] = 1
    validate: Annotated[
        bool,
        msgspec.Meta(
            description="Keep the weights with the smallest denoising loss on validation records, under the same noise "
            "after every epoch; false: the last weights, as in the reference."
        ),
    ] = False
    validation_records: Annotated[
        Positive, msgspec.Meta(description="Validation records used by `validate`, at most.")
    ] = 128
    solver: Annotated[
        Literal["ancestral", "ddim", "dpm++"],
        msgspec.Meta(
            description="How draws are made: ancestral (DDPM; fewer steps rebuild the betas), ddim, or dpm++ (order 2, "
            "mid-point, no noise)."
        ),
    ] = "ancestral"
    solver_steps: Annotated[
        Whole, IN_LABEL, msgspec.Meta(description="Network calls per draw, equally spaced over the steps; 0 = all.")
    ] = 0
    eta: Annotated[float, msgspec.Meta(ge=0, le=1, description="Share of ancestral noise in the solver ddim.")] = 1.0
    start: Annotated[
        Literal["noise", "noised_locf", "noised_linear"],
        msgspec.Meta(
            description="Where sampling starts: noise, or a completion by the last value carried forward (noised_locf) or "
            "by linear interpolation (noised_linear), noised to the last step."
        ),
    ] = "noise"
    bound: Annotated[
        NotNegative,
        IN_LABEL,
        msgspec.Meta(
            description="While sampling, the clean value that the network implies is cut off at so many standard "
            "deviations; 0 = never, as published."
        ),
    ] = 0.0
    chunk: Annotated[
        Whole,
        msgspec.Meta(
            description="Records times draws per network call; 0 = chosen by device and grid. Changes rounding only."
        ),
    ] = 0
    compile: Annotated[
        bool, msgspec.Meta(description="Compile the network (`torch.compile`). Changes rounding only.")
    ] = False

    @property
    def noise(self) -> tuple[Betas, float]:
        """How the noise variances grow, and the last of them, where both may be left to a preset
        too.
        """
        return self.betas, self.beta_last

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.solver_steps > self.diffusion_steps:
            raise ValueError(
                f"solver_steps={self.solver_steps} is more than diffusion_steps={self.diffusion_steps}, of which they are "
                "a part; give fewer solver_steps, 0 for all"
            )
        _, last = self.noise
        if self.beta_first >= last:
            raise ValueError(
                f"beta_first={self.beta_first:g} is not below beta_last={last:g}; the noise grows from the one to "
                "the other"
            )


class CsdiSizes(DiffusionParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sizes of the network of CSDI, which other methods condition further."""

    channels: Annotated[
        Positive, IN_LABEL, msgspec.Meta(description="Width of the denoiser; a multiple of `heads`.")
    ] = 64
    heads: Annotated[Positive, msgspec.Meta(description="Attention heads.")] = 8
    layers: Annotated[Positive, msgspec.Meta(description="Residual layers.")] = 4
    feedforward: Annotated[
        Positive,
        msgspec.Meta(description="Width inside each transformer layer; not tied to `channels` in the reference."),
    ] = 64
    step_width: Annotated[Positive, msgspec.Meta(description="Width of the embedding of the diffusion step; even.")] = (
        128
    )
    time_width: Annotated[Positive, msgspec.Meta(description="Width of the embedding of time; even.")] = 128
    feature_width: Annotated[Positive, msgspec.Meta(description="Width of the embedding of a channel.")] = 16
    dropout: Annotated[Share, msgspec.Meta(description="Dropout in the transformer layers, while training.")] = 0.1

    @property
    def paired(self) -> tuple[str, ...]:
        """Widths of pairs of sine and cosine."""
        return ("time_width", "step_width")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels % self.heads:
            raise ValueError(f"channels={self.channels} is no multiple of heads={self.heads}; give one that is")
        for name in self.paired:
            if getattr(self, name) % 2:
                raise ValueError(
                    f"{name}={getattr(self, name)} is odd; it holds pairs of sine and cosine, so give an even one"
                )


class CsdiParams(CsdiSizes, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """CSDI; the defaults are its published healthcare configuration."""

    unconditional: Annotated[
        bool,
        msgspec.Meta(
            description="The ablation: one input, no mask channel; observed values are noised and pasted while sampling."
        ),
    ] = False
    epochs: Positive = 200
    batch_size: Positive = 16
    learning_rate: AboveZero = 1e-3
    schedule: Literal["constant", "cosine", "milestones"] = "milestones"
    weight_decay: NotNegative = 1e-6
    clip: NotNegative = 0.0
    patience: Whole = 0
