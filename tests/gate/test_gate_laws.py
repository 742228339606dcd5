"""Laws of the gate: direction, level, what is the same test, audits; for every quantity it
judges.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.gate import GateReport, Judgement, gate
from bench.gate.quantities import Quantity
from bench.leaderboard.board import higher_is_better
from bench.metrics.own import OWN
from bench.results.records import Audit, Calibration, Export, Record, TaskSummary
from support.fake_exports import IHM, LOS, alter, make_export

SEEDS = (1, 2, 3, 4, 5)
QUANTITIES = [
    *(("score", name, OWN[name].higher) for name in OWN if OWN[name].higher is not None),
    *(("imputation", name, False) for name in ("mae", "rmse", "crps")),
    *(("calibration", name, False) for name in ("ece", "brier")),
    *(("cost", name, False) for name in ("fit_seconds", "parameters", "impute_seconds_per_draw", "imputer_parameters")),
]


def task_of(kind: str, name: str) -> TaskSummary:
    return TaskSummary("task", "binary", (name,)) if kind == "score" else IHM


def put(record: Record, quantity: Quantity, value: float) -> Record:
    """The record with another value of a quantity."""
    if quantity.kind == "score":
        return msgspec.structs.replace(record, scores={**record.scores, quantity.name: value})
    if quantity.kind == "imputation":
        scores = {**record.imputation["all"], quantity.name: value}
        return msgspec.structs.replace(record, imputation={**record.imputation, "all": scores})
    if quantity.kind == "calibration":
        calibration = {"ece": 0.1, "brier": 0.2, quantity.name: value}
        return msgspec.structs.replace(record, calibration=Calibration(**calibration))
    return msgspec.structs.replace(record, costs={**record.costs, quantity.name: value})


def run(quantity: Quantity, values: dict[int, float], imputers: tuple[str, ...] = ("locf",)) -> Export:
    """One fuser behind an imputer, with these values of one quantity by seed; all else is the
    same for all seeds.
    """
    export = make_export(
        imputers, ["gbm"], list(values), ["mcar"], [task_of(quantity.kind, quantity.name)],
        quality=lambda i, f, s: 0.8, audit_cells=False,
    )  # fmt: skip
    records = []
    for record in export.records:
        flat = {"mae": 0.5, "rmse": 0.7, "crps": 0.4, "hidden": 5000.0}
        record = msgspec.structs.replace(
            record, imputation={"all": flat}, calibration=Calibration(0.1, 0.2),
            costs={"fit_seconds": 1.0, "parameters": 10.0, "impute_seconds_per_draw": 1.0, "imputer_parameters": 5.0},
        )  # fmt: skip
        records.append(put(record, quantity, values[record.coordinates.seed]))
    return msgspec.structs.replace(export, records=records)


def judged(report: GateReport, quantity: Quantity) -> Judgement:
    return next(j for j in report.judgements if (j.kind, j.metric) == (quantity.kind, quantity.name))


@pytest.mark.parametrize(("kind", "name", "higher"), QUANTITIES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.sampled_from([1e-4, 0.02, 1.0]), fresh=st.booleans())
def test_a_large_shift_to_the_bad_side_is_worse_and_to_the_good_side_improved(
    kind: Any, name: str, higher: bool, seed: int, scale: float, fresh: bool
) -> None:
    quantity, rng = Quantity(kind, name, higher), np.random.default_rng(seed)
    before = {s: float(10 * scale + scale * rng.normal()) for s in SEEDS}
    for direction in (-1, 1):
        after = {s + 100 * fresh: float(v + scale * (direction * 100 + 0.5 * rng.normal())) for s, v in before.items()}
        report = gate(run(quantity, before), run(quantity, after), cost_tolerance=0.1)
        assert judged(report, quantity).verdict == ("improved" if (direction > 0) == higher else "worse")
        assert {j.verdict for j in report.judgements if j.metric != name} <= {"same"}
        assert report.verdict == judged(report, quantity).verdict
    same = gate(run(quantity, before), run(quantity, before), cost_tolerance=0.0)
    assert {j.verdict for j in same.judgements} == {"same"}
    assert same.exit_code == 0


def test_the_direction_of_a_score_is_that_of_the_leaderboard() -> None:
    export = make_export(seeds=(1,))
    assert all(higher == higher_is_better(export, name) for kind, name, higher in QUANTITIES if kind == "score")


@pytest.mark.parametrize("fresh", [True, False], ids=["other seeds", "the same seeds"])
@pytest.mark.parametrize("count", [3, 5])
def test_an_unchanged_method_is_called_otherwise_in_at_most_alpha_however_many_quantities_are_judged(
    count: int, fresh: bool
) -> None:
    rng = np.random.default_rng(count)
    imputers = tuple(f"method{k}" for k in range(600))

    def noisy(seeds: range) -> Export:
        export = run(Quantity("score", "auroc", True), dict.fromkeys(seeds, 0.8), imputers)
        records = []
        for record in export.records:
            for quantity in (Quantity("score", "auroc", True), *(Quantity("calibration", n) for n in ("ece", "brier"))):
                record = put(record, quantity, 0.5 + 0.01 * float(rng.normal()))
            scores = {n: 0.5 + 0.01 * float(rng.normal()) for n in ("mae", "rmse", "crps")}
            records.append(msgspec.structs.replace(record, calibration=Calibration(
                0.5 + 0.01 * float(rng.normal()), 0.5 + 0.01 * float(rng.normal())
            ), imputation={"all": {**scores, "hidden": 5000.0}}))  # fmt: skip
        return msgspec.structs.replace(export, records=records)

    report = gate(noisy(range(count)), noisy(range(100 * fresh, 100 * fresh + count)))
    for subjects in (
        [m for m in report.methods if m.method.task],
        [m for m in report.methods if not m.method.task],
    ):
        counted = Counter(m.verdict for m in subjects)
        called = (counted["worse"] + counted["improved"]) / len(subjects)
        assert called <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 600)
        assert called >= 0.02, "the level is used, not given away"
    assert {j.level for j in report.judgements} == {0.05 / 3}


def test_the_imputation_is_judged_once_and_not_again_for_every_fuser() -> None:
    before = make_export(["locf"], ["gbm", "gru"], scenarios=["mcar", "natural"], tasks=[IHM, LOS], audit_cells=False)
    judgements = gate(before, before).judgements
    imputation = [j for j in judgements if j.kind == "imputation"]
    assert [(j.metric, j.method.scenario, j.method.fuser) for j in imputation] == [
        (name, "mcar", "") for name in ("mae", "rmse", "crps")
    ]
    assert len([j for j in judgements if j.kind == "score"]) == 8


def test_what_the_baseline_measured_and_the_new_run_lacks_is_worse() -> None:
    mae, ece = Quantity("imputation", "mae"), Quantity("calibration", "ece")
    values = dict.fromkeys(SEEDS, 0.3)
    lost = run(ece, values)
    alter(lost.records[0], calibration=None)
    report = gate(run(ece, values), lost)
    assert judged(report, ece).verdict == "worse"
    assert "the new run lacks it under seed 1" in judged(report, ece).reason
    silent = run(mae, values)
    alter(silent.records[0], imputation={"all": {"rmse": 0.7, "crps": 0.4, "hidden": 5000.0}})
    assert judged(gate(run(mae, values), silent), mae).verdict == "worse"
    assert gate(lost, run(ece, values)).verdict == "same"


@pytest.mark.parametrize(("group", "name"), [("imputation", "scored"), ("hidden", "hidden")])
def test_other_hidden_entries_are_another_test(group: str, name: str) -> None:
    mae = Quantity("imputation", "mae")
    before, after = run(mae, dict.fromkeys(SEEDS, 0.3)), run(mae, dict.fromkeys(SEEDS, 0.3))
    for record in after.records:
        if group == "imputation":
            alter(record, imputation={"all": {**record.imputation["all"], "hidden": 4999.0}})
        else:
            alter(record, hidden={**record.hidden, "realised": 0.2})
    reasons = {j.reason for j in gate(before, after).judgements if j.verdict == "not-comparable"}
    assert any(f"other entries are {name} under seed 1" in reason for reason in reasons)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (True, False, "worse"),
        (None, False, "worse"),
        (False, False, "not-comparable"),
        (False, True, "not-comparable"),
        (True, True, "same"),
    ],
)
def test_an_audit_that_was_passed_and_fails_is_worse(before: bool | None, after: bool, verdict: str) -> None:
    def audited(passed: bool | None) -> Export:
        export = make_export(["locf"], ["gbm"], audit_cells=False)
        for record in export.records:
            alter(record, audits={**record.audits, "batch-independent": Audit(passed, "measured")})
        return export

    report = gate(audited(before), audited(after))
    assert report.verdict == verdict
    assert ("seed 52: the audit batch-independent failed" in report.judgements[0].reason) == (verdict != "same")


def test_costs_measured_on_another_machine_are_not_compared_and_small_changes_are_tolerated() -> None:
    fit = Quantity("cost", "fit_seconds")
    before = run(fit, {s: 1.0 + 0.001 * s for s in SEEDS})
    slower = run(fit, {s: 1.1 + 0.001 * s for s in SEEDS})
    assert judged(gate(before, slower, cost_tolerance=0.2), fit).reason == "within the tolerance"
    assert judged(gate(before, slower, cost_tolerance=0.05), fit).verdict == "worse"
    for record in slower.records:
        alter(record, provenance={**record.provenance, "device": "another CPU"})
    assert judged(gate(before, slower, cost_tolerance=0.05), fit).verdict == "not-comparable"
    assert gate(before, slower).verdict == "same"


def test_results_of_before_an_edit_count_as_not_run() -> None:
    export = make_export(["locf", "mean"], ["gbm"], audit_cells=False)
    stale = [key for at, key in export.planned if at.imputer == "locf"][:1]
    report = gate(export, msgspec.structs.replace(export, edited=stale, edits=["source of imputer locf"]))
    verdicts = {j.method.imputer: (j.verdict, j.reason) for j in report.judgements}
    assert verdicts["mean"][0] == "same"
    assert verdicts["locf"][0] == "inconclusive"
    assert "seed 42: edited since" in verdicts["locf"][1]
    assert any("source of imputer locf" in note for note in report.notes)
