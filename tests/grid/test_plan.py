"""The plan: which cells there are, and what their keys depend on."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter

import msgspec
import pytest

from bench.cohort import Task
from bench.errors import UsageError
from bench.grid import identity
from bench.grid.axes import COMPONENTS, NAMES
from bench.grid.ingredients import ingredients
from bench.grid.plan import plan
from bench.results.coordinates import Coordinates
from bench.stages import stage
from support.asking import SMALL, SUPPORT, Asker, made_registry


@pytest.fixture
def ask(tmp_path):
    return Asker(tmp_path)


def keys(planned) -> dict:
    """Coordinates without the suite's name -> key, audits included."""
    return {msgspec.structs.astuple(cell.coordinates)[1:]: cell.key for cell in planned.cells}


GRID = ("imputer=plain,deep", "fuser=flat,net", "scenario=natural,mcar", "task=ihm,los")


def test_the_cells_are_the_product_of_the_axes_in_their_order(ask):
    planned = ask.plan(*GRID)
    at = [msgspec.structs.astuple(cell.coordinates)[1:7] for cell in planned.cells]
    assert len(at) == len(set(at)) == 2**5
    assert at[0] == ("ihm", "all", "natural", "plain", "flat", 1)
    assert at[1] == ("ihm", "all", "natural", "plain", "flat", 2)
    assert at[-1] == ("los", "all", "mcar", "deep", "net", 2)


def test_every_cell_has_a_key_of_its_own_unless_nothing_differs(ask):
    planned = ask.plan(*GRID)
    assert len({cell.key for cell in planned.cells}) == len(planned.cells)


def test_planning_twice_gives_the_same(ask):
    words = (*GRID, "fuser.flat.rate=0.1,0.2", "audits.cells=repeat,permuted-labels")
    assert msgspec.json.encode(ask.plan(*words).cells) == msgspec.json.encode(ask.plan(*words).cells)


def test_methods_with_their_parameters_are_made_once_by_the_request_and_carried_by_it(ask, monkeypatch):
    """Plan, ingredients and cells hold the objects of the request; two requests of the same
    words have equal ones.
    """
    words = (*GRID, "fuser.flat.rate=0.1,0.2", "imputer.plain.steps=3", "audits.cells=repeat")
    request, again = ask.request(*words), ask.request(*words)
    assert request.variants == again.variants
    rows = [row for kind in COMPONENTS for row in request.variants[kind]]
    assert len({*rows, *(row for kind in COMPONENTS for row in again.variants[kind])}) == len(rows)
    monkeypatch.setattr("bench.grid.variants.variants", None)
    monkeypatch.setattr("bench.config.request.variants", None)
    cells = plan(request, ask.registry, "m", "cpu").cells
    assert {id(cell.chosen[kind]) for cell in cells for kind in COMPONENTS} <= set(map(id, rows))
    named = ingredients(request, ask.registry, "m", "cpu", synthetic=False)
    assert {f"parameters of {row.kind} {row.label}" for row in rows} <= named.keys()


