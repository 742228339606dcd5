"""CondI as an imputer in a federation: which arrays belong to which modalities; and that a bin is
known by its number.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.components import Context
from bench.federated.rounds import Client, Rounds, federate
from bench.learner import Plan
from bench.registry import NoParams
from bench.testing.toy import toy_cohort
from bench_federations.averaging import FedAvg
from bench_imputers.diffusion.condi import Condi
from bench_imputers.diffusion.condi_params import CondiParams
from bench_imputers.diffusion.csdi import CsdiDenoiser
from support.condi_networks import SMALL, network, shape

SIZES = {"heart": 1, "vitals": 3, "pressure": 1, "labs": 2}
COHORT = toy_cohort(n=16, length=4, modalities=SIZES).without_targets()
WITHOUT_LABS = COHORT.with_modalities(
    {
        **COHORT.modalities,
        "labs": replace(
            COHORT.modalities["labs"],
            observed=np.zeros_like(COHORT.modalities["labs"].observed),
            available=np.zeros(len(COHORT), bool),
        ),
    }
)


def begun(**chosen: object) -> Condi:
    learner = Condi(CondiParams(**(SMALL | {"steps": 2, "batch_size": 8} | chosen)))
    learner.begin(learner.summary(COHORT), Context())
    return learner


def test_the_table_is_divided_among_pairs_of_modalities() -> None:
    learner = begun()
    table = learner.networks["joint"].module.state_dict()["context.condition.table"]
    arrays = {name: array for name, array in learner.get().items() if name.startswith("pair/")}
    assert len(arrays) == 16
    assert sum(array.size for array in arrays.values()) == table.numel()
    assert np.array_equal(arrays["pair/vitals/labs/joint/context.condition.table"], table[1, 3])
    learner.set({"pair/vitals/labs/joint/context.condition.table": np.arange(7, dtype=np.float32)})
    assert table[1, 3].tolist() == list(range(7))


def test_what_one_modality_alone_has_is_its_own() -> None:
    groups = {name.rpartition("/")[2]: group for name, group in begun().groups().items()}
    first = "context.context.encoder.first"
    assert [groups[f"{first}.{k}.weight"] for k in range(3)] == ["shared", "mod/vitals", "mod/labs"]
    released = {name.rpartition("/")[2]: group for name, group in begun(profile="released").groups().items()}
    before = "context.condition.encoder.before"
    assert [released[f"{before}.{k}.convolutions.0.weight"] for k in range(4)] == [f"mod/{name}" for name in SIZES]
    assert released["context.condition.encoder.backbone.blocks.0.norm.running_mean"] == "buffer"
    for each in (groups, released):
        assert {group.partition("/")[0] for group in each.values()} <= {"shared", "mod", "pair", "buffer"}
        assert each["features"] == each["layers.0.out.weight"] == "shared"


def test_a_client_sends_nothing_of_a_modality_that_it_does_not_have() -> None:
    reply = begun().local(WITHOUT_LABS, Plan(), Context())
    assert not [name for name in reply.arrays if "labs" in name]
    assert len([name for name in reply.arrays if name.startswith("pair/")]) == 9


def test_an_entry_of_the_table_is_averaged_over_those_that_have_both_modalities() -> None:
    clients = {0: Client(COHORT, COHORT), 1: Client(WITHOUT_LABS, WITHOUT_LABS)}
    learner = begun()
    start = learner.get()
    state = federate(learner, FedAvg(NoParams()), clients, Rounds(number=1, select="last"), Context())
    alone = begun()
    alone.local(COHORT, Plan(epochs=1, name="client0"), Context())
    name = "pair/heart/labs/joint/context.condition.table"
    assert np.array_equal(state.arrays[name], alone.get()[name])
    both = "pair/heart/heart/joint/context.condition.table"
    assert not np.array_equal(state.arrays[both], alone.get()[both])
    assert not np.array_equal(state.arrays[both], start[both])


@pytest.mark.parametrize("hours", [1.0, 1 / 360_000])
def test_the_embedding_of_time_reads_the_number_of_the_bin(hours: float) -> None:
    form = replace(shape({"lead": 1}, 5), times=tuple(hours * place for place in range(5)))
    made = Condi(CondiParams(**SMALL)).build(form)
    assert isinstance(made, CsdiDenoiser)
    assert torch.equal(made.times, network({"lead": 1}).times)
    assert made.times[1, 0].item() == pytest.approx(np.sin(1.0))
