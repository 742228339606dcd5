"""What the rounds of a federation cost beside training: a round of six clients, and a merge of six
large models.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.measuring import Row, Taken, Workplace, median, timed

GOAL = 0.02
CLIENTS = 6


def rounds(place: Workplace) -> Iterator[Row]:
    """Six clients and a model of 100 thousand parameters, whose trainings do nothing."""
    import torch

    from bench.components import Context
    from bench.federated.rounds import Client, federate
    from bench.federated.settings import Rounds
    from bench.registry import NoParams
    from bench.testing.toy import TOY_TASK, toy_cohort
    from bench_federations.averaging import FedAvg

    torch.set_num_threads(1)  # as in a worker beside others
    number = place.pick(30, 3)
    cohort = toy_cohort(4)
    clients = {client: Client(cohort, cohort.take(np.arange(0))) for client in range(CLIENTS)}

    def run() -> None:
        federate(_idle(), FedAvg(NoParams()), clients, Rounds(number=number), Context(), TOY_TASK)

    whole = timed(run, place.pick(5, 1))
    per_round = [Taken(each.wall / number, None if each.cpu is None else each.cpu / number) for each in whole]
    yield median(
        f"a round of {CLIENTS} clients and 100,000 parameters, beside training",
        GOAL,
        per_round,
        "choosing, sending, collecting, merging; no checkpoint",
    )


def merging(place: Workplace) -> Iterator[Row]:
    """Six models of 40 MB, against a plain weighted sum of them in float64."""
    from bench.federated.merging import merged
    from bench.learner import Reply
    from bench.registry import NoParams
    from bench_federations.averaging import FedAvg

    size = place.pick(10_000_000, 10_000)
    rng = np.random.default_rng(0)
    models = [rng.standard_normal(size, np.float32) for _ in range(CLIENTS)]
    replies = {
        k: Reply({"shared/w": model}, {"shared/w": 1 + k}, {"shared/w": 1}, {}, {}) for k, model in enumerate(models)
    }
    whole = sum(1 + k for k in range(CLIENTS))

    def plain() -> np.ndarray:
        total = np.zeros(size)
        for k, model in enumerate(models):
            total += (1 + k) / whole * model.astype(np.float64)
        return total

    repetitions = place.pick(7, 1)
    summed = timed(plain, repetitions)
    yield median(f"a plain float64 sum of {CLIENTS} models of {size * 4 / 1e6:g} MB", None, summed)
    goal = 2 * median("", None, summed).wall if not place.quick else None
    yield median(
        f"merging {CLIENTS} models of {size * 4 / 1e6:g} MB",
        goal,
        timed(
            lambda: merged(FedAvg(NoParams()), {"shared/w": models[0]}, replies, {"shared/w": "shared"}), repetitions
        ),
        "goal: twice the plain sum of this run",
    )


def _idle() -> Any:
    """A fuser of 100 thousand parameters whose training takes no step."""
    from torch import nn

    from bench.checkpoint import Epoch
    from bench.torch_fuser import TorchFuser
    from bench.train_params import TorchFuserParams
    from bench.training import TrainResult

    class Idle(TorchFuser[TorchFuserParams]):
        nan_aware = True

        def build(self, inputs: Any, task: Any) -> nn.Module:
            return nn.Linear(316, 316)

        def _train(self, train: Any, plan: Any, context: Any) -> None:
            self.learnt = True
            self.results = {"": TrainResult(len(train), 1, 1, None, (Epoch(1, 0.0, None),))}

    return Idle(TorchFuserParams())
