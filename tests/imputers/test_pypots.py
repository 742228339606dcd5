"""PyPOTS as a guest: quiet, repeatable, stopped when asked, its failures said. One small model
stands for all here.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from bench.components import Context, Interrupted
from bench.errors import DataError, PluginError, UsageError
from bench.registry import discover
from bench.testing.toy import toy_cohort
from bench.training import TrainingError
from bench_imputers.pypots.adapter import OPTIMIZERS
from bench_imputers.pypots.params import installed

if not installed()[0]:  # importing it to see would leave a folder in the home
    pytest.skip("the extra pypots is not installed", allow_module_level=True)
torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.slow, pytest.mark.extras]

REGISTRY = discover()
SMALL = {"rnn_hidden_size": 4, "epochs": 3, "batch_size": 16}


@pytest.fixture(scope="module")
def cohort():
    return toy_cohort(n=48, length=6, modalities={"vitals": 3, "labs": 2, "codes": 60}).without_targets()


@pytest.fixture
def parts(cohort):
    return cohort.take(np.arange(32)), cohort.take(np.arange(32, 48))


def build(name: str = "pypots.brits", **params):
    return REGISTRY.get("imputer", name).build({**(SMALL if name == "pypots.brits" else {}), **params})


QUIET = """
import numpy as np
from bench.components import Context
from bench.registry import discover
from bench.testing.toy import toy_cohort
c = toy_cohort(n=24, length=6).without_targets()
imputer = discover().get("imputer", "pypots.brits").build({"epochs": 1, "rnn_hidden_size": 4})
imputer.fit(c, c, Context())
imputer.impute(c, 1, Context())
"""


def test_it_prints_nothing_and_leaves_nothing_in_the_home(tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", QUIET], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / ".pypots").exists()


def test_the_global_generators_are_left_as_they_were_and_change_nothing(parts):
    train, test = parts
    results = []
    for seed in (1, 2):
        random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)  # noqa: NPY002
        before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # noqa: NPY002
        imputer = build()
        imputer.fit(train, test, Context())
        results.append(imputer.impute(test, 1, Context()))
        after = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # noqa: NPY002
        assert before == after
    for name in results[0]:
        assert np.array_equal(results[0][name], results[1][name])


def test_another_seed_gives_another_model(parts):
    train, test = parts
    made = []
    for seed in (1, 2):
        imputer = build()
        imputer.fit(train, test, Context(seed=seed))
        made.append(imputer.impute(test, 1, Context(seed=seed))["vitals"])
    assert not np.array_equal(*made)


def test_wide_modalities_are_carried_forward_and_not_modelled(parts):
    train, test = parts
    imputer = build()
    imputer.fit(train, test, Context())
    state = imputer.state_dict()
    assert {key.split("/")[1] for key in state if key.startswith("model/")} == {"vitals", "labs"}
    locf = REGISTRY.get("imputer", "locf").build()
    locf.fit(train, test, Context())
    assert np.array_equal(imputer.impute(test, 1, Context())["codes"], locf.impute(test, 1, Context())["codes"])


def test_epochs_are_reported(parts):
    told = []
    build(targets=("labs",)).fit(*parts, Context(report=told.append))
    assert told == [f"pypots.brits labs: epoch {epoch} of 3" for epoch in (1, 2, 3)]


def test_patience_ends_a_training_early_and_that_is_no_failure(parts, monkeypatch):
    told = []
    imputer = build(targets=("labs",), epochs=50, patience=1, learning_rate=1.0)
    imputer.fit(*parts, Context(report=told.append))
    assert 1 < len(told) < 50


def test_an_exception_that_the_package_swallows_is_said(parts, monkeypatch):
    from bench.training import TrainingError
    from bench_imputers.pypots.library import imputation

    kind = imputation("pypots.brits").BRITS
    whole = kind._assemble_input_for_training
    calls = []

    def fails_in_the_second_epoch(self, data):
        calls.append(1)
        if len(calls) == 4:
            raise RuntimeError("the data changed shape")
        return whole(self, data)

    monkeypatch.setattr(kind, "_assemble_input_for_training", fails_in_the_second_epoch)
    with pytest.raises(TrainingError, match="training on vitals ended after epoch 1 of 3: the data changed shape"):
        build().fit(*parts, Context())


def test_a_run_that_is_being_stopped_interrupts_the_training(parts):
    asked = []

    def soon():
        asked.append(1)
        return len(asked) > 3

    with pytest.raises(Interrupted, match="stopped in epoch 2 of vitals"):
        build().fit(*parts, Context(should_stop=soon))
    assert len(asked) == 4


def test_a_run_that_is_being_stopped_interrupts_the_imputation(parts):
    imputer = build()
    imputer.fit(*parts, Context())
    with pytest.raises(Interrupted, match="stopped at record 0 of 16"):
        imputer.impute(parts[1], 1, Context(should_stop=lambda: True))


def test_infinite_values_are_refused(parts):
    train, test = parts
    labs = train.modalities["labs"]
    grid = np.where(labs.observed & (labs.observed.cumsum().reshape(labs.observed.shape) == 1), np.inf, labs.grid)
    broken = train.with_modalities({**train.modalities, "labs": replace(labs, grid=grid.astype(np.float32))})
    with pytest.raises(DataError, match="1 observed values of labs are not finite"):
        build().fit(broken, test, Context())


def test_another_precision_is_refused(parts):
    with pytest.raises(UsageError, match="runs in fp32 only; give precision=fp32"):
        build().fit(*parts, Context(precision="bf16"))


def test_arguments_that_a_model_refuses_are_said_with_its_own_words(parts):
    told = r"pypots.csdi cannot be built for 6 bins .*: embed_dim must be divisible by num_heads; see: bench show pypots.csdi"
    with pytest.raises(UsageError, match=told):
        build("pypots.csdi", n_channels=8, n_heads=3).fit(*parts, Context())


def test_a_model_that_needs_weights_says_so_in_one_line_and_downloads_nothing(parts):
    with pytest.raises(UsageError, match=r"pypots.gpt4ts loads the weights of GPT-2, which are not on this machine"):
        build("pypots.gpt4ts").fit(*parts, Context())


def test_without_the_package_one_line_says_what_to_type(parts, monkeypatch):
    monkeypatch.delitem(sys.modules, "pypots.imputation", raising=False)
    monkeypatch.setitem(sys.modules, "pypots", None)
    with pytest.raises(
        PluginError, match=r"^imputer pypots.brits needs PyPOTS; type: pip install 'gapbench\[pypots\]'$"
    ):
        build().fit(*parts, Context())


def test_a_batch_that_does_not_fit_the_gpu_is_halved_and_the_result_is_the_same(parts, monkeypatch):
    imputer = build()
    imputer.fit(*parts, Context())
    whole = imputer.impute(parts[1], 1, Context())
    model = imputer._built["vitals"]
    real, told = model.impute, []

    def short_of_memory(test_set, **more):
        if len(test_set["X"]) > 4:
            raise torch.OutOfMemoryError("out of memory")
        return real(test_set, **more)

    monkeypatch.setattr(model, "impute", short_of_memory)
    again = imputer.impute(parts[1], 1, Context(report=told.append))
    assert told == [f"pypots.brits: out of GPU memory, going on with {size} records at a time" for size in (8, 4)]
    np.testing.assert_allclose(again["vitals"], whole["vitals"], atol=1e-5)


def test_another_length_than_the_one_it_was_fitted_on_is_refused(parts):
    imputer = build()
    imputer.fit(*parts, Context())
    longer = toy_cohort(n=4, length=9, modalities={"vitals": 3, "labs": 2, "codes": 60})
    with pytest.raises(
        UsageError, match="was fitted on 6 bins and 3 channels of vitals, and is asked to complete 9 and 3"
    ):
        imputer.impute(longer, 1, Context())


@pytest.mark.parametrize("name", ["pypots.brits", "pypots.dlinear", "pypots.usgan"])
@pytest.mark.parametrize("steps", [1, 4, 7])
def test_a_budget_of_steps_is_taken_exactly_whatever_epochs_and_patience_say(parts, name, steps):
    """32 records in batches of 16: the last epoch ends early where the number of steps is odd."""
    tiny = REGISTRY.get("imputer", name).test_params
    imputer = REGISTRY.get("imputer", name).build(
        {**tiny, "steps": steps, "batch_size": 16, "epochs": 3, "patience": 1}
    )
    imputer.fit(*parts, Context())
    for model in imputer._built.values():
        own = [getattr(model, key) for key in OPTIMIZERS if getattr(model, key, None) is not None]
        assert {int(state["step"]) for each in own for state in each.torch_optimizer.state.values()} == {steps}


def test_steps_beyond_the_budget_change_no_weight(parts):
    def learnt(**params):
        imputer = build("pypots.dlinear", batch_size=16, valid_records=0, **params)
        imputer.fit(*parts, Context(seed=1))
        return imputer.state_dict()

    epoch, budget = learnt(epochs=1), learnt(steps=2)
    assert all(np.array_equal(epoch[key], budget[key]) for key in epoch)
    assert any(not np.array_equal(epoch[key], other) for key, other in learnt(steps=1).items())


@pytest.mark.parametrize("name", ["pypots.brits", "pypots.dlinear", "pypots.usgan"])
@pytest.mark.parametrize("valid_records", [0, 8])
def test_a_budget_of_seconds_ends_the_training_by_itself(parts, name, valid_records):
    """Of each model: the more seconds, the more steps, whatever epochs and patience say."""
    tiny = REGISTRY.get("imputer", name).test_params

    def taken(seconds: float) -> int:
        more = {"seconds": seconds, "batch_size": 16, "epochs": 1, "patience": 1, "valid_records": valid_records}
        imputer = REGISTRY.get("imputer", name).build({**tiny, **more})
        imputer.fit(*parts, Context())
        assert all(budget.clock.spent >= seconds for budget in imputer._budgets.values())
        return imputer.steps_taken()

    assert 0 < taken(1e-9) < taken(0.3)


def test_a_failure_before_the_seconds_are_over_is_no_end_of_the_training(parts, monkeypatch):
    imputer = build("pypots.dlinear", seconds=0.2)
    monkeypatch.setattr(imputer, "_validation", lambda *_: {"X": np.zeros((1, 1, 1)), "X_ori": np.zeros((1, 1, 1))})
    with pytest.raises(TrainingError, match="ended after epoch 0: "):
        imputer.fit(*parts, Context())
