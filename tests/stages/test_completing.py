"""A fuser that completes the series by itself: what it is paired with, how its completion is
scored, audited, kept and shown.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.gate.quantities import Quantity, read
from bench.leaderboard.board import Board
from bench.leaderboard.sections import imputation, imputer_costs, tables
from bench.leaderboard.sections.cells import cells
from bench.plots.parity import parities
from bench.registry import Registry
from bench.results.collect import collect
from bench.results.completions import completion_of, imputations
from bench.results.records import COMPLETION_AUDITS, Export, Record, failed_audits
from bench.run.export import planned_export
from bench.run.prepare import Prepared
from bench.testing import check
from support import inline

FUSERS = {
    "fills": "Fills", "draws": "Draws", "moves-own": "Moves", "company": "Company", "unnested-own": "Unnested",
    "declines": "Declines", "partly": "Partly", "holes-own": "Holes",
}  # fmt: skip
LABEL = "fills (fuser, toy)"


@pytest.fixture(scope="module")
def known() -> Registry:
    registry = inline.registry()
    for name, attribute in FUSERS.items():
        tags = ("own_imputer", "nan_aware", *(["draws"] * (name not in ("fills", "declines", "partly", "holes-own"))))
        registry.fuser(
            name, f"bench_toy.completing:{attribute}", summary="completes", seconds=0.01, tags=tags, randomness="seeded"
        )
    return registry


def prepared(folder: Path, known: Registry, *words: str) -> Prepared:
    return inline.prepared(folder, known, *words)


def ran(folder: Path, known: Registry, *words: str) -> tuple[Prepared, dict[tuple[str, str], Record]]:
    """The run, and its records by imputer and fuser."""
    made = prepared(folder, known, *words)
    inline.run(made)
    return made, {(r.coordinates.imputer, r.coordinates.fuser): r for r in inline.records(made)}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, known: Registry) -> tuple[Prepared, Export]:
    """Two seeds of imputer `zero`, of a fuser that fills zeros, and of one that draws."""
    folder = tmp_path_factory.mktemp("completing")
    made, _ = ran(
        folder, known, "imputer=zero", "controls.imputer=none,mask_only", "fuser=blind,fills,draws", "seed=1,2"
    )
    return made, collect(planned_export(made), made.ledger)


def of(export: Export, imputer: str, fuser: str) -> list[Record]:
    return [r for r in export.records if (r.coordinates.imputer, r.coordinates.fuser) == (imputer, fuser)]


def test_it_is_paired_with_controls_alone_which_fill_nothing(tmp_path: Path, known: Registry) -> None:
    plan = prepared(tmp_path, known, "imputer=zero,none", "controls.imputer=mask_only,mean", "fuser=fills,level").plan
    skips = {(c.coordinates.imputer, c.coordinates.fuser): c.skip for c in plan.cells}
    assert "fills completes the series by itself, so imputer zero would change nothing" in skips["zero", "fills"]
    assert "imputer=none" in skips["zero", "fills"]
    assert skips["none", "fills"] == skips["mask_only", "fills"] == skips["mean", "level"] == ""
    assert ("mean", "fills") not in skips
    assert "not nan_aware" in skips["none", "level"]


def test_a_fuser_that_fills_zeros_has_the_scores_of_the_imputer_that_does(world: tuple[Prepared, Export]) -> None:
    _, export = world
    for own, other in zip(of(export, "none", "fills"), of(export, "zero", "blind"), strict=True):
        assert other.imputation["all"]["hidden"] > 100
        assert own.completion == other.imputation
        assert own.imputation == {}
        assert own.completion_errors == other.imputation_errors


def test_a_fuser_that_draws_is_scored_on_all_its_draws(world: tuple[Prepared, Export]) -> None:
    _, export = world
    for record in of(export, "none", "draws"):
        assert record.costs["completion_draws"] == 3
        assert {"crps", "coverage50"} <= record.completion["all"].keys()
        assert record.completion["all"]["crps"] < record.completion["all"]["mae"] * 2


def test_a_control_that_hides_all_values_has_no_completion_to_score(world: tuple[Prepared, Export]) -> None:
    _, export = world
    assert [record.completion for record in of(export, "mask_only", "fills")] == [{}, {}]


def test_it_passes_the_audits_of_imputers(world: tuple[Prepared, Export]) -> None:
    _, export = world
    for fuser in ("fills", "draws"):
        for record in of(export, "none", fuser):
            outcomes = {name: record.audits[name].passed for name in COMPLETION_AUDITS.values()}
            nested = True if fuser == "draws" else None
            assert outcomes == {
                "completion-untouched": True,
                "completion-independent": True,
                "completion-nested": nested,
            }


@pytest.mark.parametrize(
    ("fuser", "audit"),
    [("moves-own", "untouched"), ("company", "independent"), ("unnested-own", "nested")],
)
def test_a_broken_promise_fails_the_audit_of_its_name(fuser: str, audit: str, tmp_path: Path, known: Registry) -> None:
    _, records = ran(tmp_path, known, "imputer=none", f"fuser={fuser}")
    (record,) = records.values()
    assert failed_audits(record).keys() == {f"completion-{audit}"}


@pytest.mark.parametrize(
    ("fuser", "promise"),
    [
        ("fills", ""), ("draws", ""), ("moves-own", "untouched"), ("company", "independent"), ("unnested-own", "nested"),
        ("declines", "form"), ("holes-own", "form"),
    ],
)  # fmt: skip
def test_the_conformance_kit_names_the_broken_promise(fuser: str, promise: str, known: Registry) -> None:
    names = [f"completion_{name}" for name in ("form", "untouched", "independent", "nested")]
    report = check(fuser, known, only=names)
    failed = {outcome.name for outcome in report.outcomes if outcome.status == "failed"} & set(names)
    assert failed == ({f"completion_{promise}"} if promise else set())


@pytest.mark.parametrize(
    ("fuser", "reason"),
    [("partly", "impute completes some records and not others"), ("holes-own", "vitals")],
)
def test_what_is_no_completion_fails_the_cell(fuser: str, reason: str, tmp_path: Path, known: Registry) -> None:
    _, records = ran(tmp_path, known, "imputer=none", f"fuser={fuser}")
    (record,) = records.values()
    assert record.status == "failed"
    assert reason in record.reason


@pytest.mark.parametrize("words", [("fuser=declines",), ("fuser=fills", "scenario=natural")])
def test_where_it_completes_nothing_or_nothing_is_hidden_there_is_no_score(
    words: tuple[str, ...], tmp_path: Path, known: Registry
) -> None:
    _, records = ran(tmp_path, known, "imputer=none", *words)
    (record,) = records.values()
    assert (record.status, record.completion, record.completion_errors) == ("ok", {}, "")
    assert not record.audits.keys() & set(COMPLETION_AUDITS.values())


def test_audit_cells_complete_nothing(tmp_path: Path, known: Registry) -> None:
    made = prepared(tmp_path, known, "imputer=none", "fuser=fills", "audits.cells=permuted-labels,repeat")
    inline.run(made)
    completed = {record.coordinates.audit: bool(record.completion) for record in inline.records(made)}
    assert completed == {"": True, "permuted-labels": False, "repeat": False}


def test_a_cell_whose_errors_are_lost_is_made_again(tmp_path: Path, known: Registry) -> None:
    made, records = ran(tmp_path, known, "imputer=none", "fuser=fills")
    (record,) = records.values()
    path = made.ledger._errors_path(record.completion_errors)
    path.unlink()
    again = prepared(tmp_path, known, "imputer=none", "fuser=fills")
    assert [cell.key for cell in again.todo()] == [record.key]
    inline.run(again)
    assert path.is_file()


def test_it_has_a_row_of_its_own_among_imputers_and_ties_with_what_does_the_same(
    world: tuple[Prepared, Export],
) -> None:
    _, export = world
    (table,) = Board(export)[imputation.SECTION]
    rows = {row.imputer: row for row in table.rows}
    assert {name for name, row in rows.items() if row.own} == {LABEL, "draws (fuser, toy)"}
    assert rows[LABEL].scores == rows["zero"].scores
    assert rows[LABEL].tie_group == rows["zero"].tie_group == 1
    assert rows["draws (fuser, toy)"].draws == 3
    assert not rows[LABEL].control
    assert table.silent == ["mask_only", "none"]
    text = str(imputation.blocks(Board(export)))
    assert 'Rows marked "(fuser, TASK)"' in text


def test_what_leaves_its_series_open_is_no_control(world: tuple[Prepared, Export]) -> None:
    _, export = world
    assert ("none", "fills") in export.completing
    (table,) = Board(export)[tables.SECTION]
    control = {row.pair: row.control_imputer for row in table.rows}
    assert not control["none", "fills"]
    assert control["mask_only", "fills"]
    assert control["mask_only", "blind"]


def test_its_scores_are_in_the_lines_of_cells_and_its_seconds_among_those_of_imputers(
    world: tuple[Prepared, Export],
) -> None:
    _, export = world
    table = cells(Board(export))
    names = [column.name for column in table.columns]
    place = names.index("completion all mae")
    shown = {line[place] for line in table.rows if line[place] is not None}
    expected = {r.completion["all"]["mae"] for fuser in ("fills", "draws") for r in of(export, "none", fuser)}
    assert shown == expected
    costs = {cost.imputer: cost.values for cost in Board(export)[imputer_costs.SECTION] or ()}
    assert costs["draws (fuser, toy)"]["draws"] == 3
    assert costs["draws (fuser, toy)"]["impute_seconds"] > 0


def test_a_gate_judges_it_as_an_imputation(world: tuple[Prepared, Export]) -> None:
    _, export = world
    record = of(export, "none", "fills")[0]
    method = completion_of(record.coordinates)
    values = Quantity("imputation", "mae").values(read(export).cells_of(method) or {})
    assert values[record.coordinates.repeat] == record.completion["all"]["mae"]


def test_a_picture_can_show_it_beside_an_imputer(world: tuple[Prepared, Export]) -> None:
    made, _ = world
    planned = planned_export(made)
    (panel,) = parities(planned, made.ledger, ("zero", LABEL))
    assert (panel.first == panel.second).all()
    assert len(panel.first) > 10


def test_a_plan_without_such_fusers_has_the_imputations_of_imputers_alone(world: tuple[Prepared, Export]) -> None:
    _, export = world
    others = {r.coordinates: r for r in export.records if r.coordinates.fuser == "blind"}
    assert [method.imputer for method, _, _ in imputations(others)] == [at.imputer for at in others]
