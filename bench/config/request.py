"""What a person asked for: the words of the command line, sorted into settings of the run and
overrides of the suite.
"""

from __future__ import annotations

import typing
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench.config.command import Request, Settings
from bench.config.conversion import convert, is_many, is_text, types_of
from bench.config.layers import FIXED, NO_SUITE, Layers, find_suites, read, resolve
from bench.config.suite import RULES, SHORT, Suite
from bench.config.words import ORIGIN, Word, duration, halves, merge, parse, size, spoken
from bench.data.location import locate
from bench.discovery.namesakes import namesakes
from bench.errors import UsageError, nearest, unknown
from bench.execute import device, executors
from bench.grid.axes import COMPONENTS, NAMES
from bench.grid.differences import differences
from bench.grid.federated import check_partition, check_words
from bench.grid.matching_rows import Label
from bench.grid.variants import variants
from bench.registry import Registry
from bench.results.records import IMPUTATION, IMPUTATION_METRICS
from bench.tuning.file import applied

TRAINING_NOTES = {kind: f"Every {kind} trained step by step took " for kind in ("fuser", "imputer")}
"""Kind -> how the note begins that tells the training which all of them got."""


def _check_limits(suite: Suite, layers: Layers) -> None:
    """Raises UsageError for a limit that cannot be read, or that every cell would be over at
    once.
    """
    limits = suite.limits
    for key, written, value, example in (
        ("limits.time", limits.time, duration(limits.time, "limits.time", layers.where("limits.time")), "30m"),
        ("limits.memory", limits.memory, size(limits.memory, "limits.memory", layers.where("limits.memory")), "8GiB"),
    ):
        if value <= 0:
            raise UsageError(
                f'"{key}" = {written} (from {layers.where(key)}) is not accepted: it must be more than 0, e.g. {key}={example}'
            )


def request(words: Sequence[str], registry: Registry) -> Request:
    """Understand a command line. Raises UsageError for anything that is not known, with the
    nearest name.
    """
    parsed = _in_full(parse(words))
    fields = types_of(Settings)
    for word in parsed:
        if word.key in ("shard", "executor", "address") and not any(word.texts):
            raise UsageError(f'"{word.key}" is empty (from {ORIGIN}); give it a value or leave it out')
        _check_head(word, fields, registry, {text for other in parsed for text in other.texts})
    settings_values: dict[str, Any] = {w.key: single(w, fields[w.key]) for w in parsed if w.key in fields}
    settings_values |= {name: table for name in TABLES if (table := _table(name, parsed))}
    if not settings_values.get("suite"):
        raise UsageError(NO_SUITE)
    settings = convert(settings_values, Settings, "", ORIGIN)
    for name in ("out", "profile"):
        if not getattr(settings, name):
            raise UsageError(f'"{name}" is empty (from {ORIGIN}); give it a value or leave it out')
    if settings.budget_seconds() == 0:
        raise UsageError(
            f'"budget" = {settings.budget} (from {ORIGIN}) is not accepted: it must be more than 0, e.g. budget=9m'
        )
    device.check(settings.device)
    executors.check(settings)
    settings.part()
    if settings.suite not in find_suites() and (others := namesakes(registry.names, "suite", settings.suite)):
        raise unknown("suite", settings.suite, (), ORIGIN, f"{others}see all with: bench list suites")
    tree, path = read(settings.suite)
    root = ""
    overrides: dict[str, Any] = {}
    pinned: dict[str, frozenset[str]] = {}
    labels = _labels(parsed)
    dataset = next((w.texts[0] for w in parsed if w.key == "dataset" and w.texts), str(tree.get("dataset", "")))
    for word in parsed:
        if word.key.partition(".")[0] in fields:
            continue
        if word.key == "data.root":
            root = single(word, str)
            continue
        branch, method = _branch(word, dataset, path, registry)
        overrides = merge(overrides, branch)
        if method:
            pinned[method] = pinned.get(method, frozenset()) | {word.key[len(method) + 1 :]}
    for kind, rows in labels.items():
        overrides = merge(overrides, {"grid": {kind: list(dict.fromkeys(row.name for row in rows))}})
    layers = Layers(tree, path, settings.profile, overrides)
    suite = resolve(layers)
    _look_into_data(suite, root, settings, registry, layers)
    _check_methods(suite, registry, layers)
    _check_split(suite, registry, layers)
    training_texts = {kind: training.in_words() for kind in COMPONENTS if (training := suite.training.of(kind))}
    request = Request(
        settings=settings, suite=suite, root=root, words=tuple(words), pinned=pinned, labels=labels,
        variants={
            kind: variants(kind, suite, pinned, layers.where, registry, labels.get(kind, ())) for kind in COMPONENTS
        },
        overrides=differences(suite, layers, registry),
        notes=tuple(f"{TRAINING_NOTES[k]}{text}, unless its label says otherwise." for k, text in training_texts.items() if text),
    )  # fmt: skip
    _check_limits(suite, layers)
    _check_effect(suite, pinned)
    _check_options(suite, settings, registry)
    check_words(parsed, request, registry)
    check_partition(request, registry)
    return (applied(request, registry) if settings.tuned else request).narrowed()


