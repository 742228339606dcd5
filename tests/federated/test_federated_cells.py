"""Cells that clients train, stage by stage on a toy cohort."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.components import Context
from bench.data.splits import PARTS
from bench.execute.job import Job
from bench.federated.settings import Partition, Rounds
from bench.metrics.patterns import SMALLEST
from bench.stages.clients import _shown, clients_of, held, in_words, narrowed
from bench.stages.fusing import fuse
from bench.stages.imputing import impute, load
from bench.stages.view import _views, view
from bench.testing.toy import toy_cohort
from support.toy_stages import prepared

COHORT = toy_cohort(n=150, length=6, absent=0.1)
SITES = np.array(["north", "south", "west"])[np.arange(len(COHORT)) // 2 % 3]
COHORT = replace(COHORT, columns={"site": SITES})
SUITE = """
name = "clients"
title = "t"
dataset = "toy"
grid = { task = ["toy"], scenario = ["mcar"], imputer = ["locf"], fuser = ["gru"], federation = ["fedavg"], seed = [1] }
controls = { imputer = [], fuser = [] }
audits = { cells = [] }
scenario = { mcar = { rate = 0.3 } }
partition = { by = "site" }
rounds = { number = 3 }
fuser = { gru = { hidden = 4, epochs = 3 } }
"""


def run(folder, *words, cohort=COHORT):
    """Federation -> the cell, what it measured, and the world it was run in."""
    _views.clear()  # kept by keys, which do not know that the toy has another content
    folder.mkdir(exist_ok=True)
    planned, setup, registry = prepared(folder, SUITE, cohort, *words, columns=("site",))
    outputs = {}
    for cell in planned.cells:
        for stage in ("impute", "fuse"):
            job = Job(id=cell.keys[stage], stage=stage, label="", cell=cell)
            context = Context(seed=cell.coordinates.seed, scratch=setup.scratch(job))
            if stage == "fuse":
                outputs[cell.coordinates.federation] = fuse(job, setup, registry, context)
            elif not setup.store.has(f"impute/{job.id}"):
                impute(job, setup, registry, context)
    return {cell.coordinates.federation: cell for cell in planned.cells}, outputs, setup, registry


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return run(tmp_path_factory.mktemp("world"))


def test_the_record_of_a_federated_cell_says_who_had_what_and_what_was_sent(world):
    _, outputs, _, _ = world
    assert outputs["central"].measures.federated is None
    for name in ("fedavg", "local"):
        kept = outputs[name].measures.federated
        assert [part.client for part in kept.clients] == ["north", "south", "west"]
        counts = outputs[name].measures.counts
        for part in PARTS:
            each = [getattr(client, part) for client in kept.clients]
            assert None in each or sum(each) == counts[part]
        assert kept.rule == "3 clients, subjects by their site"
    trained = outputs["fedavg"].measures.federated.fuser
    assert [done.number for done in trained.rounds] == [1, 2, 3]
    assert 1 <= trained.best <= 3
    parameters = outputs["fedavg"].measures.costs["parameters"]
    assert trained.up == trained.down == {"shared": 3 * 3 * 4 * parameters}
    assert outputs["fedavg"].measures.costs["steps"] == trained.steps == 9  # three clients, one step, three rounds
    assert outputs["local"].measures.federated.fuser is None


def test_every_client_predicts_alone_what_no_other_client_taught(world, tmp_path):
    """Values and labels of other clients change no prediction of a client that trains by itself."""
    cells, outputs, _, _ = world
    rng = np.random.default_rng(0)
    others = SITES != "south"
    label = np.array(COHORT.targets["toy"])
    label[others] = rng.permutation(label[others])
    changed = replace(COHORT, targets={"toy": label})
    _, again, _, _ = run(tmp_path / "other", cohort=changed)
    before, after = outputs["local"].predictions, again["local"].predictions
    south = np.isin(before.ids, COHORT.ids[~others])
    assert south.any()
    assert np.array_equal(before.outputs[south], after.outputs[south])
    assert not np.array_equal(before.outputs[~south], after.outputs[~south])
    assert cells["local"].coordinates.fuser == "gru · local"


def test_an_imputer_that_learns_from_sums_is_one_artifact_for_all_federations(world):
    cells, _, setup, _ = world
    assert len({cell.keys["impute"] for cell in cells.values()}) == 1
    assert load(setup.store, cells["fedavg"].keys["impute"]).trained is None


def test_an_imputer_that_rounds_train_leaves_how_they_did(tmp_path):
    words = ("imputer=csdi-quick", "controls.federation=", "rounds.number=2", "rounds.steps=2", "fuser.gru.epochs=1")
    tiny = [f"imputer.csdi-quick.{each}" for each in ("channels=4", "heads=1", "layers=1", "solver_steps=2")]
    cells, outputs, setup, _ = run(tmp_path, *words, *tiny)
    trained = load(setup.store, cells["fedavg"].keys["impute"]).trained
    assert outputs["fedavg"].measures.federated.imputer == trained
    assert outputs["fedavg"].measures.costs["imputer_steps"] == trained.steps
    assert len(trained.rounds) == 2
    assert trained.sums > 0


def test_a_modality_that_a_client_lacks_is_absent_from_its_training_and_validation_records_alone(tmp_path):
    cells, _, setup, registry = run(tmp_path, "partition.visible=1", "controls.federation=", "fuser.gru.epochs=1")
    cell = cells["fedavg"]
    seen = view(cell, setup, registry)
    clients = clients_of(setup.partition, setup.classes, seen.recorded)
    rows = {client: clients.of(COHORT.groups.tolist(), client) for client in clients.owned}
    for client, owned in clients.owned.items():
        assert len(owned) == 1
        for name in COHORT.modalities:
            own, recorded = rows[client], COHORT.modalities[name].observed
            learns, test = own[seen.parts[own] != 2], own[seen.parts[own] == 2]
            series = seen.recorded.modalities[name]
            assert series.observed[learns].any() == (name in owned and recorded[learns].any())
            assert (series.events.take(learns).counts.sum() > 0) == (name in owned)
            assert np.array_equal(series.observed[test], recorded[test])


def test_a_federated_cell_is_audited(world):
    _, outputs, _, _ = world
    audits = {name: output.measures.audits for name, output in outputs.items()}
    assert "clients-apart" not in audits["central"]
    assert audits["fedavg"]["clients-apart"].passed
    assert audits["local"]["clients-apart"].passed
    assert audits["fedavg"]["declared-alone-sent"].passed
    assert audits["local"]["declared-alone-sent"].passed is None
    assert all(audit.passed is not False for each in audits.values() for audit in each.values())


def test_narrowing_by_clients_that_have_everything_changes_nothing():
    clients = clients_of(Partition(clients=4), "", COHORT)
    same = narrowed(COHORT, np.zeros(len(COHORT), np.int8), clients)
    assert all(same.modalities[name] is series for name, series in COHORT.modalities.items())


def test_no_count_below_the_least_is_kept_nor_can_be_worked_out_from_the_others():
    for counts in ([100, 3, 50], [100, 3, 4, 50], [2, 0, 30], [5, 6, 7], [10, 10]):
        shown = _shown(counts)
        hidden = [count for count, kept in zip(counts, shown, strict=True) if kept is None]
        assert all(kept is None or kept == 0 or kept >= SMALLEST for kept in shown)
        assert not hidden or sum(hidden) >= SMALLEST or len(hidden) == sum(count > 0 for count in counts)


def test_a_partition_is_told_in_words():
    assert in_words(Partition(clients=3, seed=4), 3, "toy") == "3 clients, subjects dealt evenly, seed 4"
    assert in_words(Partition(clients=1, visible=1), 1, "").startswith(
        "1 client, subjects dealt evenly, seed 0, 1 modality each"
    )
    by_site = in_words(Partition(by="site", unknown="client"), 3, "")
    assert by_site == "3 clients, subjects by their site, those without one at a client of their own, unknown"
    words = in_words(Partition(by="dirichlet", clients=2, alpha=0.5, overlap=0.1), 2, "toy")
    assert words == (
        "2 clients, subjects by a Dirichlet draw over the classes of toy (alpha 0.5), seed 0, "
        "10% of the subjects also train at a second client"
    )


def test_rounds_are_told_in_words():
    assert held(Rounds(number=1), 1) == "1 round of 1 epoch, 1 client in each"
    rounds = Rounds(number=3, steps=5, per_round=2, needed=2, dropout=0.1, straggle=0.2)
    assert held(rounds, 4) == (
        "3 rounds of 5 steps of a client, 2 of 4 clients in each, dropout 0.1, straggle 0.2, 2 answers needed"
    )


def test_records_without_a_value_of_the_column_are_those_of_a_client_that_the_record_counts(tmp_path):
    gaps = replace(COHORT, columns={"site": np.where(SITES == "west", "", SITES)})
    words = ("partition.unknown=client", "controls.federation=", "rounds.number=1", "rounds.steps=1")
    _, outputs, _, _ = run(tmp_path, *words, cohort=gaps)
    kept = outputs["fedavg"].measures.federated
    assert [part.client for part in kept.clients] == ["north", "south", "unknown"]
    assert kept.held == "1 round of 1 step of a client, all 3 clients in each"
    assert all(part.train for part in kept.clients)


SMALL = [f"fuser.condi.{word}" for word in (
    "width=4", "filters=2", "hidden=4", "channels=4", "heads=1", "layers=1", "feedforward=4", "step_width=4", "time_width=4",
    "feature_width=2", "context_width=4", "expert_width=4", "diffusion_steps=3", "epochs=1", "bound=4",
)]  # fmt: skip


def test_a_fuser_that_completes_by_itself_is_scored_on_it_however_it_is_trained(tmp_path):
    """By rounds, centrally, and by clients that each complete their own records."""
    words = ("imputer=none", "fuser=condi", "draws=2", "rounds.number=1", "audits.cells=", *SMALL)
    _, outputs, _, _ = run(tmp_path / "own", *words)
    assert outputs.keys() == {"fedavg", "central", "local"}
    for output in outputs.values():
        measures = output.measures
        assert measures.completion["all"]["hidden"] >= 100
        assert measures.costs["completion_draws"] == 2
        assert {name: audit.passed for name, audit in measures.audits.items() if name.startswith("completion-")} == {
            "completion-untouched": True, "completion-independent": True, "completion-nested": True,
        }  # fmt: skip
    scores = [output.measures.completion["all"]["mae"] for output in outputs.values()]
    assert len(set(scores)) == 3
