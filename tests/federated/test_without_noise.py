"""What methods declare of noise is what they send."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.components import Context
from bench.errors import PluginError
from bench.federated.privacy import uncovered
from bench.registry import Registry, Spec, discover
from bench.results.federated import Federated, Trained
from bench.results.predictions import Predictions
from bench.results.records import Audit, Measures
from bench.run.drowned import REACHES, drowned
from bench.testing.toy import TOY_TASK, toy_cohort
from support.fuser_cohorts import filled_with

LEARNERS = [spec for kind in ("fuser", "imputer") for spec in discover().specs(kind) if "learner" in spec.tags]


@pytest.mark.parametrize("spec", LEARNERS, ids=lambda spec: f"{spec.kind}-{spec.name}")
def test_the_groups_that_noise_does_not_cover_are_those_that_a_method_declares(spec: Spec) -> None:
    """So that the plan skips what a round would refuse, and nothing else."""
    learner = spec.build(spec.test_params)
    cohort, task = filled_with(toy_cohort(20, absent=0.0), 0.0), TOY_TASK if spec.kind == "fuser" else None
    cohort = cohort if task else cohort.without_targets()
    learner.begin(learner.summary(cohort, task), Context(seed=0))
    assert uncovered(learner.groups()) == tuple(sorted(spec.without_noise))


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ({"without_noise": ("shared",), "tags": ("learner",)}, "names no group that noise may not cover: shared"),
        ({"without_noise": ("own",)}, "of components tagged learner alone"),
    ],
)
def test_a_declaration_of_another_group_or_of_no_learner_is_refused(declaration: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError, match=message):
        Registry().fuser("mine", "nowhere:Mine", **declaration)


def measured(passed: bool | None, epsilon: float | None) -> Measures:
    federated = Federated(
        partition="", rule="", metric="auroc", clients=[], fuser=Trained(rounds=[], epsilon=epsilon, delta=1e-5)
    )
    return Measures(audits={REACHES: Audit(passed, "43% of 14 predictions moved")}, federated=federated)


def predicted(outputs: list[float]) -> Predictions:
    column = np.array(outputs, np.float32)[:, None]
    names = np.arange(len(outputs)).astype(str)
    return Predictions(names, names, np.zeros(len(outputs)), column, np.zeros((len(outputs), 0)), np.array([], str))


DROWNED, ALIVE = [0.0, 1.0, 1.0, 0.0, 0.0, 0.7], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7]


def test_the_audit_of_a_model_that_noise_drowned_does_not_apply_and_says_so() -> None:
    [audit] = drowned(measured(False, 0.1), predicted(DROWNED)).values()
    assert audit.passed is None
    assert "5 of 6 test predictions are the same to the bit as another" in audit.detail
    assert audit.detail.endswith("43% of 14 predictions moved")


@pytest.mark.parametrize(
    ("passed", "epsilon", "outputs"),
    [(False, None, DROWNED), (False, 0.1, ALIVE), (True, 0.1, DROWNED), (None, 0.1, DROWNED)],
)
def test_without_noise_or_with_a_model_that_answers_the_audit_stays(
    passed: bool | None, epsilon: float | None, outputs: list[float]
) -> None:
    assert drowned(measured(passed, epsilon), predicted(outputs)) == {}
