"""`bench rerun KEY`: a cell is computed again from nothing, beside its record, and the bits are
compared.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import msgspec
import pytest

from bench.results.ledger import Ledger
from support.project import Project

ONE = ("imputer=mean", "seed=1")


@pytest.fixture
def project(project: Project) -> Project:
    return project.scored_plainly()


def ledger(project: Project) -> Ledger:
    return Ledger(project.folder / "results")


def written(project: Project) -> dict[str, tuple[bytes, int]]:
    """Every file of the results, with its time of change."""
    files = [path for path in (project.folder / "results").rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def cache(project: Project) -> Path:
    return Path(project.environment["BENCH_CACHE"])


def keys(project: Project, *words: str) -> list[str]:
    """The short keys in the table that is printed."""
    printed = project.here("report", project.suite, *words, "--print").stdout.partition("Cells\n")[2]
    return re.findall(r"\b[0-9a-f]{8}\b", printed)


def run(project: Project, *words: str) -> str:
    """Run one cell; its short key, as the table prints it."""
    project.here("run", project.suite, *words)
    (key,) = keys(project)
    return key


CELLS = {
    "naive": (*ONE, "fuser=level"),
    "with draws of a seed": ("imputer=around", "seed=1", "fuser=waits", "scenario=mcar", "draws=3"),
    "trained": (*ONE, "fuser=gru", "fuser.gru.epochs=2", "fuser.gru.hidden=4"),
    "federated": (
        *ONE, "fuser=gru", "fuser.gru.epochs=2", "fuser.gru.hidden=4", "federation=fedavg", "partition.clients=2",
        "rounds.number=2", "controls.federation=",
    ),
}  # fmt: skip


@pytest.mark.parametrize("which", CELLS)
def test_a_cell_of_a_printed_table_gives_the_same_bits_from_an_empty_cache(project: Project, which: str) -> None:
    key = run(project, *CELLS[which])
    shutil.rmtree(cache(project))
    before = written(project)
    done = project.here("rerun", key)
    assert done.stdout.splitlines()[-1] == "the same bits"
    assert "predictions" in done.stdout
    assert re.search(r"^scores +1 of 1 same$", done.stdout, re.MULTILINE)
    assert ("federated" in done.stdout) is (which == "federated")
    assert written(project) == before


def test_nothing_is_taken_from_the_cache_and_nothing_is_left_there(project: Project) -> None:
    key = run(project, *ONE, "fuser=level")
    kept = {path for path in cache(project).rglob("*") if "manifests" not in str(path)}
    done = project.here("rerun", key)
    assert [line.split()[2] for line in done.stderr.splitlines() if re.match(r"\[\d", line)] == [
        "prepare",
        "impute",
        key,
    ]
    assert {path for path in cache(project).rglob("*") if "manifests" not in str(path)} - kept == {
        cache(project) / "rerun"
    }
    assert not list((cache(project) / "rerun").iterdir())


@pytest.mark.parametrize(
    ("first", "jobs", "cached"),
    [
        ("fuse", [], "cohort, hide, impute"),
        ("impute", ["impute"], "cohort, hide"),
        ("cohort", ["prepare", "impute"], ""),
    ],
)
def test_what_comes_before_the_first_stage_is_taken_from_the_cache(
    project: Project, first: str, jobs: list[str], cached: str
) -> None:
    key = run(project, *ONE, "fuser=level")
    done = project.here("rerun", key, f"again={first}")
    assert [line.split()[2] for line in done.stderr.splitlines() if re.match(r"\[\d", line)] == [*jobs, key]
    named = re.search("taken from the cache: (.*)", done.stdout)
    assert (named[1] if named else "") == cached
    assert "the same bits" in done.stdout


def test_other_bits_on_the_same_surroundings_are_a_broken_promise(project: Project) -> None:
    key = run(project, *ONE, "fuser=restless")
    done = project.here("rerun", key, code=7)
    assert done.stdout.splitlines()[-1] == "OTHER BITS although everything is as it was: a promise is broken"
    assert re.search(r"predictions .* of \d+ same +test: \d+ of \d+ records differ, by [\d.e-]+ at most", done.stdout)


@pytest.mark.parametrize("entry", ["device", "library numpy", "revision", "threads"])
def test_other_bits_on_other_surroundings_break_no_promise_and_these_are_named(project: Project, entry: str) -> None:
    key = run(project, *ONE, "fuser=restless")
    (record,) = ledger(project).load().values()
    predictions = ledger(project).predictions(record)
    other = msgspec.structs.replace(record, provenance={**record.provenance, entry: "another"})
    ledger(project).write(other, predictions)
    done = project.here("rerun", key, code=13)
    assert f"not as it was: {entry} (another, now " in done.stdout
    assert done.stdout.splitlines()[-1] == "other bits, and not everything is as it was: no promise is broken"


def test_the_same_bits_are_the_same_on_whatever_surroundings(project: Project) -> None:
    key = run(project, *ONE, "fuser=level")
    (record,) = ledger(project).load().values()
    other = msgspec.structs.replace(record, provenance={**record.provenance, "device": "another"})
    ledger(project).write(other, ledger(project).predictions(record))
    done = project.here("rerun", key)
    assert "not as it was: device (another, now " in done.stdout
    assert "the same bits" in done.stdout


def test_an_edit_since_is_named_and_the_cell_of_today_is_compared(project: Project) -> None:
    file = Path(project.suite.removeprefix("suite="))
    file.write_text(file.read_text() + "\n[split]\nseed = 1\n")
    key = run(project, *ONE, "fuser=level")
    file.write_text(file.read_text().replace("seed = 1\n", "seed = 2\n"))
    done = project.here("rerun", key, code=13)
    assert "its key is another now, so this is the cell as it would be run today: split" in done.stderr
    assert "not as it was: the key is another now: split" in done.stdout
    assert "other records" in done.stdout
    file.write_text(file.read_text().replace('fuser = ["waits"]', 'fuser = ["level"]'))
    project.here("run", project.suite, "imputer=mean", "seed=2", code=0)  # now the last run does not hold it
    again = project.here("rerun", key, code=13)
    assert "its key is another now" in again.stderr
    assert "split (" in again.stderr


def test_a_cell_that_nothing_plans_any_more_is_answered_with_its_words(project: Project) -> None:
    file = Path(project.suite.removeprefix("suite="))
    key = run(project, *ONE, "fuser=level")
    file.write_text(file.read_text().replace('task = ["plain"]', 'task = ["toy"]'))
    assert "plan no such cell any more: bench run suite=" in project.here("rerun", key, code=2).stderr


def test_a_cell_of_an_earlier_run_is_run_again_by_its_own_words(project: Project) -> None:
    key = run(project, *ONE, "fuser=waits", "fuser.waits.seconds=0.01")
    project.here("run", project.suite, "imputer=locf", "seed=2")
    assert key not in keys(project)
    assert "the same bits" in project.here("rerun", key).stdout


def test_what_failed_fails_again_and_what_it_says_is_kept(project: Project) -> None:
    project.here("run", project.suite, *ONE, "fuser.waits.fail=raise", code=1)
    (key,) = keys(project)
    done = project.here("rerun", key, code=1)
    assert re.search(r"failed \(ValueError at .*\); as in its record$", done.stdout.strip())
    log = re.search(r"stays on this machine: (.+\.log)", done.stderr)
    assert log
    assert "told to fail" in Path(log[1]).read_text()


def test_an_audit_that_repeats_a_cell_is_repeated_with_it(project: Project) -> None:
    project.here("run", project.suite, *ONE, "fuser=level", "audits.cells=repeat")
    _, key = keys(project)
    done = project.here("rerun", key)
    assert re.search(r"^audits +(\d+) of \1 same$", done.stdout, re.MULTILINE)
    assert len(re.findall(r"level seed 1", done.stderr)) == 3  # the head, and both cells


def test_a_trial_of_tuning_is_a_cell_like_others(project: Project) -> None:
    project.here("tune", project.suite, "imputer=mean", "fuser=waits", "trials=2", code=None)
    records = [record for record in project.records() if record["status"] == "ok"]
    assert records
    for record in records:
        assert "the same bits" in project.here("rerun", record["key"][:10]).stdout


def test_a_table_of_somebody_else_is_repeated_from_its_records_file(project: Project) -> None:
    key = run(project, *ONE, "fuser=level")
    project.here("report", project.suite)
    (file,) = (project.folder / "results/leaderboards").glob("*.records.json")
    shutil.copy(file, project.folder / "other.records.json")
    shutil.rmtree(project.folder / "results")
    refused = project.here("rerun", key, "from=other.records.json", code=2).stderr
    assert "the record hides the value of suite, which may name a folder; give it: suite=FILE" in refused
    done = project.here("rerun", key, "from=other.records.json", project.suite)
    assert "the same bits" in done.stdout
    assert not (project.folder / "results").exists()


def test_a_run_that_goes_on_does_not_matter(project: Project) -> None:
    key = run(project, *ONE, "fuser=level")
    with ledger(project).locked():
        project.here("rerun", key)


def test_the_answer_as_json_says_the_same(project: Project) -> None:
    key = run(project, *ONE, "fuser=restless")
    answer = json.loads(project.here("rerun", key, "--json", code=7).stdout)
    assert answer["key"].startswith(key)
    assert (answer["same"], answer["status"], answer["not_as_it_was"]) == (False, "ok", [])
    assert "test" in next(each for each in answer["compared"] if each["field"] == "predictions")["differing"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("again=fusing",), 'stage "fusing" is not known'),
        (("to=x",), 'key "to" is not known'),
        (("out=a", "from=b"), "name two places of one record"),
    ],
)
def test_words_that_make_no_sense_are_refused(project: Project, words: tuple[str, ...], message: str) -> None:
    assert message in project.here("rerun", "a" * 8, *words, code=2).stderr
