"""What components hand over beside arrays of values: looked at before anything is kept of it.

Every message here says what was wrong in our words; none quotes what came, since it ends in a
record that is shared.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, SupportsIndex

import numpy as np

from bench.arrays import STORED
from bench.components import Method
from bench.errors import PluginError
from bench.registry import Spec
from bench.results.records import Note

NAME = re.compile(r"[\x20-\x7e]{1,200}")
"""The name of an array that an imputer learnt."""

SHORTEST = 4
"""Characters of an id that is looked for in names: a shorter one may well be the number of a
layer.
"""

MOST = 200
"""Notes of a cell, and values of a note."""


def who(spec: Spec) -> str:
    """How a message about a broken contract begins."""
    return f'{spec.kind} "{spec.name}" (from {spec.plugin}) breaks its contract: '


def count(value: object, spec: Spec, function: str) -> int:
    """What a function of a method that counts returned: a whole number from 0. Raises
    PluginError.
    """
    try:
        truth = isinstance(value, bool | np.bool_)
        number = int(operator.index(value)) if isinstance(value, SupportsIndex) and not truth else None
    except TypeError:
        number = None
    if number is None or not 0 <= number < 2**53:
        raise PluginError(f"{who(spec)}{function}() must return a whole number from 0")
    return number


def costs(method: Method[Any], spec: Spec, prefix: str = "") -> dict[str, float]:
    """What a fitted method says of its size and its training: parameters, and steps where it is
    trained by them. prefix: of the names. Raises PluginError.
    """
    costs = {f"{prefix}parameters": float(count(method.parameters(), spec, "parameters"))}
    if (steps := method.steps_taken()) is not None:
        costs[f"{prefix}steps"] = float(count(steps, spec, "steps_taken"))
    return costs


def state(learnt: object, spec: Spec, ids: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """What `state_dict()` returned: arrays of numbers by name. ids: of records and patients; no
    name is one of them, since weights that are passed on list their arrays. Raises PluginError.
    """
    if not isinstance(learnt, Mapping):
        raise PluginError(f"{who(spec)}state_dict() must return arrays by name")
    known = {name for name in ids if len(name) >= SHORTEST}
    for name, array in learnt.items():
        if type(name) is not str or not NAME.fullmatch(name) or name == "__metadata__":
            raise PluginError(
                f"{who(spec)}a name in state_dict() must be 1 to 200 plain characters (and not __metadata__)"
            )
        if not known.isdisjoint([name, *re.split(r"[^0-9A-Za-z_-]", name)]):
            raise PluginError(f"{who(spec)}a name in state_dict() is the id of a record or a patient")
        if not (is_plain(array) or isinstance(array, np.generic)) or array.dtype not in STORED:
            raise PluginError(
                f"{who(spec)}state_dict() must hold NumPy arrays of one of {', '.join(str(dtype) for dtype in STORED)}"
            )
    return {name: np.asarray(array) for name, array in learnt.items()}


def notes(entries: Iterable[object], spec: Spec, modalities: Sequence[str]) -> list[Note]:
    """What a fit kept by `Context.note`, as the fuser declares it. Raises PluginError for
    anything else.
    """
    kept: list[Note] = []
    for entry in entries:
        name, values = entry if isinstance(entry, tuple) and len(entry) == 2 else (None, None)
        if type(name) is not str or name not in spec.notes:
            names = f", which are {', '.join(sorted(spec.notes))}" if spec.notes else ""
            raise PluginError(f"{who(spec)}a note must be one that its registration declares (notes=){names}")
        if not isinstance(values, tuple) or not 0 < len(values) <= MOST or len(kept) == MOST:
            raise PluginError(f"{who(spec)}a cell keeps up to {MOST} notes of 1 to {MOST} values each")
        kept.append(Note(name, [_value(value, spec, name, modalities) for value in values]))
    return kept


def _value(value: object, spec: Spec, name: str, modalities: Sequence[str]) -> int | float | str:
    kind = spec.notes[name]
    if kind == "count" and not isinstance(value, bool | np.bool_) and hasattr(value, "__index__"):
        number = int(operator.index(value))
        if 0 <= number < 2**53:
            return round(number, 3 - len(str(number))) if number >= 1000 else number
    if kind == "share" and isinstance(value, int | float | np.floating) and 0 <= value <= 1:
        return round(float(value), 2)
    words = modalities if kind == "modality" else kind if isinstance(kind, tuple) else ()
    for word in words:
        if type(value) is str and value == word:
            return str(word)
    accepted = f"one of {', '.join(words)}" if words else {"count": "whole numbers from 0"}.get(str(kind), "0 to 1")
    raise PluginError(f'{who(spec)}the note "{name}" holds {accepted}')


def is_plain(array: object) -> bool:
    """Whether it is a NumPy array or a memory map of one, no masked array or other subclass
    whose meaning would be lost.
    """
    return type(array) in (np.ndarray, np.memmap)


def kind_of(array: object) -> str:
    """What an array is, in words that hold nothing of it: `float32 [2, 3]`."""
    if not isinstance(array, np.ndarray):
        return "no NumPy array"
    if not is_plain(array):
        return "a masked array" if isinstance(array, np.ma.MaskedArray) else "of a subclass of NumPy's array"
    named = array.dtype.names is not None or array.dtype.kind not in "biufc"
    return f"{'of another type' if named else array.dtype} {list(array.shape)}"


def difference(came: Iterable[object], expected: Iterable[str]) -> str:
    """How names that came differ from those that were due, without a name that was not declared."""
    there, due = {name for name in came if isinstance(name, str)}, list(expected)
    lacking = [name for name in due if name not in there]
    parts = [f"{', '.join(lacking)} left out"] * bool(lacking)
    more = len(there - set(due))
    parts += [f"{more} more than were asked for"] * bool(more)
    return "; ".join(parts) or "they are not the names that were asked for"


def is_text(value: object, most: int = 200) -> bool:
    """Whether something is a text of a reasonable length that can be printed and stored."""
    return isinstance(value, str) and 0 < len(value) <= most and value.isprintable()
