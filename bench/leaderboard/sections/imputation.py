"""Scores on hidden entries: one row per imputer, since an imputation is made once for all tasks and fusers."""

from __future__ import annotations

import math
import re
import statistics as plain
from collections import Counter
from collections.abc import Iterable, Mapping

from bench.leaderboard.board import Curve, CurveRow, Difference, Imputation, ImputationRow, ImputerCost, Score
from bench.leaderboard.render.text import safe
from bench.leaderboard.sections.audits import audit_results, failure
from bench.leaderboard.sections.statements import counted
from bench.results.records import IMPUTER_AUDITS, Coordinates, Export, ImputationStatistics, Method, Record
from bench.statistics.paired import tie_groups

METRICS = ("mae", "rmse", "crps", "coverage50", "coverage90")
COSTS = ("imputer_parameters", "draws", "impute_fit_seconds", "impute_seconds", "impute_seconds_per_draw",
         "impute_peak_memory_bytes")  # fmt: skip
"""Costs of a record that are the imputer's."""

_SAME = 1e-9
"""Scores of one imputation in two cells agree up to this; more is a finding and is noted."""

Cells = Mapping[Coordinates, Record | None]
Place = tuple[str, str]
"""Modality set and scenario."""


def imputer_of(modalities: str, scenario: str, imputer: str) -> Method:
    """How the stored comparisons name an imputer: an imputation has neither task nor fuser."""
    return Method("", modalities, scenario, imputer, "")


def imputation_tables(cells: Cells, export: Export) -> list[Imputation]:
    """One per (modality set, scenario) in which something was hidden and scored, in the order of the plan."""
    made = [_table(place, inside, set(export.control_imputers)) for place, inside in _places(cells).items()]
    made = [table for table in made if table.rows]
    stored = export.statistics.imputation if export.statistics else ImputationStatistics()
    for table in made:
        _compare(table, stored, export.statistics.alpha if export.statistics else None)
    return made


def _places(cells: Cells) -> dict[Place, dict[Coordinates, Record | None]]:
    places: dict[Place, dict[Coordinates, Record | None]] = {}
    for at, record in cells.items():
        places.setdefault((at.modalities, at.scenario), {})[at] = record
    return places


def _table(place: Place, cells: Cells, controls: set[str]) -> Imputation:
    planned: dict[str, set[int]] = {}
    scored: dict[str, dict[int, Record]] = {}
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
            first = scored.setdefault(at.imputer, {}).setdefault(at.seed, record)
            if not _agree(first.imputation, record.imputation):
                differing.add(at.imputer)
    used = [record.imputation for seeds in scored.values() for record in seeds.values()]
    columns = ["all"] * any("all" in scores for scores in used)
    columns += sorted({name for scores in used for name in scores} - {"all"})
    rows = [_row(name, planned[name], seeds, name in controls) for name, seeds in scored.items()]
    by_imputer: dict[str, dict[Coordinates, Record | None]] = {}
    for at, record in cells.items():
        by_imputer.setdefault(at.imputer, {})[at] = record
    for row in rows:
        row.unranked = failure(audit_results(by_imputer[row.imputer], {}), IMPUTER_AUDITS)
    rows.sort(key=lambda row: (not row.scores, *(_order(row) if row.eligible else (math.inf, row.imputer))))
    return Imputation(
        modalities=place[0],
        scenario=place[1],
        expected=_mean(values.get("expected") for values in hidden.values()),
        realised=_mean(values.get("realised") for values in hidden.values()),
        # What a control leaves absent, an imputer may fill (`fill_absent`).
        absent=_mean(record.hidden.get("absent") for seeds in scored.values() for record in seeds.values()),
        metrics=[m for m in METRICS if any(m in scores for row in rows for scores in row.scores.values())],
        columns=columns,
        entries=_entries(used, columns),
        rows=rows,
        silent=sorted(planned.keys() - scored.keys()),
        notes=[
            f"**The scores of {safe(name)} differ between cells that share an imputation.**"
            for name in sorted(differing)
        ],
    )


def _agree(one: Mapping[str, Mapping[str, float]], two: Mapping[str, Mapping[str, float]]) -> bool:
    return one == two or (
        one.keys() == two.keys()
        and all(
            one[m].keys() == two[m].keys() and all(abs(one[m][k] - two[m][k]) <= _SAME for k in one[m]) for m in one
        )
    )


def _row(imputer: str, planned: set[int], seeds: Mapping[int, Record], control: bool) -> ImputationRow:
    """Means only over all planned seeds, and only of what every seed has."""
    row = ImputationRow(
        imputer=imputer,
        control=control,
        seeds_planned=sorted(planned),
        seeds_scored=sorted(seeds),
        scores={},
        draws=_common(seeds.values(), "draws"),
        parameters=_common(seeds.values(), "imputer_parameters"),
    )
    if row.seeds_scored != row.seeds_planned:
        return row
    found = [seeds[seed].imputation for seed in row.seeds_scored]
    for modality in sorted(set.intersection(*(set(scores) for scores in found))):
        metrics = [m for m in METRICS if all(m in scores[modality] for scores in found)]
        values = {m: [scores[modality][m] for scores in found] for m in metrics}
        row.scores[modality] = {m: Score.over(v) for m, v in values.items()}
    return row


def _common(records: Iterable[Record], cost: str) -> int | None:
    values = {record.costs.get(cost) for record in records}
    value = values.pop()
    return int(value) if value is not None and not values else None


def _order(row: ImputationRow) -> tuple[float, str]:
    """What eligible rows are ordered by."""
    return row.scores["all"]["mae"].mean, row.imputer


