"""`fedinmm`: what absent modalities count for, both gates by hand, and who owns which reader."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bench.components import Context
from bench.federated.rounds import Client, Rounds, federate
from bench.learner import Plan
from bench.registry import NoParams
from bench_federations.averaging import FedAvg
from bench_fusers.fedinmm.fuser import FedInMM, Network
from support.fuser_cohorts import BINARY, REGISTRY, build, cohort, unfilled

CONTEXT = Context(seed=2)
TRAIN = unfilled(cohort(26, absent=0.3))
ABSENT = {name: ~series.available for name, series in TRAIN.modalities.items()}


def begun(**chosen: Any) -> tuple[FedInMM, Network]:
    made = build("fedinmm", **{"epochs": 1, "batch_size": 13, "width": 4, **chosen})
    assert isinstance(made, FedInMM)
    made.begin(made.summary(TRAIN, BINARY), CONTEXT)
    made.learnt = True
    assert isinstance(made.module, Network)
    return made, made.module


def always(logit: float, channels: int) -> nn.Sequential:
    """A gate that gives everything the same weight."""
    layer = nn.Conv1d(2, channels, 1)
    layer.weight.data.zero_()
    assert layer.bias is not None
    layer.bias.data.fill_(logit)
    return nn.Sequential(layer, nn.Sigmoid())


def read(made: FedInMM, network: Network) -> torch.Tensor:
    network.eval()
    with torch.no_grad():
        return network.read(made._batch(TRAIN, np.arange(len(TRAIN)), "cpu"))


def test_gates_multiply_and_the_mean_counts_every_modality() -> None:
    made, network = begun()
    network.fine, network.coarse = always(0.0, 2), always(float(np.log(3.0)), 1)
    whole = read(made, network)
    assert made.embed(TRAIN, CONTEXT) == pytest.approx(whole.mean(dim=1).numpy() * 0.5 * 0.75, abs=1e-6)


def test_an_absent_modality_is_0_and_nothing_in_its_place_is_read() -> None:
    made, network = begun()
    whole = read(made, network)
    for place, absent in enumerate(ABSENT.values()):
        assert not whole[absent, place].any()
        assert whole[~absent, place].abs().sum(dim=1).min() > 0


def test_a_record_without_any_modality_gets_what_the_last_layer_gives_to_nothing() -> None:
    made, network = begun()
    nothing = np.logical_and(*ABSENT.values())
    assert nothing.any()
    bias = float(network.head.bias.detach()[0])
    assert made.predict(TRAIN, CONTEXT)[nothing, 0] == pytest.approx(1 / (1 + np.exp(-bias)), abs=1e-6)


def test_the_order_of_bins_counts() -> None:
    made, _ = begun()
    backward = TRAIN.with_modalities(
        {
            name: type(series)(**{**vars(series), "grid": series.grid[:, ::-1]})
            for name, series in TRAIN.modalities.items()
        }
    )
    assert not np.allclose(made.predict(TRAIN, CONTEXT), made.predict(backward, CONTEXT), atol=1e-6)


def test_sizes_are_the_published_ones_unless_chosen() -> None:
    spec = REGISTRY.get("fuser", "fedinmm")
    made = spec.build({})
    made.begin(made.summary(TRAIN, BINARY), CONTEXT)
    reader = made.module.readers[0]
    assert [layer.out_features for layer in reader.bins if isinstance(layer, nn.Linear)] == [256, 512, 128]
    assert (reader.states.num_layers, reader.states.hidden_size) == (2, 128)
    assert [layer.out_channels for layer in made.module.fine if isinstance(layer, nn.Conv1d)] == [64, 2]
    assert [layer.out_channels for layer in made.module.coarse if isinstance(layer, nn.Conv1d)] == [32, 32, 1]
    assert (made.params.optimizer, made.params.learning_rate, made.params.batch_size) == ("adam", 1e-3, 32)


def test_readers_belong_to_modalities_and_all_else_is_shared() -> None:
    groups = begun()[0].groups()
    for name, group in groups.items():
        owner = {"readers.0": "mod/vitals", "readers.1": "mod/labs"}.get(".".join(name.split("/")[-1].split(".")[:2]))
        assert group == (owner or "shared")
    assert {"mod/vitals", "mod/labs", "shared"} == set(groups.values())


def test_a_client_without_a_modality_leaves_its_reader_to_the_owners() -> None:
    made, _ = begun()
    labs = TRAIN.modalities["labs"]
    bare = type(labs)(
        **{**vars(labs), "observed": np.zeros_like(labs.observed), "available": np.zeros(len(TRAIN), bool)}
    )
    poor = TRAIN.with_modalities({**TRAIN.modalities, "labs": bare})
    clients = {0: Client(poor, poor, ("vitals",)), 1: Client(TRAIN, TRAIN)}
    state = federate(made, FedAvg(NoParams()), clients, Rounds(number=1, select="last"), CONTEXT, BINARY)
    alone, _ = begun()
    reply = alone.local(TRAIN, Plan(epochs=1, name="client1"), CONTEXT)
    for name, array in reply.arrays.items():
        assert np.array_equal(state.arrays[name], array) == name.startswith("mod/labs"), name
