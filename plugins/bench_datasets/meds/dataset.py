"""Data in the Medical Event Data Standard as a cohort: a record for each event of a start code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bench.cohort import Cohort, Counts
from bench.components import Context, Dataset, Interrupted
from bench.errors import DataError
from bench_datasets.long_rows import Rows, count_cohort, kept_rows, series_of_rows
from bench_datasets.mapped import channels_of
from bench_datasets.meds.events import BIRTH, has, read_events, read_splits
from bench_datasets.meds.mapping import Mapping, read_mapping, shards, splits_file
from bench_datasets.meds.params import SPLIT, START, MedsParams

PARTS = {"train": 0, "tuning": 1, "held_out": 2}
"""The parts of subjects in MEDS, as those of a split."""

YEAR = 365.25 * 24
"""Hours."""


class Meds(Dataset[MedsParams]):
    """Reads MEDS 0.4 as a TOML file says; see docs/reference/datasets/meds.md.

    - Records: events of a start code, called "SUBJECT TIME", by subject and time. A row belongs to
      the last record of its subject that started at its time or before.
    - Groups: subjects. Statics: age in years, and those of the mapping. Split `meds`, where the
      data have one. Column `start`: what stands behind the start code.
    """

    def prepare(self, root: Path, context: Context) -> Cohort:
        """The cohort. Every row is kept or counted in `Cohort.counts`.

        Raises DataError for a mapping that cannot be understood, a damaged file, a code of two
        channels, a subject without a part, and where no row is kept.
        """
        params, counts = self.params, Counts()
        mapping, origin = read_mapping(root, params), root / params.mapping
        channels = channels_of(mapping.modalities, origin, "")
        members = [each.codes for channel in mapping.modalities.values() for each in channel.values()]
        marks = _marks(mapping)

        def go_on(path: Path) -> None:
            if context.should_stop():
                raise Interrupted
            context.report(f"reading {path.name} ({path.stat().st_size / 2**20:,.0f} MiB)")

        patterns = [pattern for codes in (*members, *marks) for pattern in codes]
        events = read_events(shards(root, params, mapping), lambda code: has(code, patterns), counts, go_on)
        codes = [str(code) for code in events["code"].cat.categories]
        channel, rank = _meaning(codes, members, [each.name for each in channels], origin, counts)
        measured = channel[events["code"].cat.codes] >= 0
        counts.found("rows of records, outcomes and statics", (~measured).sum())
        records = _records(events, mapping, counts)
        if not len(records):
            started = ", ".join(mapping.records.start)
            raise DataError(
                f"no event has a start code of {origin} ({started}); metadata/codes.parquet lists the codes of the data"
            )
        rows = _rows(events[measured], records, channel, rank, counts)
        kept = kept_rows(rows, channels, mapping.grid.length, mapping.grid.bin_hours, counts, "codes")
        places, record = np.unique(kept.record, return_inverse=True)
        if not len(places):
            lost = [f"{name}: {each.number:,}" for name, each in counts.by_name().items() if each.kind != "found"]
            why = f" ({'; '.join(lost[:5])})" if lost else ""
            raise DataError(
                f"no row of a record with a code of the channels in {origin} is kept{why}; metadata/codes.parquet lists the "
                "codes of the data"
            )
        counts.found("records that start", len(records))
        counts.left_out("records without a value that is kept, left out", len(records) - len(places))
        kept.record[:] = record
        records = records.iloc[places].reset_index(drop=True)
        series = series_of_rows(kept, len(records), channels, mapping.grid.length, mapping.grid.bin_hours)
        targets = {name: _target(events, records, name, mapping, counts) for name in mapping.tasks}
        count_cohort(series, targets, counts)
        split = splits_file(root, params, mapping)
        ids = [
            f"{subject} {time.isoformat()}" for subject, time in zip(records["subject"], records["time"], strict=True)
        ]
        return Cohort(
            ids=np.array(ids),
            groups=records["subject"].to_numpy().astype(str),
            modalities=series,
            statics=_statics(events, records, mapping),
            static_names=("age", *mapping.statics),
            targets=targets,
            splits={SPLIT: _parts(records, split)} if split else {},
            columns={START: np.array([_behind(code, mapping.records.start) for code in records["code"]])},
            bin_hours=mapping.grid.bin_hours,
            counts=counts.by_name(),
        )


def _marks(mapping: Mapping) -> list[tuple[str, ...]]:
    """The codes that say where records begin and end, what became of them, and who they are."""
    outcomes = [codes for task in mapping.tasks.values() for codes in (task.codes, task.until)]
    return [(BIRTH,), mapping.records.start, mapping.records.end, *outcomes, *mapping.statics.values()]


def _meaning(
    codes: list[str], members: list[tuple[str, ...]], names: list[str], origin: Path, counts: Counts
) -> tuple[np.ndarray, np.ndarray]:
    """The channel of each code, -1 for none, and its rank there: int64 [codes]. members: the
    patterns of each channel.
    """
    channel, rank = np.full(len(codes), -1), np.zeros(len(codes), np.int64)
    used = set()
    for place, code in enumerate(codes):
        hits = [
            (number, n) for number, each in enumerate(members) for n, pattern in enumerate(each) if has(code, [pattern])
        ]
        if len({number for number, _ in hits}) > 1:
            twice = " and ".join(dict.fromkeys(names[number] for number, _ in hits))
            raise DataError(f"{origin}: the code {code!r} is one of {twice}; give it to one of them")
        used |= set(hits)
        if hits:
            channel[place], rank[place] = hits[0]
    counts.found("codes of channels without any row", sum(map(len, members)) - len(used))
    return channel, rank


def _records(events: pd.DataFrame, mapping: Mapping, counts: Counts) -> pd.DataFrame:
    """The records by subject and time: subject, time, code, end (NaT: none)."""
    starts = _of(events, mapping.records.start)
    counts.unusable("start codes without a time, skipped", starts["time"].isna().sum())
    starts = starts[starts["time"].notna()].sort_values(["subject", "time", "code"])
    again = starts.duplicated(["subject", "time"])
    counts.left_out("start codes that repeat a time, one kept", np.count_nonzero(again))
    records = starts[~again].reset_index(drop=True)[["subject", "time", "code"]]
    ends = _first(events, mapping.records.end, records)
    following = records.groupby("subject")["time"].shift(-1)
    records["end"] = ends.mask(ends > following)  # an end behind the next start is not of this record
    return records


def _of(events: pd.DataFrame, patterns: tuple[str, ...]) -> pd.DataFrame:
    """The events of these codes."""
    chosen = [code for code in events["code"].cat.categories if has(code, patterns)]
    return events[events["code"].isin(chosen)].astype({"code": str})


def _first(events: pd.DataFrame, patterns: tuple[str, ...], records: pd.DataFrame) -> pd.Series:
    """When the first event of these codes is, from the start of each record on; NaT for none."""
    of = _of(events, patterns)
    of = of[of["time"].notna()].sort_values("time")[["subject", "time"]].assign(when=lambda each: each["time"])
    starts = records[["subject", "time"]].assign(record=records.index).sort_values("time")
    joined = pd.merge_asof(starts, of, on="time", by="subject", direction="forward")
    return joined.set_index("record")["when"].sort_index()


def _rows(events: pd.DataFrame, records: pd.DataFrame, channel: np.ndarray, rank: np.ndarray, counts: Counts) -> Rows:
    """The rows of channels that are within a record; the others are counted."""
    timeless = events["time"].isna().to_numpy(bool)
    counts.left_out("codes: rows without a time, left out", np.count_nonzero(timeless))
    events = events[~timeless].sort_values("time", kind="stable")
    starts = records.assign(record=records.index, start=records["time"]).sort_values("time")
    joined = pd.merge_asof(events, starts.drop(columns="code"), on="time", by="subject", direction="backward")
    before = joined["record"].isna().to_numpy(bool)
    counts.left_out("codes: rows of subjects without a record that started, left out", np.count_nonzero(before))
    after = ~before & (joined["time"] > joined["end"]).to_numpy(bool)
    counts.left_out("codes: rows after the end of the record, left out", np.count_nonzero(after))
    joined = joined[~before & ~after]
    place = joined["code"].cat.codes.to_numpy()
    hours = _hours(joined["time"] - joined["start"])
    return Rows(
        joined["record"].to_numpy(np.int64),
        hours,
        channel[place],
        joined["value"].to_numpy(),
        rank[place],
    )


def _target(events: pd.DataFrame, records: pd.DataFrame, name: str, mapping: Mapping, counts: Counts) -> np.ndarray:
    """Whether a code occurs after the grid: float32 [n], NaN where that is not known."""
    task, over = mapping.tasks[name], records["time"] + pd.Timedelta(hours=mapping.grid.length * mapping.grid.bin_hours)
    occurs = _first(events, task.codes, records)
    until = _first(events, task.until, records)
    left, ends = np.ones(len(records), bool), bool(mapping.records.end)
    for reason, hit in (
        ("the record ends before its grid, unknown", ends & ~(records["end"] >= over)),
        ("it occurs before the grid ends, unknown", occurs < over),
        ("nothing says until when, unknown", until.isna() & bool(task.until)),
        ("what it is looked for until comes before the grid ends, unknown", until < over),
    ):  # fmt: skip
        counts.left_out(f"task {name}: {reason}", (left & hit).sum())
        left &= ~hit.to_numpy(bool)
    positive = occurs.notna() & (until.isna() | (occurs <= until))
    counts.found(f"task {name}: positive", (left & positive).sum())
    return np.where(left, positive, np.nan).astype(np.float32)


def _statics(events: pd.DataFrame, records: pd.DataFrame, mapping: Mapping) -> np.ndarray:
    """Age at the start, and whether the subject has a code without a time: float32 [n, statics]."""
    born = _of(events, (BIRTH,)).groupby("subject")["time"].min()
    columns = [_hours(records["time"] - born.reindex(records["subject"]).to_numpy()) / YEAR]
    for codes in mapping.statics.values():
        of = _of(events, codes)
        columns.append(records["subject"].isin(of["subject"][of["time"].isna()]).to_numpy(bool).astype(np.float64))
    return np.stack(columns, axis=1).astype(np.float32)


def _hours(differences: pd.Series[pd.Timedelta]) -> np.ndarray:
    """Hours, float64, NaN for NaT."""
    microseconds = differences.to_numpy("timedelta64[us]")
    return np.where(np.isnat(microseconds), np.nan, microseconds.astype(np.float64) / 3.6e9)


def _parts(records: pd.DataFrame, path: Path) -> np.ndarray:
    """The part of each record, int8 [n]."""
    split = read_splits(path)
    strange = sorted({str(part) for part in split.values()} - set(PARTS))
    lost = [subject for subject in records["subject"].tolist() if subject not in split]
    if strange or lost:
        what = f"the part {strange[0]!r}" if strange else f"no part for {len(set(lost)):,} subjects with a record"
        raise DataError(f"{path} has {what}; accepted: {', '.join(PARTS)} for each subject; mend it, or move it away")
    return np.array([PARTS[split[subject]] for subject in records["subject"].tolist()], np.int8)


def _behind(code: str, patterns: tuple[str, ...]) -> str:
    """What stands behind the start code: the unit of ICU_ADMISSION//UNIT."""
    longest = max((each.rstrip("/") for each in patterns if has(code, [each])), key=len)
    return code[len(longest) + 2 :][:200]
