"""Metrics of cells that are done: computed from stored predictions without a fit, the same as a
cell would have computed.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from bench.errors import UsageError
from bench.grid.identity import of_metric
from bench.hooks import hookimpl
from bench.leaderboard import load_export, render, save_export
from bench.metrics import known
from bench.metrics.own import OWN
from bench.metrics.scoring import value
from bench.registry import Registry
from bench.results.collect import collect
from bench.results.further import code_of, completed
from bench.results.ledger import Ledger
from bench.results.predictions import Predictions, pack, unpack
from bench.results.records import Export, Record
from bench.run.export import described, planned_export
from bench.run.prepare import Prepared
from support import inline


@pytest.fixture(autouse=True)
def as_before():
    """The metrics that this process knows."""
    before = known.metrics()
    yield
    known.use(before)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """A run that is done."""
    prepared = inline.prepared(tmp_path_factory.mktemp("run"), inline.registry(), "fuser=waits,linear", "seed=1,2")
    inline.run(prepared)
    return prepared


def plugin(**declared: Any) -> Any:
    """A plugin that somebody installs later: one metric."""

    @hookimpl
    def bench_register(registry: Registry) -> None:
        registry.metric(
            "mine", **{"path": "support.bad_metrics:of_patients", "kinds": ("binary",), "asks": ("groups",), **declared}
        )

    return SimpleNamespace(bench_contract=1, bench_register=bench_register)


def asked(made: Prepared, *metrics: str, say: Any = None, installed: Any = None) -> Export:
    """The export of the run with these metrics compared."""
    registry = inline.registry()
    if installed is not None:
        registry.register_plugin("theirs", installed)
        assert not registry.broken
    suite = msgspec.structs.replace(
        made.request.suite, stats=msgspec.structs.replace(made.request.suite.stats, metrics=metrics)
    )
    request = msgspec.structs.replace(made.request, suite=suite)
    about = described(request, registry.get("dataset", suite.dataset), registry.metrics)
    return collect(
        msgspec.structs.replace(planned_export(made), **about),
        Ledger(made.ledger.folder.parent),
        say or (lambda text: None),
    )


def scored(export: Export) -> list[Record]:
    return [record for record in export.records if record.status == "ok" and not record.coordinates.audit]


def test_a_metric_of_a_plugin_that_came_later_has_scores_intervals_ranks_and_comparisons(made: Prepared) -> None:
    before = sorted(path for path in made.ledger.folder.rglob("cells/*/*"))
    export = asked(made, "mine", "kappa", installed=plugin(higher=True, summary="accuracy over patients"))
    assert sorted(path for path in made.ledger.folder.rglob("cells/*/*")) == before, "no cell was made or changed"
    for record in scored(export):
        predictions = made.ledger.predictions(record)
        decided = predictions.outputs[:, 0] >= 0.5
        assert record.scores["kappa"] == pytest.approx(cohen_kappa_score(predictions.truth, decided))
        right = decided == predictions.truth
        each = [right[predictions.groups == group].mean() for group in np.unique(predictions.groups)]
        assert record.scores["mine"] == pytest.approx(np.mean(each))
        assert "mine" in record.validation
    statistics = export.statistics
    for name in ("mine", "kappa"):
        assert {i.method for i in statistics.intervals if i.metric == name} == {
            i.method for i in statistics.intervals if i.metric == "auroc"
        }
        assert any(c.metric == name for c in statistics.comparisons)
    board = json.loads(render(export)["json"])
    assert [each["metric"] for each in board["compared"]] == ["mine", "kappa"]
    for each in board["compared"]:
        assert {row["fuser"] for row in each["rows"]} == {"waits", "linear"}
        assert all(row["rank"] and row["tie_group"] and row["interval"] for row in each["rows"])
    page = render(export)["md"].decode()
    assert "By further metrics" in page
    assert "Accuracy over patients." in page


@pytest.mark.parametrize("name", [name for name, spec in OWN.items() if "binary" in spec.kinds])
def test_a_score_of_stored_predictions_is_the_one_that_the_cell_would_have_computed(made: Prepared, name: str) -> None:
    for record in scored(asked(made, name)):
        predictions = made.ledger.predictions(record)
        mine = {key: predictions.at_hand()[key] for key in OWN[name].asks}
        assert record.scores[name] == value(name, predictions.truth, predictions.outputs, **mine)


def test_a_table_made_elsewhere_without_the_plugin_is_the_same_bytes(made: Prepared, tmp_path: Path) -> None:
    export = asked(made, "mine", installed=plugin(higher=False))
    here = render(export)
    save_export(tmp_path / "records.json", export)
    known.use(OWN)
    there = render(load_export(tmp_path / "records.json"))
    assert there == here
    assert [row["rank"] for row in json.loads(there["json"])["compared"][0]["rows"]] == [1, 2]


def test_what_was_computed_is_kept_and_an_edited_metric_is_computed_anew(
    made: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(made.ledger.folder / "scores", ignore_errors=True)
    said: list[str] = []
    asked(made, "concordance", say=said.append)
    assert any(text.startswith("computing concordance of 4 cells") for text in said)
    said.clear()
    asked(made, "concordance", say=said.append)
    assert not any("computing" in text for text in said)
    monkeypatch.setattr(
        "bench.results.further.of_metric", lambda spec: of_metric(spec) if spec.name != "concordance" else "edited"
    )
    asked(made, "concordance", say=said.append)
    assert any(text.startswith("computing concordance of 4 cells") for text in said)


def test_scores_of_a_task_that_were_computed_by_other_code_are_computed_anew(made: Prepared) -> None:
    export = planned_export(made)
    task = export.tasks[0]
    further = [name for name in ("auprc", "f1") if name not in task.metrics]
    tasks = [msgspec.structs.replace(task, metrics=(*task.metrics, *further))]
    ledger = Ledger(made.ledger.folder.parent)
    found = collect(msgspec.structs.replace(export, tasks=tasks), ledger)
    for record in scored(found):
        tried = [*record.scores, *record.undefined]
        assert record.metrics_code == code_of(set(tried) - set(further))
        stale = msgspec.structs.replace(record, scores={**record.scores, "auprc": -1.0}, metrics_code="of before")
        [mended] = completed([stale], tasks, ledger, lambda text: None)
        assert mended.scores == record.scores


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"path": "support.bad_metrics:fails", "asks": ()}, "one of its own"),
        ({"path": "support.bad_metrics:absent", "asks": ()}, "cannot be loaded"),
        ({"path": "support.bad_metrics:gap_of_sexes", "asks": ("statics",)}, "failed"),  # toys have no static "sex"
    ],
)
def test_a_metric_that_fails_costs_no_row_and_is_named_once(
    made: Prepared, declared: dict[str, Any], words: str
) -> None:
    said: list[str] = []
    export = asked(made, "mine", say=said.append, installed=plugin(**declared))
    warnings = [text for text in said if text.startswith("warning: mine is missing for 4 cells")]
    assert len(warnings) == 1
    assert words in warnings[0]
    board = json.loads(render(export)["json"])
    assert all(row["rank"] for row in board["tables"][0]["rows"])
    assert board["compared"][0]["rows"] == []


def test_cells_of_a_version_that_kept_less_lack_a_metric_that_asks_for_more_and_nothing_else(
    made: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_before(self: Ledger, record: Record) -> Predictions:
        whole = real(self, record)
        return Predictions(whole.ids, whole.groups, whole.truth, whole.outputs)

    real = Ledger.predictions
    monkeypatch.setattr(Ledger, "predictions", of_before)
    said: list[str] = []
    needs_statics = plugin(path="support.bad_metrics:gap_of_sexes", asks=("statics",))
    export = asked(made, "mine", "mcc", say=said.append, installed=needs_statics)
    assert any(
        "mine is missing for 4 cells: predictions of an earlier version hold no statics" in text for text in said
    )
    assert all("mcc" in record.scores and "mine" not in record.scores for record in scored(export))


def test_a_metric_that_is_not_known_or_for_none_of_the_tasks_is_refused(made: Prepared) -> None:
    with pytest.raises(UsageError, match=r'metric "kapa" is not known .* did you mean "kappa"'):
        asked(made, "kapa")
    with pytest.raises(UsageError, match=r'metric "corr" .* is for regression tasks, and these are binary'):
        asked(made, "corr")


def test_stored_predictions_are_read_as_they_were_written(made: Prepared) -> None:
    for record in scored(asked(made)):
        predictions = made.ledger.predictions(record)
        assert pack(unpack(pack(predictions))) == pack(predictions)
        assert predictions.valid is not None
        assert not set(predictions.ids.tolist()) & set(predictions.valid.ids.tolist())
        assert predictions.statics is not None
        ordered = predictions.by_id()
        assert sorted(predictions.ids.tolist()) == ordered.ids.tolist()
        place = {name: k for k, name in enumerate(predictions.ids.tolist())}
        index = [place[name] for name in ordered.ids.tolist()]
        for name in ("groups", "truth", "outputs", "statics"):
            assert np.array_equal(
                getattr(predictions, name)[index], getattr(ordered, name), equal_nan=name == "statics"
            )
