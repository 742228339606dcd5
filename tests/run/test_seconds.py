"""Equal seconds of a calibrated clock in place of equal steps: what a plan gives, what a record
says.
"""

from __future__ import annotations

import json

import pytest

from bench.config.training import CLOCKED
from bench.registry import discover
from bench.train_params import StepParams, TorchFuserParams
from support.asking import Asker, made_registry
from support.project import SUPPORT, Project

METHODS = {"net": {"params": TorchFuserParams}, "deep": {"params": TorchFuserParams}}
TINY = [f"imputer.csdi-quick.{each}" for each in ("channels=8", "layers=1", "solver_steps=2")]


@pytest.fixture
def ask(tmp_path):
    made = Asker(tmp_path)
    made.registry = made_registry(**METHODS)
    return made


def budget(row):
    return row.params["steps"], row.params["seconds"], row.label


def test_one_line_gives_every_trained_method_the_same_seconds(ask):
    request = ask.request("fuser=net", "imputer=deep", "training.seconds=9", "training.imputer.seconds=60")
    assert budget(request.of("fuser", "net")[0]) == (None, 9.0, "net")
    assert budget(request.of("imputer", "deep")[0]) == (None, 60.0, "deep")
    assert {note.partition(", unless")[0] for note in request.notes} == {
        "Every fuser trained step by step took 9 calibrated seconds (not repeatable bit by bit)",
        "Every imputer trained step by step took 60 calibrated seconds (not repeatable bit by bit) of each network",
    }


@pytest.mark.parametrize(
    ("all_take", "its_own", "expected"),
    [
        ("seconds=60", "steps=7", (7, None, "deep(steps=7)")),
        ("steps=7", "seconds=60", (None, 60.0, "deep(seconds=60)")),
        ("seconds=60", "seconds=5", (None, 5.0, "deep(seconds=5)")),
        ("seconds=60", "steps=null", (None, 60.0, "deep(steps=null)")),
    ],
)
def test_a_method_with_a_budget_of_its_own_takes_no_other(ask, all_take, its_own, expected):
    request = ask.request("imputer=deep", f"training.imputer.{all_take}", f"imputer.deep.{its_own}")
    assert budget(request.of("imputer", "deep")[0]) == expected


def test_a_further_row_with_a_budget_has_no_other(ask):
    ask.text += "[training.imputer]\nsteps = 500\n[imputer.deep]\nalso = [{ seconds = 5.0 }, { epochs = 3 }]\n"
    rows = ask.request("imputer=deep").of("imputer", "deep")
    assert [budget(row) for row in rows] == [
        (500, None, "deep"),
        (None, 5.0, "deep(seconds=5)"),
        (500, None, "deep(epochs=3)"),
    ]


@pytest.mark.parametrize("table", ["training", "training.imputer", "fuser.net"])
def test_steps_and_seconds_together_are_refused_with_what_to_type(ask, table):
    message = ask.refusal("fuser=net", f"{table}.steps=5", f"{table}.seconds=2")
    assert "steps=5 and seconds=2 exclude each other; give one of them, and null for the other" in message


@pytest.mark.parametrize("kind", ["fuser", "imputer"])
def test_every_trained_method_takes_one_budget_and_says_so_in_its_label(kind, ask):
    """A method whose parameters check something of their own still checks this, and what its base
    checks.
    """
    marked = [spec for spec in discover().specs(kind) if issubclass(spec.params, StepParams)]
    assert len(marked) > 5
    for spec in marked:
        assert spec.parameters({"seconds": 2.5, "steps": None}).seconds == 2.5
        with pytest.raises(Exception, match="exclude each other"):
            spec.parameters({"seconds": 2.5, "steps": 3})
        if "momentum" in spec.params.__struct_fields__ and spec.parameters({}).optimizer != "sgd":
            with pytest.raises(Exception, match="give optimizer=sgd"):
                spec.parameters({"momentum": 0.5})


@pytest.mark.slow
def test_a_table_says_which_trainings_ended_by_the_clock_and_how_many_steps_they_took(project: Project) -> None:
    suite, place = f"suite={SUPPORT / 'hidden.toml'}", ("scenario=mcar", "scenario.mcar.rate=0.3", "seed=1", "draws=1")
    words = (suite, *place, "imputer=mean,csdi-quick", "fuser=linear", *TINY, "training.imputer.seconds=0.2")
    project.here("run", *words, "audits.cells=repeat")
    records = {
        (r["coordinates"]["imputer"].partition("(")[0], r["coordinates"].get("audit", "")): r for r in project.records()
    }
    clocked, plain = records["csdi-quick", ""], records["mean", ""]
    assert clocked["provenance"][CLOCKED] == "imputer"
    assert clocked["costs"]["imputer_steps"] >= 1
    assert "0.2 calibrated seconds" in clocked["provenance"]["imputer training"]
    assert CLOCKED not in plain["provenance"]
    assert "imputer_steps" not in plain["costs"]
    page = project.page(*words)
    assert "Training ended by a calibrated clock" in page
    assert "1 of 2 records say so" in page


@pytest.mark.slow
def test_a_fuser_trained_by_the_clock_is_excused_from_the_audit_that_it_cannot_pass(project: Project) -> None:
    words = (f"suite={SUPPORT / 'hidden.toml'}", "scenario=natural", "imputer=mean", "fuser=gru", "seed=1")
    project.here("run", *words, "training.seconds=0.1", "audits.cells=repeat")
    [repeat] = [record for record in project.records() if record["coordinates"].get("audit")]
    audit = repeat["audits"]["repeat-identical"]
    assert audit["passed"] is None
    assert "ends by a clock" in audit["detail"]
    [cell] = [record for record in project.records() if not record["coordinates"].get("audit")]
    assert cell["costs"]["steps"] >= 1
    assert json.dumps(cell["provenance"]).count("calibrated seconds") == 1
