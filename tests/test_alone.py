"""Tests see no data, no cache and no settings but those they make or ask for, so that they pass
on a fresh machine too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.config.command import Settings
from bench.data.location import locate
from bench.errors import DataError
from bench.registry import discover

CHECKOUT = Path(__file__).resolve().parents[1]


def test_no_setting_of_whoever_started_the_tests_is_seen() -> None:
    assert [name for name in os.environ if name.startswith("BENCH_")] == ["BENCH_CACHE"]
    assert CHECKOUT not in [Path.cwd(), *Path.cwd().parents]


def test_no_dataset_with_real_files_is_found_without_being_asked_for() -> None:
    for spec in discover().specs("dataset"):
        if spec.files:
            with pytest.raises(DataError):
                locate(spec, spec.parameters({}), "", Settings().cache_folder())


def test_commands_that_tests_start_see_no_data_either(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "bench", "plan", "suite=physionet48"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "no data for physionet2012" in done.stderr


OUTSIDE = """
import pytest
def test_it(data_root, open_data):
    assert (data_root / "physionet2012").is_dir()
    assert (open_data / "mimic-iv-demo-2.2").is_dir()
"""


@pytest.mark.parametrize(
    ("variables", "outcome"),
    [
        ({}, "1 skipped"),
        ({"BENCH_DATA_ROOT": "data", "BENCH_OPEN_DATA": "data"}, "1 passed"),
        ({"BENCH_DATA_ROOT": "nowhere", "BENCH_OPEN_DATA": "data"}, "1 error"),
        ({"BENCH_DATA_ROOT": "data", "BENCH_OPEN_DATA": ""}, "1 skipped"),
    ],
    ids=["not asked for", "named", "named but not there", "one of two"],
)
def test_real_data_come_from_where_the_environment_says_and_from_nowhere_else(
    tmp_path: Path, variables: dict[str, str], outcome: str
) -> None:
    """Relative folders are those of whoever starts the tests; a folder that was named and lacks
    the data is no skip.
    """
    (tmp_path / "conftest.py").write_text((CHECKOUT / "tests" / "conftest.py").read_text())
    (tmp_path / "support").symlink_to(CHECKOUT / "tests" / "support")
    (tmp_path / "test_outside.py").write_text(OUTSIDE)
    for name in ("data/physionet2012", "data/mimic-iv-demo-2.2", "shared/data/physionet2012"):
        (tmp_path / name).mkdir(parents=True)
    line = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "data", "test_outside.py"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BENCH_", "PYTEST_"))}
    done = subprocess.run(line, cwd=tmp_path, env=environment | variables, capture_output=True, text=True, check=False)
    assert outcome in done.stdout, done.stdout + done.stderr
