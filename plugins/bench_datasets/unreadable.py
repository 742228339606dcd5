"""What a file is that cannot be read as Parquet, in words for a message."""

from __future__ import annotations

from pathlib import Path

from bench_datasets.foreign import kind_of


def not_parquet(path: Path, error: Exception) -> str:
    """Its kind by its first bytes; else what the reader found. error: of the reader."""
    kind = kind_of(path)
    if kind and not kind.startswith("a Parquet"):
        return kind
    return f"no readable Parquet file ({str(error).splitlines()[0]})"
