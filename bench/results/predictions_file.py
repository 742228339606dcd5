"""Predictions of a cell as a file for other programs. It holds values of single patients."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bench.config.words import ORIGIN
from bench.errors import PluginError, UsageError, unknown
from bench.files import replacing

if TYPE_CHECKING:
    from bench.results.predictions import Predictions

PARTS = ("test", "valid")
KINDS = (".parquet", ".csv")


def check_target(path: Path, replace: bool) -> Path:
    """The path of a file to write. Raises UsageError for a kind that is not written, or a file that
    is there and not to be replaced, and PluginError where Parquet cannot be written.
    """
    if path.suffix not in KINDS:
        raise UsageError(
            f'"to" = {path} (from {ORIGIN}) is not accepted; give a file that ends in {" or ".join(KINDS)}'
        )
    if path.exists() and not replace:
        raise UsageError(f"{path} is there already; give another to=FILE, or --replace to put it in its place")
    if path.suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise PluginError("writing Parquet needs pyarrow; type: pip install 'gapbench[clinical]', or give to=FILE.csv")
    return path


def table(predictions: Predictions, parts: Sequence[str]) -> pd.DataFrame:
    """A line per record, in the order of the predictions.

    Columns: part, id, group, truth and output (with a number behind where there are several of a
    record), `static NAME` in recorded units, and `oracle` where it is known. Raises UsageError for
    a part that is not known, or that the predictions lack.
    """
    for part in parts:
        if part not in PARTS:
            raise unknown("part", part, PARTS, ORIGIN)
    if "valid" in parts and predictions.valid is None:
        raise UsageError("predictions of an earlier version hold no validation part; run the cell again")
    of_part = {"test": predictions, "valid": predictions.valid}
    return pd.concat(
        [_lines(part, each) for part in dict.fromkeys(parts) if (each := of_part[part])], ignore_index=True
    )


def _lines(part: str, predictions: Predictions) -> pd.DataFrame:
    columns: dict[str, object] = {"part": part, "id": predictions.ids, "group": predictions.groups}
    for name in ("truth", "output", "oracle"):
        values = predictions.outputs if name == "output" else getattr(predictions, name)
        if values is not None:
            several = np.atleast_2d(values.T)
            columns |= {name if len(several) == 1 else f"{name} {k}": each for k, each in enumerate(several)}
    if predictions.statics is not None and predictions.static_names is not None:
        columns |= {
            f"static {name}": each for name, each in zip(predictions.static_names, predictions.statics.T, strict=True)
        }
    return pd.DataFrame(columns)


def write(lines: pd.DataFrame, path: Path) -> None:
    """Write a table whole or not at all, as the end of its name says. Raises StorageError."""
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            lines.to_parquet(temporary, engine="pyarrow", index=False)
        else:
            lines.to_csv(temporary, index=False)
