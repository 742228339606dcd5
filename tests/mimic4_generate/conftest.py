"""One generated cohort for all tests of this folder, and its tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

STAYS, SEED = 2_000, 0

Table = Callable[[str], pd.DataFrame]


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("pyarrow")
    from bench_datasets.mimic4.generate.generator import generate

    folder = tmp_path_factory.mktemp("generated") / "cohort"
    generate(folder, STAYS, SEED, lambda line: None)
    return folder


@pytest.fixture(scope="session")
def table(generated: Path) -> Table:
    """Reads a table by name, once: a .csv.gz with its times parsed, else a .parquet."""
    known: dict[str, pd.DataFrame] = {}

    def read(name: str) -> pd.DataFrame:
        if name not in known:
            path = generated / f"{name}.csv.gz"
            if path.exists():
                frame = pd.read_csv(path, dtype={"icd_code": str, "value": str}, low_memory=False)
                for column in [c for c in frame.columns if c.endswith("time") or c == "dod"]:
                    frame[column] = pd.to_datetime(frame[column])
                known[name] = frame
            else:
                known[name] = pd.read_parquet(generated / f"{name}.parquet")
        return known[name]

    return read
