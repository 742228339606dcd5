"""In what a run differs from the suite it names, and from that suite's profile: what every output
says in its first lines.

Every key of the suite is compared, except those in `SHOWN`: their effect stands in every output
anyway, or they have none. So a new key is compared unless it is listed there with the reason. A
suite file with the name of an installed suite is compared with that one, whatever edited it, by all
keys except those in `SILENT`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from bench.config.conversion import types_of
from bench.config.layers import PROFILE, Layers, find_suites, read, resolve
from bench.config.suite import Suite
from bench.config.words import in_ranges, merge
from bench.grid.axes import AXES, COMPONENTS
from bench.grid.identity import digest
from bench.grid.variants import short
from bench.registry import Registry
from bench.results.records import Override

SHOWN: Mapping[str, str] = {
    "name": "neither a profile nor the command line may set it",
    "profiles": "neither a profile nor the command line may set it",
    "published": "the command line cannot set it",
    "summary": "stands in no output",
    **{f"grid.{axis.name}": f"every {axis.place} says it" for axis in AXES if axis.place != "repeat"},
    **dict.fromkeys(COMPONENTS, "what the command line sets of one stands in its label"),
    "weights.files": "the label of an imputer that was not fitted says of which weights it is",
    "limits": "a cell that was stopped says so in its row, and no other changes",
    "stats.metrics": "the tables show them",
}
"""Key of the suite, or the table it is in -> why it is not compared."""

SILENT: Mapping[str, str] = {
    "name": "the suite it is compared with has the same",
    "profiles": "the chosen one is compared by what it sets",
    "published_file": "compared by what it holds, together with the values in the suite itself",
    "summary": "stands in no output",
    "limits": "a cell that was stopped says so in its row, and no other changes",
    "stats.metrics": "the tables show them",
}
"""The same for a suite file that bears the name of an installed suite: nothing that it sets
stands in a label.
"""

ELSEWHERE = ("grid.",)
"""Keys that are named, but decide neither the name of a file nor whether runs can be compared. They
say which seeds were run, since runs are compared seed by seed or by their means, and which split,
which has its own place in both.
"""

UNSET = "not set"
NONE = "nothing"


def differences(suite: Suite, layers: Layers, registry: Registry) -> tuple[Override, ...]:
    """The keys of `suite`, made of `layers`, that are not as its file and its profile have them, by
    name.

    Where the file has the name of an installed suite, but says anything else, those that are not as
    that suite has them. What the file lacks though a suite needs it (a seed, say) is no difference:
    the command line completes it. Raises UsageError where file and profile alone make no suite.
    """
    path = find_suites().get(suite.name)
    if path and not path.samefile(layers.path) and (from_shipped := _from_shipped(suite, layers, registry)):
        return from_shipped
    file, _, overrides = layers.layers
    if not overrides:
        return ()
    before, after = _leaves(_own(file, layers, overrides), registry), _leaves(suite, registry)
    return tuple(override for override in _compared(before, after) if not is_shown(override.key))


def _own(file: Mapping[str, Any], layers: Layers, overrides: Mapping[str, Any]) -> Suite:
    """What file and profile say, completed by what of `overrides` stands for a key that a suite
    needs.
    """
    whole = Layers(file, layers.path, layers.profile, {}).whole()
    return resolve(Layers(file, layers.path, layers.profile, _completing(Suite, whole, overrides)))


def _from_shipped(suite: Suite, layers: Layers, registry: Registry) -> tuple[Override, ...]:
    """The keys that are not as the installed suite of that name has them; empty where both files
    say the same.

    What the command line says of methods stands in labels, as in a run of the installed suite, so
    it is laid over that too.
    """
    file, path = read(suite.name)
    overrides = layers.layers[2]
    profile = layers.profile if layers.profile in file.get("profiles", {}) else PROFILE
    shipped = Layers(file, path, profile, {})
    here, there = _own(layers.layers[0], layers, overrides), _own(file, shipped, overrides)
    methods = {kind: getattr(here, kind).keys() | getattr(there, kind).keys() for kind in COMPONENTS}
    named = [] if profile == layers.profile else [Override("profile", layers.profile, UNSET, suite.name)]
    if not named and not _compared(_all_leaves(here, registry, methods), _all_leaves(there, registry, methods)):
        return ()
    shown = {key: value for key, value in overrides.items() if is_shown(key)}
    if "grid" in overrides:
        shown["grid"] = {key: value for key, value in overrides["grid"].items() if is_shown(f"grid.{key}")}
    if files := overrides.get("weights", {}).get("files"):
        shown["weights"] = {"files": files}
    laid = resolve(Layers(file, path, profile, merge(_completing(Suite, shipped.whole(), overrides), shown)))
    before, after = _all_leaves(laid, registry, methods), _all_leaves(suite, registry, methods)
    return (*named, *_compared(before, after, suite.name))


def _all_leaves(suite: Suite, registry: Registry, methods: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """Dotted key -> value of everything that is compared with an installed suite; methods, kind
    -> names, with defaults.
    """
    leaves = {
        key: value
        for key, value in _leaves(suite, registry).items()
        if not any(key == silent or key.startswith(f"{silent}.") for silent in SILENT)
    }
    for kind, names in methods.items():
        for name in names:
            if name in registry.names(kind):
                defaults = msgspec.to_builtins(registry.get(kind, name).parameters({}))
                leaves = dict(_flat(defaults, f"{kind}.{name}.")) | leaves
    if suite.published:
        several = f"{len(suite.published)} value{'s' * (len(suite.published) > 1)}"
        leaves["published"] = f"{several} (digest {digest(msgspec.to_builtins(suite.published))[:6]})"
    return leaves


def _compared(before: Mapping[str, Any], after: Mapping[str, Any], shipped: str = "") -> list[Override]:
    """The keys whose values are not the same, by name."""
    changed = {key for key in before.keys() | after.keys() if before.get(key, UNSET) != after.get(key, UNSET)}
    return [Override(key, _text(after.get(key)), _text(before.get(key)), shipped) for key in sorted(changed)]


def is_shown(key: str) -> bool:
    """Whether a dotted key of a suite is one of `SHOWN`."""
    return any(key == shown or key.startswith(f"{shown}.") for shown in SHOWN)


def sentence(overrides: Iterable[Override]) -> str:
    """In words, on one line; empty where nothing differs."""
    keys_of_file: dict[str, list[str]] = {}
    for o in overrides:
        whose = f"the shipped suite {o.shipped}" if o.shipped else "the suite"
        keys_of_file.setdefault(whose, []).append(
            f"{o.key} = {_short(o.value)} ({'shipped' if o.shipped else 'suite'}: {_short(o.suite)})"
        )
    line = "; ".join(f"differs from {whose}: {'; '.join(keys)}" for whose, keys in keys_of_file.items())
    return "".join(character if character.isprintable() else " " for character in line)


def _short(value: str) -> str:
    return ", ".join(in_ranges(value.split(", ")))


def deciding(overrides: Iterable[Override]) -> tuple[Override, ...]:
    """Those that make it another table than the suite's: a file of its own, and nothing to
    compare the suite's runs with.
    """
    return tuple(o for o in overrides if not o.key.startswith(ELSEWHERE))


def suffix(overrides: Iterable[Override]) -> str:
    """What the name of a file ends in, so that such a table never replaces the suite's own;
    empty where nothing is decided.
    """
    decisive = deciding(overrides)
    named = [[o.key, o.value, o.suite, *([o.shipped] if o.shipped else [])] for o in decisive]
    return f"differs-{digest(named)[:6]}" if decisive else ""


def _completing(struct: type[msgspec.Struct], whole: Any, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """What of `overrides` stands for a required key that `whole` lacks."""
    needed: dict[str, Any] = {}
    for field, kind in zip(msgspec.structs.fields(struct), types_of(struct).values(), strict=True):
        value = overrides.get(field.name)
        has = isinstance(whole, Mapping) and field.name in whole
        if isinstance(value, Mapping) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if inside := _completing(kind, whole[field.name] if has else {}, value):
                needed[field.name] = inside
        elif field.required and not has and field.name in overrides:
            needed[field.name] = value
    return needed


def _leaves(suite: Suite, registry: Registry) -> dict[str, Any]:
    """Dotted key -> value of everything a suite says; of its data with the defaults of the
    dataset.
    """
    dataset = registry.get("dataset", suite.dataset)
    data = msgspec.to_builtins(dataset.parameters(suite.data, f"suite {suite.name}"))
    data = {key: value for key, value in data.items() if key not in dataset.indifferent}
    return dict(_flat({**msgspec.to_builtins(msgspec.structs.replace(suite, published=())), "data": data}))


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _text(value: Any) -> str:
    """A value on one line; of an absolute path only what it leads to, since tables are shared."""
    if value is None:
        return UNSET
    if isinstance(value, list | tuple):
        return ", ".join(_text(each) for each in value) or NONE
    if isinstance(value, bool):
        return str(value).lower()
    return short(value) or NONE
