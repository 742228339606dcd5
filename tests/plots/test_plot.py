"""Pictures: what they show is what was imputed, they name no real patient, and the same picture
is the same file.
"""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bench.cli.main import cli
from bench.errors import StorageError, UsageError
from bench.figures import printed
from bench.grid import matching_rows as labels
from bench.leaderboard import load_export
from bench.plots import imputation, parity, rates
from bench.registry import discover
from bench.results.collect import last_plan
from bench.results.ledger import Ledger
from bench.results.records import Export
from bench.run.last_run import choose, imputations, last_run
from bench.testing.toy import toy_cohort
from support.project import Project

pytest.importorskip("matplotlib")

PNG = b"\x89PNG\r\n\x1a\n"


def words_in(svg: Path) -> str:
    """What is written in an SVG picture, where text is text."""
    return "\n".join(map(html.unescape, re.findall(r"<text[^>]*>([^<]*)</text>", svg.read_text(encoding="utf-8"))))


def place(project: Project, name: str) -> Path:
    return project.folder / name


def test_records_are_drawn_with_what_was_seen_what_was_hidden_and_every_method(imputed: Project) -> None:
    done = imputed.here("plot", "imputation", imputed.suite, "to=a.svg")
    assert done.stdout == "a.svg\n"
    text = words_in(place(imputed, "a.svg"))
    for word in (
        "observed",
        "hidden truth",
        "mean",
        "locf",
        "around: median",
        "around: 5–95 % of the draws",
        "time (hours)",
    ):
        assert word in text
    assert "vitals_0" in text
    assert "(SD)" in text
    assert "synthetic cohort" in text
    assert "mcar(rate=0.1), seed 1" in text


def test_what_is_named_is_drawn_and_nothing_else(imputed: Project) -> None:
    words = ("imputer=locf", "record=r0003,r0017", "channel=labs_1", "scenario=mcar(rate=0.5)", "seed=2", "to=b.svg")
    imputed.here("plot", "imputation", imputed.suite, *words)
    text = words_in(place(imputed, "b.svg"))
    assert "record r0003" in text
    assert "record r0017" in text
    assert "labs_1" in text
    assert "mcar(rate=0.5), seed 2" in text
    assert not re.search("vitals_0|labs_0|around|mean", text)


@pytest.mark.parametrize("kind", ["imputation", "rates", "parity"])
def test_the_same_picture_is_the_same_file_and_holds_no_date(imputed: Project, kind: str) -> None:
    words = (imputed.suite, *(["imputer=locf,around"] if kind == "parity" else []))
    for name in ("one.svg", "two.svg"):
        imputed.here("plot", kind, *words, f"to={name}")
    first, second = (place(imputed, name).read_bytes() for name in ("one.svg", "two.svg"))
    assert first == second
    assert b"dc:date" not in first


@pytest.mark.parametrize("kind", ["rates", "parity"])
def test_without_a_name_the_picture_lies_beside_the_results(imputed: Project, kind: str) -> None:
    words = (imputed.suite, *(["imputer=locf,around"] if kind == "parity" else []))
    done = imputed.here("plot", kind, *words)
    assert done.stdout == f"results/pictures/{kind}.png\n"
    assert place(imputed, done.stdout.strip()).read_bytes().startswith(PNG)


def test_curves_are_those_of_the_table_and_need_no_ledger(imputed: Project, tmp_path: Path) -> None:
    imputed.here("report", imputed.suite, f"to={tmp_path}")
    imputed.here("plot", "rates", imputed.suite, "metric=crps", "to=c.svg")
    imputed.here("plot", "rates", f"from={tmp_path / 'hidden.records.json'}", "metric=crps", "to=d.svg")
    assert place(imputed, "c.svg").read_bytes() == place(imputed, "d.svg").read_bytes()
    text = words_in(place(imputed, "c.svg"))
    assert "CRPS (over mean |truth|)" in text
    export = load_export(tmp_path / "hidden.records.json")
    [curve] = rates.curves_of(export, "mae", imputers=["locf"])
    assert curve.rates == [0.1, 0.5]
    found = [
        r.imputation["all"]["mae"]
        for r in export.records
        if (r.coordinates.scenario, r.coordinates.imputer) == ("mcar(rate=0.5)", "locf")
    ]
    assert [row.imputer for row in curve.rows] == ["locf"]
    assert curve.rows[0].scores["mae"][1].mean == pytest.approx(np.mean(found))
    low, high = curve.rows[0].intervals["mae"][1]
    assert low < np.mean(found) < high
    with pytest.raises(UsageError, match="needs a scenario that was run at two rates"):
        rates.curves_of(export, "mae", scenarios=["block"])
    with pytest.raises(UsageError, match='did you mean "locf"'):
        rates.curves_of(export, "mae", imputers=["lokf"])


