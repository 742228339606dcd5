"""Tiny folders of PTB-XL for the tests: invented records in real files, and how to read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.cohort import Cohort
from bench.components import Context
from bench_datasets.ptbxl.dataset import Ptbxl
from bench_datasets.ptbxl.generate import write_record
from bench_datasets.ptbxl.params import PtbxlParams

HEADER = "ecg_id,patient_id,site,scp_codes,strat_fold,filename_lr"
STATEMENTS = """,description,diagnostic,form,rhythm,diagnostic_class
NORM,normal,1.0,,,NORM
IMI,infarction,1.0,,,MI
AMI,infarction,1.0,,,MI
NDT,T wave,1.0,1.0,,STTC
IRBBB,block,1.0,,,CD
LVH,hypertrophy,1.0,,,HYP
SR,sinus rhythm,,,1.0,
"""

CODES = ({"NORM": 100.0, "SR": 0.0}, {"IMI": 50.0, "LVH": 100.0}, {"IRBBB": 0.0, "NDT": 15.0}, {"SR": 0.0})
"""Statements of four records: one superclass, two, two with small likelihoods, none."""


def name(record: int) -> str:
    return f"records100/{record // 1000 * 1000:05d}/{record:05d}_lr"


def row(record: int, codes: object, patient: object = None, site: object = "0.0", fold: object = 1) -> str:
    patient = f"{record + 500}.0" if patient is None else patient
    return f'{record},{patient},{site},"{codes}",{fold},{name(record)}'


def signal(record: int) -> np.ndarray:
    """mV, [1000, 12]: a ramp of its own in every lead, in whole steps of 0.001."""
    return (np.arange(1000)[:, None] % 50 + 100 * np.arange(12) + 7 * record) / 1000


def write(root: Path, rows: Sequence[str], signals: Mapping[int, np.ndarray] | None = None) -> Path:
    """Both tables and the records 1 to the number of rows, or `signals` by number."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "ptbxl_database.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    (root / "scp_statements.csv").write_text(STATEMENTS)
    for record, values in ({n: signal(n) for n in range(1, len(rows) + 1)} if signals is None else signals).items():
        write_record(root / name(record), values)
    return root


def four(root: Path) -> Path:
    """Records 1 to 4 with the statements `CODES`, in folds 1, 8, 9 and 10."""
    rows = [row(n, codes, fold=fold) for n, codes, fold in zip(range(1, 5), CODES, (1, 8, 9, 10), strict=True)]
    return write(root, rows)


def prepare(root: Path, **params: Any) -> Cohort:
    return Ptbxl(PtbxlParams(**params)).prepare(root, Context())
