"""Fixtures shared by all tests: where the real data are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder that holds `physionet2012/`; the test is skipped, and counted as such, where there is none."""
    for candidate in (os.environ.get("BENCH_DATA_ROOT"), Path(__file__).resolve().parents[2] / "shared" / "data"):
        if candidate and (Path(candidate) / "physionet2012").is_dir():
            return Path(candidate)
    pytest.skip("real data not found: set BENCH_DATA_ROOT to the folder that holds physionet2012/")
