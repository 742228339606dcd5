"""The rounds of a federation, one client after the other in this process.

Every choice has a seed of its own, derived from the cell's seed, the round and the client. So no
state of a generator is kept. The same clients are chosen, fail and are slow for every method and
every federation.
"""

from __future__ import annotations

import functools
import operator
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from bench.cohort import Cohort, Task
from bench.components import Context, Interrupted
from bench.errors import UsageError
from bench.federated import privacy as private
from bench.federated import sent
from bench.federated.merging import merged
from bench.federated.settings import Privacy, Rounds
from bench.federated.state import State, load, save
from bench.federation import Federation
from bench.learner import Arrays, Learner, Plan, Reply
from bench.results.federated import Done

OPEN = Privacy()
"""No privacy but that no record leaves a client."""

ATTEMPTS = 100
"""How often a round is repeated in which too few clients answer."""


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


def federate(
    learner: Learner[Any],
    federation: Federation[Any],
    clients: Mapping[int, Client],
    rounds: Rounds,
    context: Context,
    task: Task | None = None,
    privacy: Privacy = OPEN,
) -> State:
    """Train a learner by rounds; it comes back with the arrays of the chosen round.

    With a scratch folder the state is written after every round, and a federation found there goes
    on after the last one. Raises Interrupted between two trainings when the run is being stopped,
    and what `bench.training.train` raises. UsageError where the federation cannot merge such a
    training, or where too few clients answer again and again.
    """
    return _Run(learner, federation, dict(sorted(clients.items())), rounds, context, task, privacy).run()


@dataclass
class _Run:
    learner: Learner[Any]
    federation: Federation[Any]
    clients: dict[int, Client]
    rounds: Rounds
    context: Context
    task: Task | None
    privacy: Privacy

    def run(self) -> State:
        if not self.clients:
            raise UsageError("a federation needs a client")
        self.federation.prepare(self.learner.params)
        summaries = [self.learner.summary(client.train, self.task) for client in self.clients.values()]
        self.learner.begin(functools.reduce(operator.add, summaries), self.context)
        self.groups = self.learner.groups()
        if self.privacy.clip:
            private.check(self.groups)
            self.rounds.check(self.privacy)
        state = State(self._sent(self.learner.get()), sums=sum(each.nbytes for each in summaries))
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
        parts = {client: self._part(number, client) for client in answering}
        replies, local = {}, dict(state.local)
        for client in answering:
            if self.context.should_stop():
                raise Interrupted(f"stopped in round {number} of {self.rounds.number}")
            replies[client] = reply = self._trained(number, client, parts[client], state)
            whose = self.clients[client]
            sent.check(client, reply, state.arrays, self.groups, len(whose.train), whose.modalities)
            local[client] = dict(replies[client].state)
        answers: Mapping[int, Reply] = replies
        if self.privacy.clip:
            noise = self.context.rng("federation", "noise", number)
            answers = private.private(state.arrays, replies, self.privacy, noise)
        arrays = merged(self.federation, state.arrays, answers, self.groups)
        own: Mapping[Any, Any] = self.learner.merge_own(number, replies)
        personal = {client: dict(each) for client, each in own.items() if isinstance(client, int)}
        arrays |= {name: array for name, array in own.items() if isinstance(name, str)}
        validates = number % self.rounds.validate_every == 0 and not self.privacy.clip
        loss = self._validated(arrays) if validates else None
        done = Done(
            number=number,
            chosen=chosen,
            dropped=[client for client in chosen if client not in answering],
            slow=[client for client in answering if parts[client] < 1],
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
        self._forget_trainings()
        return state

    def _chosen(self, number: int) -> tuple[list[int], list[int]]:
        """The clients of a round, and those of them that answer."""
        everyone = list(self.clients)
        size = min(self.rounds.per_round or len(everyone), len(everyone))
        for attempt in range(ATTEMPTS):
            rng = self.context.rng("federation", "chosen", number, attempt)
            chosen = sorted(int(client) for client in rng.choice(everyone, size, replace=False))
            answering = [client for client in chosen if not self._draw("dropout", number, client, attempt)]
            if len(answering) >= self.rounds.needed:
                return chosen, answering
        raise UsageError(
            f"in round {number}, fewer than {self.rounds.needed} of {size} clients answered in {ATTEMPTS} attempts; "
            f"lower rounds.needed or rounds.dropout={self.rounds.dropout:g}"
        )

    def _draw(self, what: Literal["dropout", "straggle"], number: int, client: int, attempt: int = 0) -> bool:
        chance: float = getattr(self.rounds, what)
        return bool(self.context.rng("federation", what, number, client, attempt).random() < chance)

    def _part(self, number: int, client: int) -> float:
        """Which part of its steps a client does."""
        if not self._draw("straggle", number, client):
            return 1.0
        return float(self.context.rng("federation", "part", number, client).uniform(0.1, 0.9))

    def _trained(self, number: int, client: int, part: float, state: State) -> Reply:
        self.learner.set({**state.arrays, **state.personal.get(client, {})})
        plan = Plan(
            steps=self.rounds.steps,
            epochs=self.rounds.epochs,
            # One client is central training, whose order and noise it shares.
            name=f"client{client}" if len(self.clients) > 1 else "",
            after=number - 1,
            rounds=self.rounds.number,
            share=part,
            penalty=self.federation.penalty(),
            accepts=self.federation.prepare,
        )
        return self.learner.local(self.clients[client].train, plan, self._of_training(), state.local.get(client))

    def _of_training(self) -> Context:
        """The context of a client's training, whose checkpoints lie apart."""
        folder = self._folder
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        return replace(self.context, scratch=folder)

    @property
    def _folder(self) -> Path | None:
        return self.context.scratch / "clients" if self.context.scratch else None

    def _forget_trainings(self) -> None:
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _validated(self, arrays: Arrays) -> float | None:
        """The mean loss over the validation records of all clients; None where there are none."""
        self.learner.set(arrays)
        sums = [
            self.learner.validate(client.valid, self.context) for client in self.clients.values() if len(client.valid)
        ]
        return _mean(sums)

    def _sent(self, arrays: Arrays) -> dict[str, np.ndarray]:
        """Without what a client keeps."""
        return {name: array for name, array in arrays.items() if self.groups[name].partition("/")[0] != "local"}

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
            "records": {str(number): len(client.train) for number, client in self.clients.items()},
            "seed": self.context.seed,
            "device": self.context.device,
            "precision": self.context.precision,
        }


def _mean(sums: Sequence[Arrays]) -> float | None:
    count = sum(float(each["count"]) for each in sums)
    return sum(float(each["loss"]) for each in sums) / count if count else None


def _steps(reply: Reply) -> int:
    return max(reply.steps.values(), default=0)


def _sizes(sent: Sequence[Arrays], groups: Mapping[str, str]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for arrays in sent:
        for name, array in arrays.items():
            group = groups.get(name, "own").partition("/")[0]
            sizes[group] = sizes.get(group, 0) + array.nbytes
    return sizes
