"""The leaderboard with submitted rows beside those that stand there, and whether both are of one
test.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from bench.gate.same_test import other_test
from bench.grid.axes import COMPONENTS
from bench.leaderboard import load_export
from bench.results.collect import records_path
from bench.results.coordinates import Coordinates, Repeat, TableKey, cell_in_words, one, table_of
from bench.results.records import Export, Record
from bench.submissions.planned import row_of


def board_of(folder: Path, export: Export) -> tuple[Path, Export | None]:
    """The export beside the suite's own leaderboard in a folder, and its path; None where there is
    none. Raises StorageError where it is damaged.
    """
    path = records_path(folder, msgspec.structs.replace(export, run=None, overrides=[]))
    return path, load_export(path) if path.is_file() else None


def unpaired(board: Export, export: Export) -> list[str]:
    """Submitted cells that no row of the board is compared with, and why, in words.

    Paired are cells of one table, seed and split whose records say the same data, split, scaling,
    hidden entries and count of test records.
    """
    there = _by_place(board.records)
    problems = []
    for at, record in _by_place(export.records).items():
        if at not in there:
            problems.append(f"{cell_in_words(record.coordinates)}: the board has no cell of this table and seed")
        elif differs := other_test({record.coordinates.repeat: there[at]}, {record.coordinates.repeat: record}):
            problems.append(f"{cell_in_words(record.coordinates)}: {differs}")
    for row in sorted({row_of(record.coordinates) for record in export.records}):
        own = {record.coordinates.repeat for record in export.records if row_of(record.coordinates) == row}
        of_table = {repeat for table, repeat in there if table == table_of(row)}
        problems += [
            f"{row.imputer} x {row.fuser}: the board has {one(each)} too" for each in sorted(of_table - own, key=str)
        ]
    return problems


def _by_place(records: Iterable[Record]) -> dict[tuple[TableKey, Repeat], Record]:
    """Table and repeat -> a scored cell. Which row it is of decides nothing of the test."""
    scored = (record for record in records if record.status == "ok" and not record.coordinates.audit)
    places: dict[tuple[TableKey, Repeat], Record] = {}
    for record in scored:
        at = record.coordinates
        places.setdefault((table_of(at), at.repeat), record)
    return places


def beside(board: Export, export: Export) -> tuple[Export, list[Coordinates]]:
    """The board with the submitted rows, and those rows of it that they replace.

    Comparisons need predictions of all rows, which a board does not hold. Those of the board stay
    unless a row of it is replaced.
    """
    rows = {row_of(record.coordinates) for record in export.records}
    replaced = sorted({row_of(at) for at, _ in board.planned} & rows)
    statistics = board.statistics
    if replaced and statistics is not None:
        statistics = msgspec.structs.replace(
            statistics, intervals=[], comparisons=[], tables=[], gains=[], imputation=type(statistics.imputation)()
        )
    labels = {kind: {str(getattr(at, kind)) for at, _ in board.planned} for kind in COMPONENTS}
    whole = msgspec.structs.replace(
        board,
        planned=[each for each in board.planned if row_of(each[0]) not in rows] + export.planned,
        records=[each for each in board.records if row_of(each.coordinates) not in rows] + export.records,
        statistics=statistics,
        control_imputers=_more(board.control_imputers, export.control_imputers, labels["imputer"]),
        control_fusers=_more(board.control_fusers, export.control_fusers, labels["fuser"]),
        completing=list(dict.fromkeys([*board.completing, *export.completing])),
    )
    return whole, replaced


def _more(there: list[str], submitted: list[str], labels: set[str]) -> list[str]:
    """Controls of the board, and submitted ones whose label the board does not have."""
    return list(dict.fromkeys([*there, *(each for each in submitted if each not in labels)]))
