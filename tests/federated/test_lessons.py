"""A module with several lessons: each trains its own part, one after the other, and what is sent
says what trained it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench.cohort import Cohort
from bench.components import Context, Interrupted
from bench.errors import UsageError
from bench.learner import Learner, Lesson, Plan
from bench.registry import NoParams
from bench.sums import Sums
from bench.train_params import TrainParams
from bench_federations.averaging import FedNova
from support.fuser_cohorts import cohort

WHOLE = cohort(20)
FIRST = TrainParams(optimizer="adamw", learning_rate=0.1, batch_size=5, epochs=1)
SECOND = TrainParams(optimizer="sgd", learning_rate=0.01, batch_size=10, epochs=3, patience=0)


class Pair(nn.Module):
    """Two parts with a weight that both hold."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.ParameterList([nn.Parameter(torch.ones(2, 3))])
        self.left = nn.ModuleDict({"own": nn.Linear(3, 1), "norm": nn.BatchNorm1d(3), "both": self.shared})
        self.right = nn.ModuleDict({"own": nn.Linear(3, 1), "drop": nn.Dropout(0.5), "both": self.shared})


class TwoLessons(Learner[TrainParams]):
    """Teaches the left part, then the right one, and keeps which modes it saw."""

    steps: int | None = None

    def summary(self, cohort: Cohort, task: Any = None) -> Sums:
        return Sums(None)

    def begin(self, sums: Sums, context: Context) -> None:
        torch.manual_seed(0)
        self.pair, self.modes, self.events = Pair(), [], []

    @property
    def modules(self) -> dict[str, nn.Module]:
        return {"pair": self.pair}

    def lesson(self, module: str, train: Cohort, valid: Cohort | None, context: Context) -> None:
        raise AssertionError("lessons are asked for")

    def lessons(self, module: str, train: Cohort, valid: Cohort | None, context: Context) -> Iterator[Lesson]:
        for name, part, params, size in (
            ("left", self.pair.left, FIRST, 15),
            ("right", self.pair.right, None, len(train)),
        ):
            self.events.append(f"{name} is asked for")
            yield Lesson(size, self.loss(name, part), name=name, part=part, params=params, steps=self.steps)

    def loss(self, name: str, part: nn.Module) -> Any:
        def loss(items: np.ndarray) -> torch.Tensor:
            self.events.append(name)
            self.modes.append((self.pair.left["norm"].training, self.pair.right["drop"].training))
            frozen = {id(weight) for weight in self.pair.parameters() if not weight.requires_grad}
            assert not frozen & {id(weight) for weight in part.parameters()}
            assert len(frozen) == (2 if name == "left" else 4)
            values = self.pair.left["norm"](torch.from_numpy(items[:, None] + np.arange(3.0)).float())
            read = self.pair.right["drop"](values + self.pair.shared[0].sum(0))
            return (self.pair.left["own"](read) + self.pair.right["own"](read)).square().mean()

        return loss

    def validate(self, valid: Cohort, context: Context) -> dict[str, np.ndarray]:
        return {}

    def group(self, module: str, weight: str) -> str:
        return "buffer/labs" if weight == "left.norm.running_var" else super().group(module, weight)

    def pieces(self, module: str, weight: str, tensor: torch.Tensor) -> dict[str, torch.Tensor]:
        if weight == "shared.0":
            return {f"mod/{name}": row for name, row in zip(("vitals", "labs"), tensor, strict=True)}
        return dict(super().pieces(module, weight, tensor))


def begun() -> TwoLessons:
    learner = TwoLessons(SECOND)
    learner.begin(learner.summary(WHOLE), Context())
    return learner


def moved(learner: TwoLessons, train: Cohort = WHOLE, plan: Plan | None = None) -> tuple[set[str], Any]:
    before = learner.get()
    reply = learner.local(train, plan or Plan(), Context())
    return {name for name, array in learner.get().items() if not np.array_equal(array, before[name])}, reply


def test_a_lesson_moves_its_own_part_and_what_parts_share() -> None:
    learner = begun()
    whole = learner.lessons
    learner.lessons = lambda *of: iter([next(whole(*of))])  # type: ignore[method-assign]
    left, _ = moved(learner)
    assert left == {
        "mod/vitals/pair/shared.0", "mod/labs/pair/shared.0",
        "shared/pair/left.own.weight", "shared/pair/left.own.bias",
        "shared/pair/left.norm.weight", "shared/pair/left.norm.bias",
        "buffer/pair/left.norm.running_mean", "buffer/labs/pair/left.norm.running_var",
        "buffer/pair/left.norm.num_batches_tracked",
    }  # fmt: skip


