"""What a record keeps of a federation. Light, plain data."""

from __future__ import annotations

import statistics

import msgspec


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What one round left.

    - chosen, dropped, slow: numbers of clients; those dropped did not answer, and those slow did a
      part of their steps.
    - train_loss: mean over the training items of the clients' last epochs.
    - valid_loss: mean over the validation records of all clients; None where nothing was validated.
    - steps: client, as text -> optimiser steps, summed over modules.
    - up, down: group -> bytes, over all clients.
    """

    number: int
    chosen: list[int]
    dropped: list[int]
    slow: list[int]
    train_loss: float
    valid_loss: float | None
    steps: dict[str, int]
    up: dict[str, int]
    down: dict[str, int]
    seconds: float


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """How the rounds of a federation trained a method.

    - rounds: all of them, in order.
    - best: number of the round that was kept; 0 where it is the last.
    - epsilon, delta: of differential privacy of clients, over all rounds; epsilon None where there
      is none. The sums before the first round have no noise and are not in it.
    - sums: bytes that all clients sent before the first round, for the method to be built.
    """

    rounds: list[Done]
    best: int = 0
    sums: int = 0
    epsilon: float | None = None
    delta: float = 0.0

    @property
    def steps(self) -> int:
        """Optimiser steps of all clients in all rounds."""
        return sum(sum(done.steps.values()) for done in self.rounds)

    @property
    def up(self) -> dict[str, int]:
        """Group -> bytes that clients sent, in all rounds."""
        return _summed([done.up for done in self.rounds])

    @property
    def down(self) -> dict[str, int]:
        """Group -> bytes that clients received, in all rounds."""
        return _summed([done.down for done in self.rounds])


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one client has of a cell.

    - client: the value of the column, or the number of a draw.
    - train, valid, test: records of the task; None where there are too few to be shown.
    - modalities: those it has.
    - score: the primary metric over its test records, by the model that predicts them; None where
      it is not defined, or there are too few.
    """

    client: str
    train: int | None
    valid: int | None
    test: int | None
    modalities: list[str]
    score: float | None


class Federated(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a cell whose methods clients trained.

    - partition: the digest of who owns what.
    - rule: how it was drawn, in words.
    - metric: the primary one, of `clients`.
    - divided: subjects whose records had several values of the column.
    - fuser, imputer: how rounds trained them; None for a method that no round trained.
    - held: how rounds were held, in words; empty where none was, and in earlier records.
    """

    partition: str
    rule: str
    metric: str
    clients: list[Part]
    divided: int = 0
    fuser: Trained | None = None
    imputer: Trained | None = None
    held: str = ""

    @property
    def in_rounds(self) -> str:
        """How rounds trained the methods, in words; empty where none did. Of an earlier record: as
        far as its rounds tell.
        """
        trained = self.fuser or self.imputer
        if self.held or not trained or not trained.rounds:
            return self.held
        rounds = trained.rounds
        words = [f"{len(rounds)} round{'s' * (len(rounds) != 1)}"]
        words += [f"{len(rounds[0].chosen)} of {len(self.clients)} clients in each"]
        lost = sum(len(done.dropped) for done in rounds)
        slow = sum(len(done.slow) for done in rounds)
        words += [f"{lost} answer{'s' * (lost != 1)} lost"] * bool(lost) + [f"{slow} slow"] * bool(slow)
        return ", ".join(words)

    @property
    def mean(self) -> float | None:
        """The mean of the scores over clients; None where no client has one."""
        return statistics.fmean(self.scores) if self.scores else None

    @property
    def scores(self) -> list[float]:
        """The scores of the clients that have one."""
        return [part.score for part in self.clients if part.score is not None]

    def worst(self, higher: bool) -> float | None:
        """The score of the client that is served worst."""
        return (min if higher else max)(self.scores, default=None)

    @property
    def spread(self) -> float | None:
        """The standard deviation of the scores over clients; None of fewer than two."""
        return statistics.pstdev(self.scores) if len(self.scores) > 1 else None


def _summed(each: list[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for sizes in each:
        for group, size in sizes.items():
            total[group] = total.get(group, 0) + size
    return total
