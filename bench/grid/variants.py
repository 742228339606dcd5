"""Variants: a method with one set of parameters. Lists of values of one parameter are sweeps."""

from __future__ import annotations

import itertools
import math
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from bench.config.command import Variant
from bench.config.conversion import convert, is_many, is_null
from bench.config.suite import Suite
from bench.config.training import BUDGETS
from bench.errors import UsageError
from bench.files import is_path
from bench.grid.identity import digest
from bench.registry import Registry

ALSO = "also"
"""Of a method's table in a suite: further rows, each a table of the parameters in which it
differs.
"""


MOST_ROWS = 1_000
"""Variants of one axis."""

_AT_MOST = f"at most {MOST_ROWS:,} are accepted"


Origin = Callable[[str], str]
"""Dotted key -> where it was written."""


def variants(
    kind: str, suite: Suite, pinned: Mapping[str, Collection[str]], origin: Origin, registry: Registry
) -> tuple[Variant, ...]:
    """The values of one axis of components: what the suite names in its order, then the controls it
    does not name.

    Parameter lists are sweeps, in the order of the parameters' names, whatever order they were
    written in. pinned: `kind.name` -> parameters set on the command line, which labels show. Raises
    UsageError for a parameter that is not known or not accepted, and for a value given twice, also
    of a method that is not in the grid. It says where it was written.
    """
    controls = suite.controls.of(kind, getattr(suite.grid, kind))
    named = list(dict.fromkeys([*getattr(suite.grid, kind), *controls]))
    rows = {
        name: _rows(kind, name, suite, pinned.get(f"{kind}.{name}", ()), origin, registry)
        for name in [*named, *(other for other in getattr(suite, kind) if other not in named)]
    }
    if (number := sum(len(rows[name]) for name in named)) > MOST_ROWS:
        raise UsageError(f"the axis {kind} has {number:,} rows (from {origin(f'grid.{kind}')}); {_AT_MOST}")
    return tuple(msgspec.structs.replace(row, control=name in controls) for name in named for row in rows[name])


def _rows(
    kind: str, name: str, suite: Suite, pinned: Collection[str], origin: Origin, registry: Registry
) -> list[Variant]:
    """The variants of one method."""
    rows: list[Variant] = []
    spec = registry.get(kind, name)
    prefix = f"{kind}.{name}"
    written: Mapping[str, Any] = getattr(suite, kind).get(name, {})
    training = suite.training.of(kind)
    own = [key for key, value in written.items() if not is_null(value)]
    shared = training.shared(own) if training and issubclass(spec.params, training.takes) else {}
    exempt = shared.keys() & written.keys()
    written = {**shared, **written}
    types_of = {f.name: f.type for f in msgspec.structs.fields(spec.params)}
    wanted = {key: _in_label(type_) for key, type_ in types_of.items()}
    wanted |= {key: key in exempt for key in shared if wanted[key] != "always"}  # what all were given stands in a note

    for block, swept, further in _blocks(written, types_of, prefix, origin):
        where = _origin(origin, prefix, further)
        axes = {key: block[key] if key in swept else [block[key]] for key in sorted(block)}
        _check_values(axes, prefix, where)
        written_too = [k for k in axes if len(axes[k]) > 1 or k in pinned or k in further or wanted.get(k)]
        shown = sorted({*written_too, *(key for key, word in wanted.items() if word == "always")})
        if (number := len(rows) + math.prod(map(len, axes.values()))) > MOST_ROWS:
            raise UsageError(f"{kind} {name} has {number:,} rows (from {where(prefix)}); {_AT_MOST}")
        for combination in itertools.product(*axes.values()):
            params = dict(zip(axes, combination, strict=True))
            if any(params.get(key) for key in BUDGETS):  # takes the place of one that is a default
                params |= {key: None for key in BUDGETS & types_of.keys() - params.keys()}
            typed = msgspec.to_builtins(convert(params, spec.params, prefix, where))
            inside = ", ".join(f"{key}={short(params.get(key, typed[key]), axes.get(key, ()))}" for key in shown)
            rows.append(Variant(kind, name, f"{name}({inside})" if inside else name, typed))
    labels = [row.label for row in rows]
    if twice := next((label for label in labels if labels.count(label) > 1), ""):
        also = f"{prefix}.{ALSO}"
        raise UsageError(f'"{also}" makes the row {twice} a second time (from {origin(also)})')
    return rows