def test_what_is_not_taught_is_in_evaluation_mode_and_can_learn_again_afterwards() -> None:
    learner = begun()
    moved(learner)
    assert learner.modes[:3] == [(True, False)] * 3
    assert learner.modes[3:] == [(False, True)] * 6
    assert all(weight.requires_grad for weight in learner.pair.parameters())
    assert learner.pair.left["norm"].num_batches_tracked == 3


def test_a_lesson_is_asked_for_when_the_one_before_is_over() -> None:
    learner = begun()
    moved(learner)
    assert learner.events == ["left is asked for", *["left"] * 3, "right is asked for", *["right"] * 6]
    assert {name: result.steps for name, result in learner.results.items()} == {"pair.left": 3, "pair.right": 6}
    assert learner.steps_taken() == 9


def test_a_reply_says_for_each_array_what_trained_it() -> None:
    _, reply = moved(begun())
    assert reply.n["mod/labs/pair/shared.0"] == 20
    assert reply.n["shared/pair/left.own.weight"] == reply.n["buffer/pair/left.norm.running_mean"] == 15
    assert reply.steps["mod/labs/pair/shared.0"] == 9
    assert reply.steps["shared/pair/left.own.weight"] == 3
    assert reply.steps["shared/pair/right.own.weight"] == 6
    assert not any("left.both" in name for name in reply.arrays)  # one array, however often it is held


@pytest.mark.parametrize(
    ("plan", "steps"), [(Plan(steps=4), (4, 4)), (Plan(epochs=2), (6, 4)), (Plan(share=0.5), (2, 3))]
)
def test_the_plan_sets_the_budget_of_each_lesson(plan: Plan, steps: tuple[int, int]) -> None:
    learner = begun()
    moved(learner, plan=plan)
    assert tuple(result.steps for result in learner.results.values()) == steps


def test_steps_of_a_lesson_are_those_whatever_the_plan_says() -> None:
    learner = begun()
    learner.steps = 7
    moved(learner, plan=Plan(epochs=2))
    assert [result.steps for result in learner.results.values()] == [7, 7]


def test_a_piece_of_a_weight_is_set_in_place() -> None:
    learner = begun()
    learner.set({"mod/labs/pair/shared.0": np.array([4.0, 5, 6], np.float32)})
    assert learner.pair.shared[0].tolist() == [[1, 1, 1], [4, 5, 6]]
    assert learner.groups()["mod/labs/pair/shared.0"] == "mod/labs"


def test_what_belongs_to_a_modality_that_no_training_record_has_is_not_sent() -> None:
    labs = WHOLE.modalities["labs"]
    without = replace(labs, available=np.zeros(len(WHOLE), bool), observed=np.zeros_like(labs.observed))
    _, reply = moved(begun(), WHOLE.with_modalities({**WHOLE.modalities, "labs": without}))
    assert "mod/vitals/pair/shared.0" in reply.arrays
    assert "buffer/pair/left.norm.running_mean" in reply.arrays
    assert not any("labs" in name for name in reply.arrays)


def test_a_penalty_is_relative_to_the_weights_before_the_first_lesson() -> None:
    learner = begun()

    def penalty(module: nn.Module) -> Any:
        assert module is learner.pair
        learner.events.append("reference")
        return lambda: torch.zeros(())

    moved(learner, plan=Plan(penalty=penalty))
    assert learner.events[:2] == ["reference", "left is asked for"]
    assert learner.events.count("reference") == 1


@pytest.mark.parametrize("stopped", [2, 5])
def test_a_training_that_was_stopped_in_any_lesson_ends_with_the_same_bits(tmp_path: Path, stopped: int) -> None:
    whole = begun()
    whole.local(WHOLE, Plan(), Context())
    calls = iter(range(99))
    with pytest.raises(Interrupted):
        begun().local(WHOLE, Plan(), Context(scratch=tmp_path, should_stop=lambda: next(calls) >= stopped))
    again = begun()
    again.local(WHOLE, Plan(), Context(scratch=tmp_path))
    learnt = again.get()
    assert all(np.array_equal(array, learnt[name]) for name, array in whole.get().items())
    assert sum(event in ("left", "right") for event in again.events) < 9


def test_a_federation_is_asked_about_the_training_of_every_lesson() -> None:
    learner = TwoLessons(TrainParams(optimizer="sgd"))
    learner.begin(Sums(None), Context())
    with pytest.raises(UsageError, match="defined for sgd, and the clients train with adamw"):
        learner.local(WHOLE, Plan(accepts=FedNova(NoParams()).prepare), Context())
