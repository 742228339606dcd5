"""Tuned rows beside default ones, and the same optimiser steps for all: what `tuned=FILE` and
`[training]` do to a plan.
"""

from __future__ import annotations

import tomllib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.config.request import request
from bench.errors import UsageError
from bench.leaderboard import render
from bench.registry import discover
from bench.run.export import planned_export
from bench.run.prepare import prepare
from bench.run.record import training_of
from bench.run.schedule import jobs_of
from bench.train_params import StepParams, TorchFuserParams
from bench.tuning.file import Trial, Tuned, TunedMethod, check_manifest, read, source_of, stated, write
from support.asking import Asker, made_registry
from support.tuned_files import DEFAULT, protocol, tuned_file, tuned_method


@pytest.fixture
def ask(tmp_path):
    return Asker(tmp_path)


@pytest.fixture
def file(tmp_path):
    return tuned_file(tmp_path / "a, file.toml")


plain = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(params=st.dictionaries(st.text(), plain, max_size=4), name=st.text(min_size=1))
def test_what_is_written_is_read_again(tmp_path_factory, params, name):
    path = tmp_path_factory.mktemp("tuned") / "x.toml"
    made = Tuned(command="a", protocol=protocol(), method={name: tuned_method(params)})
    write(path, made)
    assert read(path) == made
    assert tomllib.loads(path.read_text())["method"][name]["default"] == params


def test_parameters_without_a_value_are_left_out():
    assert stated({"steps": None, "layers": (1, 2)}) == {"layers": [1, 2]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        ("nonsense", "is no file of tuned parameters"),
        ("format = 9", "has format 9, this bench reads format 6"),
        ("format = 6", "is no file of tuned parameters, or is damaged (Object missing required field"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_what_to_type(ask, tmp_path, content, said):
    path = tmp_path / "x.toml"
    if content is not None:
        path.write_text(content)
    message = ask.refusal(f"tuned={path}")
    assert said in message
    assert "bench tune" in message


@pytest.mark.parametrize(
    ("was", "now"),
    [("rate = 0.7\nsteps = 10", "rate = 0.7\nsteps = 400"), ("best = 1", "best = 0"), ("score = 0.6", "score = 0.9"),
     ("trials = 2", "trials = 500"), ('metric = "auroc"', 'metric = "auprc"'), ("digest =", "# digest =")],
)  # fmt: skip
def test_what_was_edited_by_hand_is_not_taken_for_what_was_tuned(ask, file, was, now):
    text = file.read_text()
    assert was in text
    file.write_text(text.replace(was, now))
    message = ask.refusal(f"tuned={file}")
    assert "is not as bench tune wrote it" in message
    assert "fuser.NAME.PARAMETER=VALUE" in message


def test_a_tuned_row_stands_beside_the_row_it_came_from(ask, file):
    cells = ask.plan(f"tuned={file}", "seed=1").cells
    assert [cell.coordinates.fuser for cell in cells] == ["flat", "flat(tuned)"]
    assert [cell.fuser.params["rate"] for cell in cells] == [0.1, 0.7]
    assert cells[0].key == ask.plan("seed=1").cells[0].key
    assert cells[0].key != cells[1].key


def test_a_tuned_row_is_the_same_cell_as_the_parameters_said_by_hand(ask, file):
    by_hand = ask.plan("fuser.flat.rate=0.7", "seed=1").cells[0]
    assert ask.plan(f"tuned={file}", "seed=1").cells[1].key == by_hand.key


def test_where_the_defaults_were_chosen_both_rows_are_one_result_that_is_made_once(ask, tmp_path):
    path = tuned_file(tmp_path / "x.toml", flat=tuned_method(best=0))
    request = ask.request(f"tuned={path}", "seed=1", f"cache={tmp_path}/c", f"out={tmp_path}/o")
    request = msgspec.structs.replace(request, tuned_on="")
    prepared = prepare(request, ask.registry)
    assert len(prepared.plan.cells) == 2
    assert [job.stage for job in jobs_of(prepared, prepared.todo())].count("fuse") == 1


def test_a_fuser_that_was_edited_since_it_was_tuned_is_named_in_every_table(ask, tmp_path):
    now = source_of(ask.registry.get("fuser", "flat"))
    for source, named in ((now, False), ("", False), ("0" * 64, True)):
        fuser = msgspec.structs.replace(tuned_method(rate=0.7), source=source)
        path = tuned_file(tmp_path / "x.toml", flat=fuser)
        assert read(path).method["flat"].source == source
        [note] = ask.request(f"tuned={path}").notes
        assert ("**Edited since they were tuned, or run with other libraries: flat.**" in note) == named


def test_the_tuned_row_of_a_control_is_a_control(ask, file, tmp_path):
    ask.text = ask.text.replace("fuser = []", 'fuser = ["flat"]')
    request = ask.request(f"tuned={file}", f"cache={tmp_path}/c", f"out={tmp_path}/o")
    prepared = prepare(msgspec.structs.replace(request, tuned_on=""), ask.registry)
    assert planned_export(prepared).control_fusers == ["flat", "flat(tuned)"]


def test_of_a_sweep_the_row_that_was_tuned_has_a_tuned_one(ask, file):
    labels = [cell.coordinates.fuser for cell in ask.plan(f"tuned={file}", "fuser.flat.rate=0.1,0.4", "seed=1").cells]
    assert labels == ["flat(rate=0.1)", "flat(rate=0.4)", "flat(rate=0.1, tuned)"]


def test_the_note_says_how_it_was_chosen_what_failed_and_what_was_not_tuned(ask, tmp_path):
    short = TunedMethod(
        best=0, seconds=0, default=DEFAULT, chosen=DEFAULT, trial=(Trial(values={}, status="failed", reason="no"),)
    )
    path = tuned_file(tmp_path / "x.toml", flat=tuned_method(rate=0.7), net=short)
    (note,) = ask.request(f"tuned={path}", "fuser=flat,net,tree").notes
    assert "the best of 2 trials of each fuser by auroc of ihm on the validation part" in note
    assert "Chosen: flat rate=0.7; net the defaults." in note
    assert "Fewer trials, as many as the space holds: net 1." in note
    assert "Trials without a score: net 1." in note
    assert "Not tuned: tree." in note


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("data.clean=false",),
            'was tuned with data {"sets": [], "clean": true}, this run has {"sets": [], "clean": fal',
        ),
        (("split.seed=3",), "was tuned with split"),
        (("training.steps=5",), 'was tuned with training {}, this run has {"steps": 5}'),
        (("fill_absent=true",), "was tuned with fill_absent false, this run has true"),
        (("fuser.flat.steps=11",), "flat was tuned from steps=10, and has 11 in this run"),
        (("fuser=net",), "holds the fusers flat; none of them is in this run"),
    ],
)
def test_what_would_be_no_fair_comparison_is_refused(ask, file, words, said):
    assert said in ask.refusal(f"tuned={file}", *words)


