"""What a person asked for: the words of the command line, sorted into settings of the run and overrides of the suite."""

from __future__ import annotations

import os
import shlex
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from bench.errors import UsageError, nearest, unknown
from bench.overrides import ORIGIN, Word, duration, merge, parse, size
from bench.registry import Registry
from bench.suite import AXES, Suite, read, resolve
from bench.typed import convert

INDIFFERENT = {"out", "cache", "workers", "budget", "retry", "shuffle"}
"""Settings that change where, how fast and in which order cells are run, but no result."""

METHOD_KINDS = ("scenario", "imputer", "fuser")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a suite is run; none of it changes what a cell means, except device, precision and threads, which are in its key.

    out: folder of the ledger and the tables. cache: prepared cohorts, masks, imputations, downloads. workers: processes;
    0 = one per core (or one per GPU). threads: of each worker; arithmetic depends on it, so it is part of the key.
    budget: stop scheduling what would not end within it. retry: run again what failed, timed out or ran out of memory.
    shuffle: a seed for the order in which cells are run; the result does not depend on it.
    """

    suite: str = ""
    profile: str = "demo"
    out: str = "results"
    cache: str = ""
    workers: int = 0
    threads: int = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    budget: str = ""
    retry: bool = True
    shuffle: int | None = None

    def cache_folder(self) -> Path:
        """`cache=`, else BENCH_CACHE, else the user's cache folder."""
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return Path(self.cache or os.environ.get("BENCH_CACHE") or home / "gapbench").expanduser().absolute()

    def out_folder(self) -> Path:
        return Path(self.out).expanduser().absolute()

    def budget_seconds(self) -> float | None:
        return duration(self.budget, "budget") if self.budget else None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A resolved command: typed settings, the typed suite and what was said of methods on the command line."""

    settings: Settings
    suite: Suite
    root: str
    words: tuple[str, ...]
    said: Mapping[str, Mapping[str, Any]]
    """`kind.name` -> parameters set on the command line; they appear in a row's label."""

    def time_limit(self) -> float:
        return duration(self.suite.limits.time, "limits.time", f"suite {self.suite.name}")

    def memory_limit(self) -> int:
        return size(self.suite.limits.memory, "limits.memory", f"suite {self.suite.name}")

    def command(self, exact: bool = True) -> str:
        """The command that repeats this request; without `exact`, only the words that can change a result."""
        words = [w for w in self.words if exact or w.partition("=")[0] not in INDIFFERENT]
        return shlex.join(["bench", "run", *words])


def request(words: Sequence[str], registry: Registry) -> Request:
    """Understand a command line. Raises UsageError for anything that is not known, with the nearest name."""
    parsed = parse(words)
    fields = {f.name for f in msgspec.structs.fields(Settings)}
    settings_values = {w.key: _single(w) for w in parsed if w.key in fields}
    if not settings_values.get("suite"):
        raise UsageError("no suite is named; write for example suite=physionet48 (see all with: bench list suites)")
    settings = convert(settings_values, Settings, "", ORIGIN)
    if settings.workers < 0 or settings.threads < 1:
        raise UsageError(f"workers must be 0 or more and threads 1 or more (from {ORIGIN})")
    settings.budget_seconds()
    tree, path = read(settings.suite)
    root = ""
    overrides: dict[str, Any] = {}
    said: dict[str, dict[str, None]] = {}
    for word in parsed:
        if word.key in fields:
            continue
        if word.key == "data.root":
            root = str(_single(word))
            continue
        branch, method = _branch(word, tree, registry)
        overrides = merge(overrides, branch)
        if method:
            said[method] = {**said.get(method, {}), word.key[len(method) + 1 :]: None}
    suite = resolve(tree, path, settings.profile, overrides)
    _check_methods(suite, registry, path.name)
    made = Request(settings=settings, suite=suite, root=root, words=tuple(words), said=said)
    made.time_limit(), made.memory_limit()
    return made


def _single(word: Word) -> Any:
    if len(word.values) != 1:
        raise UsageError(f'"{word.key}" takes one value (from {ORIGIN}): "{word.text}"')
    return word.values[0]


