"""What a plugin may declare of a component: each declaration is checked at once, so that no run
fails of it hours later.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import msgspec

from bench.cohort import Task
from bench.config.conversion import convert
from bench.discovery.guard import value_line
from bench.discovery.lazy import PATH
from bench.discovery.spec import NOTE, NOTES, RANDOMNESS, TAGS, Contents, Embedder, Kind, Spec, is_amount
from bench.errors import BenchError, PluginError, nearest, unknown
from bench.presets import Presets
from bench.text.names import check

OF_A_FUSER = frozenset({"notes", "selects_by"})
OF_A_FEDERATION = frozenset({"refuses"})
OF_A_DATASET = frozenset(
    {
        "tasks", "modalities", "splits", "columns", "contents", "files", "release", "fetch", "fetch_name", "verify", "embed",
        "generate", "indifferent", "generate_params", "generated_records", "channels",
    }
)  # fmt: skip
OF = {"dataset": OF_A_DATASET, "fuser": OF_A_FUSER, "federation": OF_A_FEDERATION}
"""Kind -> the declarations that its components alone may make."""

LAZY = ("contents", "files", "release", "fetch", "verify", "generate", "refuses")
"""Declarations that are lazy paths, or empty."""

MINE = ("kind", "name", "path", "plugin")
"""Fields of a spec that are no declarations."""


class Refused(ValueError):
    """Why a declaration is not accepted, in words."""


def declared(kind: Kind, name: Any, path: Any, plugin: str, declarations: Mapping[str, Any]) -> Spec:
    """The component as it was declared. Raises PluginError, naming the plugin and the
    declaration, for what is not accepted.
    """
    if not isinstance(name, str):
        raise PluginError(f"the name of a {kind} of {plugin} must be text, got {value_line(name)}")
    check(kind, name, plugin, PluginError)
    try:
        return _spec(kind, name, path, plugin, dict(declarations))
    except Refused as error:
        raise PluginError(f'{kind} "{name}" of {plugin}: {error}') from None
    except BenchError as error:
        raise PluginError(str(error)) from None


def looked_into(spec: Spec, root: Path, params: Any) -> Spec:
    """A dataset with what its files in `root` have, where only they say it (`Spec.contents`);
    others as they are. Raises its own DataError, and PluginError as `filled` does.
    """
    return filled(spec, spec.call(spec.contents, root, params)) if spec.contents else spec


def filled(spec: Spec, contents: Any) -> Spec:
    """The dataset with the tasks, modalities, splits and columns that its files have. Raises
    PluginError, naming the plugin, for what no declaration could say.
    """
    try:
        if not isinstance(contents, Contents):
            raise Refused(f'"contents" must give a bench.registry.Contents, got {value_line(contents)}')
        full = replace(
            spec,
            tasks=_tasks(contents.tasks),
            modalities=_texts("modalities", contents.modalities),
            splits=_texts("splits", contents.splits),
            columns=_texts("columns", contents.columns),
        )
        for rule in (_names, _dataset):
            rule(full)
    except Refused as error:
        raise PluginError(f'dataset "{spec.name}" of {spec.plugin}: {error}') from None
    return full


def _spec(kind: Kind, name: str, path: Any, plugin: str, declarations: dict[str, Any]) -> Spec:
    known = [field.name for field in fields(Spec) if field.name not in MINE]
    for key in declarations:
        if key not in known:
            raise Refused(f'"{key}" is no declaration; {nearest(key, known)}accepted: {", ".join(_for(kind, known))}')
        if key not in _for(kind, known):
            whose = next(kind for kind, own in OF.items() if key in own)
            raise Refused(f'"{key}" is a declaration of {whose}s alone')
    _lazy("path", path)
    for key in (
        "tags",
        "modalities",
        "splits",
        "columns",
        "indifferent",
        "generate_params",
        "selects_by",
        "without_noise",
    ):
        if key in declarations:
            declarations[key] = _texts(key, declarations[key])
    declarations["tags"] = frozenset(declarations.get("tags", ()))
    if "tasks" in declarations:
        declarations["tasks"] = _tasks(declarations["tasks"])
    spec = Spec(kind=kind, name=name, path=path, plugin=plugin, **declarations)
    for rule in (_plain, _tags, _params, _presets, _names, _dataset, _notes):
        rule(spec)
    return spec


def _for(kind: str, known: Iterable[str]) -> list[str]:
    """The declarations that a component of this kind may make."""
    others = {key for owner, own in OF.items() if owner != kind for key in own}
    return [key for key in known if key not in others]


def _plain(spec: Spec) -> None:
    """Texts are texts, numbers are numbers, and functions can be called."""
    for key in ("version", "summary", "paper", "fetch_name"):
        if not isinstance(getattr(spec, key), str):
            raise Refused(f'"{key}" must be text, got {value_line(getattr(spec, key))}')
    for key in LAZY:
        if getattr(spec, key) != "":
            _lazy(f'"{key}"', getattr(spec, key))
    if spec.randomness not in RANDOMNESS:
        raise Refused(f'"randomness" must be one of {", ".join(RANDOMNESS)}, got {value_line(spec.randomness)}')
    seconds = spec.seconds
    if not callable(seconds) and not is_amount(seconds):
        raise Refused(f'"seconds" must be a number from 0, or a function, got {value_line(seconds)}')
    if callable(seconds):
        _takes("seconds", seconds, "parameters", "work")
    for key in ("generated_records", "channels"):
        if (function := getattr(spec, key)) is not None:
            if not callable(function):
                raise Refused(f'"{key}" must be a function, got {value_line(function)}')
            _takes(key, function, "parameters")
    for check_name, reason in _table("expected_failures", spec.expected_failures).items():
        if not isinstance(reason, str) or not reason:
            raise Refused(f'"expected_failures" must give a reason for {check_name}, got {value_line(reason)}')


def _takes(key: str, function: Callable[..., Any], *arguments: str) -> None:
    """Refuse a function that cannot be called with these arguments; one that does not tell what
    it takes is believed.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        raise Refused(f'"{key}" must be a function of ({", ".join(arguments)}), got one of {signature}') from None