def _labels(parsed: Sequence[Word]) -> dict[str, tuple[Label, ...]]:
    """Kind -> the labels and names that words ask for, of kinds of which a word holds a label.

    Where no word names federations, and every label of a kind says which one trained it, these are
    asked for. Raises UsageError for a label that stands twice.
    """
    rows_of_kind = {word.key: tuple(map(Label.read, word.texts)) for word in parsed if word.key in COMPONENTS}
    labels = {kind: rows for kind, rows in rows_of_kind.items() if any(row.text != row.name for row in rows)}
    for kind, rows in labels.items():
        text, times = Counter(row.text for row in rows).most_common(1)[0]
        if times > 1:
            raise UsageError(f'"{kind}" names {text} twice (from {ORIGIN}); keep one')
    trained = [row.federation for rows in labels.values() if all(row.federation for row in rows) for row in rows]
    if trained and "federation" not in rows_of_kind:
        labels["federation"] = tuple(map(Label.read, dict.fromkeys(trained)))
    return labels


def _check_split(suite: Suite, registry: Registry, layers: Layers) -> None:
    """Refuse a split that is neither a rule nor carried by the dataset."""
    accepted = (*RULES, *registry.get("dataset", suite.dataset, layers.where("dataset")).splits)
    for name in suite.grid.split:
        if name not in accepted:
            raise unknown("split", name, accepted, layers.where("grid.split"))


def _check_effect(suite: Suite, pinned: Mapping[str, frozenset[str]]) -> None:
    """Refuse a parameter on the command line of a method that is not in the run."""
    for method, parameters in pinned.items():
        kind, _, name = method.partition(".")
        values = getattr(suite.grid, kind)
        if name not in (*values, *suite.controls.of(kind, values)):
            raise UsageError(
                f'"{method}.{min(parameters)}" (from {ORIGIN}) has no effect: {name} is not in this run; add it: '
                f"{spoken(kind, [*values, name])}"
            )


def _in_full(parsed: list[Word]) -> list[Word]:
    """The words with the short ones (`bench.config.suite.SHORT`) as the keys they stand for.
    UsageError when both are given.
    """
    words_by_key = {word.key: word for word in parsed}
    for short, key in SHORT.items():
        if short in words_by_key and key in words_by_key:
            raise UsageError(
                f'"{key}" is given twice (from {ORIGIN}): "{words_by_key[short].text}" and "{words_by_key[key].text}"; keep one'
            )
    return [msgspec.structs.replace(word, key=SHORT.get(word.key, word.key)) for word in parsed]


def _check_options(suite: Suite, settings: Settings, registry: Registry) -> None:
    """Refuse an option of an executor that is for nothing in the run: `slurm.NAME.OPTION` is for
    the jobs of a method, of the dataset or of a device.
    """
    names = {suite.dataset, *DEVICES}
    for kind in COMPONENTS:
        values = getattr(suite.grid, kind)
        names |= {*values, *suite.controls.of(kind, values)}
    known = {spec.name for kind in ("dataset", *COMPONENTS) for spec in registry.specs(kind)}
    for table in TABLES:
        for key in getattr(settings, table):
            name = key.rpartition(".")[0]
            if name in known - names:
                raise UsageError(
                    f'"{table}.{key}" (from {ORIGIN}) has no effect: {name} is not in this run, which has: '
                    f"{', '.join(sorted(names))}"
                )
            if name and name not in names:
                raise unknown("method or device", name, names, f"{table}.{key}, {ORIGIN}")


def single(word: Word, kind: Any) -> Any:
    """The one value of a word, as text where its field holds nothing but text. UsageError when
    there are more or none.
    """
    if not word.values:
        raise UsageError(f'"{word.key}" is empty (from {ORIGIN}); give it a value or leave it out')
    if len(word.values) != 1:
        raise UsageError(f'"{word.key}" takes one value (from {ORIGIN}): "{word.text}"')
    return several(word, kind)[0]


