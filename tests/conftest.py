"""Fixtures shared by all tests: where the real data are, and a project to run the command in.

Tests see no data, cache or settings but those they make or ask for. They run in an empty folder,
since the command also looks for data beside the folder it runs in, and without the variables
`BENCH_...` of whoever started them. Real data come from two fixtures alone, `data_root` and
`open_data`; the tests that use them are marked `data`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from support.project import SUPPORT, Project, project_in, toy_site

hypothesis.settings.register_profile("gapbench", deadline=None, derandomize=True)
hypothesis.settings.load_profile("gapbench")
"""Without a deadline, which a busy machine exceeds by chance; the same examples in every run."""

REAL_DATA = {name: os.environ.get(name, "") for name in ("BENCH_DATA_ROOT", "BENCH_OPEN_DATA")}
"""Where whoever started the tests says that real data are."""

STARTED_IN = Path.cwd()


def pytest_configure() -> None:
    """Of several processes that run tests each has one core; the commands it starts have one
    worker, unless they say more.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker) % len(cores)]})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"data_root", "open_data"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.data)


@pytest.fixture(scope="session", autouse=True)
def _alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No data beside the working folder, no setting from outside, a cache of one's own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("BENCH_")]:
            patch.delenv(name)
        patch.setenv("BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.chdir(tmp_path_factory.mktemp("alone"))
        yield


def _real(variable: str, content: str) -> Path:
    """The folder that a variable names. Without the variable the test is skipped; a folder
    without the data is an error.
    """
    if not REAL_DATA[variable]:
        pytest.skip(f"real data are not asked for: set {variable} to the folder that holds {content}/")
    root = STARTED_IN / Path(REAL_DATA[variable]).expanduser()
    if not (root / content).is_dir():
        pytest.fail(f'{variable} = "{REAL_DATA[variable]}" holds no folder {content}/')
    return root


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder that holds `physionet2012/`: BENCH_DATA_ROOT."""
    return _real("BENCH_DATA_ROOT", "physionet2012")


@pytest.fixture(scope="session")
def open_data() -> Path:
    """The folder that holds open data as published, e.g. `mimic-iv-demo-2.2/`: BENCH_OPEN_DATA."""
    return _real("BENCH_OPEN_DATA", "mimic-iv-demo-2.2")


@pytest.fixture(scope="session")
def toy_plugin(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PYTHONPATH on which the test plugin is installed."""
    return toy_site(tmp_path_factory.mktemp("toy") / "site")


@pytest.fixture
def project(tmp_path: Path, toy_plugin: str) -> Project:
    """An empty project."""
    return project_in(tmp_path, toy_plugin)


@pytest.fixture(scope="session")
def imputed(tmp_path_factory: pytest.TempPathFactory, toy_plugin: str) -> Project:
    """A project in which the suite that hides entries was run. Shared: look at it, run with
    another `out`.
    """
    made = project_in(tmp_path_factory.mktemp("imputed"), toy_plugin)
    made.suite = f"suite={SUPPORT / 'hidden.toml'}"
    made.here("run", made.suite)
    return made