def _tags(spec: Spec) -> None:
    for tag in sorted(spec.tags):
        if tag not in TAGS:
            raise unknown("tag", tag, TAGS, f"{spec.kind} {spec.name} of {spec.plugin}")
        of, colon, _ = TAGS[tag].partition(":")
        if colon and of != spec.kind:
            raise Refused(f'the tag "{tag}" is for a {of}')


def _params(spec: Spec) -> None:
    """The parameters are a frozen struct with defaults, and every value that is declared of them
    is accepted by it.
    """
    _struct("params", spec.params)
    try:
        defaults = msgspec.to_builtins(spec.params())
    except (TypeError, ValueError) as error:
        raise Refused(f'"params" must have a default for every field: {error}') from None
    origin = f"{spec.kind} {spec.name} of {spec.plugin}"
    convert(defaults, spec.params, "default", origin)
    convert({**defaults, **_table("test_params", spec.test_params)}, spec.params, "test_params", origin)
    for name, values in _table("space", spec.space).items():
        if not isinstance(values, tuple | list) or not values:
            raise Refused(f'"space" must give a tuple of values for {name}, got {value_line(values)}')
        for value in values:
            convert({name: value}, spec.params, "space", origin)


def _presets(spec: Spec) -> None:
    """The parameter that names a preset accepts each of them; what they decide is null by
    default, or no parameter.
    """
    presets = spec.presets
    if presets is None:
        return
    if not isinstance(presets, Presets):
        raise Refused(f'"presets" must be a bench.presets.Presets, got {value_line(presets)}')
    defaults = msgspec.structs.asdict(spec.params())
    if (default := defaults.get(presets.parameter)) not in presets:
        raise Refused(f'the default of "{presets.parameter}" must be one of the presets, got {value_line(default)}')
    for name, choice in presets.items():
        convert({presets.parameter: name}, spec.params, "presets", f"{spec.kind} {spec.name} of {spec.plugin}")
        if not isinstance(choice, msgspec.Struct):
            raise Refused(f"the preset {name} must be a msgspec.Struct, got {value_line(choice)}")
        for field in choice.__struct_fields__:
            if defaults.get(field) is not None:
                raise Refused(f"{field} must be null by default, since presets decide it")


