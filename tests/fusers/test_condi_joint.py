"""CondI whole: what moves in which phase, what it generates and reads, its ablations, and its
rounds in a federation.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from bench.components import Context, NotFitted
from bench.federated.rounds import Client, Rounds, federate
from bench.learner import Plan
from bench.registry import NoParams
from bench.stages.audits import imputed_reaches
from bench_federations.averaging import FedAvg
from bench_fusers.condi.fuser import Condi, imputer_params
from bench_fusers.condi.head import CondiHead
from bench_fusers.condi.plugin import CondiFuserParams
from support.fuser_cohorts import BINARY, REGRESSION, build, cohort, without

CONTEXT = Context(seed=2)
TRAIN, VALID = cohort(26, absent=0.3), cohort(10, seed=1, absent=0.3)
PROFILES = ("paper", "released")
profiles = pytest.mark.parametrize("profile", PROFILES)


def fuser(**chosen: Any) -> Condi:
    made = build("condi", **({"epochs": 1, "batch_size": 13, "diffusion_steps": 4} | chosen))
    assert isinstance(made, Condi)
    return made


def begun(**chosen: Any) -> Condi:
    made = fuser(**chosen)
    made.begin(made.summary(TRAIN, BINARY), CONTEXT)
    return made


@cache
def fitted(**chosen: Any) -> Condi:
    made = fuser(**chosen)
    made.fit(TRAIN, VALID, BINARY, CONTEXT)
    return made


# Phases


def moved(made: Condi, phase: str) -> set[str]:
    """The arrays that one phase alone changes, without their groups."""
    lessons = made.lessons

    def one(*of: Any) -> Any:
        return (lesson for lesson in lessons(*of) if (lesson.name == "imputer") == (phase == "A"))

    made.lessons = one  # type: ignore[method-assign]
    before = made.get()
    made.local(TRAIN, Plan(), CONTEXT)
    changed = {name for name, array in made.get().items() if not np.array_equal(array, before[name])}
    return {name.rpartition("/")[2] for name in changed}


def expected(made: Condi, *beginnings: str) -> set[str]:
    names = {name.rpartition("/")[2] for name in made.groups()}
    return {name for name in names if name.startswith(beginnings)}


def test_in_paper_phase_a_moves_the_imputer_and_the_table_alone() -> None:
    made = begun()
    changed = moved(made, "A")
    assert changed <= expected(made, "imputer.", "condition.table")
    assert {"condition.table", "imputer.features", "imputer.output.weight"} <= changed
    assert any(name.startswith("imputer.context.context.mixture") for name in changed)


def test_in_paper_phase_b_moves_encoder_embeddings_classifier_and_the_table() -> None:
    made = begun()
    changed = moved(made, "B")
    # Normalisation takes these biases away again.
    idle = {"reader.classifier.0.bias", "reader.classifier.4.bias"}
    assert changed | idle == expected(made, "reader.", "condition.table")
    assert {"reader.modality", "reader.encoder.backbone.blocks.5.norm.running_var"} <= changed


def test_in_released_phase_a_moves_imputer_and_condition_and_no_encoder() -> None:
    made = begun(profile="released")
    made.network.imputer.output.weight.data.normal_()  # type: ignore[union-attr]  # so that all before it learn
    changed = moved(made, "A")
    assert changed <= expected(made, "imputer.", "condition.net")
    assert expected(made, "condition.net") <= changed


def test_in_released_phase_b_moves_three_encoders_gate_and_classifier_and_no_condition() -> None:
    made = begun(profile="released")
    changed = moved(made, "B")
    assert changed <= expected(made, "reader.")
    for part in ("encoder", "imputed", "main"):
        assert expected(made, f"reader.{part}.backbone", f"reader.{part}.before") <= changed
    assert {"reader.gate.0.weight", "reader.modality", "reader.classifier.0.weight"} <= changed


@profiles
def test_both_phases_are_trained_one_after_the_other_and_counted(profile: str) -> None:
    made = fitted(profile=profile)
    assert {name: result.steps for name, result in made.results.items()} == {"imputer": 2, "": 2}
    assert made.steps_taken() == 4
    shorter = begun(profile=profile, phase_a_steps=1)
    shorter.local(TRAIN, Plan(epochs=3), CONTEXT)
    assert {name: result.steps for name, result in shorter.results.items()} == {"imputer": 1, "": 6}


def test_phases_have_the_optimisers_of_the_specification() -> None:
    params = CondiFuserParams()
    assert (params.optimizer, params.learning_rate, params.momentum, params.weight_decay) == ("sgd", 0.01, 0, 0)
    assert (params.batch_size, params.clip, params.epochs, params.patience) == (32, 0, 210, 0)
    phase_a = imputer_params(params)
    assert (phase_a.optimizer, phase_a.learning_rate, phase_a.weight_decay, phase_a.clip) == ("adamw", 1e-3, 1e-6, 1)
    assert (phase_a.batch_size, phase_a.epochs, phase_a.diffusion_steps) == (32, 210, 50)


# What it generates and reads


@profiles
def test_predictions_depend_on_nothing_that_another_imputer_wrote(profile: str) -> None:
    made = fitted(profile=profile)
    other = cohort(26, absent=0.3, fill=None)  # NaN everywhere, and no modality is filled
    assert np.array_equal(made.predict(TRAIN, CONTEXT), made.predict(other, CONTEXT))
    audit = imputed_reaches(made, TRAIN, (), CONTEXT)
    assert audit.passed is None
    assert "reads observed values alone" in audit.detail


@profiles
def test_its_completion_leaves_what_was_observed_and_moves_predictions(profile: str) -> None:
    made = fitted(profile=profile)
    completed = made.impute(TRAIN, 2, CONTEXT)
    assert completed is not None
    for name, series in TRAIN.modalities.items():
        assert completed[name].shape == (2, *series.grid.shape)
        assert np.isfinite(completed[name]).all()
        assert np.array_equal(completed[name][1][series.observed], series.grid[series.observed])
    bare = Condi(replace_params(made, no_imputation=True))
    bare.begin(bare.summary(TRAIN, BINARY), CONTEXT)
    bare.set(made.get())
    assert not np.allclose(made.predict(TRAIN, CONTEXT), bare.predict(TRAIN, CONTEXT), atol=1e-5)


def replace_params(made: Condi, **chosen: Any) -> CondiFuserParams:
    from msgspec.structs import replace as changed

    return changed(made.params, **chosen)


@profiles
@pytest.mark.parametrize("pool", ["mean", "median"])
def test_several_draws_are_pooled_before_they_are_read(profile: str, pool: str) -> None:
    made = Condi(replace_params(fitted(profile=profile), samples=3, pool=pool))
    made.begin(made.summary(TRAIN, BINARY), CONTEXT)
    made.set(fitted(profile=profile).get())
    completed = made.impute(TRAIN, 3, CONTEXT)
    assert completed is not None
    draws = completed["vitals"]
    pooled = made._completed(TRAIN, CONTEXT).modalities["vitals"].grid
    open_ = ~TRAIN.modalities["vitals"].observed
    assert np.allclose(pooled[open_], getattr(np, pool)(draws, axis=0)[open_], atol=1e-6)


@profiles
def test_in_two_stages_with_the_same_weights_it_predicts_the_same(profile: str) -> None:
    made = fitted(profile=profile)
    head = build("condi-head", profile=profile)
    assert isinstance(head, CondiHead)
    head.begin(head.summary(TRAIN, BINARY), CONTEXT)
    groups = head.groups()
    assert groups.keys() <= made.groups().keys()
    head.set({name: array for name, array in made.get().items() if name in groups})
    completed = made._completed(TRAIN, CONTEXT)
    assert np.allclose(head.predict(completed, CONTEXT), made.predict(TRAIN, CONTEXT), atol=1e-6)


@pytest.mark.parametrize("chosen", [{"no_imputation": True}, {"no_imputation": True, "no_condi": True}])
def test_where_nothing_is_generated_it_has_no_completion(chosen: dict[str, Any]) -> None:
    assert fitted(**chosen).impute(TRAIN, 1, CONTEXT) is None


def test_before_fit_it_neither_predicts_nor_completes() -> None:
    for ask in (lambda: fuser().predict(TRAIN, CONTEXT), lambda: fuser().impute(TRAIN, 1, CONTEXT)):
        with pytest.raises(NotFitted):
            ask()


def test_a_wide_modality_is_not_generated_and_what_is_observed_of_it_is_read() -> None:
    made = fitted(widest=2)  # vitals have 3 channels, labs 2
    assert [made.network.names[place] for place in made.network.places] == ["labs"]
    assert made.network.condition.table.shape[:2] == (1, 1)  # type: ignore[union-attr]
    whole = made.predict(TRAIN, CONTEXT)
    vitals = TRAIN.modalities["vitals"]
    moved_grid = np.where(vitals.observed, vitals.grid + np.float32(3), vitals.grid)
    other = TRAIN.with_modalities({**TRAIN.modalities, "vitals": replace(vitals, grid=moved_grid)})
    assert not np.array_equal(made.predict(other, CONTEXT), whole)


# Ablations and options


@profiles
@pytest.mark.parametrize(
    ("chosen", "phases"),
    [
        ({"no_imputation": True}, {"imputer", ""}),
        ({"no_condi": True}, {"imputer", ""}),
        ({"no_imputation": True, "no_condi": True}, {""}),
        ({"phase_b_input": "imputed"}, {"imputer", ""}),
    ],
)
def test_an_ablation_trains_what_it_needs(profile: str, chosen: dict[str, Any], phases: set[str]) -> None:
    made = fitted(profile=profile, **chosen)
    assert made.results.keys() == phases
    assert np.isfinite(made.predict(VALID, CONTEXT)).all()
    assert (made.network.condition is None) == ("no_condi" in chosen)
    assert any("condition" in name for name in made.groups()) == ("no_condi" not in chosen)


def test_trained_on_completed_series_it_learns_something_else() -> None:
    one, other = fitted().get(), fitted(phase_b_input="imputed").get()
    assert np.array_equal(one["shared/imputer.features"], other["shared/imputer.features"])
    assert not np.array_equal(one["shared/reader.classifier.0.weight"], other["shared/reader.classifier.0.weight"])


def test_a_regression_has_no_contrastive_loss() -> None:
    made = fuser(profile="released")
    made.fit(TRAIN, VALID, REGRESSION, CONTEXT)
    assert made.predict(VALID, CONTEXT).shape == (10, 1)


# In a federation


def test_who_owns_what() -> None:
    for profile in PROFILES:
        groups = begun(profile=profile).groups()
        of = {name: group for name, group in groups.items() if ".before." in name}
        assert {group for group in of.values()} == {"mod/vitals", "mod/labs"}
        for name, group in of.items():
            assert (".before.0." in name) == (group == "mod/vitals")
        assert all((group == "buffer") == ("running" in name or "tracked" in name) for name, group in groups.items())
    pairs = {group for group in begun().groups().values() if group.startswith("pair/")}
    assert pairs == {f"pair/{i}/{m}" for i in ("vitals", "labs") for m in ("vitals", "labs")}


def test_a_client_without_a_modality_leaves_what_belongs_to_it_as_it_was() -> None:
    poor = without(TRAIN, "labs")
    made = begun()
    start = made.get()
    clients = {0: Client(poor, poor), 1: Client(poor, poor)}
    state = federate(made, FedAvg(NoParams()), clients, Rounds(number=1, select="last"), CONTEXT, BINARY)
    for name, array in state.arrays.items():
        if "labs" in name:
            assert np.array_equal(array, start[name])
    assert not np.array_equal(
        state.arrays["pair/vitals/vitals/condition.table"], start["pair/vitals/vitals/condition.table"]
    )


def test_each_round_of_a_client_has_both_phases_and_one_round_is_one_training() -> None:
    made = begun()
    state = federate(made, FedAvg(NoParams()), {0: Client(TRAIN, VALID)}, Rounds(number=2), CONTEXT, BINARY)
    assert [list(done.steps.values()) for done in state.history] == [[4], [4]]
    alone = begun()
    alone.local(TRAIN, Plan(epochs=1), CONTEXT)
    once = begun()
    federate(once, FedAvg(NoParams()), {0: Client(TRAIN, VALID)}, Rounds(number=1), CONTEXT, BINARY)
    learnt = alone.get()
    assert all(np.array_equal(array, learnt[name]) for name, array in once.get().items())
    assert np.isfinite(made.predict(VALID, CONTEXT)).all()
