"""Scores by which modalities a record has, and calibration: what records store of it, as tables of the board."""

from __future__ import annotations

import statistics as plain
from collections.abc import Mapping, Sequence

from bench.leaderboard.board import CalibrationRow, Calibrations, PatternRow, Patterns, Row, Score, Table
from bench.metrics.calibration import BINS
from bench.results.records import Bin, Coordinates, Method, Record

ENOUGH = 50
"""Records a pattern needs, on average over seeds, to be called a method's worst: of less than that, chance picks the worst."""

DRAWN = 6
"""Rows of a table whose reliability is drawn, the best ones: more lines than that cannot be told apart."""

Cells = Mapping[Coordinates, Record | None]


def pattern_tables(tables: Sequence[Table], cells: Sequence[Mapping[Method, Cells]]) -> list[Patterns]:
    """One per table whose records have more than one pattern. Rows in the order of the table, eligible ones only."""
    made = []
    for table, methods in zip(tables, cells, strict=True):
        found = _whole(table, methods)
        stored: dict[int, dict[str, int]] = {}
        for of_row in found.values():
            for record in of_row:
                if record.patterns:
                    stored.setdefault(record.coordinates.seed, {p.name: p.records for p in record.patterns})
        sizes = {
            name: plain.fmean(of_seed[name] for of_seed in stored.values() if name in of_seed)
            for name in {name for of_seed in stored.values() for name in of_seed}
        }
        if len(sizes) < 2:
            continue
        records = dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))
        higher = table.higher[table.primary]
        made.append(
            Patterns(
                task=table.task,
                modalities=table.modalities,
                scenario=table.scenario,
                metric=table.primary,
                higher=higher,
                names=list(records),
                records=list(records.values()),
                rows=[
                    _pattern_row(row, found[row.imputer, row.fuser], records, higher)
                    for row in table.rows
                    if row.eligible
                ],
            )
        )
    return made


def _pattern_row(row: Row, cells: Sequence[Record], records: Mapping[str, float], higher: bool) -> PatternRow:
    """A pattern has a mean where every seed has it and its score is defined in all of them."""
    found = [{p.name: p.score for p in record.patterns if p.score is not None} for record in cells]
    scores = [
        Score.over([scores[name] for scores in found]) if all(name in scores for scores in found) else None
        for name in records
    ]
    sign = 1 if higher else -1
    large = [
        (sign * score.mean, place)
        for place, (score, size) in enumerate(zip(scores, records.values(), strict=True))
        if score is not None and size >= ENOUGH
    ]
    worst = min(large)[1] if len(large) > 1 else None
    return PatternRow(
        imputer=row.imputer,
        fuser=row.fuser,
        control_imputer=row.control_imputer,
        control_fuser=row.control_fuser,
        scores=scores,
        worst=worst,
    )


def calibration_tables(tables: Sequence[Table], cells: Sequence[Mapping[Method, Cells]]) -> list[Calibrations]:
    """One per table in which some row's records say how their probabilities are calibrated."""
    made = []
    for table, methods in zip(tables, cells, strict=True):
        found = _whole(table, methods)
        if any(record.calibration for records in found.values() for record in records):
            eligible = [row for row in table.rows if row.eligible]
            rows = [
                _calibration_row(row, found[row.imputer, row.fuser], place < DRAWN)
                for place, row in enumerate(eligible)
            ]
            made.append(Calibrations(task=table.task, modalities=table.modalities, scenario=table.scenario, rows=rows))
    return made


def _calibration_row(row: Row, cells: Sequence[Record], drawn: bool) -> CalibrationRow:
    known = [record.calibration for record in cells if record.calibration]
    whole = len(known) == len(cells)
    return CalibrationRow(
        imputer=row.imputer,
        fuser=row.fuser,
        control_imputer=row.control_imputer,
        control_fuser=row.control_fuser,
        ece=Score.over([c.ece for c in known]) if whole else None,
        brier=Score.over([c.brier for c in known]) if whole else None,
        bins=_together([b for c in known for b in c.bins]) if whole and drawn else [],
    )


def _together(bins: Sequence[Bin]) -> list[Bin]:
    """The bins of all seeds, those of the same place taken together."""
    places: dict[int, list[Bin]] = {}
    for each in bins:
        places.setdefault(min(int(each.predicted * BINS), BINS - 1), []).append(each)
    made = []
    for _, inside in sorted(places.items()):
        n = sum(b.records for b in inside)
        predicted, observed = (
            sum(b.records * getattr(b, name) for b in inside) / n for name in ("predicted", "observed")
        )
        made.append(Bin(n, predicted, observed))
    return made


def _whole(table: Table, methods: Mapping[Method, Cells]) -> dict[tuple[str, str], list[Record]]:
    """The records of each eligible row, by seed."""
    eligible = {(row.imputer, row.fuser) for row in table.rows if row.eligible}
    return {
        (m.imputer, m.fuser): [record for _, record in sorted(cells.items()) if record is not None]
        for m, cells in methods.items()
        if (m.imputer, m.fuser) in eligible
    }
