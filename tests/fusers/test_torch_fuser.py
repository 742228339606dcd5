"""`TorchFuser`: what a module is handed, what it may return, and trainings that stop and go on."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench.cohort import Cohort, Task
from bench.components import Context, Interrupted, NotFitted
from bench.errors import PluginError
from bench.metrics.scoring import score
from bench.torch_fuser import Batch, Inputs, TorchFuser
from bench.train_params import TorchFuserParams
from support.fuser_cohorts import BINARY, MULTICLASS, MULTILABEL, TASKS, build, cohort, parts
from support.pages import page

MANUAL = page("how-to/write-a-torch-fuser.md")


class Recorder(TorchFuser[TorchFuserParams]):
    """Keeps what it was handed; predicts from the statics."""

    outputs: int | None = None

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        self.inputs = inputs
        self.batches: list[Batch] = []
        network = nn.Linear(inputs.statics, self.outputs or task.outputs)

        class Module(nn.Module):
            def __init__(module) -> None:
                super().__init__()
                module.network = network

            def forward(module, batch: Batch) -> torch.Tensor:
                self.batches.append(batch)
                answer: torch.Tensor = network(batch.statics)
                return answer

        return Module()


class EventRecorder(Recorder):
    uses_events = True


class DrawRecorder(Recorder):
    uses_draws = True


def trained(fuser: TorchFuser[Any], whole: Cohort, task: Task = BINARY) -> TorchFuser[Any]:
    train, valid, _ = parts(whole)
    fuser.fit(train, valid, task, Context())
    return fuser


def recorder(kind: type[Recorder] = Recorder, **params: Any) -> Recorder:
    return kind(TorchFuserParams(**{"epochs": 1, **params}))


def test_the_manual_shows_a_whole_fuser_that_works() -> None:
    code = re.findall(r"```python\n(.*?)```", MANUAL, re.DOTALL)[0]
    names: dict[str, Any] = {"__name__": "manual"}
    exec(code, names)
    written = [line for line in code.splitlines() if line.strip() and not re.match("from|import", line)]
    assert len(written) <= 20
    fuser, (_, _, test) = names["Pool"](names["PoolParams"](learning_rate=0.01)), parts(cohort())
    trained(fuser, cohort())
    assert score(BINARY, test.targets["binary"], fuser.predict(test, Context())).values["auroc"] > 0.9


def test_a_module_is_told_the_shapes_and_handed_the_cohort() -> None:
    whole = cohort()
    fuser = recorder()
    trained(fuser, whole)
    assert fuser.inputs == Inputs({"vitals": (12, 3), "labs": (12, 2)}, statics=2, bin_hours=1.0)
    fuser.batches.clear()
    fuser.predict(whole.take(np.arange(5)), Context())
    (batch,) = fuser.batches
    for name, series in whole.modalities.items():
        view = batch.modalities[name]
        assert np.array_equal(view.values, series.grid[:5])
        for key in ("observed", "available", "filled"):
            assert np.array_equal(getattr(view, key), getattr(series, key)[:5])
        assert np.array_equal(view.present, np.ones(5))
        assert (view.events, view.draws) == (None, None)
    known = ~np.isnan(whole.statics[:5])
    assert np.array_equal(batch.statics_observed, known)
    assert (batch.statics.numpy()[~known] == 0).all()


def test_events_come_padded_and_masked_where_asked_for() -> None:
    whole = cohort()
    fuser = recorder(EventRecorder)
    trained(fuser, whole)
    assert fuser.inputs.events
    fuser.batches.clear()
    fuser.predict(whole.take(np.arange(4)), Context())
    times, values, observed = whole.modalities["labs"].events.take(np.arange(4)).padded()
    events = fuser.batches[0].modalities["labs"].events
    assert events is not None
    assert np.array_equal(events.times, times)
    assert np.array_equal(events.observed, observed)
    assert np.array_equal(events.values, np.where(observed, values, 0))


def test_draws_come_where_asked_for() -> None:
    whole = cohort()
    drawn = {name: replace(s, draws=np.stack([s.grid, s.grid + 1, s.grid + 2])) for name, s in whole.modalities.items()}
    fuser = recorder(DrawRecorder)
    trained(fuser, whole.with_modalities(drawn))
    assert fuser.inputs.draws == 3
    view = fuser.batches[0].modalities["labs"]
    assert view.draws is not None
    assert torch.equal(view.draws[2], view.values + 2)


def test_a_last_batch_of_one_record_is_learnt_from_too() -> None:
    whole = cohort(50)
    fuser = recorder(batch_size=29)
    trained(fuser, whole)
    assert [len(batch.statics) for batch in fuser.batches] == [29, 1, 10]


def test_logits_of_the_wrong_shape_are_refused_with_both_shapes() -> None:
    fuser = recorder()
    fuser.outputs = 2
    with pytest.raises(PluginError, match=r"shape \(64, 2\).* shape \(64, 1\)"):
        trained(fuser, cohort())


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_a_fuser_interrupted_in_training_resumes_to_the_same_bits(task: Task, tmp_path: Path) -> None:
    train, valid, test = parts(cohort())
    whole = build("gru")
    whole.fit(train, valid, task, Context(seed=5))
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 6

    interrupted = build("gru")
    with pytest.raises(Interrupted):
        interrupted.fit(train, valid, task, Context(seed=5, scratch=tmp_path, should_stop=stop))
    with pytest.raises(NotFitted):
        interrupted.predict(test, Context(seed=5))
    resumed = build("gru")
    resumed.fit(train, valid, task, Context(seed=5, scratch=tmp_path))
    assert isinstance(resumed, TorchFuser)
    assert resumed.results[""].resumed_from == 6
    assert np.array_equal(resumed.predict(test, Context(seed=5)), whole.predict(test, Context(seed=5)))


def test_a_second_fit_that_is_interrupted_leaves_nothing_half_trained_to_predict_with() -> None:
    whole, fuser = cohort(), recorder()
    trained(fuser, whole)
    train, valid, test = parts(whole)
    with pytest.raises(Interrupted):
        fuser.fit(train, valid, BINARY, Context(should_stop=lambda: True))
    with pytest.raises(NotFitted):
        fuser.predict(test, Context())


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_bf16_learns_and_gives_float32(task: Task) -> None:
    train, valid, test = parts(cohort())
    context = Context(seed=3, precision="bf16")
    fuser = build("gru")
    fuser.fit(train, valid, task, context)
    outputs = fuser.predict(test, context)
    assert outputs.dtype == np.float32
    scores = score(task, test.targets[task.name], outputs).values
    assert scores["auroc"] > 0.9 if task.kind != "regression" else scores["mae"] < 10


@pytest.mark.parametrize("task", [BINARY, MULTICLASS, MULTILABEL], ids=lambda task: task.kind)
def test_balance_raises_the_probability_of_the_rare_class(task: Task) -> None:
    whole = cohort()
    rare = whole.targets[task.name].reshape(len(whole), -1)[:, 0] == 1
    kept = np.concatenate([np.flatnonzero(~rare), np.flatnonzero(rare)[:20]])
    train, _, _ = parts(whole.take(np.sort(kept)))
    means = []
    for balance in (False, True):
        fuser = build("gru", balance=balance, patience=0)
        fuser.fit(train, train, task, Context(seed=3))
        means.append(fuser.predict(train, Context(seed=3))[:, 1 if task.kind == "multiclass" else 0].mean())
    assert means[1] > means[0] + 0.03


def test_parameters_are_counted() -> None:
    assert build("gru").parameters() == 0
    assert trained(recorder(), cohort()).parameters() == 3


def test_fitting_and_predicting_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    trained(recorder(), cohort()).predict(cohort(10), Context())
    assert torch.equal(torch.get_rng_state(), before)
