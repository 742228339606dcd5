"""`bench new` writes what works as it stands."""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import bench.template
from bench.components import Context
from bench.config.request import request
from bench.errors import DataError, StorageError, UsageError
from bench.registry import Registry, discover
from bench.run.prepare import prepare
from bench.template import render, render_dataset, render_suite
from bench.testing import check


def test_a_rendered_package_registers_and_keeps_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    render("gap-filler", tmp_path / "new")
    monkeypatch.syspath_prepend(str(tmp_path / "new" / "src"))
    registry = Registry()
    registry.register_plugin("gap-filler:gap_filler", importlib.import_module("gap_filler.plugin"))
    with forgotten("gap_filler"):
        assert not registry.broken
        names = [f"gap_filler_{kind}" for kind in ("imputer", "fuser", "federation")]
        brought = [spec for kind in ("imputer", "fuser", "federation") for spec in registry.specs(kind)]
        assert [spec.name for spec in brought if spec.plugin == "gap-filler:gap_filler"] == names
        for name in names:
            report = check(name, registry)
            assert report.ok, report.to_text()


@contextmanager
def forgotten(package: str) -> Iterator[None]:
    """What is imported of a package inside is imported anew afterwards."""
    try:
        yield
    finally:
        for module in [m for m in sys.modules if m.partition(".")[0] == package]:
            del sys.modules[module]


def test_a_rendered_dataset_keeps_the_contract_on_the_files_that_it_makes_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    render_dataset("our-ward", tmp_path / "new")
    monkeypatch.syspath_prepend(str(tmp_path / "new" / "src"))
    registry = Registry()
    registry.register_plugin("our-ward:our_ward", importlib.import_module("our_ward.plugin"))
    with forgotten("our_ward"):
        assert not registry.broken
        spec = registry.get("dataset", "our_ward")
        spec.call(spec.generate, tmp_path / "files", spec.parameters({}), print)
        report = check(spec, registry, data_root=tmp_path / "files")
        assert report.ok, report.to_text()
        cohort = spec.build().prepare(tmp_path / "files", Context())
        assert len(cohort) == spec.expected_records(spec.parameters({}))
        with pytest.raises(DataError, match=r"there is no hourly.csv in .*data.root=DIR"):
            spec.call(spec.files, tmp_path, spec.parameters({}))
    suite = request([f"suite={tmp_path / 'new' / 'suite.toml'}", "data.root=synthetic"], registered(registry)).suite
    assert (suite.dataset, suite.grid.task) == ("our_ward", ("died",))


def registered(registry: Registry) -> Registry:
    """What is installed, and the datasets of another registry."""
    everything = discover()
    for spec in registry.specs("dataset"):
        everything._keep(spec)
    return everything


def test_a_rendered_suite_runs_as_it_stands_on_all_its_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written = render_suite("ward", Path("ward"))
    assert [path.name for path in written] == ["ward.toml", "longcsv.toml", "measurements.csv", "labels.csv"]
    assert sum(path.stat().st_size for path in written) < 40_000
    words = ["suite=ward/ward.toml", "data.root=ward", "task=died,to,stay"]
    planned = prepare(request(words, discover()), discover())
    assert len(planned.plan.cells) > 18
    report = check("longcsv", data_root=Path("ward"))
    assert report.ok, report.to_text()
    assert "suite=ward/ward.toml data.root=ward" in written[0].read_text()


@pytest.mark.parametrize("name", ["mimic48", "../ward", ""])
def test_a_suite_has_a_name_of_its_own(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"installed suite; choose another|a name has 1 to 64 letters"):
        render_suite(name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_entry_point_of_a_rendered_package_names_its_plugin_module(tmp_path: Path) -> None:
    written = render("gap-filler", tmp_path)
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text())
    assert project["project"]["name"] == "gap-filler"
    assert project["project"]["entry-points"]["bench"] == {"gap_filler": "gap_filler.plugin"}
    assert tmp_path / "src" / "gap_filler" / "plugin.py" in written
    assert sorted(written) == sorted(p for p in tmp_path.rglob("*") if p.is_file())


@pytest.mark.parametrize("write", [render, render_dataset, render_suite])
def test_no_placeholder_is_left(write: Callable[[str, Path], list[Path]], tmp_path: Path) -> None:
    for path in write("gap-filler", tmp_path):
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
