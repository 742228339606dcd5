"""PhysioNet/CinC Challenge 2012 as a cohort: 48 hours of ICU stays, four modalities, five
statics, two tasks.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.cohort import Cohort, Counts, Events, Series, bin_events
from bench.components import Context, Dataset
from bench.errors import DataError
from bench_datasets.physionet2012 import table
from bench_datasets.physionet2012.files import SetFiles, find
from bench_datasets.physionet2012.params import ICU_TYPE, Physionet2012Params
from bench_datasets.physionet2012.read import Lines, Outcome, read_outcomes, read_set, some

HOURS = 48
STATICS = {"age": "Age", "gender": "Gender", "height": "Height", "weight": "Weight", "icu_type": "ICUType"}
UNITS = ("", "coronary care", "cardiac surgery", "medical", "surgical")
"""The column `icu_type` of each ICUType; the first where it is unknown."""

SEVERAL = 50
"""Values of a variable from which on it is no chance that most are out of range."""

_log = logging.getLogger("bench.physionet2012")


@dataclass(frozen=True)
class Stays:
    """The usable lines of all sets that were asked for, in file order within a stay.

    ids:      record ids, ascending, str [n]. outcomes: of each.
    record:   int64 [rows], index into ids.
    minutes, variable, values: as in `physionet2012_read.Lines`.
    """

    ids: np.ndarray
    outcomes: list[Outcome]
    record: np.ndarray
    minutes: np.ndarray
    variable: np.ndarray
    values: np.ndarray


def read_stays(root: Path, params: Physionet2012Params, context: Context, counts: Counts) -> Stays:
    """All lines of the sets of `params`, every line kept or counted in `counts`. Raises
    DataError as `prepare` does.
    """
    outcomes: dict[str, Outcome] = {}
    sets: list[Lines] = []
    for entry in find(root, params):
        context.report(f"reading {entry.source.name}")
        lines, known = read_set(entry.source), read_outcomes(entry.outcomes)
        _check(entry, lines, known, outcomes)
        counts.add(lines.counts.by_name())
        outcomes.update(known)
        sets.append(lines)
    _warn(sets, counts)

    read = [record for lines in sets for record in lines.ids]
    order = sorted(range(len(read)), key=lambda place: (int(read[place]), read[place]))
    ids = np.array([read[place] for place in order])
    counts.found("records", len(ids))
    rank = np.empty(len(ids), np.int64)
    rank[order] = np.arange(len(ids))
    starts = np.cumsum([0, *(len(lines.ids) for lines in sets)])
    return Stays(
        ids=ids,
        outcomes=[outcomes[record] for record in ids],
        record=rank[np.concatenate([lines.record + start for lines, start in zip(sets, starts, strict=False)])],
        minutes=np.concatenate([lines.minutes for lines in sets]),
        variable=np.concatenate([lines.variable for lines in sets]),
        values=np.concatenate([lines.values for lines in sets]),
    )


class Physionet2012(Dataset[Physionet2012Params]):
    """Reads sets a, b and c of the challenge; see docs/reference/datasets/physionet2012.md for
    every decision.

    Records by ascending id; groups are the record ids, since the files name no patient. Hourly bins
    0 to 47; what was recorded at 48:00 or later is outside both forms. One event row per record,
    modality and distinct minute; a variable recorded twice in a minute keeps the last line that is
    plausible. Descriptors and the weight of 00:00 are statics; later weights belong to `fluids`.
    Targets: ihm is In-hospital_death; los is 1 for survivors whose hospital stay lasted 2 to 4
    days, else 0. The column `icu_type` names the unit, by which records can be divided among
    clients.
    """

    def prepare(self, root: Path, context: Context) -> Cohort:
        """The cohort of the sets asked for. Every line of the files is kept or counted in
        `Cohort.counts`.

        Raises DataError for missing or damaged files, a record without an outcome and an outcome
        without a record. The same for a record that stands in two sets, and a file that names
        another RecordID inside.
        """
        counts = Counts()
        stays = read_stays(root, self.params, context, counts)
        ids, record, minutes, variable, values = stays.ids, stays.record, stays.minutes, stays.variable, stays.values

        first = minutes == 0
        descriptor = np.isin(variable, [table.INDEX[name] for name in STATICS.values()])
        static = descriptor & (first | (variable != table.INDEX["Weight"]))
        late = ~static & (minutes >= 60 * HOURS)
        counts.left_out("lines at 48:00 or later, outside the window", late.sum())
        misplaced = static & ~first
        counts.left_out("descriptors after 00:00, left out", misplaced.sum())
        absent = descriptor & ~late & ~misplaced & (values == -1)
        for name in STATICS.values():
            counts.left_out(f"{name}: -1, not recorded", (absent & (variable == table.INDEX[name])).sum())
        kept = ~(late | misplaced | absent)
        record, minutes, variable, values, static = (a[kept] for a in (record, minutes, variable, values, static))
        if self.params.clean:
            values = clean(variable, values, counts)
            kept = ~np.isnan(values)
            record, minutes, variable, values, static = (a[kept] for a in (record, minutes, variable, values, static))

        statics = np.full((len(ids), len(STATICS)), np.nan, np.float32)
        for column, name in enumerate(STATICS.values()):
            rows = static & (variable == table.INDEX[name])
            statics[record[rows], column] = values[rows]
        entries = int((~np.isnan(statics)).sum())
        modalities = {}
        for modality in table.MODALITIES:
            channels = table.channels(modality)
            rows = ~static & np.isin(variable, channels)
            place = np.searchsorted(channels, variable[rows])
            series = series_of(len(ids), record[rows], minutes[rows], place, values[rows], channels)
            entries += int((~np.isnan(series.events.values)).sum())
            modalities[modality] = series
        counts.left_out("lines repeating a time and variable, the last one kept", len(values) - entries)
        counts.found("values kept", entries)
        unobserved = ~np.any([series.available for series in modalities.values()], axis=0)
        counts.found("records without any series, kept", unobserved.sum())
        return Cohort(
            ids=ids,
            groups=ids.copy(),
            modalities=modalities,
            statics=statics,
            static_names=tuple(STATICS),
            targets=targets_of(stays.outcomes, counts),
            columns={ICU_TYPE: units(statics[:, tuple(STATICS).index("icu_type")])},
            counts=counts.by_name(),
        )


def units(icu_type: np.ndarray) -> np.ndarray:
    """The names of the units, str [n]; "" where the number is unknown or none of 1 to 4. icu_type:
    float32 [n].
    """
    known = np.isin(icu_type, range(1, len(UNITS)))
    return np.asarray(np.array(UNITS)[np.where(known, icu_type, 0).astype(int)])


def clean(variable: np.ndarray, values: np.ndarray, counts: Counts) -> np.ndarray:
    """As `physionet2012_table.clean`, with a warning of each variable most of whose values it
    removes.
    """
    cleaned = table.clean(variable, values, counts)
    for index, declared in enumerate(table.VARIABLES):
        rows = variable == index
        there, left = int((rows & ~np.isnan(values)).sum()), int((rows & ~np.isnan(cleaned)).sum())
        if there >= SEVERAL and 2 * left < there:
            _log.warning(
                "%s: implausible, %d of %d values are outside %g to %g and removed; another unit, or a damaged column?",
                declared.name, there - left, there, declared.low, declared.high
            )  # fmt: skip
    return cleaned


def series_of(
    n: int, record: np.ndarray, minutes: np.ndarray, place: np.ndarray, values: np.ndarray, channels: tuple[int, ...]
) -> Series:
    """One modality from its lines; of lines with equal time and channel the last stays. place:
    channel, int [rows].
    """
    key = record * (60 * HOURS) + minutes
    order = np.argsort(key, kind="stable")
    key = key[order]
    new = np.diff(key, prepend=-1) > 0
    wide = np.full((int(new.sum()), len(channels)), np.nan, np.float32)
    wide[np.cumsum(new) - 1, place[order]] = values[order]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(record[order][new], minlength=n))]).astype(np.int64)
    events = Events(offsets, (minutes[order][new] / 60).astype(np.float32), wide)
    grid, observed = bin_events(events, HOURS)
    return Series(
        channels=tuple(table.VARIABLES[channel].name for channel in channels),
        units=tuple(table.VARIABLES[channel].unit for channel in channels),
        grid=grid,
        observed=observed,
        times=np.arange(HOURS, dtype=np.float32),
        events=events,
        available=np.asarray(observed.any(axis=(1, 2))),
        filled=np.zeros(n, bool),
    )


def targets_of(outcomes: list[Outcome], counts: Counts) -> dict[str, np.ndarray]:
    """ihm and los, float32 [n], NaN where the outcome is unknown.

    A survivor's stay of less than 2 days contradicts the challenge's own rule (only ICU stays of 48
    hours or more), so it counts as unknown. Who died did not leave alive, however long the stay:
    los is 0 even where its length is unknown.
    """
    died = np.array([outcome.died for outcome in outcomes], np.float32)
    days = np.array([outcome.days for outcome in outcomes], np.float32)
    los = np.where(died == 1, 0.0, (days >= 2) & (days <= 4)).astype(np.float32)
    los[np.isnan(died) | ((died == 0) & ~(days >= 2))] = np.nan
    targets = {"ihm": died, "los": los}
    for name, target in targets.items():
        counts.found(f"task {name}: positive", (target == 1).sum())
        counts.left_out(f"task {name}: outcome unknown, left out", np.isnan(target).sum())
    return targets


def _check(entry: SetFiles, lines: Lines, known: dict[str, Outcome], before: dict[str, Outcome]) -> None:
    """Every record has one outcome, every outcome one record, and no record stands in two sets."""
    if lost := sorted(set(lines.ids) - known.keys()):
        raise DataError(
            f"{entry.outcomes} lacks {len(lost)} of the {len(lines.ids):,} records of {entry.source.name}: "
            f"{some(lost)}; patients are never left out without notice: move the file away and fetch it again "
            f"(bench data fetch physionet2012 data.root={entry.outcomes.parent})"
        )
    if lost := sorted(known.keys() - set(lines.ids)):
        raise DataError(
            f"{entry.source} lacks {len(lost)} of the {len(known):,} records of {entry.outcomes.name}: {some(lost)}; "
            "was it unpacked in part? move it away and fetch it again "
            f"(bench data fetch physionet2012 data.root={entry.outcomes.parent})"
        )
    if twice := sorted(known.keys() & before.keys()):
        raise DataError(
            f"{entry.source} holds records of an earlier set ({len(twice)}: {some(twice)}); is one a copy "
            "of the other? remove it, or read one of them with data.sets="
        )


def _warn(sets: list[Lines], counts: Counts) -> None:
    """One line for all garbage, with the first place it was met."""
    if total := counts.total("unusable"):
        first = next(lines.garbage for lines in sets if lines.garbage)
        _log.warning("%s; lines skipped for such defects: %d; see bench data verify physionet2012", first, total)
