"""`bench tune`: the same number of trials for every fuser, chosen by the validation part alone."""

from __future__ import annotations

import sys
import types

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cohort import Task
from bench.errors import PluginError, UsageError
from bench.grid.plan import plan
from bench.tuning.file import Trial
from bench.tuning.proposer import Proposer, version
from bench.tuning.search import best_of, check_same, concluded, protocol_of, request_of, seen, tune
from support.asking import SMALL, Asker, made_registry
from support.tuning_world import Sealed, World

pytest.importorskip("optuna")

SPACES = {
    "flat": {"space": {"rate": (0.1, 0.2, 0.3), "steps": (10, 20, 30)}},
    "net": {"space": {"rate": (0.5, 0.6, 0.7, 0.8), "on": (False, True), "layers": ((8, 8), (4,))}},
    "tree": {"space": {}},
}


def rate(cell):
    return cell.fuser.params["rate"]


@pytest.fixture
def ask(tmp_path):
    made = Asker(tmp_path)
    made.registry = made_registry(**SPACES)
    made.text = SMALL.replace('fuser = ["flat"]', 'fuser = ["flat", "net"]')
    return made


def understood(ask, *words):
    ask.file.write_text(ask.text)
    return request_of([f"suite={ask.file}", *words], ask.registry)


def tuned(ask, *words, score=rate, world=None):
    made = understood(ask, *words)
    world = world or World(ask.registry, score)
    protocol = protocol_of(made, plan(made.request, ask.registry, "m", "cpu"), ask.registry)
    return tune(made, ask.registry, protocol, world, lambda line: None)


def test_every_fuser_gets_the_same_number_of_different_trials_the_defaults_first(ask):
    found = tuned(ask, "trials=7")
    assert {name: len(fuser.trial) for name, fuser in found.items()} == {"flat": 7, "net": 7}
    for fuser in found.values():
        assert len({msgspec.json.encode(trial.values) for trial in fuser.trial}) == 7
    assert found["flat"].trial[0].values == {"rate": 0.1, "steps": 10}
    assert found["flat"].default["rate"] == 0.1


def test_the_best_validation_score_is_chosen_and_no_test_score_is_read(ask):
    found = tuned(ask, "trials=9")["flat"]
    assert found.best_score == max(trial.score for trial in found.trial) == 0.3
    assert found.chosen == {**found.default, **found.trial[found.best].values}
    assert found.default_score == 0.1


def test_a_reader_of_test_scores_would_be_caught(ask):
    with pytest.raises(AssertionError, match="test score"):
        _ = Sealed(status="ok").scores


def test_the_value_of_the_suite_is_one_of_those_to_choose_from(ask):
    ask.text += "[fuser.flat]\nrate = 0.9\n"
    found = tuned(ask, "fuser=flat", "trials=12")["flat"]
    assert (found.best, found.best_score, len(found.trial)) == (0, 0.9, 12)
    assert {trial.values["rate"] for trial in found.trial} == {0.1, 0.2, 0.3, 0.9}


def test_a_space_that_is_smaller_than_the_trials_is_tried_whole(ask):
    found = tuned(ask, "trials=50")
    assert {name: len(fuser.trial) for name, fuser in found.items()} == {"flat": 9, "net": 20}


def test_a_fuser_without_a_space_has_one_trial_and_says_so(ask):
    found = tuned(ask, "fuser=tree", "trials=5")["tree"]
    assert (len(found.trial), found.best) == (1, 0)
    assert "declares no space" in found.note


def test_what_does_not_beat_the_defaults_changes_nothing(ask):
    found = tuned(ask, score=lambda cell: 0.7)["net"]
    assert (found.best, found.chosen) == (0, found.default)


def test_of_a_metric_that_is_better_when_small_the_smallest_is_chosen(ask):
    ask.registry = made_registry(**SPACES, made={"tasks": [Task("ihm", "regression", ("mae",))]})
    found = tuned(ask, "fuser=flat", "trials=9", score=lambda cell: -rate(cell))["flat"]
    assert found.best_score == min(trial.score for trial in found.trial) == -0.3


