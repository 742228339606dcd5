"""How pictures look and are written: colours all eyes can tell apart, no display, the same bytes
for the same picture.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5C00", "#5E5E5E")
"""Of Okabe and Ito, Color Universal Design (2008); its yellow, which fades on white, is left
out.
"""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

SUFFIXES = (".png", ".svg")

CHARACTER = 0.08
"""Inches that a character of the font takes, somewhat more than on average."""


def figure(rows: int, columns: int, width: float, height: float, **more: Any) -> tuple[Figure, Any]:
    """A figure with rows x columns axes of that size each in inches, and the axes as an array
    [rows, columns].

    Raises UsageError, with the command that helps, where matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise UsageError("pictures need matplotlib; install it with: pip install 'gapbench[report]'") from None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    matplotlib.rcParams.update(
        {
            "svg.hashsalt": "gapbench",
            "svg.fonttype": "none",
            "font.family": ["DejaVu Sans"],
            "font.size": 9,
            "axes.titlesize": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": "#E6E6E6",
            "grid.linewidth": 0.6,
            "axes.axisbelow": True,
            "legend.frameon": False,
        }
    )
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **more)


def colour(place: int) -> str:
    """The colour of the method at that place; after the last one they begin again, with another
    marker.
    """
    return PALETTE[place % len(PALETTE)]


def marker(place: int) -> str:
    """The marker of the method at that place."""
    return MARKERS[(place + place // len(PALETTE)) % len(MARKERS)]


def check_target(path: Path) -> None:
    """UsageError, before any work is done, when the name does not say which kind of picture it
    is.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(f'"to" = "{path}" is no picture; its name must end in one of: {", ".join(SUFFIXES)}')


def save(figure: Figure, path: Path) -> None:
    """Write a PNG or SVG, by the suffix, whole or not at all. Raises StorageError."""
    check_target(path)
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=150, metadata=metadata)


def title(figure: Figure, text: str) -> None:
    """What the picture is about, above all panels, in as many lines as it needs."""
    figure.suptitle(wrapped(text, figure.get_figwidth()), fontsize=9)


def wrapped(text: str, inches: float) -> str:
    """A text in as many lines as that width needs."""
    return "\n".join(textwrap.wrap(text, max(20, int(inches / CHARACTER)), break_on_hyphens=False))


def legend(figure: Figure, handles: list[Any], labels: list[str]) -> None:
    """One legend below all panels, in as many columns as fit."""
    labels = [wrapped(label, figure.get_figwidth() - 0.55) for label in labels]
    widest = max((len(line) for label in labels for line in label.splitlines()), default=1)
    room = figure.get_figwidth() / (0.55 + CHARACTER * widest)
    figure.legend(handles, labels, loc="outside lower center", ncols=max(1, min(len(labels), int(room))))
