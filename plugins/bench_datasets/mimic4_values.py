"""The 30 variables from icu/chartevents: one streaming pass, then windowing, conversion and merging in SQL."""

from __future__ import annotations

from collections import Counter

import numpy as np

from bench.cohort import Events
from bench.errors import DataError
from bench_datasets import mimic4_table as table
from bench_datasets.mimic4_files import Mimic4Files
from bench_datasets.mimic4_read import Tables

LARGEST = float(np.finfo(np.float32).max)


def read_items(tables: Tables, files: Mimic4Files, chosen: table.Map, counts: Counter[str]) -> list[str]:
    """Resolve the labels of a map into a temporary table `item` (itemid text, source, and what to do with it).

    Of several items with one label the first linked to chartevents is read. Returns what a person should know: labels
    without an item, and items with another id than the usual one. Raises DataError when no label is found.
    """
    path = files.tables["icu/d_items"]
    header = tables.csv(path, ("itemid", "label", "linksto"))
    tables.run(
        f"CREATE TEMP TABLE d_item AS SELECT trim(itemid) AS itemid, trim(label) AS label, trim(linksto) AS linksto "
        f"FROM {header}",
        path,
    )
    known: dict[str, list[str]] = {}
    texts: dict[str, str] = {}
    for item, label, links in tables.rows("SELECT itemid, label, linksto FROM d_item ORDER BY rowid"):
        texts.setdefault(item, label)
        if links == "chartevents" and item is not None and item not in known.setdefault(label, []):
            known[label].append(item)
    remarks = []
    found: list[tuple[str, int, int, str, float, float]] = []
    for index, variable, rank, label in table.labels(chosen):
        items = known.get(label.text, [])
        if not items:
            remark = f'no item of chartevents is labelled "{label.text}"'
            if str(label.item) in texts:
                remark += f' (its usual item {label.item} is labelled "{texts[str(label.item)]}")'
            remarks.append(f"{remark}, so {variable.name} lacks it")
            counts["icu/d_items: labels without an item"] += 1
            continue
        if label.item is not None and items[0] != str(label.item):
            remarks.append(f'"{label.text}" is item {items[0]}, usually {label.item}')
            counts["icu/d_items: labels with another item than the usual one"] += 1
        counts["icu/d_items: further items of a label, left out"] += len(items) - 1
        clean = chosen == "v30-clean"
        low, high = (variable.low, variable.high) if clean else (-LARGEST, LARGEST)
        found.append((items[0], index, rank, label.conversion if clean else "", low, high))
    if not found:
        raise DataError(f"{path} holds none of the labels of the map {chosen}; is it the d_items of MIMIC-IV?")
    itemid, channel, ranks, conversion, lows, highs = zip(*found, strict=True)
    tables.put(
        "item",
        itemid=("VARCHAR", itemid),
        source=("SMALLINT", range(len(found))),
        channel=("SMALLINT", channel),
        rank=("SMALLINT", ranks),
        conversion=("VARCHAR", conversion),
        low=("DOUBLE", lows),
        high=("DOUBLE", highs),
    )
    return remarks


