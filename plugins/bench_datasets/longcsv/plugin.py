"""`longcsv`, declared. Light: nothing here reads data."""

from __future__ import annotations

from bench.registry import Registry
from bench_datasets.longcsv.params import LongCsvParams


def register(registry: Registry) -> None:
    """Declare `longcsv`."""
    registry.dataset(
        "longcsv",
        "bench_datasets.longcsv.dataset:LongCsv",
        params=LongCsvParams,
        tasks=(),
        modalities=(),
        contents="bench_datasets.longcsv.mapping:contents",
        files="bench_datasets.longcsv.mapping:files",
        seconds=1.0,
        summary="tables of your own, CSV or Parquet: a row per measurement, a row of labels per record, and a TOML file",
    )
