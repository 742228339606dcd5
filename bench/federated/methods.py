"""Imputers and fusers as clients train them: for the stages they are imputers and fusers like any
other.

- `SummedImputer`: from the sums that clients send.
- `RoundsImputer`, `RoundsFuser`: a learner that rounds train; the server's model predicts.
- `OwnImputers`, `OwnFusers`: the control in which every client trains by itself. A record is
  completed and predicted by the client that has its subject.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.cohort import Cohort, Task
from bench.components import Context, Fuser, Imputer, Interrupted, Method
from bench.errors import BenchError, UsageError
from bench.federated.client import Client
from bench.federated.partition import Clients
from bench.federated.privacy import epsilon
from bench.federated.rounds import OPEN, federate
from bench.federated.settings import Privacy, Rounds
from bench.federation import Federation
from bench.learner import Learner
from bench.results.federated import Trained
from bench.sums import Summed


def shares_of(clients: Clients, train: Cohort, valid: Cohort) -> dict[int, Client]:
    """Client -> its training and validation records, of those that have training records. Raises
    UsageError where none has.
    """
    shares = {}
    for client in range(len(clients.names)):
        own = train.take(clients.of(train.groups.tolist(), client, training=True))
        if len(own):
            owned = tuple(name for name in clients.owned[client] if name in train.modalities)
            shares[client] = Client(own, valid.take(clients.of(valid.groups.tolist(), client)), owned)
    if not shares:
        raise UsageError("no client has a training record")
    return shares


@dataclass
class ByRounds:
    """A learner, and the rounds that train it."""

    learner: Learner[Any]
    federation: Federation[Any]
    rounds: Rounds
    clients: Clients
    privacy: Privacy = OPEN
    trained: Trained | None = None

    def fit(self, train: Cohort, valid: Cohort, context: Context, task: Task | None = None) -> None:
        """Train by rounds; the learner comes back with the round that was chosen."""
        quiet = replace(context, notes=None)  # what a client notes is of that client alone
        shares = shares_of(self.clients, train, valid)
        state = federate(self.learner, self.federation, shares, self.rounds, quiet, task, self.privacy)
        spent = epsilon(self.privacy, len(state.history)) if self.privacy.clip else None
        self.trained = Trained(
            rounds=state.history, best=state.best_round, sums=state.sums, epsilon=spent, delta=self.privacy.delta
        )

    @property
    def steps(self) -> int | None:
        return self.trained.steps if self.trained else None


class RoundsImputer(Imputer[Any]):
    """An imputer that rounds train."""

    def __init__(self, by: ByRounds):
        super().__init__(by.learner.params)
        assert isinstance(by.learner, Imputer)
        self.by, self.imputer = by, by.learner

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        self.by.fit(train, valid, context)

    def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray]:
        return self.imputer.impute(cohort, draws, context)

    def state_dict(self) -> dict[str, np.ndarray]:
        return self.imputer.state_dict()

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        self.imputer.load_state_dict(state)

    def parameters(self) -> int:
        return self.imputer.parameters()

    def steps_taken(self) -> int | None:
        return self.by.steps


class RoundsFuser(Fuser[Any]):
    """A fuser that rounds train."""

    def __init__(self, by: ByRounds):
        super().__init__(by.learner.params)
        assert isinstance(by.learner, Fuser)
        self.by, self.fuser = by, by.learner

    @property
    def reads_imputed(self) -> bool | None:
        return self.fuser.reads_imputed

    @property
    def reads_events(self) -> bool:
        return self.fuser.reads_events

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        self.by.fit(train, valid, context, task)

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        return self.fuser.predict(cohort, context)

    def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray] | None:
        return self.fuser.impute(cohort, draws, context)

    def embed(self, cohort: Cohort, context: Context) -> np.ndarray | None:
        return self.fuser.embed(cohort, context)

    def parameters(self) -> int:
        return self.fuser.parameters()

    def steps_taken(self) -> int | None:
        return self.by.steps


class SummedImputer(Imputer[Any]):
    """An imputer that learns from the sums of clients alone."""

    def __init__(self, imputer: Imputer[Any], clients: Clients):
        super().__init__(imputer.params)
        assert isinstance(imputer, Summed)
        self.imputer, self.clients, self.learns = imputer, clients, imputer

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        summaries = [self.learns.summary(each.train) for each in shares_of(self.clients, train, valid).values()]
        total = summaries[0]
        for summary in summaries[1:]:
            total = total + summary
        self.learns.begin(total, context)

    def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray]:
        return self.imputer.impute(cohort, draws, context)

    def state_dict(self) -> dict[str, np.ndarray]:
        return self.imputer.state_dict()

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        self.imputer.load_state_dict(state)


@dataclass
class Apart:
    """A method of each client.

    - build: makes one, untrained.
    - methods: client -> what it trained.
    """

    build: Callable[[], Method[Any]]
    clients: Clients
    methods: dict[int, Any]

    def fit(self, train: Cohort, valid: Cohort, context: Context, task: Task | None = None) -> None:
        """Train the method of every client on its own records. Raises UsageError, with the client,
        where it cannot be trained on them.
        """
        shares = shares_of(self.clients, train, valid)
        for place, (client, own) in enumerate(shares.items(), 1):
            if context.should_stop():
                raise Interrupted(f"stopped before client {place} of {len(shares)}")
            method = self.build()
            arguments = (
                own.train,
                own.valid,
                *([task] if task else []),
                _of_client(context, client, place, len(shares)),
            )
            try:
                method.fit(*arguments)  # type: ignore[attr-defined]  # an imputer's or a fuser's
            except (BenchError, Interrupted, MemoryError):
                raise
            except Exception as error:
                if not (lack := _lack(own, task)):
                    raise
                raise UsageError(f"client {client} cannot train by itself: {lack}") from error
            self.methods[client] = method

    def parts(self, cohort: Cohort) -> Iterator[tuple[Any, np.ndarray]]:
        """The method of each client that has records in a cohort, and the indices of these. Raises
        UsageError for records of a client that trained nothing.
        """
        groups = cohort.groups.tolist()
        for client in range(len(self.clients.names)):
            index = self.clients.of(groups, client)
            if not len(index):
                continue
            if client not in self.methods:
                raise UsageError(
                    f"client {client} has records to predict and none to train on; give another partition, such as fewer "
                    "partition.clients"
                )
            yield self.methods[client], index

    def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray] | None:
        """The records as the methods of their clients complete them; None where these complete
        none.
        """
        completed: dict[str, np.ndarray] = {}
        for method, index in self.parts(cohort):
            own = method.impute(cohort.take(index), draws, context)
            if own is None:
                return None
            for name, values in own.items():
                if name not in completed:
                    completed[name] = np.empty((len(values), len(cohort), *values.shape[2:]), values.dtype)
                completed[name][:, index] = values
        return completed

    def parameters(self) -> int:
        """Of all clients together."""
        return sum(method.parameters() for method in self.methods.values())

    def steps_taken(self) -> int | None:
        """Of all clients together; None where none is trained step by step."""
        steps = [taken for method in self.methods.values() if (taken := method.steps_taken()) is not None]
        return sum(steps) if steps else None


class OwnImputers(Imputer[Any]):
    """An imputer of each client."""

    def __init__(self, apart: Apart, params: Any):
        super().__init__(params)
        self.apart = apart

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        self.apart.fit(train, valid, context)

    def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray]:
        completed = self.apart.impute(cohort, draws, context)
        assert completed is not None
        return completed

    def state_dict(self) -> dict[str, np.ndarray]:
        return {
            f"client {client}/{name}": array
            for client, method in self.apart.methods.items()
            for name, array in method.state_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        states: dict[int, dict[str, np.ndarray]] = {}
        for name, array in state.items():
            client, _, rest = name.removeprefix("client ").partition("/")
            states.setdefault(int(client), {})[rest] = array
        self.apart.methods = {number: self.apart.build() for number in states}
        for number, own in states.items():
            self.apart.methods[number].load_state_dict(own)

    def parameters(self) -> int:
        return self.apart.parameters()

    def steps_taken(self) -> int | None:
        return self.apart.steps_taken()


class OwnFusers(Fuser[Any]):
    """A fuser of each client."""

    def __init__(self, apart: Apart, params: Any):
        super().__init__(params)
        self.apart = apart
        example = apart.build()
        assert isinstance(example, Fuser)
        self._reads_imputed, self._reads_events = example.reads_imputed, example.reads_events

    @property
    def reads_imputed(self) -> bool | None:
        return self._reads_imputed

    @property
    def reads_events(self) -> bool:
        return self._reads_events

    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        self.apart.fit(train, valid, context, task)

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        outputs: np.ndarray | None = None
        for method, index in self.apart.parts(cohort):
            own = method.predict(cohort.take(index), context)
            if outputs is None:
                outputs = np.zeros((len(cohort), *own.shape[1:]), own.dtype)
            outputs[index] = own
        assert outputs is not None
        return outputs

    def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray] | None:
        return self.apart.impute(cohort, draws, context)

    def parameters(self) -> int:
        return self.apart.parameters()

    def steps_taken(self) -> int | None:
        return self.apart.steps_taken()


def _of_client(context: Context, client: int, place: int, number: int) -> Context:
    """The context of a client's own training: a folder of its own, no notes, its number in every
    line.
    """
    scratch = context.scratch / f"client{client}" if context.scratch else None
    if scratch:
        scratch.mkdir(parents=True, exist_ok=True)
    return replace(
        context,
        scratch=scratch,
        notes=None,
        report=lambda message: context.report(f"client {place} of {number}: {message}"),
    )


def _lack(own: Client, task: Task | None) -> str:
    """What the records of a client lack, in words; empty where they lack nothing."""
    if task and task.kind in ("binary", "multiclass") and len(np.unique(own.train.targets[task.name])) < 2:
        return "its training records have one class alone; give another partition, such as a larger partition.alpha"
    return "it has no validation record; give fewer partition.clients" if not len(own.valid) else ""
