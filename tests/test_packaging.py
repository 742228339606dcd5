"""What is installed is what is in the checkout: from a wheel and from an editable install, used far
away from both.

The environments are fresh. Third-party libraries are lent to them from the environment that runs
the tests, so that nothing is downloaded; the checkout itself is not lent.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
SUPPORT = CHECKOUT / "tests" / "support"
PACKAGES = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
TOP = {"bench": "bench", "bench_suites": "suites"} | {
    folder.name: f"plugins/{folder.name}" for folder in (CHECKOUT / "plugins").glob("bench_*") if folder.is_dir()
}
"""Installed top-level package -> its folder in the checkout."""

BARE = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "BENCH_", "PIP_", "GIT_"))}


def sources(root: Path = CHECKOUT) -> list[str]:
    """Every file a commit of the checkout would hold, relative to it."""
    line = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(line, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: what belongs to it is not known")
    return sorted({name for name in listed.stdout.split("\0") if name and (root / name).is_file()})


def packaged() -> dict[str, str]:
    """Installed path -> path in the checkout, of every file of a package."""
    return {
        f"{top}{name.removeprefix(folder)}": name
        for name in sources()
        for top, folder in TOP.items()
        if name.startswith(folder + "/")
    }


def test_every_package_is_listed_in_pyproject():
    found = {str(Path(name).parent).replace("/", ".") for name in packaged() if name.endswith(".py")}
    assert sorted(PACKAGES) == sorted(found)


@dataclass
class Installed:
    """A fresh environment with gapbench in it, and an empty folder to type commands in."""

    environment: Path
    folder: Path
    home: Path
    """where its `bench` must come from"""

    def run(self, program: str, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
        line = [str(self.environment / "bin" / program), *words]
        surroundings = BARE | {"BENCH_CACHE": str(self.folder / "cache")} | extra
        return subprocess.run(line, cwd=self.folder, env=surroundings, capture_output=True, text=True, check=False)

    def bench(self, *words: str, **extra: str) -> str:
        """What a command prints on stdout; asserts that it ends well."""
        done = self.run("bench", *words, **extra)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout to build from, since a build leaves files beside its sources."""
    target = tmp_path_factory.mktemp("copy") / "gapbench"
    for name in sources():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CHECKOUT / name, target / name)
    return target


@pytest.fixture(scope="module")
def wheel(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from the copy."""
    out = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(out), str(copy))
    (found,) = out.glob("*.whl")
    return found


def pip(*words: str) -> None:
    line = [
        sys.executable,
        "-m",
        "pip",
        *words[:1],
        "--quiet",
        "--no-cache-dir",
        "--disable-pip-version-check",
        *words[1:],
    ]
    done = subprocess.run(line, env=BARE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module", params=["wheel", "editable"])
def installed(request: pytest.FixtureRequest, copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """gapbench, installed in one of two ways."""
    root = tmp_path_factory.mktemp(request.param)
    environment, folder = root / "environment", root / "elsewhere"
    folder.mkdir()
    venv.create(environment, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(environment), "platbase": str(environment)}))
    # A plain path: the `.pth` files of the lending environment, and with them its editable install,
    # stay behind.
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    what = [str(request.getfixturevalue("wheel"))] if request.param == "wheel" else ["--editable", str(copy)]
    line = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), "install", "--quiet"]
    # Ignoring what is installed: pip would take the lent gapbench for an old one of this
    # environment and remove it.
    line += ["--ignore-installed", "--no-cache-dir", "--no-deps", "--no-index", "--no-build-isolation", *what]
    done = subprocess.run(line, env=BARE, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Installed(environment, folder, site if request.param == "wheel" else copy)


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_every_package_and_nothing_else(wheel: Path):
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert sorted(inside) == sorted(packaged())


@pytest.mark.slow
def test_the_wheel_says_that_it_is_typed_and_under_which_licence(wheel: Path):
    inside = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in inside.namelist() if name.endswith(".dist-info/METADATA"))
    assert "bench/py.typed" in inside.namelist()
    assert metadata.replace("METADATA", "licenses/LICENSE") in inside.namelist()
    assert "License-Expression: MIT\n" in inside.read(metadata).decode()


@pytest.mark.slow
def test_what_is_imported_is_what_was_installed(installed: Installed):
    code = f"import {', '.join(TOP)}, json; print(json.dumps([m.__file__ for m in ({', '.join(TOP)})]))"
    done = installed.run("python", "-c", code)
    assert done.returncode == 0, done.stderr
    for file in json.loads(done.stdout):
        assert Path(file).is_relative_to(installed.home)
        assert not Path(file).is_relative_to(CHECKOUT)


@pytest.mark.slow
def test_names_are_listed_and_shown(installed: Installed):
    assert "physionet48" in installed.bench("list", "suites")
    assert "locf" in installed.bench("list", "imputers")
    shown = installed.bench("show", "physionet48")
    assert str(installed.home) in shown
    assert str(CHECKOUT) not in shown


@pytest.mark.slow
def test_the_doctor_finds_nothing_broken(installed: Installed):
    told = installed.bench("doctor")
    assert "BROKEN" not in told
    assert "CANNOT" not in told


@pytest.mark.slow
def test_a_template_can_be_rendered(installed: Installed):
    installed.bench("new", "plugin", "gap-filler")
    assert (installed.folder / "gap-filler" / "pyproject.toml").is_file()


@pytest.mark.slow
def test_a_suite_is_run_and_reported(installed: Installed, toy_plugin: str):
    words = (f"suite={SUPPORT / 'toy.toml'}", "seed=1", "imputer=mean,locf", "fuser=linear,gbm")
    assert "4 cells: 4 ok" in installed.bench("run", *words, PYTHONPATH=toy_plugin)
    assert "4 ok" in installed.bench("run", *words, PYTHONPATH=toy_plugin)
    installed.bench("report", words[0], PYTHONPATH=toy_plugin)
    assert "| mean" in (installed.folder / "results" / "leaderboards" / "toy.md").read_text()


@pytest.mark.slow
def test_real_stays_are_read_and_scored(installed: Installed, data_root: Path):
    words = ("imputer=mean", "fuser=linear", "seed=42", "data.sets=a", "controls.imputer=", "audits.cells=")
    told = installed.bench("run", "suite=physionet48", f"data.root={data_root}", *words, "out=real")
    assert "1 cell: 1 ok" in told
