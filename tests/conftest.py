"""Fixtures shared by all tests: where the real data are, and a project to run the command in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from project import SUPPORT, Project


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder that holds `physionet2012/`; the test is skipped, and counted as such, where there is none."""
    for candidate in (os.environ.get("BENCH_DATA_ROOT"), Path(__file__).resolve().parents[2] / "shared" / "data"):
        if candidate and (Path(candidate) / "physionet2012").is_dir():
            return Path(candidate)
    pytest.skip("real data not found: set BENCH_DATA_ROOT to the folder that holds physionet2012/")


@pytest.fixture(scope="session")
def toy_plugin(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PYTHONPATH on which the test plugin is installed: its package, and the metadata that declares its entry point."""
    site = tmp_path_factory.mktemp("site")
    info = site / "bench_toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bench]\ntoy = bench_toy.plugin\n")
    return os.pathsep.join([str(site), str(SUPPORT)])


@pytest.fixture
def project(tmp_path: Path, toy_plugin: str) -> Project:
    """An empty project."""
    return _project(tmp_path, toy_plugin)


def _project(place: Path, toy_plugin: str) -> Project:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BENCH_")}
    environment |= {"PYTHONPATH": toy_plugin, "BENCH_CACHE": str(place / "cache"), "COLUMNS": "200"}
    folder = place / "project"
    folder.mkdir()
    return Project(folder, environment)


@pytest.fixture(scope="session")
def imputed(tmp_path_factory: pytest.TempPathFactory, toy_plugin: str) -> Project:
    """A project in which the suite that hides entries was run. Shared: look at it, run with another `out`."""
    made = _project(tmp_path_factory.mktemp("imputed"), toy_plugin)
    made.suite = f"suite={SUPPORT / 'hidden.toml'}"
    made.bench("run", made.suite)
    return made