def test_parameters_tuned_on_other_files_are_refused(ask, file):
    request = ask.request(f"tuned={file}")
    check_manifest(request, "m")
    with pytest.raises(UsageError, match="tuned on other files of made"):
        check_manifest(request, "n")
    check_manifest(ask.request(), "n")


TRAINED = {"net": {"params": TorchFuserParams}}


def test_one_line_gives_every_trained_fuser_the_same_steps(ask):
    ask.registry = made_registry(**TRAINED)
    ask.text += "[training]\nsteps = 500\n"
    request = ask.request("fuser=net,flat")
    net, flat = request.variants["fuser"]
    assert (net.params["steps"], net.label) == (500, "net")
    assert (flat.params["steps"], flat.label) == (10, "flat")


def test_a_fuser_with_steps_of_its_own_keeps_them_and_says_so(ask):
    ask.registry = made_registry(**TRAINED)
    ask.text += "[training]\nsteps = 500\n[fuser.net]\nsteps = 20\n"
    (net,) = ask.request("fuser=net").of("fuser", "net")
    assert (net.params["steps"], net.label) == (20, "net(steps=20)")


def test_all_that_the_table_sets_is_given_and_said(ask):
    ask.registry = made_registry(**TRAINED)
    ask.text += "[training]\nepochs = 32\npatience = 0\nbatch_size = 16\nlearning_rate = 4e-4\naverage = 0.99\n"
    ask.text += "[fuser.net]\nbatch_size = 8\n"
    request = ask.request("fuser=net")
    (net,) = request.of("fuser", "net")
    assert {key: net.params[key] for key in ("epochs", "patience", "learning_rate")} == {
        "epochs": 32,
        "patience": 0,
        "learning_rate": 4e-4,
    }
    assert (net.params["batch_size"], net.label) == (8, "net(batch_size=8)")
    assert (
        request.suite.training.in_words()
        == "32 epochs, no early stop, batches of 16, learning rate 0.0004, weights averaged with decay 0.99"
    )


def test_epochs_that_a_number_of_steps_overrules_are_not_said(ask):
    ask.text += "[training]\nepochs = 32\npatience = 3\n"
    assert ask.request().suite.training.in_words() == "32 epochs, patience 3"
    assert ask.request("training.steps=7").suite.training.in_words() == "7 optimiser steps"


@pytest.mark.parametrize(
    ("suite", "profile"),
    [("physionet48", "fusers")] + [(suite, profile) for suite in ("mimic48", "mosi", "mosei") for profile in ("demo", "paper")]
    + [("physionet48", "paper")],
)  # fmt: skip
def test_no_fuser_alone_averages_its_weights_where_a_suite_says_how_to_train(suite, profile):
    registry = discover()
    made = request((f"suite={suite}", f"profile={profile}"), registry)
    assert len({row.params["average"] for row in made.variants["fuser"] if "average" in row.params}) == 1


def test_without_the_line_no_key_changes_and_with_it_the_trained_ones_do(ask):
    ask.registry = made_registry(**TRAINED)
    before, after = (ask.plan(*words, "fuser=net,flat", "seed=1").cells for words in ((), ("training.steps=7",)))
    assert [a.key == b.key for a, b in zip(before, after, strict=True)] == [False, True]
    by_hand = ask.plan("fuser.net.steps=7", "fuser=net", "seed=1").cells[0]
    assert by_hand.key == after[0].key


