"""Which part of Sleep-EDF is read. Light: looks at names only."""

from __future__ import annotations

from pathlib import Path

from bench.registry import BY_COUNTS
from bench_datasets.sleepedf.files import nights
from bench_datasets.sleepedf.params import SleepedfParams

RECORDINGS = {"sc": 153, "sc20": 39}
"""Recordings of each part in release 1.0.0: two nights a subject, but for one of subject 13 and
those of 36 and 52.
"""


def release(root: Path, params: SleepedfParams) -> str:
    """For example "Sleep-EDF Expanded 1.0.0, sc20", by its number of recordings: no digest of the
    signals is known here. Of a part that is not whole, how many recordings there are. Raises
    DataError as `nights` does.
    """
    number, whole = len(nights(root, params)), RECORDINGS[params.part]
    title = f"Sleep-EDF Expanded 1.0.0, {params.part}"
    return f"{title}{BY_COUNTS}" if number == whole else f"{title} ({number} of {whole} recordings)"
