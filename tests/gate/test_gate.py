"""The gate: worse means worse than the baseline's own noise, on the same test, cell by cell."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from bench.errors import EXIT_CODES, UsageError
from bench.gate import EXIT_CODE, GRAVITY, GateReport, Judgement, gate
from bench.gate.baselines import pin
from bench.gate.report import to_junit, to_markdown
from bench.leaderboard import load_export
from bench.results.records import Audit, Export, Status, TaskSummary
from support.fake_exports import IHM, LOS, alter, make_export, steady

SCORES = {42: 0.80, 52: 0.81, 72: 0.82}
"""Standard deviation 0.01."""


def one(values: dict[int, float], **changes: Any) -> Export:
    """One method with these scores by seed."""
    fields: dict[str, Any] = {"audit_cells": False, "quality": lambda i, f, seed: values[seed]}
    return make_export(["locf"], ["gbm"], list(values), **(fields | changes))


def shifted(by: float) -> dict[int, float]:
    return {seed: score + by for seed, score in SCORES.items()}


def only(report: GateReport) -> Judgement:
    [judgement] = report.judgements
    return judgement


def with_status(export: Export, index: int, status: Status, reason: str = "") -> Export:
    records = list(export.records)
    records[index] = msgspec.structs.replace(records[index], status=status, reason=reason, scores={})
    return msgspec.structs.replace(export, records=records)


def with_provenance(export: Export, **entries: str) -> Export:
    records = [msgspec.structs.replace(r, provenance={**r.provenance, **entries}) for r in export.records]
    return msgspec.structs.replace(export, records=records)


def test_the_same_run_is_the_same() -> None:
    report = gate(one(SCORES), one(SCORES))
    assert (report.verdict, report.exit_code, only(report).reason) == ("same", 0, "no difference")


def test_every_verdict_has_its_documented_exit_code() -> None:
    assert set(EXIT_CODE) == set(GRAVITY)
    for verdict, code in EXIT_CODE.items():
        assert verdict.replace("-", " ") in EXIT_CODES[code]


def scattered(mean: float) -> dict[int, float]:
    """New scores whose differences from `SCORES` have this mean and the standard deviation 0.01."""
    return {seed: score + mean + by for (seed, score), by in zip(SCORES.items(), (0.01, -0.01, 0.0), strict=True)}


def test_under_the_same_seeds_the_noise_is_that_of_the_differences() -> None:
    judgement = only(gate(one(SCORES), one(scattered(-0.001))))
    assert judgement.noise_floor == pytest.approx(4.302653 * 0.01 / np.sqrt(3), rel=1e-5)
    assert (judgement.freedom, judgement.paired, judgement.pooled, judgement.seeds) == (2, True, False, (42, 52, 72))
    assert judgement.difference == pytest.approx(-0.001)


def test_under_other_seeds_the_noise_is_that_of_a_difference_of_means_of_the_baselines_scatter() -> None:
    judgement = only(gate(one(SCORES), one({1: 0.8, 2: 0.7})))
    assert judgement.noise_floor == pytest.approx(4.302653 * 0.01 * np.sqrt(1 / 3 + 1 / 2), rel=1e-5)
    assert (judgement.freedom, judgement.paired, judgement.seeds) == (2, False, (1, 2))


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (-0.05, "worse"),
        (0.05, "improved"),
        (-0.01, "same"),
        (0.01, "same"),
        (-0.02, "inconclusive"),
        (0.02, "inconclusive"),
    ],
)
def test_a_difference_is_judged_by_the_noise(change: float, verdict: str) -> None:
    """Standard error 0.0058: normal noise up to 0.011, noise floor 0.025."""
    assert gate(one(SCORES), one(scattered(change))).verdict == verdict


def test_a_shift_that_is_the_same_under_every_seed_has_no_noise() -> None:
    """A change that keeps the random streams shows far below the scatter between seeds."""
    assert gate(one(SCORES), one(shifted(-0.0001))).verdict == "worse"
    assert gate(one(SCORES), one(shifted(0.0001))).verdict == "improved"


def test_of_errors_less_is_better() -> None:
    worse = gate(one(SCORES, tasks=(LOS,)), one(shifted(0.05), tasks=(LOS,)))
    assert (worse.verdict, only(worse).difference) == ("worse", pytest.approx(0.05))
    assert gate(one(SCORES, tasks=(LOS,)), one(shifted(-0.05), tasks=(LOS,))).verdict == "improved"


def test_more_seeds_lower_the_noise_floor() -> None:
    many = {seed: 0.81 + 0.01 * (-1) ** seed for seed in range(10)}
    few = dict(list(many.items())[:4])
    floors = [only(gate(one(v), one({s + 100: x for s, x in v.items()}))).noise_floor or 0 for v in (many, few)]
    assert 0 < floors[0] < floors[1]


def test_only_seeds_in_common_are_compared_where_there_are_some() -> None:
    judgement = only(gate(one(SCORES), one({42: 0.80, 99: 0.1})))
    assert (judgement.verdict, judgement.seeds, judgement.difference) == ("same", (42,), 0)


def test_without_a_seed_in_common_means_are_compared_and_it_is_said() -> None:
    judgement = only(gate(one(SCORES), one({1: 0.79, 2: 0.80, 3: 0.81})))
    assert (judgement.verdict, judgement.difference) == ("same", pytest.approx(-0.01))
    assert "no seed in common" in judgement.reason


@pytest.mark.parametrize("seeds", [(1, 2, 3), (42, 52, 72)])
def test_an_unchanged_method_with_fresh_noise_is_called_worse_or_improved_in_one_of_twenty(
    seeds: tuple[int, ...],
) -> None:
    rng = np.random.default_rng(0)
    imputers = [f"method{k}" for k in range(1500)]

    def noisy(imputer: str, fuser: str, seed: int) -> float:
        return float(0.8 + rng.normal() * 0.001 * (1 + int(imputer[6:]) % 9))

    baseline = make_export(imputers, ["gbm"], quality=noisy, audit_cells=False)
    new = make_export(imputers, ["gbm"], seeds, quality=noisy, audit_cells=False)
    counted = Counter(j.verdict for j in gate(baseline, new).judgements)
    assert (counted["worse"] + counted["improved"]) / 1500 == pytest.approx(0.05, abs=0.017)
    assert counted["not-comparable"] == 0


@pytest.mark.parametrize("seeds", [(42, 52, 72), (1, 2, 3)])
def test_a_method_that_is_the_same_for_all_seeds_has_no_noise_on_a_cpu(seeds: tuple[int, ...]) -> None:
    def quality(shift: float):  # type: ignore[no-untyped-def]
        return lambda i, f, seed: 0.8 + shift if f == "gbm" else SCORES.get(seed, 0.81)

    def judged(shift: float, device: str) -> Judgement:
        runs = [
            with_provenance(
                make_export(["a", "b"], ["gbm", "gru"], among, quality=quality(by), audit_cells=False),
                **{"device type": device},
            )
            for among, by in ((SCORES, 0), (seeds, shift))
        ]
        return next(j for j in gate(*runs).judgements if j.method.fuser == "gbm")

    assert judged(-0.00001, "cpu").verdict == "worse"
    assert judged(0.00001, "cpu").verdict == "improved"
    assert judged(1e-12, "cpu").verdict == "same"
    on_gpu = judged(-0.00001, "cuda")
    assert (on_gpu.verdict, on_gpu.pooled, on_gpu.freedom) == ("same", True, 4)
    assert on_gpu.noise_floor == pytest.approx(2.776445 * 0.01 * np.sqrt(2 / 3), rel=1e-5)
    assert judged(-0.1, "cuda").verdict == "worse"


def test_what_is_declared_deterministic_has_no_noise_under_the_same_seed_whatever_masks_do_to_it() -> None:
    declared = {"deterministic": ["imputer locf", "fuser gbm"]}
    jagged = {seed: score - by for (seed, score), by in zip(SCORES.items(), (0.02, 0.0, 0.01), strict=True)}
    assert only(gate(one(SCORES, **declared), one(jagged, **declared))).verdict == "worse"
    assert only(gate(one(SCORES, **declared), one(jagged, deterministic=["fuser gbm"]))).verdict == "same"
    assert only(gate(one(SCORES), one(jagged))).verdict == "same"
    other = only(gate(one(SCORES, **declared), one({1: 0.8, 2: 0.81}, **declared)))
    assert (other.verdict, other.paired) == ("same", False)


def test_a_seeded_method_that_gave_the_same_score_by_chance_is_not_taken_for_a_deterministic_one() -> None:
    def run(perfect: float) -> Export:
        return make_export(
            ["a"], ["gbm", "gru"], quality=lambda i, f, s: perfect if f == "gbm" else SCORES[s], audit_cells=False,
            deterministic=["imputer a"],
        )  # fmt: skip

    judged = next(j for j in gate(run(1.0), run(0.999)).judgements if j.method.fuser == "gbm")
    assert (judged.verdict, judged.pooled) == ("same", True)


def test_where_nothing_scatters_any_difference_counts_but_for_rounding_and_tolerance() -> None:
    fixed = dict.fromkeys((42, 52), 0.8)
    assert gate(one(fixed), one(dict.fromkeys(fixed, 0.799))).verdict == "worse"
    assert gate(one(fixed), one(dict.fromkeys(fixed, 0.8 + 1e-12))).verdict == "same"
    assert gate(one(fixed), one(dict.fromkeys(fixed, 0.799)), tolerance=0.002).verdict == "same"


def test_noise_cannot_be_learnt_from_one_seed() -> None:
    report = gate(one({42: 0.8}), one({42: 0.7}))
    assert (report.verdict, report.exit_code) == ("inconclusive", 12)
    assert "three seeds or more" in only(report).reason
    assert gate(one({42: 0.8}), one({42: 0.8})).verdict == "same"


@pytest.mark.parametrize("status", ["failed", "timeout", "oom"])
def test_a_cell_that_was_ok_and_is_not_any_more_is_worse(status: Status) -> None:
    report = gate(one(SCORES), with_status(one(SCORES), 1, status, "it broke"))
    assert (report.verdict, report.exit_code) == ("worse", 11)
    assert f"seed 52: {status}: it broke" in only(report).reason


@pytest.mark.parametrize("status", ["skipped", "not-run"])
def test_a_cell_that_was_not_tried_is_inconclusive(status: Status) -> None:
    assert gate(one(SCORES), with_status(one(SCORES), 1, status)).verdict == "inconclusive"


def test_a_cell_without_a_record_is_inconclusive_and_an_ok_one_without_a_score_is_worse() -> None:
    new = one(SCORES)
    del new.records[0]
    assert gate(one(SCORES), new).verdict == "inconclusive"
    new = one(SCORES)
    alter(new.records[0], scores={})
    assert gate(one(SCORES), new).verdict == "worse"


def test_what_was_not_ok_in_the_baseline_cannot_be_compared() -> None:
    report = gate(with_status(one(SCORES), 0, "failed", "boom"), one(SCORES))
    assert (report.verdict, report.exit_code) == ("not-comparable", 13)
    assert "the baseline is not ok (seed 42: failed: boom)" in only(report).reason


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (with_provenance(one(SCORES), manifest="other"), "not the same digest of the data"),
        (with_provenance(one(SCORES), split="seed 8"), "not the same split: "),
        (with_provenance(one(SCORES), profile="paper"), "not the same profile: "),
        (one(SCORES, tasks=(TaskSummary("ihm", "binary", ("auprc", "auroc")),)), "the task ihm is defined otherwise"),
        (one(SCORES, suite="another"), "the baseline is of demo on physionet2012, this run of another"),
        (one(SCORES, dataset="another"), "on another"),
        (one(SCORES, data={"clean": False}), "parameters of the dataset are not the same: clean True, now False"),
    ],
)
def test_another_test_cannot_be_compared(new: Export, reason: str) -> None:
    report = gate(one(SCORES, data={"clean": True}), new)
    assert report.verdict == "not-comparable"
    assert reason in only(report).reason


def with_audit(export: Export) -> Export:
    audit = {"absent-ignored": Audit(passed=True)}
    return msgspec.structs.replace(
        export, records=[msgspec.structs.replace(r, audits={**r.audits, **audit}) for r in export.records]
    )


def test_where_absent_modalities_were_filled_is_another_test_also_for_baselines_from_before_that_was_said() -> None:
    before, now = one(SCORES), with_audit(one(SCORES))
    assert only(gate(before, now)).reason == "not the same absent modalities: filled, now none"
    assert gate(before, with_provenance(now, **{"absent modalities": "filled"})).verdict == "same"
    assert gate(now, now).verdict == "same"
    assert gate(now, with_status(now, 0, "failed", "boom")).verdict == "worse"
    assert gate(before, with_status(before, 0, "failed", "boom")).verdict == "worse"


def test_another_number_of_test_records_cannot_be_compared() -> None:
    new = one(SCORES)
    for record in new.records:
        alter(record, counts={**record.counts, "test": 1199})
    assert "the number of test records differs: 1200, now 1199" in only(gate(one(SCORES), new)).reason


def test_a_method_of_only_one_of_the_two_plans_cannot_be_compared() -> None:
    a, b = make_export(["a"], ["gbm"]), make_export(["b"], ["gbm"])
    reasons = {j.method.imputer: j.reason for j in gate(a, b).judgements}
    assert "the new run does not plan it" in reasons["a"]
    assert "the baseline does not plan it" in reasons["b"]


CHANGE = {"worse": -0.05, "not-comparable": 0.0, "inconclusive": 0.02, "improved": 0.05, "same": 0.01}
"""Verdict -> the mean change of a method that deserves it; the baseline does not plan the one
that cannot be compared.
"""


def mixed(*verdicts: str) -> GateReport:
    """A report with one method of each verdict, called by it."""
    before = [verdict for verdict in verdicts if verdict != "not-comparable"] or ["other"]
    baseline = make_export(before, ["gbm"], quality=lambda i, f, seed: SCORES[seed])
    return gate(baseline, make_export(verdicts, ["gbm"], quality=lambda i, f, seed: scattered(CHANGE[i])[seed]))


@pytest.mark.parametrize("count", range(1, 6))
def test_the_verdict_on_a_run_is_the_gravest_and_its_methods_come_first(count: int) -> None:
    gravest_last = GRAVITY[::-1][:count]
    report = mixed(*gravest_last)
    assert report.verdict == gravest_last[-1]
    assert [j.method.imputer for j in report.judgements] == list(gravest_last[::-1])
    assert report.exit_code == EXIT_CODE[report.verdict]


def test_another_device_is_noted_and_compared_all_the_same() -> None:
    report = gate(one(SCORES), with_provenance(one(SCORES), device="a GPU"))
    assert report.verdict == "same"
    assert report.notes == ("The device differs: a CPU, now a GPU.",)


def test_audit_cells_are_not_judged() -> None:
    assert len(gate(make_export(["a"], ["gbm"]), make_export(["a"], ["gbm"])).judgements) == 1


@pytest.mark.parametrize(("alpha", "tolerance"), [(0, 0), (1, 0), (0.05, -1), (0.05, float("nan"))])
def test_settings_that_make_no_sense_are_refused(alpha: float, tolerance: float) -> None:
    with pytest.raises(UsageError, match="is not accepted"):
        gate(one(SCORES), one(SCORES), alpha=alpha, tolerance=tolerance)


def test_a_pinned_run_is_redacted_and_gates_like_the_run_itself(tmp_path: Path) -> None:
    pin(make_export(), tmp_path / "baseline.json")
    assert "/home/someone" not in (tmp_path / "baseline.json").read_text()
    new = make_export(quality=lambda i, f, seed: steady(i, f, seed) - 0.05)
    assert gate(load_export(tmp_path / "baseline.json"), new) == gate(make_export(), new)


def test_a_run_without_an_ok_cell_cannot_be_pinned(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no cell of suite demo that is named was run, so nothing can be pinned"):
        pin(one(SCORES, records=[]), tmp_path / "baseline.json")
    assert not (tmp_path / "baseline.json").exists()


def test_markdown_has_a_line_per_method_with_its_numbers() -> None:
    text = to_markdown(mixed(*GRAVITY))
    assert text.startswith("# Gate of demo: worse\n")
    assert "Methods: 1 worse, 1 not-comparable, 1 inconclusive, 1 improved, 1 same." in text
    line = next(x for x in text.splitlines() if "| **worse**" in x)
    assert [cell.strip() for cell in line.split("|")[1:9]] == [
        "**worse**", "worse", "gbm", "auroc", "0.8100", "0.7600", "-0.0500", "0.0248",
    ]  # fmt: skip


@pytest.mark.parametrize(("cost", "shown"), [(0.0000123456, "1.235e-05"), (0.0123456, "0.01235"), (12.5, "12.5000")])
def test_a_cost_is_shown_with_digits_that_count(cost: float, shown: str) -> None:
    from bench.gate.report import _number

    assert _number(cost, "", True) == shown
    assert _number(0.00001234, "", False) == "0.0000"


def test_junit_has_a_test_case_per_method_and_says_what_is_wrong() -> None:
    suite = ElementTree.fromstring(to_junit(mixed(*GRAVITY))).find("testsuite")
    assert suite is not None
    assert {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5", "failures": "1", "errors": "1", "skipped": "1",
    }  # fmt: skip
    kinds = {case.get("name"): next(iter(case)).tag for case in suite}
    assert kinds == {
        "worse + gbm: auroc": "failure",
        "not-comparable + gbm: auroc": "error",
        "inconclusive + gbm: auroc": "skipped",
        "improved + gbm: auroc": "system-out",
        "same + gbm: auroc": "system-out",
    }


def test_reports_survive_reasons_of_any_kind() -> None:
    report = gate(one(SCORES), with_status(one(SCORES), 0, "failed", "\x1b[31m<a> & | in /home/someone/x.py\n"))
    assert "/home/someone" not in to_markdown(report) + to_junit(report).decode()
    ElementTree.fromstring(to_junit(report))
    assert len([x for x in to_markdown(report).splitlines() if x.startswith("|")]) == 3


def test_tasks_are_compared_by_what_they_are_and_not_by_their_summary() -> None:
    other = TaskSummary(IHM.name, IHM.kind, IHM.metrics, "said in other words")
    assert gate(one(SCORES), one(SCORES, tasks=(other,))).verdict == "same"
