"""`bench tune kind=imputer`: by the error on entries that are hidden in the validation part, and
by nothing else.
"""

from __future__ import annotations

import tomllib
import types

import msgspec
import pytest

from bench.errors import UsageError
from bench.grid.plan import plan
from bench.registry import discover
from bench.train_params import TrainParams
from bench.tuning.file import Tuned, read, write
from bench.tuning.search import check_hidden, check_same, protocol_of, request_of, tune
from support.asking import SMALL, SUPPORT, Asker, made_registry
from support.tuned_files import protocol as other_protocol
from support.tuned_files import tuned_file, tuned_method
from support.tuning_world import World

pytest.importorskip("optuna")

SPACES = {
    "plain": {"space": {"rate": (0.1, 0.2, 0.3)}},
    "deep": {"space": {"rate": (0.5, 0.7), "steps": (10, 20, 30)}},
}
HIDING = {"natural": {"path": "bench.scenarios.natural:Natural"}, "mcar": {"path": "bench.scenarios.mcar:Mcar"}}


@pytest.fixture
def ask(tmp_path):
    made = Asker(tmp_path)
    made.registry = made_registry(**SPACES, **HIDING)
    made.text = SMALL.replace('imputer = ["plain"]', 'imputer = ["plain", "deep"]').replace(
        "[controls]\nimputer = []\nfuser = []", '[controls]\nimputer = ["hole"]\nfuser = ["tree"]'
    )
    return made


def understood(ask, *words):
    ask.file.write_text(ask.text)
    return request_of([f"suite={ask.file}", "kind=imputer", "scenario=mcar", *words], ask.registry)


def protocol(ask, made):
    return protocol_of(made, plan(made.request, ask.registry, "m", "cpu"), ask.registry)


def rate(cell):
    return cell.imputer.params["rate"]


def tuned(ask, *words, score=rate, world=None):
    made = understood(ask, *words)
    return tune(made, ask.registry, protocol(ask, made), world or World(ask.registry, score), lambda line: None)


def test_every_imputer_gets_the_same_number_of_trials_and_the_smallest_validation_error_wins(ask):
    found = tuned(ask, "trials=3", score=lambda cell: -rate(cell))
    assert {name: len(method.trial) for name, method in found.items()} == {"plain": 3, "deep": 3}
    for method in found.values():
        scores = [trial.score for trial in method.trial]
        assert method.best_score == min(scores) == scores[method.best]
        assert method.chosen == {**method.default, **method.trial[method.best].values}


def test_the_score_is_over_all_modalities_and_the_seconds_are_the_imputer_s(ask):
    found = tuned(ask, "imputer=plain", "trials=1")["plain"]
    assert (found.default_score, found.seconds) == (0.1, 25.0)


def test_trials_are_cells_of_one_fuser_the_first_control(ask):
    world = World(ask.registry, rate)
    tuned(ask, "trials=2", world=world)
    assert {cell.coordinates.fuser for cell in world.ran} == {"tree"}
    world = World(ask.registry, rate)
    tuned(ask, "trials=2", "fuser=flat", world=world)
    assert {cell.coordinates.fuser for cell in world.ran} == {"flat"}


def test_an_audit_of_the_fuser_is_not_held_against_an_imputer_and_one_of_its_own_is(ask):
    def failing(audit):
        world = World(ask.registry, rate)

        def run(request):
            ran = world(request)
            return msgspec.structs.replace(ran, failed={cell.key: [audit] for cell in ran.cells})

        return tuned(ask, "imputer=plain", "trials=1", world=run)["plain"].trial[0]

    assert failing("batch-independent").score == 0.1
    broken = failing("imputer-independent")
    assert (broken.score, broken.reason) == (None, "failed the audit imputer-independent")


def test_a_trial_without_a_hidden_entry_has_no_score_and_says_so(ask):
    trial = tuned(ask, "imputer=plain", "trials=1", score=lambda cell: None)["plain"].trial[0]
    assert (trial.score, trial.reason) == (None, "the validation part has no mae of hidden entries")


def test_controls_that_fill_nothing_are_left_out_and_refused_where_they_are_named(ask):
    assert understood(ask).request.suite.grid.imputer == ("plain", "deep")
    with pytest.raises(UsageError, match="imputer hole fills nothing and cannot be tuned; name others: imputer=NAME"):
        understood(ask, "imputer=plain,hole")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("scenario=natural",), "scenario natural hides nothing, .* give scenario=NAME, one of mcar"),
        (("scenario=mcar,natural",), "scenario natural hides nothing"),
        (("scenario=mcar", "hiding.parts=test"), "hides in test alone .hiding.parts.*give hiding.parts=valid,test"),
        (("scenario=mcar", "hiding.parts=train,test"), "hides in train and test alone"),
    ],
)
def test_where_nothing_is_hidden_in_the_validation_part_it_is_said_before_anything_is_run(ask, words, said):
    ask.file.write_text(ask.text)
    made = request_of([f"suite={ask.file}", "kind=imputer", *words], ask.registry)
    with pytest.raises(UsageError, match=said):
        check_hidden(made, plan(made.request, ask.registry, "m", "cpu"), ask.registry)


def test_fusers_are_tuned_where_nothing_is_hidden_as_before(ask):
    ask.file.write_text(ask.text)
    made = request_of([f"suite={ask.file}"], ask.registry)
    check_hidden(made, plan(made.request, ask.registry, "m", "cpu"), ask.registry)


