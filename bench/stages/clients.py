"""The clients of a cell: who has which record, and the methods as these train them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.cohort import Cohort, Events, Series, Task
from bench.components import Fuser, Imputer
from bench.config.command import Variant
from bench.errors import PluginError
from bench.execute.job import Setup
from bench.federated.partition import UNKNOWN, Clients, classes_of, divide
from bench.federated.settings import DIRICHLET, Partition, Rounds
from bench.grid.cell import Cell
from bench.metrics.patterns import SMALLEST
from bench.metrics.scoring import scores_of
from bench.registry import Registry, Spec
from bench.results.federated import Federated, Part, Trained
from bench.results.records import Audit
from bench.stages.handed import who

if TYPE_CHECKING:
    from bench.federated.methods import Apart, ByRounds  # with torch, which no central cell should wait for


def clients_of(rule: Partition, classes: str, cohort: Cohort) -> Clients:
    """The clients of a whole cohort, as recorded: one draw for all parts, tasks and methods.

    classes: the task whose classes a Dirichlet draw looks at.
    """
    return _clients(rule, classes, _Recorded(cohort))


class _Recorded:
    """A cohort as the key of a cache: by its identity, not by its content."""

    def __init__(self, cohort: Cohort):
        self.cohort = cohort

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Recorded) and self.cohort is other.cohort

    def __hash__(self) -> int:
        return id(self.cohort)


@lru_cache(maxsize=2)
def _clients(rule: Partition, task: str, recorded: _Recorded) -> Clients:
    cohort = recorded.cohort
    classes = classes_of(cohort.targets[task]) if rule.by == DIRICHLET else None
    return divide(rule, cohort.groups.tolist(), tuple(cohort.modalities), classes=classes, columns=cohort.columns)


def narrowed(cohort: Cohort, parts: np.ndarray, clients: Clients) -> Cohort:
    """The cohort without the modalities that clients lack: in training and validation records;
    test records keep all.

    parts: int8 [n], index into `bench.data.splits.PARTS`.
    """
    groups = cohort.groups.tolist()
    lacks = {name: np.zeros(len(cohort), bool) for name in cohort.modalities}
    for client, owned in clients.owned.items():
        rows = clients.of(groups, client)
        rows = rows[parts[rows] != 2]
        for name in lacks.keys() - set(owned):
            lacks[name][rows] = True
    return cohort.with_modalities({name: _without(s, lacks[name]) for name, s in cohort.modalities.items()})


def _without(series: Series, lacking: np.ndarray) -> Series:
    """A series in which some records, bool [n], have nothing."""
    if not lacking.any():
        return series
    grid, observed = np.array(series.grid), np.array(series.observed)
    grid[lacking], observed[lacking] = np.nan, False
    events = series.events
    kept = ~lacking[events.records()]
    counts = np.where(lacking, 0, events.counts)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return replace(
        series, grid=grid, observed=observed, available=series.available & ~lacking,
        events=Events(offsets, events.times[kept], np.asarray(events.values)[kept]),
    )  # fmt: skip


def imputer_of(cell: Cell, setup: Setup, registry: Registry, cohort: Cohort) -> Imputer[Any]:
    """The imputer of a cell, as its federation trains it. cohort: as recorded."""
    spec, params = registry.get("imputer", cell.imputer.name), cell.imputer.params
    rule = registry.get("federation", cell.federation.name)
    imputer: Imputer[Any] = spec.build(params)
    if "pooled" in rule.tags or "learns_nothing" in spec.tags or cell.imputer.weights:
        return imputer
    from bench.federated.methods import OwnImputers, RoundsImputer, SummedImputer

    clients = clients_of(setup.partition, setup.classes, cohort)
    if "sums" in spec.tags:
        return SummedImputer(imputer, clients)
    if "alone" in rule.tags:
        return OwnImputers(_apart(spec, params, clients), imputer.params)
    return RoundsImputer(_by_rounds(imputer, spec, cell.federation, rule, setup, clients))


def fuser_of(cell: Cell, setup: Setup, registry: Registry, cohort: Cohort) -> Fuser[Any]:
    """The fuser of a cell, as its federation trains it. cohort: as recorded."""
    spec, params = registry.get("fuser", cell.fuser.name), cell.fuser.params
    rule = registry.get("federation", cell.federation.name)
    fuser: Fuser[Any] = spec.build(params)
    if "pooled" in rule.tags:
        return fuser
    from bench.federated.methods import OwnFusers, RoundsFuser

    clients = clients_of(setup.partition, setup.classes, cohort)
    if "alone" in rule.tags:
        return OwnFusers(_apart(spec, params, clients), fuser.params)
    return RoundsFuser(_by_rounds(fuser, spec, cell.federation, rule, setup, clients))


def trained_by(method: Imputer[Any] | Fuser[Any]) -> Trained | None:
    """How rounds trained a method; None where none did."""
    by: ByRounds | None = getattr(method, "by", None)
    return by.trained if by else None


class _Build:
    """Builds a method, untrained; it can be handed to another process."""

    def __init__(self, spec: Spec, params: dict[str, Any]):
        self.component, self.params = spec.load(), spec.parameters(params)

    def __call__(self) -> Any:
        return self.component(self.params)


def _apart(spec: Spec, params: dict[str, Any], clients: Clients) -> Apart:
    from bench.federated.methods import Apart

    return Apart(_Build(spec, params), clients, {})


def _by_rounds(method: Any, spec: Spec, federation: Variant, rule: Spec, setup: Setup, clients: Clients) -> ByRounds:
    from bench.federated.methods import ByRounds
    from bench.learner import Learner

    if not isinstance(method, Learner):
        raise PluginError(f"{who(spec)}it is tagged learner, and must be a bench.learner.Learner")
    return ByRounds(method, rule.build(federation.params), setup.rounds, clients, setup.privacy)


def federated(
    cell: Cell,
    setup: Setup,
    cohort: Cohort,
    parts: dict[str, Cohort],
    outputs: np.ndarray,
    task: Task,
    fuser: Trained | None,
    imputer: Trained | None,
) -> Federated:
    """What a record keeps of the clients of a cell.

    cohort: as recorded. parts: of the task. outputs: predictions of the test part.
    """
    clients = clients_of(setup.partition, setup.classes, cohort)
    numbers = range(len(clients.names))
    rows = {name: [clients.of(part.groups.tolist(), client) for client in numbers] for name, part in parts.items()}
    counts = {name: _shown([len(each) for each in index]) for name, index in rows.items()}
    test = parts["test"]
    truth = test.targets[task.name]

    def score_of(client: int) -> float | None:
        index = rows["test"][client]
        if counts["test"][client] is None:
            return None
        at_hand = {"groups": test.groups[index]}
        return scores_of([task.primary], truth[index], outputs[index], at_hand).values.get(task.primary)

    return Federated(
        partition=clients.digest,
        rule=in_words(setup.partition, len(clients.names), setup.classes),
        metric=task.primary,
        divided=clients.divided,
        clients=[
            Part(
                client=clients.names[client],
                train=counts["train"][client],
                valid=counts["valid"][client],
                test=counts["test"][client],
                modalities=[name for name in clients.owned[client] if name in cell.modalities],
                score=score_of(client),
            )
            for client in numbers
        ],
        fuser=fuser,
        imputer=imputer,
        held=held(setup.rounds, len(clients.names)) if fuser or imputer else "",
    )


def client_audits(setup: Setup, cohort: Cohort, parts: dict[str, Cohort], *trained: Trained | None) -> dict[str, Audit]:
    """The audits of a federated cell, by name. cohort: as recorded; parts: of the task."""
    clients = clients_of(setup.partition, setup.classes, cohort)
    numbers = range(len(clients.names))
    astray = sum(len(part) for part in parts.values())
    for part in parts.values():
        groups = part.groups.tolist()
        rows = [clients.of(groups, client) for client in numbers]
        apart = len(np.unique(np.concatenate(rows))) == sum(map(len, rows)) == len(part)
        astray -= len(part) if apart else 0
    replies = sum(len(done.steps) for each in trained if each for done in each.rounds)
    return {
        "clients-apart": Audit(not astray, f"{astray} records have no client or several" if astray else
                               "each record of each part has one client"),
        "declared-alone-sent": Audit(True, f"{replies} answers of clients held declared arrays alone, none of a modality that "
                                     "its client lacks") if replies else Audit(None, "no round trained anything"),
    }  # fmt: skip


def in_words(rule: Partition, number: int, task: str) -> str:
    """A partition in words, for the foot of a table."""
    by = {"iid": "dealt evenly", DIRICHLET: f"by a Dirichlet draw over the classes of {task} (alpha {rule.alpha:g})"}
    words = [f"{_several(number, 'client')}, subjects {by.get(rule.by, f'by their {rule.by}')}"]
    words += [f"seed {rule.seed}"] * (rule.by in by)
    words += [f"those without one at a client of their own, {UNKNOWN}"] * (
        rule.by not in by and rule.unknown == "client"
    )
    words += [f"{_several(rule.visible or 0, 'modality')} each in training"] * (rule.visible is not None)
    words += [f"{rule.overlap:.0%} of the subjects also train at a second client"] * bool(rule.overlap)
    return ", ".join(words)


def held(rounds: Rounds, number: int) -> str:
    """How rounds are held, in words. number: of clients."""
    per_round = min(rounds.per_round or number, number)
    each = f"{_several(rounds.steps, 'step')} of a client" if rounds.steps else _several(rounds.epochs, "epoch")
    words = [f"{_several(rounds.number, 'round')} of {each}"]
    words += [f"{per_round} of {_several(number, 'client')} in each"] * (per_round < number)
    words += [f"{'all ' * (number > 1)}{_several(number, 'client')} in each"] * (per_round == number)
    words += [f"dropout {rounds.dropout:g}"] * bool(rounds.dropout)
    words += [f"straggle {rounds.straggle:g}"] * bool(rounds.straggle)
    words += [f"{rounds.needed} answers needed"] * (rounds.needed > 1)
    return ", ".join(words)


def _several(number: int, noun: str) -> str:
    return f"{number} {noun if number == 1 else f'{noun[:-1]}ies' if noun.endswith('y') else f'{noun}s'}"


def _shown(counts: list[int]) -> list[int | None]:
    """Counts of records, None for those that are too few to be shown, and for so many more, the
    smallest first, that no difference to the whole gives one away.
    """
    order = sorted(range(len(counts)), key=lambda place: counts[place])
    hidden = [place for place in order if 0 < counts[place] < SMALLEST]
    rest = [place for place in order if counts[place] >= SMALLEST]
    while hidden and rest and sum(counts[place] for place in hidden) < SMALLEST:
        hidden.append(rest.pop(0))
    return [None if place in hidden else count for place, count in enumerate(counts)]
