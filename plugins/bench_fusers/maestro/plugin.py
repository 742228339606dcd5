"""MAESTRO, declared: its parameters and what its modes choose. The method is
`bench_fusers.maestro.fuser`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.presets import Presets
from bench.registry import Registry
from bench.train_params import ALWAYS_IN_LABEL, IN_LABEL, AboveZero, NotNegative, Positive, Share, TorchFuserParams
from bench.workload import Workload, training_seconds

Tokens = Literal["symbols", "linear", "numbers"]
Scale = Literal["train", "window"]
Absent = Literal["masked", "kept"]


class MaestroParams(TorchFuserParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """MAESTRO. What is null is as the mode says (`MAESTRO_MODES`); what is given wins over it."""

    mode: Annotated[
        Literal["paper", "released"],
        ALWAYS_IN_LABEL,
        msgspec.Meta(
            description="What the paper describes: budgets of attention are learnt, and experts are weighed by the "
            "softmax of the gate (paper). Or what the released code computes: budgets fixed at random, and "
            "experts weighed by the bare logit (released)."
        ),
    ] = "paper"
    tokens: Annotated[
        Tokens | None,
        IN_LABEL,
        msgspec.Meta(
            description="A symbol of each channel, embedded (symbols); values and mask through a linear map (linear); the "
            "number of each symbol through a linear map (numbers). Null: as the mode."
        ),
    ] = None
    scale: Annotated[
        Scale | None,
        msgspec.Meta(
            description="Values reach the symbols standardised over the training part (train), or once more within the "
            "record's own window (window), which erases its level. Null: as the mode."
        ),
    ] = None
    absent: Annotated[
        Absent | None,
        msgspec.Meta(
            description="Tokens of an absent modality are not read (masked), or made of the symbol 0 and read "
            "(kept). Null: as the mode."
        ),
    ] = None
    alphabet: Annotated[
        int, msgspec.Meta(ge=2, description="Symbols of a channel; one more says that the modality is missing.")
    ] = 20
    word: Annotated[Positive, msgspec.Meta(description="Bins of the grid that make one token, by their mean.")] = 1
    width: Annotated[Positive, msgspec.Meta(description="Width of the tokens; a multiple of `heads`.")] = 32
    heads: Annotated[Positive, msgspec.Meta(description="Heads of every attention.")] = 2
    layers: Annotated[Positive, msgspec.Meta(description="Layers of each modality's encoder.")] = 2
    fusion_layers: Annotated[Positive, msgspec.Meta(description="Layers over all modalities.")] = 1
    experts: Annotated[Positive, msgspec.Meta(description="Experts of the feed-forward part of the fusion layers.")] = 4
    top_k: Annotated[Positive, msgspec.Meta(description="Experts that a token is sent to.")] = 1
    factor: Annotated[
        AboveZero,
        msgspec.Meta(
            description="c, the largest budget: a modality may spend up to ceil(c) ceil(ln n) queries on n tokens."
        ),
    ] = 5.0
    temperature: Annotated[
        AboveZero,
        msgspec.Meta(
            description="Temperature, in queries, of the soft count of queries that a learnt budget gets its gradient "
            "from."
        ),
    ] = 1.0
    budget_penalty: Annotated[
        NotNegative,
        msgspec.Meta(description="Times the mean budget factor, added to the loss where budgets are learnt."),
    ] = 1e-5
    modality_dropout: Annotated[
        Share,
        msgspec.Meta(
            description="Share of a record's modalities hidden at the end of training; it grows from 0 after a tenth of "
            "it."
        ),
    ] = 0.4
    dropout: Annotated[Share, msgspec.Meta(description="Dropout of feed-forward parts and of the head.")] = 0.1
    statics: Annotated[Positive, msgspec.Meta(description="Width of the embedding of the statics.")] = 8
    batch_size: Positive = 128
    learning_rate: AboveZero = 2e-3
    epochs: Positive = 10


class MaestroChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What a mode of `maestro` decides. learnt_budgets and raw_gate belong to the mode and
    cannot be given.
    """

    tokens: Tokens
    scale: Scale
    absent: Absent
    learnt_budgets: bool
    raw_gate: bool


MAESTRO_MODES = Presets(
    "mode",
    {
        "paper": MaestroChoice(tokens="symbols", scale="train", absent="masked", learnt_budgets=True, raw_gate=False),
        "released": MaestroChoice(tokens="numbers", scale="window", absent="kept", learnt_budgets=False, raw_gate=True),
    },
)


def maestro_seconds(params: MaestroParams, work: Workload) -> float:
    """Measured: an encoder for every modality, and layers over the tokens of all."""
    modalities = len(work.channels)
    grown = modalities * (params.width / 32 * (params.layers + params.fusion_layers) / 3) ** 1.1 / params.word
    return training_seconds(params, work, step=1e-2 * modalities, visit=5e-4 * grown)


def register(registry: Registry) -> None:
    """Declare maestro."""
    registry.fuser(
        "maestro",
        "bench_fusers.maestro.fuser:Maestro",
        params=MaestroParams,
        presets=MAESTRO_MODES,
        summary="symbols of each channel, sparse attention with a budget by what is present, a mixture of experts over all",
        paper="Mohapatra et al., MAESTRO, NeurIPS 2025",
        tags={"torch", "learner"},
        without_noise=("buffer",),
        randomness="seeded",
        notes={"evenness of experts": "share", "experts unused": "count"},
        seconds=maestro_seconds,
        space={"learning_rate": (5e-4, 2e-3), "dropout": (0.1, 0.3), "modality_dropout": (0.0, 0.4)},
        test_params={"width": 16, "heads": 2, "layers": 1, "epochs": 10, "batch_size": 32, "learning_rate": 5e-3},
    )
