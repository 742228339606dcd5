"""Which modality holds words: methods for language put it first."""

from __future__ import annotations

from collections.abc import Iterable

TEXTS = ("text", "notes")
"""What a suite calls the modality of written or spoken words."""


def text_of(names: Iterable[str]) -> str | None:
    """The modality of words among these names, None where there is none."""
    there = set(names)
    return next((name for name in TEXTS if name in there), None)
