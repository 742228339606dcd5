"""`bench new plugin` writes a package that works as it stands."""

from __future__ import annotations

import importlib
import sys
import tomllib
from pathlib import Path

import pytest

import bench.template
from bench.errors import StorageError, UsageError
from bench.registry import Registry
from bench.template import render
from bench.testing import check


def test_a_rendered_package_registers_and_keeps_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    render("gap-filler", tmp_path / "new")
    monkeypatch.syspath_prepend(str(tmp_path / "new" / "src"))
    registry = Registry()
    registry.register_plugin("gap-filler:gap_filler", importlib.import_module("gap_filler.plugin"))
    try:
        assert not registry.broken
        names = [f"gap_filler_{kind}" for kind in ("imputer", "fuser", "federation")]
        brought = [spec for kind in ("imputer", "fuser", "federation") for spec in registry.specs(kind)]
        assert [spec.name for spec in brought if spec.plugin == "gap-filler:gap_filler"] == names
        for name in names:
            report = check(name, registry)
            assert report.ok, report.to_text()
    finally:
        for module in [m for m in sys.modules if m.partition(".")[0] == "gap_filler"]:
            del sys.modules[module]


def test_the_entry_point_of_a_rendered_package_names_its_plugin_module(tmp_path: Path) -> None:
    written = render("gap-filler", tmp_path)
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text())
    assert project["project"]["name"] == "gap-filler"
    assert project["project"]["entry-points"]["bench"] == {"gap_filler": "gap_filler.plugin"}
    assert tmp_path / "src" / "gap_filler" / "plugin.py" in written
    assert sorted(written) == sorted(p for p in tmp_path.rglob("*") if p.is_file())


def test_no_placeholder_is_left(tmp_path: Path) -> None:
    for path in render("gap-filler", tmp_path):
        assert "$" not in path.read_text(), path


@pytest.mark.parametrize(
    "name", ["GapFiller", "2fill", "gap filler", "", "-gap", "gap--fill", "../gap", "lambda", "json"]
)
def test_a_name_that_cannot_be_a_package_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"from the command line.*accepted: small letters"):
        render(name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(UsageError, match=r"README\.md"):
        render("gap-filler", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "mine"


def test_what_cannot_be_written_whole_is_not_written_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = bench.template.write_text, []

    def full(path: Path, text: str) -> None:
        calls.append(path)
        if len(calls) == 5:
            raise StorageError("the disk is full")
        real(path, text)

    monkeypatch.setattr(bench.template, "write_text", full)
    with pytest.raises(StorageError):
        render("gap-filler", tmp_path / "deep" / "new")
    assert not (tmp_path / "deep").exists()
