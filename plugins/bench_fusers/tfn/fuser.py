"""TFN: one vector per modality, a 1 beside each, and the outer product of all of them, read by a
small network. Any number of modalities of any length and width.

- Zadeh et al., "Tensor Fusion Network for Multimodal Sentiment Analysis", EMNLP 2017. The public
  code is Justin1904/TensorFusionNetworks (preset `released`) and thuiar/MMSA (`mmsa`,
  `mmsa-mosei`).
- The low-rank form of Liu et al., "Efficient Low-rank Multimodal Fusion with Modality-Specific
  Factors", ACL 2018.
- Variant outer-late as in XZhang97666/MultimodalMIMIC (`mists`). Its front end, points of time made
  of events and completed grid, comes with front=utde; there notes are read by their events alone.

Ours, not published:

- Every step of the completed grid of a present modality is read, so that imputed values count. With
  `masks` what was recorded stands beside it.
- An absent modality is 0 behind its encoder, so that its 1 stays and every product with it
  vanishes.
- Batch normalisation of the time means looks at batch mates. In its place each feature has a
  learned scale and shift (the harness has standardised it) or a LayerNorm.
- Statics are added to what the first layer makes of the products.
- MMSA's text dropout, switched off there by mistake, is on.

Published training: absolute errors (`regression_loss`), Adam.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import nn

from bench.cohort import Task
from bench.components import Context
from bench.errors import UsageError, unknown
from bench.sums import Sums
from bench.torch_fuser import Batch, Inputs, ModalityView, TorchFuser
from bench_fusers.encoders.last_state import Bins, LastState, Points, bins, points
from bench_fusers.encoders.recurrent import Recurrent
from bench_fusers.encoders.steps import grid_steps
from bench_fusers.encoders.transformer import ResidualHead
from bench_fusers.tfn.plugin import TFNChoice, TFNParams, tfn_choice
from bench_fusers.tfn.tensor import LowRank, Plan, Tensor, plan

RANGE = (-3.0, 3.0)
"""Of the labels of MOSI and MOSEI, and of `squash`."""


class TFN(TorchFuser[TFNParams]):
    """See the module."""

    uses_events = True

    @property
    def reads_events(self) -> bool:
        """See `Fuser.reads_events`."""
        return self.params.front == "utde"

    def begin(self, sums: Sums, context: Context) -> None:
        """See `Learner.begin`. Says how many products there are, and in what form.

        Raises UsageError for modalities that the preset does not know.
        """
        joined = self.joined(tuple(sums.form.modalities))
        context.note("products", joined.products)
        context.note("form", "low-rank" if joined.low_rank else "full")
        if joined.low_rank:
            context.note("terms", self.params.rank)
        else:
            context.note("widths", *joined.widths)
        super().begin(sums, context)

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        bounds = None
        if self.params.squash and task.kind == "regression" and task.outputs == 1:
            # Logits are on the scale of the standardised target.
            center, scale = (float(part) for part in self.target)
            bounds = (RANGE[0] - center) / scale, (RANGE[1] - center) / scale
        joined = self.joined(tuple(inputs.modalities))
        return TFNNetwork(inputs, task.outputs, self.choice, joined, self.params, bounds)

    @property
    def choice(self) -> TFNChoice:
        """What was given, and what the preset says where nothing was."""
        return tfn_choice(self.params)

    def joined(self, names: tuple[str, ...]) -> Plan:
        """How modalities of these names are joined. Raises UsageError where the preset or
        `means` does not fit them.
        """
        p, choice = self.params, self.choice
        for name in p.means:
            if name not in names:
                raise unknown("modality", name, names, "fuser.tfn.means")
        if choice.modalities:
            if choice.variant != "tfn":
                raise UsageError(
                    f"fuser.tfn.preset={p.preset} has no variant {choice.variant}; it comes with: small, mists"
                )
            for name in names:
                if name not in choice.modalities:
                    raise UsageError(
                        f'modality "{name}" is not known to fuser.tfn.preset={p.preset}, which was published for '
                        f"{', '.join(choice.modalities)}; for any modalities: fuser.tfn.preset=small"
                    )
        if choice.variant == "outer-late" and choice.width % choice.heads:
            raise UsageError(
                f'"fuser.tfn.width" {choice.width} is not a multiple of "fuser.tfn.heads" {choice.heads} (from the preset '
                f"{p.preset} and what was given over it); choose for example fuser.tfn.heads=1"
            )
        widths = [choice.modalities[name][1] if choice.modalities else choice.width for name in names]
        return plan(widths, choice.cap, p.fusion == "low-rank")


class TFNNetwork(nn.Module):
    """forward(batch) -> logits [b, outputs]; embed(batch) -> [b, head], what is made of the
    products and the statics.
    """

    def __init__(
        self,
        inputs: Inputs,
        outputs: int,
        choice: TFNChoice,
        joined: Plan,
        params: TFNParams,
        bounds: tuple[float, float] | None = None,
    ):
        super().__init__()
        self.names, self.bounds = list(inputs.modalities), bounds
        late = choice.variant == "outer-late"
        front: Iterator[Bins | Points] = bins(inputs, choice.width, choice.masks)
        if params.front == "utde":
            front = points(inputs, choice.width, params.points, params.mixup, choice.dropout)
        readers: list[nn.Module] = []
        for (name, (_, channels)), width in zip(inputs.modalities.items(), joined.widths, strict=True):
            kind = choice.modalities[name][0] if choice.modalities else choice.encoder
            if late:
                readers.append(Narrowed(next(front), width, choice))
            elif kind == "mean" or name in params.means:
                readers.append(Mean(channels, width, params.norm, choice))
            else:
                readers.append(LastOfLSTM(channels, width, choice))
        self.readers = nn.ModuleList(readers)
        q = choice.head
        self.join: nn.Module
        if joined.low_rank:
            self.join = LowRank(joined.widths, q, params.rank, late)
        else:
            self.join = Tensor(joined.widths, q, choice.head_dropout, late)
        self.statics = nn.Linear(2 * inputs.statics, params.statics) if inputs.statics else None
        self.beside = nn.Linear(params.statics, q, bias=False) if inputs.statics else None
        self.second = nn.Linear(q, q)
        self.out: nn.Module = ResidualHead(q, outputs, choice.dropout) if late else nn.Linear(q, outputs)

    def forward(self, batch: Batch) -> torch.Tensor:
        logits: torch.Tensor = self.out(self.embed(batch))
        if self.bounds is None:
            return logits
        low, high = self.bounds
        return low + (high - low) * torch.sigmoid(logits)

    def embed(self, batch: Batch) -> torch.Tensor:
        joined = self.join(self.vectors(batch))
        if self.statics is not None and self.beside is not None:
            # Beside the products in a linear map is the same as added to what it makes of them.
            known = torch.cat([batch.statics, batch.statics_observed], dim=1)
            joined = joined + self.beside(torch.relu(self.statics(known)))
        return torch.relu(self.second(torch.relu(joined)))

    def vectors(self, batch: Batch) -> list[torch.Tensor]:
        """[b, width] of each modality; 0 where it is absent."""
        views = [batch.modalities[name] for name in self.names]
        # Chosen, not multiplied: what is made of an absent modality, were it NaN, is gone.
        return [
            torch.where(view.present[:, None] > 0, reader(view), 0.0)
            for reader, view in zip(self.readers, views, strict=True)
        ]


class Mean(nn.Module):
    """The mean of all steps -> scale and shift, or LayerNorm -> dropout -> three linear layers
    with ReLU: [b, width] >= 0.
    """

    def __init__(self, channels: int, width: int, norm: str, choice: TFNChoice):
        super().__init__()
        self.masks = choice.masks
        features = channels * (1 + choice.masks)
        self.norm: nn.Module = nn.LayerNorm(features) if norm == "layer" else Feature(features)
        self.dropout = nn.Dropout(choice.dropout)
        sides = [features, width, width, width]
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sides))

    def forward(self, view: ModalityView) -> torch.Tensor:
        x: torch.Tensor = self.dropout(self.norm(_steps(view, self.masks).mean(dim=1)))
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


class Feature(nn.Module):
    """A learned scale and shift of each feature, 1 and 0 at first."""

    def __init__(self, features: int):
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(features)), nn.Parameter(torch.zeros(features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale + self.shift


class LastOfLSTM(nn.Module):
    """All steps through an LSTM -> its last state -> dropout -> a linear map: [b, width]."""

    def __init__(self, channels: int, width: int, choice: TFNChoice):
        super().__init__()
        self.masks = choice.masks
        self.reader = Recurrent(channels * (1 + choice.masks), choice.recurrent, "lstm")
        self.dropout, self.map = nn.Dropout(choice.dropout), nn.Linear(choice.recurrent, width)

    def forward(self, view: ModalityView) -> torch.Tensor:
        last = self.reader(_steps(view, self.masks))[:, -1]
        vector: torch.Tensor = self.map(self.dropout(last))
        return vector


class Narrowed(nn.Module):
    """The state of a modality, [b, width]: by a linear map where `width` is less than its
    transformer's.
    """

    def __init__(self, enter: Bins | Points, width: int, choice: TFNChoice):
        super().__init__()
        self.state = LastState(enter, choice.width, choice.heads, choice.layers, choice.dropout)
        self.narrow = nn.Linear(choice.width, width) if width != choice.width else nn.Identity()

    def forward(self, view: ModalityView) -> torch.Tensor:
        vector: torch.Tensor = self.narrow(self.state(view)[0])
        return vector


def _steps(view: ModalityView, masks: bool) -> torch.Tensor:
    """[b, length, channels, or twice as many]: the completed grid, and with `masks` what was
    recorded.
    """
    values = grid_steps(view).values
    return values if masks else values[..., : view.values.shape[2]]
