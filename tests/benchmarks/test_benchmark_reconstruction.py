"""`benchmarks/reconstruction.py`: distances in closed form, intervals, and what it prints and
draws.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bench.cohort import Cohort
from bench.components import Context, Fuser
from bench.stages.scale import Scaler
from bench.stages.view import View
from bench.testing import TOY_TASK, toy_cohort
from benchmarks import reconstruction

SMALL = (
    "seed=1", "data.records=60", "data.length=12", "fuser.condi-head.width=4", "fuser.condi-head.filters=2",
    "fuser.condi-head.hidden=4", "fuser.condi-head.epochs=1",
)  # fmt: skip


class Flat(Fuser[msgspec.Struct]):
    """Its features are a linear map of the grid."""

    def fit(self, train, valid, task, context):
        series = next(iter(train.modalities.values()))
        width = sum(s.grid.shape[1] * s.grid.shape[2] for s in train.modalities.values())
        self.matrix = context.rng("init").normal(size=(width, 5))
        self.saw_complete = bool(series.observed.all()) and not np.isnan(series.grid).any()

    def embed(self, cohort, context):
        flat = np.concatenate([s.grid.reshape(len(cohort), -1) for s in cohort.modalities.values()], axis=1)
        return (flat @ self.matrix).astype(np.float32)

    def predict(self, cohort, context):
        return self.embed(cohort, context)[:, :1]


def seen(hidden: float = 0.3) -> View:
    """Complete toy records, of which a share of the entries of all parts is hidden."""
    cohort = toy_cohort(n=60, length=5, rate=1.0, absent=0.0)
    rng = np.random.default_rng(0)
    whole = {}
    for name, series in cohort.modalities.items():
        grid = rng.normal(2, 3, size=series.grid.shape).astype(np.float32)
        whole[name] = replace(series, grid=grid, observed=np.ones(grid.shape, bool), available=np.ones(len(grid), bool))
    recorded = cohort.with_modalities(whole)
    visible = {}
    for name, series in whole.items():
        kept = rng.random(series.grid.shape) >= hidden
        visible[name] = replace(series, grid=np.where(kept, series.grid, np.float32(np.nan)), observed=kept)
    parts = np.arange(60) % 3
    masked = recorded.with_modalities(visible)
    scaler = Scaler.fit(masked.take(np.flatnonzero(parts == 0)))
    return View(scaler.scale(masked), parts.astype(np.int8), {}, recorded, scaler)


@pytest.fixture
def encoder() -> reconstruction.Encoder:
    return reconstruction.Encoder(Flat(msgspec.Struct()), TOY_TASK, seen(), Context(seed=1))


def truth(encoder: reconstruction.Encoder) -> dict[str, np.ndarray]:
    return {name: np.array(series.grid) for name, series in encoder.tests.modalities.items()}


def test_the_encoder_is_trained_on_complete_records(encoder: reconstruction.Encoder) -> None:
    assert encoder.fuser.saw_complete  # type: ignore[attr-defined]
    assert all(series.observed.all() for series in encoder.tests.modalities.values())


def test_filled_with_the_truth_nothing_is_lost(encoder: reconstruction.Encoder) -> None:
    exact = encoder.measure("identity", seen(), truth(encoder), encoder.scaler)
    assert np.array_equal(exact.l2, np.zeros(20))
    assert exact.cosine == pytest.approx(np.zeros(20), abs=1e-12)
    assert np.array_equal(exact.mae, np.zeros(20))


def test_distances_of_a_linear_encoder_are_those_of_the_map(encoder: reconstruction.Encoder) -> None:
    """Everything hidden is one standard deviation too large: the features move by the rows of the
    matrix that belong to hidden entries.
    """
    view = seen()
    values = {name: grid + np.float32(1) for name, grid in truth(encoder).items()}
    far = encoder.measure("one more", view, values, encoder.scaler)
    hidden = np.concatenate([view.hidden[name][encoder.test].reshape(20, -1) for name in values], axis=1)
    matrix = encoder.fuser.matrix  # type: ignore[attr-defined]
    flat = np.concatenate([grid.reshape(20, -1) for grid in truth(encoder).values()], axis=1)
    before, after = flat @ matrix, (flat + hidden) @ matrix
    assert far.l2 == pytest.approx(np.linalg.norm(hidden @ matrix, axis=1), rel=1e-4)
    cosine = (before * after).sum(axis=1) / np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)
    assert 1 - far.cosine == pytest.approx(cosine, abs=1e-5)
    assert far.mae == pytest.approx(np.ones(20), rel=1e-5)


def test_what_was_observed_counts_as_it_was(encoder: reconstruction.Encoder) -> None:
    view = seen()
    values = truth(encoder)
    for name, grid in values.items():
        grid[~view.hidden[name][encoder.test]] = 99
    assert np.array_equal(encoder.measure("identity", view, values, encoder.scaler).l2, np.zeros(20))


def test_zero_is_zero_in_recorded_units(encoder: reconstruction.Encoder) -> None:
    for name, grid in reconstruction.zeros(encoder.tests, encoder.scaler).items():
        center, width = encoder.scaler.state[f"series.{name}"]
        assert grid * width + center == pytest.approx(np.zeros(grid.shape), abs=1e-5)


def test_distances_of_rows_that_are_parallel_or_opposite() -> None:
    a = np.array([[3.0, 4.0], [1.0, 0.0], [1.0, 0.0]])
    l2, cosine = reconstruction.distances(a, np.array([[6.0, 8.0], [0.0, 2.0], [-1.0, 0.0]]))
    assert l2 == pytest.approx([5.0, 5**0.5, 2.0])
    assert cosine == pytest.approx([0.0, 1.0, 2.0])


def test_the_interval_draws_patients_and_not_records() -> None:
    values = np.repeat(np.random.default_rng(1).normal(size=40), 5)
    narrow = reconstruction.interval(values, np.arange(200))
    wide = reconstruction.interval(values, np.repeat(np.arange(40), 5))
    assert wide[1] - wide[0] > 1.5 * (narrow[1] - narrow[0])
    assert reconstruction.interval(np.full(7, 2.0), np.arange(7)) == (2.0, 2.0)


def test_the_verdict_says_where_the_last_filling_is_not_nearer() -> None:
    groups = np.arange(50)
    noise = np.random.default_rng(0).normal(size=50)

    def filling(name: str, by: float) -> reconstruction.Filling:
        return reconstruction.Filling(name, dict.fromkeys(("mae", "l2", "cosine"), 5 + by + 0.1 * noise))

    last = reconstruction.Filling("ours", dict.fromkeys(("mae", "l2", "cosine"), 5 + 0.1 * noise[::-1]))
    said = reconstruction.verdicts(groups, [filling("far", 1.0), filling("near", -1.0), filling("same", 0.0), last])
    assert [line.split(" with ours")[0] for line in said] == ["MAE", "L2", "cosine distance"]
    for line in said:
        assert "smaller than with far" in line
        assert "larger than with near" in line
        assert "not surely another than with same" in line


def test_typed_words_replace_those_of_the_size() -> None:
    words = reconstruction.words_of("demo", ["imputer=mean", "seed=9"])
    assert [word for word in words if word.startswith(("seed=", "imputer"))] == ["imputer=mean", "seed=9"]
    other = reconstruction.words_of("demo", ["suite=sleepedf"])
    assert not [word for word in other if word.startswith(("data.", "task=", "modalities="))]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("imputer=nobody",), 'imputer "nobody" is not known'),
        (("--to", "figure.pdf"), "is no picture; its name must end in one of: .png, .svg"),
        (("fuser=gru,condi-head",), "one scenario, one fuser and one modality set are compared at a time"),
        (("scenario=natural",), "natural hides nothing of a test record"),
    ],
)
def test_what_it_cannot_do_is_refused_in_one_line(
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    assert reconstruction.main([*SMALL, "imputer=mean", *words] if "imputer" not in words[0] else [*SMALL, *words]) != 0
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("reconstruction: ")]
    assert len(error) == 1
    assert said in error[0]


def test_records_with_holes_of_their_own_are_refused() -> None:
    view = seen()
    series = view.recorded.modalities["labs"]
    holes = np.array(series.observed)
    holes[0, 0, 0] = False
    cohort: Cohort = view.recorded.with_modalities(
        {**view.recorded.modalities, "labs": replace(series, observed=holes)}
    )
    with pytest.raises(Exception, match="labs has holes of its own"):
        reconstruction.Encoder(Flat(msgspec.Struct()), TOY_TASK, replace(view, recorded=cohort), Context())


def test_it_prints_a_line_per_filling_and_draws_the_same_bytes_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    printed = []
    for name in ("one.svg", "two.svg"):
        assert reconstruction.main([*SMALL, "imputer=mean,linear", "--to", name]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert Path("one.svg").read_bytes() == Path("two.svg").read_bytes()
    assert "ptbxl (generated records)" in printed[0].splitlines()[0]
    rows = [line.split(" | ")[0].strip("| ") for line in printed[0].splitlines() if line.startswith("| ")]
    assert rows == ["filling", "---", "zero (recorded units)", "mean", "linear"]
    assert "generated records" in Path("one.svg").read_text()


def test_a_name_stands_for_a_label_where_no_other_has_it() -> None:
    labels = ["mean", "ours(steps=2)", "theirs(a=1)", "theirs(a=2)"]
    assert reconstruction.shortened(labels) == {
        "mean": "mean", "ours(steps=2)": "ours", "theirs(a=1)": "theirs(a=1)", "theirs(a=2)": "theirs(a=2)",
    }  # fmt: skip
