"""From plain values (TOML, command line) to typed structs, with errors that help."""

from __future__ import annotations

import math
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from bench.config.words import ORIGIN, typed
from bench.errors import UsageError, nearest, unknown
from bench.text import names

T = TypeVar("T", bound=msgspec.Struct)

Origin = str | Callable[[str], str]
"""Where values were written: one text for all, or a function of the dotted key."""


def convert(values: Mapping[str, Any], struct: type[T], prefix: str, origin: Origin) -> T:
    """`values` as a `struct`, or UsageError naming the key, the value, where it was written and
    what is accepted.

    A struct may refuse values that exclude each other: its `__post_init__` raises ValueError.

    prefix: the dotted path of these values, for messages ("imputer.csdi"). Numbers must be finite:
    a key of the ledger is made of JSON, which knows no infinity.
    """
    fields = (
        struct.__struct_fields__
    )  # no types: to resolve the annotations of all components takes a tenth of a second
    for key in values:
        if key not in fields:
            raise unknown(
                "key", _join(prefix, key), [_join(prefix, f) for f in fields], _where(origin, _join(prefix, key))
            )
    try:
        instance = msgspec.convert(values, struct, strict=False)
    except OverflowError:  # a whole number that no float can hold, where a float is wanted
        raise UsageError(f'"{prefix}" (from {_where(origin, prefix)}) has a number that is too large') from None
    except msgspec.ValidationError as error:
        message = str(error)
        match = re.search(r" - at `\$\.?(.*?)`$", message)
        path = _spelled(values, struct, match[1] if match else "")
        message = re.sub(r" - at `.*`$", "", message)
        if isinstance(error.__cause__, ValueError | TypeError):
            raise _together(_lookup(values, path), _join(prefix, path), message, origin) from None
        raise _refusal(values, struct, prefix, path, message, origin) from None
    for path, expected in _not_sendable(msgspec.to_builtins(instance), ""):
        raise _refusal(values, struct, prefix, path, f"Expected {expected}", origin)
    return instance


def _refusal(values: Any, struct: Any, prefix: str, path: str, message: str, origin: Origin) -> UsageError:
    key, where = _join(prefix, path), _where(origin, _join(prefix, path))
    key = typed(key) if where == ORIGIN else key
    missing = re.fullmatch(r"Object missing required field `(.*)`", message)
    if missing:
        key = _join(key, missing[1])
        return UsageError(f'"{key}" is required and was not given (from {_where(origin, key)})')
    written = _lookup(values, path)
    if repr(names.PATTERN) in message:
        return UsageError(f'"{key}" = {names.shown(str(written))} is not accepted (from {where}): {names.RULE}')
    accepted = _accepted(struct, path)
    if accepted:
        message = f"{nearest(str(written), accepted)}accepted: {', '.join(accepted)}"
    message = in_words(message)
    return UsageError(f'"{key}" = {_shown(written)} is not accepted (from {where}): {message[0].lower()}{message[1:]}')


_KINDS = {
    "int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "array": "a list", "object": "a table",
    "null": "null", "datetime": "a date and time", "date": "a date", "time": "a time of day",
}  # fmt: skip
_COMPARED = {">": "greater than", ">=": "of at least", "<": "less than", "<=": "of at most"}
_COUNTED = {">": "more than ", ">=": "at least ", "<": "fewer than ", "<=": "at most ", "": ""}
_BOUND = r"(>=|<=|>|<) (-?[\d.]+(?:e[+-]?\d+)?)"


def in_words(message: str) -> str:
    """What msgspec says of a value that is not accepted, without its names of types and its
    signs; other text as it is.
    """
    whole = re.fullmatch(r"Expected `([\w |]+)`(.*)", message, re.DOTALL)
    if not whole:
        return message
    kinds = [_KINDS.get(kind, kind) for kind in whole[1].split(" | ")]
    entries = "characters" if whole[1].startswith("str") else "entries"
    rest = re.sub(r", got `\w+`", "", whole[2])  # the value itself is shown
    rest = re.sub(r", got (\d+)$", r", not \1", rest)
    rest = re.sub(
        r"of (?:at least )?length (?:(>=|<=|>|<) )?(\d+)",
        lambda match: f"of {'at least ' if 'at least' in match[0] else _COUNTED[match[1] or '']}{match[2]} {entries}",
        rest,
    )
    rest = re.sub(_BOUND, lambda match: f"{_COMPARED[match[1]]} {_amount(match[2])}", rest)
    rest = re.sub(r"that's a multiple of (\S+)", lambda match: f"that is a multiple of {_amount(match[1])}", rest)
    rest = re.sub(r"matching regex '(.*)'", r"of the form \1", rest)
    return f"Expected {' or '.join(kinds)}{rest}"


def _amount(text: str) -> str:
    value = float(text)
    return f"{int(value)}" if value.is_integer() and abs(value) < 2**53 else text


