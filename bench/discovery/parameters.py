"""What can be set of a component: each parameter with its default, what it accepts and what it
means, from its struct alone.
"""

from __future__ import annotations

import types
import typing
from typing import Any

import msgspec

from bench.config.conversion import BOUNDS

KINDS = {int: "whole number", float: "number", str: "text", bool: "true or false", types.NoneType: "null"}


class Parameter(msgspec.Struct, frozen=True):
    """One of them. default: "required" where there is none. accepted: in words. description: of
    `Meta(description=...)`.
    """

    name: str
    default: Any
    accepted: str
    description: str


def parameters(struct: type[msgspec.Struct]) -> list[Parameter]:
    """All parameters of a struct, in the order of its fields. One without a description has that
    of the struct it extends.
    """
    rows = []
    for field in msgspec.structs.fields(struct):
        default = "required" if field.required else field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        rows.append(Parameter(field.name, default, accepted(field.type), _description(struct, field.name)))
    return rows


def accepted(kind: Any) -> str:
    """What a field of this type accepts, in words: "whole number from 1 or null"."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        bounds = [f"{word} {value:g}" for sign, word in BOUNDS.items() if (value := _of(kind, sign)) is not None]
        return " ".join([accepted(inside[0]), *bounds])
    if origin in (types.UnionType, typing.Union):
        return " or ".join(map(accepted, inside))
    if origin is typing.Literal:
        return ", ".join(map(str, inside))
    if origin in (list, tuple):
        return f"list of {'' if Ellipsis in inside or origin is list else f'{len(inside)}: '}{accepted(inside[0])}"
    return KINDS.get(kind, "table")


def _description(struct: type, name: str) -> str:
    for base in struct.__mro__:
        if issubclass(base, msgspec.Struct) and name in base.__struct_fields__:
            kind = next(field.type for field in msgspec.structs.fields(base) if field.name == name)
            if text := _of(kind, "description"):
                return str(text)
    return ""


def _of(kind: Any, what: str) -> Any:
    """What the `Meta` of a type say of it, None where they say nothing."""
    metas = kind.__metadata__ if typing.get_origin(kind) is typing.Annotated else ()
    return next((value for meta in metas if (value := getattr(meta, what, None)) is not None), None)
