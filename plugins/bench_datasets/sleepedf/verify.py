"""What of Sleep-EDF is there: recordings and subjects of the part, ages, lengths and units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.cohort import Counts
from bench_datasets.sleepedf.files import nights
from bench_datasets.sleepedf.params import CHANNELS, SleepedfParams
from bench_datasets.sleepedf.read import need_edfio, read_epochs, units_of
from bench_datasets.sleepedf.release import RECORDINGS


def verify(root: Path, params: SleepedfParams) -> list[dict[str, Any]]:
    """One entry per thing looked at: item, status (ok, differs, unknown) and detail. Raises
    DataError as reading does.
    """
    need_edfio()
    recordings, counts = nights(root, params), Counts()
    epochs = [read_epochs(night, params.wake, counts) for night in recordings]
    whole, subjects = RECORDINGS[params.part], {night.subject for night in recordings}
    ages = [each.age for each in epochs if each.age is not None]
    units = {tuple(units_of(night).values()) for night in recordings}
    beyond = counts.number("epochs beyond the end of the signals")
    return [
        _entry("recordings", len(recordings) == whole, f"{len(recordings)} of the {whole} of part {params.part}"),
        _entry("subjects", True, f"{len(subjects)}, none of whom stands in two parts of a split"),
        _entry("signals", True, f"{', '.join(label for label, _ in CHANNELS.values())}, at their rates in all of them"),
        _entry(
            "units", len(units) == 1, "; ".join(", ".join(unit or "none" for unit in each) for each in sorted(units))
        ),
        _entry("lengths", True, f"{beyond} scored epochs lie beyond the end of the signals and are left out"),
        _entry(
            "ages",
            len(ages) == len(epochs),
            f"{min(ages)} to {max(ages)} years" if ages else "no header tells one",
            otherwise="unknown",
        ),
    ]


def _entry(item: str, fits: bool, detail: str, otherwise: str = "differs") -> dict[str, Any]:
    return {"item": item, "status": "ok" if fits else otherwise, "detail": detail}
