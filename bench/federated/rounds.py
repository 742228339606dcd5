"""The rounds of a federation: what its server does.

Every choice has a seed of its own, derived from the cell's seed, the round and the client. So no
state of a generator is kept. The same clients are chosen, fail and are slow for every method and
every federation.

Where clients are is the business of `Clients`. `Here` has them in this process, one after the
other: the reference, and the only way to published numbers.
"""

from __future__ import annotations

import functools
import operator
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from bench.cohort import Task
from bench.components import Context, Interrupted
from bench.errors import UsageError
from bench.federated import privacy as private
from bench.federated.client import Client, Order, kept, sent_of, trained, validated
from bench.federated.merging import merged
from bench.federated.settings import Privacy, Rounds
from bench.federated.state import State, load, save
from bench.federation import Federation
from bench.learner import Arrays, Learner, Reply
from bench.results.federated import Done
from bench.sums import Sums

OPEN = Privacy()
"""No privacy but that no record leaves a client."""

ATTEMPTS = 100
"""How often a round is repeated in which too few clients answer."""


class Clients(Protocol):
    """The clients of a federation, as its server reaches them; each by its number."""

    def identity(self) -> dict[str, Any]:
        """Client -> what must agree for stored rounds to be its own. In ascending order."""

    def summaries(self) -> list[Sums]:
        """What each knows of its training records before anything is built."""

    def begin(self, total: Sums) -> None:
        """From the sums of all, the server has begun; now each client does."""

    def train(self, orders: Sequence[Order], local: Mapping[int, Arrays]) -> dict[int, Reply]:
        """Client -> its answer. local: client -> what it kept of its last training, where the
        server keeps it.
        """

    def validate(self, arrays: Arrays, before: Mapping[int, int], local: Mapping[int, Arrays]) -> list[Arrays]:
        """The sums of the validation records of each that has some. before: client -> the last
        round in which it trained. local: as in `train`.
        """

    def end(self) -> None:
        """A round is over."""


@dataclass
class Here:
    """Clients in this process, one after the other, with one learner for all."""

    learner: Learner[Any]
    federation: Federation[Any]
    clients: Mapping[int, Client]
    rounds: Rounds
    context: Context
    task: Task | None = None
    first: Arrays = field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        return {str(number): len(client.train) for number, client in self.clients.items()}

    def summaries(self) -> list[Sums]:
        return [self.learner.summary(client.train, self.task) for client in self.clients.values()]

    def begin(self, total: Sums) -> None:
        self.first = kept(self.learner)  # which the server has begun: there is one for all

    def train(self, orders: Sequence[Order], local: Mapping[int, Arrays]) -> dict[int, Reply]:
        replies = {}
        for order in orders:
            if self.context.should_stop():
                raise Interrupted(f"stopped in round {order.round} of {self.rounds.number}")
            client = self.clients[order.client]
            state = local.get(order.client, self.first)
            replies[order.client] = trained(
                self.learner, self.federation, client, order, self.rounds, self._of_training(), state
            )
        return replies

    def validate(self, arrays: Arrays, before: Mapping[int, int], local: Mapping[int, Arrays]) -> list[Arrays]:
        sums = (
            validated(self.learner, client, arrays, self.context, local.get(number, self.first))
            for number, client in self.clients.items()
        )
        return [each for each in sums if each is not None]

    def end(self) -> None:
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _of_training(self) -> Context:
        """The context of a client's training, whose checkpoints lie apart."""
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
        return replace(self.context, scratch=self._folder)

    @property
    def _folder(self) -> Path | None:
        return self.context.scratch / "clients" if self.context.scratch else None


def federate(
    learner: Learner[Any],
    federation: Federation[Any],
    clients: Mapping[int, Client],
    rounds: Rounds,
    context: Context,
    task: Task | None = None,
    privacy: Privacy = OPEN,
) -> State:
    """Train a learner by rounds, its clients in this process; see `serve`."""
    here = Here(learner, federation, dict(sorted(clients.items())), rounds, context, task)
    return serve(learner, federation, here, rounds, context, privacy)


def serve(
    learner: Learner[Any],
    federation: Federation[Any],
    clients: Clients,
    rounds: Rounds,
    context: Context,
    privacy: Privacy = OPEN,
) -> State:
    """Train a learner by rounds; it comes back with the arrays of the chosen round.

    With a scratch folder the state is written after every round, and a federation found there goes
    on after the last one. Raises Interrupted between two trainings when the run is being stopped,
    and what `bench.training.train` raises. UsageError where the federation cannot merge such a
    training, or where too few clients answer again and again.
    """
    return _Server(learner, federation, clients, rounds, context, privacy).run()


