"""What a suite says of federations, the same for all methods: `[partition]` and `[rounds]`.
Light.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

import msgspec

from bench.errors import UsageError
from bench.train_params import AboveZero, Positive, Share

IID, DIRICHLET = "iid", "dirichlet"
DRAWN = (IID, DIRICHLET)
"""Rules that draw; any other is a column that the dataset carries."""


class Partition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How subjects are given to clients."""

    by: Annotated[
        str,
        msgspec.Meta(
            description="`iid`: shuffled, then dealt evenly. `dirichlet`: the subjects of each class in shares drawn from a "
            "Dirichlet distribution. Else a column of the dataset: a client for each of its values."
        ),
    ] = IID
    clients: Annotated[
        Positive | None, msgspec.Meta(description="How many; null = as many as a column has values. Needed by a draw.")
    ] = None
    alpha: Annotated[
        AboveZero,
        msgspec.Meta(description="Concentration of the Dirichlet distribution: the smaller, the more clients differ."),
    ] = 0.5
    task: Annotated[
        str, msgspec.Meta(description="Whose classes a Dirichlet draw looks at; empty: the first task of the suite.")
    ] = ""
    seed: Annotated[int, msgspec.Meta(description="Seed of the draw.")] = 0
    unknown: Annotated[
        Literal["refuse", "client"],
        msgspec.Meta(
            description="Of a column: subjects all of whose records have no value are refused, or are those of a client of "
            "their own, `unknown`."
        ),
    ] = "refuse"
    visible: Annotated[
        Positive | None,
        msgspec.Meta(
            description="Modalities that each client has, drawn for each; null = all. The others are absent from its training "
            "and validation records; test records keep all.",
        ),
    ] = None
    overlap: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            lt=1,
            description="Share of the subjects that a second client has as well, for training alone (as some published "
            "partitions have it).",
        ),
    ] = 0.0

    def check(self, columns: Collection[str], whose: str) -> None:
        """Raise UsageError for a rule that is neither a draw nor one of these columns, and for a
        draw of no number of clients.
        """
        if self.by in DRAWN:
            if self.clients is None:
                raise UsageError(f"partition.by={self.by} draws a number of clients; give partition.clients=N")
        elif self.by not in columns:
            accepted = ", ".join([*DRAWN, *sorted(columns)])
            raise UsageError(f'partition.by="{self.by}" is no rule and no column {whose}; accepted: {accepted}')


class Privacy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Differential privacy of clients (McMahan et al. 2018)."""

    clip: Annotated[
        AboveZero | None,
        msgspec.Meta(description="The change of a client in a round is cut to this norm; null = no privacy."),
    ] = None
    noise: Annotated[
        AboveZero,
        msgspec.Meta(description="Standard deviation of the noise on the sum of changes, as a multiple of `clip`."),
    ] = 1.0
    delta: Annotated[float, msgspec.Meta(gt=0, lt=1, description="The delta at which epsilon is told.")] = 1e-5


class Rounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a federation is run, the same for all methods."""

    number: Annotated[Positive, msgspec.Meta(description="Rounds.")] = 10
    per_round: Annotated[
        Positive | None, msgspec.Meta(description="Clients that are chosen in a round, each as likely; null = all.")
    ] = None
    epochs: Annotated[Positive, msgspec.Meta(description="Passes over its records that a client makes in a round.")] = 1
    steps: Annotated[
        Positive | None, msgspec.Meta(description="Optimiser steps of a client in a round, in place of epochs.")
    ] = None
    select: Annotated[
        Literal["best", "last"],
        msgspec.Meta(
            description="Which round is kept: the one with the least validation loss, summed over all clients, or the last."
        ),
    ] = "best"
    validate_every: Annotated[Positive, msgspec.Meta(description="Rounds from one validation to the next.")] = 1
    dropout: Annotated[Share, msgspec.Meta(description="How likely a chosen client does not answer.")] = 0.0
    straggle: Annotated[
        Share, msgspec.Meta(description="How likely a chosen client does a part of its steps alone, evenly drawn.")
    ] = 0.0
    needed: Annotated[
        Positive, msgspec.Meta(description="Answers without which a round is repeated with other clients.")
    ] = 1

    def check(self, privacy: Privacy, clients: int | None = None) -> None:
        """Raise UsageError for rounds that can never be held, and for a choice of the round that
        would tell of clients.

        clients: how many there are; None where that is not known yet.
        """
        if self.per_round is not None and self.needed > self.per_round:
            raise UsageError(
                f"rounds.needed={self.needed} is more than rounds.per_round={self.per_round}, so that no round is ever enough; "
                f"give rounds.needed={self.per_round} or fewer"
            )
        for name, number in (("needed", self.needed), ("per_round", self.per_round)):
            if clients is not None and number is not None and number > clients:
                instead = " or fewer" if name == "needed" else " or fewer, or rounds.per_round=null for all"
                raise UsageError(
                    f"rounds.{name}={number} is more than the clients, of which there {'is' if clients == 1 else 'are'} "
                    f"{clients}; give rounds.{name}={clients}{instead}"
                )
        if privacy.clip and self.select != "last":
            raise UsageError(
                "privacy.clip is given, and validation losses would tell of clients; give rounds.select=last"
            )
