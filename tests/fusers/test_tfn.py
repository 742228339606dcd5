"""tfn: the published sizes, what is learnt that concatenation cannot learn, absence, squashing,
bad input.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from bench.cohort import Cohort, Task
from bench.components import Context, Fuser
from bench.errors import UsageError
from bench.metrics.scoring import score
from bench.testing.toy import toy_cohort
from bench.torch_fuser import Batch, Inputs, ModalityView, TorchFuser
from bench_fusers.tfn.fuser import TFN, Mean, TFNNetwork
from bench_fusers.tfn.plugin import TFN_PRESETS, TFNParams, tfn_choice
from support.fuser_cohorts import BINARY, REGRESSION, build, cohort, parts

CONTEXT = Context(seed=1)
MOSI = {"audio": (50, 5), "vision": (50, 20), "text": (50, 768)}


def params(**given: Any) -> TFNParams:
    return msgspec.convert(given, TFNParams)


def network(modalities: dict[str, tuple[int, int]], statics: int = 0, outputs: int = 1, **given: Any) -> TFNNetwork:
    made = TFN(params(**given)).build(Inputs(modalities, statics, 1.0), Task("t", "regression", ("mae",), outputs))
    assert isinstance(made, TFNNetwork)
    return made.eval()


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def view(n: int, length: int, channels: int, present: float = 1.0) -> ModalityView:
    observed = (torch.rand(n, length, channels) < 0.5).float()
    flag = torch.full((n,), present)
    return ModalityView(torch.randn(n, length, channels), observed, torch.arange(length).float(), flag, 0 * flag)


def batch(modalities: dict[str, tuple[int, int]], n: int = 3, statics: int = 0, absent: str = "") -> Batch:
    torch.manual_seed(0)
    views = {name: view(n, *size, present=float(name != absent)) for name, size in modalities.items()}
    return Batch(views, torch.randn(n, statics), torch.ones(n, statics))


def test_no_published_width_is_shrunk_by_the_cap() -> None:
    widths = {"released": (64, 4, 16), "mmsa": (32, 32, 128), "mmsa-mosei": (128, 16, 128)}
    for preset, (text, audio, vision) in widths.items():
        products = (text + 1) * (audio + 1) * (vision + 1)
        assert network(MOSI, preset=preset).join.map.in_features == products, preset


@pytest.mark.parametrize("norm", ["feature", "layer"])
def test_the_sizes_of_mmsa_have_as_many_parameters_as_measured_there(norm: str) -> None:
    made = network(MOSI, preset="mmsa", norm=norm)
    assert made.join.map.in_features == 140_481
    assert count(made) == 9_497_043


def test_every_part_has_as_many_parameters_as_its_formula() -> None:
    d, h, wide, hidden, o, q = 5, 4, 300, 128, 64, 32
    made = network({"audio": (20, d), "vision": (20, 35), "text": (20, wide)}, preset="released")
    audio, _, text = made.readers
    assert count(audio) == 2 * d + (d * h + h) + 2 * (h**2 + h)
    assert count(text) == 4 * (wide * hidden + hidden**2 + 2 * hidden) + hidden * o + o
    products = 5 * 17 * 65
    assert count(made.join) + count(made.second) + count(made.out) == products * q + q + q**2 + q + q + 1


def test_outer_late_joins_two_last_states_of_width_128_in_129_times_129_products() -> None:
    made = network({"text": (48, 16), "series": (48, 30)}, preset="mists", statics=2)
    assert made.join.map.in_features == 129 * 129
    assert made.join.dropout.p == 0, "the clinical code drops none of the products"
    assert made.join.ones_last
    assert count(made.second) == 128 * 129
    assert count(made.out) == 2 * 128 * 129 + 129


@pytest.mark.parametrize("given", [{}, {"fusion": "low-rank"}, {"variant": "outer-late"}, {"encoder": "mean"}])
def test_gradients_reach_every_parameter(given: dict[str, Any]) -> None:
    sizes = {"a": (6, 2), "b": (4, 3)}
    made = network(sizes, statics=2, **given)
    made(batch(sizes, n=64, statics=2)).square().sum().backward()
    assert [name for name, p in made.named_parameters() if p.grad is None or not p.grad.any()] == []


# The sign of a product of three numbers: no sum of what single modalities say, whatever they say,
# knows anything about it.


def products(n: int, seed: int = 0) -> Cohort:
    """Three modalities of one channel that says a number drawn from N(0, 1); the label is
    whether their product is above 0.
    """
    drawn = np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)
    toy = toy_cohort(n, length=4, modalities={"one": 1, "two": 1, "three": 1}, absent=0.0)
    series = {
        name: replace(
            one,
            grid=np.repeat(drawn[:, k], 4).reshape(n, 4, 1),
            observed=np.ones((n, 4, 1), bool),
            available=np.ones(n, bool),
        )
        for k, (name, one) in enumerate(toy.modalities.items())
    }
    label = (drawn.prod(axis=1) > 0).astype(np.float32)
    return replace(
        toy, modalities=series, targets={"binary": label}, statics=np.zeros((n, 0), np.float32), static_names=()
    )


class Concatenated(TorchFuser[TFNParams]):
    """The encoders of tfn, their vectors side by side under a linear map, in place of the
    products.
    """

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        return SideBySide(inputs, task.outputs, self.params)


class SideBySide(nn.Module):
    def __init__(self, inputs: Inputs, outputs: int, given: TFNParams):
        super().__init__()
        choice = tfn_choice(given)
        sizes = inputs.modalities.items()
        self.readers = nn.ModuleDict({n: Mean(channels, choice.width, "feature", choice) for n, (_, channels) in sizes})
        self.out = nn.Linear(choice.width * len(self.readers), outputs)

    def forward(self, batch: Batch) -> torch.Tensor:
        logits: torch.Tensor = self.out(
            torch.cat([reader(batch.modalities[n]) for n, reader in self.readers.items()], 1)
        )
        return logits


class Products(Concatenated):
    """The same with the tensor of all products under the linear map."""

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        return Multiplied(inputs, task.outputs, self.params)


class Multiplied(nn.Module):
    def __init__(self, inputs: Inputs, outputs: int, given: TFNParams):
        super().__init__()
        self.tensor = TFNNetwork(inputs, outputs, tfn_choice(given), TFN(given).joined(tuple(inputs.modalities)), given)
        self.out = nn.Linear(self.tensor.join.map.in_features, outputs)

    def forward(self, batch: Batch) -> torch.Tensor:
        logits: torch.Tensor = self.out(self.tensor.join.products(self.tensor.vectors(batch)))
        return logits


LEARN = {"width": 16, "dropout": 0.0, "head_dropout": 0.0, "learning_rate": 0.01, "batch_size": 64, "steps": 200}
LATE = {"variant": "outer-late", "heads": 2, "layers": 1}


def scores(fuser: Fuser[Any]) -> tuple[float, float]:
    """AUROC and accuracy on 200 records it was not trained on, for the sign of a product of
    three numbers.
    """
    train, valid, test = parts(products(1000))
    fuser.fit(train, valid, BINARY, CONTEXT)
    outputs, truth = fuser.predict(test, CONTEXT), test.targets["binary"]
    return score(BINARY, truth, outputs).values["auroc"], float(((outputs[:, 0] > 0.5) == truth).mean())


@pytest.mark.parametrize("fusion", ["full", "low-rank"])
@pytest.mark.parametrize(
    "form", [{"encoder": "recurrent"}, {"encoder": "mean"}, LATE], ids=lambda form: "-".join(map(str, form.values()))
)
def test_the_sign_of_a_product_over_three_modalities_is_learnt(form: dict[str, Any], fusion: str) -> None:
    auroc, accuracy = scores(TFN(params(**LEARN, **form, fusion=fusion)))
    assert auroc >= 0.95
    assert accuracy >= 0.95


def test_a_linear_map_of_all_products_learns_it_and_one_of_the_vectors_side_by_side_does_not() -> None:
    given = params(**LEARN, encoder="mean")
    assert min(scores(Products(given))) >= 0.95
    assert max(scores(Concatenated(given))) < 0.65  # chance is 0.5, standard error 0.04


def test_a_linear_model_of_the_records_does_not_learn_it() -> None:
    assert max(scores(build("linear"))) < 0.65


@pytest.mark.parametrize("given", [{}, {"encoder": "mean"}, {"variant": "outer-late"}, {"fusion": "low-rank"}])
def test_what_an_absent_modality_holds_has_no_effect_be_it_nan(given: dict[str, Any]) -> None:
    sizes = {"a": (6, 2), "b": (4, 3)}
    made, one = network(sizes, **given), batch(sizes, absent="b")
    other = replace(one.modalities["b"], values=torch.full((3, 4, 3), torch.nan))
    again = Batch({**one.modalities, "b": other}, one.statics, one.statics_observed)
    assert made(one).isfinite().all()
    assert torch.equal(made(one), made(again))


def test_a_record_without_any_modality_is_read_as_the_constant_product() -> None:
    sizes = {"a": (6, 2), "b": (4, 3)}
    made, one = network(sizes), batch(sizes)
    gone = Batch({n: replace(v, available=0 * v.available) for n, v in one.modalities.items()}, *_no_statics())
    assert made.join.products(made.vectors(gone)).sum(dim=1).tolist() == [1.0, 1.0, 1.0]
    assert made(gone).isfinite().all()


def _no_statics() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(3, 0), torch.zeros(3, 0)


@pytest.mark.parametrize("given", [{}, {"encoder": "mean"}, {"variant": "outer-late"}])
def test_every_step_of_the_completed_grid_counts_and_so_does_the_mask(given: dict[str, Any]) -> None:
    sizes = {"a": (6, 2), "b": (4, 3)}
    made, one = network(sizes, **given), batch(sizes)
    before = made(one)
    for field in ("values", "observed"):
        for step in range(4):
            moved = getattr(one.modalities["b"], field).clone()
            moved[:, step] = 1 - moved[:, step]
            other = replace(one.modalities["b"], **{field: moved})
            after = made(Batch({**one.modalities, "b": other}, one.statics, one.statics_observed))
            assert (after != before).all()


def test_squashed_predictions_lie_between_minus_three_and_three_in_the_units_of_the_target() -> None:
    train, valid, test = parts(cohort())
    rng = np.random.default_rng(0)

    def labelled(part: Cohort) -> Cohort:
        return replace(part, targets={"regression": rng.choice([-3.0, 2.9, 3.0], len(part)).astype(np.float32)})

    train, valid = labelled(train), labelled(valid)
    spread = {}
    for squash in (False, True):
        fuser = TFN(params(squash=squash, steps=60, learning_rate=0.03, dropout=0.0, head_dropout=0.0, batch_size=32))
        fuser.fit(train, train, REGRESSION, CONTEXT)
        far = replace(test, statics=test.statics * 1000)
        spread[squash] = np.abs(fuser.predict(far, CONTEXT)).max()
    assert spread[False] > 3.1
    assert 2.5 < spread[True] <= 3 + 1e-5


def test_the_number_of_products_and_their_form_are_told() -> None:
    train, valid, _ = parts(cohort())
    told: list[tuple[str, tuple[object, ...]]] = []
    for given in ({}, {"fusion": "low-rank"}, {"cap": 100}, {"cap": 20}):
        fuser = TFN(params(steps=1, **given))
        fuser.fit(train, valid, BINARY, replace(CONTEXT, notes=told))
    full, low = ("form", ("full",)), ("form", ("low-rank",))
    assert told == [
        *[("products", (1089,)), full, ("widths", (32, 32))],
        *[("products", (1089,)), low, ("terms", (8,))],
        *[("products", (100,)), full, ("widths", (9, 9))],
        *[("products", (1089,)), low, ("terms", (8,))],
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"preset": "mmsa"}, 'modality "vitals" is not known to fuser.tfn.preset=mmsa, .* text, audio, vision'),
        ({"preset": "mmsa", "variant": "outer-late"}, "has no variant outer-late; it comes with: small, mists"),
        ({"means": ("vital",)}, 'modality "vital" is not known .* did you mean "vitals"'),
        ({"preset": "mists", "heads": 7}, '"fuser.tfn.width" 128 is not a multiple of "fuser.tfn.heads" 7'),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(given: dict[str, Any], message: str) -> None:
    train, valid, _ = parts(cohort())
    with pytest.raises(UsageError, match=message):
        TFN(params(**given)).fit(train, valid, BINARY, CONTEXT)


def test_what_is_given_wins_over_the_preset() -> None:
    choice = tfn_choice(params(preset="mmsa", width=10, head=7))
    assert (choice.head, choice.cap) == (7, TFN_PRESETS["mmsa"].cap)
    assert choice.modalities == {"text": ("recurrent", 10), "audio": ("mean", 10), "vision": ("mean", 10)}