def _entries(used: list[dict[str, dict[str, float]]], columns: list[str]) -> dict[str, float]:
    """How many entries were scored per modality, the mean over seeds; every imputer is scored on the same ones."""
    entries = {name: _mean(scores.get(name, {}).get("hidden") for scores in used) for name in columns}
    return {name: value for name, value in entries.items() if value is not None}


def _mean(values: Iterable[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return plain.fmean(numbers) if numbers else None


def _compare(table: Imputation, stored: ImputationStatistics, alpha: float | None) -> None:
    """Intervals, tie groups and differences to the best, where stored comparisons are of this very table."""
    rows = {imputer_of(table.modalities, table.scenario, row.imputer): row for row in table.rows if row.eligible}
    about = next((t for t in stored.tables if (t.modalities, t.scenario) == (table.modalities, table.scenario)), None)
    intervals = {i.method: (i.low, i.high) for i in stored.intervals if i.metric == "mae"}
    seeds = sorted({seed for row in table.rows for seed in row.seeds_planned})
    if not rows or about is None or alpha is None or list(about.seeds) != seeds or not rows.keys() <= intervals.keys():
        why = f" ({safe(about.reason)})" if about and about.reason else ""
        table.notes.append(f"No comparisons of these imputers are stored{why}: which of them tie is not known.")
        return
    if about.reason:
        table.notes.append(safe(about.reason[0].upper() + about.reason[1:]) + ".")
    table.alpha = alpha
    ranked = list(rows)
    inside = [c for c in stored.comparisons if {c.a, c.b} <= rows.keys()]
    for method, group in zip(ranked, tie_groups(ranked, inside, alpha), strict=True):
        rows[method].tie_group, rows[method].interval = group, intervals[method]
    for comparison in inside:
        for better, other, sign in ((comparison.a, comparison.b, -1), (comparison.b, comparison.a, 1)):
            if better == ranked[0]:
                rows[other].to_best = signed(sign, comparison.difference, comparison.low, comparison.high)


def signed(sign: int, mean: float, low: float, high: float) -> Difference:
    """A difference, or (sign -1) the same seen from the other side."""
    return Difference(mean, low, high) if sign > 0 else Difference(-mean, -high, -low)


def rate_of(scenario: str) -> tuple[str, float | None]:
    """The label of a scenario without its rate, and the rate: `mcar(rate=0.1)` is ("mcar", 0.1)."""
    name, bracket, inside = scenario.partition("(")
    words = inside.removesuffix(")").split(", ") if bracket else []
    rates = [word for word in words if re.fullmatch(r"rate=[\d.]+(e-?\d+)?", word)]
    if len(rates) != 1:
        return scenario, None
    rest = ", ".join(word for word in words if word not in rates)
    return (f"{name}({rest})" if rest else name), float(rates[0].partition("=")[2])


def curves(tables: Iterable[Imputation], stored: ImputationStatistics) -> list[Curve]:
    """One per modality set and group of scenarios that differ in their rate alone, where there are two rates or more."""
    families: dict[Place, dict[float, Imputation]] = {}
    for table in tables:
        family, rate = rate_of(table.scenario)
        if rate is not None:
            families.setdefault((table.modalities, family), {})[rate] = table
    intervals = {(i.method, i.metric): (i.low, i.high) for i in stored.intervals}
    made = []
    for (modalities, family), found in families.items():
        if len(found) < 2:
            continue
        rates = sorted(found)
        metrics = [m for m in METRICS if any(m in table.metrics for table in found.values())]
        rows = {rate: {row.imputer: row for row in found[rate].rows} for rate in rates}
        names = dict.fromkeys(row.imputer for rate in rates for row in found[rate].rows if not row.unranked)
        made.append(
            Curve(
                modalities=modalities,
                scenario=family,
                rates=rates,
                metrics=metrics,
                rows=[
                    CurveRow(
                        imputer=name,
                        control=any(rows[rate][name].control for rate in rates if name in rows[rate]),
                        draws=next(rows[rate][name].draws for rate in rates if name in rows[rate]),
                        scores={m: [_at(rows[rate].get(name), m) for rate in rates] for m in metrics},
                        intervals={
                            m: [intervals.get((imputer_of(modalities, found[r].scenario, name), m)) for r in rates]
                            for m in metrics
                        },
                    )
                    for name in names
                ],
            )
        )
    return made


def _at(row: ImputationRow | None, metric: str) -> Score | None:
    return row.scores.get("all", {}).get(metric) if row and row.eligible else None


def _device(record: Record) -> str:
    """The device of the imputer: that of the fuser, where no other is said."""
    return record.provenance.get("imputer device") or record.provenance.get("device", "")


def imputer_costs(cells: Cells) -> list[ImputerCost]:
    """What each imputer took by modality set and scenario, each imputation counted once; those that tell their draws."""
    made = []
    for (modalities, scenario), inside in _places(cells).items():
        found: dict[str, dict[int, Record]] = {}
        for at in sorted(inside):
            record = inside[at]
            if record is not None and record.status == "ok" and "draws" in record.costs:
                found.setdefault(at.imputer, {}).setdefault(at.seed, record)
        for imputer, seeds in found.items():
            values = {name: _mean(record.costs.get(name) for record in seeds.values()) for name in COSTS}
            made.append(
                ImputerCost(
                    modalities=modalities,
                    scenario=scenario,
                    imputer=imputer,
                    device=counted(Counter(map(_device, seeds.values())), "seed"),
                    seeds=len(seeds),
                    values={name: value for name, value in values.items() if value is not None},
                )
            )
    return made