def several(word: Word, kind: Any) -> list[Any]:
    """The values of a word, as text where its field holds nothing but text."""
    return list(word.texts if is_text(kind) else word.values)


def _check_head(word: Word, settings: Mapping[str, Any], registry: Registry, named: Collection[str]) -> None:
    """Refuse a word whose first part is nothing at all, before anything is read. named: methods
    that other words name, whose parameters are offered alone.
    """
    suite = [name for name in Suite.__struct_fields__ if name not in (*FIXED, "published")]
    known = [*settings, *NAMES, *(name for name in suite if name not in NAMES), "data.root"]
    head = word.key.partition(".")[0]
    if head not in known and word.key not in known:
        if keys := _ending(word.key, registry):
            raise _in_part(word, [key for key in keys if any(f".{name}." in key for name in named)] or keys)
        accepted = [*known, *SHORT]
        close = nearest(word.key, accepted) or nearest(head, accepted)
        raise UsageError(f'key "{word.key}" is not known (from {ORIGIN}); {close}accepted: {", ".join(known)}')
    if word.key in TABLES:
        raise UsageError(f'"{word.text}" (from {ORIGIN}) names no option; give for example {TABLES[word.key]}')
    if head in settings and head not in TABLES and word.key != head:
        raise UsageError(f'key "{word.key}" is not known (from {ORIGIN}); did you mean "{head}"?')


def _ending(key: str, registry: Registry) -> list[str]:
    """The dotted keys that end in this one."""
    methods = [(f"{kind}.{spec.name}", spec) for kind in COMPONENTS for spec in registry.specs(kind)]
    methods += [("data", spec) for spec in registry.specs("dataset")]
    keys = [f"{whose}.{name}" for whose, spec in methods for name in spec.params.__struct_fields__]
    return [each for each in dict.fromkeys([*_leaves(Suite, ""), *keys]) if each.endswith(f".{key}")]