@dataclass
class _Server:
    learner: Learner[Any]
    federation: Federation[Any]
    clients: Clients
    rounds: Rounds
    context: Context
    privacy: Privacy

    def run(self) -> State:
        self.records = self.clients.identity()
        self.numbers = [int(number) for number in self.records]
        if not self.numbers:
            raise UsageError("a federation needs a client")
        self.federation.prepare(self.learner.params)
        summaries = self.clients.summaries()
        total = functools.reduce(operator.add, summaries)
        self.learner.begin(total, self.context)
        self.clients.begin(total)
        self.groups = self.learner.groups()
        if self.privacy.clip:
            private.check(self.groups)
            self.rounds.check(self.privacy)
        state = State(sent_of(self.learner), sums=sum(each.nbytes for each in summaries))
        problem = load(self.context.scratch, state, self._identity())
        if problem:
            self.context.report(f"rounds begin again: {problem}")
        self.federation.load_state_dict(state.server)
        for number in range(len(state.history) + 1, self.rounds.number + 1):
            state = self._round(number, state)
            save(self.context.scratch, state, self._identity())
        self.learner.set(state.best or state.arrays)
        return state

    def _round(self, number: int, state: State) -> State:
        began = time.perf_counter()
        chosen, answering = self._chosen(number)
        orders = [self._order(number, client, state) for client in answering]
        replies = self.clients.train(orders, state.local)
        local = state.local | {client: dict(reply.state) for client, reply in replies.items()}
        answers: Mapping[int, Reply] = replies
        if self.privacy.clip:
            noise = self.context.rng("federation", "noise", number)
            answers = private.private(state.arrays, replies, self.privacy, noise)
        arrays = merged(self.federation, state.arrays, answers, self.groups)
        own: Mapping[Any, Any] = self.learner.merge_own(number, replies)
        personal = {client: dict(each) for client, each in own.items() if isinstance(client, int)}
        arrays |= {name: array for name, array in own.items() if isinstance(name, str)}
        validates = number % self.rounds.validate_every == 0 and not self.privacy.clip
        last = _last_rounds(state) | dict.fromkeys(replies, number)
        loss = _mean(self.clients.validate(arrays, last, local)) if validates else None
        done = Done(
            number=number,
            chosen=chosen,
            dropped=[client for client in chosen if client not in answering],
            slow=[order.client for order in orders if order.share < 1],
            train_loss=_mean([reply.sums for reply in replies.values()]) or 0.0,
            valid_loss=loss,
            steps={str(client): _steps(reply) for client, reply in replies.items()},
            up=_sizes([reply.arrays for reply in replies.values()], self.groups),
            down=_sizes([state.arrays] * len(chosen), self.groups),
            seconds=time.perf_counter() - began,
        )
        self._report(done)
        state = replace(
            state,
            arrays=arrays,
            history=[*state.history, done],
            local=local,
            personal=state.personal | personal,
            server=self.federation.state_dict(),
        )
        if self.rounds.select == "best" and loss is not None and (state.best_loss is None or loss < state.best_loss):
            state = replace(state, best=arrays, best_round=number, best_loss=loss)
        self.clients.end()
        return state

    def _order(self, number: int, client: int, state: State) -> Order:
        return Order(
            client=client,
            round=number,
            clients=len(self.numbers),
            arrays=state.arrays,
            share=self._part(number, client),
            personal=state.personal.get(client, {}),
            before=_last_rounds(state).get(client, 0),
        )

    def _chosen(self, number: int) -> tuple[list[int], list[int]]:
        """The clients of a round, and those of them that answer."""
        everyone = self.numbers
        size = min(self.rounds.per_round or len(everyone), len(everyone))
        for attempt in range(ATTEMPTS):
            rng = self.context.rng("federation", "chosen", number, attempt)
            chosen = sorted(int(client) for client in rng.choice(everyone, size, replace=False))
            answering = [client for client in chosen if not self._draw("dropout", number, client, attempt)]
            if len(answering) >= self.rounds.needed:
                return chosen, answering
        raise UsageError(
            f"in round {number}, fewer than {self.rounds.needed} of {size} clients answered in {ATTEMPTS} attempts; "
            f"give a smaller rounds.needed, or a rounds.dropout below {self.rounds.dropout:g}"
        )

    def _draw(self, what: Literal["dropout", "straggle"], number: int, client: int, attempt: int = 0) -> bool:
        chance: float = getattr(self.rounds, what)
        return bool(self.context.rng("federation", what, number, client, attempt).random() < chance)

    def _part(self, number: int, client: int) -> float:
        """Which part of its steps a client does."""
        if not self._draw("straggle", number, client):
            return 1.0
        return float(self.context.rng("federation", "part", number, client).uniform(0.1, 0.9))

    def _report(self, done: Done) -> None:
        shown = "" if done.valid_loss is None else f", validation {done.valid_loss:.4f}"
        self.context.report(f"round {done.number} of {self.rounds.number}: loss {done.train_loss:.4f}{shown}")

    def _identity(self) -> dict[str, Any]:
        """What must agree for a stored state to be the beginning of this very federation."""
        return {
            "rounds": msgspec.to_builtins(self.rounds),
            "privacy": msgspec.to_builtins(self.privacy),
            "federation": [type(self.federation).__name__, msgspec.to_builtins(self.federation.params)],
            "learner": msgspec.to_builtins(self.learner.params) | {"checkpoint_seconds": None},
            "records": self.records,
            "seed": self.context.seed,
            "device": self.context.device,
            "precision": self.context.precision,
        }


def _last_rounds(state: State) -> dict[int, int]:
    """Client -> the last round in which it trained."""
    return {int(client): done.number for done in state.history for client in done.steps}


def _steps(reply: Reply) -> int:
    return max(reply.steps.values(), default=0)


def _mean(sums: Sequence[Arrays]) -> float | None:
    """The mean loss of several clients; None of no item."""
    count = sum(float(each["count"]) for each in sums)
    return sum(float(each["loss"]) for each in sums) / count if count else None


def _sizes(messages: Sequence[Arrays], groups: Mapping[str, str]) -> dict[str, int]:
    """Group -> bytes of the arrays in some messages."""
    counts: dict[str, int] = {}
    for arrays in messages:
        for name, array in arrays.items():
            group = groups.get(name, "own").partition("/")[0]
            counts[group] = counts.get(group, 0) + array.nbytes
    return counts
