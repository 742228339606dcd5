"""Tasks of several values per record, and the representation that a fuser hands out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.cohort import Cohort, Task
from bench.components import Context, NotFitted
from bench.errors import UsageError
from bench.metrics.scoring import score
from bench.stages.audits import at_chance
from support.fuser_cohorts import BINARY, build, cohort, parts

FORECAST = Task("forecast", "regression", ("mse", "mae"), outputs=3)
SCALES = np.array([1.0, 50.0, -4.0], np.float32)


def with_forecast(made: Cohort) -> Cohort:
    """Three values per record: the latent severity on three scales."""
    severity = (made.targets["regression"] - 100) / 20
    target = (severity[:, None] * SCALES + 7).astype(np.float32)
    return replace(made, targets={"forecast": target})


def three(n: int = 300) -> tuple[Cohort, Cohort, Cohort]:
    return tuple(with_forecast(part) for part in parts(cohort(n)))  # type: ignore[return-value]


@pytest.mark.parametrize(("name", "params"), [("linear", {}), ("gru", {"epochs": 30})])
def test_every_value_of_a_forecast_is_learnt_on_its_own_scale(name: str, params: dict[str, int]) -> None:
    train, valid, test = three()
    fuser = build(name, **params)
    fuser.fit(train, valid, FORECAST, Context(seed=1))
    outputs = fuser.predict(test.without_targets(), Context(seed=1))
    truth = test.targets["forecast"]
    assert outputs.shape == truth.shape
    assert outputs.dtype == np.float32
    for k in range(3):
        left = ((outputs[:, k] - truth[:, k]) ** 2).mean() / truth[:, k].var()
        assert left < 0.7
    assert score(FORECAST, truth, outputs).values == {
        "mse": pytest.approx(((outputs - truth) ** 2).mean()),
        "mae": pytest.approx(np.abs(outputs - truth).mean()),
    }


def test_gbm_refuses_several_values_and_names_who_takes_them() -> None:
    train, valid, _ = three(60)
    with pytest.raises(UsageError, match=r"forecast has 3 values.*fuser=linear"):
        build("gbm").fit(train, valid, FORECAST, Context())


def test_permuted_targets_of_a_forecast_are_at_chance_and_a_leak_in_one_value_is_seen() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(400, 3)).astype(np.float32)
    outputs = rng.normal(size=(400, 3)).astype(np.float32)
    assert at_chance(FORECAST, truth, outputs).passed
    outputs[:, 2] += truth[:, 2]
    assert not at_chance(FORECAST, truth, outputs).passed


def test_the_embedding_of_a_record_is_its_own_and_is_what_the_prediction_is_made_from() -> None:
    train, valid, test = parts(cohort(200))
    fuser = build("gru")
    with pytest.raises(NotFitted):
        fuser.embed(test, Context())
    fuser.fit(train, valid, BINARY, Context(seed=1))
    rows = fuser.embed(test, Context(seed=1))
    assert rows is not None
    assert (rows.dtype, len(rows), np.isfinite(rows).all()) == (np.float32, len(test), True)
    alone = fuser.embed(test.take(np.array([3])), Context(seed=1))
    assert alone is not None
    assert alone[0] == pytest.approx(rows[3], abs=1e-5)
    again = fuser.embed(test, Context(seed=1))
    assert np.array_equal(rows, again)


def test_a_fuser_without_a_representation_hands_out_none() -> None:
    train, valid, test = parts(cohort(60))
    fuser = build("linear")
    fuser.fit(train, valid, BINARY, Context())
    assert fuser.embed(test, Context()) is None