def test_every_table_says_how_many_steps_there_were(ask, tmp_path):
    request = ask.request("training.steps=1500", f"cache={tmp_path}/c", f"out={tmp_path}/o")
    export = planned_export(prepare(request, ask.registry))
    assert "Every fuser trained step by step took 1,500 optimiser steps" in export.notes[0]
    assert export.notes[0] in render(export)["md"].decode()
    assert export.notes == msgspec.json.decode(msgspec.json.encode(export), type=type(export)).notes


def test_every_fuser_declares_a_small_space_of_values_that_it_takes():
    registry = discover()
    ours = [spec for spec in registry.specs("fuser") if spec.plugin.startswith("gapbench:")]
    assert ours
    for spec in ours:
        assert spec.space, spec.name
        for parameter, values in spec.space.items():
            assert 2 <= len({repr(getattr(spec.parameters({}), parameter)), *map(repr, values)}) <= 4
            for value in values:
                spec.parameters({parameter: value})


BUDGETS = {**TRAINED, "deep": {"params": TorchFuserParams}}


def test_imputers_and_fusers_have_budgets_of_their_own(ask):
    ask.registry = made_registry(**BUDGETS)
    ask.text += "[training]\nsteps = 500\nbatch_size = 16\n[training.imputer]\nsteps = 70\n"
    request = ask.request("fuser=net", "imputer=deep,plain")
    (net,) = request.of("fuser", "net")
    deep, plain_imputer = request.variants["imputer"]
    assert (net.params["steps"], net.params["batch_size"], net.label) == (500, 16, "net")
    assert (deep.params["steps"], deep.params["batch_size"], deep.label) == (70, TorchFuserParams().batch_size, "deep")
    assert (plain_imputer.params["steps"], plain_imputer.label) == (10, "plain")
    assert {note.partition(", unless")[0] for note in request.notes} == {
        "Every fuser trained step by step took 500 optimiser steps, batches of 16",
        "Every imputer trained step by step took 70 optimiser steps of each network",
    }


def test_an_imputer_with_steps_of_its_own_keeps_them_and_says_so(ask):
    ask.registry = made_registry(**BUDGETS)
    ask.text += "[imputer.deep]\nsteps = 20\n"
    (deep,) = ask.request("imputer=deep", "training.imputer.steps=500").of("imputer", "deep")
    assert (deep.params["steps"], deep.label) == (20, "deep(steps=20)")


def test_the_budget_of_imputers_moves_the_keys_of_those_that_are_trained_alone(ask):
    ask.registry = made_registry(**BUDGETS)
    words = ("imputer=deep,plain", "seed=1")
    before, after = (ask.plan(*words, *more).cells for more in ((), ("training.imputer.steps=7",)))
    assert [a.key == b.key for a, b in zip(before, after, strict=True)] == [False, True]
    by_hand = ask.plan("imputer=deep", "seed=1", "imputer.deep.steps=7").cells[0]
    assert by_hand.key == after[0].key


@pytest.mark.parametrize(
    ("words", "given"),
    [(("imputer=deep",), "7 optimiser steps of each network"),
     (("imputer=deep", "imputer.deep.steps=3"), "3 optimiser steps of each network"),
     (("imputer=plain",), "")],
)  # fmt: skip
def test_a_record_says_what_its_own_imputer_was_given(ask, words, given):
    ask.registry = made_registry(**BUDGETS)
    request = ask.request("training.imputer.steps=7", *words)
    (row,) = request.variants["imputer"]
    assert training_of(request.suite, row, ask.registry.get("imputer", row.name)) == given
    assert training_of(request.suite, row.loading("0" * 64), ask.registry.get("imputer", row.name)) == ""


def test_a_budget_of_imputers_refuses_no_file_of_fusers_and_the_other_way_round(ask, file, tmp_path):
    assert ask.request(f"tuned={file}", "training.imputer.steps=7").variants["fuser"][1].label == "flat(tuned)"
    imputers = protocol(kind="imputer", imputer=(), training={"steps": 7})
    path = tuned_file(tmp_path / "imputers.toml", imputers, plain=tuned_method(rate=0.7))
    request = ask.request(f"tuned={path}", "training.imputer.steps=7", "training.steps=3")
    assert request.variants["imputer"][1].label == "plain(tuned)"
    assert 'was tuned with training {"steps": 7}, this run has {}' in ask.refusal(f"tuned={path}")


@pytest.mark.parametrize("kind", ["fuser", "imputer"])
def test_what_is_marked_as_trained_by_steps_takes_them(kind):
    """Every method of the project that extends `StepParams` can be given steps; those that train
    by steps do extend it.
    """
    marked = [spec for spec in discover().specs(kind) if issubclass(spec.params, StepParams)]
    assert len(marked) > 5
    for spec in marked:
        assert spec.parameters({"steps": 7}).steps == 7
    named = [
        s for s in discover().specs(kind) if s.plugin.startswith("gapbench:") and "epochs" in s.params.__struct_fields__
    ]
    assert {spec.name for spec in named} <= {spec.name for spec in marked}
