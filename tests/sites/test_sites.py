"""Sites that answer messages learn what clients in one process learn, bit by bit, and what does not
fit is refused in one line.
"""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from bench import arrays
from bench.errors import BenchError, DataError, PluginError, UsageError
from bench.federated.state import FILE
from bench.sites import messages
from bench.sites.agreement import AGREEMENT
from bench.sites.folder import prepare
from bench.sites.messages import TRAIN, VALIDATE, Message
from bench.sites.model import predict, scores, trained_by
from bench.sites.server import MODEL, serve_sites
from bench.sites.site import Site
from bench.stages.contract import TOLERANCE
from bench.stages.preparing import load
from bench.testing.toy import toy_cohort
from support.site_folders import COHORT, World, world


def serve(one: World, post=None, out="out"):
    return serve_sites(one.folders[0], one.folder / out, range(3), post or one.post, one.registry, lambda text: None)


def timeless(history):
    return [msgspec.structs.replace(done, seconds=0.0) for done in history]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["imputer=zero", "federation=fedadam"],
        ["imputer=mask_only", "federation=fedprox", "partition.visible=1"],
        ["rounds.straggle=0.5", "rounds.dropout=0.2", "rounds.select=last"],
        ["fuser=fedmm-like", "fuser.fedmm-like.epochs=1"],
        ["imputer=ridge"],
        ["privacy.clip=0.5", "privacy.noise=10", "rounds.select=last"],
    ],
    ids=" ".join,
)
def test_sites_learn_what_clients_in_one_process_learn_bit_by_bit(tmp_path, words):
    one = world(tmp_path, *words)
    whole = one.in_process()
    state = serve(one)
    trained = whole.measures.federated.fuser
    assert timeless(state.history) == timeless(trained.rounds)
    assert state.best_round == trained.best
    assert msgspec.structs.replace(trained_by(one.folder / "out" / MODEL), rounds=[]) == msgspec.structs.replace(
        trained, rounds=[]
    )
    [there, here] = [arrays.read(folder / FILE)[0] for folder in (one.folder / "scratch" / "fuse", one.folder / "out")]
    assert there.keys() == here.keys()
    assert all(np.array_equal(each, there[name]) for name, each in here.items())
    predicted = {}
    for folder in one.folders:
        test, outputs = predict(Site(folder, one.registry), one.folder / "out" / MODEL)
        predicted |= dict(zip(test.ids.tolist(), outputs, strict=True))
    assert predicted.keys() == set(whole.predictions.ids.tolist())
    outputs = np.array([predicted[each] for each in whole.predictions.ids.tolist()])
    assert outputs == pytest.approx(whole.predictions.outputs, abs=TOLERANCE["fp32"])  # rounding differs with the batch


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return world(tmp_path_factory.mktemp("toy"))


def test_a_server_that_was_stopped_goes_on_after_its_last_round(toy):
    calls = itertools.count()

    def stopping(questions):
        if next(calls) == 7:  # in the second round
            raise UsageError("site 1 did not answer")
        return toy.post(questions)

    whole = serve(toy)
    with pytest.raises(UsageError, match="did not answer"):
        serve(toy, stopping, "stopped")
    assert (toy.folder / "stopped" / FILE).exists()
    again = serve(toy, out="stopped")
    assert all(np.array_equal(again.arrays[name], each) for name, each in whole.arrays.items())


def test_what_a_site_keeps_of_its_training_is_there_in_the_next_round_and_never_sent(tmp_path, monkeypatch):
    from bench_fusers.gru.fuser import GRU

    monkeypatch.setattr(GRU, "group", lambda self, module, weight: "local" if weight.endswith("bias") else "shared")
    one = world(tmp_path, "rounds.per_round=3", "rounds.number=3")
    seen = []

    def watched(questions):
        answers = one.post(questions)
        seen.extend(name for each in (*questions.values(), *answers.values()) for name in each.arrays)
        return answers

    state = serve(one, watched)
    assert timeless(state.history) == timeless(one.in_process().measures.federated.fuser.rounds)
    assert not [name for name in seen if name.endswith("bias")]
    assert sorted(path.stem for path in (one.folders[0] / "local").iterdir()) == ["2", "3"]
    shutil.rmtree(one.folders[1] / "local")
    (one.folder / "out" / FILE).unlink()
    with pytest.raises(UsageError, match=r"site 1 cannot answer .* what this site kept of round 1 is gone"):
        serve(one, lambda questions: forgetful(one, questions))


def forgetful(one, questions):
    answers = one.post(questions)
    shutil.rmtree(one.folders[1] / "local", ignore_errors=True)
    return answers


def test_no_message_holds_an_id_or_an_array_as_long_as_the_records_of_a_site(toy):
    spoken = []

    def watched(questions):
        answers = toy.post(questions)
        spoken.extend([*questions.values(), *answers.values()])
        return answers

    serve(toy, watched, "watched")
    words = json.dumps([dict(each.about) for each in spoken])
    assert not [record for record in (*COHORT.ids.tolist(), *COHORT.groups.tolist()) if f'"{record}"' in words]
    lengths = {len(load(folder / "train.safetensors")) for folder in toy.folders}
    assert not [name for each in spoken for name, array in each.arrays.items() if lengths & {*array.shape}]
    assert {array.dtype.kind for each in spoken for array in each.arrays.values()} <= {"f", "i"}


