"""Scores on hidden entries: one row per imputer, since an imputation is made once for all tasks and fusers."""

from __future__ import annotations

import statistics as plain
from collections.abc import Iterable, Mapping

from bench.leaderboard.board import Imputation, ImputationRow, Score
from bench.records import Coordinates, Record

METRICS = ("mae", "rmse", "crps")
_SAME = 1e-9
"""Scores of one imputation in two cells agree up to this; more is a finding and is noted."""


def imputation_tables(cells: Mapping[Coordinates, Record | None], controls: set[str]) -> list[Imputation]:
    """One per (modality set, scenario) in which something was hidden and scored, in the order of the plan."""
    places: dict[tuple[str, str], dict[Coordinates, Record | None]] = {}
    for at, record in cells.items():
        places.setdefault((at.modalities, at.scenario), {})[at] = record
    made = [_table(modalities, scenario, inside, controls) for (modalities, scenario), inside in places.items()]
    return [table for table in made if table.rows]


def _table(
    modalities: str, scenario: str, cells: Mapping[Coordinates, Record | None], controls: set[str]
) -> Imputation:
    planned: dict[str, set[int]] = {}
    scored: dict[str, dict[int, dict[str, dict[str, float]]]] = {}
    hidden: dict[int, dict[str, float]] = {}
    differing = set()
    for at in sorted(cells):
        record = cells[at]
        planned.setdefault(at.imputer, set()).add(at.seed)
        if record is None or record.status != "ok":
            continue
        if record.hidden:
            hidden.setdefault(at.seed, record.hidden)
        if record.imputation:
            first = scored.setdefault(at.imputer, {}).setdefault(at.seed, record.imputation)
            if not _agree(first, record.imputation):
                differing.add(at.imputer)
    used = [scores for seeds in scored.values() for scores in seeds.values()]
    columns = ["all"] * any("all" in scores for scores in used)
    columns += sorted({name for scores in used for name in scores} - {"all"})
    rows = [_row(name, planned[name], seeds, name in controls) for name, seeds in scored.items()]
    rows.sort(key=lambda row: (not row.scores, _first(row), row.imputer))
    return Imputation(
        modalities=modalities,
        scenario=scenario,
        expected=_mean(values.get("expected") for values in hidden.values()),
        realised=_mean(values.get("realised") for values in hidden.values()),
        metrics=[m for m in METRICS if any(m in scores for row in rows for scores in row.scores.values())],
        columns=columns,
        entries=_entries(used, columns),
        rows=rows,
        silent=sorted(planned.keys() - scored.keys()),
        notes=[
            f"**The scores of {name} differ between cells that share an imputation.**" for name in sorted(differing)
        ],
    )


def _agree(one: Mapping[str, Mapping[str, float]], two: Mapping[str, Mapping[str, float]]) -> bool:
    return one == two or (
        one.keys() == two.keys()
        and all(
            one[m].keys() == two[m].keys() and all(abs(one[m][k] - two[m][k]) <= _SAME for k in one[m]) for m in one
        )
    )


def _row(
    imputer: str, planned: set[int], seeds: Mapping[int, Mapping[str, Mapping[str, float]]], control: bool
) -> ImputationRow:
    """Means only over all planned seeds, and only of what every seed has."""
    row = ImputationRow(
        imputer=imputer, control=control, seeds_planned=sorted(planned), seeds_scored=sorted(seeds), scores={}
    )
    if row.seeds_scored != row.seeds_planned:
        return row
    found = [seeds[seed] for seed in row.seeds_scored]
    for modality in sorted(set.intersection(*(set(scores) for scores in found))):
        metrics = [m for m in METRICS if all(m in scores[modality] for scores in found)]
        values = {m: [scores[modality][m] for scores in found] for m in metrics}
        row.scores[modality] = {m: Score.over(v) for m, v in values.items()}
    return row


def _first(row: ImputationRow) -> float:
    everywhere = row.scores.get("all", {})
    return everywhere["mae"].mean if "mae" in everywhere else float("inf")


def _entries(used: list[dict[str, dict[str, float]]], columns: list[str]) -> dict[str, float]:
    """How many entries were scored per modality, the mean over seeds; every imputer is scored on the same ones."""
    entries = {name: _mean(scores.get(name, {}).get("hidden") for scores in used) for name in columns}
    return {name: value for name, value in entries.items() if value is not None}


def _mean(values: Iterable[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return plain.fmean(numbers) if numbers else None
