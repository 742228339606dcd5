"""JSON from others, read within bounds: a small file of many or deeply nested values must not take
all memory.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

MOST_VALUES = 6_000_000
"""Values, names included: each takes up to a hundred bytes of memory, however short it is
written.
"""

_MARKS = (b",", b":", b"[", b"{")

T = TypeVar("T")


def decoded(content: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """What a JSON text says. Raises msgspec.DecodeError, also for what is within too much or has
    too many values.
    """
    check_count(content)
    try:
        return decoder.decode(content)
    except RecursionError:
        raise msgspec.DecodeError("its values are nested too deeply") from None
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"it is not UTF-8: {error.reason}") from None


def check_count(content: bytes) -> None:
    """Raise msgspec.DecodeError for a text with more than MOST_VALUES values. Marks inside texts
    count too.
    """
    if sum(content.count(mark) for mark in _MARKS) > MOST_VALUES:
        raise msgspec.DecodeError(f"it has more than {MOST_VALUES:,} values, the most that is read")
