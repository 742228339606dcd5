"""In what a run differs from the suite it names, and from that suite's profile: what every output says in its first lines.

Every key of the suite is compared, but for those in `SHOWN`, whose effect stands in every output anyway, or which have none.
So a key that is new is compared unless somebody writes down why it need not be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from bench.identity import digest
from bench.records import Override
from bench.registry import Registry
from bench.suite import Layers, Suite, resolve
from bench.variants import short

SHOWN: Mapping[str, str] = {
    "name": "neither a profile nor the command line may set it",
    "profiles": "neither a profile nor the command line may set it",
    "published": "the command line cannot set it",
    "summary": "stands in no output",
    "grid.task": "every table says its task",
    "grid.modalities": "every table says its modality set",
    "grid.scenario": "every table says its scenario",
    "grid.imputer": "every row says its imputer, and controls are a key of their own",
    "grid.fuser": "every row says its fuser, and controls are a key of their own",
    "scenario": "what the command line sets of one stands in its label",
    "imputer": "what the command line sets of one stands in its label",
    "fuser": "what the command line sets of one stands in its label",
    "weights.files": "the label of an imputer that was not fitted says of which weights it is",
    "limits": "a cell that was stopped says so in its row, and no other changes",
}
"""Key of the suite, or the table it is in -> why it is not compared."""

ELSEWHERE = ("grid.", "split.by")
"""Keys that are named, but decide neither the name of a file nor whether runs can be compared: which seeds were run, since
runs are compared seed by seed or by their means; and the rule of the split, which has its own place in both.
"""

UNSET = "not set"
NONE = "nothing"


def differences(suite: Suite, layers: Layers, registry: Registry) -> tuple[Override, ...]:
    """The keys of `suite`, made of `layers`, that are not as its file and its profile have them, by name.

    What the file lacks though a suite needs it (a seed, say) is no difference: the command line completes it. Raises
    UsageError where file and profile alone make no suite.
    """
    file, _, overrides = layers.layers
    if not overrides:
        return ()
    completed = _completing(Suite, Layers(file, layers.path, layers.profile, {}).whole(), overrides)
    own = resolve(Layers(file, layers.path, layers.profile, completed))
    before, after = _leaves(own, registry), _leaves(suite, registry)
    changed = {key for key in before.keys() | after.keys() if before.get(key, UNSET) != after.get(key, UNSET)}
    return tuple(
        Override(key, _text(after.get(key)), _text(before.get(key))) for key in sorted(changed) if not is_shown(key)
    )


def is_shown(key: str) -> bool:
    """Whether a dotted key of a suite is one of `SHOWN`."""
    return any(key == shown or key.startswith(f"{shown}.") for shown in SHOWN)


def sentence(overrides: Iterable[Override]) -> str:
    """In words, on one line; empty where nothing differs."""
    keys = "; ".join(f"{o.key} = {o.value} (suite: {o.suite})" for o in overrides)
    line = "".join(character if character.isprintable() else " " for character in keys)
    return f"differs from the suite: {line}" if line else ""


def deciding(overrides: Iterable[Override]) -> tuple[Override, ...]:
    """Those that make it another table than the suite's: a file of its own, and nothing to compare the suite's runs with."""
    return tuple(o for o in overrides if not o.key.startswith(ELSEWHERE))


def suffix(overrides: Iterable[Override]) -> str:
    """What the name of a file ends in, so that such a table never replaces the suite's own; empty where nothing is decided."""
    found = deciding(overrides)
    return f"differs-{digest([msgspec.structs.astuple(o) for o in found])[:6]}" if found else ""


def _completing(struct: type[msgspec.Struct], whole: Any, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """What of `overrides` stands for a required key that `whole` lacks."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        value = overrides.get(field.name)
        has = isinstance(whole, Mapping) and field.name in whole
        if isinstance(value, Mapping) and isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            found |= (
                {field.name: inside}
                if (inside := _completing(field.type, whole[field.name] if has else {}, value))
                else {}
            )
        elif field.required and not has and field.name in overrides:
            found[field.name] = value
    return found


def _leaves(suite: Suite, registry: Registry) -> dict[str, Any]:
    """Dotted key -> value of everything a suite says; of its data with the defaults of the dataset."""
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
