"""`bench cell` and `bench predictions`: all that is known of one cell, and what it predicted."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.results.ledger import Ledger
from bench.results.records import Record
from support.project import Project

WORDS = ("imputer=around", "imputer.around.width=0.5", "fuser=waits", "scenario=mcar", "seed=1", "draws=3")


@pytest.fixture
def project(project: Project) -> Project:
    project.scored_plainly()
    project.here("run", project.suite, *WORDS)
    return project


def ledger(project: Project) -> Ledger:
    return Ledger(project.folder / "results")


def record(project: Project) -> Record:
    (only,) = ledger(project).load().values()
    return only


def test_a_cell_is_shown_with_all_that_its_record_holds_and_all_parameters(project: Project) -> None:
    known = record(project)
    page = project.here("cell", known.key[:8]).stdout
    spaceless, one_line = "".join(page.split()), " ".join(page.split())  # however wide the terminal is
    assert page.startswith("plain all mcar around(width=0.5) x waits seed 1\n")
    assert f"Suite toy; ok; key {known.key}" in one_line
    assert "imputer around(width=0.5): width=0.5, beacon=" in one_line
    assert "fuser waits: seconds=0, beacon=, stubborn=False, megabytes=0, fail=" in one_line
    for name, audit in known.audits.items():
        assert f"{name}:{ {True: 'pass', False: 'FAIL', None: 'n.a.'}[audit.passed] }" in spaceless
        assert "".join(audit.detail.split()) in spaceless
    for title, values in {"Records": known.counts, "Costs": known.costs}.items():
        assert f"{title}\n" in page
        assert all(name.replace("_", " ") in page for name in values)
    assert all(f"{known.scores[name]:.6g}" in page for name in known.scores)
    assert f"{known.imputation['all']['mae']:.6g}" in page
    assert f"library numpy: {known.provenance['library numpy']}" in one_line
    assert known.provenance["command"] in page
    assert f"bench rerun {known.key[:8]}" in page
    path = re.search(r"^    (.+\.npz)$", page, re.MULTILINE)
    assert path
    assert (project.folder / path[1]).is_file()


def test_the_same_for_a_program(project: Project) -> None:
    known = record(project)
    answer = json.loads(project.here("cell", known.key, "--json").stdout)
    assert answer["record"]["scores"] == known.scores
    assert answer["parameters"]["imputer"] == ["around(width=0.5)", {"width": 0.5, "beacon": ""}]
    assert answer["stages"]["fuse"][0] == known.key
    assert answer["stages"]["impute"][1] is True
    assert (answer["moved"], answer["problem"], answer["lost"]) == ([], "", [])


def test_what_cannot_be_planned_any_more_is_shown_as_far_as_it_is_known(project: Project) -> None:
    known = record(project)
    Path(project.suite.removeprefix("suite=")).unlink()
    page = project.here("cell", known.key[:8]).stdout
    assert "Its run cannot be planned any more, so its parameters are not known: suite file" in page
    assert all(f"{score:.6g}" in page for score in known.scores.values())


def test_an_edit_since_is_named(project: Project) -> None:
    file = Path(project.suite.removeprefix("suite="))
    file.write_text(file.read_text() + "\n[split]\nseed = 7\n")
    page = project.here("cell", record(project).key[:8]).stdout
    assert "Its key is another now, since something differs: split." in page


def test_what_is_gone_is_called_so(project: Project) -> None:
    next((project.folder / "results").rglob("*.npz")).unlink()
    assert "(gone):" in project.here("cell", record(project).key[:8]).stdout


def test_a_failed_cell_names_its_log(project: Project) -> None:
    project.here("run", project.suite, "imputer=mean", "seed=1", "fuser.waits.fail=raise", code=1)
    failed = next(each for each in ledger(project).load().values() if each.status == "failed")
    page = project.here("cell", failed.key[:8]).stdout
    assert "failed (ValueError at bench_toy/parts.py" in page
    log = re.search(r"^log:\n\n    (.+\.log)$", page, re.MULTILINE)
    assert log
    assert "told to fail" in (project.folder / log[1]).read_text()


def test_a_cell_of_a_records_file_is_shown_without_a_ledger(project: Project) -> None:
    project.here("report", project.suite)
    known = record(project)
    file = next((project.folder / "results/leaderboards").glob("*.records.json"))
    page = project.here("cell", known.key[:8], f"from={file}", project.suite).stdout
    assert all(f"{score:.6g}" in page for score in known.scores.values())
    assert "Files" not in page
    assert f"bench rerun {known.key[:8]} from=" in page


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_predictions_are_those_of_the_ledger_to_the_last_bit(project: Project, suffix: str) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    known = record(project)
    stored = ledger(project).predictions(known)
    target = project.folder / f"predictions.{suffix}"
    done = project.here("predictions", known.key[:8], f"to={target}", "part=test,valid")
    frame = pd.read_csv(target, dtype={"id": str, "group": str}) if suffix == "csv" else pd.read_parquet(target)
    assert stored.valid is not None
    for part, each in (("test", stored), ("valid", stored.valid)):
        lines = frame[frame["part"] == part]
        assert lines["id"].tolist() == each.ids.tolist()
        assert lines["group"].tolist() == each.groups.tolist()
        assert np.array_equal(lines["truth"].to_numpy(np.float32), each.truth)
        assert np.array_equal(lines["output"].to_numpy(np.float32), each.outputs[:, 0])
    assert f"{len(frame):,} records, each with its id" in done.stderr
    assert "patient-level: keep this file where the data may lie; never commit or send it" in done.stderr
    assert done.stdout == f"{target}\n"


def test_the_test_part_alone_is_written_unless_more_is_asked_for(project: Project) -> None:
    project.here("predictions", record(project).key, "to=p.csv")
    with (project.folder / "p.csv").open() as file:
        parts = {line["part"] for line in csv.DictReader(file)}
    assert parts == {"test"}


def test_no_file_is_replaced_unless_asked_and_no_other_kind_is_written(project: Project) -> None:
    key = record(project).key[:8]
    (project.folder / "p.csv").write_text("mine")
    assert (
        "p.csv is there already; give another to=FILE, or --replace"
        in project.here("predictions", key, "to=p.csv", code=2).stderr
    )
    assert (project.folder / "p.csv").read_text() == "mine"
    project.here("predictions", key, "to=p.csv", "--replace")
    assert (project.folder / "p.csv").read_text() != "mine"
    for words, message in {
        ("to=p.xlsx",): "give a file that ends in .parquet or .csv",
        (): '"to" is missing',
        ("to=q.csv", "part=train"): 'part "train" is not known',
    }.items():
        assert message in project.here("predictions", key, *words, code=2).stderr
        assert not (project.folder / "q.csv").exists()


def test_a_cell_without_predictions_says_why(project: Project) -> None:
    project.here("run", project.suite, "imputer=mean", "seed=1", "fuser.waits.fail=raise", code=1)
    failed = next(each for each in ledger(project).load().values() if each.status == "failed")
    assert (
        "has no predictions: it ended failed (ValueError"
        in project.here("predictions", failed.key, "to=p.csv", code=2).stderr
    )


def test_the_command_of_its_run_can_be_typed_again_though_the_run_had_a_name(project: Project, tmp_path: Path) -> None:
    words = ("run", project.suite, "imputer=mean", "fuser=level", "seed=1", f"out={tmp_path / 'named'}")
    project.here(*words, "name=mine")
    (only,) = Ledger(tmp_path / "named").load().values()
    assert "name=mine" in only.provenance["command"]
    page = project.here("cell", only.key, f"out={tmp_path / 'named'}").stdout
    assert "imputer=mean" in page
    assert "name=mine" not in page


def test_runs_of_two_suites_are_not_compared(project: Project) -> None:
    folder = Path(__file__).parents[2] / "leaderboards"
    files = [str(folder / f"{name}.records.json") for name in ("physionet48", "mimic48")]
    refused = project.here("compare", *files, code=2).stderr
    assert "physionet48" in refused
    assert "mimic48" in refused