def test_an_unknown_kind_is_refused_with_the_nearest(ask):
    with pytest.raises(UsageError, match=r'kind "imputr" is not known .* did you mean "imputer"'):
        request_of([f"suite={ask.file}", "kind=imputr"], ask.registry)


def test_a_file_holds_one_kind_and_imputers_have_a_file_of_their_own(ask, tmp_path):
    made = understood(ask, "out=here")
    assert made.to.name == "small-imputers.toml"
    with pytest.raises(UsageError, match=r"holds fusers that were tuned otherwise \(kind: fuser there, imputer now"):
        check_same(types.SimpleNamespace(protocol=other_protocol()), protocol(ask, made), tmp_path)


def test_the_fuser_that_completes_the_cells_is_no_part_of_the_protocol_and_the_draws_are(ask):
    first = protocol(ask, understood(ask))
    assert protocol(ask, understood(ask, "fuser=flat")) == first
    assert protocol(ask, understood(ask, "draws=3")) == msgspec.structs.replace(first, draws=3)


@pytest.fixture
def files(ask, tmp_path):
    """A file of fusers and one of imputers, as they are tuned on the suite."""
    path = tmp_path / "imputers.toml"
    found = tuned(ask, "trials=3", score=lambda cell: -rate(cell))
    chosen = Tuned(command="bench tune", protocol=protocol(ask, understood(ask)), method=found)
    write(path, chosen)
    assert read(path) == chosen
    return tuned_file(tmp_path / "fusers, mine.toml"), path


def test_tuned_imputers_stand_beside_the_defaults(ask, files):
    cells = ask.plan(f"tuned={files[1]}", "seed=1", "fuser=flat", "scenario=mcar").cells
    rows = {cell.coordinates.imputer: cell.imputer.params["rate"] for cell in cells if cell.coordinates.fuser == "flat"}
    assert rows["plain"] == 0.1
    assert rows["plain(tuned)"] == max(rate for label, rate in rows.items() if label.startswith("plain"))
    assert {"deep", "deep(tuned)", "hole"} >= rows.keys() - {"plain", "plain(tuned)"}


def test_both_files_apply_each_to_its_kind_and_both_are_noted(ask, files):
    request = ask.request(f"tuned={files[0]},{files[1]}", "scenario=mcar")
    assert [row.label for row in request.variants["fuser"]] == ["flat", "flat(tuned)", "tree"]
    assert {"plain", "plain(tuned)"} <= {row.label for row in request.variants["imputer"]}
    fusers, imputers = request.notes
    assert fusers.startswith("Rows called tuned: the best of 2 trials of each fuser by auroc of ihm")
    assert imputers.startswith("Imputers called tuned: the best of 8 trials of each imputer by mae on hidden entries")
    assert "Not tuned: hole." in imputers


def test_two_files_of_one_kind_are_refused(ask, files):
    assert "both hold imputers; give one file of each kind" in ask.refusal(f"tuned={files[1]},{files[1]}")


def test_two_files_of_other_data_are_refused(ask, files, tmp_path):
    other = tuned_file(tmp_path / "other.toml", other_protocol(manifest="n"), flat=tuned_method(rate=0.7))
    assert "was tuned on other files of made than the other file" in ask.refusal(f"tuned={other},{files[1]}")


def test_every_trained_imputer_declares_a_small_space_of_values_that_it_takes():
    ours = [spec for spec in discover().specs("imputer") if spec.plugin.startswith("gapbench:")]
    trained = [
        spec for spec in ours if issubclass(spec.params, TrainParams) or "epochs" in spec.params.__struct_fields__
    ]
    assert len(trained) > 10
    for spec in trained:
        assert spec.space, spec.name
        for parameter, values in spec.space.items():
            assert 2 <= len({repr(getattr(spec.parameters({}), parameter)), *map(repr, values)}) <= 4
            for value in values:
                spec.parameters({parameter: value})


def test_a_person_tunes_imputers_and_runs_both_rows(project):
    words = (
        f"suite={SUPPORT / 'hidden.toml'}",
        "imputer=around,mean",
        "scenario=mcar",
        "scenario.mcar.rate=0.3",
        "seed=1",
    )
    told = project.here("tune", *words, "kind=imputer", "trials=3")
    assert "default mae of hidden entries (validation)" in told.stdout
    assert "mean: it declares no space: nothing to choose" in told.stderr
    path = project.folder / "results" / "tuned"
    (path,) = path.glob("hidden*-imputers.toml")
    made = tomllib.loads(path.read_text())
    trials = {trial["values"]["width"]: trial["score"] for trial in made["method"]["around"]["trial"]}
    assert sorted(trials) == [0.5, 1.0, 2.0]
    assert min(trials.values()) == trials[0.5]
    recorded = [record["imputation_validation"]["all"]["mae"] for record in project.records()]
    assert set(trials.values()) <= set(recorded)
    tested = {record["imputation"]["all"]["mae"] for record in project.records()}
    assert not {f"{score:.4f}" for score in tested - set(recorded)} & set(told.stdout.split())
    ran = project.here("run", *words, f"tuned={path}")
    assert "4 cells: 4 ok" in ran.stdout
    table = project.page(words[0])
    assert "around(tuned)" in table
    assert "Imputers called tuned: the best of 3 trials of each imputer by mae on hidden entries" in table
    refused = project.here("tune", words[0], "kind=imputer", "scenario=natural", code=2)
    assert "scenario natural hides nothing" in refused.stderr
