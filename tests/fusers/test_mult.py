"""`mult`: the published structure, who reads whom, absence, and the causal rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench.components import Context
from bench.errors import UsageError
from bench.testing.toy import TOY_TASK, toy_cohort
from bench.torch_fuser import Batch
from bench_fusers.encoders.transformer import CrossEncoder, last_step
from bench_fusers.mult.fuser import Mult
from bench_fusers.mult.plugin import MULT_PRESETS, MultParams, mult_choice
from support.fuser_batches import RECORDS, batch, changed, count, module, taken, without_gradient
from support.fuser_cohorts import BINARY, cohort, filled_with, parts

THREE = {"text": (5, 4), "audio": (5, 3), "vision": (5, 2)}
SMALL = {"width": 8, "heads": 2}


def network(sizes: dict[str, tuple[int, int]] = THREE, statics: int = 0, **params: Any) -> nn.Module:
    return module(Mult(MultParams(**{**SMALL, **params})), sizes, statics)


def told(made: nn.Module, whole: Batch) -> torch.Tensor:
    with torch.no_grad():
        answer: torch.Tensor = made(whole)
    return answer


def layers(width: int, n: int) -> int:
    return n * (12 * width**2 + 13 * width) + 2 * width


def test_the_reference_has_the_published_number_of_parameters() -> None:
    sizes = {"text": (50, 300), "audio": (50, 74), "vision": (50, 35)}
    assert count(module(Mult(MultParams(preset="reference")), sizes)) == 1_073_731


@pytest.mark.parametrize("self_pairs", [False, True])
@pytest.mark.parametrize("names", ["a", "ab", "abc", "abcd", "abcde", "abcdef"])
def test_the_number_of_parameters_follows_the_formula_for_any_number_of_modalities(
    names: str, self_pairs: bool
) -> None:
    width, outputs, n = 8, 3, len(names)
    sizes = {name: (4, k + 1) for k, name in enumerate(names)}
    made = module(Mult(MultParams(**SMALL, layers=2, self_pairs=self_pairs)), sizes, outputs=outputs)
    read = n if self_pairs or n == 1 else n - 1
    memory = read * width if n <= 4 else 2 * width
    narrow = n * (read * width * memory + memory) if n > 4 else 0
    joined = n * memory
    expected = (
        sum(2 * channels * width for _, channels in sizes.values())
        + n * width  # the learned steps
        + n * read * layers(width, 2)
        + narrow
        + n * layers(memory, 3)
        + 2 * (joined**2 + joined)
        + (joined + 1) * outputs
    )
    assert count(made) == expected
    assert told(made, batch(sizes)).shape == (RECORDS, outputs)


def test_the_preset_of_the_clinical_comparison_is_as_wide_as_published() -> None:
    choice = mult_choice(MultParams(preset="trace-mimic"))
    assert (choice.width, choice.heads, choice.layers, choice.positions) == (128, 8, 3, "learned")
    assert not choice.causal


def test_what_is_given_wins_over_the_preset_and_memory_follows_the_layers() -> None:
    assert mult_choice(MultParams(preset="reference")) == MULT_PRESETS["reference"]
    assert mult_choice(MultParams(preset="reference", width=40, heads=8)).width == 40
    assert [mult_choice(MultParams(layers=n)).memory_layers for n in (1, 2, 3, 4)] == [3, 3, 3, 4]
    assert mult_choice(MultParams(layers=4, memory_layers=1)).memory_layers == 1


@pytest.mark.parametrize("positions", ["times", "index", "learned"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("null_tokens", [False, True])
def test_modalities_of_any_length_are_read_and_every_step_of_each_counts(
    positions: Any, causal: bool, null_tokens: bool
) -> None:
    sizes = {"a": (3, 2), "b": (6, 1), "c": (1, 4)}
    made = network(sizes, positions=positions, causal=causal, null_tokens=null_tokens)
    whole = batch(sizes)
    before = told(made, whole)
    for name, (length, _) in sizes.items():
        for step in range(length):
            values = whole.modalities[name].values.clone()
            values[:, step] += 5
            moved = (told(made, changed(whole, name, values=values)) - before).abs() > 1e-6
            assert moved.all(), (name, step)


def test_statics_reach_the_prediction() -> None:
    made, whole = network(statics=2), batch(THREE, statics=2)
    other = Batch(whole.modalities, whole.statics + 1, whole.statics_observed)
    assert ((told(made, other) - told(made, whole)).abs() > 1e-7).all()


@pytest.mark.parametrize("preset", sorted(MULT_PRESETS))
def test_an_absent_modality_is_told_by_the_flags_and_its_content_never_read(preset: Any) -> None:
    whole = batch(THREE, absent={"audio": (0, 2), "text": (2,)})
    made = network(preset=preset)
    values = whole.modalities["audio"].values.clone()
    values[[0, 2]] = 1e6
    observed = whole.modalities["audio"].observed.clone()
    observed[[0, 2]] = 1
    before = told(made, whole)
    assert torch.equal(told(made, changed(whole, "audio", values=values, observed=observed)), before)
    here = told(made, changed(whole, "audio", filled=1 - whole.modalities["audio"].available))
    assert ((here - before).abs() > 1e-6).squeeze(1).tolist() == [True, False, True, False, False, False]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("preset", sorted(MULT_PRESETS))
def test_records_with_nothing_at_all_get_a_finite_prediction_and_touch_nobody(preset: Any, causal: bool) -> None:
    whole = batch(THREE, absent={name: (1, 4) for name in THREE})
    made = network(preset=preset, causal=causal)
    together = told(made, whole)
    assert together.isfinite().all()
    alone = torch.cat([told(made, taken(whole, [k])) for k in range(RECORDS)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_the_learned_step_gets_its_gradient_from_records_without_the_modality_alone() -> None:
    made = network()
    made(batch(THREE)).sum().backward()
    assert not made.nulls.grad.any()
    made(batch(THREE, absent={"audio": (0,)})).sum().backward()
    assert made.nulls.grad.abs().sum(dim=1).gt(0).tolist() == [False, True, False]


@pytest.mark.parametrize("sizes", [THREE, {"only": (5, 3)}, {name: (4, 2) for name in "abcde"}])
@pytest.mark.parametrize("causal", [False, True])
def test_gradients_reach_every_parameter(sizes: dict[str, tuple[int, int]], causal: bool) -> None:
    made = network(sizes, statics=2, causal=causal)
    absent = {name: (k % RECORDS,) for k, name in enumerate(sizes)}
    assert without_gradient(made, batch(sizes, statics=2, absent=absent)) == []


def test_under_the_causal_rule_the_future_of_a_source_is_not_read_at_an_earlier_step() -> None:
    sizes = {"a": (5, 2), "b": (5, 2)}
    whole = batch(sizes)
    made, free = (network(sizes, causal=causal) for causal in (True, False))
    values = whole.modalities["b"].values.clone()
    values[:, 3:] += 5
    other = changed(whole, "b", values=values)

    def read(one: nn.Module, now: Batch) -> torch.Tensor:
        streams = [one._stream(k, now.modalities[name]) for k, name in enumerate(sizes)]
        places = [one._places(stream, 8, None, k) for k, stream in enumerate(streams)]
        entering = [one._enter(stream.x, place) for stream, place in zip(streams, places, strict=True)]
        with torch.no_grad():
            return one.cross[0][0](*entering, *one._readable(*streams))[:, 1:]  # without the learned step

    moved = (read(made, other) - read(made, whole)).abs().amax(dim=(0, 2)) > 1e-6
    assert moved.tolist() == [False, False, False, True, True]
    assert ((read(free, other) - read(free, whole)).abs().amax(dim=(0, 2)) > 1e-6).all()


def test_the_causal_rule_follows_time_stamps_or_published_places() -> None:
    early, late = torch.tensor([0.0, 1.0]), torch.tensor([0.5, 1.0, 7.0])
    by_time, by_place = network(causal=True), network(causal=True, positions="index")
    assert by_time._not_later(early, late).tolist() == [[False, False, False], [True, True, False]]
    assert by_time._not_later(late, early).tolist() == [[True, False], [True, True], [True, True]]
    assert by_place._not_later(early, late).tolist() == [[True, True, False], [True, True, True]]
    assert by_place._not_later(late, late).tolist() == np.tril(np.ones((3, 3), bool)).tolist()


def test_a_step_before_everything_its_source_recorded_reads_the_learned_step() -> None:
    sizes = {"a": (3, 1), "b": (3, 1)}
    whole = batch(sizes)
    seen = torch.zeros(RECORDS, 3, 1)
    seen[:, 2] = 1
    made = network(sizes, causal=True, read="observed")
    now = changed(changed(whole, "a", observed=torch.ones_like(seen)), "b", observed=seen)
    own, source = (made._stream(k, now.modalities[name]) for k, name in enumerate("ab"))
    _, allowed = made._readable(own, source)
    # Rows: the learned step, which reads everything, and the three steps of a; columns: the learned
    #       step and those of b.
    assert allowed[0].int().tolist() == [[0, 0, 0, 1], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]


def test_steps_without_a_record_can_be_left_unread_but_those_of_a_filled_modality_cannot() -> None:
    whole = batch(THREE, absent={"audio": (0,)})
    observed = whole.modalities["audio"].observed.clone()
    observed[:, 2] = 0
    whole = changed(whole, "audio", observed=observed, filled=1 - whole.modalities["audio"].available)
    values = whole.modalities["audio"].values.clone()
    values[:, 2] += 5
    other = changed(whole, "audio", values=values)
    every, recorded = network(), network(read="observed")
    assert ((told(every, other) - told(every, whole)).abs() > 1e-6).all()
    assert ((told(recorded, other) - told(recorded, whole)).abs() > 1e-6).squeeze(1).tolist() == [True] + [False] * 5


def test_words_are_dropped_before_the_projection_and_attention_by_its_source_as_published() -> None:
    made = module(Mult(MultParams(preset="reference")), {"audio": (5, 3), "text": (5, 4), "vision": (5, 2)})
    assert [dropout.p for dropout in made.text_dropout] == [0, 0.25, 0]
    assert [[pair.layers[0].attention.dropout for pair in row] for row in made.cross] == [[0.1, 0], [0, 0], [0, 0.1]]
    assert {layer.attention.dropout for memory in made.memory for layer in memory.layers} == {0.1}


def test_the_last_step_alone_is_what_the_whole_encoder_says_of_it() -> None:
    torch.manual_seed(0)
    encoder, x = CrossEncoder(8, 2, 3).eval(), torch.randn(4, 6, 8)
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]]).float()
    step = last_step(mask)
    assert step.tolist() == [5, 3, 0, 0]
    allowed = torch.ones(6, 6).tril().bool()
    for rule in (None, allowed, allowed.expand(4, 6, 6)):
        expected = encoder(x, None, mask, rule)[torch.arange(4), step]
        assert torch.allclose(encoder.at(step, x, mask, rule), expected, atol=1e-6)


def test_more_than_four_modalities_are_told_of() -> None:
    params = MultParams(**SMALL, epochs=1)
    for sizes in ({name: 1 for name in "abcd"}, {name: 1 for name in "abcde"}):
        told: list[tuple[str, tuple[object, ...]]] = []
        whole = filled_with(toy_cohort(12, length=3, modalities=sizes, rate=1.0), 0.0)
        Mult(params).fit(whole, whole, TOY_TASK, Context(notes=told))
        assert told == [("channels a linear map leaves", (16,))] * (len(sizes) == 5)


def test_a_width_that_heads_do_not_divide_is_refused_in_words() -> None:
    train, valid, _ = parts(cohort(20))
    with pytest.raises(UsageError, match=r'"fuser.mult.width" 30 is not a multiple of "fuser.mult.heads" 4'):
        Mult(MultParams(width=30, heads=4)).fit(train, valid, BINARY, Context())


@pytest.mark.parametrize("lacking", [("text", "audio"), ("text", "audio", "vision")])
def test_without_null_tokens_a_record_that_lacks_modalities_does_not_make_the_gradient_explode(
    lacking: tuple[str, ...],
) -> None:
    def gradient(absent: dict[str, tuple[int, ...]]) -> float:
        made = module(Mult(MultParams(preset="reference", layers=8)), THREE)
        made(batch(THREE, absent=absent)).sum().backward()
        return float(torch.stack([p.grad.norm() for p in made.parameters() if p.grad is not None]).norm())

    assert gradient({name: (0,) for name in lacking}) < 2 * gradient({})
