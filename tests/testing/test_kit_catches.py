"""The conformance kit: honest components pass every check, and each liar is caught by the check
it lies to.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bench.registry import Registry
from bench.testing import Report, check
from bench.testing.toy import TOY_TASK
from bench.train_params import TorchFuserParams
from support.bad_ends import Home


def _check(kind: str, name: str, **declared: Any) -> Report:
    registry = Registry()
    if kind == "imputer":
        declared = {"tags": ("draws",), "randomness": "seeded", **declared}
    if kind == "dataset":
        declared = {"tasks": (TOY_TASK,), "modalities": ("vitals", "labs"), "tags": ("synthetic",), **declared}
    module = declared.pop("module", "bad_fusers" if kind == "fuser" else "bad_plugins")
    getattr(registry, kind)(name, f"{module}:{name}", **declared)
    return check(name, registry)


BATCH_NORM = {
    "module": "norm_fusers",
    "params": TorchFuserParams,
    "tags": ("torch",),
    "randomness": "seeded",
    "test_params": {"epochs": 12, "batch_size": 16, "learning_rate": 1e-2},
}


def test_batch_normalisation_by_the_batch_at_hand_is_caught_in_prediction() -> None:
    report = _check("fuser", "StaysInTraining", **BATCH_NORM)
    assert _failed(report) == {
        "batch_independent", "order_has_no_effect", "other_records_have_no_effect", "same_alone_or_together",
    }, report.to_text()  # fmt: skip


def _failed(report: Report) -> set[str]:
    return {outcome.name for outcome in report.of("failed")}


@pytest.mark.parametrize(
    ("kind", "name", "declared"),
    [
        ("imputer", "Honest", {}),
        ("fuser", "HonestFuser", {}),
        ("fuser", "HonestAtEveryTask", {}),
        ("fuser", "Normalised", BATCH_NORM),
        ("scenario", "HonestScenario", {"randomness": "seeded"}),
        ("dataset", "HonestDataset", {}),
    ],
)
def test_an_honest_component_keeps_every_promise(kind: str, name: str, declared: dict[str, Any]) -> None:
    report = _check(kind, name, **declared)
    assert report.ok, report.to_text()


@pytest.mark.parametrize(
    ("name", "caught_by"),
    [
        ("LeaksAcrossPatients", {"other_records_have_no_effect", "same_alone_or_together", "imputer_independent"}),
        ("DependsOnPlace", {"order_has_no_effect", "same_alone_or_together", "imputer_independent"}),
        ("DependsOnBatchSize", {"same_alone_or_together", "imputer_independent"}),
        ("IgnoresDraws", {"draws_honoured"}),
        ("ReturnsOneDraw", {"draws_honoured", "output_form"}),
        ("DrawsNotNested", {"draws_nested"}),
        ("TouchesObserved", {"observed_untouched"}),
        ("UsesGlobalGenerator", {"reproducible"}),
        ("UsesHash", {"same_in_another_process"}),
        ("ForgetsState", {"saves_and_loads"}),
        ("WritesToInputs", {"inputs_untouched", "read_only_inputs"}),
        ("LeavesNaN", {"output_form"}),
        ("DoublePrecision", {"output_form"}),
        ("NeverRefuses", {"refuses_before_fit"}),
        ("NeedsTwoBins", {"one_bin"}),
        ("NeedsTargets", {"fits"}),
        ("NeedsVariance", {"constant_channel"}),
        ("NeedsValidation", {"no_validation"}),
        ("CrashesWhenBuilt", {"constructs"}),
    ],
)
def test_a_bad_imputer_fails_exactly_the_checks_it_lies_to(name: str, caught_by: set[str]) -> None:
    report = _check("imputer", name)
    assert _failed(report) == caught_by, report.to_text()


@pytest.mark.parametrize(
    ("name", "caught_by"),
    [("ReadsListedFile", set()), ("ReadsFileBeside", {"files_listed"}), ("NeedsFileBeside", {"files_listed"})],
)
def test_a_dataset_that_reads_files_it_does_not_list_is_caught(name: str, caught_by: set[str], tmp_path: Path) -> None:
    registry = Registry()
    registry.dataset(
        name, f"bad_files:{name}", tasks=(TOY_TASK,), modalities=("vitals", "labs"), files="bad_files:stays_file"
    )
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "longer.txt").write_text("")
    (tmp_path / "stays.csv").write_text("6")
    assert _failed(check(name, registry, data_root=tmp_path)) == caught_by


@pytest.mark.parametrize("name", ["LearnsFromCalls", "RemembersFirstCall", "CountsCalls", "FuserRemembersFirstCall"])
def test_what_depends_on_earlier_calls_is_caught_whatever_the_company(name: str) -> None:
    registry = Registry()
    if name.startswith("Fuser"):
        registry.fuser(name, f"bad_histories:{name}")
    else:
        registry.imputer(name, f"bad_histories:{name}", tags=("draws",), randomness="seeded")
    assert "earlier_calls_have_no_effect" in _failed(check(name, registry))


@pytest.mark.parametrize("name", ["SortsDraws", "PairsDraws"])
def test_draws_that_depend_on_their_number_are_caught(name: str) -> None:
    registry = Registry()
    registry.imputer(name, f"bad_histories:{name}", tags=("draws",), randomness="seeded")
    assert "draws_nested" in _failed(check(name, registry))


@pytest.mark.parametrize("name", ["IgnoresStop", "GoesOnElsewhere"])
def test_an_imputer_that_does_not_stop_and_go_on_is_caught(name: str) -> None:
    registry = Registry()
    loose = {"sources_followed": "its base class lies in another loose module"}
    registry.imputer(name, f"bad_stops:{name}", tags=("draws",), randomness="seeded", expected_failures=loose)
    assert _failed(check(name, registry)) == {"stops_and_goes_on"}


@pytest.mark.parametrize(
    ("name", "caught_by"),
    [
        ("IgnoresImputed", {"imputed_values_reach"}),
        ("IgnoresOneModality", {"every_modality_reaches"}),
        ("StandardisesBatch", {"other_records_have_no_effect", "same_alone_or_together", "batch_independent"}),
        ("InfersAbsence", {"absent_modality_ignored", "absent_modality_not_learnt"}),
        ("LearnsFromAbsence", {"absent_modality_not_learnt"}),
        ("PeeksAtTargets", {"targets_unseen"}),
        ("LearnsNothing", {"learns", "label_never_varies"}),
        ("ReturnsLogits", {"output_form"}),
        ("SwallowsNaN", {"nan_grid"}),
        ("ReadsEvents", {"events_as_declared"}),
        ("InitialisesGlobally", {"reproducible"}),
        ("NeedsBothClasses", {"one_class_in_validation", "no_validation"}),
        ("NeedsFullBatches", {"one_record_left_over"}),
        ("NeedsEveryModality", {"modality_never_seen"}),
        ("NeedsStatics", {"no_statics"}),
        ("NeedsKnownStatics", {"statics_unknown"}),
        ("NeedsValidation", {"no_validation"}),
        ("NeedsSomebody", {"nobody_to_predict"}),
        ("NeedsBothLabels", {"label_never_varies"}),
        ("BelievesInEveryClass", {"class_unseen"}),
        ("ForgetsTheScale", {"target_scale"}),
    ],
)
def test_a_bad_fuser_fails_exactly_the_checks_it_lies_to(name: str, caught_by: set[str]) -> None:
    report = _check("fuser", name)
    assert _failed(report) == caught_by, report.to_text()


@pytest.mark.parametrize(
    ("name", "caught_by"),
    [
        # The last two hide as a run does, and a run refuses masks that depend on earlier calls.
        ("Remembers", {"decided_by_record", "share_as_promised", "one_bin"}),
        ("HidesTooMuch", {"share_as_promised"}),
        ("CountsInsteadOfMasks", {"mask_form"}),
        ("HidesInPlace", {"hides"}),
    ],
)
def test_a_bad_scenario_fails_exactly_the_checks_it_lies_to(name: str, caught_by: set[str]) -> None:
    report = _check("scenario", name, randomness="seeded")
    assert _failed(report) == caught_by, report.to_text()


@pytest.mark.parametrize(
    ("name", "caught_by"),
    [
        ("RepeatsIds", {"ids_and_groups"}),
        ("FillsZeros", {"grid_from_events", "missing_is_nan"}),
        ("ForgetsATask", {"as_declared", "targets_form"}),
        ("AnotherOrder", {"reproducible"}),
        ("CountsWithoutAKind", {"counts_form"}),
    ],
)
def test_a_bad_dataset_fails_exactly_the_checks_it_lies_to(name: str, caught_by: set[str]) -> None:
    report = _check("dataset", name)
    assert _failed(report) == caught_by, report.to_text()


def test_each_component_has_a_fresh_process_of_its_own_whatever_the_one_before_did() -> None:
    declared = {
        "module": "bad_ends",
        "params": Home,
        "test_params": {"home": os.getpid()},
        "expected_failures": {"sources_followed": "its base class lies in another loose module"},
    }
    ends = {"EndsElsewhere": "no message", "SpeaksElsewhere": "ValueError: not here", "CountsFits": ""}
    for name in (*ends, *ends):
        report = _check("imputer", name, **declared)
        assert _failed(report) == ({"same_in_another_process"} if ends[name] else set()), report.to_text()
        assert all(outcome.detail.endswith(ends[name]) for outcome in report.of("failed"))


def test_sampling_from_a_global_generator_is_caught() -> None:
    assert "reproducible" in _failed(_check("imputer", "SamplesFromGlobalGenerator"))


def test_a_seeded_component_that_says_it_is_deterministic_is_caught() -> None:
    assert _failed(_check("imputer", "Honest", randomness="deterministic")) == {"randomness_is_declared"}


def test_a_stochastic_component_is_excused_from_comparisons_and_from_nothing_else() -> None:
    report = _check("imputer", "SamplesFromGlobalGenerator", randomness="stochastic")
    assert report.ok, report.to_text()
    assert "reproducible" in {outcome.name for outcome in report.of("skipped")}
    assert _failed(_check("imputer", "TouchesObserved", randomness="stochastic")) == {"observed_untouched"}


def test_a_control_that_shows_values_is_caught() -> None:
    assert _failed(_check("imputer", "Honest", tags=("draws", "hides_values"))) == {"values_hidden"}


def test_a_fuser_that_says_it_reads_events_or_draws_and_does_not_is_caught() -> None:
    assert _failed(_check("fuser", "HonestFuser", tags=("uses_events",))) == {"events_as_declared"}
    assert _failed(_check("fuser", "ReadsEvents", tags=("uses_events",))) == set()
    assert _failed(_check("fuser", "ReadsEventsUnasked", tags=("uses_events",))) == {"events_as_declared"}
    assert _failed(_check("fuser", "LeavesEvents", tags=("uses_events",))) == set()
    assert _failed(_check("fuser", "HonestFuser", tags=("uses_draws",))) == {"draws_reach"}


def test_a_fuser_that_says_it_takes_nan_and_does_not_is_caught() -> None:
    assert _failed(_check("fuser", "HonestFuser", tags=("nan_aware",))) == {"nan_grid"}


def test_a_component_that_cannot_be_imported_fails_one_check_and_the_rest_say_why_they_did_not_run() -> None:
    registry = Registry()
    registry.imputer("lost", "crashes_on_import:Lost")
    report = check("lost", registry)
    assert _failed(report) == {"constructs"}
    assert "libgap.so.1" in report.of("failed")[0].detail
    assert {outcome.detail for outcome in report.of("skipped")} >= {"not reached: constructs failed"}
    assert not report.of("passed")