def test_coverage_can_be_drawn_for_those_that_have_one(imputed: Project) -> None:
    imputed.here("plot", "rates", imputed.suite, "metric=coverage90", "to=e.svg")
    text = words_in(place(imputed, "e.svg"))
    assert "around" in text
    assert "locf" not in text
    assert "coverage 90 %" in text.splitlines()


LABELS = ["mean", "csdi(eta=0, chunk=8)", "trace(preset=trace-small)", "gp(kernel=a)", "gp(kernel=b)"]


@pytest.mark.parametrize(
    ("typed", "label"),
    [
        ("mean", "mean"),
        ("trace", "trace(preset=trace-small)"),
        ("trace(preset=trace-small)", "trace(preset=trace-small)"),
        ("csdi", "csdi(eta=0, chunk=8)"),
        ("csdi(eta=0,chunk=8)", "csdi(eta=0, chunk=8)"),
        ("gp(kernel=b)", "gp(kernel=b)"),
    ],
)
def test_a_label_and_the_bare_name_of_one_label_name_a_row(typed: str, label: str) -> None:
    assert labels.the_one("imputer", typed, LABELS) == label


def test_a_bare_name_is_its_own_label_where_there_is_one() -> None:
    assert labels.the_one("imputer", "gp", ["gp(kernel=a)", "gp"]) == "gp"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("gp", r"stands for 2 rows; name one of them in full, .*: gp\(kernel=a\), gp\(kernel=b\)$"),
        ("gp(kernel=c)", "is not known .* accepted: .*gp"),
        ("meen", 'did you mean "mean"'),
        ("", "is not known"),
    ],
)
def test_a_name_of_no_row_or_of_several_is_refused_with_the_choices(typed: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        labels.the_one("imputer", typed, LABELS)


@pytest.fixture(scope="module")
def labelled(imputed: Project) -> tuple[Ledger, Export]:
    """The shared ledger, and its last plan as if `around` and `mean` had been run with
    parameters that their labels show.
    """
    shown = {"around": "around(shift=0, width=2)", "mean": "mean(of=all)"}
    ledger = Ledger(imputed.folder / "results")
    planned = last_plan(ledger, "hidden")
    renamed = [
        (msgspec.structs.replace(at, imputer=shown.get(at.imputer, at.imputer)), key) for at, key in planned.planned
    ]
    records = [
        msgspec.structs.replace(
            record,
            coordinates=msgspec.structs.replace(
                record.coordinates, imputer=shown.get(record.coordinates.imputer, record.coordinates.imputer)
            ),
        )
        for record in ledger.load({key for _, key in planned.planned}).values()
    ]
    return ledger, msgspec.structs.replace(planned, planned=renamed, records=records)


@pytest.mark.parametrize("typed", ["around", "around(shift=0, width=2)"])
def test_pictures_know_an_imputer_by_its_name_and_by_its_label(labelled: tuple[Ledger, Export], typed: str) -> None:
    ledger, planned = labelled
    [one, *_] = parity.parities(planned, ledger, ("locf", typed))
    assert one.imputers == ("locf", "around(shift=0, width=2)")
    [curve, *_] = rates.curves_of(planned, "mae", imputers=[typed])
    assert [row.imputer for row in curve.rows] == ["around(shift=0, width=2)"]


def test_a_long_label_is_written_in_lines_that_stay_in_the_picture(tmp_path: Path) -> None:
    long = "trace(diffusion_steps=80, gate=mlp, learning_rate=0.0003, preset=trace-small, solver_steps=20, variant=uni)"
    errors = np.linspace(0, 1, 50)
    made = [parity.Parity(f"rectangle(rate=0.{k})", (long, long), errors, errors) for k in (1, 2, 3)]
    parity.draw(made, "a title", tmp_path / "a.svg")
    lines = words_in(tmp_path / "a.svg").splitlines()
    assert max(map(len, lines)) <= 3.2 / printed.CHARACTER
    assert f"MAE of {long} (standard deviations)" in " ".join(lines)


def test_a_parity_point_is_the_error_of_a_record_and_their_sums_give_the_score_of_the_table(imputed: Project) -> None:
    ledger = Ledger(imputed.folder / "results")
    planned = last_plan(ledger, "hidden")
    [one] = parity.parities(planned, ledger, ("locf", "around"), scenarios=["mcar(rate=0.5)"], seeds=["1"])
    record = next(
        r
        for r in ledger.load().values()
        if (r.coordinates.scenario, r.coordinates.imputer, r.coordinates.seed) == ("mcar(rate=0.5)", "locf", 1)
    )
    errors = ledger.errors(record)
    assert errors is not None
    hidden = errors.all[:, 0]
    assert one.first.tolist() == pytest.approx((errors.all[:, 1] / np.maximum(hidden, 1))[hidden > 0].tolist())
    assert record.imputation["all"]["mae"] == pytest.approx(errors.all[:, 1].sum() / hidden.sum())
    both = parity.parities(planned, ledger, ("around", "locf"), scenarios=["mcar"])
    assert [p.title for p in both] == ["mcar(rate=0.1)", "mcar(rate=0.5)"]
    assert one.below == pytest.approx(np.mean(one.second < one.first))


def test_a_method_against_itself_is_never_nearer(imputed: Project) -> None:
    ledger = Ledger(imputed.folder / "results")
    planned = last_plan(ledger, "hidden")
    assert all(p.below == 0 for p in parity.parities(planned, ledger, ("locf", "locf")))


def test_errors_of_records_stay_in_the_ledger(imputed: Project, tmp_path: Path) -> None:
    imputed.here("report", imputed.suite, f"to={tmp_path}")
    text = (tmp_path / "hidden.records.json").read_text()
    assert '"imputation_errors":"' in text
    assert "r0003" not in text
    kept = list((imputed.folder / "results" / "ledger" / "errors").glob("*/*.npz"))
    records = json.loads(text)["records"]
    assert {path.stem for path in kept} == {r["imputation_errors"] for r in records} - {""}
    assert len(kept) == 3 * 2 * 2  # three imputers, two rates, two seeds: shared by all their cells


@pytest.fixture
def inside(imputed: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The shared project, with this very process in it."""
    for name, value in imputed.environment.items():
        monkeypatch.setenv(name, value)
    for folder in imputed.environment["PYTHONPATH"].split(os.pathsep):
        monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(imputed.folder)
    return imputed


def panels_of(project: Project, synthetic: bool, **more) -> list[list[imputation.Panel]]:
    """The panels of the last run, taken for real data where `synthetic` is False."""
    registry = discover()
    run = last_run(project.suite.removeprefix("suite="), "results", registry)
    run.prepared.synthetic = synthetic
    said = {"scenario": ("mcar(rate=0.5)",), "seed": ("1",), "imputer": ("around", "locf")}
    return imputation.panels(choose(imputations(run), said), run, registry, **more)


def test_a_panel_is_in_recorded_units_and_observed_points_lie_on_every_line(inside: Project) -> None:
    [[panel]] = panels_of(inside, True, records=["r0003"], channels=["vitals_1"])
    recorded = toy_cohort(n=200, seed=7).modalities["vitals"].grid[3, :, 1]
    seen, hidden = ~np.isnan(panel.observed), ~np.isnan(panel.hidden)
    assert np.array_equal(seen | hidden, ~np.isnan(recorded))
    assert not (seen & hidden).any()
    assert panel.observed[seen] == pytest.approx(recorded[seen])
    assert panel.hidden[hidden] == pytest.approx(recorded[hidden])
    assert panel.guesses["locf"].low is None
    for guess in panel.guesses.values():
        assert guess.median[seen] == pytest.approx(recorded[seen], abs=1e-5)
    around = panel.guesses["around"]
    assert (around.low <= around.median + 1e-9).all()
    assert (around.median <= around.high + 1e-9).all()
    assert (around.low[~seen] < around.high[~seen]).all()


def test_real_records_have_no_name_unless_they_were_asked_for_by_it(inside: Project, tmp_path: Path) -> None:
    unnamed = panels_of(inside, False)
    assert [panel.record for panel in unnamed[0]] == ["record 1", "record 2"]
    imputation.draw(unnamed, "a title", tmp_path / "a.svg")
    assert not re.search(r"r0\d\d\d", (tmp_path / "a.svg").read_text())
    named = panels_of(inside, False, records=["r0003"])
    assert named[0][0].record == "record r0003"


def test_the_records_drawn_are_those_of_the_test_part_with_most_hidden_entries(inside: Project) -> None:
    drawn = panels_of(inside, True)
    assert len(drawn) == imputation.CHANNELS
    ledger = Ledger(inside.folder / "results")
    record = next(
        r for r in ledger.load().values() if (r.coordinates.scenario, r.coordinates.seed) == ("mcar(rate=0.5)", 1)
    )
    errors = ledger.errors(record)
    assert errors is not None
    counts = dict(zip(errors.ids.tolist(), errors.all[:, 0], strict=True))
    shown = [counts[panel.record.removeprefix("record ")] for panel in drawn[0]]
    assert shown == sorted(counts.values(), reverse=True)[: imputation.RECORDS]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("imputation", "imputer=lokf"), 'did you mean "locf"'),
        (("imputation", "record=nobody"), "is not among the 200 records"),
        (("imputation", "channel=vitals_9"), 'did you mean "vitals_'),
        (("imputation", "scenario=mcar"), "give one of them: scenario=..."),
        (("imputation", "seed=7"), "there: 1, 2"),
        (("imputation", "to=a.pdf"), "must end in one of: .png, .svg"),
        (("imputation", "out=a.png"), "give to=FILE for the picture"),
        (("imputation", "recrod=1"), 'did you mean "record"'),
        (("rates", "metric=mea"), 'did you mean "mae"'),
        (("rates", "metric=mae,rmse"), "takes one value"),
        (("rates", "imputer="), "is empty"),
        (("parity",), '"imputer" must name two'),
        (("parity", "imputer=locf,locf"), '"imputer" must name two that differ'),
        (("parity", "imputer=locf,men"), 'did you mean "mean"'),
        (("parity", "imputer=locf,mean", "scenario=natural"), "scored together on no hidden entry"),
        (("parity", "imputer=locf,mean", "modality=notes"), 'modality "notes" is not known'),
    ],
)
def test_what_cannot_be_drawn_is_one_line(inside: Project, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        cli.main(["plot", words[0], inside.suite, *words[1:]], standalone_mode=False)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_run_that_never_was_and_a_cache_that_is_gone_say_what_to_run(imputed: Project, project: Project) -> None:
    assert f"first: bench run {imputed.suite}" in project.here("plot", "imputation", imputed.suite, code=2).stderr
    done = imputed.here("plot", "imputation", imputed.suite, "cache=elsewhere", code=5)
    assert "is not in the cache" in done.stderr
    assert "make it again with: bench run suite=" in done.stderr


def test_errors_that_were_changed_are_not_drawn(imputed: Project, tmp_path: Path) -> None:
    ledger = Ledger(imputed.folder / "results")
    planned = last_plan(ledger, "hidden")
    lost = Ledger(tmp_path)
    for record in ledger.load().values():
        lost.write(record)
    with pytest.raises(StorageError, match="lacks the errors of these imputations"):
        parity.parities(planned, lost, ("locf", "mean"))


def test_without_matplotlib_the_command_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"pip install 'gapbench\[report\]'"):
        printed.figure(1, 1, 3, 3)


def test_no_command_but_plot_imports_matplotlib(imputed: Project) -> None:
    code = "import sys, bench.cli.plot, bench.plots.parity, bench.results.collect; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_real_data_are_said_to_be_patient_level(imputed: Project, tmp_path: Path) -> None:
    ledger = Ledger(imputed.folder / "results")
    before = ledger.last("hidden")
    try:
        ledger.remember(msgspec.structs.replace(before, synthetic=False))
        said = imputed.here("plot", "parity", imputed.suite, "imputer=locf,mean", f"to={tmp_path / 'p.png'}").stderr
    finally:
        ledger.remember(before)
    assert said == "this picture shows patient-level values: keep it where the data may lie\n"
    quiet = imputed.here("plot", "parity", imputed.suite, "imputer=locf,mean", f"to={tmp_path / 'q.png'}").stderr
    assert quiet == ""
