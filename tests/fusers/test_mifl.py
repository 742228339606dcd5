"""`mifl-like`: embeddings of presence and absence, the contrastive loss by hand, and what is
averaged beside mixtures.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from bench.cohort import Task
from bench.components import Context
from bench.learner import Plan, Reply
from bench_fusers.mifl.fuser import MIFL, Network, contrastive
from support.fuser_cohorts import BINARY, MULTILABEL, REGRESSION, build, cohort, unfilled, without

CONTEXT = Context(seed=2)
TRAIN = unfilled(cohort(26, absent=0.3))
E, LN = np.e, np.log
HERE, ABSENT, HEAD = "own/vitals/here.0", "own/absent", "own/classifier.0.weight"


def begun(task: Task = BINARY, **chosen: Any) -> tuple[MIFL, Network]:
    made = build("mifl-like", **{"epochs": 1, "batch_size": 13, "width": 4, "hidden": 3, **chosen})
    assert isinstance(made, MIFL)
    made.begin(made.summary(TRAIN, task), CONTEXT)
    made.learnt = True
    assert isinstance(made.module, Network)
    return made, made.module


# What is classified


def test_presence_is_added_and_absence_stands_for_what_is_absent() -> None:
    made, network = begun()
    rows = made.embed(TRAIN, CONTEXT)
    assert rows is not None
    with torch.no_grad():
        whole = network.extractors.whole(made._batch(TRAIN, np.arange(26), "cpu")).numpy()
    for place, series in enumerate(TRAIN.modalities.values()):
        own = rows[:, 4 * place : 4 * place + 4]
        wanted = np.where(
            series.available[:, None],
            whole[:, place] + network.here[place].detach().numpy(),
            network.absent[place].detach().numpy(),
        )
        assert own == pytest.approx(wanted, abs=1e-6)


def test_embeddings_begin_between_minus_1_and_1() -> None:
    _, network = begun(width=128)
    for embedding in (*network.here, network.absent):
        assert 0.9 < float(embedding.detach().abs().max()) <= 1


def test_parameters_by_hand() -> None:
    made, network = begun()
    extractors = sum(weight.numel() for weight in network.extractors.parameters())
    assert made.parameters() == extractors + 2 * 2 * 4 + (8 * 3 + 3) + (3 * 1 + 1)


def test_a_prediction_depends_on_no_other_record() -> None:
    made, _ = begun(extractor="inception", filters=2)
    whole = made.predict(TRAIN, CONTEXT)
    assert made.predict(TRAIN.take(np.arange(3)), CONTEXT) == pytest.approx(whole[:3], abs=1e-6)


# The contrastive loss


def test_the_loss_by_hand() -> None:
    z = torch.tensor([[[3.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 2.0]], [[5.0, 0.0], [5.0, 0.0]]])
    labels, here = torch.tensor([0.0, 1.0, 0.0]), torch.ones(3, 2)
    # Sums point along one axis. Records 0 and 2 have the same label and are not told apart: each
    # is at cosine 1 to itself and 0 to record 1. Record 1 has two others, at cosine 0.
    wanted = (4 * (LN(E + 1) - 1) + 2 * (LN(E + 2) - 1)) / 6
    assert float(contrastive(z, here, labels, 1.0)) == pytest.approx(wanted)


def test_absence_counts_in_the_sum_and_is_neither_near_nor_far() -> None:
    z = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    here = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    labels = torch.tensor([0.0, 1.0])
    half = np.sqrt(0.5)
    # Record 0, first modality: the sum (1, 1) to itself (1, 0) and to (0, 1). Record 1: (0, 2) to
    # (0, 1) and (1, 0); its second modality has no other record.
    wanted = (LN(2 * np.exp(half)) - half + LN(E + 1) - 1 + 0) / 3
    assert float(contrastive(z, here, labels, 1.0)) == pytest.approx(wanted)


def test_any_of_several_labels_tells_records_apart() -> None:
    z = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    apart = contrastive(z, torch.ones(2, 1), torch.tensor([[1.0, 0.0], [1.0, 1.0]]), 1.0)
    alike = contrastive(z, torch.ones(2, 1), torch.tensor([[1.0, 1.0], [1.0, 1.0]]), 1.0)
    assert float(apart) == pytest.approx(LN(E + 1) - 1)
    assert float(alike) == pytest.approx(0)


@pytest.mark.parametrize(("task", "changes"), [(BINARY, True), (MULTILABEL, True), (REGRESSION, False)])
def test_a_regression_has_no_contrastive_loss(task: Task, changes: bool) -> None:
    learnt = []
    for contrast in (0.0, 5.0):
        made, _ = begun(task, contrast=contrast, average=0.0)
        made.local(TRAIN, Plan(steps=2), CONTEXT)
        learnt.append(made.get()[HERE])
    assert np.array_equal(*learnt) != changes


# What is merged


def test_embeddings_are_averaged_uniformly_and_the_rest_is_mixed_for_each_client() -> None:
    made, _ = begun(average=0.0)
    start, answers = made.get(), {}
    trains = [cohort(9, seed=1), cohort(20, seed=2), without(cohort(9, seed=3), "vitals")]
    for client, train in enumerate(trains):
        made.set(start)
        answers[client] = made.local(train, Plan(epochs=1, name=f"client{client}"), CONTEXT)
    own = made.merge_own(1, answers)
    assert HERE not in answers[2].arrays
    for name, clients in ((HERE, (0, 1)), (ABSENT, (0, 1, 2))):
        wanted = np.mean([answers[client].arrays[name] for client in clients], axis=0)
        assert own[name] == pytest.approx(wanted, abs=1e-7)
        assert not any(name in own[client] for client in range(3))
    assert not np.array_equal(own[0][HEAD], own[1][HEAD])
    assert own[HEAD] == pytest.approx(np.mean([own[client][HEAD] for client in range(3)], axis=0), abs=1e-7)


def test_equal_clients_merge_to_themselves() -> None:
    made, _ = begun()
    arrays = {name: array for name, array in made.get().items()}
    own = made.merge_own(1, {k: Reply(arrays, {}, {}, {}, {}) for k in range(3)})
    for name, array in arrays.items():
        assert own[name] == pytest.approx(array, abs=1e-6)


def test_presence_belongs_to_its_modality() -> None:
    made, _ = begun()
    groups = made.groups()
    assert set(groups.values()) == {"own", "own/vitals", "own/labs"}
    assert groups[HERE] == "own/vitals"
    assert groups[ABSENT] == "own"
    sent = made.local(without(TRAIN, "labs"), Plan(epochs=1), CONTEXT).arrays
    assert not any("/labs/" in name for name in sent)
    assert ABSENT in sent
