"""Somebody else's package, pip-installed in an environment of its own, outside the checkout.

The environment is a fresh one: gapbench, three packages and the one that `bench new plugin`
writes are installed into it from copies of their sources. Libraries are lent from the environment
that runs the tests (a .pth file), so that nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.template import render

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Runs a program of the new environment, in an empty folder."""
    root = tmp_path_factory.mktemp("third_party")
    sources = [_copy(CHECKOUT, root / "gapbench", ["bench", "plugins", "suites", "pyproject.toml", "README.md"])]
    sources += [_copy(HERE / f"gapbench-{name}", root / f"gapbench-{name}") for name in ("example", "broken", "old")]
    sources.append(root / "gap-filler")
    render("gap-filler", sources[-1])
    environment = root / "environment"
    venv.create(environment, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(environment), "platbase": str(environment)}))
    lent = sysconfig.get_path("purelib")
    (site / "lent.pth").write_text(f"import site; site.addsitedir({lent!r})\n")
    bare = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "BENCH_", "PIP_"))}
    install = [
        "install",
        "--quiet",
        "--no-cache-dir",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        *map(str, sources),
    ]
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), *install]
    done = subprocess.run(pip, env=bare, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    empty = root / "empty"
    empty.mkdir()

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        line = [str(environment / "bin" / program), *arguments]
        return subprocess.run(line, env=bare, cwd=empty, capture_output=True, text=True, check=False)

    return run


def _copy(source: Path, target: Path, names: list[str] | None = None) -> Path:
    """A copy to build from, since a build leaves files beside its sources."""
    target.mkdir()
    for path in [source / name for name in names] if names else list(source.iterdir()):
        if path.is_dir():
            shutil.copytree(
                path, target / path.name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
            )
        elif path.is_file():
            shutil.copy(path, target / path.name)
    return target


def test_the_harness_runs_from_the_new_environment(command: Command) -> None:
    where = command(
        "python", "-c", "import bench, gapbench_example; print(bench.__file__); print(gapbench_example.__file__)"
    )
    assert all("environment" in line for line in where.stdout.splitlines()), where.stdout + where.stderr


def test_its_components_and_its_suite_stand_in_the_lists(command: Command) -> None:
    for kind, name in (
        ("imputers", "decay"),
        ("fusers", "centroid"),
        ("federations", "evenly"),
        ("metrics", "patient_accuracy"),
        ("suites", "example12"),
    ):
        listed = command("bench", "list", kind)
        assert listed.returncode == 0, listed.stderr
        assert re.search(rf"^{name} ", listed.stdout, re.MULTILINE), listed.stdout
    assert re.search("^locf ", command("bench", "list", "imputers").stdout, re.MULTILINE)


def test_its_parameters_are_shown(command: Command) -> None:
    shown = command("bench", "show", "decay")
    assert shown.returncode == 0, shown.stderr
    assert "gapbench-example" in shown.stdout
    assert "half_life=12.0" in shown.stdout


def test_its_suite_is_understood(command: Command) -> None:
    shown = command("bench", "show", "example12", "--json")
    assert shown.returncode == 0, shown.stderr
    suite = json.loads(shown.stdout)["demo"]
    assert suite["grid"]["imputer"] == ["mean", "decay"]
    assert suite["imputer"]["decay"] == {"half_life": 6.0}


def test_its_components_keep_the_contract(command: Command) -> None:
    checked = command("bench", "check", "decay", "centroid", "evenly", "patient_accuracy", "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    reports = json.loads(checked.stdout)
    assert [(r["kind"], r["name"], r["ok"]) for r in reports] == [
        ("imputer", "decay", True),
        ("fuser", "centroid", True),
        ("federation", "evenly", True),
        ("metric", "patient_accuracy", True),
    ]
    assert all(r["plugin"].startswith("gapbench-example:") for r in reports)


def test_check_prints_how_many_checks_ran_and_how_many_were_skipped_and_why(command: Command) -> None:
    checked = command("bench", "check", "decay")
    last = checked.stdout.strip().splitlines()[-1]
    assert re.match(r"\d+ checks ran: \d+ passed, 0 failed; \d+ skipped: .*not tagged", last), checked.stdout


def test_its_own_three_line_test_passes(command: Command) -> None:
    tested = command("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "../gapbench-example/tests")
    assert re.search(r"\d+ passed, \d+ skipped", tested.stdout), tested.stdout + tested.stderr
    assert tested.returncode == 0


def test_what_the_template_writes_keeps_the_contract_and_passes_its_own_tests(command: Command) -> None:
    names = [f"gap_filler_{kind}" for kind in ("imputer", "fuser", "federation")]
    checked = command("bench", "check", *names)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = command("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "../gap-filler/tests")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_a_plugin_that_fails_to_import_is_one_clear_line_and_the_rest_goes_on(command: Command) -> None:
    listed = command("bench", "list", "imputers")
    lines = [line for line in listed.stderr.splitlines() if "gapbench-broken" in line]
    assert len(lines) == 1, listed.stderr
    assert "ImportError: libgap.so.1: cannot open shared object file" in lines[0]
    assert "Traceback" not in listed.stderr


def test_a_plugin_for_another_contract_is_refused_with_a_clear_line(command: Command) -> None:
    listed = command("bench", "list", "imputers")
    lines = [line for line in listed.stderr.splitlines() if "gapbench-old" in line]
    assert len(lines) == 1, listed.stderr
    assert re.search("written for contract 0; this bench .* speaks contract 1", lines[0])
    assert "ancient" not in listed.stdout


def test_doctor_names_both_broken_plugins_and_exits_with_the_code_for_plugins(command: Command) -> None:
    doctor = command("bench", "doctor")
    assert doctor.returncode == 4, doctor.stdout + doctor.stderr
    broken = [line for line in doctor.stdout.splitlines() if line.startswith("BROKEN PLUGIN")]
    assert ["gapbench-broken" in line or "gapbench-old" in line for line in broken] == [True, True], doctor.stdout


def test_a_slip_in_its_name_is_answered_with_the_nearest(command: Command) -> None:
    checked = command("bench", "check", "decai")
    assert checked.returncode == 2
    assert 'did you mean "decay"' in checked.stderr
    assert "Traceback" not in checked.stderr


def test_its_suite_runs_on_real_data_with_its_methods_beside_the_harness_s_own(
    command: Command, data_root: Path
) -> None:
    words = ("suite=example12", f"data.root={data_root}", "out=out", "cache=cache")
    run = command("bench", "run", *words)
    assert run.returncode == 0, run.stdout + run.stderr
    report = command("bench", "report", *words)
    assert report.returncode == 0, report.stderr
    boards = command(
        "python", "-c", "import pathlib; print(*(p.read_text() for p in pathlib.Path().rglob('*.md')))"
    ).stdout
    for row in ("decay.*centroid", "mean.*linear"):
        assert re.search(row, boards), report.stdout + boards
    compared = command(
        "bench", "report", "suite=example12", "metrics=patient_accuracy", "out=out", "cache=cache", "--json"
    )
    assert "computing patient_accuracy" in compared.stderr, compared.stderr
    assert "patient_accuracy" in compared.stdout


@pytest.mark.parametrize(("federation", "fuser"), [("evenly", "gru"), ("gap_filler_federation", "gap_filler_fuser")])
def test_a_federation_of_somebody_else_s_trains_by_rounds_beside_the_controls(
    command: Command, federation: str, fuser: str
) -> None:
    own = (f"fuser={fuser}", f"federation={federation}", f"fuser.{fuser}.hidden=4", f"fuser.{fuser}.epochs=2")
    small = ("data.stride_days=20", "rounds.number=2", "rounds.steps=4", "scenario=natural", "imputer=mean")
    bare = ("controls.imputer=", "controls.fuser=", "audits.cells=", f"out={federation}", "cache=cache")
    words = ("suite=beijing_air", "data.root=synthetic", *own, *small, *bare)
    run = command("bench", "run", *words)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "3 cells: 3 ok" in run.stdout, run.stdout
    report = command("bench", "report", *words)
    assert report.returncode == 0, report.stderr
    pages = "".join(path.read_text() for path in (Path(run.args[0]).parents[2] / "empty" / federation).rglob("*.md"))
    for name in (federation, "local"):
        assert re.search(rf"{fuser}.* · {name}", pages), pages
