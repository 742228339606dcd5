"""TRACE: its sizes, presets and variants, and that the context is of use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from bench import arrays
from bench.cohort import Cohort, Events, Series, bin_events
from bench.components import Context
from bench.testing.toy import toy_cohort
from bench_imputers.diffusion.condi_params import CondiParams
from bench_imputers.diffusion.csdi import Csdi, CsdiDenoiser
from bench_imputers.diffusion.params import CsdiParams
from bench_imputers.diffusion.schedule import schedule
from bench_imputers.diffusion.trace import Trace
from bench_imputers.diffusion.trace_params import TRACE_PRESETS, TraceParams
from support.asking import SMALL as SUITE
from support.asking import Asker, made_registry
from support.trace_networks import SMALL, WITH_CONTEXT, answer, count, network, shape, small, told

CLINICAL = {"notes": 768, "cxr": 1024, "ecg": 256}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


# Sizes


def denoiser_size(side: int, inputs: int = 2) -> int:
    """Of the network of CSDI at 30 channels (specification of CSDI, section 2.6)."""
    transformer = 4 * 64**2 + 9 * 64 + 2 * 64 * 64 + 64
    layer = 128 * 64 + 64 + 2 * 64 * side + 128 + 2 * (2 * 64**2 + 128) + 2 * transformer
    return 30 * 64 + 2 * (128**2 + 128) + (inputs + 1) * 64 + 64**2 + 64 + 65 + 4 * layer


PROJECTIONS = sum(256 * d + 256 for d in CLINICAL.values()) + 3 * (256 * 128 + 128)
EVENTS = PROJECTIONS + 3 * 128 + 2 * (128 * 128 + 128) + 4 * (128 * 128 + 128)


def mixture_size(experts: int, hidden: int = 256, width: int = 128, gate: bool = True) -> int:
    """Of experts of 2,051 inputs and their gate."""
    first = 2051 * hidden + hidden
    return experts * (first + hidden * width + width) + gate * (first + hidden * experts + experts)


@pytest.mark.parametrize(
    ("chosen", "side", "context", "total"),
    [
        ({}, 321, mixture_size(5) + 128, 3_823_302),
        ({"experts": 3}, 321, mixture_size(3) + 128, 2_706_372),
        ({"experts": 11}, 321, mixture_size(11) + 128, 7_174_092),
        ({"experts": 1}, 321, mixture_size(1, gate=False) + 128, 1_063_873),
        ({"variant": "fixed-weight"}, 321, mixture_size(5, gate=False) + 128, 3_296_705),
        ({"variant": "no-moe"}, 321, (2048 + 3) * 128 + 128 + 128, 768_321),
        ({"variant": "uni"}, 193, 0, 440_001),
        ({"preset": "trace-small"}, 225, mixture_size(5, 64, 32) + 32, 1_255_110),
        ({"preset": "trace-code"}, 321, PROJECTIONS + 387 * 256 + 256 + 256 * 3 + 3 + 128, 1_229_508),
        ({"preset": "trace-pool"}, 321, PROJECTIONS + 5 * (257 * 1232 + 128) + 5 * 128 + 3 * 128 + 128, 2_714_193),
        ({"preset": "trace-temporal"}, 321, EVENTS + 128, 1_228_865),
    ],
)
def test_the_number_of_parameters_is_the_sum_of_the_parts(
    chosen: dict[str, Any], side: int, context: int, total: int
) -> None:
    with torch.device("meta"):
        made = Trace(TraceParams(**chosen)).build(shape(30, 48, CLINICAL))
    assert isinstance(made, CsdiDenoiser)
    assert count(made.context) == context
    assert count(made) == denoiser_size(side) + context == total
    assert sum(made.widths) == side


def test_unconditional_has_one_input_and_neither_mask_nor_context() -> None:
    with torch.device("meta"):
        made = Trace(TraceParams(variant="unconditional")).build(shape(30, 48, CLINICAL))
    assert isinstance(made, CsdiDenoiser)
    assert count(made) == denoiser_size(192, inputs=1) == 439_425


# Presets


@pytest.mark.parametrize(
    ("preset", "choice"),
    [
        ("trace-moe", ("experts", 5, 256, 256, 128, "quadratic", 0.5)),
        ("trace-small", ("experts", 5, 64, 64, 32, "quadratic", 0.5)),
        ("trace-code", ("modalities", 0, 0, 256, 128, "linear", 0.02)),
        ("trace-pool", ("pool", 5, 1232, 256, 128, "quadratic", 0.5)),
        ("trace-temporal", ("events", 0, 0, 256, 128, "quadratic", 0.5)),
    ],
)
def test_presets_choose_what_the_specification_says(preset: str, choice: tuple[Any, ...]) -> None:
    assert msgspec.structs.astuple(TRACE_PRESETS.over(TraceParams(preset=preset))) == choice


def test_a_bare_trace_is_the_mixture_of_five_experts() -> None:
    assert TraceParams().preset == "trace-moe"


def test_what_is_given_wins_over_the_preset() -> None:
    choice = TRACE_PRESETS.over(TraceParams(preset="trace-code", hidden_width=7, betas="quadratic"))
    assert (choice.hidden_width, choice.betas, choice.beta_last, choice.context) == (7, "quadratic", 0.02, "modalities")


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"preset": "trace-code", "experts": 5}, "experts=5 .* preset=trace-code has no experts"),
        (
            {"preset": "trace-temporal", "expert_width": 8},
            "expert_width=8 .* preset=trace-moe, trace-small, trace-pool",
        ),
        ({"preset": "trace-temporal", "variant": "fixed-weight"}, "variant=fixed-weight"),
        ({"preset": "trace-temporal", "context_width": 12}, "context_width=12 is no multiple of heads=8"),
    ],
)
def test_what_a_preset_has_no_use_for_is_refused_in_one_line(chosen: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        TraceParams(**chosen)
    assert "\n" not in str(caught.value)


def test_the_training_is_that_of_the_specification() -> None:
    p = TraceParams()
    assert (p.optimizer, p.learning_rate, p.weight_decay, p.clip) == ("adamw", 1e-4, 1e-6, 1.0)
    assert (p.epochs, p.batch_size, p.diffusion_steps, p.mask, p.mask_ratio) == (50, 16, 50, "random", 0.2)


def test_the_preset_decides_how_much_signal_the_last_step_leaves() -> None:
    own, code = (Trace(TraceParams(preset=name)).schedule for name in ("trace-moe", "trace-code"))
    assert len(own) == len(code) == 50
    assert own.alpha_bars[-1] < 1e-4
    assert code.alpha_bars[-1] == pytest.approx(0.603, abs=0.001)


def test_a_start_from_noise_that_training_never_reaches_is_said() -> None:
    def said(**chosen: Any) -> list[str]:
        lines: list[str] = []
        cohort = toy_cohort(n=8, length=4).without_targets()
        Trace(small(**({"steps": 1} | chosen))).fit(cohort, cohort, Context(report=lines.append))
        return [line for line in lines if "still signal" in line]

    assert not said(diffusion_steps=50)
    assert "60%" in said(preset="trace-code", diffusion_steps=50)[0]
    assert not said(preset="trace-code", diffusion_steps=50, start="noised_locf")


# Variants


def test_uni_is_csdi_with_its_wider_embedding_of_channels() -> None:
    sizes = {name: value for name, value in SMALL.items() if name in CsdiParams.__struct_fields__}
    made, plain = network(variant="uni"), CsdiDenoiser(shape(), CsdiParams(**sizes)).eval()
    plain.load_state_dict(made.state_dict())
    given_, state = told(), torch.randn(4, 3, 5)
    assert torch.equal(answer(made, given_, state), answer(plain, given_, state))
    assert TraceParams().feature_width == 64


def test_the_full_network_with_a_context_of_zero_is_the_one_without() -> None:
    full, uni = network(context={}), network(variant="uni")
    weights = {name: value for name, value in full.state_dict().items() if not name.startswith("context.")}
    for name in list(weights):
        if name.endswith(".side.weight"):
            weights[name] = weights[name][:, :-6]
    uni.load_state_dict(weights)
    assert full.context is not None
    nn.init.zeros_(full.context.null)
    given_, state = told(context={}), torch.randn(4, 3, 5)
    assert torch.allclose(answer(full, given_, state), answer(uni, given_, state), atol=1e-6)


def test_unconditional_looks_at_nothing_but_the_noisy_state() -> None:
    made, state = network(variant="unconditional"), torch.randn(4, 3, 5)
    assert torch.equal(answer(made, told(), state), answer(made, told(), state))


@pytest.mark.parametrize("replace", [True, False])
def test_unconditional_pastes_observed_values_unless_told_not_to(replace: bool) -> None:
    assert Trace(TraceParams(variant="unconditional", replace_observed=replace)).pastes == replace
    assert not Trace(TraceParams(replace_observed=replace)).pastes


def test_ten_steps_come_respaced_or_trained_anew() -> None:
    assert len(Trace(TraceParams(diffusion_steps=10)).schedule) == 10
    retrained = Trace(TraceParams(diffusion_steps=10)).schedule.betas
    assert np.array_equal(retrained, schedule("quadratic", 10, 1e-4, 0.5).betas)
    assert len(Trace(TraceParams(solver_steps=10)).schedule) == 50


# In the engine


def fitted(cohort: Cohort, **chosen: Any) -> Trace:
    made = Trace(small(**({"steps": 3, "batch_size": 8, "learning_rate": 1e-2, "bound": 4.0} | chosen)))
    made.fit(cohort, cohort, Context())
    return made


@pytest.mark.parametrize(
    "chosen",
    [
        *WITH_CONTEXT,
        {"preset": "trace-temporal", "heads": 2},
        {"variant": "uni"},
        {"variant": "unconditional"},
        {"solver_steps": 3},
        {"diffusion_steps": 3},
    ],
)
def test_it_completes_what_is_missing_and_travels(chosen: dict[str, Any], tmp_path: Path) -> None:
    cohort = toy_cohort(n=16, length=5).without_targets()
    made = fitted(cohort, **chosen)
    arrays.write(tmp_path / "state.safetensors", made.state_dict())
    again = Trace(made.params)
    again.load_state_dict(arrays.read(tmp_path / "state.safetensors")[0])
    completed, repeated = (each.impute(cohort, 2, Context()) for each in (made, again))
    for name, series in cohort.modalities.items():
        assert np.isfinite(completed[name]).all()
        assert np.array_equal(completed[name], repeated[name])
        assert np.array_equal(completed[name][0][series.observed], series.grid[series.observed])


def test_a_cell_of_one_modality_is_completed() -> None:
    cohort = toy_cohort(n=12, length=4, modalities={"only": 2}).without_targets()
    made = fitted(cohort)
    assert np.isfinite(made.impute(cohort, 2, Context())["only"]).all()
    assert made.parameters() == count(made.build(shape(2, 4, {}))) > 0


def test_wide_modalities_are_context_and_no_targets() -> None:
    cohort = toy_cohort(n=12, length=4, modalities={"vitals": 2, "notes": 60}).without_targets()
    made = fitted(cohort)
    assert {name: dict(network.shape.context) for name, network in made.networks.items()} == {"vitals": {"notes": 60}}


# What the context is for


def constant_series(values: np.ndarray, observed: np.ndarray, length: int) -> Series:
    """A modality whose channels keep their value [n, channels] at every bin of the records
    observed.
    """
    records = np.flatnonzero(observed)
    offsets = np.concatenate([[0], np.cumsum(np.where(observed, length, 0))]).astype(np.int64)
    times = np.tile(np.arange(length, dtype=np.float32), len(records))
    events = Events(offsets, times, np.repeat(values[records], length, axis=0).astype(np.float32))
    grid, seen = bin_events(events, length)
    names = tuple(f"c{i}" for i in range(values.shape[1]))
    edges = np.arange(length, dtype=np.float32)
    return Series(names, ("SD",) * len(names), grid, seen, edges, events, observed, np.zeros(len(observed), bool))


def told_elsewhere(n: int, seen: bool, seed: int) -> tuple[Cohort, np.ndarray]:
    """A series whose level stands in a note of 3 numbers and, where `seen` is false, nowhere
    else.
    """
    rng = np.random.default_rng(seed)
    level = rng.normal(size=n)
    noise = rng.normal(size=n)
    note = np.stack([level + noise, level - noise, noise], 1) / 2**0.5
    cohort = toy_cohort(n=n, length=3, modalities={"series": 1, "note": 3}).without_targets()
    everyone = np.ones(n, bool)
    return cohort.with_modalities(
        {
            "series": constant_series(level[:, None], everyone & seen, 3),
            "note": constant_series(note, everyone, 3),
        }
    ), level


@pytest.mark.parametrize("preset", ["trace-moe", "trace-code", "trace-pool"])
def test_what_only_another_modality_tells_is_learnt_by_every_preset(preset: str) -> None:
    sizes = {"context_width": 16, "hidden_width": 32, "validate": False}
    experts = {} if preset == "trace-code" else {"expert_width": 32}
    assert error_at_what_is_told_elsewhere(Trace(TraceParams(**COMMON, **sizes, **experts, preset=preset))) < 0.35


def test_what_only_another_modality_tells_csdi_cannot_know() -> None:
    assert error_at_what_is_told_elsewhere(Csdi(CsdiParams(**COMMON))) > 0.7


COMMON: dict[str, Any] = {name: value for name, value in SMALL.items() if name in CsdiParams.__struct_fields__} | {
    "channels": 16,
    "layers": 1,
    "diffusion_steps": 10,
    "targets": ("series",),
    "mask": "ratio",
    "mask_ratio": 0.9,
    "steps": 200,
    "batch_size": 32,
    "learning_rate": 5e-3,
    "dropout": 0.0,
    "bound": 4.0,
}


def error_at_what_is_told_elsewhere(made: Trace | Csdi) -> float:
    """Mean absolute error of the median of eight draws; the standard deviation of the truth is
    1.
    """
    train, _ = told_elsewhere(256, True, 1)
    hidden, level = told_elsewhere(64, False, 2)
    made.fit(train, train, Context())
    drawn = made.impute(hidden, 8, Context())["series"]
    return float(np.abs(np.median(drawn, axis=0)[:, :, 0] - level[:, None]).mean())


# Labels


def test_presets_and_variants_stand_in_labels_even_where_a_suite_chose_them(tmp_path: Path) -> None:
    asked = Asker(tmp_path)
    asked.registry = made_registry(plain={"params": TraceParams})
    asked.text = SUITE + '\n[imputer.plain]\npreset = "trace-code"\nvariant = "no-moe"\nepochs = 3\n'
    assert {cell.coordinates.imputer for cell in asked.plan().cells} == {"plain(preset=trace-code, variant=no-moe)"}
    asked.text = SUITE
    assert {cell.coordinates.imputer for cell in asked.plan().cells} == {"plain(preset=trace-moe)"}


def test_a_noise_schedule_stands_in_labels_wherever_it_was_written(tmp_path: Path) -> None:
    asked = Asker(tmp_path)
    for params, preset in ((TraceParams, "preset=trace-moe"), (CondiParams, "profile=paper"), (CsdiParams, "")):
        asked.registry = made_registry(plain={"params": params})
        asked.text = SUITE + '\n[imputer.plain]\nbetas = "linear"\nbeta_last = 0.02\n'
        expected = ", ".join(filter(None, ["beta_last=0.02, betas=linear", preset]))
        assert {cell.coordinates.imputer for cell in asked.plan().cells} == {f"plain({expected})"}
