"""A label, as plans and tables print it, is a word: it stands for the row that has it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.config.request import request
from bench.config.words import spoken
from bench.errors import UsageError
from bench.grid.axes import COMPONENTS
from bench.grid.cell import Cell
from bench.grid.matching_rows import Label, matching, the_one
from bench.registry import discover
from bench.tuning.search import request_of
from bench_federations.params import FedProxParams
from support.asking import SMALL, Asker, made_registry
from support.pages import page

METHODS = {"imputer": ("plain", "deep"), "fuser": ("flat", "net"), "scenario": ("mcar",)}
GRID = ("imputer=plain,deep", "fuser=flat,net", "scenario=natural,mcar", "seed=1")
TRAINED = ("federation=near,local", "federation.near.mu=0.1,0.5", "partition.clients=2")

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "rate": st.floats(0, 1).map(lambda value: round(value, 3)),
    "steps": st.integers(1, 2000),
    "layers": st.lists(st.integers(1, 64), min_size=1, max_size=3),
    "note": st.text("abc =,()+5", max_size=8).map(str.strip),
    "on": st.booleans(),
}
"""Parameter of the made methods -> its values."""


def table(only: tuple[str, ...] = tuple(VALUES)) -> st.SearchStrategy[dict[str, Any]]:
    """What is written of a method: for some parameters a value or a sweep."""
    values = {
        name: VALUES[name] if name == "layers" else VALUES[name] | st.lists(VALUES[name], min_size=1, max_size=3, unique=True)
        for name in only
    }  # fmt: skip
    return st.fixed_dictionaries({}, optional=values)


@pytest.fixture
def ask(tmp_path: Path) -> Asker:
    asker = Asker(tmp_path)
    asker.registry.federation("near", "bench_federations.averaging:FedProx", params=FedProxParams)
    return asker


def scored(asker: Asker, *words: str) -> list[Cell]:
    return [cell for cell in asker.plan(*words).cells if not cell.coordinates.audit]


def said_of(kind: str, cells: list[Cell]) -> dict[str, None]:
    """The labels of an axis that a plan of these cells prints."""
    return {getattr(cell.coordinates, kind): None for cell in cells}


FUZZ = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@FUZZ
@given(data=st.data())
def test_a_label_that_a_plan_prints_selects_its_cells_and_no_others(ask: Asker, data: st.DataObject) -> None:
    written = {kind: {name: data.draw(table()) for name in METHODS[kind]} for kind in METHODS}
    ask.text = SMALL + tomli_w.dumps({kind: dict(methods) for kind, methods in written.items()})
    pinned = data.draw(st.dictionaries(st.sampled_from(["rate", "steps"]), st.just("7e-1"), max_size=1))
    words = (*GRID, *(f"imputer.deep.rate={value}" for key, value in pinned.items() if key == "rate"))
    cells = scored(ask, *words)
    kind = data.draw(st.sampled_from([*METHODS]))
    label = data.draw(st.sampled_from([*said_of(kind, cells)]))
    if "(" not in label:
        label = f"{label}()"
    word = spoken(kind, [label]).strip("'") if not set("'\"") & set(label) else f"{kind}={label}"
    kept = [each for each in words if not each.startswith(f"{kind}=")]
    if kind == "imputer" and not label.startswith("deep"):
        kept = [each for each in kept if not each.startswith("imputer.deep")]
    expected = [cell for cell in cells if getattr(cell.coordinates, kind) == label.removesuffix("()")]
    assert scored(ask, *kept, word) == expected


@FUZZ
@given(data=st.data())
def test_a_label_makes_the_row_that_its_parameters_made(ask: Asker, data: st.DataObject) -> None:
    """The label of a row that words made, given back without these words."""
    chosen = data.draw(st.dictionaries(st.sampled_from(["rate", "steps", "layers", "on"]), st.none(), min_size=1))
    values = {name: data.draw(VALUES[name]) for name in chosen}
    words = [spoken(f"imputer.deep.{name}", value).strip("'") for name, value in values.items()]
    pinned = scored(ask, "imputer=deep", *words)
    (label,) = said_of("imputer", pinned)
    assert scored(ask, f"imputer={label}") == pinned
    assert ask.plan(f"imputer={label}").request.overrides == ()


def test_labels_select_in_the_order_in_which_they_are_asked_for(ask: Asker) -> None:
    ask.text += "\n[fuser.flat]\nsteps = [1, 2, 3]\n"
    cells = scored(ask, "fuser=flat(steps=3),net,flat( steps = 1 )", "seed=1")
    assert [*said_of("fuser", cells)] == ["flat(steps=3)", "flat(steps=1)", "net"]


def test_a_name_stands_for_all_rows_of_a_method_and_empty_brackets_for_the_one_that_has_none(ask: Asker) -> None:
    ask.text += "\n[fuser.flat]\nalso = [{ steps = 2 }]\n"
    assert [*said_of("fuser", scored(ask, "fuser=flat"))] == ["flat", "flat(steps=2)"]
    assert [*said_of("fuser", scored(ask, "fuser=flat()"))] == ["flat"]
    assert [*said_of("fuser", scored(ask, "fuser=flat,flat(steps=9)"))] == ["flat", "flat(steps=2)", "flat(steps=9)"]


def test_controls_stay_and_one_that_is_asked_for_by_its_label_is_that_row_alone(ask: Asker) -> None:
    ask.text = SMALL.replace("[controls]\nimputer = []", '[controls]\nimputer = ["hole"]')
    ask.text += "\n[imputer.hole]\nsteps = [1, 2]\n"
    trees = ("fuser=tree", "seed=1")
    assert [*said_of("imputer", scored(ask, *trees, "imputer=plain(steps=3)"))] == [
        "plain(steps=3)", "hole(steps=1)", "hole(steps=2)",
    ]  # fmt: skip
    assert [*said_of("imputer", scored(ask, *trees, "imputer=hole(steps=2)"))] == ["hole(steps=2)"]


@pytest.mark.parametrize("kind", [kind for kind in COMPONENTS if kind != "federation"])
def test_a_label_that_names_what_trained_it_selects_its_cells_and_no_others(ask: Asker, kind: str) -> None:
    ask.registry = registry_of_learners(ask)
    cells = scored(ask, *GRID, *TRAINED, "fuser.net.steps=1,2")
    for label in said_of(kind, cells):
        words = [word for word in (*GRID, *TRAINED) if not word.startswith(f"{kind}=")]
        words += ["fuser.net.steps=1,2"] * (kind != "fuser" or label.startswith("net"))
        row, _, federation = label.partition(" · ")
        same = [
            cell
            for cell in cells
            if getattr(cell, kind).label == row and federation in ("", cell.coordinates.federation)
        ]
        assert scored(ask, *words, f"{kind}={label if '(' in label or federation else f'{label}()'}") == same


def registry_of_learners(ask: Asker) -> Any:
    registry = made_registry(net={"tags": {"torch", "learner"}}, deep={"tags": {"torch", "draws", "learner"}})
    registry.federation("near", "bench_federations.averaging:FedProx", params=FedProxParams)
    return registry


def test_a_label_brings_the_federation_that_it_names_where_no_word_does(ask: Asker) -> None:
    ask.registry = registry_of_learners(ask)
    ask.text += "\n[partition]\nclients = 2\n"
    cells = scored(ask, "fuser=net · near(mu=0.5)", "controls.federation=")
    assert {cell.coordinates.fuser for cell in cells} == {"net · near(mu=0.5)"}
    with pytest.raises(UsageError, match="names a federation that is not in this run; add: federation=near"):
        scored(ask, "fuser=net · near,flat")
    central = scored(ask, "federation=near", "fuser=net · central")
    assert {cell.coordinates.fuser for cell in central} == {"net"}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("fuser=flat(stepz=2)", r'"fuser.flat.stepz" is not known \(from the command line\); did you mean'),
        ("fuser=flat(steps=many)", r'"fuser.flat.steps" = "many" is not accepted \(from the command line\)'),
        ("fuser=flatt(steps=2)", r'fuser "flatt" is not known \(from the command line\); did you mean "flat"'),
        ("fuser=flat(quick)", r'fuser "flat\(quick\)" \(from the command line\) is no row of this run.*there: flat$'),
        ("fuser=flat(note=.../w.pt)", r"is no row of this run.*there: flat$"),
        ("fuser=flat(steps=2),flat(steps=2)", r'"fuser" names flat\(steps=2\) twice'),
        ("imputer=plain(weights=0123abcd)", "was loaded, and its weights are not in this run; add: weights=0123abcd"),
    ],
)
def test_a_label_that_is_no_row_is_refused_with_what_there_is(ask: Asker, word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ask.request(word).loading({})


def test_brackets_that_say_less_than_a_label_stand_for_all_rows_that_say_as_much(ask: Asker) -> None:
    ask.text += "\n[fuser.flat]\nsteps = [1, 2]\nrate = [0.1, 0.2]\nalso = [{ steps = 2 }]\n"
    ones = ["flat(rate=0.1, steps=1)", "flat(rate=0.2, steps=1)"]
    assert [*said_of("fuser", scored(ask, "fuser=flat(steps=1)"))] == ones
    assert [*said_of("fuser", scored(ask, "fuser=flat(steps=2)"))] == ["flat(steps=2)"]  # the label itself comes first
    ask.text = SMALL
    assert [*said_of("fuser", scored(ask, "fuser=flat(steps=3)", "fuser.flat.rate=0.5"))] == ["flat(rate=0.5, steps=3)"]


def test_a_value_that_is_written_otherwise_than_in_labels_is_answered_with_the_label(ask: Asker) -> None:
    message = ask.refusal("fuser=flat(rate=0.50)")
    assert message.endswith("is no row of this run; with these parameters its label is flat(rate=0.5)")


def test_a_row_that_loads_weights_is_known_by_their_digest_and_without_it(ask: Asker) -> None:
    digest = "0123abcd" * 8
    for word in ("deep(steps=3, weights=0123abcd)", "deep(steps=3)"):
        request = ask.request(f"imputer={word}").loading({"deep": digest})
        assert [row.label for row in request.variants["imputer"]] == ["deep(steps=3, weights=0123abcd)"]
    with pytest.raises(UsageError, match="is no row of this run"):
        ask.request("imputer=deep(weights=ffffffff)").loading({"deep": digest})


def test_tuning_starts_from_the_row_of_a_label_and_holds_what_it_says(ask: Asker) -> None:
    ask.registry = made_registry(net={"space": {"steps": (10, 20), "rate": (0.1, 0.2)}})
    ask.text += "\n[fuser.net]\nsteps = [10, 30]\n"
    ask.file.write_text(ask.text)
    tuned = request_of([f"suite={ask.file}", "fuser=net(steps=30)"], ask.registry)
    (row,) = tuned.request.of("fuser", "net")
    assert (row.label, tuned.pinned["net"]) == ("net(steps=30)", {"steps"})


THERE = ["csdi", "csdi(steps=5)", "csdi(steps=5) · fedavg", "locf", "gru · fedavg"]


@pytest.mark.parametrize(
    ("typed", "stands_for"),
    [
        ("csdi", ["csdi"]), ("csdi()", ["csdi"]), ("locf †", ["locf"]), ("csdi(steps=5)", ["csdi(steps=5)"]),
        ("csdi( steps=5 )·fedavg", ["csdi(steps=5) · fedavg"]), ("gru", ["gru · fedavg"]), ("gru · local", []), ("mean", []),
    ],
)  # fmt: skip
def test_a_picture_takes_what_is_printed_too(typed: str, stands_for: list[str]) -> None:
    assert matching(typed, THERE) == stands_for
    if len(stands_for) == 1:
        assert the_one("imputer", typed, THERE) == stands_for[0]


def test_whatever_is_typed_is_taken_apart_without_an_error() -> None:
    for text in ("", "(", ")", "·", "a(b", "a)b", "a · ", "a()()", "a(b)c"):
        assert Label.read(text).text == text


def test_a_label_and_the_other_words_of_the_manual_make_the_same_rows() -> None:
    registry = discover()
    pairs = re.findall(
        r"^\| `'([^`]+)'` \| `([^`]+)`", page("reference/words.md").partition("### Labels")[2], re.MULTILINE
    )
    assert len(pairs) == 3
    for label, words in pairs:
        more = ["partition.clients=2"] * ("fedavg" in words)
        asked, same = (request(["suite=physionet48", *each, *more], registry) for each in ([label], words.split()))
        assert asked.variants == same.variants
