"""Hand-written files of the Beijing Multi-Site Air Quality data for the tests: a few invented hours
of a station, and how to look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from bench.cohort import Cohort
from bench.components import Context
from bench_datasets.beijing_air.dataset import BeijingAir
from bench_datasets.beijing_air.files import file_name
from bench_datasets.beijing_air.generate import HEADER
from bench_datasets.beijing_air.params import BeijingAirParams

USUAL = {
    "PM2.5": "10", "PM10": "20", "SO2": "3", "NO2": "30", "CO": "400", "O3": "50",
    "TEMP": "-1.5", "PRES": "1020.1", "DEWP": "-10", "RAIN": "0", "wd": '"NW"', "WSPM": "2.2",
}  # fmt: skip


def hours(first: str, count: int) -> list[datetime]:
    """So many hours from one on, written as 2013-03-01T00."""
    start = datetime.strptime(first, "%Y-%m-%dT%H")
    return [start + timedelta(hours=hour) for hour in range(count)]


def row(hour: datetime, station: str = "Tiantan", **values: str) -> str:
    """One line. values: by column, `PM25` for PM2.5; others as usual."""
    fields = USUAL | {name.replace("PM25", "PM2.5"): value for name, value in values.items()}
    time = {"No": "1", "year": hour.year, "month": hour.month, "day": hour.day, "hour": hour.hour}
    return ",".join(str(each) for each in ({**time, **fields, "station": f'"{station}"'}[name] for name in HEADER))


def text(rows: Iterable[str]) -> str:
    """A file of these lines."""
    return "\r\n".join([",".join(f'"{name}"' for name in HEADER), *rows]) + "\r\n"


def write(root: Path, files: Mapping[str, str | Iterable[str]]) -> Path:
    """Write station -> text, or lines, and return the folder."""
    root.mkdir(parents=True, exist_ok=True)
    for station, content in files.items():
        whole = content if isinstance(content, str) else text(content)
        (root / file_name(station)).write_bytes(whole.encode())
    return root


def prepare(root: Path, **params: object) -> Cohort:
    """The cohort of the files under `root`."""
    return BeijingAir(BeijingAirParams(**params)).prepare(root, Context())  # type: ignore[arg-type]
