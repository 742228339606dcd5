"""The training loop: deterministic, resumable to the bit, selecting on validation, and clear
when a number breaks.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench.components import Context, Interrupted
from bench.train_params import TrainParams
from bench.training import BatchNorm1d, TrainingError, learning_rate, train
from support.regression import ITEMS, STEPS_PER_EPOCH, Problem, stopping_after


def test_training_learns_and_says_how_it_went() -> None:
    problem = Problem()
    before = problem.validate()
    result = problem.train(epochs=60, patience=0)
    assert problem.validate() == result.best == min(e.score for e in result.history if e.score is not None)
    assert result.best < before / 2
    assert result.steps == 60 * STEPS_PER_EPOCH


def test_an_epoch_sees_every_item_once_in_an_order_of_its_own() -> None:
    problem = Problem()
    problem.train(epochs=2)
    assert [len(items) for items in problem.seen] == [5, 5, 5, 5, 3] * 2
    first, second = np.concatenate(problem.seen[:5]), np.concatenate(problem.seen[5:])
    assert sorted(first) == sorted(second) == list(range(ITEMS))
    assert list(first) != list(second)


def test_same_seed_gives_the_same_bits_whatever_the_global_generator_holds() -> None:
    torch.manual_seed(1)
    one = Problem()
    one.train()
    torch.manual_seed(2)
    two = Problem()
    two.train()
    other = Problem(Context(seed=8))
    other.train()
    assert one.weights() == two.weights() != other.weights()


def test_the_noise_of_every_step_is_its_own_and_that_of_every_validation_the_same() -> None:
    problem, trained, validated = Problem(), [], []

    def loss(items: np.ndarray) -> torch.Tensor:
        trained.append(torch.rand(()).item())
        return problem.loss(items)

    def validate() -> float:
        validated.append(torch.rand(()).item())
        return 0.0

    train(problem.module, ITEMS, loss, TrainParams(epochs=3, batch_size=5), problem.context, validate=validate)
    assert len(set(trained)) == 3 * STEPS_PER_EPOCH
    assert len(validated) == 3
    assert len(set(validated)) == 1


def test_the_global_generator_is_left_as_it_was() -> None:
    before = torch.get_rng_state()
    Problem().train()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("stop", [0, 1, 3, 5, 7, 12, 19])
@pytest.mark.parametrize(
    "chosen",
    [
        {"optimizer": "adam"},
        {"optimizer": "adamw"},
        {"optimizer": "sgd"},
        {"optimizer": "sgd", "momentum": 0.9},
        {"average": 0.8},
    ],
)
@pytest.mark.parametrize("norm", [False, True], ids=["", "batch norm"])
def test_a_training_interrupted_anywhere_resumes_to_the_same_bits(
    tmp_path: Path, stop: int, chosen: dict[str, Any], norm: bool
) -> None:
    whole = Problem(norm=norm)
    expected = whole.train(**chosen, schedule="cosine")
    with pytest.raises(Interrupted, match=f"step {stop} of 20"):
        Problem(stopping_after(stop, tmp_path), norm=norm).train(**chosen, schedule="cosine")
    resumed = Problem(Context(seed=7, scratch=tmp_path), norm=norm)
    result = resumed.train(**chosen, schedule="cosine")
    assert result.resumed_from == stop
    assert resumed.weights() == whole.weights()
    assert (result.history, result.best, result.best_step) == (expected.history, expected.best, expected.best_step)


def noisy(problem: Problem, epoch: int, size: int) -> tuple[int, Callable[[np.ndarray], torch.Tensor]]:
    """The items of an epoch: their rows moved by a noise of its own."""
    rows = problem.rows[:size] + torch.randn(size, 3, generator=torch.Generator().manual_seed(epoch))

    def loss(items: np.ndarray) -> torch.Tensor:
        problem.seen.append(items)
        return nn.functional.mse_loss(problem.module(rows[items]), problem.truth[items])

    return size, loss


def test_each_epoch_from_the_second_on_is_of_renewed_items() -> None:
    asked: list[int] = []
    problem = Problem()
    result = problem.train(renew=lambda epoch: (asked.append(epoch), noisy(problem, epoch, ITEMS - epoch))[1])
    assert asked == [1, 2, 3]
    assert result.steps == 20
    for epoch in range(4):
        visited = np.concatenate(problem.seen[5 * epoch : 5 * epoch + 5])
        assert len(visited) == ITEMS
        assert sorted(set(visited.tolist())) == list(range(ITEMS - epoch))


@pytest.mark.parametrize("stop", [3, 5, 7, 19])
def test_a_training_on_renewed_items_resumes_to_the_same_bits(tmp_path: Path, stop: int) -> None:
    whole = Problem()
    whole.train(renew=lambda epoch: noisy(whole, epoch, ITEMS))
    stopped = Problem(stopping_after(stop, tmp_path))
    with pytest.raises(Interrupted, match=f"step {stop} of 20"):
        stopped.train(renew=lambda epoch: noisy(stopped, epoch, ITEMS))
    resumed = Problem(Context(seed=7, scratch=tmp_path))
    resumed.train(renew=lambda epoch: noisy(resumed, epoch, ITEMS))
    assert resumed.weights() == whole.weights()


def test_the_average_of_the_weights_is_what_is_validated_and_kept_and_training_goes_on_from_the_weights() -> None:
    plain, averaged = Problem(), Problem()
    path: list[list[torch.Tensor]] = []
    plain.train(lambda items: (path.append(_copies(plain.module)), plain.loss(items))[1], epochs=2)
    averaged.train(epochs=2, average=0.9)
    path = [*path[1:], _copies(plain.module)]  # after every step; those of the last step are the best ones here
    expected = path[0]
    for step, weights in enumerate(path[1:], 2):
        decay = min(0.9, (1 + step) / (10 + step))
        expected = [decay * old + (1 - decay) * new for old, new in zip(expected, weights, strict=True)]
    for made, wanted in zip(averaged.module.parameters(), expected, strict=True):
        torch.testing.assert_close(made.detach(), wanted)


def test_running_statistics_are_averaged_with_the_weights_they_were_counted_under() -> None:
    plain, averaged = Problem(norm=True), Problem(norm=True)
    path: list[torch.Tensor] = []
    plain.train(lambda items: (path.append(_statistics(plain)), plain.loss(items))[1], epochs=2)
    averaged.train(epochs=2, average=0.9)
    path = [*path[1:], _statistics(plain)]
    expected = path[0]
    for step, statistics in enumerate(path[1:], 2):
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * statistics
    torch.testing.assert_close(_statistics(averaged), expected)
    assert not torch.allclose(expected, path[-1], rtol=1e-3)


def _statistics(problem: Problem) -> torch.Tensor:
    return torch.cat([problem.module[1].running_mean, problem.module[1].running_var]).clone()


def test_a_single_value_is_normalised_by_running_statistics_and_not_counted() -> None:
    norm = BatchNorm1d(3).train()
    assert torch.isfinite(norm(torch.randn(1, 3))).all()
    assert not norm.running_mean.any()
    norm(torch.randn(2, 3))
    assert norm.running_mean.any()


def test_sgd_follows_the_gradient_and_its_momentum() -> None:
    weight, moves = nn.Linear(1, 1, bias=False), []
    nn.init.constant_(weight.weight, 1.0)

    def loss(items: np.ndarray) -> torch.Tensor:
        moves.append(float(weight.weight.detach()))
        return weight.weight.sum()  # a gradient of 1

    params = TrainParams(optimizer="sgd", momentum=0.5, learning_rate=0.125, clip=0, steps=4, batch_size=ITEMS)
    train(weight, ITEMS, loss, params, Context())
    assert moves == [1.0, 0.875, 0.875 - 0.125 * 1.5, 0.875 - 0.125 * (1.5 + 1.75)]


def test_momentum_without_sgd_is_refused() -> None:
    with pytest.raises(ValueError, match=r"momentum=0.9 is given, and optimizer=adam has none; give optimizer=sgd"):
        TrainParams(momentum=0.9)


def test_without_a_validation_the_average_is_kept_too() -> None:
    validated, alone = Problem(), Problem()
    validated.train(epochs=2, average=0.9)
    train(
        alone.module,
        ITEMS,
        alone.loss,
        TrainParams(epochs=2, batch_size=5, learning_rate=0.01, average=0.9),
        alone.context,
    )
    assert alone.weights() == validated.weights()


def _copies(module: nn.Module) -> list[torch.Tensor]:
    return [weight.detach().clone() for weight in module.parameters()]


def test_a_training_interrupted_again_and_again_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = Problem()
    whole.train()
    for _ in range(10):
        resumed = Problem(stopping_after(3, tmp_path))
        try:
            result = resumed.train()
        except Interrupted:
            continue
        assert result.resumed_from == 18
        assert resumed.weights() == whole.weights()
        return
    pytest.fail("three steps at a time never reached the end")


def test_a_killed_training_resumes_from_its_last_periodic_checkpoint(tmp_path: Path) -> None:
    whole = Problem()
    whole.train()
    killed = Problem(Context(seed=7, scratch=tmp_path))

    def dying_loss(items: np.ndarray) -> torch.Tensor:
        if len(killed.seen) == 8:
            raise KeyboardInterrupt
        return killed.loss(items)

    with pytest.raises(KeyboardInterrupt):
        killed.train(dying_loss, checkpoint_seconds=0)
    resumed = Problem(Context(seed=7, scratch=tmp_path))
    assert resumed.train().resumed_from == 8
    assert resumed.weights() == whole.weights()


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flip(content: bytes) -> bytes:
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def _change_step(content: bytes) -> bytes:
    return content.replace(b'\\"step\\": 7', b'\\"step\\": 9')


@pytest.mark.parametrize("damage", [_cut, _flip, _change_step, lambda content: b"", lambda content: b"no tensors here"])
def test_a_damaged_checkpoint_is_ignored_with_a_note(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Interrupted):
        Problem(stopping_after(7, tmp_path)).train()
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    assert damage(content) != content
    file.write_bytes(damage(content))
    notes: list[str] = []
    anew = Problem(Context(seed=7, scratch=tmp_path, report=notes.append))
    whole = Problem()
    whole.train()
    assert anew.train().resumed_from == 0
    assert anew.weights() == whole.weights()
    assert "checkpoint ignored" in notes[0]
    assert "damaged" in notes[0]


def test_the_checkpoint_of_another_training_is_ignored_with_a_note(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        Problem(stopping_after(7, tmp_path)).train(learning_rate=0.02)
    notes: list[str] = []
    result = Problem(Context(seed=7, scratch=tmp_path, report=notes.append)).train(learning_rate=0.01)
    assert result.resumed_from == 0
    assert "belongs to another training" in notes[0]


def test_how_often_a_checkpoint_is_written_does_not_make_it_another_training(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        Problem(stopping_after(7, tmp_path)).train(checkpoint_seconds=1)
    assert Problem(Context(seed=7, scratch=tmp_path)).train(checkpoint_seconds=2).resumed_from == 7


def test_two_trainings_of_one_component_keep_checkpoints_of_their_own(tmp_path: Path) -> None:
    problem = Problem(stopping_after(2, tmp_path))
    for name in ("encoder", "head"):
        with pytest.raises(Interrupted):
            train(problem.module, ITEMS, problem.loss, TrainParams(), problem.context, name=name)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["encoder.safetensors", "head.safetensors"]


def test_training_stops_when_patience_ends_and_keeps_the_best_weights() -> None:
    stopped = Problem(scores=[3.0, 2.0, 2.5, 2.0, 1.0])
    result = stopped.train(epochs=20, patience=2)
    assert (result.steps, result.best_step, result.best) == (4 * STEPS_PER_EPOCH, 2 * STEPS_PER_EPOCH, 2.0)
    ended_there = Problem(scores=[3.0, 2.0])
    ended_there.train(epochs=2)
    assert stopped.weights() == ended_there.weights()


def test_larger_scores_are_better_where_said() -> None:
    problem, scores = Problem(), [0.5, 0.9, 0.6]
    result = train(
        problem.module,
        ITEMS,
        problem.loss,
        TrainParams(epochs=3, batch_size=5),
        problem.context,
        validate=lambda: scores.pop(0),
        higher=True,
    )
    assert (result.best, result.best_step) == (0.9, 2 * STEPS_PER_EPOCH)


def test_without_validation_the_last_weights_stay() -> None:
    problem = Problem()
    result = train(problem.module, ITEMS, problem.loss, TrainParams(epochs=2, patience=1), problem.context)
    assert (result.best, result.best_step) == (None, result.steps)


def test_a_fixed_budget_is_spent_whole_and_still_selects_the_best_weights() -> None:
    problem = Problem(scores=[1.0, 2.0, 3.0])
    result = problem.train(steps=12, epochs=1, patience=1)
    assert (result.steps, result.best_step) == (12, STEPS_PER_EPOCH)
    assert [epoch.step for epoch in result.history] == [5, 10, 12]
    assert len(problem.seen) == 12


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda loss: loss * float("nan"), "loss became nan at step 4 of 20"),
        (lambda loss: loss / 0, "loss became inf at step 4 of 20"),
        (lambda loss: (loss * 0).sqrt(), "norm of the gradient became (nan|inf) at step 4 of 20"),
    ],
)
def test_a_number_that_is_not_finite_names_its_step(
    broken: Callable[[torch.Tensor], torch.Tensor], message: str
) -> None:
    problem = Problem()

    def loss(items: np.ndarray) -> torch.Tensor:
        value = problem.loss(items)
        return broken(value) if len(problem.seen) == 4 else value

    with pytest.raises(TrainingError, match=message):
        problem.train(loss)


def test_a_validation_score_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(TrainingError, match="validation score became nan"):
        Problem(scores=[float("nan")]).train()


def test_nothing_to_learn_from_is_an_error() -> None:
    problem = Problem()
    with pytest.raises(TrainingError, match="no training record"):
        train(problem.module, 0, problem.loss, TrainParams(), problem.context)


@pytest.mark.parametrize(("clip", "clipped"), [(0.01, True), (0.0, False)])
def test_the_gradient_is_clipped_by_its_global_norm(clip: float, clipped: bool) -> None:
    problem = Problem()
    train(problem.module, ITEMS, problem.loss, TrainParams(steps=1, batch_size=5, clip=clip), problem.context)
    norm = float(torch.stack([p.grad.norm() for p in problem.module.parameters() if p.grad is not None]).norm())
    assert (norm <= 0.0101) == clipped


def test_bf16_computes_in_bfloat16_and_keeps_float32_weights() -> None:
    problem = Problem(Context(seed=7, precision="bf16"))
    kinds = set()

    def loss(items: np.ndarray) -> torch.Tensor:
        kinds.add(problem.module(problem.rows).dtype)
        return problem.loss(items)

    result = problem.train(loss, epochs=30)
    assert kinds == {torch.bfloat16}
    assert {p.dtype for p in problem.module.parameters()} == {torch.float32}
    assert result.best is not None
    assert result.best < Problem().validate() / 2


def test_the_cosine_schedule_falls_from_the_full_rate_to_zero() -> None:
    params = TrainParams(learning_rate=0.2, schedule="cosine")
    rates = [learning_rate(params, step, 4) for step in range(5)]
    assert rates == pytest.approx([0.2, 0.1 + 0.1 * 2**-0.5, 0.1, 0.1 - 0.1 * 2**-0.5, 0.0])
    assert {learning_rate(TrainParams(learning_rate=0.2), step, 4) for step in range(5)} == {0.2}


def test_the_milestones_cut_the_rate_tenfold_after_three_quarters_and_nine_tenths() -> None:
    params = TrainParams(learning_rate=0.2, schedule="milestones")
    rates = [learning_rate(params, step, 200) for step in (0, 149, 150, 179, 180, 199)]
    assert rates == pytest.approx([0.2, 0.2, 0.02, 0.02, 0.002, 0.002])


def test_tied_weights_survive_a_checkpoint(tmp_path: Path) -> None:
    def tied() -> nn.Module:
        torch.manual_seed(0)
        first = nn.Linear(3, 3)
        second = nn.Linear(3, 3)
        second.weight = first.weight
        return nn.Sequential(first, second)

    def run(context: Context) -> dict[str, torch.Tensor]:
        module, rows = tied(), torch.ones(ITEMS, 3)
        train(module, ITEMS, lambda items: (module(rows[items]) - 2).square().mean(), TrainParams(epochs=3), context)
        return copy.deepcopy(module.state_dict())

    expected = run(Context())
    with pytest.raises(Interrupted):
        run(Context(scratch=tmp_path, should_stop=stopping_after(2, tmp_path).should_stop))
    resumed = run(Context(scratch=tmp_path))
    assert all(torch.equal(resumed[key], expected[key]) for key in expected)
