"""One record of PTB-XL from its two files to millivolts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.errors import DataError, PluginError
from bench.files import read_bytes
from bench_datasets.ptbxl.params import LEADS, RATE, SAMPLES

BYTES = 2 * SAMPLES * len(LEADS)
"""Of the samples of a record."""

LARGEST_HEADER = 2**16
"""Bytes of a header: a hundred times a published one."""


def need_wfdb() -> None:
    """PluginError where wfdb is not installed."""
    try:
        import wfdb  # noqa: F401
    except ImportError as error:
        raise PluginError("reading PTB-XL needs wfdb; type: pip install 'gapbench[signals]'") from error


def read_record(path: Path) -> np.ndarray:
    """The record of a path without suffix: mV, float32 [1000, 12], leads in the order of `LEADS`;
    NaN where the file marks a sample as invalid.

    Raises DataError where a file is missing or damaged, or is not 12 leads of 10 s at 100 Hz.
    """
    import wfdb

    header, signal = path.with_suffix(".hea"), path.with_suffix(".dat")
    try:
        # The header decides what is opened and how much memory is taken: its text comes first.
        if not _fits(read_bytes(header, LARGEST_HEADER), signal.name) or signal.stat().st_size != BYTES:
            raise ValueError(f"it is not 12 leads, 10 s at 100 Hz, in {BYTES:,} bytes of its own")
        record = wfdb.rdrecord(str(path))
        if {unit.lower() for unit in record.units} != {"mv"}:
            raise ValueError("a lead is not in mV")
    except FileNotFoundError as error:
        raise DataError(
            f"{error.filename or path} is not there, though the index lists it; fetch what is missing: "
            "bench data fetch ptbxl"
        ) from error
    except Exception as error:  # wfdb lets through whatever its parsers raise
        raise DataError(
            f"{path} is not a record of PTB-XL ({type(error).__name__}: {error}); move it away and fetch it again: "
            "bench data fetch ptbxl"
        ) from error
    places = {name.strip().lower(): place for place, name in enumerate(record.sig_name)}
    if missing := [lead for lead in LEADS if lead.lower() not in places]:
        raise DataError(f"{header} names no lead {', '.join(missing)}")
    values = np.asarray(record.p_signal)[:, [places[lead.lower()] for lead in LEADS]].astype(np.float32)
    values[~np.isfinite(values)] = np.nan
    return values


def _fits(header: bytes, signal: str) -> bool:
    """Whether a header is of 12 leads of 1,000 samples at 100 Hz, all in format 16 in the file
    `signal`.
    """
    lines = [line.split() for line in header.decode("ascii", "replace").splitlines()]
    first, *leads = [words for words in lines if words and not words[0].startswith("#")] or [[]]
    size = [str(len(LEADS)), str(RATE), str(SAMPLES)]
    return first[1:4] == size and len(leads) == len(LEADS) and all(words[:2] == [signal, "16"] for words in leads)
