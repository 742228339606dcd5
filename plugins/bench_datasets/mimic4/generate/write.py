"""Columns of the tables the generator writes, in the order of MIMIC-IV 2.2 and MIMIC-IV-Note 2.2,
and their writers.

CSV: gzip without time or name in its header, so that equal rows give equal bytes; empty field =
null; text quoted except in chartevents, where no text needs it. Parquet: one row group per chunk of
patients.
"""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from bench_datasets.mimic4.generate.codes import PHENOTYPES
from bench_datasets.mimic4.generate.state import AXES
from bench_datasets.mimic4.generate.variables import VARIABLES

INTEGER, NUMBER, TEXT, TIME, DATE = pa.int64(), pa.float64(), pa.string(), pa.timestamp("s"), pa.date32()
_TYPES = {"i": INTEGER, "n": NUMBER, "s": TEXT, "t": TIME, "d": DATE}
CHARTEVENTS = "icu/chartevents"
COMPRESSION = 1  # speed over size: these files are read once


def _schema(columns: str) -> pa.Schema:
    pairs = (column.split(":") for column in columns.split())
    return pa.schema([(name, _TYPES[kind]) for name, kind in pairs])


TABLES: dict[str, pa.Schema] = {
    name: _schema(columns)
    for name, columns in {
        "hosp/patients": "subject_id:i gender:s anchor_age:i anchor_year:i anchor_year_group:s dod:d",
        "hosp/admissions": "subject_id:i hadm_id:i admittime:t dischtime:t deathtime:t admission_type:s admit_provider_id:s "
        "admission_location:s discharge_location:s insurance:s language:s marital_status:s race:s edregtime:t "
        "edouttime:t hospital_expire_flag:i",
        "hosp/diagnoses_icd": "subject_id:i hadm_id:i seq_num:i icd_code:s icd_version:i",
        "hosp/d_icd_diagnoses": "icd_code:s icd_version:i long_title:s",
        "icu/icustays": "subject_id:i hadm_id:i stay_id:i first_careunit:s last_careunit:s intime:t outtime:t los:n",
        "icu/d_items": "itemid:i label:s abbreviation:s linksto:s category:s unitname:s param_type:s lownormalvalue:n "
        "highnormalvalue:n",
        CHARTEVENTS: "subject_id:i hadm_id:i stay_id:i caregiver_id:i charttime:t storetime:t itemid:i value:s valuenum:n "
        "valueuom:s warning:i",
        "note/radiology": "note_id:s subject_id:i hadm_id:i note_type:s note_seq:i charttime:t storetime:t text:s",
    }.items()
}

TASKS = ("ihm48", "los48", *(f"phe25_{index:02d}" for index in range(len(PHENOTYPES))))
_IDS = [("subject_id", INTEGER), ("hadm_id", INTEGER), ("stay_id", INTEGER)]
_EMBEDDING = pa.schema(
    [("subject_id", INTEGER), ("stay_id", INTEGER), ("charttime", TIME), ("embedding", pa.list_(pa.float32()))]
)
PARQUETS: dict[str, pa.Schema] = {
    "cxr": _EMBEDDING,
    "ecg": _EMBEDDING,
    "oracle/oracle": pa.schema(
        [
            *_IDS,
            *((name, NUMBER) for name in TASKS),
            *((f"visible_{name}", NUMBER) for name in TASKS),
            *((f"z_{name}", NUMBER) for name in AXES),
        ],
        metadata={f"phe25_{index:02d}": phenotype.name for index, phenotype in enumerate(PHENOTYPES)},
    ),
    "oracle/labels": pa.schema([*_IDS, *((name, pa.int8()) for name in TASKS)]),
    "oracle/values": pa.schema(
        [("stay_id", INTEGER), ("hour", pa.int16()), *((v.name, pa.float32()) for v in VARIABLES)]
    ),
}


class Tables:
    """All files of one cohort, open for appending in chunks. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._open: dict[str, Any] = {}
        self._stack = contextlib.ExitStack()
        for name in TABLES:
            self._open[name] = self._csv(folder / f"{name}.csv.gz", TABLES[name], name == CHARTEVENTS)
        for name, schema in PARQUETS.items():
            path = folder / f"{name}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open[name] = self._stack.enter_context(pyarrow.parquet.ParquetWriter(path, schema))

    def _csv(self, path: Path, schema: pa.Schema, plain: bool) -> pyarrow.csv.CSVWriter:
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = self._stack.enter_context(path.open("wb"))
        stream = self._stack.enter_context(
            gzip.GzipFile(filename="", mode="wb", compresslevel=COMPRESSION, fileobj=raw, mtime=0)
        )
        stream.write((",".join(schema.names) + "\n").encode())
        options = pyarrow.csv.WriteOptions(
            include_header=False, batch_size=16_384, quoting_style="none" if plain else "needed"
        )
        return self._stack.enter_context(pyarrow.csv.CSVWriter(stream, schema, write_options=options))

    def append(self, name: str, columns: Mapping[str, Any]) -> None:
        """Append rows to a file of TABLES or PARQUETS; `columns` must be exactly its columns."""
        schema = TABLES.get(name) or PARQUETS[name]
        if set(columns) != set(schema.names):
            raise ValueError(f"{name} has the columns {schema.names}, not {list(columns)}")
        arrays = [pa.array(columns[field.name], field.type) for field in schema]
        if len(arrays[0]):
            self._open[name].write_table(pa.Table.from_arrays(arrays, schema=schema))

    def append_rows(self, name: str, rows: list[tuple[Any, ...]]) -> None:
        """Append rows given as tuples in the order of the columns."""
        schema = TABLES.get(name) or PARQUETS[name]
        columns = list(zip(*rows, strict=True)) or [()] * len(schema.names)
        self.append(name, dict(zip(schema.names, columns, strict=True)))

    def __enter__(self) -> Tables:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.close()
