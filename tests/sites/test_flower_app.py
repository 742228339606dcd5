"""The app for Flower, as far as it is seen without Flower: who imports it, which version, and which
pins.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from support.pages import ROOT

APP = ROOT / "apps/flower"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CLASHES = {"certifi", "packaging", "protobuf", "rich"}
"""What Flower needs in other versions than constraints.txt pins."""


def pins(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text("utf-8").splitlines()
    pairs = [line.partition("==") for line in lines if "==" in line and not line.startswith("#")]
    return {name.lower().replace("_", "-"): version for name, _, version in pairs}


def imported(path: Path) -> set[str]:
    nodes = [*ast.walk(ast.parse(path.read_text("utf-8")))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {
        name.partition(".")[0]
        for name in names | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    }


def test_flower_is_imported_by_its_app_alone():
    rooms = [path for room in ("bench", "plugins", "benchmarks", "suites") for path in (ROOT / room).rglob("*.py")]
    assert not [path for path in rooms if "flwr" in imported(path)]
    assert [path.name for path in sorted(APP.rglob("*.py")) if "flwr" in imported(path)] == [
        "client_app.py",
        "records.py",
        "server_app.py",
    ]


def checked(version: str | None) -> str:
    """The last line of an import of the app, where this version of Flower is installed."""
    code = f"""
import importlib.metadata, sys
installed = {version!r}
def version(name, known=importlib.metadata.version):
    if name != "flwr": return known(name)
    if installed is None: raise importlib.metadata.PackageNotFoundError(name)
    return installed
importlib.metadata.version = version
sys.path.insert(0, {str(APP)!r})
import gapbench_flower
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stderr.strip().rpartition("\n")[2]


@pytest.mark.parametrize(
    ("version", "words"), [(None, "Flower is not installed"), ("1.43.0", "Flower 1.43.0 is installed")]
)
def test_without_the_right_flower_the_app_says_what_to_type(version, words):
    line = checked(version)
    assert words in line
    assert line.endswith("install it with: pip install 'gapbench[flower]' -c constraints-flower.txt")
    assert checked("1.42.3") == ""


def test_the_pins_of_flower_differ_from_the_others_where_they_must_alone():
    ours, flower = pins("constraints.txt"), pins("constraints-flower.txt")
    assert {name for name in ours.keys() & flower.keys() if ours[name] != flower[name]} == CLASHES
    [wanted] = map(Requirement, PYPROJECT["optional-dependencies"]["flower"])
    assert wanted.name == "flwr"
    assert not wanted.extras
    assert wanted.specifier.contains(flower["flwr"])
    for need in map(Requirement, PYPROJECT["dependencies"]):
        assert need.specifier.contains(flower[need.name])


def test_the_app_installs_nothing_and_downloads_nothing():
    app = tomllib.loads((APP / "pyproject.toml").read_text("utf-8"))
    assert app["project"]["dependencies"] == []
