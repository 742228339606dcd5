"""TOML files from others: read whole, or refused in one line, whatever is in them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LARGEST = 4 * 2**20
"""Bytes of a file that is read: a thousand times a long suite."""

DEEPEST = 40
"""Tables and lists within one another."""


class NotToml(ValueError):
    """Why a file cannot be used, in words that go on after its name."""


def text_of(path: Path) -> str:
    """The text of a file in UTF-8; a byte-order mark, which some editors write, is no part of
    it. Raises NotToml, OSError.
    """
    with path.open("rb") as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise NotToml(f"is larger than {LARGEST // 2**20} MiB, the most that is read")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotToml(f"is not valid TOML: byte {error.start:,} is no UTF-8; save it as UTF-8") from None


def parsed(text: str) -> dict[str, Any]:
    """The tree of a TOML text. Raises NotToml."""
    try:
        tree = tomllib.loads(text)
    except RecursionError:
        raise NotToml(f"has more than {DEEPEST} tables or lists within one another") from None
    except ValueError as error:  # of a number with too many digits too
        raise NotToml(f"is not valid TOML: {error}") from None
    level: list[Any] = [tree]
    for _ in range(DEEPEST):  # level by level: what is too deep must not be walked into
        level = [inner for each in level if isinstance(each, dict | list) for inner in _inside(each)]
        if any(isinstance(each, int) and not -(2**63) <= each < 2**63 for each in level):
            raise NotToml("has a whole number of more than 64 bits")
    if any(isinstance(each, dict | list) for each in level):
        raise NotToml(f"has more than {DEEPEST} tables or lists within one another")
    return tree


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value