def test_a_plan_is_made_without_loading_a_component_or_anything_heavy():
    code = """
import sys
from support.asking import Asker
from pathlib import Path
import tempfile
with tempfile.TemporaryDirectory() as folder:
    assert len(Asker(Path(folder)).plan("imputer=plain,deep", "fuser=net,tree").cells) == 8
heavy = {"torch", "pandas", "scipy", "sklearn", "bench_toy.parts"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=SUPPORT.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


CHANGES = {
    "manifest": {"manifest": "other"},
    "data": {"words": ["data.sets=a"]},
    "split seed": {"words": ["split.seed=1"]},
    "split fractions": {"words": ["split.fractions=0.6,0.2,0.2"]},
    "split rule": {"words": ["split=reference-stay"]},
    "scaling": {"words": ["scaling.winsorise=5"]},
    "scaling never cut": {"words": ["scaling.winsorise=never"]},
    "scaling over": {"words": ["scaling.over=everything"]},
    "hiding": {"words": ["hiding.parts=valid,test"]},
    "absent modalities": {"words": ["fill_absent=true"]},
    "threads": {"words": ["threads=2"]},
    "scenario parameter": {"words": ["scenario.mcar.rate=0.2"]},
    "imputer parameter": {"words": ["imputer.deep.rate=0.2"]},
    "fuser parameter": {"words": ["fuser.net.layers=8,9"]},
    "draws": {"words": ["draws=5"]},
    "precision": {"words": ["precision=bf16"]},
    "device": {"device": "cuda"},
    "modality set": {"words": ["modalities.all=labs"]},
    "dataset version": {"registry": {"made": {"version": "2"}}},
    "scenario version": {"registry": {"mcar": {"version": "2"}}},
    "imputer version": {"registry": {"deep": {"version": "2"}}},
    "fuser version": {"registry": {"net": {"version": "2"}}},
    "definition of the task": {"registry": {"made": {"tasks": [Task("ihm", "binary", ("auprc", "auroc"))]}}},
}
RANDOM = ("scenario=mcar", "imputer=deep", "fuser=net")


def changed(ask, change):
    ask.registry = made_registry(**change.get("registry", {}))
    more = {name: change[name] for name in ("manifest", "device") if name in change}
    planned = ask.plan(*RANDOM, *change.get("words", ()), **more)
    return [cell.key for cell in planned.cells]


@pytest.mark.parametrize("change", CHANGES)
def test_what_can_change_a_result_changes_its_key(ask, change):
    assert not set(changed(ask, {})) & set(changed(ask, CHANGES[change]))


def test_no_two_changes_lead_to_the_same_key(ask):
    every = [key for change in ({}, *CHANGES.values()) for key in changed(ask, change)]
    assert len(every) == len(set(every))


@pytest.mark.parametrize("name", ["NUMERICS", "SCHEMA"])
def test_the_version_of_our_own_arithmetic_and_of_records_changes_every_key(ask, monkeypatch, name):
    before = set(changed(ask, {}))
    monkeypatch.setattr(stage, name, 99)
    assert not before & set(changed(ask, {}))


def test_the_source_and_the_libraries_of_a_component_change_its_key(ask, monkeypatch):
    before = set(changed(ask, {}))
    for sources in [("changed", {"numpy": "1"}), ("changed", {"numpy": "2"})]:
        monkeypatch.setattr(identity, "sources", lambda module, sources=sources: sources)
        after = set(changed(ask, {}))
        assert not before & after
        before |= after


INDIFFERENT = [
    ("limits.time=9m",), ("limits.memory=2GiB",), ("stats.resamples=5",), ("stats.alpha=0.1",), ("stats.seed=3",),
    ("stats.correction=holm",), ("title=other",), ("summary=other",), ("workers=7",), ("out=/elsewhere",),
    ("cache=/elsewhere",), ("budget=1h",), ("retry=false",),
    ("shuffle=4",), ("data.root=/elsewhere",), ("audits.cells=",), ("controls.fuser=tree",),
]  # fmt: skip


@pytest.mark.parametrize("words", INDIFFERENT, ids=lambda words: words[0])
def test_what_can_change_no_result_changes_no_key(ask, words):
    before, after = keys(ask.plan(*GRID)), keys(ask.plan(*GRID, *words))
    assert before.items() <= after.items()


def test_the_name_of_a_suite_changes_no_key(ask):
    before = keys(ask.plan(*GRID))
    ask.text = SMALL.replace('"small"', '"other"')
    assert keys(ask.plan(*GRID)) == before


def test_the_name_of_a_modality_set_changes_no_key(ask):
    one, two = ask.plan("modalities.bed=labs", "modalities=bed"), ask.plan("modalities.lab=labs", "modalities=lab")
    assert [cell.key for cell in one.cells] == [cell.key for cell in two.cells]


def test_a_default_that_is_said_changes_no_key(ask):
    plain, said = ask.plan(*RANDOM), ask.plan(*RANDOM, "fuser.net.rate=0.1")
    assert [cell.key for cell in plain.cells] == [cell.key for cell in said.cells]
    assert said.cells[0].coordinates.fuser == "net(rate=0.1)"


def test_the_order_of_words_changes_no_cell(ask):
    words = [*GRID, "fuser.flat.rate=0.1,0.2", "fuser.flat.steps=1,2", "seed=3,4", "audits.cells=repeat"]
    one, two = ask.plan(*words), ask.plan(*reversed(words))
    assert one.cells == two.cells


@pytest.mark.parametrize(
    "more",
    ["imputer=plain,deep,hole", "fuser=flat,net,tree", "seed=1,2,3", "scenario=natural,mcar,mcar2", "task=ihm,los"],
)
def test_adding_to_an_axis_changes_no_key_that_was_there(ask, more):
    ask.registry.scenario("mcar2", "bench_toy.parts:Toy", randomness="seeded")
    words = {word.partition("=")[0]: word for word in ("audits.cells=repeat", *GRID, "task=ihm")}
    before = keys(ask.plan(*words.values()))
    after = keys(ask.plan(*{**words, more.partition("=")[0]: more}.values()))
    assert before.items() < after.items()


def test_precision_and_device_are_in_the_keys_of_what_runs_on_torch_only(ask):
    words = ("imputer=plain", "fuser=flat,net")
    plain = ask.plan(*words)
    for other in (ask.plan(*words, "precision=bf16"), ask.plan(*words, device="cuda")):
        same = {a.fuser.name: a.key == b.key for a, b in zip(plain.cells, other.cells, strict=True)}
        assert same == {"flat": True, "net": False}


def test_draws_are_in_the_keys_of_imputers_that_draw_only(ask):
    one, five = ask.plan("imputer=plain,deep"), ask.plan("imputer=plain,deep", "draws=5")
    same = {a.imputer.name: a.keys["impute"] == b.keys["impute"] for a, b in zip(one.cells, five.cells, strict=True)}
    assert same == {"plain": True, "deep": False}


@pytest.mark.parametrize(
    ("words", "masks", "imputations"),
    [
        (("scenario=natural", "imputer=plain"), 1, 1),
        (("scenario=natural", "imputer=deep"), 1, 2),
        (("scenario=mcar", "imputer=plain"), 2, 2),
        (("scenario=mcar", "imputer=deep"), 2, 2),
    ],
)
def test_the_seed_is_in_the_key_of_a_stage_only_from_the_first_random_one_on(ask, words, masks, imputations):
    cells = ask.plan(*words).cells
    assert len(cells) == 2
    assert len({cell.keys["hide"] for cell in cells}) == masks
    assert len({cell.keys["impute"] for cell in cells}) == imputations
    assert len({cell.key for cell in cells}) == 2


def test_imputations_are_shared_by_fusers_and_tasks(ask):
    cells = ask.plan("imputer=plain,deep", "fuser=flat,net,tree", "task=ihm,los", "scenario=mcar", "seed=1..3").cells
    assert len(cells) == 2 * 3 * 2 * 3
    assert len({cell.keys["impute"] for cell in cells}) == 2 * 3
    assert len({cell.keys["hide"] for cell in cells}) == 3


def test_a_mask_does_not_depend_on_the_modality_set_but_an_imputation_does(ask):
    cells = ask.plan("modalities.bed=labs", "modalities=all,bed", "seed=1").cells
    assert len({cell.keys["hide"] for cell in cells}) == 1
    assert len({cell.keys["impute"] for cell in cells}) == 2


def test_controls_are_crossed_with_everything_and_marked(ask):
    planned = ask.plan("seed=1", "controls.imputer=deep,plain", "controls.fuser=tree")
    at = [(cell.imputer.name, cell.imputer.control, cell.fuser.name, cell.fuser.control) for cell in planned.cells]
    assert at == [
        ("plain", True, "flat", False), ("plain", True, "tree", True),
        ("deep", True, "flat", False), ("deep", True, "tree", True),
    ]  # fmt: skip


def test_a_combination_without_sense_is_skipped_with_its_reason_where_it_was_asked_for(ask):
    planned = ask.plan("seed=1", "imputer=hole,plain", "fuser=flat,tree")
    assert {(c.imputer.name, c.fuser.name): c.skip for c in planned.cells} == {
        ("hole", "flat"): "hole leaves NaN and flat is not nan_aware",
        ("hole", "tree"): "", ("plain", "flat"): "", ("plain", "tree"): "",
    }  # fmt: skip


def test_a_combination_without_sense_is_left_out_where_only_a_control_asked_for_it(ask):
    planned = ask.plan("seed=1", "fuser=flat,tree", "controls.imputer=hole")
    assert [(c.imputer.name, c.fuser.name) for c in planned.cells] == [
        ("plain", "flat"),
        ("plain", "tree"),
        ("hole", "tree"),
    ]


def test_sweeps_make_a_row_for_every_combination_with_its_values_in_the_label(ask):
    planned = ask.plan("seed=1", "fuser.flat.steps=1,2", "fuser.flat.rate=0.1,0.25", "imputer.plain.layers=1,2")
    labels = [cell.coordinates.fuser for cell in planned.cells]
    assert labels == [
        "flat(rate=0.1, steps=1)", "flat(rate=0.1, steps=2)", "flat(rate=0.25, steps=1)", "flat(rate=0.25, steps=2)",
    ]  # fmt: skip
    assert planned.cells[0].fuser.params["steps"] == 1
    assert {cell.coordinates.imputer for cell in planned.cells} == {"plain(layers=1+2)"}


def test_a_label_holds_what_the_command_line_or_a_sweep_set_and_nothing_else(ask):
    ask.text = SMALL + "\n[fuser.flat]\nrate = 0.3\nsteps = [1, 2]\n"
    assert {c.coordinates.fuser for c in ask.plan().cells} == {"flat(steps=1)", "flat(steps=2)"}
    assert {c.coordinates.fuser for c in ask.plan("fuser.flat.steps=5").cells} == {"flat(steps=5)"}
    assert {c.fuser.params["rate"] for c in ask.plan().cells} == {0.3}


def test_further_rows_are_laid_over_what_is_no_sweep(ask):
    ask.text = (
        SMALL
        + "\n[fuser.flat]\nrate = 0.3\nsteps = [1, 2]\nalso = [{ steps = 3, rate = 0.6 }, { rate = [0.7, 0.8] }]\n"
    )
    rows = {c.coordinates.fuser: c.fuser.params for c in ask.plan("fuser=flat").cells}
    assert list(rows) == [
        "flat(steps=1)",
        "flat(steps=2)",
        "flat(rate=0.6, steps=3)",
        "flat(rate=0.7)",
        "flat(rate=0.8)",
    ]
    assert [params["rate"] for params in rows.values()] == [0.3, 0.3, 0.6, 0.7, 0.8]
    assert rows["flat(rate=0.7)"]["steps"] == rows["flat(rate=0.8)"]["steps"] not in (1, 2, 3)


@pytest.mark.parametrize(
    ("also", "message"),
    [
        ("[{ steps = 2 }]", r"makes the row flat\(steps=2\) a second time \(from small.toml, line \d+\)"),
        ("{ steps = 2 }", r"is a list of tables.*also = \[\{ NAME = VALUE \}\]"),
        ("[3]", "is a list of tables"),
        ("[{ stepz = 2 }]", r"fuser.flat.stepz.*small.toml, line \d+.*did you mean.*flat.steps"),
        ("[{ steps = 0.5 }]", r"fuser.flat.steps.*0.5.*small.toml, line \d+"),
    ],
)
def test_further_rows_that_cannot_be_are_refused_with_their_place(ask, also, message):
    ask.text = SMALL + f"\n[fuser.flat]\nsteps = [1, 2]\nalso = {also}\n"
    with pytest.raises(UsageError, match=message):
        ask.plan("fuser=flat")


def test_values_that_differ_a_little_have_labels_that_differ(ask):
    cells = ask.plan("seed=1", "fuser.flat.rate=0.12345678,0.12345679,0.5").cells
    assert [c.coordinates.fuser for c in cells] == ["flat(rate=0.12345678)", "flat(rate=0.12345679)", "flat(rate=0.5)"]


def test_one_audit_cell_of_each_kind_per_task_and_fuser(ask):
    planned = ask.plan(*GRID, "audits.cells=permuted-labels,repeat")
    audits = [cell for cell in planned.cells if cell.coordinates.audit]
    assert Counter((c.coordinates.audit, c.coordinates.task, c.fuser.name) for c in audits) == {
        (audit, task, fuser): 1
        for audit in ("permuted-labels", "repeat")
        for task in ("ihm", "los")
        for fuser in ("flat", "net")
    }
    assert planned.cells[-len(audits) :] == tuple(audits)


def test_an_audit_cell_stands_on_the_first_combination_that_can_be_run_and_has_a_key_of_its_own(ask):
    planned = ask.plan("imputer=hole,plain", "fuser=flat", "controls.imputer=deep", "audits.cells=repeat")
    audit = planned.cells[-1]
    assert (audit.coordinates.audit, audit.imputer.name, audit.coordinates.seed) == ("repeat", "plain", 1)
    twin = next(c for c in planned.cells if c.coordinates == msgspec.structs.replace(audit.coordinates, audit=""))
    assert audit.keys["impute"] == twin.keys["impute"]
    assert audit.key != twin.key


def test_an_audit_cell_stands_on_a_control_where_there_is_nothing_else(ask):
    planned = ask.plan("imputer=plain", "controls.imputer=plain", "audits.cells=repeat")
    assert planned.cells[-1].coordinates.audit == "repeat"


def test_all_axes_of_the_grid_are_coordinates(ask):
    assert {field.name for field in msgspec.structs.fields(Coordinates)} == {"suite", *NAMES, "audit"}


def test_ten_thousand_cells_are_planned_within_seconds(ask):
    start = time.perf_counter()
    planned = ask.plan("imputer=plain,deep", "fuser=flat,net", "scenario=mcar", "seed=0..999", "fuser.net.steps=1..4")
    assert len(planned.cells) == 10_000
    assert time.perf_counter() - start < 5


def test_a_label_shows_of_an_absolute_path_only_what_it_leads_to(ask):
    planned = ask.plan("fuser.flat.note=/home/me/w.pt,/home/you/w.pt,~/other/v.pt")
    labels = list(dict.fromkeys(cell.coordinates.fuser for cell in planned.cells))
    assert len(labels) == 3
    assert all(label.startswith("flat(note=.../w.pt#") for label in labels[:2])
    assert labels[2] == "flat(note=.../v.pt)"
    assert [cell.fuser.params["note"] for cell in planned.cells[::2]] == [
        "/home/me/w.pt", "/home/you/w.pt", "~/other/v.pt",
    ]  # fmt: skip
