"""Variants: a method with one set of parameters. Lists of values of one parameter are sweeps."""

from __future__ import annotations

import itertools
import math
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from bench.config.command import Variant
from bench.config.conversion import convert, is_many, is_null, is_text
from bench.config.suite import Suite
from bench.config.training import BUDGETS
from bench.config.words import ORIGIN, scalar
from bench.errors import UsageError
from bench.files import is_path
from bench.grid.identity import digest
from bench.grid.matching_rows import Label
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
    kind: str,
    suite: Suite,
    pinned: Mapping[str, Collection[str]],
    origin: Origin,
    registry: Registry,
    labels: Sequence[Label] = (),
) -> tuple[Variant, ...]:
    """The values of one axis of components: what the suite names in its order, then the controls it
    does not name.

    Parameter lists are sweeps, in the order of the parameters' names, whatever order they were
    written in. Raises UsageError for a parameter that is not known or not accepted, and for a value
    given twice, also of a method that is not in the grid. It says where it was written.

    pinned: `kind.name` -> parameters set on the command line, which labels show.
    labels: those that words ask for. One that no row has, and whose brackets hold nothing but
            parameters, makes a row of these.
    """
    controls = suite.controls.of(kind, getattr(suite.grid, kind))
    named = list(dict.fromkeys([*getattr(suite.grid, kind), *controls]))
    methods = [*named, *(other for other in getattr(suite, kind) if other not in named)]
    rows: dict[str, list[Variant]] = {}
    for name in methods:
        method = _Method(kind, name, suite, pinned.get(f"{kind}.{name}", ()), origin, registry)
        rows[name] = method.rows()
        for label in labels:
            if label.name == name and not label.among(row.label for row in rows[name]):
                rows[name] += method.read(label)
    if (number := sum(len(rows[name]) for name in named)) > MOST_ROWS:
        raise UsageError(f"the axis {kind} has {number:,} rows (from {origin(f'grid.{kind}')}); {_AT_MOST}")
    return tuple(msgspec.structs.replace(row, control=name in controls) for name in named for row in rows[name])


class _Method:
    """A method as the suite has it, of which its variants are made."""

    def __init__(self, kind: str, name: str, suite: Suite, pinned: Collection[str], origin: Origin, registry: Registry):
        self.kind, self.name, self.pinned, self.origin = kind, name, pinned, origin
        self.spec = registry.get(kind, name)
        self.prefix = f"{kind}.{name}"
        written: Mapping[str, Any] = getattr(suite, kind).get(name, {})
        training = suite.training.of(kind)
        own = [key for key, value in written.items() if not is_null(value)]
        shared = training.shared(own) if training and issubclass(self.spec.params, training.takes) else {}
        exempt = shared.keys() & written.keys()
        self.written = {**shared, **written}
        self.types_of = {f.name: f.type for f in msgspec.structs.fields(self.spec.params)}
        in_label = {key: _in_label(type_) for key, type_ in self.types_of.items()}
        # What all were given stands in a note.
        in_label |= {key: key in exempt for key in shared if in_label[key] != "always"}
        self.in_label = in_label

    def rows(self) -> list[Variant]:
        """Its variants."""
        rows: list[Variant] = []
        for block in _blocks(self.written, self.types_of, self.prefix, self.origin):
            rows += self._of(block, _origin(self.origin, self.prefix, block.further), len(rows))
        labels = [row.label for row in rows]
        if twice := next((label for label in labels if labels.count(label) > 1), ""):
            also = f"{self.prefix}.{ALSO}"
            raise UsageError(f'"{also}" makes the row {twice} a second time (from {self.origin(also)})')
        return rows

    def read(self, label: Label) -> list[Variant]:
        """The row of a label whose brackets hold parameters; none where they hold anything else.
        Raises UsageError where a row of these parameters has another label.
        """
        texts = label.parameters()
        if texts is None:
            return []
        values = {key: _value(text, self.types_of.get(key)) for key, text in texts.items()}
        block = _over(self.written, values, self.types_of)
        (row,) = self._of(block, lambda dotted: ORIGIN)
        if not label.among([row.label]):
            raise UsageError(
                f'{self.kind} "{label.text}" (from {ORIGIN}) is no row of this run; with these parameters its label is '
                f"{row.label}"
            )
        return [row]

    def _of(self, block: Block, where: Origin, before: int = 0) -> list[Variant]:
        """The variants of one block. before: how many there are already."""
        values, swept, further = block
        axes = {key: values[key] if key in swept else [values[key]] for key in sorted(values)}
        _check_values(axes, self.prefix, where)
        written_too = [k for k in axes if len(axes[k]) > 1 or k in self.pinned or k in further or self.in_label.get(k)]
        shown = sorted({*written_too, *(key for key, word in self.in_label.items() if word == "always")})
        if (number := before + math.prod(map(len, axes.values()))) > MOST_ROWS:
            raise UsageError(f"{self.kind} {self.name} has {number:,} rows (from {where(self.prefix)}); {_AT_MOST}")
        rows = []
        for combination in itertools.product(*axes.values()):
            params = dict(zip(axes, combination, strict=True))
            if any(params.get(key) for key in BUDGETS):  # takes the place of one that is a default
                params |= {key: None for key in BUDGETS & self.types_of.keys() - params.keys()}
            typed = msgspec.to_builtins(convert(params, self.spec.params, self.prefix, where))
            inside = ", ".join(f"{key}={short(params.get(key, typed[key]), axes.get(key, ()))}" for key in shown)
            rows.append(Variant(self.kind, self.name, f"{self.name}({inside})" if inside else self.name, typed))
        return rows


