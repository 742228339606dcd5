"""Colours that all eyes can tell apart, and shapes: a method has one of each in every picture.

A fuser has a colour and an imputer has a shape, so that a point of both tells which they are. Where
there are more than colours, those of one name share one; where there is one fuser alone, the
imputers have colours too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.figures.shapes import Look

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5C00", "#5E5E5E")
"""Of Okabe and Ito, Color Universal Design (2008); its yellow, which fades on white, is left
out. The style of pages holds them for light and for dark grounds.
"""

COLOURS = len(PALETTE)

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Shapes by the names of matplotlib."""

SHAPES = len(MARKERS)

GREY = 7
"""The colour of what stands for every method."""


class Looks:
    """The looks of the methods of one board."""

    def __init__(self, pairs: Iterable[tuple[str, str]]):
        """pairs: imputer and fuser of every planned method, in the order of the plan."""
        every = list(pairs)
        self.imputers = list(dict.fromkeys(imputer for imputer, _ in every))
        self.fusers = list(dict.fromkeys(fuser for _, fuser in every))

    def of(self, imputer: str, fuser: str) -> Look:
        """Of a method: the colour of its fuser, or of its imputer where all have one fuser."""
        if len(self.fusers) == 1:
            return self.imputer(imputer)
        return Look(_place(self.fusers, fuser) % COLOURS, self.imputer(imputer).shape)

    def keys(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, Look]]:
        """What the colours of these methods stand for, and their shapes where there are several."""
        every = list(pairs)
        keys: dict[str, Look] = {}
        for _, fuser in every if len(self.fusers) > 1 else ():
            keys.setdefault(self._named(self.fusers, fuser), Look(_place(self.fusers, fuser) % COLOURS, 0))
        for imputer, _ in every if len({imputer for imputer, _ in every}) > 1 else ():
            look = self.imputer(imputer)
            keys.setdefault(imputer, look if len(self.fusers) == 1 else Look(GREY, look.shape))
        return list(keys.items())

    @staticmethod
    def _named(labels: Sequence[str], label: str) -> str:
        return label.partition("(")[0] if len(labels) > COLOURS else label

    def imputer(self, imputer: str) -> Look:
        """Of an imputer whatever its fuser."""
        place = _place(self.imputers, imputer)
        return Look(place % COLOURS, (place + place // COLOURS) % SHAPES)


def shortened(labels: Iterable[str]) -> dict[str, str]:
    """Label -> how a picture names it: without its brackets where no other label has its name."""
    every = list(dict.fromkeys(labels))
    names = [label.partition("(")[0] for label in every]
    return {
        label: name if names.count(name) == 1 and label.endswith(")") else label
        for label, name in zip(every, names, strict=True)
    }


def numbered(place: int) -> Look:
    """The look of what is no method, at a place of a list."""
    return Look(place % COLOURS, (place + place // COLOURS) % SHAPES)


def _place(labels: Sequence[str], label: str) -> int:
    """Of a label among the labels, or of its name among the names where there are more labels than
    colours.
    """
    if len(labels) > COLOURS:
        names = list(dict.fromkeys(each.partition("(")[0] for each in labels))
        return names.index(label.partition("(")[0]) if label.partition("(")[0] in names else 0
    return labels.index(label) if label in labels else 0
