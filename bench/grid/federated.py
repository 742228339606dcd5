"""What a federation adds to a plan: its identity in keys, and which combinations make no sense."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import msgspec

from bench.config.command import Request, Variant
from bench.config.suite import Suite
from bench.config.words import Word
from bench.errors import UsageError
from bench.federated.settings import DIRICHLET, DRAWN
from bench.grid.axes import COMPONENTS
from bench.grid.identity import component, digest, source_file, sources
from bench.grid.redraw import redraws
from bench.registry import Registry, Spec

FREE = ("sums", "learns_nothing")
"""Tags of imputers whose result no division of records changes."""

PARAMETER = re.compile(r"\bgive (\w+=)")
"""In what a federation says of a training: the parameter of the method that is to be given."""

FILLS_NOTHING = frozenset({"leaves_nan", "hides_values"})
"""Tags of imputers that fill nothing, and so have no error on hidden entries."""


@cache
def federated_code() -> str:
    """The digest of the code that draws clients and runs rounds."""
    package = source_file("bench.federated")
    assert package is not None
    names = [f"bench.federated.{path.stem}" for path in sorted(package.parent.glob("*.py")) if path.stem != "__init__"]
    return digest([sources(name)[0] for name in (*names, "bench.stages.clients")])


def partition_identity(request: Request) -> dict[str, Any]:
    """What of the suite decides which client has which subject and which modalities."""
    rule = request.suite.partition
    identity: dict[str, Any] = {**msgspec.to_builtins(rule), "code": federated_code()}
    if rule.by in DRAWN or rule.unknown == "refuse":
        del identity["unknown"]
    if rule.by == DIRICHLET:
        identity["task"] = task_of(request)
    else:
        del identity["task"]
    return identity


def task_of(request: Request) -> str:
    """The task whose classes a Dirichlet draw looks at."""
    return request.suite.partition.task or request.suite.grid.task[0]


def federated_identity(variant: Variant, request: Request, registry: Registry) -> str | None:
    """What of a federation is in the keys of stages that it changes; None where nothing is
    federated.
    """
    spec = registry.get("federation", variant.name)
    if "pooled" in spec.tags:
        return None
    suite = request.suite
    how = [] if "alone" in spec.tags else [msgspec.to_builtins(suite.rounds)]
    how += [msgspec.to_builtins(suite.privacy)] * bool(how and suite.privacy.clip)
    return digest([component(spec), variant.params, partition_identity(request), how])


class Skips:
    """Which combinations of components make no sense, each decided once."""

    def __init__(self, request: Request, registry: Registry):
        self.request, self.registry = request, registry
        self._known: dict[tuple[str, ...], str] = {}

    def of(self, chosen: Mapping[str, Any]) -> str | None:
        """Why the components of a cell make no sense together, empty where they do; None where not
        all of them were asked for.
        """
        rows: tuple[Variant, ...] = tuple(chosen[axis] for axis in COMPONENTS)
        at = tuple(row.label for row in (*rows, chosen["scenario"]))
        if at not in self._known:
            self._known[at] = self._skip(chosen["imputer"], chosen["fuser"], chosen["federation"])
            self._known[at] = self._known[at] or self._not_redrawn(chosen)
        skip = self._known[at]
        named = all(row.name in getattr(self.request.suite.grid, row.kind) for row in rows)
        return skip if named or not skip else None

    def _skip(self, imputer: Variant, fuser: Variant, federation: Variant) -> str:
        specs = [self.registry.get(row.kind, row.name) for row in (imputer, fuser, federation)]
        if "leaves_nan" in specs[0].tags and "nan_aware" not in specs[1].tags:
            return f"{imputer.name} leaves NaN and {fuser.name} is not nan_aware"
        if "own_imputer" in specs[1].tags and not FILLS_NOTHING & specs[0].tags:
            return (
                f"{fuser.name} completes the series by itself, so imputer {imputer.name} would change nothing; give an imputer "
                f"that fills nothing: imputer={','.join(self._open())}"
            )
        rule = specs[2]
        if {"pooled", "alone"} & rule.tags:
            return ""
        for row, spec in zip((imputer, fuser), specs, strict=False):
            if skip := self._untrainable(row, spec, federation, rule):
                return skip
        return ""

    def _not_redrawn(self, chosen: Mapping[str, Any]) -> str:
        """Why a method cannot be trained on records with a new mask at each epoch; empty where it
        can.
        """
        scenario, imputer, fuser = (chosen[axis] for axis in ("scenario", "imputer", "fuser"))
        if not redraws(scenario):
            return ""
        if "learner" not in self.registry.get("fuser", fuser.name).tags:
            return (
                f"{scenario.label} makes a new mask at each epoch, and {fuser.name} has none: it is not tagged learner"
            )
        if imputer.weights or not set(FREE) & self.registry.get("imputer", imputer.name).tags:
            able = [spec.name for spec in self.registry.specs("imputer") if set(FREE) & spec.tags]
            return (
                f"{scenario.label} makes a new mask at each epoch, and {imputer.name} cannot complete each of them; give one of "
                f"imputer={','.join(able)}"
            )
        return ""

    def _open(self) -> list[str]:
        """Names of imputers that leave open what is missing."""
        return [spec.name for spec in self.registry.specs("imputer") if "leaves_nan" in spec.tags]

    def _untrainable(self, row: Variant, spec: Spec, federation: Variant, rule: Spec) -> str:
        """Why a federation cannot train a method, empty where it can."""
        if row.weights or set(FREE) & spec.tags:
            return ""
        if "learner" not in spec.tags:
            return f"{federation.name} cannot train {row.kind} {row.name}, which is not trained step by step (no tag learner)"
        if self.request.suite.privacy.clip and spec.without_noise:
            groups = ", ".join(sorted(spec.without_noise))
            return (
                f"noise of privacy.clip does not cover arrays of the group {groups}, which {row.kind} {row.name} sends"
            )
        if not rule.refuses:
            return ""
        problem = rule.call(rule.refuses, rule.parameters(federation.params), spec.parameters(row.params))
        typed = PARAMETER.sub(rf"give {row.kind}.{row.name}.\1", problem)
        return f"{federation.name} cannot merge {row.kind} {row.name}: {typed}" if problem else ""


def is_federated(request: Request, registry: Registry) -> bool:
    """Whether any cell is trained by clients."""
    return any("pooled" not in registry.get("federation", row.name).tags for row in request.variants["federation"])


def has_clients(request: Request, registry: Registry) -> bool:
    """Whether subjects are divided among clients, be it for what records of one place lack."""
    return request.suite.partition.visible is not None or is_federated(request, registry)


def has_rounds(request: Request, registry: Registry) -> bool:
    """Whether any cell is trained by rounds, and not by every client for itself."""
    return any(
        not {"pooled", "alone"} & registry.get("federation", row.name).tags for row in request.variants["federation"]
    )


OF_CLIENTS = {"partition": has_clients, "rounds": has_rounds, "privacy": has_rounds}
"""What only clients read -> whether anything of a run does. A suite may hold it for another of its
profiles; on the command line it is meant for this run.
"""


def _idle(key: str, suite: Suite) -> str:
    """Why a word would change nothing beside the others, and what to type; empty where it would."""
    rule, rounds = suite.partition, suite.rounds
    drawn = rule.by in DRAWN or rule.visible is not None or rule.overlap
    by_class = f"only partition.by={DIRICHLET} reads it, and partition.by is {rule.by}"
    no_privacy = "no privacy is asked for; add privacy.clip=N"
    reasons = {
        "partition.alpha": (rule.by != DIRICHLET, by_class),
        "partition.task": (rule.by != DIRICHLET, by_class),
        "partition.seed": (not drawn, f"nothing is drawn, subjects go by their {rule.by}; leave it out"),
        "partition.unknown": (rule.by in DRAWN, f"partition.by={rule.by} is no column; leave it out"),
        "rounds.epochs": (rounds.steps, f"rounds.steps={rounds.steps} takes its place; add rounds.steps=null"),
        "privacy.noise": (not suite.privacy.clip, no_privacy),
        "privacy.delta": (not suite.privacy.clip, no_privacy),
    }
    idle, reason = reasons.get(key, (False, ""))
    return reason if idle else ""


def check_words(words: Iterable[Word], request: Request, registry: Registry) -> None:
    """Refuse words that only clients would read, where there are none. Raises UsageError."""
    for word in words:
        reads = OF_CLIENTS.get(word.key.partition(".")[0])
        if reads and not reads(request, registry):
            alone = is_federated(request, registry)
            none = (
                "every client of this run trains by itself; add a federation"
                if alone
                else "no federation is in this run; add one"
            )
            raise UsageError(
                f'"{word.text}" (from the command line) has no effect: {none}: federation=NAME '
                "(bench list federations shows them)"
            )
        if reason := _idle(word.key, request.suite):
            raise UsageError(f'"{word.text}" (from the command line) has no effect: {reason}')


def check_partition(request: Request, registry: Registry) -> None:
    """Refuse a partition that cannot be drawn, before any data are read. Raises UsageError."""
    suite, rule = request.suite, request.suite.partition
    if not has_clients(request, registry):
        return
    if has_rounds(request, registry):
        suite.rounds.check(suite.privacy, rule.clients if rule.by in DRAWN else None)
    dataset = registry.get("dataset", suite.dataset)
    rule.check(dataset.columns, f"of the dataset {dataset.name}")
    if rule.by == DIRICHLET:
        name = task_of(request)
        if name not in dataset.tasks:
            raise UsageError(
                f'"partition.task" = {name} is no task of {dataset.name}; accepted: {", ".join(dataset.tasks)}'
            )
        if dataset.tasks[name].kind not in ("binary", "multiclass"):
            raise UsageError(
                f"partition.by={DIRICHLET} divides by the classes of a task, and {name} is a {dataset.tasks[name].kind} task; "
                "give partition.task=NAME of one with classes, or partition.by=iid partition.clients=N"
            )
    sets = {name: suite.modalities.get(name, dataset.modalities) for name in suite.grid.modalities}
    for name, members in sets.items():
        if rule.visible is not None and rule.visible > len(members):
            raise UsageError(
                f"partition.visible={rule.visible} is more than the {len(members)} modalities of the set {name}"
            )
