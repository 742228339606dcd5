"""Merging ledgers: a union by key, in which results count more than failures and nothing is
averaged.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.results.conflicts import in_words, still_in_words
from bench.results.coordinates import Coordinates
from bench.results.ledger import Ledger
from bench.results.merge import merge
from bench.results.predictions import Predictions
from bench.results.records import Audit, Record
from bench.results.same_bits import differing
from support.commanding import command, folder
from support.fake_exports import make_export
from support.project import Project

KEYS = [f"{number:x}" * 64 for number in range(4)]


def record(key: str, status: str = "ok", **more: object) -> Record:
    at = Coordinates("s", "ihm", "all", "natural", "mean", "gru", 1)
    return Record(key=key, coordinates=at, status=status, **more)  # type: ignore[arg-type]


def predictions(value: float) -> Predictions:
    ids = np.array(["a", "b"])
    return Predictions(ids, ids, np.zeros(2, np.float32), np.full((2, 1), value, np.float32))


def write(ledger: Ledger, key: str, kind: str) -> None:
    """kind: "ok 1" or "ok 2" by what was predicted, else a status."""
    status, _, value = kind.partition(" ")
    ledger.write(record(key, status, reason="" if value else "it broke"), predictions(float(value)) if value else None)


def content(ledger: Ledger) -> dict[str, tuple[str, str]]:
    return {key: (each.status, each.predictions) for key, each in Ledger(ledger.folder.parent).load().items()}


def conflicts(ledger: Ledger) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in ledger.folder.glob("conflicts/*/*"):
        found.setdefault(path.parent.name, set()).add(path.name)
    return found


def test_records_come_with_their_arrays_and_a_second_merge_changes_nothing(tmp_path: Path) -> None:
    source, into = Ledger(tmp_path / "a"), Ledger(tmp_path / "b")
    stored = source.write(record(KEYS[0], scores={"auroc": 0.5}), predictions(1))
    write(into, KEYS[1], "ok 1")
    assert [each.key for each in merge(source, into).taken] == [KEYS[0]]
    assert into.load()[KEYS[0]] == stored
    assert np.array_equal(into.predictions(stored).outputs, predictions(1).outputs)
    before = {path: path.read_bytes() for path in into.folder.rglob("*") if path.is_file()}
    again = merge(Ledger(tmp_path / "a"), Ledger(tmp_path / "b"))
    assert (again.taken, again.same) == ([], 1)
    assert {path: path.read_bytes() for path in into.folder.rglob("*") if path.is_file()} == before


KIND = st.sampled_from(["ok 1", "ok 2", "failed", "oom", "skipped"])
LEDGERS = st.lists(st.dictionaries(st.sampled_from(KEYS), KIND), min_size=2, max_size=3)


@settings(max_examples=60)
@given(ledgers=LEDGERS, move=st.booleans(), data=st.data())
def test_a_merge_is_a_union_whatever_the_order(ledgers: list[dict[str, str]], move: bool, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(ledgers))))
    with tempfile.TemporaryDirectory() as folder:
        into = Ledger(Path(folder) / "into")
        for number in order:
            source = Ledger(Path(folder) / str(number))
            for key, kind in ledgers[number].items():
                write(source, key, kind)
            merge(source, into, move)
        for key in KEYS:
            kinds = [ledger[key] for ledger in ledgers if key in ledger]
            results = {kind for kind in kinds if kind.startswith("ok")}
            here = content(into).get(key)
            if len(results) > 1:
                assert here is None or here[0] != "ok"
                assert len(conflicts(into)[key]) == 4, "both, each with its predictions"
                continue
            assert key not in conflicts(into)
            best = min(kinds, key=["ok 1", "ok 2", "skipped", "failed", "oom"].index, default=None)
            if best in ("failed", "oom"):
                assert here is not None
                assert here[0] in kinds
            else:
                assert (here[0] if here else None) == (best.partition(" ")[0] if best else None)


def test_a_key_in_conflict_stays_out_until_it_is_run_again(tmp_path: Path) -> None:
    one, other, into = Ledger(tmp_path / "a"), Ledger(tmp_path / "b"), Ledger(tmp_path / "c")
    write(one, KEYS[0], "ok 1")
    write(other, KEYS[0], "ok 2")
    merge(one, into)
    (conflict,) = merge(other, into).conflicts
    assert conflict.fields == ("predictions",)
    again = merge(one, into)
    assert (again.held, again.taken, content(into)) == ([KEYS[0]], [], {})
    write(into, KEYS[0], "ok 1")
    assert merge(one, Ledger(tmp_path / "c")).same == 1


@settings(max_examples=40)
@given(ledgers=LEDGERS, decision=st.sampled_from(["ok 1", "ok 2", "ok 3"]), data=st.data())
def test_what_was_decided_stays_decided_in_every_ledger_that_hears_of_it(
    ledgers: list[dict[str, str]], decision: str, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sources = [Ledger(Path(folder) / str(number)) for number in range(len(ledgers))]
        for source, kinds in zip(sources, ledgers, strict=True):
            for key, kind in kinds.items():
                write(source, key, kind)
        into, third = Ledger(Path(folder) / "into"), Ledger(Path(folder) / "third")
        for source in sources:
            merge(source, into)
        decided = into.in_conflict()
        for key in decided:
            write(into, key, decision)
        before = content(into)
        for source in sources:
            again = merge(source, into)
            assert not again.conflicts
            assert not again.held
        assert content(into) == before
        for number in data.draw(st.permutations(range(len(sources) + 1))):
            merge([*sources, into][number], third)
        assert {key: content(third)[key] for key in decided} == {key: before[key] for key in decided}
        assert third.in_conflict() == []


@settings(max_examples=40)
@given(ledgers=LEDGERS, data=st.data())
def test_a_conflict_is_carried_along_whatever_the_order(ledgers: list[dict[str, str]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        into, third = Ledger(Path(folder) / "into"), Ledger(Path(folder) / "third")
        sources = [Ledger(Path(folder) / str(number)) for number in range(len(ledgers))]
        for source, kinds in zip(sources, ledgers, strict=True):
            for key, kind in kinds.items():
                write(source, key, kind)
            merge(source, into)
        others = data.draw(st.lists(st.sampled_from(sources), unique_by=id))
        for source in data.draw(st.permutations([*others, into])):
            merge(source, third)
        assert third.in_conflict() == into.in_conflict()
        assert conflicts(third) == conflicts(into)
        assert {key for key, (status, _) in content(third).items() if status == "ok"} == {
            key for key, (status, _) in content(into).items() if status == "ok"
        }


def test_what_a_queue_ran_for_this_ledger_decides_as_a_run_here_does(tmp_path: Path) -> None:
    one, other, queue, into = (Ledger(tmp_path / name) for name in "abcd")
    write(one, KEYS[0], "ok 1")
    write(other, KEYS[0], "ok 2")
    merge(one, into)
    merge(other, into)
    queue.write(record(KEYS[0], costs={"fit_seconds": 1.0}), predictions(2))
    assert [each.key for each in merge(queue, into, move=True).taken] == [KEYS[0]]
    assert into.in_conflict() == []


def test_a_conflict_is_told_by_the_score_that_differs_and_by_how_far_predictions_do(tmp_path: Path) -> None:
    one, other, into = Ledger(tmp_path / "a"), Ledger(tmp_path / "b"), Ledger(tmp_path / "c")
    one.write(record(KEYS[0], scores={"auprc": 0.25, "auroc": 0.5}), predictions(1))
    other.write(record(KEYS[0], scores={"auprc": 0.25, "auroc": 0.75}), predictions(1.5))
    merge(one, into)
    (conflict,) = merge(other, into).conflicts
    for line in (in_words(conflict, into), still_in_words(KEYS[0], into)):
        assert "auroc 0.5 and 0.75 (+0.25)" in line or "auroc 0.75 and 0.5 (-0.25)" in line
        assert "auprc" not in line
        assert "2 of 2 records differ, by 0.5 at most" in line


def test_what_was_damaged_is_left_out_and_named_and_what_is_damaged_here_is_replaced(tmp_path: Path) -> None:
    source, into = Ledger(tmp_path / "a"), Ledger(tmp_path / "b")
    for key in KEYS[:3]:
        write(source, key, "ok 1")
    (path,) = source.folder.glob(f"cells/*/{KEYS[0]}.npz")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    (path,) = source.folder.glob(f"cells/*/{KEYS[1]}.json")
    path.write_bytes(path.read_bytes().replace(b'"ok"', b'"xx"'))
    write(into, KEYS[2], "ok 2")
    (path,) = into.folder.glob(f"cells/*/{KEYS[2]}.npz")
    path.unlink()
    merged = merge(source, into)
    assert sorted(merged.damaged) == [f"{KEYS[0]}.npz", f"{KEYS[1]}.json"]
    assert content(into).keys() == {KEYS[2]}
    assert not merged.conflicts


def test_costs_and_machines_may_differ_and_scores_only_where_other_code_made_them() -> None:
    one = record(KEYS[0], scores={"auroc": 0.5}, metrics_code="1", costs={"fit_seconds": 1.0}, provenance={"host": "a"})
    other = msgspec.structs.replace(one, costs={}, provenance={"host": "b"})
    assert differing(one, other) == ()
    assert differing(one, msgspec.structs.replace(other, scores={"auroc": 0.6})) == ("scores",)
    assert differing(one, msgspec.structs.replace(other, scores={"auroc": 0.6}, metrics_code="2")) == ()
    assert differing(one, msgspec.structs.replace(other, predictions="x", audits={"a": Audit(False)})) == (
        "predictions",
        "audits",
    )


def test_logs_of_failed_jobs_come_too_and_those_of_processes_do_not(tmp_path: Path) -> None:
    source, into = Ledger(tmp_path / "a"), Ledger(tmp_path / "b")
    write(source, KEYS[0], "failed")
    (source.folder / "logs").mkdir()
    for name in (f"{KEYS[1]}.log", "worker-0.log"):
        (source.folder / "logs" / name).write_text("it said")
    merge(source, into)
    assert [path.name for path in into.folder.glob("logs/*")] == [f"{KEYS[1]}.log"]


def test_the_command_names_a_conflict_keeps_it_out_of_the_table_and_ends_with_7(project: Project) -> None:
    words = (project.suite, "imputer=mean", "seed=1", "fuser=level,restless")
    project.here("run", *words, "out=a")
    project.here("run", *words, "out=b")
    merged = project.here("ledger", "merge", "a", "b", code=7)
    assert re.search(r"conflict: toy all natural mean x restless seed 1 \([0-9a-f]{8}\): predictions", merged.stderr)
    assert "1 cell is in no table" in merged.stderr
    assert [each["coordinates"]["fuser"] for each in project.records()] == ["level"]
    assert "not-run" in project.leaderboard().decode()
    again = project.here("ledger", "merge", "a", "b", "--json", code=7)
    key = json.loads(again.stdout)["a"]["held"][0]
    assert json.loads(again.stdout)["a"] == {
        "taken": 0, "same": 1, "outdone": 0, "held": [key], "settled": 0, "conflicts": [], "damaged": []
    }  # fmt: skip
    assert "still in conflict: toy all natural mean x restless seed 1" in again.stderr
    assert "1 cell is in no table" in again.stderr
    assert f"ledger/conflicts/{key}" in project.here("cell", key[:8], code=2).stderr
    assert "1 cell is in conflict" in project.here("report", project.suite).stderr
    project.here("run", *words)
    assert len(project.records()) == 2
    settled = project.here("ledger", "merge", "a", "b")
    assert "2 there already, 2 set apart before and settled since" in settled.stdout
    assert len(project.records()) == 2


def test_folders_without_a_ledger_are_refused_and_so_is_the_target_itself(project: Project) -> None:
    assert "holds no ledger" in project.here("ledger", "merge", "nowhere", code=2).stderr
    assert "folders of results are wanted" in project.here("ledger", "merge", "out=x", code=2).stderr
    project.here("run", project.suite, "imputer=mean", "seed=1", "out=a")
    assert 'did you mean "out"' in project.here("ledger", "merge", "a", "oot=m", code=2).stderr
    assert "is also out=" in project.here("ledger", "merge", "a", "out=a", code=2).stderr
    assert "named twice" in project.here("ledger", "merge", "a", "./a", code=2).stderr


def test_a_damaged_plan_is_named_and_left_out_and_the_other_folders_are_merged(tmp_path: Path) -> None:
    export = msgspec.structs.replace(make_export(["mean"], ["gru"], [1], audit_cells=False), records=[])
    sources = [Ledger(tmp_path / name) for name in ("part1", "part2")]
    for number, source in enumerate(sources):
        write(source, KEYS[number], "ok 1")
        source.remember(export)
    (sources[0].folder / "plans" / "demo.json").write_text("{}")
    with folder() as here:
        parts = [str(each.folder.parent) for each in sources]
        done = command(here, "ledger", "merge", *parts, "out=all")
        assert done.code == 0
        assert done.out.strip() == "all: 2 taken, 1 damaged"
        assert f"plans/demo.json in {sources[0].folder} is damaged and was left out" in done.err
        assert Ledger(here / "all").last("demo") == export
        (here / "all/ledger/plans/demo.json").write_text("{}")
        assert command(here, "ledger", "merge", parts[1], "out=all").code == 0
        assert Ledger(here / "all").last("demo") == export
