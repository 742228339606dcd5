"""`fedmac-like`: embeddings of what is absent, what the others of a record tell of a modality, and
the contrastive loss, by hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from bench.components import Context
from bench.federated.rounds import Client, Rounds, federate
from bench.learner import Plan
from bench.registry import NoParams
from bench_federations.averaging import FedAvg
from bench_fusers.contrast import contrasted, within_records
from bench_fusers.fedmac.fuser import FedMAC, Network, rebuilt
from support.fuser_cohorts import BINARY, build, cohort, unfilled, without

CONTEXT = Context(seed=2)
TRAIN = unfilled(cohort(26, absent=0.3))
E, LN = np.e, np.log


def begun(**chosen: Any) -> tuple[FedMAC, Network]:
    made = build("fedmac-like", **{"epochs": 1, "batch_size": 13, "width": 4, "hidden": 3, **chosen})
    assert isinstance(made, FedMAC)
    made.begin(made.summary(TRAIN, BINARY), CONTEXT)
    made.learnt = True
    assert isinstance(made.module, Network)
    return made, made.module


# The losses that others share


def test_the_loss_of_an_anchor_by_hand() -> None:
    similar = torch.tensor([[9.0, 1.0, 0.0], [2.0, 9.0, 9.0]])
    others = torch.tensor([[False, True, True], [True, False, False]])
    near = torch.tensor([[False, True, False], [False, False, False]])
    each, count = contrasted(similar, others, near)
    assert count.tolist() == [1, 0]
    assert each.tolist() == pytest.approx([LN(E + 1) - 1, 0.0])


def test_modalities_of_a_record_are_drawn_together_by_hand() -> None:
    z = torch.tensor([[[1.0, 0.0], [3.0, 0.0]], [[0.0, 2.0], [0.0, 1.0]]])
    # Each of four anchors: its one mate at cosine 1, two others at 0.
    assert float(within_records(z, torch.ones(2, 2), 1.0)) == pytest.approx(LN(E + 2) - 1)
    assert float(within_records(z, torch.ones(2, 2), 0.5)) == pytest.approx(LN(E**2 + 2) - 2)


def test_what_is_absent_is_no_anchor_and_no_candidate() -> None:
    z = torch.tensor([[[1.0, 0.0], [3.0, 0.0]], [[0.0, 2.0], [7.0, 7.0]]])
    here = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    # The second record has one modality: a candidate for both anchors, at cosine 0.
    assert float(within_records(z, here, 1.0)) == pytest.approx(LN(E + 1) - 1)
    assert float(within_records(z[:1], torch.tensor([[1.0, 0.0]]), 1.0)) == 0


def test_the_loss_draws_mates_nearer() -> None:
    z = torch.tensor([[[1.0, 0.2], [0.3, 1.0]], [[-1.0, 0.1], [0.2, -1.0]]], requires_grad=True)
    before = within_records(z, torch.ones(2, 2), 0.2)
    before.backward()  # type: ignore[no-untyped-call]
    assert z.grad is not None
    assert within_records(z - 1e-3 * z.grad, torch.ones(2, 2), 0.2) < before


# What the others tell


def test_a_modality_is_rebuilt_from_the_others_of_its_record_by_hand() -> None:
    z = torch.tensor([[[5.0, 5.0], [1.0, 0.0], [0.0, 1.0]]])
    projected = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]])
    # Of the first: cosines 1 and 0 to the others. Of the second: 1 and 0. Of the third: 0 and 0.
    near, far = E / (E + 1), 1 / (E + 1)
    wanted = [[near, far], [5 * near, 5 * near + far], [3.0, 2.5]]
    assert rebuilt(z, projected, 1.0)[0].numpy() == pytest.approx(np.array(wanted), abs=1e-6)


def test_an_only_modality_is_rebuilt_by_itself() -> None:
    z = torch.randn(3, 1, 4)
    assert torch.equal(rebuilt(z, torch.randn(3, 1, 4), 0.2), z)


def test_a_gate_weighs_a_modality_and_what_rebuilds_it() -> None:
    _, network = begun()
    last = network.gate[2]
    assert isinstance(last, torch.nn.Conv2d)
    assert last.bias is not None
    last.weight.data.zero_()
    last.bias.data.fill_(float(LN(3.0)))
    z, projected = torch.randn(5, 2, 4), torch.randn(5, 2, 4)
    wanted = 0.75 * z + 0.25 * rebuilt(z, projected, 0.2)
    assert torch.allclose(network.gated(z, projected), wanted, atol=1e-6)


def test_an_embedding_stands_for_what_is_absent_and_nothing_in_its_place_is_read() -> None:
    made, network = begun()
    network.eval()
    with torch.no_grad():
        z = network.read(made._batch(TRAIN, np.arange(26), "cpu"))[0]
    for place, series in enumerate(TRAIN.modalities.values()):
        absent = ~series.available
        assert absent.any()
        same = torch.isclose(z[:, place], network.absent[place]).all(dim=1).numpy()
        assert np.array_equal(same, absent)


def test_a_prediction_depends_on_no_other_record() -> None:
    made, _ = begun(extractor="inception", filters=2)
    whole = made.predict(TRAIN, CONTEXT)
    assert made.predict(TRAIN.take(np.arange(3)), CONTEXT) == pytest.approx(whole[:3], abs=1e-6)


def test_the_contrastive_loss_is_added_while_it_trains() -> None:
    made, network = begun(contrast=0.5)
    batch = made._batch(TRAIN, np.arange(26), "cpu")
    network.train()
    z, projected = network.read(batch)
    here = torch.tensor(np.stack([series.available for series in TRAIN.modalities.values()], axis=1)).float()
    wanted = 0.25 * (within_records(z, here, 0.2) + within_records(projected, here, 0.2))
    outputs = network(batch)
    assert isinstance(outputs, tuple)
    assert float(outputs[1].detach()) == pytest.approx(float(wanted.detach()), abs=1e-6)
    network.eval()
    assert isinstance(network(batch), torch.Tensor)


# Sizes, and who owns what


def test_parameters_by_hand() -> None:
    made, network = begun(gate=2)
    encoder = sum(weight.numel() for weight in network.extractor.parameters())
    embeddings, projector = 2 * 4, (4 * 8 + 8) + (8 * 4 + 4)
    gate, classifier = (2 * 2 * 9 + 2) + (2 * 1 * 9 + 1), (8 * 3 + 3) + (3 * 1 + 1)
    assert made.parameters() == encoder + embeddings + projector + gate + classifier


def test_sizes_are_the_published_ones_unless_chosen() -> None:
    made = type(begun()[0])(type(begun()[0].params)())
    made.begin(made.summary(TRAIN, BINARY), CONTEXT)
    network = made.module
    assert isinstance(network, Network)
    sizes = [layer.out_features for layer in network.projector if isinstance(layer, torch.nn.Linear)]
    assert sizes == [256, 128]
    sizes = [layer.out_features for layer in network.classifier if isinstance(layer, torch.nn.Linear)]
    assert sizes == [128, 1]
    assert (made.params.contrast, made.params.temperature, made.params.learning_rate) == (0.1, 0.2, 0.01)


@pytest.mark.parametrize("extractor", ["inception", "small"])
def test_first_layers_belong_to_modalities_and_all_else_is_shared(extractor: str) -> None:
    groups = begun(extractor=extractor, filters=2)[0].groups()
    assert set(groups.values()) == {"mod/vitals", "mod/labs", "shared", "buffer"}
    for name, group in groups.items():
        own = ".first." in name or ".before." in name
        assert group.startswith("mod/") == own, name


def test_a_client_without_a_modality_leaves_its_first_layers_to_the_owners() -> None:
    poor = without(TRAIN, "labs")
    clients = {0: Client(poor, poor, ("vitals",)), 1: Client(TRAIN, TRAIN)}
    made, _ = begun()
    assert not any("mod/labs" in name for name in made.local(poor, Plan(epochs=1), CONTEXT).arrays)
    made, _ = begun()
    state = federate(made, FedAvg(NoParams()), clients, Rounds(number=1, select="last"), CONTEXT, BINARY)
    alone, _ = begun()
    reply = alone.local(TRAIN, Plan(epochs=1, name="client1"), CONTEXT)
    for name, array in reply.arrays.items():
        if name.startswith("mod/"):
            assert np.array_equal(state.arrays[name], array) == name.startswith("mod/labs"), name


def test_embeddings_are_learnt_where_something_is_absent_and_shared() -> None:
    made, network = begun()
    start = network.absent.detach().clone()
    made.local(without(TRAIN, "labs"), Plan(epochs=2), CONTEXT)
    assert not torch.equal(network.absent[1], start[1])
    assert made.groups()["shared/absent"] == "shared"