def _origin(origin: Origin, prefix: str, further: Collection[str]) -> Origin:
    """Where a parameter of a row was written. further: those that a row of `ALSO` wrote."""

    def where(dotted: str) -> str:
        key = dotted.partition("[")[0]
        return origin(f"{prefix}.{ALSO}" if key.removeprefix(f"{prefix}.") in further else key)

    return where


def _blocks(
    written: Mapping[str, Any], types_of: Mapping[str, Any], prefix: str, origin: Origin
) -> Iterator[tuple[dict[str, Any], set[str], Collection[str]]]:
    """What is written of a method, and each row of its `ALSO` over what of it is no sweep. Each is:
    parameters, those of them that are sweeps, those that the row wrote. A budget that the row
    writes takes the place of any other.
    """

    def sweeps(table: Mapping[str, Any]) -> set[str]:
        return {key for key, value in table.items() if isinstance(value, list) and not is_many(types_of.get(key))}

    own = {key: value for key, value in written.items() if key != ALSO}
    yield own, sweeps(own), ()
    also = written.get(ALSO, [])
    if not isinstance(also, list) or not all(isinstance(row, Mapping) and row for row in also):
        dotted = f"{prefix}.{ALSO}"
        raise UsageError(
            f'"{dotted}" (from {origin(dotted)}) is a list of tables, each the parameters of a further row: '
            f"{ALSO} = [{{ NAME = VALUE }}]"
        )
    for row in also:
        without = sweeps(own) | (BUDGETS if BUDGETS & row.keys() else set())
        block = {**{key: value for key, value in own.items() if key not in without}, **row}
        yield block, sweeps(block), row.keys()


def _check_values(axes: Mapping[str, list[Any]], prefix: str, where: Origin) -> None:
    """Every parameter has a value, and none of a sweep stands there twice."""
    for key, values in axes.items():
        dotted = f"{prefix}.{key}"
        if not values:
            raise UsageError(f'"{dotted}" is empty (from {where(dotted)}); give it one value or more')
        for value in values:
            if values.count(value) > 1:
                raise UsageError(f'"{dotted}" names {value} twice (from {where(dotted)}); keep one')


def _in_label(kind: Any) -> bool | str:
    """What a parameter's type says of its place in labels, `msgspec.Meta(extra={"in_label": ...})`.

    True: shown in every label where it was written, also in a suite file alone; "always": by
    default too. Else False.
    """
    metas = [meta for meta in typing.get_args(kind) if isinstance(meta, msgspec.Meta)]
    return next((word for meta in metas if (word := (meta.extra or {}).get("in_label"))), False)


def short(value: Any, among: Sequence[Any] = ()) -> str:
    """A value as it stands in a label: two values that differ never look the same.

    Labels are in tables that are shared, so only the last part of an absolute path is shown. Where
    another one of `among`, the values of the sweep, ends in the same name, some digits of the
    path's hash stand with it.
    """
    if isinstance(value, str) and is_path(value):
        name = _leads_to(value)
        same = [v for v in among if isinstance(v, str) and is_path(v) and _leads_to(v) == name]
        return f"{name}#{digest(value)[:6]}" if len(same) > 1 else name
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, list | tuple):
        return "+".join(short(part, value) for part in value)
    return str(value)


def _leads_to(path: str) -> str:
    """The last part of a path of either kind."""
    return ".../" + path.replace("\\", "/").rstrip("/").rpartition("/")[2]
