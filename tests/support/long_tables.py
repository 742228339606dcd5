"""Folders of `longcsv`: a mapping and two tables, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.cohort import Cohort
from bench.components import Context
from bench_datasets.longcsv.dataset import LongCsv
from bench_datasets.longcsv.params import LongCsvParams

MAPPING = """
[labels]
group = "patient"
statics = ["age"]
columns = ["ward"]

[grid]
length = 4

[modalities.vitals]
pulse = { unit = "bpm", low = 20, high = 300 }
spo2 = { unit = "%", high = 100 }

[modalities.labs]
lactate = {}

[tasks.died]
kind = "binary"

[tasks.to]
kind = "multiclass"
classes = ["home", "ward"]

[tasks.days]
kind = "regression"
column = "stay"
"""

LABELS = """id,patient,age,ward,died,to,stay
a,1,70,N,0,home,2.5
b,1,,S,1,ward,
c,2,35,,,,7
"""

MEASUREMENTS = """id,time,variable,value
a,0.5,pulse,80
a,0.2,pulse,70
a,3,lactate,2.5
b,1,pulse,90
b,1,spo2,97
"""


def write(
    folder: Path,
    mapping: str = MAPPING,
    measurements: str = MEASUREMENTS,
    labels: str = LABELS,
    name: str = "measurements.csv",
) -> Path:
    """Write the three files; gives the folder back."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in (("longcsv.toml", mapping), (name, measurements), ("labels.csv", labels)):
        (folder / file).write_text(text, encoding="utf-8")
    return folder


def prepare(folder: Path, **params: Any) -> Cohort:
    """The cohort of that folder."""
    return LongCsv(LongCsvParams(**params)).prepare(folder, Context())