def test_a_trial_that_fails_counts_says_why_and_is_never_chosen(ask):
    found = tuned(ask, "fuser=flat", "trials=9", score=lambda c: "timeout" if rate(c) == 0.3 else rate(c))["flat"]
    lost = [trial for trial in found.trial if trial.score is None]
    assert [(trial.status, trial.reason, trial.values["rate"]) for trial in lost] == [("timeout", "as told", 0.3)] * 3
    assert found.best_score == 0.2
    assert found.seconds == 6 * 1.5 + 3 * 9.0


def test_where_the_defaults_fail_another_trial_may_be_chosen(ask):
    found = tuned(ask, "fuser=flat", "trials=9", score=lambda c: "oom" if rate(c) == 0.1 else rate(c))["flat"]
    assert (found.default_score, found.best_score) == (None, 0.3)


def test_where_all_trials_fail_the_defaults_stay_and_it_is_said(ask):
    found = tuned(ask, score=lambda cell: "failed")["flat"]
    assert (found.best, found.best_score, found.chosen) == (0, None, found.default)
    assert "no trial has a validation score" in found.note


def test_a_validation_part_without_a_score_is_no_zero(ask):
    found = tuned(ask, score=lambda cell: None if rate(cell) == 0.1 else rate(cell))["flat"]
    assert found.trial[0].score is None
    assert "has no auroc" in found.trial[0].reason


def test_the_score_of_a_trial_is_the_mean_over_its_cells_and_a_hole_is_no_mean(ask):
    found = tuned(ask, "fuser=flat", "seed=1,2", "trials=1", score=lambda cell: cell.coordinates.seed / 10)["flat"]
    assert found.trial[0].score == pytest.approx(0.15)
    holed = tuned(
        ask, "fuser=flat", "seed=1,2", "trials=1", score=lambda c: "failed" if c.coordinates.seed == 2 else 0.9
    )["flat"]
    assert (holed.trial[0].score, holed.trial[0].status) == (None, "failed")


def values(fuser):
    return [trial.values for trial in fuser.trial]


def test_the_same_command_makes_the_same_trials_whatever_other_fusers_are_tuned(ask):
    both, alone = tuned(ask, "trials=8"), tuned(ask, "trials=8", "fuser=net")
    assert both["net"] == alone["net"]
    assert values(tuned(ask, "trials=8", "fuser=net", "seed=5")["net"]) != values(alone["net"])


def test_later_trials_follow_the_scores_and_the_first_half_does_not(ask):
    up = values(tuned(ask, "fuser=net", "trials=14")["net"])
    down = values(tuned(ask, "fuser=net", "trials=14", score=lambda cell: -rate(cell))["net"])
    assert up[:7] == down[:7]
    assert up[7:] != down[7:]


def test_trials_that_do_not_need_each_other_are_run_together(ask):
    world = World(ask.registry, rate)
    tuned(ask, "trials=8", world=world)
    assert world.rounds == 1 + 4
    assert len(world.ran) == 16


def test_a_parameter_on_the_command_line_stays_as_it_was_said(ask):
    found = tuned(ask, "fuser=flat", "fuser.flat.rate=0.25", "trials=9")["flat"]
    assert {trial.values["steps"] for trial in found.trial} == {10, 20, 30}
    assert len(found.trial) == 3
    assert found.chosen["rate"] == 0.25


def test_a_run_that_was_stopped_has_no_result(ask):
    assert tuned(ask, world=World(ask.registry, rate, stop_after=2)) is None


def test_the_first_of_each_axis_is_tuned_on_unless_words_name_others(ask):
    ask.text = ask.text.replace('imputer = ["plain"]', 'imputer = ["plain", "deep"]').replace(
        '["ihm"]', '["ihm", "los"]'
    )
    grid = understood(ask).request.suite.grid
    assert (grid.task, grid.imputer, grid.seed) == (("ihm",), ("plain",), (1,))
    grid = understood(ask, "imputer=plain,deep", "grid.seed=1,2", "task=los").request.suite.grid
    assert (grid.task, grid.imputer, grid.seed) == (("los",), ("plain", "deep"), (1, 2))


def test_controls_are_tuned_too_unless_fusers_are_named(ask):
    ask.text = ask.text.replace("fuser = []", 'fuser = ["tree"]')
    assert understood(ask).request.suite.grid.fuser == ("flat", "net", "tree")
    assert understood(ask, "fuser=net").request.suite.grid.fuser == ("net",)
    assert not understood(ask).request.suite.controls.imputer


