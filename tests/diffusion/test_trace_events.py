"""The preset trace-temporal: every bin attends over the single events of the other modalities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from bench.cohort import Cohort, Events, Series, bin_events
from bench.components import Context
from bench.testing.toy import toy_cohort
from bench_imputers.diffusion.csdi import CsdiDenoiser
from bench_imputers.diffusion.denoiser import Given, Pooled, Shape, SingleEvents
from bench_imputers.diffusion.grids import Grids
from bench_imputers.diffusion.trace import Trace
from bench_imputers.diffusion.trace_context import EventContext
from bench_imputers.diffusion.trace_params import TraceParams
from support.trace_networks import AROUND, SMALL, answer, shape

TEMPORAL = SMALL | {"preset": "trace-temporal"}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def network() -> CsdiDenoiser:
    made = Trace(TraceParams(**TEMPORAL)).build(shape())
    assert isinstance(made, CsdiDenoiser)
    torch.nn.init.normal_(made.output.weight)
    torch.nn.init.normal_(made.context.null)  # type: ignore[union-attr]
    return made.eval()


def events(visible: dict[str, list[list[bool]]]) -> dict[str, SingleEvents]:
    """Random events. visible: modality -> by record, of each place whether there is an event."""
    made = {}
    for name, size in AROUND.items():
        there = torch.tensor(visible[name])
        made[name] = SingleEvents(torch.randn(*there.shape, size), 4 * torch.rand(there.shape), there)
    return made


def told(around: dict[str, SingleEvents]) -> Given:
    records = len(next(iter(around.values())).visible)
    visible = (torch.rand(records, 3, 5) < 0.5).float()
    return Given(torch.randn(records, 3, 5) * visible, visible, {}, around)


SOME = {"notes": [[True, True], [True, False], [False, False]], "images": [[False], [True], [False]],
        "waves": [[True], [False], [False]]}  # fmt: skip


def test_a_record_has_a_vector_per_bin_and_without_events_the_null_vector() -> None:
    made = network().context
    assert isinstance(made, EventContext)
    vectors = made(told(events(SOME)))
    assert vectors.shape == (3, 5, 1, 6)
    assert torch.equal(vectors[2, :, 0], made.null.expand(5, -1))
    assert not torch.allclose(vectors[0, 0], vectors[0, 1])


def test_the_null_vector_starts_at_zero_and_is_trained() -> None:
    made = Trace(TraceParams(**TEMPORAL)).build(shape())
    assert isinstance(made, CsdiDenoiser)
    assert isinstance(made.context, EventContext)
    assert not made.context.null.any()
    torch.nn.init.normal_(made.output.weight)
    nothing = events({name: [[False]] * 2 for name in AROUND})
    answer(made, told(nothing), torch.randn(2, 3, 5)).square().sum().backward()
    assert made.context.null.grad is not None
    assert made.context.null.grad.abs().sum() > 0
    assert all(torch.isfinite(p.grad).all() for p in made.parameters() if p.grad is not None)


@pytest.mark.parametrize("junk", [7.0, float("inf"), float("nan")])
def test_what_stands_where_no_event_is_has_no_effect(junk: float) -> None:
    made, around = network(), events(SOME)
    soiled = {
        name: SingleEvents(
            torch.where(each.visible[..., None], each.values, junk),
            torch.where(each.visible, each.times, junk),
            each.visible,
        )
        for name, each in around.items()
    }
    clean, state = told(around), torch.randn(3, 3, 5)
    assert torch.equal(
        answer(made, clean, state), answer(made, Given(clean.values, clean.conditioning, {}, soiled), state)
    )


def test_more_padding_and_other_records_change_nothing() -> None:
    made, around = network(), events(SOME)
    whole, state = told(around), torch.randn(3, 3, 5)
    for record in range(3):
        alone = {
            name: SingleEvents(*(torch.cat([part[[record]], torch.zeros_like(part[[record]])], 1) for part in
                                 (each.values, each.times, each.visible)))
            for name, each in around.items()
        }  # fmt: skip
        given = Given(whole.values[[record]], whole.conditioning[[record]], {}, alone)
        assert torch.allclose(answer(made, whole, state)[record], answer(made, given, state[[record]])[0], atol=1e-5)


def test_the_order_of_events_has_no_effect_and_their_time_has() -> None:
    made, around = network(), events(SOME)
    flipped = {
        name: SingleEvents(each.values.flip(1), each.times.flip(1), each.visible.flip(1))
        for name, each in around.items()
    }
    later = {name: SingleEvents(each.values, each.times + 1, each.visible) for name, each in around.items()}
    whole, state = told(around), torch.randn(3, 3, 5)
    said, other, moved = (
        answer(made, Given(whole.values, whole.conditioning, {}, each), state) for each in (around, flipped, later)
    )
    assert torch.allclose(said, other, atol=1e-5)
    assert not torch.allclose(said[:2], moved[:2], atol=1e-3)
    assert torch.allclose(said[2], moved[2])


# In the engine


def with_notes(records: list[list[tuple[float, float]]]) -> Cohort:
    """A toy cohort of `series` (1 channel, 4 bins) beside `note` (2 channels), whose events
    (hour, value) are given.
    """
    n = len(records)
    cohort = toy_cohort(n=n, length=4, modalities={"series": 1, "note": 2}).without_targets()
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in records])]).astype(np.int64)
    flat = [event for each in records for event in each]
    times = np.array([time for time, _ in flat], np.float32)
    values = np.array([[value, np.nan] for _, value in flat], np.float32).reshape(-1, 2)
    ragged = Events(offsets, times, values)
    grid, seen = bin_events(ragged, 4)
    there, edges = np.diff(offsets) > 0, np.arange(4, dtype=np.float32)
    note = Series(("a", "b"), ("SD", "SD"), grid, seen, edges, ragged, there, np.zeros(n, bool))
    return cohort.with_modalities({"series": cohort.modalities["series"], "note": note})


def test_events_of_a_batch_are_those_in_the_window_padded() -> None:
    cohort = with_notes([[(0.5, 1.0), (3.5, 2.0)], [], [(1.0, np.nan), (2.0, 3.0), (4.0, 9.0)]])
    made = Trace(TraceParams(**TEMPORAL, targets=("series",)))
    assert made.uses_events
    grids = Grids(
        cohort, shape(1, 4, {"note": 2}).__class__(1, 4, {"series": 1}, {"note": 2}, (0, 1, 2, 3)), "cpu", True
    )
    found = grids.events(np.array([2, 0]))["note"]
    assert found.visible.tolist() == [[True, False], [True, True]]
    assert found.times.tolist() == [[2.0, 0.0], [0.5, 3.5]]
    assert found.values.tolist() == [[[3.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [2.0, 0.0]]]
    pooled = grids.context(np.array([1, 2]))["note"]
    assert isinstance(pooled, Pooled)
    assert pooled.available.tolist() == [False, True]
    assert grids.events(np.array([1]))["note"].visible.tolist() == [[False]]


def test_others_are_not_given_events() -> None:
    for chosen in (
        {},
        {"preset": "trace-temporal", "variant": "uni"},
        {"preset": "trace-temporal", "variant": "no-moe"},
    ):
        assert not Trace(TraceParams(**chosen)).uses_events  # type: ignore[arg-type]


def test_when_an_event_happened_is_learnt_where_the_mean_over_the_window_cannot_tell() -> None:
    """The series is the value of the note written in that hour; both notes of a record have the
    mean 0.
    """

    def cohort(n: int, seed: int, shown: bool) -> tuple[Cohort, np.ndarray]:
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], n)
        made = with_notes([[(0.5, sign), (2.5, -sign)] for sign in signs])
        truth = np.stack([signs, signs, -signs, -signs], 1).astype(np.float32)
        offsets = np.arange(0, 4 * n + 1, 4) if shown else np.zeros(n + 1, np.int64)
        rows = truth.reshape(-1, 1) if shown else np.zeros((0, 1), np.float32)
        events_ = Events(offsets.astype(np.int64), np.tile(np.arange(4, dtype=np.float32), n if shown else 0), rows)
        grid, seen = bin_events(events_, 4)
        there = np.full(n, shown)
        edges = np.arange(4, dtype=np.float32)
        series = Series(("c0",), ("SD",), grid, seen, edges, events_, there, np.zeros(n, bool))
        return made.with_modalities({"series": series, "note": made.modalities["note"]}), truth

    params: dict[str, Any] = TEMPORAL | {
        "channels": 16, "layers": 1, "diffusion_steps": 10, "targets": ("series",), "mask": "ratio", "mask_ratio": 0.9,
        "steps": 200, "batch_size": 32, "learning_rate": 5e-3, "dropout": 0.0, "bound": 4.0, "validate": False,
        "context_width": 16, "hidden_width": 32,
    }  # fmt: skip
    (train, _), (hidden, truth) = cohort(256, 1, True), cohort(64, 2, False)
    form = Shape(1, 4, {"series": 1}, {"note": 2}, (0.0, 1.0, 2.0, 3.0))
    assert not Grids(hidden, form, "cpu").context(np.arange(64))["note"].values.any()
    made = Trace(TraceParams(**params))
    made.fit(train, train, Context())
    drawn = made.impute(hidden, 8, Context())["series"]
    assert np.abs(np.median(drawn, axis=0)[:, :, 0] - truth).mean() < 0.3
