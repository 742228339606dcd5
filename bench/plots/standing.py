"""The pictures of a leaderboard's tables as files: scores, imputers with fusers, rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from bench.config.words import ORIGIN
from bench.errors import UsageError, unknown
from bench.figures import printed
from bench.figures.looks import Looks
from bench.figures.shapes import Chart, Heat, Look, Picture, Scores
from bench.grid.matching_rows import matching
from bench.leaderboard import Board
from bench.leaderboard.blocks import Figure
from bench.leaderboard.sections import federations, tables
from bench.leaderboard.standings import heat_of, scores_of
from bench.results.records import Export

MOST = 12
"""Panels of one picture."""

LACKING = {
    "scores": "no method of these tables has a rank",
    "heat": "none of these tables has two imputers and two fusers with a rank",
    "rounds": "no method of these tables was trained in rounds",
}


def draw(name: str, export: Export, looks: Looks, chosen: Mapping[str, Sequence[str]], title: str, path: Path) -> None:
    """A panel per table. name: scores, heat or rounds. chosen: axis -> labels or names.

    UsageError where nothing is left to draw, or more than `MOST` panels.
    """
    board = Board(export)
    of: dict[str, tuple[Any, Callable[[Any], list[Figure]]]] = {
        "scores": (tables.SECTION, lambda table: scores_of(table, looks)),
        "heat": (tables.SECTION, heat_of),
        "rounds": (federations.SECTION, federations.figure),
    }
    section, figures_of = of[name]
    every = list(board[section])
    wanted = {axis: _wanted(axis, texts, _labels(every, axis)) for axis, texts in chosen.items() if every}
    pictures: list[Picture] = []
    keys: dict[str, Look] = {}
    for table in every:
        if any(
            axis in wanted and getattr(table, axis) not in wanted[axis] for axis in ("task", "scenario", "modalities")
        ):
            continue
        rows = [
            row for row in table.rows if all(getattr(row, a) in wanted[a] for a in ("imputer", "fuser") if a in wanted)
        ]
        for figure in figures_of(replace(table, rows=rows)):
            if isinstance(figure.picture, Chart | Scores | Heat):
                pictures.append(replace(figure.picture, title=table.title))
            keys |= dict(figure.keys)
    if not pictures:
        raise UsageError(f"there is nothing to draw: {LACKING[name]}")
    if len(pictures) > MOST:
        raise UsageError(
            f"the picture would have {len(pictures)} panels, at most {MOST} are drawn; name fewer tables: task=, scenario=, "
            "modalities="
        )
    printed.draw(pictures, title, path, list(keys.items()))


def _wanted(axis: str, texts: Sequence[str], labels: Sequence[str]) -> set[str]:
    wanted: set[str] = set()
    for text in texts:
        those = matching(text, labels)
        if not those:
            raise unknown(axis, text, labels, ORIGIN)
        wanted |= set(those)
    return wanted


def _labels(every: Sequence[Any], axis: str) -> list[str]:
    if axis in ("imputer", "fuser"):
        return list(dict.fromkeys(getattr(row, axis) for table in every for row in table.rows))
    return list(dict.fromkeys(getattr(table, axis) for table in every))