def _names(spec: Spec) -> None:
    known = spec.params.__struct_fields__
    for key in ("generate_params", "indifferent"):
        if stray := [name for name in getattr(spec, key) if name not in known]:
            raise Refused(f"{key} names no parameter: {', '.join(stray)}")
    origin = f"dataset {spec.name} of {spec.plugin}"
    for kind, members in (
        ("task", spec.tasks), ("modality", spec.modalities), ("split", spec.splits), ("column", spec.columns),
    ):  # fmt: skip
        for member in members:
            check(kind, member, origin, PluginError)
        if twice := [member for member in members if list(members).count(member) > 1]:
            raise Refused(f"{kind} {twice[0]} is named twice")
    if stray := [name for name in spec.without_noise if name not in ("buffer", "own")]:
        raise Refused(f'"without_noise" names no group that noise may not cover: {stray[0]}; accepted: buffer, own')
    if spec.without_noise and "learner" not in spec.tags:
        raise Refused('"without_noise" is a declaration of components tagged learner alone')
    if spec.fetch_name:
        check("download", spec.fetch_name, origin, PluginError)


def _dataset(spec: Spec) -> None:
    if spec.splits and "uses_split" in spec.tags:
        raise Refused("what learns while preparing cannot carry splits of its own")
    if spec.contents and (spec.generate or spec.fetch):
        raise Refused('"contents" asks files, which must be there: it cannot stand beside "generate" or "fetch"')
    for modality, embedder in _table("embed", spec.embed).items():
        if modality not in spec.modalities:
            raise Refused(f'"embed" speaks of {modality}, which is none of its modalities')
        if not isinstance(embedder, Embedder):
            raise Refused(f'"embed" must give an Embedder for {modality}, got {value_line(embedder)}')
        _lazy(f'"embed" of {modality}', embedder.path)
        _struct(f"embed of {modality}", embedder.params)


def _notes(spec: Spec) -> None:
    for note, values in _table("notes", spec.notes).items():
        plain = NOTES.keys() if isinstance(values, str) else None
        words = isinstance(values, tuple) and values and all(isinstance(word, str) for word in values)
        if not NOTE.fullmatch(note) or not (values in plain if plain is not None else words):
            raise Refused(
                f"the note {value_line(note)} must be a few plain words and hold one of {', '.join(NOTES)}, or a tuple of words"
            )


def _tasks(value: Any) -> dict[str, Task]:
    tasks: dict[str, Task] = {}
    for task in _several("tasks", value, "bench.cohort.Task"):
        if not isinstance(task, Task):
            raise Refused(f"a task must be a bench.cohort.Task, got {value_line(task)}")
        try:
            msgspec.convert(msgspec.to_builtins(task), Task)
        except (msgspec.ValidationError, TypeError, ValueError) as error:
            raise Refused(f"task {value_line(task.name)} is not accepted: {error}") from None
        if task.name in tasks:
            raise Refused(f"task {task.name} is named twice")
        if not task.metrics:
            raise Refused(f"task {task.name} has no metric")
        if len(set(task.metrics)) != len(task.metrics):
            raise Refused(f"task {task.name} has a metric twice")
        least, most = {"binary": (1, 1), "multiclass": (2, math.inf)}.get(task.kind, (1, math.inf))
        if not least <= task.outputs <= most:
            wanted = "1" if most == 1 else f"{least} or more"
            raise Refused(f"task {task.name} is {task.kind} and needs outputs={wanted}, got {task.outputs}")
        tasks[task.name] = task
    return tasks


def _several(key: str, value: Any, what: str) -> Collection[Any]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise Refused(f'"{key}" must be a tuple of {what}, got {value_line(value)}')
    return list(value)


def _texts(key: str, value: Any) -> tuple[str, ...]:
    for each in (several := _several(key, value, "texts")):
        if not isinstance(each, str):
            raise Refused(f'"{key}" must be a tuple of texts, got {value_line(each)} in it')
    return tuple(several)


def _table(key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise Refused(f'"{key}" must be a table with texts for keys, got {value_line(value)}')
    return value


def _lazy(what: str, path: Any) -> None:
    if not isinstance(path, str) or not PATH.fullmatch(path):
        raise Refused(f"the {what} must read module:attribute, got {value_line(path)}")


def _struct(what: str, params: Any) -> None:
    if not (isinstance(params, type) and issubclass(params, msgspec.Struct) and params.__struct_config__.frozen):
        raise Refused(f'"{what}" must be a frozen msgspec.Struct, got {value_line(params)}')
