"""What a person types for a row of a table: its label, or the name before the brackets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from bench.config.words import ORIGIN, halves
from bench.errors import UsageError, unknown

TRAINED_BY = "·"
"""What stands between the label of a method and that of the federation that trained it."""

_LABEL = re.compile(r"([^\s(·]+)\s*(?:\((.*?)\))?\s*(?:·\s*(.+))?", re.DOTALL)
_WEIGHTS = re.compile(r"(?:^|,\s*)weights=([0-9a-f]+)$")
_NEXT = re.compile(r",\s*(?=[A-Za-z_]\w*=|tuned$)")


class Label(NamedTuple):
    """A label taken apart, or a name.

    - text: as it was typed.
    - inside: what stands in the brackets, but for weights; None where there are no brackets.
    - weights: the beginning of the digest that stands there.
    - federation: the label behind the dot.
    """

    text: str
    name: str
    inside: str | None = None
    weights: str = ""
    federation: str = ""

    @classmethod
    def read(cls, text: str) -> Label:
        """Any text: what is no label is taken for a name."""
        whole = _LABEL.fullmatch(text.strip().removesuffix("†").strip())
        if whole is None:
            return cls(text, text)
        name, inside, federation = whole.groups()
        if inside is None:
            return cls(text, name, federation=federation or "")
        weights = _WEIGHTS.search(inside)
        shown = inside[: weights.start()] if weights else inside
        return cls(text, name, shown.strip(), weights[1] if weights else "", federation or "")

    @property
    def is_name(self) -> bool:
        """Whether it stands for all rows of a method, whatever trained them."""
        return self.inside is None and not self.federation

    @property
    def row(self) -> str:
        """The label of the method alone, not yet trained by anybody nor loaded."""
        return f"{self.name}({self.inside})" if self.inside else self.name

    def among(self, labels: Iterable[str]) -> list[str]:
        """Those of these labels that it stands for, whatever trains them.

        A name stands for all rows of the method. Else the label itself counts, spaces aside and
        also with weights where none are named; else all that say at least as much in their
        brackets.
        """
        others = [other for label in labels if (other := Label.read(label)).name == self.name]
        if self.is_name:
            return [other.text for other in others]
        others = [other for other in others if other.weights.startswith(self.weights) or not other.weights]
        same = [other for other in others if _plain(other.row) == _plain(self.row)]
        if not same and self.inside != "":
            same = [other for other in others if self._says() <= other._says()]
        exact = [other.text for other in same if other.text == self.text]  # others may differ by a space
        return exact or [other.text for other in same]

    def _says(self) -> set[str]:
        return {_plain(item) for item in _NEXT.split(self.inside)} if self.inside else set()

    def is_trained_by(self, federation: str) -> bool:
        """Whether it says so of a federation of that label, or says nothing of what trained it."""
        return not self.federation or _plain(self.federation) == _plain(federation)

    def parameters(self) -> dict[str, str] | None:
        """What the brackets say of parameters, as text; None where they say something else, or
        less than all: of an absolute path a label shows only the end.
        """
        items = [halves(item) for item in _NEXT.split(self.inside)] if self.inside else []
        if not items or any(not sign or value.startswith(".../") for _, sign, value in items):
            return None
        return {key.strip(): value.strip() for key, _, value in items}


def matching(name: str, labels: Iterable[str]) -> list[str]:
    """The labels that a name stands for: the label itself (spaces do not count), else those of
    `Label.among`.
    """
    labels, label_typed = list(dict.fromkeys(labels)), Label.read(name)
    exact = [label for label in labels if _plain(label) == _plain(name)]
    if exact or label_typed.federation:
        return exact
    return label_typed.among(labels)


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
    return re.sub(r"\(\)(?=·|$)", "", text.replace(" ", "").removesuffix("†"))
