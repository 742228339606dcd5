"""Hand-written PhysioNet 2012 files for the tests: three invented stays, in every accepted
layout; and how to look.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.cohort import Cohort
from bench.components import Context
from bench_datasets.physionet2012.dataset import Physionet2012
from bench_datasets.physionet2012.params import Physionet2012Params
from support.counting import numbers

HEADER = "Time,Parameter,Value"
OUTCOMES_HEADER = "RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death"


def record(
    record_id: int, *lines: str, age: str = "60", height: str = "170", weight: str = "80", gender: str = "1"
) -> str:
    """A record file: descriptors at 00:00, then `lines`."""
    statics = [f"RecordID,{record_id}", f"Age,{age}", f"Gender,{gender}", f"Height,{height}", "ICUType,3"]
    return "\n".join([HEADER, *(f"00:00,{s}" for s in [*statics, f"Weight,{weight}"]), *lines]) + "\n"


STAYS = {
    "11": record(11, "00:07,HR,80", "00:07,Urine,100", "01:30,HR,90", "01:45,K,4.1", "01:50,HR,95", "47:59,pH,7.4"),
    "12": record(12, "02:00,MechVent,1", "02:00,FiO2,0.5", "03:00,Weight,81.5", height="-1", weight="-1", gender="-1"),
    "13": record(13),
}


def outcomes(rows: Mapping[str, tuple[int, int]]) -> str:
    """An Outcomes file. rows: id -> (length of stay, in-hospital death)."""
    return "\n".join([OUTCOMES_HEADER, *(f"{i},6,1,{days},-1,{died}" for i, (days, died) in rows.items())]) + "\n"


def write_set(
    root: Path,
    stays: Mapping[str, str | bytes],
    layout: str = "dir",
    name: str = "a",
    results: Mapping[str, tuple[int, int]] | None = None,
) -> Path:
    """One set under root/physionet2012 as a folder ("dir"), "tar.gz" or "zip", with its Outcomes
    file.
    """
    base = root / "physionet2012"
    base.mkdir(parents=True, exist_ok=True)
    results = {i: (5, 0) for i in stays} if results is None else results
    (base / f"Outcomes-{name}.txt").write_text(outcomes(results))
    contents = {
        f"set-{name}/{i}.txt": text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        for i, text in stays.items()
    }
    if layout == "dir":
        (base / f"set-{name}").mkdir()
        for path, content in contents.items():
            (base / path).write_bytes(content)
        return base / f"set-{name}"
    target = base / f"set-{name}.{layout}"
    if layout == "zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"set-{name}/", "")
            for path, content in contents.items():
                archive.writestr(path, content)
        return target
    with tarfile.open(target, "w:gz") as tar:
        folder = tarfile.TarInfo(f"set-{name}")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for path, content in contents.items():
            add(tar, path, content)
    return target


def add(tar: tarfile.TarFile, path: str, content: bytes) -> None:
    """Append a plain member."""
    info = tarfile.TarInfo(path)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def prepare(root: Path, **params: object) -> Cohort:
    return Physionet2012(Physionet2012Params(**params)).prepare(root, Context())  # type: ignore[arg-type]


def one(tmp_path: Path, *lines: str, clean: bool = True, **descriptors: str) -> Cohort:
    """The cohort of a single stay."""
    write_set(tmp_path, {"11": record(11, *lines, **descriptors)})
    return prepare(tmp_path, clean=clean)


def channel(cohort: Cohort, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of a channel's events in the first record."""
    for series in cohort.modalities.values():
        if name in series.channels:
            values = series.events.values[: series.events.offsets[1], series.channels.index(name)]
            seen = ~np.isnan(values)
            return series.events.times[: series.events.offsets[1]][seen], values[seen]
    raise KeyError(name)


def unaccounted(cohort: Cohort) -> int:
    """Lines read minus lines kept and lines counted as left out, whatever the reason."""
    counts = numbers(cohort)
    gone = numbers(cohort, "left_out", "unusable")
    left = sum(count for name, count in gone.items() if not name.startswith(("task", "records")))
    kept = sum(int((~np.isnan(series.events.values)).sum()) for series in cohort.modalities.values())
    kept += int((~np.isnan(cohort.statics)).sum()) + counts["lines that repeat the record id"]
    return counts["lines after the headers"] - kept - left
