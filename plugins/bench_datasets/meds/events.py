"""The events of MEDS: of each shard the rows whose code has a meaning, as one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.cohort import Counts
from bench.errors import DataError, PluginError
from bench_datasets.unreadable import not_parquet

COLUMNS = ("subject_id", "time", "code", "numeric_value")
BIRTH = "MEDS_BIRTH"


def has(code: str, patterns: Iterable[str]) -> bool:
    """Whether a code is one of these, or one of them goes on behind `//`: LAB//220045 has
    LAB//220045//bpm, and not LAB//2200451.
    """
    return any(code == each.rstrip("/") or code.startswith(f"{each.rstrip('/')}//") for each in patterns)


def read_events(
    paths: Sequence[Path], wanted: Callable[[str], bool], counts: Counts, go_on: Callable[[Path], None]
) -> pd.DataFrame:
    """The rows of wanted codes: subject int64, time datetime64[us] (NaT: static), code category,
    value float64 (NaN: none), by shard and in their order. The others are counted. go_on is called
    before each shard.

    Raises DataError for a file that is damaged or lacks a column.
    """
    parts = []
    numbers: dict[str, int] = {}
    for path in paths:
        go_on(path)
        table = _read(path, COLUMNS)
        codes = table.column("code").combine_chunks()
        encoded = codes if str(codes.type).startswith("dictionary") else codes.dictionary_encode()
        names = [str(name) for name in encoded.dictionary.to_pylist()]
        # A row without a code has the last place.
        number = np.array(
            [*(numbers.setdefault(name, len(numbers)) if wanted(name) else -1 for name in names), -1], np.int32
        )
        places = np.nan_to_num(encoded.indices.to_numpy(zero_copy_only=False).astype(np.float64), nan=-1).astype(
            np.int64
        )
        code = number[places]
        rows = np.flatnonzero(code >= 0)
        counts.found("rows", table.num_rows)
        counts.unusable("rows without a code, skipped", (places < 0).sum())
        counts.found("rows of other codes, not read", table.num_rows - len(rows) - (places < 0).sum())
        frame = table.drop(["code"]).take(rows).to_pandas()
        parts.append(
            pd.DataFrame(
                {
                    "subject": frame["subject_id"],
                    "time": frame["time"].astype("datetime64[us]"),
                    "code": code[rows],
                    "value": frame["numeric_value"].astype(np.float64),
                }
            )
        )
    events = pd.concat(parts, ignore_index=True)
    events["code"] = pd.Categorical.from_codes(
        events["code"].to_numpy(np.int32), dtype=pd.CategoricalDtype(list(numbers))
    )
    lost = events["subject"].isna()
    counts.unusable("rows without a subject, skipped", lost.sum())
    return events[~lost].astype({"subject": np.int64}).reset_index(drop=True)


def read_splits(path: Path) -> dict[int, str]:
    """Subject -> its part. Raises DataError for a file that is damaged or lacks a column."""
    table = _read(path, ("subject_id", "split"))
    return dict(zip(table.column("subject_id").to_pylist(), table.column("split").to_pylist(), strict=True))


def _read(path: Path, columns: Sequence[str]) -> Any:
    """The columns of a Parquet file, a table of pyarrow."""
    try:
        import pyarrow.lib
        import pyarrow.parquet
    except ImportError as error:
        raise PluginError("reading MEDS needs pyarrow; type: pip install 'gapbench[clinical]'") from error
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            if missing := [name for name in columns if name not in file.schema_arrow.names]:
                raise DataError(
                    f"{path} has no column {missing[0]!r}, which MEDS asks for (its columns: "
                    f"{', '.join(file.schema_arrow.names)[:200]}); write the data again as MEDS 0.4"
                )
            return file.read(columns=list(columns))
    except (pyarrow.lib.ArrowException, OSError) as error:
        raise DataError(f"{path} is {not_parquet(path, error)}; copy it again") from error
