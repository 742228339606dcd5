"""Small folders of MEDS by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bench.cohort import Cohort
from bench.components import Context
from bench_datasets.meds.dataset import Meds
from bench_datasets.meds.params import MedsParams

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

MAPPING = """
[records]
start = ["ICU_ADMISSION"]
end = ["ICU_DISCHARGE"]

[grid]
length = 4

[statics]
male = ["GENDER//M"]

[modalities.vitals]
pulse = { codes = ["LAB//1", "LAB//2"], unit = "bpm", low = 20, high = 300 }

[modalities.labs]
lactate = { codes = ["LAB//3//mmol/L"] }

[tasks.died]
codes = ["HOSPITAL_DISCHARGE//DIED", "MEDS_DEATH"]
until = ["HOSPITAL_DISCHARGE"]
"""

NOON = datetime(2024, 5, 1, 12)

Row = tuple[int | None, float | None, str | None, float | None]
"""Subject, hours since NOON (None: static), code, value."""

EVENTS: list[Row] = [
    (1, None, "GENDER//M", None),
    (1, -365.25 * 24 * 50, "MEDS_BIRTH", None),
    (1, -1, "LAB//1//bpm", 60),
    (1, 0, "ICU_ADMISSION//North", None),
    (1, 0.5, "LAB//1//bpm", 70),
    (1, 0.5, "LAB//2//bpm", 65),
    (1, 0.75, "LAB//2//bpm", 80),
    (1, 3, "LAB//3//mmol/L", 2.5),
    (1, 3, "LAB//3//mg/dL", 22),
    (1, 5, "ICU_DISCHARGE//North", None),
    (1, 6, "HOSPITAL_DISCHARGE//HOME", None),
    (1, 100, "ICU_ADMISSION//South", None),
    (1, 101, "LAB//1//bpm", 90),
    (1, 105, "ICU_DISCHARGE//South", None),
    (1, 106, "HOSPITAL_DISCHARGE//DIED", None),
    (2, None, "GENDER//F", None),
    (2, 0, "ICU_ADMISSION//North", None),
    (2, 1, "LAB//1//bpm", 100),
    (2, 2, "ICU_DISCHARGE//North", None),
    (2, 3, "LAB//1//bpm", 101),
    (2, 3, "HOSPITAL_DISCHARGE//HOME", None),
    (3, 0, "LAB//1//bpm", 100),
]

PARTS = {1: "train", 2: "held_out", 3: "tuning"}


def write(
    folder: Path,
    events: Sequence[Row] = EVENTS,
    mapping: str = MAPPING,
    parts: dict[int, str] | None = PARTS,
    shards: int = 1,
) -> Path:
    """Write a folder; subjects lie in shards by their number. Gives the folder back."""
    (folder / "metadata").mkdir(parents=True)
    (folder / "meds.toml").write_text(mapping, encoding="utf-8")
    for number in range(shards):
        rows = [row for row in events if (row[0] or 0) % shards == number]
        subjects, hours, codes, values = zip(*rows, strict=True) if rows else ((), (), (), ())
        times = [None if hour is None else NOON + timedelta(hours=hour) for hour in hours]
        table = pa.table(
            {
                "subject_id": pa.array(subjects, pa.int64()),
                "time": pa.array(times, pa.timestamp("us")),
                "code": pa.array(codes, pa.string()),
                "numeric_value": pa.array(values, pa.float32()),
                "text_value": pa.array([None] * len(rows), pa.large_string()),
            }
        )
        (folder / "data" / "train").mkdir(parents=True, exist_ok=True)
        pq.write_table(table, folder / "data" / "train" / f"{number}.parquet")
    if parts:
        split = pa.table({"subject_id": pa.array(parts, pa.int64()), "split": pa.array(parts.values(), pa.string())})
        pq.write_table(split, folder / "metadata" / "subject_splits.parquet")
    return folder


def prepare(folder: Path) -> Cohort:
    """The cohort of that folder."""
    return Meds(MedsParams()).prepare(folder, Context())
