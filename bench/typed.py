"""From plain values (TOML, command line) to typed structs, with errors that help."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from bench.errors import UsageError, unknown

T = TypeVar("T", bound=msgspec.Struct)


def convert(values: Mapping[str, Any], struct: type[T], prefix: str, origin: str) -> T:
    """`values` as a `struct`, or UsageError naming the key, the value, where it was written and what is accepted.

    prefix: the dotted path of these values, for messages ("imputer.csdi"). origin: where they were written.
    """
    fields = {f.name: f for f in msgspec.structs.fields(struct)}
    for key in values:
        if key not in fields:
            raise unknown("key", f"{prefix}.{key}" if prefix else key, [_join(prefix, f) for f in fields], origin)
    try:
        return msgspec.convert(values, struct, strict=False)
    except msgspec.ValidationError as error:
        message = str(error)
        match = re.search(r" - at `\$\.?(.*?)`$", message)
        key = _join(prefix, match[1]) if match else prefix
        message = re.sub(r" - at `.*`$", "", message)
        written = _lookup(values, match[1]) if match else values
        raise UsageError(f'"{key}" = {written!r} is not accepted (from {origin}): {message[0].lower()}{message[1:]}') from None


def _join(prefix: str, key: str) -> str:
    return ".".join(part for part in (prefix, key) if part)


def _lookup(values: Any, path: str) -> Any:
    for part in re.findall(r"[^.\[\]]+", path):
        try:
            values = values[int(part)] if isinstance(values, list | tuple) else values[part]
        except (KeyError, IndexError, ValueError, TypeError):
            break
    return values
