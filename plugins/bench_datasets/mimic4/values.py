"""The 30 variables from icu/chartevents: one streaming pass, then windowing, conversion and
merging in SQL.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.cohort import Counts, Events
from bench.errors import DataError
from bench_datasets.long_rows import events_of_rows
from bench_datasets.mimic4 import table
from bench_datasets.mimic4 import warnings as damage
from bench_datasets.mimic4.files import Mimic4Files
from bench_datasets.mimic4.read import TIME, WHOLE, Tables

SPEECHLESS = "No Response-ETT"
"""What is charted as the verbal response of who has a tube in the throat; its valuenum is 1."""

LARGEST = float(np.finfo(np.float32).max)


def read_items(tables: Tables, files: Mimic4Files, chosen: table.Map, counts: Counts) -> list[str]:
    """Resolve the labels of a map into a temporary table `item` (itemid text, source, and what to
    do with it).

    Several items with one label may be linked to chartevents. Then the usual one is read, else the
    one with the lowest id, so that the order of the rows decides nothing. Returns warnings: labels
    without an item, and items with another id than the usual one. Raises DataError when no label is
    found.
    """
    path = files.tables["icu/d_items"]
    source = tables.table(path, table.COLUMNS["icu/d_items"])
    tables.run(
        f"CREATE TEMP TABLE d_item AS SELECT whole(itemid) AS item, itemid, label, linksto, ragged FROM {source}", path
    )
    rows = tables.rows_of(path, tables.number("SELECT count(*) FROM d_item"))
    counts.found("icu/d_items: rows", rows)
    ragged = tables.number("SELECT count(*) FROM d_item WHERE ragged")
    counts.unusable(f"icu/d_items: {damage.RAGGED}", ragged)
    tables.square(path, ragged, rows)
    lost = tables.number("SELECT count(*) FROM d_item WHERE NOT ragged AND item IS NULL")
    counts.unusable("icu/d_items: rows without a readable itemid, skipped", lost)
    tables.legible(path, "d_item", "itemid", "whole(itemid)", WHOLE, lost, rows - ragged)
    known: dict[str, list[int]] = {}
    texts: dict[int, str] = {}
    met = "SELECT DISTINCT item, label, linksto FROM d_item WHERE NOT ragged AND item IS NOT NULL ORDER BY ALL"
    for item, label, links in tables.rows(met):
        texts.setdefault(item, label)
        if links == "chartevents" and item not in known.setdefault(label, []):
            known[label].append(item)
    remarks = []
    rows_of_items: list[tuple[int, int, int, str, float, float]] = []
    for index, variable, rank, label in table.labels(chosen):
        items = sorted(known.get(label.text, []), key=lambda item: (item != label.item, item))
        if not items:
            remark = f'no item of chartevents is labelled "{label.text}"'
            if label.item in texts:
                remark += f' (its usual item {label.item} is labelled "{texts[label.item]}")'
            remarks.append(f"{remark}, so {variable.name} lacks it")
            counts.found("icu/d_items: labels without an item")
            continue
        if label.item is not None and items[0] != label.item:
            remarks.append(f'"{label.text}" is item {items[0]}, usually {label.item}')
            counts.found("icu/d_items: labels with another item than the usual one")
        counts.left_out("icu/d_items: further items of a label, left out", len(items) - 1)
        clean = chosen == "v30-clean"
        low, high = (variable.low, variable.high) if clean else (-LARGEST, LARGEST)
        rows_of_items.append((items[0], index, rank, label.conversion if clean else "", low, high))
    if not rows_of_items:
        raise DataError(f"{path} holds none of the labels of the map {chosen}; is it the d_items of MIMIC-IV?")
    counts.found("icu/d_items: labels with an item", len(rows_of_items))
    counts.found("icu/d_items: rows of other items, not read", rows - ragged - lost - len(rows_of_items))
    itemid, channel, ranks, conversion, lows, highs = zip(*rows_of_items, strict=True)
    tables.put(
        "item",
        itemid=("BIGINT", itemid),
        source=("SMALLINT", range(len(rows_of_items))),
        channel=("SMALLINT", channel),
        rank=("SMALLINT", ranks),
        conversion=("VARCHAR", conversion),
        low=("DOUBLE", lows),
        high=("DOUBLE", highs),
    )
    return remarks


def read_values(tables: Tables, files: Mimic4Files, hours: int, counts: Counts) -> dict[str, np.ndarray]:
    """What was recorded in the window, sorted: record int32, seconds int32 since intime, channel
    int16, value float32.

    Of values with equal record, time and channel the label listed first wins, and within a label
    the smallest value. That is our decision: the published code keeps the first in the file
    (mimic48 protocol, section 5). Every row is kept or counted. Raises DataError where most of a
    column cannot be read.
    """
    path = files.tables["icu/chartevents"]
    source = tables.table(path, table.COLUMNS["icu/chartevents"], ("value",))
    tables.run(
        f"""
        CREATE TEMP TABLE reading AS
        SELECT s.record, c.ragged, c.item IS NULL AS itemless, i.source, c.valuenum IS NULL AS empty,
               try_cast(c.valuenum AS DOUBLE) AS value, c.stay IS NULL AND c.stay_id IS NOT NULL AS stayless,
               c.charttime IS NULL AS timeless, moment(c.charttime) IS NULL AS dateless,
               least(greatest(date_diff('second', s.intime, moment(c.charttime)), -1), {hours * 3600})::INTEGER AS seconds,
               coalesce(moment(c.charttime) > s.outtime, false) AS late, coalesce(c.value = '{SPEECHLESS}', false) AS speechless
        FROM (SELECT whole(itemid) AS item, whole(stay_id) AS stay, * FROM {source}) c
        LEFT JOIN item i ON c.item = i.itemid LEFT JOIN stay s ON c.stay = s.stay_id
        WHERE i.itemid IS NOT NULL OR c.item IS NULL OR c.ragged
        """,
        path,
    )
    tables.square(path, tables.number("SELECT count(*) FROM reading WHERE ragged"), tables.rows_of(path))
    _legible(tables, path, source)
    _classify(tables, path, hours, counts)
    expression = " ".join(f"WHEN '{name}' THEN {sql}" for name, sql in table.CONVERSIONS.items())
    tables.run(
        f"""
        CREATE TEMP TABLE converted AS
        SELECT record, seconds, channel, rank, late, speechless, CASE conversion {expression} END AS value,
               CASE conversion {expression} END BETWEEN low AND high AS plausible
        FROM reading r JOIN item i ON r.source = i.source
        WHERE record IS NOT NULL AND NOT ragged AND NOT dateless AND isfinite(value) AND abs(value) <= {LARGEST}
              AND seconds BETWEEN 0 AND {hours * 3600 - 1}
        """
    )
    tables.run("DROP TABLE reading")
    by_channel = "SELECT channel, count(*) FILTER (NOT plausible), count(*) FROM converted GROUP BY channel"
    for channel, removed, there in tables.rows(by_channel):
        variable = table.VARIABLES[channel]
        counts.left_out(f"{variable.name}: outside {variable.low:g} to {variable.high:g}, removed", removed)
        if there >= damage.SEVERAL and 2 * removed > there:
            counts.found(f"{variable.name}: {damage.IMPLAUSIBLE}", removed)
    plausible = tables.number("SELECT count(*) FROM converted WHERE plausible")
    # Of equal labels the smallest value, whatever the order of the rows: nothing else tells the two
    # apart.
    tables.run(
        """
        CREATE TEMP TABLE chosen_value AS
        SELECT record, seconds, channel, first(value ORDER BY rank, value)::FLOAT AS value,
               first(speechless ORDER BY rank, value, speechless) AS speechless, bool_or(late) AS late
        FROM converted WHERE plausible GROUP BY record, seconds, channel
        """
    )
    tables.run("DROP TABLE converted")
    for name, condition in ((damage.SPEECHLESS, "speechless"), (damage.LATE, "late")):
        counts.found(name, tables.number(f"SELECT count(*) FROM chosen_value WHERE {condition}"))
    readings = tables.columns(
        "SELECT record, seconds, channel, value FROM chosen_value ORDER BY record, seconds, channel"
    )
    tables.run("DROP TABLE chosen_value")
    kept = len(readings["value"])
    counts.left_out("icu/chartevents: values repeating a time and variable, one kept", plausible - kept)
    counts.found("icu/chartevents: values kept", kept)
    return readings


def _legible(tables: Tables, path: Path, source: str) -> None:
    """Raises DataError where most fields of a column cannot be read."""
    looked = {
        "itemid": ("whole(itemid)", WHOLE, "itemless AND NOT ragged", "NOT ragged"),
        "stay_id": ("whole(stay_id)", WHOLE, "stayless AND NOT ragged", "source IS NOT NULL AND NOT ragged"),
        "charttime": (
            "moment(charttime)",
            TIME,
            "dateless AND NOT timeless AND NOT ragged",
            "source IS NOT NULL AND NOT timeless AND NOT ragged",
        ),
        "valuenum": (
            "try_cast(valuenum AS DOUBLE)",
            "a number with a decimal point",
            "value IS NULL AND NOT empty AND NOT ragged",
            "source IS NOT NULL AND NOT empty AND NOT ragged",
        ),
    }
    columns = ", ".join(f"count(*) FILTER ({bad}), count(*) FILTER ({filled})" for _, _, bad, filled in looked.values())
    numbers = tables.rows(f"SELECT {columns} FROM reading")[0]
    for place, (column, (parsed, expected, _, _)) in enumerate(looked.items()):
        tables.legible(path, source, column, parsed, expected, *numbers[2 * place : 2 * place + 2])


def _classify(tables: Tables, path: Path, hours: int, counts: Counts) -> None:
    """Count what was read and what is left out, each row under the first reason that holds."""
    wild = f"value IS NULL OR NOT isfinite(value) OR abs(value) > {LARGEST}"
    late = f"icu/chartevents: rows {hours} hours or more after ICU admission, outside the window"
    reasons = (
        (counts.unusable, f"icu/chartevents: {damage.RAGGED}", "ragged"),
        (counts.unusable, "icu/chartevents: rows without a readable itemid, skipped", "source IS NULL"),
        (counts.unusable, "icu/chartevents: rows of a stay that is not in icu/icustays, skipped", "record IS NULL"),
        (counts.unusable, "icu/chartevents: rows without a readable charttime, skipped", "dateless"),
        (counts.left_out, "icu/chartevents: rows without a number, left out", "empty"),
        (counts.unusable, "icu/chartevents: rows with a valuenum that is not a number, skipped", wild),
        (counts.left_out, damage.EARLY, "seconds < 0"),
        (counts.left_out, late, f"seconds >= {hours * 3600}"),
    )
    cases = " ".join(f"WHEN {condition} THEN {number}" for number, (_, _, condition) in enumerate(reasons))
    rows_of_reason = dict(
        tables.rows(f"SELECT CASE {cases} ELSE -1 END AS reason, count(*) FROM reading GROUP BY reason")
    )
    rows = tables.rows_of(path)
    counts.found("icu/chartevents: rows", rows)
    counts.found(damage.CHARTED, sum(rows_of_reason.values()) - rows_of_reason.get(0, 0) - rows_of_reason.get(1, 0))
    counts.found("icu/chartevents: rows of other items, not read", rows - sum(rows_of_reason.values()))
    for number, (count, reason, _) in enumerate(reasons):
        count(reason, rows_of_reason.get(number, 0))


def to_events(n: int, readings: dict[str, np.ndarray], channels: int) -> Events:
    """Values sorted by record and time as events: one row per record and distinct time.

    readings: record, seconds, channel, value, each [values]; at most one value per record, time and
           channel.
    """
    hours = readings["seconds"] / 3600
    return events_of_rows(n, readings["record"], hours, readings["channel"], readings["value"], channels)
