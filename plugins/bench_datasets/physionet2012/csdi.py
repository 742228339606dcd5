"""PhysioNet 2012 as the CSDI evaluation reads it: one modality of 35 variables, 48 whole hours,
five published folds.

The reading is that of `physionet2012`; what differs is what is made of the lines. See
docs/reference/suites/csdi_healthcare.md and the CSDI specification, section 7 (Tashiro, Song,
Song, Ermon 2021, arXiv 2107.03502, and its public code).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.cohort import Cohort, Counts
from bench.components import Context, Dataset
from bench_datasets.physionet2012 import table
from bench_datasets.physionet2012.csdi_params import FOLDS, Physionet2012CsdiParams
from bench_datasets.physionet2012.dataset import HOURS, clean, read_stays, series_of, targets_of

# fmt: off
VARIABLES = (
    "DiasABP", "HR", "Na", "Lactate", "NIDiasABP", "PaO2", "WBC", "pH", "Albumin",
    "ALT", "Glucose", "SaO2", "Temp", "AST", "Bilirubin", "HCO3", "BUN", "RespRate",
    "Mg", "HCT", "SysABP", "FiO2", "K", "GCS", "Cholesterol", "NISysABP", "TroponinT",
    "MAP", "TroponinI", "PaCO2", "Platelets", "Urine", "NIMAP", "Creatinine", "ALP",
)
# fmt: on
"""The 35 variables in the order of the published code: the held-out entries depend on it."""

CHANNELS = tuple(table.INDEX[name] for name in VARIABLES)


class Physionet2012Csdi(Dataset[Physionet2012CsdiParams]):
    """Hours 0 to 47 of the 35 variables; of several values in one hour the last line of the file is
    kept, in both forms.

    So an event is the kept line at its own minute, and grid and events hold the same values. Values
    stay as typed unless `clean`. Weight, MechVent and the descriptors are not read, so there are no
    statics; records without any of the 35 variables are left out, as published, and counted. Groups
    are the record ids, since the files name no patient.
    """

    def prepare(self, root: Path, context: Context) -> Cohort:
        """The cohort of the sets asked for. Raises DataError as `physionet2012` does."""
        counts = Counts()
        stays = read_stays(root, self.params, context, counts)
        chosen = np.isin(stays.variable, CHANNELS)
        counts.left_out("lines of other variables, left out", (~chosen).sum())
        late = chosen & (stays.minutes >= 60 * HOURS)
        counts.left_out("lines at 48:00 or later, outside the window", late.sum())
        kept = chosen & ~late
        record, minutes, variable, values = (
            a[kept] for a in (stays.record, stays.minutes, stays.variable, stays.values)
        )
        if self.params.clean:
            values = clean(variable, values, counts)
            known = ~np.isnan(values)
            record, minutes, variable, values = (a[known] for a in (record, minutes, variable, values))
        last = _last_of_hour(record, minutes, variable)
        again = len(values) - len(last)
        counts.left_out(
            "lines of an hour and variable that are given again later in the file, the last one kept", again
        )
        counts.found("values kept", len(last))

        present = np.unique(record)
        counts.left_out("records without any of the 35 variables, left out", len(stays.ids) - len(present))
        places = np.full(len(table.VARIABLES), -1)
        places[list(CHANNELS)] = np.arange(len(CHANNELS))
        series = series_of(
            len(present),
            np.searchsorted(present, record[last]),
            minutes[last],
            places[variable[last]],
            values[last],
            CHANNELS,
        )
        return Cohort(
            ids=stays.ids[present],
            groups=stays.ids[present].copy(),
            modalities={"series": series},
            statics=np.zeros((len(present), 0), np.float32),
            static_names=(),
            targets=targets_of([stays.outcomes[place] for place in present], counts),
            splits={name: fold(len(present), number, self.params.fold_seed) for number, name in enumerate(FOLDS)},
            counts=counts.by_name(),
        )


def _last_of_hour(record: np.ndarray, minutes: np.ndarray, variable: np.ndarray) -> np.ndarray:
    """The last line of each (record, hour, variable), int [k], ascending. Lines are in file
    order within a record.
    """
    key = (record * HOURS + minutes // 60) * len(table.VARIABLES) + variable
    backwards = np.unique(key[::-1], return_index=True)[1]
    return np.sort(len(key) - 1 - backwards)


def fold(n: int, number: int, seed: int) -> np.ndarray:
    """The published split of `n` records for fold 0 to 4: int8 [n], an index into
    `bench.data.splits.PARTS`.

    Places 0 to n - 1 are shuffled by NumPy's legacy generator, and the fold's fifth is the test
    part. A fresh generator of the same seed shuffles the rest: up to int(0.7 n) records are
    training, the others validation.
    """
    order = np.arange(n)
    np.random.RandomState(seed).shuffle(order)
    start, end = int(0.2 * number * n), int(0.2 * (number + 1) * n)
    rest = np.delete(order, np.arange(start, end))
    np.random.RandomState(seed).shuffle(rest)
    parts = np.full(n, 2, np.int8)
    parts[rest[: int(0.7 * n)]] = 0
    parts[rest[int(0.7 * n) :]] = 1
    return parts
