"""Which days are forecast, and in which part of the split by date they stand. Days are counted from
`table.FIRST`.

A record of forecast day d spans the days d - history to d. A part holds the records whose whole
span lies in its months, and ends early. Between the last day of one part and the first of the next
lie history + 2 whole days. So the gap is longer than the history and the forecast day together, and
no hour is in two parts.
"""

from __future__ import annotations

from datetime import date

import numpy as np

from bench.errors import UsageError
from bench_datasets.beijing_air.params import BeijingAirParams
from bench_datasets.beijing_air.table import DAYS, FIRST

PARTS = ("train", "valid", "test")
"""The parts of a split, by their numbers in a cohort."""


def forecast_days(params: BeijingAirParams) -> tuple[np.ndarray, np.ndarray]:
    """The forecast days that have their whole history, int64 [days], ascending, and the part of
    each: int8 [days], an index into PARTS, -1 in a gap between parts.

    Raises UsageError where the months leave a part without a day.
    """
    history = params.history_days
    days = np.arange(history, DAYS, params.stride_days)
    starts = [0, _first_day(params.valid_from), _first_day(params.test_from)]
    ends = [starts[1] - gap_days(history), starts[2] - gap_days(history), DAYS]
    parts = np.full(len(days), -1, np.int8)
    for part, (start, end) in enumerate(zip(starts, ends, strict=True)):
        inside = (days - history >= start) & (days < end)
        if not inside.any():
            raise UsageError(
                f"data.valid_from={params.valid_from} and data.test_from={params.test_from} leave the part {PARTS[part]} without "
                f"a day (data.history_days={history}, data.stride_days={params.stride_days}); the data are of "
                "2013-03 to 2017-02: give two months of them, the first before the second"
            )
        parts[inside] = part
    return days, parts


def gap_days(history: int) -> int:
    """Whole days between two parts: more than a history and its forecast day."""
    return history + 2


def _first_day(month: str) -> int:
    return (date.fromisoformat(f"{month}-01") - FIRST).days
