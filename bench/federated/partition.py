"""Which client owns which subject: drawn once for all parts, so that each client has a test part of
its own kind.

By subject (`Cohort.groups`), never by record: no subject has records at two clients, unless
`overlap` asks for it. With a seed of its own, never a cell's, so that every method and every seed
of a suite meets the same clients.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from bench import seeds
from bench.errors import UsageError
from bench.federated.settings import DIRICHLET, DRAWN, IID, Partition

V = TypeVar("V", int, str)

UNKNOWN = "unknown"
"""The client of subjects for which a column has no value."""

ATTEMPTS = 1000
"""How often a Dirichlet draw is repeated that leaves a client without a subject."""


@dataclass(frozen=True)
class Clients:
    """A partition of subjects that was drawn.

    - owner: subject -> the client that has it.
    - second: subject -> another client that trains on it too.
    - owned: client -> its modalities, in the order of the cohort.
    - names: client -> the value of the column; of a draw, its number.
    - divided: subjects whose records had several values of the column, and went where most are.
    """

    owner: Mapping[str, int]
    second: Mapping[str, int]
    owned: Mapping[int, tuple[str, ...]]
    names: tuple[str, ...]
    divided: int = 0

    @property
    def digest(self) -> str:
        """SHA-256 of who owns what: it tells two partitions apart, and no subject."""
        lines = [f"{subject}\x1f{client}" for subject, client in sorted(self.owner.items())]
        lines += [f"second\x1f{subject}\x1f{client}" for subject, client in sorted(self.second.items())]
        lines += [f"owned\x1f{client}\x1f{','.join(names)}" for client, names in sorted(self.owned.items())]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def of(self, groups: Sequence[str], client: int, *, training: bool = False) -> np.ndarray:
        """Indices of a client's records; with `training`, those of subjects that it shares too."""
        has = [
            self.owner.get(subject) == client or (training and self.second.get(subject) == client) for subject in groups
        ]
        return np.flatnonzero(has)


def classes_of(target: np.ndarray) -> np.ndarray:
    """The class of each record, int [n], -1 where it is unknown. target: float32 [n], NaN there."""
    return np.where(np.isnan(target), -1, target).astype(int)


def divide(
    rule: Partition,
    groups: Sequence[str],
    modalities: Sequence[str],
    *,
    classes: np.ndarray | None = None,
    columns: Mapping[str, np.ndarray] | None = None,
) -> Clients:
    """Give every subject to a client.

    - groups: the subject of each record, [n].
    - classes: of `dirichlet`: the class of each record, int [n]; below 0 where it is unknown, which
      counts as a class of its own.
    - columns: of a column: its value for each record, str [n].

    Raises UsageError, with what is accepted, where a client would have no subject, and where a
    column is not there or has gaps.
    """
    rule.check(tuple(columns or ()), "of the dataset")
    subjects = sorted(set(groups))
    divided = 0
    if rule.by in DRAWN:
        number = _number(rule, subjects)
        names = tuple(str(client) for client in range(number))
        dealt = (
            _dealt(rule, subjects, number) if rule.by == IID else _dirichlet(rule, subjects, groups, classes, number)
        )
    else:
        dealt, names, divided = _by_column(rule, groups, columns or {})
    owned = {client: _visible(rule, client, modalities) for client in range(len(names))}
    return Clients(dealt, _second(rule, dealt, len(names)), owned, names, divided)


def check_subjects(
    rule: Partition, groups: Sequence[str], columns: Mapping[str, Sequence[str]], classes: np.ndarray | None = None
) -> int | None:
    """How many clients these subjects have; None where the column is not there.

    Before anything is trained it raises UsageError for a partition that they cannot have: as
    `divide` does. classes: as there; without them no Dirichlet draw is tried.
    """
    if rule.by not in DRAWN:
        return len(_by_column(rule, groups, columns)[1]) if rule.by in columns else None
    subjects = sorted(set(groups))
    number = _number(rule, subjects)
    if classes is not None:
        _dirichlet(rule, subjects, groups, classes, number)
    return number


def _number(rule: Partition, subjects: Sequence[str]) -> int:
    assert rule.clients is not None
    if rule.clients > len(subjects):
        raise UsageError(
            f"partition.clients={rule.clients} is more than the {len(subjects)} subjects of the data, and each client needs "
            "one"
        )
    return rule.clients


def _shuffled(rule: Partition, subjects: Sequence[str], *names: object) -> list[str]:
    order = seeds.generator(rule.seed, "partition", *names).permutation(len(subjects))
    return [subjects[index] for index in order]


def _dealt(rule: Partition, subjects: Sequence[str], number: int) -> dict[str, int]:
    return {subject: place % number for place, subject in enumerate(_shuffled(rule, subjects, IID))}


