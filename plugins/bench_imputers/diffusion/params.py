"""Parameters of the diffusion imputers, light enough to be imported where the plugin declares itself."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.train_params import IN_LABEL, AboveZero, NotNegative, Positive, TrainParams

Whole = Annotated[int, msgspec.Meta(ge=0)]
Rate = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Mask = Literal["random", "historical", "mix", "ratio", "points", "segments", "blackout"]

HUBER = 0.5
"""Where `loss: huber` turns from squared to absolute, in standard deviations."""


class DiffusionParams(TrainParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every diffusion imputer can set beside its network and the training loop.

    Raises ValueError for values that exclude each other.

    targets:          modalities completed by diffusion; empty = every modality of at most `widest` channels. The others are
                      completed by the last value carried forward, else the training mean.
    widest:           most channels of a modality that is a target by itself: wider ones are embeddings of notes or images.
    diffusion_steps:  steps of the process, T.
    betas:            how the noise variances grow from `beta_first` to `beta_last`: linearly, or their square roots do.
    predict:          what the network predicts: the noise, the clean value (x0), or v = √ᾱ noise − √(1 − ᾱ) x0.
    residual:         the process runs on the difference to the linear interpolation of the visible entries.
    mask:             how a training visit hides entries: a share of them uniform in (0, 1) (random), where the record before
                      in the batch has none (historical), either by a coin (mix), or the share `mask_ratio` (ratio). Or it
                      hides bins, whatever was observed there: `mask_ratio` of them in each channel, as single bins (points)
                      or one segment (segments), or the same segment in all channels (blackout).
    loss:             of the error over the hidden entries while training: squared, as published; absolute; or huber, squared up
                      to 0.5 standard deviations and absolute beyond, which typing errors do not rule.
    noises:           steps and noises drawn at each visit of a record, all under the same mask and one conditioning.
    validate:         keep the weights with the smallest denoising loss on `validation_records` validation records, under the
                      same noise after every epoch; false = the last weights, as in the reference.
    solver:           ancestral (DDPM; fewer steps rebuild the betas), ddim, or dpm++ (order 2, mid-point).
    solver_steps:     network calls per draw, equally spaced over the steps; 0 = all.
    eta:              share of ancestral noise in ddim, 0 to 1.
    start:            where sampling starts: noise, or a last-value-carried-forward (noised_locf) or linear (noised_linear)
                      completion, noised to the last step.
    bound:            the implied clean value is cut off at so many standard deviations in sampling; 0 = never, as published.
    chunk:            records x draws per network call; 0 = chosen by device and grid. Changes rounding only.
    compile:          compile the network with torch.compile. Changes rounding only.
    """

    steps: Annotated[Positive | None, IN_LABEL] = None
    targets: tuple[str, ...] = ()
    widest: Positive = 48
    diffusion_steps: Annotated[int, msgspec.Meta(ge=2)] = 50
    betas: Annotated[Literal["quadratic", "linear"], IN_LABEL] = "quadratic"
    beta_first: Annotated[Rate, IN_LABEL] = 1e-4
    beta_last: Annotated[Rate, IN_LABEL] = 0.5
    predict: Annotated[Literal["noise", "x0", "v"], IN_LABEL] = "noise"
    residual: Annotated[bool, IN_LABEL] = False
    mask: Mask = "random"
    mask_ratio: Rate = 0.2
    loss: Literal["squared", "absolute", "huber"] = "squared"
    noises: Positive = 1
    validate: bool = False
    validation_records: Positive = 128
    solver: Literal["ancestral", "ddim", "dpm++"] = "ancestral"
    solver_steps: Annotated[Whole, IN_LABEL] = 0
    eta: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    start: Literal["noise", "noised_locf", "noised_linear"] = "noise"
    bound: Annotated[NotNegative, IN_LABEL] = 0.0
    chunk: Whole = 0
    compile: bool = False

    @property
    def last_beta(self) -> float:
        """The noise variance of the last step, where it may be left to a preset too."""
        return self.beta_last

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.solver_steps > self.diffusion_steps:
            raise ValueError(
                f"solver_steps={self.solver_steps} is more than diffusion_steps={self.diffusion_steps}, of which they are "
                "a part; give fewer solver_steps, 0 for all"
            )
        if self.beta_first >= self.last_beta:
            raise ValueError(
                f"beta_first={self.beta_first:g} is not below beta_last={self.last_beta:g}; the noise grows from the one to "
                "the other"
            )


class CsdiSizes(DiffusionParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sizes of the network of CSDI, which other methods condition further.

    channels, heads, layers: width, attention heads and residual layers of the denoiser.
    feedforward:   width inside each transformer layer; not tied to `channels` in the reference.
    step_width, time_width, feature_width: widths of the embeddings of diffusion step, time and channel.
    dropout:       in the transformer layers, while training.
    """

    channels: Annotated[Positive, IN_LABEL] = 64
    heads: Positive = 8
    layers: Positive = 4
    feedforward: Positive = 64
    step_width: Positive = 128
    time_width: Positive = 128
    feature_width: Positive = 16
    dropout: Share = 0.1

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
    """CSDI; the defaults are its published healthcare configuration.

    unconditional: the ablation: one input, no mask channel; observed values are noised and pasted while sampling.
    """

    unconditional: bool = False
    epochs: Positive = 200
    batch_size: Positive = 16
    learning_rate: AboveZero = 1e-3
    schedule: Literal["constant", "cosine", "milestones"] = "milestones"
    weight_decay: NotNegative = 1e-6
    clip: NotNegative = 0.0
    patience: Whole = 0
