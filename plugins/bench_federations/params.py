"""Parameters of the federations, light."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.train_params import AboveZero, NotNegative, Share, TrainParams


class FedProxParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Li et al. 2020, Eq. 2."""

    mu: Annotated[
        NotNegative, msgspec.Meta(description="Weight of the squared distance to the received weights, halved.")
    ] = 0.01


class AdaptiveParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Reddi et al. 2021, Algorithm 2."""

    learning_rate: Annotated[AboveZero, msgspec.Meta(description="Step of the server.")] = 0.01
    beta1: Annotated[Share, msgspec.Meta(description="Decay of the first moment.")] = 0.9
    beta2: Annotated[Share, msgspec.Meta(description="Decay of the second moment.")] = 0.99
    tau: Annotated[
        AboveZero, msgspec.Meta(description="Added to the root of the second moment, which begins at its square.")
    ] = 1e-3


def fednova_refuses(params: msgspec.Struct, training: TrainParams) -> str:
    """Why normalised averaging is not defined for such a training, "" where it is (Wang et al.
    2020, section 4).
    """
    if training.optimizer != "sgd":
        return f"it is defined for sgd, and the clients train with {training.optimizer}; give optimizer=sgd"
    if training.schedule != "constant":
        return f"it is defined for a constant rate, and schedule={training.schedule} is given; give schedule=constant"
    return ""