def _together(values: Any, prefix: str, message: str, origin: Origin) -> UsageError:
    """The error for values that a struct refuses together: those it speaks of, each with where
    it was written.
    """
    written = {key: value for key, value in values.items() if re.search(rf"\b{re.escape(key)}\b", message)} or values
    places: dict[str, list[str]] = {}
    for key, value in written.items():
        places.setdefault(_where(origin, _join(prefix, key)), []).append(f"{key}={_plain(value)}")
    origins = "; ".join(f"{', '.join(words)} from {place}" for place, words in places.items())
    return UsageError(f'"{prefix}" is not accepted ({origins or "from " + _where(origin, prefix)}): {message}')


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _where(origin: Origin, key: str) -> str:
    return origin if isinstance(origin, str) else origin(key)


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _join(prefix: str, key: str) -> str:
    return ".".join(part for part in (prefix, key) if part)


def _steps(path: str) -> list[str]:
    return re.findall(r"[^.\[\]]+", path)


def _lookup(values: Any, path: str) -> Any:
    for part in _steps(path):
        try:
            values = values[int(part)] if isinstance(values, list | tuple) else values[part]
        except (KeyError, IndexError, ValueError, TypeError):
            break
    return values


def _spelled(values: Any, kind: Any, path: str) -> str:
    """The path of an error with the keys of free tables, which msgspec leaves out as `[...]`,
    filled in.
    """
    full_path = ""
    for part in re.findall(r"\[(\.\.\.|\d+)\]|([^.\[\]]+)", path):
        index, name = part
        if index == "..." and isinstance(values, Mapping):
            kind = _inside(kind, "")
            name = next((str(key) for key, value in values.items() if not _fits(value, kind)), "...")
        else:
            kind = _inside(kind, name or index)
        values = _lookup(values, name or index)
        full_path = _join(full_path, name) if name else f"{full_path}[{index}]"
    return full_path


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        return False
    return True


def _inside(kind: Any, part: str) -> Any:
    """The type of a field of a struct, or of the values of a list or table."""
    kind = bare(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        kind = {f.encode_name: f.type for f in msgspec.structs.fields(kind)}.get(part)
    else:
        arms = [arm for arm in typing.get_args(kind) if arm is not Ellipsis]
        kind = arms[-1] if arms else None
    return kind


def _accepted(kind: Any, path: str) -> list[str]:
    """The values a choice accepts, where the type at `path` is one."""
    for part in _steps(path):
        kind = bare(_inside(kind, part))
    choices = typing.get_args(kind) if typing.get_origin(kind) in (types.UnionType, typing.Union) else (kind,)
    words = [
        str(value) for arm in choices if typing.get_origin(arm) is typing.Literal for value in typing.get_args(arm)
    ]
    return words + [_number(arm) for arm in choices if words and _number(arm)]


def _number(kind: Any) -> str:
    """What numbers an arm of a choice accepts, in words; empty for an arm that is none."""
    metas: tuple[Any, ...] = ()
    if typing.get_origin(kind) is typing.Annotated:
        kind, *rest = typing.get_args(kind)
        metas = tuple(rest)
    if kind not in (int, float):
        return ""
    bounds = [
        f" {word} {getattr(meta, name):g}" for meta in metas for name, word in BOUNDS.items() if _bound(meta, name)
    ]
    return f"a {'whole ' * (kind is int)}number{' and'.join(bounds)}"


BOUNDS = {"gt": "above", "ge": "from", "lt": "below", "le": "up to"}


def _bound(meta: Any, name: str) -> bool:
    return getattr(meta, name, None) is not None


def bare(kind: Any) -> Any:
    """A type without what `Annotated` says of it."""
    while typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    return kind


def types_of(struct: type) -> dict[str, Any]:
    """Field -> its type, without what `Annotated` says of it."""
    return {field.name: bare(field.type) for field in msgspec.structs.fields(struct)}


def is_null(value: Any) -> bool:
    """Whether a value, as a file or a word has it, stands for none."""
    return value is None or (isinstance(value, str) and value.lower() == "null")


def is_many(kind: Any) -> bool:
    """Whether a field of this type takes several values (so that a comma list is one value and
    not a sweep).
    """
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return is_many(typing.get_args(kind)[0])
    if origin in (types.UnionType, typing.Union):
        return any(is_many(arm) for arm in typing.get_args(kind))
    return (origin or kind) in (list, tuple, set, frozenset)


def is_text(kind: Any) -> bool:
    """Whether a field of this type (or each of its values) can be nothing but text."""
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        return all(isinstance(value, str) for value in typing.get_args(kind))
    arms = [arm for arm in typing.get_args(kind) if arm is not Ellipsis and arm is not types.NoneType]
    if origin is typing.Annotated:
        return is_text(arms[0])
    if origin in (types.UnionType, typing.Union, list, tuple, set, frozenset):
        return bool(arms) and all(is_text(arm) for arm in arms)
    return kind is str


def _not_sendable(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Each place with something that JSON, of which keys are made, does not know, and what is
    expected there.
    """
    if isinstance(value, float) and not math.isfinite(value):
        yield path, "a finite number"
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        yield path, "a whole number of at most 19 digits"
    elif isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
        yield path, "text in valid UTF-8"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _not_sendable(inner, _join(path, str(key)))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _not_sendable(inner, f"{path}[{number}]")