def _leaves(struct: Any, prefix: str) -> Iterator[str]:
    """The dotted keys of a suite that are neither tables nor in free tables."""
    for name, kind in types_of(struct).items():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from _leaves(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


DEVICES = ("cpu", "cuda")
"""Devices whose jobs may have options of their own."""

TABLES = {"slurm": "slurm.partition=gpu", "ray": "ray.memory=8GiB"}
"""Settings that are tables of options of another program, each with an example."""


def _table(name: str, parsed: Sequence[Word]) -> dict[str, str]:
    """The options of a table, by their keys, with what stands behind the sign as it is."""
    return {w.key.partition(".")[2]: halves(w.text)[2] for w in parsed if w.key.partition(".")[0] == name}


MOST_KEYS = 6
"""Keys that a message offers at once."""


def _in_part(word: Word, keys: Sequence[str]) -> UsageError:
    """The error for a key of which only the last part was typed. keys: those that it may be."""
    value = halves(word.text)[2]
    more = f" or {len(keys) - MOST_KEYS} more" if len(keys) > MOST_KEYS else ""
    offered = " or ".join(f"{key}={value}" for key in keys[:MOST_KEYS])
    return UsageError(f'key "{word.key}" (from {ORIGIN}) is only the end of a key; give {offered}{more}')


def _branch(word: Word, dataset: str, path: Path, registry: Registry) -> tuple[dict[str, Any], str]:
    """The plain tree one word stands for, and the method (`kind.name`) it sets a parameter of,
    if any.
    """
    head, _, rest = word.key.partition(".")
    if word.key in NAMES:
        return {"grid": {word.key: several(word, int if word.key == "seed" else str)}}, ""
    if head in COMPONENTS:
        name = max((n for n in registry.names(head) if rest.startswith(n + ".")), key=len, default="")
        if not name:
            if keys := [key for key in _ending(rest, registry) if key.startswith(f"{head}.")]:
                raise _in_part(word, keys)
            guess = rest.rpartition(".")[0] or rest
            registry.get(head, guess, ORIGIN)
            raise UsageError(f'"{word.key}" (from {ORIGIN}) names no parameter; see: bench show {guess}')
        parameter = rest[len(name) + 1 :]
        known = types_of(registry.get(head, name).params)
        if parameter not in known:
            raise unknown("key", word.key, [f"{head}.{name}.{p}" for p in known], ORIGIN)
        values = several(word, known[parameter])
        value = values if len(values) != 1 or is_many(known[parameter]) else values[0]
        return {head: {name: {parameter: value}}}, f"{head}.{name}"
    if head == "data":
        known = types_of(registry.get("dataset", dataset, f"suite {path.name}").params)
        if rest not in known:
            raise unknown("key", word.key, ["data.root", *(f"data.{p}" for p in known)], ORIGIN)
        kind = known[rest]
        return {head: {rest: several(word, kind) if is_many(kind) else single(word, kind)}}, ""
    return _suite_branch(word), ""


def _suite_branch(word: Word) -> dict[str, Any]:
    kind: Any = Suite
    steps = word.key.split(".")
    for part in steps:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            known = types_of(kind)
            if part not in known:
                prefix = word.key[: -len(part)]
                raise unknown("key", word.key, [prefix + name for name in known], ORIGIN)
            kind = known[part]
        elif typing.get_origin(kind) is dict:
            kind = typing.get_args(kind)[1]
        else:
            raise UsageError(f'"{word.key}" (from {ORIGIN}): there is nothing inside "{word.key[: -len(part) - 1]}"')
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        inside = [f"{word.key}.{name}" for name in kind.__struct_fields__]
        raise UsageError(f'"{word.key}" (from {ORIGIN}) is a table; accepted: {", ".join(inside)}')
    value: Any = several(word, kind) if is_many(kind) else single(word, kind)
    inner, *outer = reversed(steps)
    laid: dict[str, Any] = {inner: value}
    for part in outer:
        laid = {part: laid}
    return laid


def _look_into_data(suite: Suite, root: str, settings: Settings, registry: Registry, layers: Layers) -> None:
    """The parameters of the dataset are accepted, and what only its files say is known. Raises
    DataError where these are not there.
    """
    dataset = registry.get("dataset", suite.dataset, layers.where("dataset"))
    params = convert(suite.data, dataset.params, "data", layers.where)
    if dataset.contents:
        registry.look_into(dataset, locate(dataset, params, root, settings.cache_folder()).root, params)


def _check_methods(suite: Suite, registry: Registry, layers: Layers) -> None:
    """Every method, task and modality the suite speaks of is known, before anything is planned."""
    where = layers.where
    dataset = registry.get("dataset", suite.dataset, where("dataset"))
    for axis in NAMES:
        values, origin = getattr(suite.grid, axis), where(f"grid.{axis}")
        if not values:
            raise UsageError(f'"{axis}" is empty (from {origin}); give it one value or more')
        value, times = Counter(values).most_common(1)[0]
        if times > 1:
            raise UsageError(f'"{axis}" names {value} twice (from {origin}); keep one')
    measured = {IMPUTATION: IMPUTATION_METRICS, **{name: task.metrics for name, task in dataset.tasks.items()}}
    for entry in suite.published:
        if entry.task not in measured:
            raise unknown("task", entry.task, measured, f"the published values of suite {suite.name}")
        metrics = measured[entry.task]
        if entry.metric not in metrics:
            raise unknown("metric", entry.metric, metrics, f"the published values of suite {suite.name}")
    for kind in COMPONENTS:
        for name in getattr(suite, kind):
            registry.get(kind, name, where(f"{kind}.{name}"))
        for table in ("grid", "controls"):
            for name in getattr(getattr(suite, table), kind, ()):
                registry.get(kind, name, where(f"{table}.{kind}"))
    for task in suite.grid.task:
        if task not in dataset.tasks:
            raise unknown("task", task, dataset.tasks, where("grid.task"))
    for name in suite.grid.modalities:
        if name not in suite.modalities and name != "all":
            sets, member = (
                sorted({*suite.modalities, "all"}),
                name if name in dataset.modalities else dataset.modalities[0],
            )
            own = f"modalities.mine={member} modalities=mine"
            hint = f"accepted: {', '.join(sets)}, or a set of your own: {own} (modalities: {', '.join(dataset.modalities)})"
            raise unknown("modality set", name, sets, where("grid.modalities"), hint)
    for name, members in suite.modalities.items():
        origin = where(f"modalities.{name}")
        for member in members:
            if member not in dataset.modalities:
                raise unknown("modality", member, dataset.modalities, origin)
            if members.count(member) > 1:
                raise UsageError(f'modality set "{name}" names {member} twice (from {origin}); keep one')
        if not members:
            raise UsageError(f'modality set "{name}" is empty (from {origin}); give it one modality or more')