def read_values(tables: Tables, files: Mimic4Files, hours: int, counts: Counter[str]) -> dict[str, np.ndarray]:
    """What was recorded in the window, sorted: record int32, seconds int32 since intime, channel int16, value float32.

    Of values with equal record, time and channel the label listed first wins, and within a label the first in the file
    (mimic48 protocol, section 5). Every row of an item of the map is kept or counted.
    """
    path = files.tables["icu/chartevents"]
    rows = tables.csv(path, ("stay_id", "charttime", "itemid", "valuenum"))
    tables.run(
        f"""
        CREATE TEMP TABLE reading AS
        SELECT s.record, i.source, c.valuenum IS NULL AS empty, try_cast(trim(c.valuenum) AS DOUBLE) AS value,
               c.charted IS NULL AS dateless,
               least(greatest(date_diff('second', s.intime, c.charted), -1), {hours * 3600})::INTEGER AS seconds
        FROM (SELECT itemid, valuenum, try_cast(trim(charttime) AS TIMESTAMP) AS charted,
                     try_cast(trim(stay_id) AS BIGINT) AS stay_id FROM {rows}) c
        LEFT JOIN item i ON c.itemid = i.itemid LEFT JOIN stay s ON c.stay_id = s.stay_id
        WHERE i.itemid IS NOT NULL OR try_cast(trim(c.itemid) AS BIGINT) IS NULL
        """,
        path,
    )
    _classify(tables, hours, counts)
    expression = " ".join(f"WHEN '{name}' THEN {sql}" for name, sql in table.CONVERSIONS.items())
    tables.run(
        f"""
        CREATE TEMP TABLE converted AS
        SELECT record, seconds, channel, rank::BIGINT * 1000000000000 + r.rowid AS place, i.source,
               CASE conversion {expression} END AS value,
               CASE conversion {expression} END BETWEEN low AND high AS plausible
        FROM reading r JOIN item i ON r.source = i.source
        WHERE record IS NOT NULL AND NOT dateless AND isfinite(value) AND abs(value) <= {LARGEST}
              AND seconds BETWEEN 0 AND {hours * 3600 - 1}
        """
    )
    tables.run("DROP TABLE reading")
    for channel, removed in tables.rows("SELECT channel, count(*) FROM converted WHERE NOT plausible GROUP BY channel"):
        variable = table.VARIABLES[channel]
        counts[f"{variable.name}: outside {variable.low:g} to {variable.high:g}, removed"] = removed
    plausible = tables.number("SELECT count(*) FROM converted WHERE plausible")
    found = tables.columns(
        """
        SELECT record, seconds, channel, arg_min(value, place)::FLOAT AS value
        FROM converted WHERE plausible GROUP BY record, seconds, channel ORDER BY record, seconds, channel
        """
    )
    tables.run("DROP TABLE converted")
    counts["icu/chartevents: values repeating a time and variable, the first one kept"] = plausible - len(
        found["value"]
    )
    counts["icu/chartevents: values kept"] = len(found["value"])
    return found


def _classify(tables: Tables, hours: int, counts: Counter[str]) -> None:
    """Count what was read and what is left out, each row under the first reason that holds."""
    reasons = {
        "rows without a readable itemid, skipped": "source IS NULL",
        "rows of a stay that is not in icu/icustays, skipped": "record IS NULL",
        "rows without a readable charttime, skipped": "dateless",
        "rows without a number, left out": "empty",
        "rows with a valuenum that is not a number, skipped": f"value IS NULL OR NOT isfinite(value) OR abs(value) > {LARGEST}",
        "rows before ICU admission, outside the window": "seconds < 0",
        f"rows {hours} hours or more after ICU admission, outside the window": f"seconds >= {hours * 3600}",
    }
    cases = " ".join(f"WHEN {condition} THEN {number}" for number, condition in enumerate(reasons.values()))
    found = dict(tables.rows(f"SELECT CASE {cases} ELSE -1 END AS reason, count(*) FROM reading GROUP BY reason"))
    counts["icu/chartevents: rows of the variables"] = sum(found.values()) - found.get(0, 0)
    for number, reason in enumerate(reasons):
        counts[f"icu/chartevents: {reason}"] = found.get(number, 0)


def to_events(n: int, found: dict[str, np.ndarray], channels: int) -> Events:
    """Values sorted by record and time as events: one row per record and distinct time.

    found: record, seconds, channel, value, each [values]; at most one value per record, time and channel.
    """
    record, seconds = found["record"].astype(np.int64), found["seconds"].astype(np.int64)
    new = np.ones(len(record), bool)
    new[1:] = (np.diff(record) > 0) | (np.diff(seconds) > 0)
    values = np.full((int(new.sum()), channels), np.nan, np.float32)
    values[np.cumsum(new) - 1, found["channel"]] = found["value"]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(record[new], minlength=n))]).astype(np.int64)
    return Events(offsets, (seconds[new] / 3600).astype(np.float32), values)