def _branch(word: Word, tree: Mapping[str, Any], registry: Registry) -> tuple[dict[str, Any], str]:
    """The plain tree one word stands for, and the method (`kind.name`) it sets a parameter of, if any."""
    head, _, rest = word.key.partition(".")
    if word.key in AXES:
        return {"grid": {word.key: list(word.values)}}, ""
    if head in METHOD_KINDS and rest:
        name = max((n for n in registry.names(head) if rest.startswith(n + ".")), key=len, default="")
        if not name:
            guess = rest.rpartition(".")[0] or rest
            registry.get(head, guess, ORIGIN)
            raise UsageError(f'"{word.key}" (from {ORIGIN}) names no parameter; see: bench show {guess}')
        parameter = rest[len(name) + 1 :]
        struct = registry.get(head, name).params
        types_of = {f.name: f.type for f in msgspec.structs.fields(struct)}
        if parameter not in types_of:
            raise unknown("key", word.key, [f"{head}.{name}.{p}" for p in types_of], ORIGIN)
        value = list(word.values) if len(word.values) != 1 or is_many(types_of[parameter]) else word.values[0]
        return {head: {name: {parameter: value}}}, f"{head}.{name}"
    fields = {f.name: f.type for f in msgspec.structs.fields(Suite)}
    if head not in fields or head in ("profiles", "published", "name"):
        settings = [f.name for f in msgspec.structs.fields(Settings)]
        known = [
            *settings,
            *AXES,
            *(f for f in fields if f not in ("profiles", "published", "name", "grid")),
            "data.root",
        ]
        close = nearest(word.key, known)
        raise UsageError(f'key "{word.key}" is not known (from {ORIGIN}); {close}accepted: {", ".join(known)}')
    if head == "data":
        spec = registry.get("dataset", tree.get("dataset", ""), f"suite {tree.get('name', '?')}")
        types_of = {f.name: f.type for f in msgspec.structs.fields(spec.params)}
        if rest not in types_of:
            raise unknown("key", word.key, ["data.root", *(f"data.{p}" for p in types_of)], ORIGIN)
        return {head: {rest: list(word.values) if is_many(types_of[rest]) else _single(word)}}, ""
    return _suite_branch(word, fields), ""


def _suite_branch(word: Word, fields: Mapping[str, Any]) -> dict[str, Any]:
    kind: Any = Suite
    for part in word.key.split("."):
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            known = {f.name: f.type for f in msgspec.structs.fields(kind)}
            if part not in known:
                prefix = word.key[: -len(part)]
                raise unknown("key", word.key, [prefix + name for name in known], ORIGIN)
            kind = known[part]
        elif typing.get_origin(kind) is dict:
            kind = typing.get_args(kind)[1]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        inside = [f"{word.key}.{f.name}" for f in msgspec.structs.fields(kind)]
        raise UsageError(f'"{word.key}" (from {ORIGIN}) is a table; accepted: {", ".join(inside)}')
    value: Any = list(word.values) if is_many(kind) else _single(word)
    for part in reversed(word.key.split(".")):
        value = {part: value}
    return value


def is_many(kind: Any) -> bool:
    """Whether a field of this type takes several values (so that a comma list is one value and not a sweep)."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return is_many(typing.get_args(kind)[0])
    if origin in (types.UnionType, typing.Union):
        return any(is_many(arm) for arm in typing.get_args(kind))
    return (origin or kind) in (list, tuple, set, frozenset)


def _check_methods(suite: Suite, registry: Registry, file: str) -> None:
    """Every method, task and modality the suite speaks of is known, before anything is planned."""
    origin = f"suite {file} or the command line"
    dataset = registry.get("dataset", suite.dataset, f"suite {file}")
    for kind in METHOD_KINDS:
        for name in getattr(suite, kind):
            registry.get(kind, name, f"[{kind}.{name}] of suite {file}")
        chosen: Iterable[str] = getattr(suite.grid, kind)
        controls = getattr(suite.controls, kind, ())
        for name in [*chosen, *controls]:
            registry.get(kind, name, origin)
        if not chosen:
            raise UsageError(f'"{kind}" is empty (from {origin}); see: bench list {kind}s')
    for task in suite.grid.task:
        if task not in dataset.tasks:
            raise unknown("task", task, dataset.tasks, origin)
    for name in suite.grid.modalities:
        if name not in suite.modalities and name != "all":
            raise unknown("modality set", name, {*suite.modalities, "all"}, origin)
    for name, members in suite.modalities.items():
        for member in members:
            if member not in dataset.modalities:
                raise unknown("modality", member, dataset.modalities, f"modalities.{name} of {origin}")
        if not members:
            raise UsageError(f'modality set "{name}" is empty (from {origin})')
    if not suite.grid.seed or not suite.grid.task or not suite.grid.modalities:
        raise UsageError(f"the grid needs at least one task, modality set and seed (from {origin})")
    for axis in AXES:
        values = getattr(suite.grid, axis)
        for value in values:
            if values.count(value) > 1:
                raise UsageError(f'"{axis}" names {value} twice (from {origin}); keep one')
