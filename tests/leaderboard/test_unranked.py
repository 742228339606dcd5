"""A method that failed an audit has no rank and is never best: all others stand as if its cells
had failed.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.gate import gate
from bench.leaderboard import Board, render
from bench.leaderboard.audited import OF_CELL
from bench.leaderboard.sections import (
    agreement,
    attribution,
    calibration,
    costs,
    curves,
    gains,
    imputation,
    marginal,
    patterns,
    tables,
)
from bench.results.coordinates import Coordinates, Method, method_in, method_of, table_of
from bench.results.records import IMPUTER_AUDITS, Audit, Export, Record, failed_audits
from bench.tuning.search import concluded, seen
from support.fake_exports import CELL_AUDITS
from support.whole_export import IMPUTERS, METHODS, SCENARIOS, SEEDS, SETS, whole

AUDITS = (*CELL_AUDITS, "imputer-independent", "draws-nested", "absent-ignored", "an audit of tomorrow")


def changed(export: Export, chosen: Any, change: Any) -> Export:
    """The export with some of its records (coordinates -> bool) replaced."""
    return msgspec.structs.replace(
        export, records=[change(record) if chosen(record.coordinates) else record for record in export.records]
    )


def failing(name: str) -> Any:
    return lambda record: msgspec.structs.replace(record, audits={**record.audits, name: Audit(False, "by 0.31")})


def broken(record: Record) -> Record:
    """The same cell, failed."""
    return Record(key=record.key, coordinates=record.coordinates, status="failed", reason="it is so")


def others(board: Board, lost: Method, imputation_too: bool) -> dict[str, Any]:
    """All of a board that says something of methods but the lost one, which is called by name
    nowhere in it.
    """
    kept = []
    for table in board[tables.SECTION]:
        mine = table_of(table) == table_of(lost)
        rows = [row for row in table.rows if not (mine and row.pair == (lost.imputer, lost.fuser))]
        notes = [n for n in table.notes if "failed an audit" not in n and "run once per task and fuser" not in n]
        kept.append((rows, notes, table.alpha, table.floor, table.comparisons))
    cost = [cost for cost in board[costs.SECTION] or [] if method_in(cost, cost.imputer, cost.fuser) != lost]
    untouched = [gains.SECTION, marginal.SECTION, attribution.SECTION, patterns.SECTION, calibration.SECTION]
    parts: dict[str, Any] = {"tables": kept, "costs": cost}
    if imputation_too:
        parts["imputation"] = [
            [row for row in t.rows if row.imputer != lost.imputer] for t in board[imputation.SECTION]
        ]
        parts["curves"] = [[row for row in c.rows if row.imputer != lost.imputer] for c in board[curves.SECTION]]
        untouched.append(agreement.SECTION)
    return parts | {section.name: board[section] for section in untouched}


@settings(max_examples=40, deadline=None)
@given(lost=st.sampled_from(METHODS), name=st.sampled_from(AUDITS), seed=st.sampled_from(SEEDS))
def test_all_others_stand_as_if_the_cells_of_the_method_had_failed(lost: Method, name: str, seed: int) -> None:
    def is_lost(at: Coordinates) -> bool:
        return method_of(at) == lost and not at.audit

    export = whole()
    audited = Board(changed(export, lambda at: is_lost(at) and at.seed == seed, failing(name)))
    gone = Board(changed(export, is_lost, broken))
    assert others(audited, lost, False) == others(gone, lost, False)
    (row,) = [
        row
        for table in audited[tables.SECTION]
        for row in table.rows
        if Method(table.task, table.modalities, table.scenario, row.imputer, row.fuser) == lost
    ]
    assert (row.rank, row.tie_group, row.interval) == (None, None, None)
    assert row.unranked == f"audit {name} failed (seed {seed}: by 0.31)"
    assert row.scores


@settings(max_examples=20, deadline=None)
@given(
    imputer=st.sampled_from(IMPUTERS),
    place=st.sampled_from([*itertools.product(SETS, SCENARIOS)]),
    name=st.sampled_from(IMPUTER_AUDITS),
)
def test_all_other_imputers_stand_as_if_the_imputation_had_failed(
    imputer: str, place: tuple[str, str], name: str
) -> None:
    def is_lost(at: Coordinates) -> bool:
        return (at.modalities, at.scenario, at.imputer) == (*place, imputer) and not at.audit

    export = whole()
    audited = Board(changed(export, is_lost, failing(name)))
    gone = Board(changed(export, is_lost, broken))
    lost = Method("ihm", *place, imputer, "")
    one, two = others(audited, lost, True), others(gone, lost, True)
    for part in ("imputation", "curves", "agreements"):
        assert one[part] == two[part], part
    for table in audited[imputation.SECTION]:
        for row in table.rows:
            if (table.modalities, table.scenario, row.imputer) == (*place, imputer):
                assert (row.tie_group, row.interval, row.to_best) == (None, None, None)
                assert row is table.rows[-1]
                assert f"audit {name} failed" in row.unranked
            else:
                assert not row.unranked


@pytest.mark.parametrize("name", ["batch-independent", "scored-once"])
def test_an_audit_of_the_fuser_says_nothing_of_its_imputer(name: str) -> None:
    board = Board(changed(whole(), lambda at: at.imputer == "csdi", failing(name)))
    assert not any(row.unranked for table in board[imputation.SECTION] for row in table.rows)


@pytest.mark.parametrize(("kind", "name"), OF_CELL.items())
def test_an_audit_cell_that_failed_takes_the_rank_of_its_row_and_warns_of_the_others_of_its_fuser(
    kind: str, name: str
) -> None:
    export = changed(whole(), lambda at: at.audit == kind and at.fuser == "gru", failing(name))
    table = Board(export)[tables.SECTION][0]
    (lost,) = [row for row in table.rows if row.unranked]
    assert (lost.imputer, lost.fuser, lost.rank) == (IMPUTERS[0], "gru", None)
    assert any(
        f"{name} failed for {lost.name}" in note and "other rows of gru were not tried" in note for note in table.notes
    )


def test_pages_show_the_row_below_unmarked_with_the_reason() -> None:
    export = whole()
    best = Board(export)[tables.SECTION][0].rows[0]
    assert best.rank == 1
    place = "ihm", SETS[0], SCENARIOS[0], best.imputer, best.fuser
    lost = changed(export, lambda at: method_of(at) == Method(*place), failing("batch-independent"))
    rendered = render(lost, page=True)
    section = rendered["md"].decode().split("\n## ")[1]
    ranks = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ")][1:]
    assert ranks == ["1", "2", "3", "4", "5", "–"]
    line = next(line for line in section.splitlines() if line.startswith("| –"))
    assert best.imputer in line
    assert "**no rank**: audit batch-independent failed (seed 1: by 0.31; seed 2: by 0.31)" in line
    assert not re.search(r"\*\*[\d.]+ ± [\d.]+\*\*|<u>", line)
    assert "**1 of 6 methods failed an audit and have no rank**" in section
    winner = Board(lost)[tables.SECTION][0].rows[0].name
    assert re.search(rf"winner.*{re.escape(winner)}", section)
    assert "no rank" in rendered["html"].decode()
    lines = list(csv.DictReader(io.StringIO(rendered["csv"].decode())))
    found = {
        (x["imputer"], x["fuser"]) for x in lines if x["unranked"] and (x["modalities"], x["scenario"]) == place[1:3]
    }
    assert found == {place[3:]}
    assert {row["unranked"] for table in json.loads(rendered["json"])["tables"] for row in table["rows"]} == {
        "", "audit batch-independent failed (seed 1: by 0.31; seed 2: by 0.31)",
    }  # fmt: skip


def test_where_every_method_failed_an_audit_nothing_is_ranked_and_it_is_said() -> None:
    board = Board(changed(whole(), lambda at: True, failing("scored-once")))
    for table in board[tables.SECTION]:
        assert all(row.rank is None for row in table.rows)
        assert "Every method that has all of its seeds failed an audit: nothing is ranked." in table.notes
    assert not board[gains.SECTION]
    assert not board[marginal.SECTION]
    assert not any(cost.front for cost in board[costs.SECTION] or [])


@settings(max_examples=30, deadline=None)
@given(method=st.sampled_from(METHODS), name=st.sampled_from(AUDITS), seed=st.sampled_from(SEEDS))
def test_the_gate_takes_a_failed_audit_for_a_cell_that_is_not_ok(method: Method, name: str, seed: int) -> None:
    failed = changed(whole(), lambda at: method_of(at) == method and at.seed == seed and not at.audit, failing(name))
    verdicts = {j.method: j for j in gate(whole(), failed).judgements}
    assert verdicts[method].verdict == "worse"
    assert f"the audit {name} failed" in verdicts[method].reason
    assert all(j.verdict == "same" for other, j in verdicts.items() if other != method)
    back = {j.method: j for j in gate(failed, whole()).judgements}
    assert back[method].verdict == "not-comparable"
    assert f"the audit {name} failed" in back[method].reason


@pytest.mark.parametrize(("kind", "name"), OF_CELL.items())
def test_the_gate_counts_audit_cells(kind: str, name: str) -> None:
    failed = changed(whole(), lambda at: at.audit == kind and at.fuser == "gru", failing(name))
    judged = {j.method: j for j in gate(whole(), failed).judgements}
    lost = Method("ihm", SETS[0], SCENARIOS[0], IMPUTERS[0], "gru")
    assert judged[lost].verdict == "worse"
    assert f"the audit {name} failed" in judged[lost].reason
    assert all(j.verdict == "same" for method, j in judged.items() if method != lost)


@pytest.mark.parametrize("name", AUDITS)
def test_tuning_never_chooses_a_trial_that_failed_an_audit(name: str) -> None:
    record = whole().records[0]
    assert seen(record, "auroc").score is not None
    trial = concluded({}, [seen(record, "auroc"), seen(record, "auroc", sorted(failed_audits(failing(name)(record))))])
    assert trial.score is None
    assert trial.reason == f"failed the audit {name}"
