"""What a client does in a federation, be it in this process or at a site of its own.

It sees its own records alone. What it is sent and what it answers are named arrays and counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bench.cohort import Cohort
from bench.components import Context
from bench.federated import sent
from bench.federated.settings import Rounds
from bench.federation import Federation
from bench.learner import Arrays, Learner, Plan, Reply


@dataclass(frozen=True)
class Client:
    """What one client has; `valid` may be empty. owned: its modalities; None: all that its records
    have.
    """

    train: Cohort
    valid: Cohort
    owned: tuple[str, ...] | None = None

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(self.train.modalities) if self.owned is None else self.owned


@dataclass(frozen=True)
class Order:
    """One training of one client.

    - client, round: which.
    - clients: how many there are in all; one alone is central training, whose order and noise it
      shares.
    - share: of its steps that it does.
    - arrays: what it is sent.
    - personal: what it is sent in place of the same names in `arrays`.
    - before: the last round in which it trained; 0 where there was none.
    """

    client: int
    round: int
    clients: int
    arrays: Arrays
    share: float = 1.0
    personal: Arrays = field(default_factory=dict)
    before: int = 0


def trained(
    learner: Learner[Any],
    federation: Federation[Any],
    client: Client,
    order: Order,
    rounds: Rounds,
    context: Context,
    state: Arrays,
) -> Reply:
    """The answer of a client to an order, which may leave it.

    state: the arrays of the group local/ that it keeps. Raises what `bench.learner.Learner.local`
    raises, and PluginError for an answer that breaks the contract.
    """
    learner.set({**order.arrays, **order.personal})
    plan = Plan(
        steps=rounds.steps,
        epochs=rounds.epochs,
        name=f"client{order.client}" if order.clients > 1 else "",
        after=order.round - 1,
        rounds=rounds.number,
        share=order.share,
        penalty=federation.penalty(),
        accepts=federation.prepare,
    )
    reply = learner.local(client.train, plan, context, state)
    sent.check(order.client, reply, order.arrays, learner.groups(), len(client.train), client.modalities)
    return replace(reply, state=dict(reply.state))


def validated(learner: Learner[Any], client: Client, arrays: Arrays, context: Context, state: Arrays) -> Arrays | None:
    """The sums of a client's validation records under some arrays; None where it has none."""
    if not len(client.valid):
        return None
    learner.set({**arrays, **state})
    return learner.validate(client.valid, context)


def kept(learner: Learner[Any]) -> dict[str, np.ndarray]:
    """The arrays of the group local/, as a client has them before its first training."""
    return _arrays(learner, staying=True)


def sent_of(learner: Learner[Any]) -> dict[str, np.ndarray]:
    """The arrays that clients are sent: all but those that each keeps."""
    return _arrays(learner, staying=False)


def _arrays(learner: Learner[Any], staying: bool) -> dict[str, np.ndarray]:
    groups = learner.groups()
    return {name: array for name, array in learner.get().items() if stays(groups[name]) == staying}


def stays(group: str) -> bool:
    """Whether a client keeps the arrays of a group."""
    return group.partition("/")[0] == "local"
