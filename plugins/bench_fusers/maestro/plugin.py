"""MAESTRO, declared: its parameters and what its modes choose. The method is `bench_fusers.maestro.fuser`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.presets import Presets
from bench.registry import Registry
from bench.train_params import AboveZero, NotNegative, Positive, Share, TorchFuserParams

Tokens = Literal["symbols", "linear", "numbers"]
Scale = Literal["train", "window"]
Absent = Literal["masked", "kept"]


class MaestroParams(TorchFuserParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """MAESTRO. What is null is as the mode says (`MAESTRO_MODES`); what is given wins over it.

    mode:             what the paper describes, or what the released code computes: budgets of attention that are learnt, or
                      fixed at random; experts weighed by the softmax of the gate, or by its bare logit.
    tokens:           a symbol of each channel, embedded (symbols); values and mask through a linear map (linear); the number of
                      each symbol through a linear map (numbers).
    scale:            values reach the symbols standardised over the training part (train), or once more within the record's own
                      window (window), which erases its level.
    absent:           tokens of an absent modality are read by nobody (masked), or made of the symbol 0 and read (kept).
    alphabet:         symbols of a channel; one more says that the modality is missing.
    word:             bins of the grid that make one token, by their mean.
    width, heads:     of the tokens and of the attention. layers: of each modality's encoder. fusion_layers: over all modalities.
    experts, top_k:   of the feed-forward part of the fusion layers: how many there are, and how many a token is sent to.
    factor:           c, the largest budget: a modality may spend up to ceil(c) ceil(ln n) queries on n tokens.
    temperature:      of the soft count of queries that a learnt budget gets its gradient from, in queries.
    budget_penalty:   times the mean budget factor, added to the loss where budgets are learnt.
    modality_dropout: share of a record's modalities hidden at the end of training; it grows from 0 after a tenth of it.
    dropout:          of feed-forward parts and of the head. statics: width of the embedding of the statics.
    """

    mode: Annotated[Literal["paper", "released"], msgspec.Meta(extra={"in_label": "always"})] = "paper"
    tokens: Annotated[Tokens | None, msgspec.Meta(extra={"in_label": True})] = None
    scale: Scale | None = None
    absent: Absent | None = None
    alphabet: Annotated[int, msgspec.Meta(ge=2)] = 20
    word: Positive = 1
    width: Positive = 32
    heads: Positive = 2
    layers: Positive = 2
    fusion_layers: Positive = 1
    experts: Positive = 4
    top_k: Positive = 1
    factor: AboveZero = 5.0
    temperature: AboveZero = 1.0
    budget_penalty: NotNegative = 1e-5
    modality_dropout: Share = 0.4
    dropout: Share = 0.1
    statics: Positive = 8
    batch_size: Positive = 128
    learning_rate: AboveZero = 2e-3
    epochs: Positive = 10


class MaestroChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What a mode of `maestro` decides. learnt_budgets and raw_gate belong to the mode and cannot be given."""

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


def maestro_choice(params: MaestroParams) -> MaestroChoice:
    """The mode's choices, with what was given over them."""
    return MAESTRO_MODES.over(params)


def register(registry: Registry) -> None:
    """Declare maestro."""
    registry.fuser(
        "maestro",
        "bench_fusers.maestro.fuser:Maestro",
        params=MaestroParams,
        presets=MAESTRO_MODES,
        summary="symbols of each channel, sparse attention with a budget by what is present, a mixture of experts over all",
        paper="Mohapatra et al., MAESTRO, NeurIPS 2025",
        tags={"torch"},
        randomness="seeded",
        notes={"evenness of experts": "share", "experts unused": "count"},
        seconds=25.0,
        space={"learning_rate": (5e-4, 2e-3), "dropout": (0.1, 0.3), "modality_dropout": (0.0, 0.4)},
        test_params={"width": 16, "heads": 2, "layers": 1, "epochs": 10, "batch_size": 32, "learning_rate": 5e-3},
    )
