"""The harness's own components keep the contract they ask of others: the same kit, one test per
check.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

import bench.testing
from bench.registry import Spec, discover

REGISTRY = discover()
LIBRARIES = {"duckdb": "clinical", "wfdb": "signals", "edfio": "sleep"}
"""What reads the files of some dataset -> the extra that brings it."""


FEW = {"records": 200, "generated_stations": 4}
"""Sizes of generated cohorts, by the names of their parameters: the contract depends on none."""


def _own(kind: str) -> list[Spec]:
    """Those of one kind. PyPOTS' models have tests of their own
    (tests/imputers/test_pypots_contract.py).
    """
    specs = [spec for spec in REGISTRY.specs(kind) if spec.plugin.startswith("gapbench:")]
    missing = () if importlib.util.find_spec("xgboost") else ("haim",)  # pip install 'gapbench[trees]'
    return [spec for spec in specs if not spec.name.startswith("pypots.") and spec.name not in missing]


@bench.testing.parametrize(*_own("scenario"), *_own("federation"), *_own("imputer"))
def test_contract(check: Callable[[], None]) -> None:
    check()


@pytest.mark.slow
@bench.testing.parametrize(*_own("fuser"))
def test_contract_of_fusers(check: Callable[[], None]) -> None:
    check()


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec", [s for s in _own("dataset") if not (s.generate or s.contents)], ids=lambda spec: spec.name
)
def test_contract_of_datasets_on_real_files(spec: Spec, data_root: Path) -> None:
    """Those whose files say what they hold are checked on files of their own tests
    (tests/datasets/test_longcsv.py, test_meds.py).
    """
    report = bench.testing.check(spec, data_root=data_root)
    assert report.ok, report.to_text()


@pytest.mark.slow
@pytest.mark.parametrize("spec", [s for s in _own("dataset") if s.generate], ids=lambda spec: spec.name)
def test_contract_of_datasets_on_generated_files(spec: Spec, tmp_path: Path) -> None:
    for library, extra in LIBRARIES.items():
        pytest.importorskip(library, reason=f"the extra {extra} is not installed")
    few = {name: number for name, number in FEW.items() if name in spec.params.__struct_fields__}
    spec.load(spec.generate)(tmp_path / "made", spec.parameters(few), print)
    report = bench.testing.check(spec, data_root=tmp_path / "made")
    assert report.ok, report.to_text()


def test_there_is_something_of_each_kind_to_check() -> None:
    assert all(_own(kind) for kind in ("scenario", "federation", "imputer", "fuser", "dataset"))