def test_the_folder_of_a_site_holds_its_own_records_and_no_hidden_value(toy):
    held = [
        {name: load(folder / f"{name}.safetensors") for name in ("train", "valid", "test", "form")}
        for folder in toy.folders
    ]
    ids = [set(part.ids.tolist()) for parts in held for part in parts.values()]
    assert sum(map(len, ids)) == len(set().union(*ids)) == len(COHORT)
    place = {record: index for index, record in enumerate(COHORT.ids.tolist())}
    for parts in held:
        assert not len(parts["form"])
        series = parts["train"].modalities["vitals"]
        recorded = COHORT.modalities["vitals"].observed[[place[each] for each in parts["train"].ids.tolist()]]
        assert series.observed.sum() < recorded.sum()
        assert np.isnan(series.grid[~series.observed]).all()


def test_the_scores_of_a_site_are_those_of_its_own_test_records(toy):
    serve(toy)
    number, found = scores(Site(toy.folders[1], toy.registry), toy.folder / "out" / MODEL)
    assert number == len(load(toy.folders[1] / "test.safetensors"))
    assert set(found.values) | set(found.undefined) == set(Site(toy.folders[1], toy.registry).agreement.task.metrics)
    assert [done.number for done in trained_by(toy.folder / "out" / MODEL).rounds] == [1, 2]


def changed(one, kind, **fields):
    """A transport in which sites answer one kind of question otherwise."""

    def post(questions):
        answers = one.post(questions)
        for site, answer in answers.items():
            if answer.kind == kind:
                edited = {name: edit(getattr(answer, name)) for name, edit in fields.items()}
                answers[site] = replace(answer, **edited)
        return answers

    return post


def longer(names):
    return {name: np.append(each, each[:1], axis=0) if each.ndim else each for name, each in names.items()}


@pytest.mark.parametrize(
    ("kind", "fields", "error", "words"),
    [
        (TRAIN, {"arrays": longer}, PluginError, r"client [012] would send .* has the shape .* was declared"),
        (TRAIN, {"arrays": lambda each: {**each, "array/shared/more": np.ones(3)}}, PluginError, "gave no answer"),
        (TRAIN, {"about": lambda each: {**each, "n": {}}}, PluginError, "gave no answer that can be merged"),
        (TRAIN, {"arrays": lambda each: {name: np.float64(one) for name, one in each.items()}}, PluginError, "float64"),
        (VALIDATE, {"about": lambda each: {"error": "its disk is full"}}, UsageError, 'cannot answer "validate": its disk'),
        (messages.SCALING, {"arrays": longer}, UsageError, "the sums of site [012] have another form: totals/"),
        (messages.FUSER, {"about": lambda each: {"form": "other"}}, UsageError, "the records of site [012] have another form"),
    ],
)  # fmt: skip
def test_what_cannot_be_merged_is_refused_in_one_line_that_names_the_site(toy, tmp_path, kind, fields, error, words):
    with pytest.raises(error, match=words) as caught:
        serve(toy, changed(toy, kind, **fields), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_site_that_was_prepared_for_something_else_is_named_with_the_difference(tmp_path):
    one, other = world(tmp_path / "one"), world(tmp_path / "other", "fuser.gru.hidden=5")
    shutil.rmtree(one.folders[2])
    shutil.copytree(other.folders[2], one.folders[2])
    with pytest.raises(UsageError, match=r"site 2 was prepared for something else: fuser is .*:4.* here and .*:5"):
        serve(one)


def test_a_site_with_other_channels_is_refused(tmp_path):
    one, other = (
        world(tmp_path / "one"),
        world(tmp_path / "other", cohort=replace(toy_cohort(n=150, length=7), columns=COHORT.columns)),
    )
    shutil.rmtree(one.folders[2])
    shutil.copytree(other.folders[2], one.folders[2])
    with pytest.raises(UsageError, match=r"the records of site 2 have another form: .*\(7, 3\).* not .*\(6, 3\)"):
        serve(one)


def test_a_site_says_that_it_has_the_number_of_another(toy):
    answer = Site(toy.folders[1], toy.registry).answer(2, Message(messages.HELLO))
    assert "partition-id=2" in answer.about["error"]
    assert "client 1" in answer.about["error"]


def test_a_fault_in_a_component_stays_at_the_site(toy, monkeypatch, caplog):
    def fails(*arguments):
        raise ValueError("patient 17 has 41.2")

    monkeypatch.setattr(Site, "_scaling", fails)
    answer = Site(toy.folders[1], toy.registry).answer(1, Message(messages.SCALING))
    assert answer.about == {"error": "ValueError; the log of the site says more"}
    assert "patient 17" in caplog.text


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["federation=local"], "is a control"),
        (["imputer=csdi-quick"], "is trained itself"),
        (["scaling.over=everything"], "scaling.over=train"),
        (["partition.overlap=0.1"], "partition.overlap=0"),
    ],
)
def test_what_sites_cannot_train_is_refused_with_what_to_type(tmp_path, words, reason):
    with pytest.raises(UsageError, match=reason):
        world(tmp_path, *words)


def test_a_folder_that_was_not_prepared_says_how_to_prepare_it(tmp_path, toy):
    for text in (None, "{", "{}"):
        if text is not None:
            (tmp_path / AGREEMENT).write_text(text)
        with pytest.raises(DataError, match=f"bench federate prepare to={tmp_path}"):
            Site(tmp_path, toy.registry)
    with pytest.raises(UsageError, match="there is no client 7; the partition has 3"):
        prepare(tmp_path, toy.cell, toy.setup, toy.registry, "sites", 7)
    assert issubclass(DataError, BenchError)
