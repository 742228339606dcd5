"""Training records with a new mask at each epoch: what they show over time, who can be trained so,
and that test records keep their masks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.components import Scenario
from bench.leaderboard.statements import protocol_notes
from bench.registry import discover
from bench.results.collect import collect
from bench.results.records import Record
from bench.run.export import planned_export
from bench.run.prepare import Prepared
from bench.stages.hiding import hide, shown_in_epoch
from bench.testing import toy_cohort
from support import inline

COHORT = toy_cohort(n=40, length=20)


def within(**params: Any) -> Scenario[Any]:
    built: Scenario[Any] = discover().get("scenario", "within").build({"redraw": "epoch", **params})
    return built


def test_over_time_a_method_sees_nearly_every_value() -> None:
    """With half the bins of every affected modality hidden, a value is unseen in E epochs with
    probability 2^-E."""
    scenario, epochs = within(ps=1.0, pw=0.5, affected=len(COHORT.modalities)), 6
    unseen = {name: np.array(series.observed) for name, series in COHORT.modalities.items()}
    known = sum(int(mask.sum()) for mask in unseen.values())
    for epoch in range(1, epochs + 1):
        for name, mask in shown_in_epoch(COHORT, scenario, 3, "within", epoch).items():
            assert not (mask & ~COHORT.modalities[name].observed).any()
            unseen[name] &= ~mask
        left = sum(int(mask.sum()) for mask in unseen.values()) / known
        chance = 0.5**epoch
        assert abs(left - chance) < 5 * np.sqrt(chance / known) + 0.02
    assert left < 0.05


@given(st.integers(1, 5), st.permutations(range(40)), st.integers(1, 40))
def test_what_an_epoch_hides_of_a_record_depends_on_no_other_record(epoch: int, order: list[int], count: int) -> None:
    scenario, rows = within(ps=0.7, pw=0.4), np.array(order[:count])
    whole, some = (shown_in_epoch(each, scenario, 3, "within", epoch) for each in (COHORT, COHORT.take(rows)))
    assert all(np.array_equal(mask, whole[name][rows]) for name, mask in some.items())


def test_epochs_hide_other_entries_than_the_first_and_than_each_other() -> None:
    scenario = within(ps=1.0, pw=0.5)
    masks = [
        hide(COHORT, scenario, 3, "within").visible,
        *(shown_in_epoch(COHORT, scenario, 3, "within", e) for e in (1, 2)),
    ]
    name = next(iter(COHORT.modalities))
    assert len({mask[name].tobytes() for mask in masks}) == 3


WORDS = (
    "scenario=within",
    "scenario.within.ps=1.0",
    "scenario.within.pw=0.5",
    "fuser.gru.epochs=4",
    "fuser.gru.hidden=4",
)


def ran(folder: Path, *words: str) -> tuple[Prepared, dict[tuple[str, str], Record]]:
    folder.mkdir()
    made = inline.prepared(folder, inline.installed(), *WORDS, *words)
    inline.run(made)
    return made, {(r.coordinates.imputer, r.coordinates.fuser): r for r in inline.records(made)}


def test_fusers_are_trained_otherwise_and_all_else_is_the_same(tmp_path: Path) -> None:
    words = ("imputer=locf,zero,mask_only", "fuser=gru")
    _, never = ran(tmp_path / "never", *words)
    made, epoch = ran(tmp_path / "epoch", *words, "scenario.within.redraw=epoch")
    _, again = ran(tmp_path / "again", *words, "scenario.within.redraw=epoch")
    assert never.keys() == epoch.keys()
    for pair, record in epoch.items():
        assert record.status == "ok", record.reason
        assert record.imputation == never[pair].imputation, "test records keep their masks"
        assert record.scores != never[pair].scores
        assert record.scores == again[pair].scores
        assert "redraw=epoch" in record.coordinates.scenario
    export = collect(planned_export(made), made.ledger)
    assert any("a new mask at each epoch" in note for note in protocol_notes(export, export.records))


def test_clients_train_on_records_shown_in_epoch_too(tmp_path: Path) -> None:
    federated = ("imputer=locf", "fuser=gru", "federation=fedavg", "partition.clients=2", "rounds.number=3")
    _, never = ran(tmp_path / "never", *federated)
    _, epoch = ran(tmp_path / "epoch", *federated, "scenario.within.redraw=epoch")
    differ = [pair for pair, record in epoch.items() if record.scores != never[pair].scores]
    assert all(record.status == "ok" for record in epoch.values())
    assert any(fuser.endswith("· fedavg") for _, fuser in differ)


def test_a_method_without_epochs_is_skipped_with_the_reason(tmp_path: Path) -> None:
    made = inline.prepared(
        tmp_path, inline.installed(), *WORDS, "imputer=locf,median", "fuser=gru,gbm", "scenario.within.redraw=epoch"
    )
    skips = {(c.coordinates.imputer, c.coordinates.fuser.partition("(")[0]): c.skip for c in made.plan.cells}
    assert not skips["locf", "gru"]
    assert "gbm has none: it is not tagged learner" in skips["locf", "gbm"]
    assert "median cannot complete each of them; give one of imputer=" in skips["median", "gru"]


@pytest.mark.parametrize("parts", ["valid,test"])
def test_training_records_that_are_not_hidden_are_not_shown_in_epoch(tmp_path: Path, parts: str) -> None:
    words = ("imputer=locf", "fuser=gru", f"hiding.parts={parts}")
    _, never = ran(tmp_path / "never", *words)
    _, epoch = ran(tmp_path / "epoch", *words, "scenario.within.redraw=epoch")
    assert [r.scores for r in epoch.values()] == [r.scores for r in never.values()]