class Block(NamedTuple):
    """Parameters that make rows: their values, those of them that are sweeps, and those that were
    written for these rows alone.
    """

    values: dict[str, Any]
    swept: Collection[str]
    further: Collection[str]


def _origin(origin: Origin, prefix: str, further: Collection[str]) -> Origin:
    """Where a parameter of a row was written. further: those that a row of `ALSO` wrote."""

    def where(dotted: str) -> str:
        key = dotted.partition("[")[0]
        return origin(f"{prefix}.{ALSO}" if key.removeprefix(f"{prefix}.") in further else key)

    return where


def _blocks(written: Mapping[str, Any], types_of: Mapping[str, Any], prefix: str, origin: Origin) -> Iterator[Block]:
    """What is written of a method, and each row of its `ALSO` over what of it is no sweep."""
    own = {key: value for key, value in written.items() if key != ALSO}
    yield Block(own, _sweeps(own, types_of), ())
    also = written.get(ALSO, [])
    if not isinstance(also, list) or not all(isinstance(row, Mapping) and row for row in also):
        dotted = f"{prefix}.{ALSO}"
        raise UsageError(
            f'"{dotted}" (from {origin(dotted)}) is a list of tables, each the parameters of a further row: '
            f"{ALSO} = [{{ NAME = VALUE }}]"
        )
    for row in also:
        yield _over(written, row, types_of)


def _sweeps(table: Mapping[str, Any], types_of: Mapping[str, Any]) -> set[str]:
    return {key for key, value in table.items() if isinstance(value, list) and not is_many(types_of.get(key))}


def _over(written: Mapping[str, Any], row: Mapping[str, Any], types_of: Mapping[str, Any]) -> Block:
    """A further row over what is written of a method and is no sweep. A budget that the row writes
    takes the place of any other.
    """
    own = {key: value for key, value in written.items() if key != ALSO}
    without = _sweeps(own, types_of) | (BUDGETS if BUDGETS & row.keys() else set())
    values = {**{key: value for key, value in own.items() if key not in without}, **row}
    return Block(values, _sweeps(values, types_of), row.keys())


def _check_values(axes: Mapping[str, list[Any]], prefix: str, where: Origin) -> None:
    """Every parameter has a value, and none of a sweep stands there twice."""
    for key, values in axes.items():
        dotted = f"{prefix}.{key}"
        if not values:
            raise UsageError(f'"{dotted}" is empty (from {where(dotted)}); give it one value or more')
        for value in values:
            if values.count(value) > 1:
                raise UsageError(f'"{dotted}" names {value} twice (from {where(dotted)}); keep one')


def _value(text: str, kind: Any) -> Any:
    """The value that stands in a label as this text (`short`); text where its field holds nothing
    else.
    """
    if text == "None":
        return None
    if is_many(kind):
        return [_value(part, str if is_text(kind) else Any) for part in text.split("+")]
    return text if is_text(kind) else scalar(text)


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