def test_a_trial_that_failed_an_audit_has_no_score_and_is_never_chosen(ask):
    """The best trials break a promise: another one is chosen, and the file says why."""
    world = World(ask.registry, rate)

    def run(request):
        ran = world(request)
        failed = {cell.key: ["batch-independent"] for cell in ran.cells if rate(cell) == 0.3}
        return msgspec.structs.replace(ran, failed=failed)

    found = tuned(ask, "fuser=flat", "trials=9", world=run)["flat"]
    assert found.chosen["rate"] == 0.2
    lost = [trial for trial in found.trial if trial.values["rate"] == 0.3]
    assert len(lost) == 3
    assert {(trial.score, trial.reason) for trial in lost} == {(None, "failed the audit batch-independent")}


def test_trials_have_no_audit_cells(ask):
    ask.text = ask.text.replace("cells = []", 'cells = ["repeat", "permuted-labels"]')
    world = World(ask.registry, rate)
    tuned(ask, "trials=2", world=world)
    assert not [cell for cell in world.ran if cell.coordinates.audit]


def test_the_file_stands_with_the_results_and_bears_the_profile(ask):
    ask.text += "[profiles.paper]\ndraws = 2\n"
    assert understood(ask, "out=here").to.parts[-3:] == ("here", "tuned", "small.toml")
    assert understood(ask, "profile=paper").to.name == "small-paper.toml"
    assert str(understood(ask, "to=my, file.toml").to) == "my, file.toml"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("trials=0",), '"trials" = 0 is not accepted (from the command line): a whole number from 1'),
        (("trials=many",), '"trials" = many is not accepted'),
        (("trials=2,3",), '"trials" takes one value'),
        (("tuned=x.toml",), "is a word of bench run"),
        (("trails=3",), '"trails" is not known'),
        (("task=ihm,los",), "metrics of two do not add up"),
        (("fuser=flat,nett",), 'did you mean "net"'),
        (("fuser.flat.rate=0.1,0.2",), "flat has 2 rows in this suite (flat(rate=0.1), flat(rate=0.2))"),
    ],
)
def test_what_cannot_be_tuned_is_refused_with_what_to_type(ask, words, said):
    with pytest.raises(UsageError) as caught:
        understood(ask, *words)
    assert said in str(caught.value)


def test_a_space_with_a_value_that_its_parameter_does_not_take_is_refused(ask):
    with pytest.raises(PluginError, match=r'"space.rate" = 7.0 is not accepted \(from fuser flat of bench\)'):
        made_registry(flat={"space": {"rate": (0.1, 7.0)}})


def test_fusers_that_were_tuned_otherwise_do_not_share_a_file(ask, tmp_path):
    def protocol(*words):
        made = understood(ask, *words)
        return protocol_of(made, plan(made.request, ask.registry, "m", "cpu"), ask.registry)

    here = types.SimpleNamespace(protocol=protocol())
    check_same(here, protocol("fuser=net"), tmp_path)
    for words, name in [(("trials=3",), "trials"), (("seed=2",), "seed"), (("imputer.plain.rate=0.3",), "imputer")]:
        with pytest.raises(UsageError, match=f"tuned otherwise \\({name}: .* give another to=FILE"):
            check_same(here, protocol(*words), tmp_path)


def test_without_optuna_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"pip install 'gapbench\[tune\]'"):
        version()


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(0, 2**63))
def test_proposals_reach_every_combination_once(sizes, seed):
    proposer = Proposer(sizes, seed, True)
    proposed = []
    while (combination := proposer.propose()) is not None:
        proposed.append(combination)
        proposer.learn(combination, float(sum(combination)))
    total = 1
    for size in sizes:
        total *= size
    assert len(proposed) == len(set(proposed)) == total - 1
    assert (0,) * len(sizes) not in proposed


@given(st.lists(st.none() | st.sampled_from([0.1, 0.2, 0.3]), min_size=1), st.booleans())
def test_the_best_is_the_first_that_no_other_beats(scores, higher):
    trials = [Trial(values={}, status="ok", score=score) for score in scores]
    known = [score for score in scores if score is not None]
    best = best_of(trials, higher)
    assert best == (scores.index(max(known) if higher else min(known)) if known else 0)


def test_a_score_that_is_not_finite_is_none():
    record = Sealed(status="ok", reason="", validation={"auroc": float("nan")}, costs={})
    assert concluded({}, [seen(record, "auroc")]).score is None
