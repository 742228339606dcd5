"""Where the files of the Beijing Multi-Site Air Quality data are. Light: looks at names only.

Accepted: the folder named by data.root, or `beijing_air/`, `beijing-air-quality/` or
`PRSA_Data_20130301-20170228/` in it. It holds `PRSA_Data_STATION_20130301-20170228.csv` of each
station, or the same as `.csv.gz`; where both are there, the first is read.
"""

from __future__ import annotations

import re
import typing
from pathlib import Path

from bench.errors import DataError
from bench.registry import MARK
from bench_datasets.beijing_air.params import BeijingAirParams, StationName

STATIONS: tuple[str, ...] = typing.get_args(StationName)
PLACES = ("", "beijing_air", "beijing-air-quality", "PRSA_Data_20130301-20170228")
NAME = re.compile(r"PRSA_Data_([A-Za-z]+)_20130301-20170228\.csv(?:\.gz)?")
FETCH = "bench data fetch beijing_air data.root={}"


def file_name(station: str) -> str:
    """The published name of a station's file."""
    return f"PRSA_Data_{station}_20130301-20170228.csv"


def folder(root: Path) -> Path:
    """The first accepted folder that holds a station's file; where none does, the one that
    `fetch` fills.
    """
    for place in PLACES:
        if any(_file(root / place, station) for station in STATIONS):
            return root / place
    return root / PLACES[1]


def find(root: Path, params: BeijingAirParams) -> dict[str, Path]:
    """Station -> its file, in the order of STATIONS.

    Raises DataError, with what to type next, when there is none at all or one of `params.stations`
    is missing.
    """
    base = folder(root)
    there = {station: path for station in STATIONS if (path := _file(base, station))}
    if not there:
        raise DataError(
            f"no file of the Beijing Multi-Site Air Quality data in {root} or {root / PLACES[1]}: looked for "
            f"{file_name(STATIONS[0])} (or .csv.gz) and those of the other stations; download with: {FETCH.format(root)}"
        )
    if missing := [station for station in params.stations if station not in there]:
        raise DataError(
            f"{file_name(missing[0])} of data.stations is not in {base} (found: {', '.join(there)}); download with: "
            f"{FETCH.format(root)}, or read what is there: data.stations={','.join(there)}"
        )
    return {station: path for station, path in there.items() if station in (params.stations or there)}


def files(root: Path, params: BeijingAirParams) -> list[Path]:
    """The files that decide the cohort's content, and the mark of generated ones. Raises DataError
    as `find` does.
    """
    paths = list(find(root, params).values())
    mark = paths[0].parent / MARK
    return [*paths, *([mark] if mark.is_file() else [])]


def _file(base: Path, station: str) -> Path | None:
    names = (file_name(station), f"{file_name(station)}.gz")
    return next((base / name for name in names if (base / name).is_file()), None)
