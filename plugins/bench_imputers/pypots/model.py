"""What the adapter must know of a model of PyPOTS, and which arguments of its constructor are
decided for it. Light.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TESTED = "1.5"
"""The version of PyPOTS the table was written for."""

DECIDED = {
    "n_steps": "the length of the cohort",
    "n_features": "the channels of the modality",
    "batch_size": "a parameter of every trained model",
    "epochs": "a parameter of every trained model",
    "patience": "a parameter of every trained model",
    "optimizer": "Adam with the parameters learning_rate and weight_decay",
    "G_optimizer": "Adam with the parameters learning_rate and weight_decay",
    "D_optimizer": "Adam with the parameters learning_rate and weight_decay",
    "training_loss": "the model's own",
    "validation_metric": "the model's own: the squared error of hidden entries; CSDI: its denoising loss",
    "num_workers": "0: data are in memory",
    "device": "that of the run",
    "saving_path": "None: the harness stores what was learnt",
    "model_saving_strategy": "of no effect without saving_path",
    "verbose": "True, and the messages are taken from the package's logger",
    "sub_kan_configs": "None: its elements may be of any type",
}
"""Arguments of constructors that are not in the table -> who decides them."""


@dataclass(frozen=True)
class Model:
    """One model.

    - name: the class in `pypots.imputation`; in lower case behind `pypots.` it is the name people
      type.
    - arguments: argument of the constructor -> default.
    - trained: has epochs, a batch size and an optimiser.
    - alone: gets one record at a time, because in a batch its result for a record depends on the
      others.
    - draws: samples from a predictive distribution.
    - bins: (parameters, length) -> bins it is built for. Series get unobserved bins at the end,
      which are cut off again.
    - channels: (parameters, channels) -> channels it is built for; unobserved ones are added and
      cut off again.
    - exact: the same seed gives the same bits on the CPU.
    - valid: default of `valid_records`.
    - visit: seconds of one core for a record of 30 channels and 48 bins in an epoch, with the
      default arguments.
    - completion: the same to complete it, or for each draw of a model that draws; 0: a share of
      `visit`.
    - needs: what it must load from elsewhere, where it does.
    - broken: conformance check -> why the model fails it.
    - tiny: arguments for the conformance kit, in place of the defaults.
    """

    name: str
    summary: str
    paper: str
    arguments: Mapping[str, Any]
    trained: bool = True
    alone: bool = False
    draws: bool = False
    bins: Callable[[Any, int], int] = lambda params, length: length
    channels: Callable[[Any, int], int] = lambda params, channels: channels
    exact: bool = True
    valid: int = 1000
    visit: float = 1.2e-3
    completion: float = 0.0
    needs: str = ""
    broken: Mapping[str, str] = field(default_factory=dict)
    tiny: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The name people type."""
        return f"pypots.{self.name.lower()}"


def at_least(bins: int) -> Callable[[Any, int], int]:
    """Models that need so many bins."""
    return lambda params, length: max(length, bins)


def multiple_of(number: Callable[[Any], int]) -> Callable[[Any, int], int]:
    """Models whose length must be a multiple of a number that depends on their arguments."""
    return lambda params, length: math.ceil(length / number(params)) * number(params)
