"""The conformance kit on scenarios that hide a cohort at once and on datasets that carry splits."""

from __future__ import annotations

from typing import Any

import pytest

from bench.registry import Registry
from bench.testing import Report, check
from bench.testing.toy import TOY_TASK


def report_of(kind: str, name: str, **declared: Any) -> Report:
    registry = Registry()
    if kind == "dataset":
        declared = {"tasks": (TOY_TASK,), "modalities": ("vitals", "labs"), "tags": ("synthetic",), **declared}
    getattr(registry, kind)(name, f"bad_cohorts:{name}", **declared)
    assert not registry.broken
    return check(name, registry)


def failed(report: Report) -> set[str]:
    return {outcome.name for outcome in report.of("failed")}


def test_an_honest_scenario_that_hides_a_cohort_at_once_keeps_all_promises() -> None:
    report = report_of("scenario", "AtOnce")
    assert report.ok, report.to_text()
    assert "cohort_at_once" in {outcome.name for outcome in report.of("passed")}


@pytest.mark.parametrize("name", ["AtOnceByChance", "AtOnceByPlace"])
def test_masks_that_depend_on_a_global_generator_or_on_the_order_of_the_records_are_caught(name: str) -> None:
    assert "cohort_at_once" in failed(report_of("scenario", name))


def test_a_scenario_that_hides_a_cohort_at_once_must_be_declared_deterministic() -> None:
    assert "cohort_at_once" in failed(report_of("scenario", "AtOnce", randomness="seeded"))


def test_a_split_must_be_declared_and_keep_patients_together() -> None:
    assert report_of("dataset", "Carries", splits=("fold0",)).ok
    assert failed(report_of("dataset", "Carries")) == {"splits_form"}
    assert failed(report_of("dataset", "Carries", splits=("fold0", "fold1"))) == {"splits_form"}
    assert failed(report_of("dataset", "CarriesThroughPatients", splits=("fold0",))) == {"splits_form"}


def test_a_column_must_be_declared() -> None:
    assert report_of("dataset", "HasColumn", columns=("site",)).ok
    assert failed(report_of("dataset", "HasColumn")) == {"columns_form"}
    assert failed(report_of("dataset", "HasColumn", columns=("site", "unit"))) == {"columns_form"}
