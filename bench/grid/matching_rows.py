"""What a person types for a row of a table: its label, or the name before the brackets."""

from __future__ import annotations

from collections.abc import Iterable

from bench.config.words import ORIGIN
from bench.errors import UsageError, unknown


def matching(name: str, labels: Iterable[str]) -> list[str]:
    """The labels that a name stands for: the label itself (spaces do not count), else all with
    that name before brackets.
    """
    labels = list(dict.fromkeys(labels))
    exact = [label for label in labels if _plain(label) == _plain(name)]
    return exact or [label for label in labels if label.partition("(")[0] == name]


def the_one(kind: str, name: str, labels: Iterable[str]) -> str:
    """The label that a name stands for. UsageError, with the choices, where there is none or
    several.
    """
    labels = list(labels)
    matches = matching(name, labels)
    if not matches:
        raise unknown(kind, name, labels, ORIGIN)
    if len(matches) > 1:
        raise UsageError(
            f'{kind} "{name}" (from {ORIGIN}) stands for {len(matches)} rows; name one of them in full, in quotes for your '
            f"shell: {', '.join(matches)}"
        )
    return matches[0]


def _plain(text: str) -> str:
    return text.replace(" ", "")
