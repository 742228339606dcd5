"""The oracle of a generated cohort: the probabilities its outcomes were drawn with. Real
MIMIC-IV has none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.errors import DataError
from bench_datasets.mimic4.generate.state import AXES, length_oracle
from bench_datasets.mimic4.read import Tables, path_literal
from bench_datasets.mimic4.table import PHENOTYPES


def read_oracle(tables: Tables, path: Path | None, stays: np.ndarray) -> dict[str, np.ndarray]:
    """Task -> float32 [n, outputs], the probabilities given the whole latent state; 0.5 where a
    task does not apply.

    path: the oracle's file, or None: then empty. stays: stay_id of each record, int [n]. Raises
    DataError for a file that cannot be read, and when it lacks a stay.
    """
    if path is None:
        return {}
    phenotypes = [f"phe25_{number:02d}" for number in range(len(PHENOTYPES))]
    names = ["ihm48", "los48", *phenotypes]
    columns = ", ".join(
        [*(f"coalesce({name}, 0.5)" for name in names), "ihm48 IS NULL", *(f"z_{axis}" for axis in AXES)]
    )
    rows = tables.rows(f"SELECT stay_id, {columns} FROM read_parquet({path_literal(path)})", path)
    known = {row[0]: row[1:] for row in rows}
    if lacking := sum(int(stay) not in known for stay in stays):
        raise DataError(
            f"{lacking:,} of {len(stays):,} stays have no row in {path}: the tables were not generated with it; "
            f"generate the folder again, or remove {path.parent} to do without the oracle"
        )
    values = np.array([known[int(stay)] for stay in stays], np.float64)
    short, z = values[:, len(names)], values[:, len(names) + 1 :]
    longer = np.where(short == 1, 0.5, length_oracle(z))
    oracle = {
        "ihm48": values[:, :1],
        "los48": values[:, 1:2],
        "los3": longer[:, None],
        "phe25": values[:, 2 : len(names)],
    }
    return {task: np.ascontiguousarray(outputs, np.float32) for task, outputs in oracle.items()}
