"""The clinical front end of `mult`, `mag_late` and `tfn`: the encoder of `mists`, and what the
grid alone cannot say.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

import bench.testing
from bench.cohort import Cohort, Series, bin_events
from bench.components import Context, Fuser
from bench.errors import UsageError
from bench.metrics.scoring import score
from bench.registry import Spec
from bench.stages.audits import imputed_reaches
from bench.torch_fuser import Batch, Inputs, TorchFuser
from bench_fusers.encoders.last_state import LastState, Points
from bench_fusers.encoders.utde import UTDE
from bench_fusers.mag.late import MagLate
from support.encoder_views import view
from support.fuser_cohorts import BINARY, REGISTRY, cohort, parts

CONTEXT = Context(seed=5)
SIZES = {"text": (6, 4), "vitals": (12, 3)}
WIDTH, POINTS, TIME = 16, 8, 64
SMALL: dict[str, dict[str, Any]] = {
    "mult": {"width": WIDTH, "heads": 2, "layers": 1, "memory_layers": 1, "positions": "learned"},
    "mag_late": {"width": WIDTH, "heads": 2, "layers": 1},
    "tfn": {"preset": "mists", "width": WIDTH, "heads": 2, "layers": 1, "head": 16},
}
every_fuser = pytest.mark.parametrize("name", SMALL)


def made(name: str, **given: Any) -> Fuser[Any]:
    fuser: Fuser[Any] = REGISTRY.get("fuser", name).build({**SMALL[name], "points": POINTS, **given})
    return fuser


def network(name: str, seed: int = 1, **given: Any) -> nn.Module:
    fuser = made(name, **given)
    assert isinstance(fuser, TorchFuser)
    if isinstance(fuser, MagLate):
        fuser.anchor = "text"
    torch.manual_seed(seed)
    return fuser.build(Inputs(SIZES, 0, bin_hours=1.0, events=True), BINARY).eval()


def batch(absent: tuple[int, ...] = ()) -> Batch:
    views = {
        name: view(length=length, channels=channels, seed=k, absent=absent if name == "vitals" else ())
        for k, (name, (length, channels)) in enumerate(SIZES.items())
    }
    return Batch(views, torch.zeros(4, 0), torch.zeros(4, 0))


def encoders(network: nn.Module) -> list[UTDE]:
    return [module for module in network.modules() if isinstance(module, UTDE)]


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@every_fuser
@pytest.mark.parametrize("mixup", ["batch", "batch_seq", "batch_seq_feature"])
def test_the_front_end_is_the_encoder_of_mists_and_gives_the_same_points(name: str, mixup: str) -> None:
    given = {"gate": mixup, "preset": "published", "width": WIDTH, "heads": 2, "layers": 1, "points": POINTS}
    fuser = REGISTRY.get("fuser", "mists").build(given)
    torch.manual_seed(0)
    theirs = encoders(fuser.build(Inputs(SIZES, 0, 1.0, events=True), BINARY).eval())
    ours = encoders(network(name, front="utde", mixup=mixup))
    assert len(ours) == len(theirs) == 2
    for mine, other, one in zip(ours, theirs, batch().modalities.values(), strict=True):
        assert mine.attention.time is ours[0].attention.time  # type: ignore[union-attr]
        mine.load_state_dict(other.state_dict())
        assert torch.equal(mine(one), other(one))
        assert torch.equal(mine.times, torch.linspace(0, 1, mine.points) * one.values.shape[1])


@every_fuser
def test_the_front_end_adds_as_many_parameters_as_its_formula(name: str) -> None:
    """In place of a map of each bin: attention over events, a map of the grid, a gate, one
    embedding of time, places.
    """
    expected = 2 + 2 * (TIME - 1)
    for length, channels in SIZES.values():
        expected += 2 * (TIME * TIME + TIME) + (8 + 1) * channels * WIDTH + WIDTH  # attention
        expected += 2 * WIDTH * WIDTH + WIDTH + WIDTH + 1  # gate; the map of the grid is as large as that of the bins
        points = min(length, POINTS)
        # mult with learned places has a table of bins for each transformer already.
        expected += 2 * (points - length) * WIDTH if name == "mult" else (points - 1) * WIDTH
    assert count(network(name, front="utde")) - count(network(name)) == expected


def test_the_state_for_a_late_fusion_is_the_last_of_a_transformer_over_points_scaled_and_placed_as_published() -> None:
    for name in ("mag_late", "tfn"):
        states = [module for module in network(name, front="utde").modules() if isinstance(module, LastState)]
        for state, one in zip(states, batch(absent=(2,)).modalities.values(), strict=True):
            enter = state.enter
            assert isinstance(enter, Points)
            places = torch.cat([torch.zeros(1, WIDTH), enter.positions.table])
            whole = state.encoder(WIDTH**0.5 * enter.utde(one) + places)
            made, present = state(one)
            torch.testing.assert_close(made, torch.where(one.present[:, None] > 0, whole[:, -1], 0.0))
            assert torch.equal(present, one.present)


@every_fuser
def test_a_modality_has_no_more_points_than_bins(name: str) -> None:
    assert [utde.points for utde in encoders(network(name, front="utde"))] == [6, 8]


@every_fuser
def test_gradients_reach_every_parameter(name: str) -> None:
    module = network(name, front="utde")
    torch.manual_seed(2)
    for seed in range(4):
        (module(batch(absent=(seed,))) * torch.randn(4, 1)).sum().backward()
    idle = [key for key, p in module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # A bound that does not bind, and the stand-in for an anchor or words that nobody lacks.
    assert set(idle) <= {"gate.beta", "token"}


def changed_where_later_events_hide_it(series: Series) -> tuple[Series, np.ndarray]:
    """Every value that a later one of its bin and channel replaces, changed; and which records
    hold one.
    """
    events = series.events
    bins, records = np.floor(events.times).astype(int), events.records()
    last: dict[tuple[int, int, int], int] = {}
    for row, channel in np.argwhere(~np.isnan(events.values)):
        last[records[row], bins[row], channel] = row
    values, hidden = events.values.copy(), np.zeros(len(series.grid), bool)
    for row, channel in np.argwhere(~np.isnan(events.values)):
        if last[records[row], bins[row], channel] != row:
            values[row, channel] = 3 - values[row, channel]
            hidden[records[row]] = True
    other = replace(series, events=replace(events, values=values))
    before, after = (
        bin_events(series.events, series.grid.shape[1])[0],
        bin_events(other.events, series.grid.shape[1])[0],
    )
    assert np.array_equal(before, after, equal_nan=True), "the grid cannot tell the two apart"
    return other, hidden


@every_fuser
def test_what_a_later_event_of_the_hour_replaces_in_the_grid_counts_with_the_front_end_and_not_without(
    name: str,
) -> None:
    train, valid, test = parts(cohort(120))
    made_over = {key: changed_where_later_events_hide_it(series) for key, series in test.modalities.items()}
    other = test.with_modalities({key: series for key, (series, _) in made_over.items()})
    hidden = np.stack([who for _, who in made_over.values()]).any(axis=0)
    assert 0 < hidden.sum() < len(test)
    for front in ("grid", "utde"):
        fuser = made(name, front=front, epochs=1)
        fuser.fit(train, valid, BINARY, CONTEXT)
        moved = (fuser.predict(other, CONTEXT) != fuser.predict(test, CONTEXT)).any(axis=1)
        assert np.array_equal(moved, hidden if front == "utde" else np.zeros(len(test), bool)), front


def first_notes(n: int, seed: int) -> Cohort:
    """Two notes in the same hour of every record. The first says the label, the second, which
    the grid keeps, nothing.
    """
    rng = np.random.default_rng(seed)
    toy = cohort(n, seed=seed)
    label, noise = rng.random(n) < 0.5, rng.choice([-1.0, 1.0], n)
    times = np.tile(np.float32([3.1, 3.8]), n)
    values = np.stack([np.where(label, 1.0, -1.0), noise], axis=1).astype(np.float32).reshape(-1, 1)
    events = replace(toy.modalities["labs"].events, offsets=2 * np.arange(n + 1), times=times, values=values)
    grid, observed = bin_events(events, 6)
    notes = Series(
        ("note",),
        ("1",),
        np.nan_to_num(grid),
        observed,
        np.arange(6, dtype=np.float32),
        events,
        np.ones(n, bool),
        np.zeros(n, bool),
    )
    statics = np.zeros((n, 0), np.float32)
    target = {"binary": label.astype(np.float32)}
    return replace(toy, modalities={"notes": notes}, statics=statics, static_names=(), targets=target)


@every_fuser
def test_what_the_first_of_two_notes_of_an_hour_says_is_learnt_with_the_front_end_and_lost_without(name: str) -> None:
    train, valid, test = parts(first_notes(300, seed=0))
    auroc = {}
    for front in ("grid", "utde"):
        fuser = made(name, front=front, steps=60, learning_rate=5e-3, batch_size=64, dropout=0.0)
        fuser.fit(train, valid, BINARY, CONTEXT)
        auroc[front] = score(BINARY, test.targets["binary"], fuser.predict(test, CONTEXT)).values["auroc"]
    assert auroc["utde"] > 0.95
    assert auroc["grid"] < 0.7  # chance is 0.5, standard error 0.07


@every_fuser
@pytest.mark.parametrize("front", ["grid", "utde"])
def test_the_audit_finds_that_imputed_values_reach_the_prediction(name: str, front: str) -> None:
    train, valid, test = parts(cohort(120))
    fuser = made(name, front=front, epochs=2)
    fuser.fit(train, valid, BINARY, CONTEXT)
    assert fuser.reads_events == (front == "utde")
    assert imputed_reaches(fuser, test, (), CONTEXT).passed


@every_fuser
def test_an_absent_modality_is_told_by_the_flags_and_nothing_of_it_is_read(name: str) -> None:
    module, whole = network(name, front="utde"), batch(absent=(1, 3))
    vitals = whole.modalities["vitals"]
    gone = (vitals.present == 0)[:, None, None]
    assert vitals.events is not None
    noise = replace(
        vitals,
        values=torch.where(gone, torch.nan, vitals.values),
        observed=torch.where(gone, 1.0, vitals.observed),
        events=replace(
            vitals.events,
            values=torch.where(gone, torch.nan, vitals.events.values),
            observed=torch.where(gone, 1.0, vitals.events.observed),
        ),
    )
    other = replace(whole, modalities={**whole.modalities, "vitals": noise})
    assert torch.equal(module(other), module(whole))
    assert module(whole).isfinite().all()


SETTINGS = {
    "mult": [{}, {"front": "utde"}],
    "mag_late": [{}, {"front": "utde"}],
    "tfn": [{"preset": "mists", "heads": 2}, {"preset": "mists", "heads": 2, "front": "utde"}],
    "mists": [{"branches": "regular"}, {"irregular": "dense"}],
    "fusemoe": [{"irregular": "dense"}],
    "haim": [{"backend": "sklearn", "preset": "published", "raw": False}],
}


def settings() -> list[Spec]:
    """But for what is the setting of the contract of the fuser itself
    (tests/testing/test_builtin_components.py).
    """
    return [
        replace(
            spec,
            name=f"{name}({', '.join(f'{k}={v}' for k, v in given.items())})",
            test_params={**spec.test_params, **given},
        )
        for name, many in SETTINGS.items()
        for spec in [REGISTRY.get("fuser", name)]
        for given in many
        if spec.parameters({**spec.test_params, **given}) != spec.parameters(dict(spec.test_params))
    ]


OF_LABELS = ("no_validation", "nobody_to_predict", "class_unseen", "label_never_varies", "target_scale")
"""Checks, a training each, of what no front changes; the contract of each fuser has them."""

CHECKS = [check for check in bench.testing.parametrize(*settings()).args[1] if not str(check.id).endswith(OF_LABELS)]


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_the_contract_is_kept_whichever_way_a_modality_enters(check: Any) -> None:
    check()


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("mult", {"read": "observed"}, "read=observed has no meaning; give fuser.mult.front=grid"),
        ("mult", {"causal": True}, "causal=true has no meaning"),
        ("mult", {"masks": False}, "masks=false has no meaning"),
        ("mult", {"preset": "reference", "causal": False}, "text_dropout=0.25 has no meaning"),
        ("mag_late", {"read": "observed"}, "read=observed has no meaning; give fuser.mag_late.front=grid"),
        ("tfn", {"preset": "small"}, "the preset small has tfn; give fuser.tfn.preset=mists"),
        ("tfn", {"masks": False}, "masks=false has no meaning"),
    ],
)
def test_what_is_about_bins_is_refused_beside_the_front_end(name: str, given: dict[str, Any], message: str) -> None:
    spec = REGISTRY.get("fuser", name)
    with pytest.raises(UsageError, match=message):
        spec.parameters({**SMALL[name], "front": "utde", **given})
    with_grid = {key: value for key, value in given.items() if key != "preset"}
    assert msgspec.to_builtins(spec.parameters({**SMALL[name], **with_grid}))["front"] == "grid"