def _dirichlet(
    rule: Partition, subjects: Sequence[str], groups: Sequence[str], classes: np.ndarray | None, number: int
) -> dict[str, int]:
    if classes is None:
        raise UsageError("partition.by=dirichlet divides by classes, and the task has none; give partition.by=iid")
    by_class: dict[int, list[str]] = {}
    for subject, kind in _commonest(groups, np.maximum(classes, -1).tolist()).items():
        by_class.setdefault(kind, []).append(subject)
    for attempt in range(ATTEMPTS):
        dealt: dict[str, int] = {}
        for kind in sorted(by_class):
            inside = _shuffled(rule, sorted(by_class[kind]), DIRICHLET, kind, attempt)
            rng = seeds.generator(rule.seed, "partition", "shares", kind, attempt)
            ends = np.cumsum(rng.dirichlet(np.full(number, rule.alpha)))[:-1]
            cuts = np.floor(ends * len(inside)).astype(int)
            for client, some in enumerate(np.split(np.array(inside, object), cuts)):
                dealt |= dict.fromkeys(some.tolist(), client)
        if len(set(dealt.values())) == number:
            return dealt
    raise UsageError(
        f"partition.alpha={rule.alpha:g} left a client of {number} without a subject in {ATTEMPTS} draws; give a larger alpha "
        "or fewer clients"
    )


def _by_column(
    rule: Partition, groups: Sequence[str], columns: Mapping[str, Sequence[str] | np.ndarray]
) -> tuple[dict[str, int], tuple[str, ...], int]:
    values = [str(value) for value in columns[rule.by]]
    if gaps := sum(not value for value in values):
        if rule.unknown == "refuse":
            raise UsageError(
                f"the column {rule.by} is unknown for {gaps} of {len(values)} records; give partition.unknown=client, so that "
                "their subjects are those of a client of their own, or another partition.by"
            )
        groups, values = _filled(groups, values)
    names = tuple(sorted(set(values)))
    if rule.clients not in (None, len(names)):
        raise UsageError(
            f"the column {rule.by} has {len(names)} values, and partition.clients={rule.clients} is given; leave it out"
        )
    chosen = _commonest(groups, values)
    several = {(subject, value) for subject, value in zip(groups, values, strict=True)}
    divided = sum(count > 1 for count in Counter(subject for subject, _ in several).values())
    left = set(names) - set(chosen.values())
    kept = tuple(name for name in names if name not in left)
    return {subject: kept.index(value) for subject, value in chosen.items()}, kept, divided


def _filled(groups: Sequence[str], values: Sequence[str]) -> tuple[list[str], list[str]]:
    """The records with a value of the column, and those of subjects that have none in any record,
    whose value is `UNKNOWN`.
    """
    known = {subject for subject, value in zip(groups, values, strict=True) if value}
    kept = [
        (subject, value or UNKNOWN)
        for subject, value in zip(groups, values, strict=True)
        if value or subject not in known
    ]
    return [subject for subject, _ in kept], [value for _, value in kept]


def _commonest(groups: Sequence[str], values: Sequence[V]) -> dict[str, V]:
    """Subject -> the value that most of its records have; of equal ones the first by name."""
    counts: dict[str, Counter[V]] = {}
    for subject, value in zip(groups, values, strict=True):
        counts.setdefault(subject, Counter())[value] += 1
    return {subject: min(each, key=lambda value: (-each[value], value)) for subject, each in sorted(counts.items())}


def _visible(rule: Partition, client: int, modalities: Sequence[str]) -> tuple[str, ...]:
    if rule.visible is None:
        return tuple(modalities)
    if rule.visible > len(modalities):
        raise UsageError(
            f"partition.visible={rule.visible} is more than the {len(modalities)} modalities of the cohort"
        )
    rng = seeds.generator(rule.seed, "partition", "visible", client)
    chosen = set(rng.choice(len(modalities), rule.visible, replace=False).tolist())
    return tuple(name for place, name in enumerate(modalities) if place in chosen)


def _second(rule: Partition, dealt: Mapping[str, int], number: int) -> dict[str, int]:
    if not rule.overlap:
        return {}
    if number < 2:
        raise UsageError(f"partition.overlap={rule.overlap:g} needs two clients, and there is one")
    shared = _shuffled(rule, sorted(dealt), "overlap")[: round(rule.overlap * len(dealt))]
    rng = seeds.generator(rule.seed, "partition", "second")
    steps = rng.integers(1, number, len(shared))
    return {subject: int((dealt[subject] + step) % number) for subject, step in zip(shared, steps, strict=True)}
