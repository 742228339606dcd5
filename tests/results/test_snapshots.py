"""Snapshots of runs: one file each, never changed, found by suite and name."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench.cli.history import runs
from bench.errors import StorageError, UsageError
from bench.leaderboard import load_export, redact, save_export
from bench.results import snapshots
from bench.results.records import Export, Override
from support.made_runs import info, made_run, noisy, save_runs


def silent(message: str) -> None:
    raise AssertionError(message)


def run(number: int = 0, **of_run) -> Export:
    return msgspec.structs.replace(made_run(number, noisy(seed=number)), run=info(number, **of_run))


def keys(export: Export) -> list[str]:
    return [key for _, key in export.planned]


def test_a_run_is_kept_as_it_was_with_its_name_and_its_date(tmp_path: Path) -> None:
    path = snapshots.keep(tmp_path, run(3))
    assert path == tmp_path / "runs" / "demo" / "run3.json"
    assert load_export(path) == load_export(save_runs(tmp_path / "other", [run(3)])[0])
    [(file, suite, told)] = snapshots.infos(tmp_path, silent)
    assert (file, suite, told) == (path, "demo", info(3))
    assert [each.name for each in path.parent.iterdir()] == ["run3.json"]


def test_a_run_of_a_name_that_is_taken_gets_a_number_and_replaces_nothing(tmp_path: Path) -> None:
    first = snapshots.keep(tmp_path, run(0, name="same"))
    content = first.read_bytes()
    assert snapshots.keep(tmp_path, run(1, name="same")).name == "same-2.json"
    assert snapshots.keep(tmp_path, run(2, name="same")).name == "same-3.json"
    assert first.read_bytes() == content
    assert load_export(tmp_path / "runs/demo/same-3.json").run.name == "same-3"


def test_a_run_that_was_stopped_goes_on_under_its_name_with_the_same_cells_alone(tmp_path: Path) -> None:
    stopped = run(0, name="long", stopped="the budget ended")
    snapshots.keep(tmp_path, stopped)
    snapshots.check_free(tmp_path, "demo", "long", keys(stopped))
    with pytest.raises(UsageError, match="planned other cells"):
        snapshots.check_free(tmp_path, "demo", "long", keys(stopped)[1:])
    assert snapshots.keep(tmp_path, run(1, name="long")).name == "long.json"
    [(_, _, told)] = snapshots.infos(tmp_path, silent)
    assert (told.date, told.stopped) == (info(1).date, "")
    with pytest.raises(UsageError, match="a run of suite demo has it"):
        snapshots.check_free(tmp_path, "demo", "long", keys(stopped))


@pytest.mark.parametrize(
    ("name", "words"), [("a/b", "is not accepted"), ("last", "stands for the last run"), ("..", "is not")]
)
def test_odd_names_are_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        snapshots.check_free(tmp_path, "demo", name, [])


def test_runs_are_in_the_order_of_their_dates_whatever_their_names(tmp_path: Path) -> None:
    save_runs(tmp_path, [run(number, name=name) for number, name in ((2, "a"), (0, "z"), (1, "m"))])
    assert snapshots.names(tmp_path, "demo") == ["z", "m", "a"]
    assert snapshots.find(tmp_path, "demo", "last").run.name == "a"


def test_a_name_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path) -> None:
    save_runs(tmp_path, [run(0, name="before"), run(1, name="after")])
    with pytest.raises(UsageError, match='did you mean "before"'):
        snapshots.find(tmp_path, "demo", "befor")
    with pytest.raises(UsageError, match="holds no run of suite other"):
        snapshots.find(tmp_path, "other", "last")


def test_a_damaged_run_is_named_and_the_others_are_there(tmp_path: Path) -> None:
    first, second, _ = save_runs(tmp_path, [run(0), run(1), run(2)])
    first.write_bytes(b"{}")
    second.write_bytes(second.read_bytes().replace(b"0.8", b"0.9", 1))
    told: list[str] = []
    assert [name for _, name, _ in snapshots.infos(tmp_path, told.append)] == ["demo", "demo"]
    assert "run0.json is no snapshot" in told[0]
    assert [e.run.name for e in snapshots.series(tmp_path, "demo", told.append)] == ["run2"]
    assert ["run0.json is no snapshot" in line for line in told[1:]] == [True, False]
    assert "run1.json is not a complete export" in told[2]
    for ask in (snapshots.find, lambda *place: snapshots.series(*place[:2], told.append, place[2])):
        with pytest.raises(StorageError, match="checksum"):
            ask(tmp_path, "demo", "run1")


def test_one_changed_byte_is_named_in_the_list_and_a_suite_without_a_run_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, changed = save_runs(tmp_path, [run(0), run(1)])
    changed.write_bytes(changed.read_bytes()[:-5] + b" " + changed.read_bytes()[-4:])
    snapshots.check_whole(whole)
    with pytest.raises(StorageError, match=r"run1\.json is damaged"):
        snapshots.check_whole(changed)
    runs.callback(("suite=demo", f"out={tmp_path}"), False)
    listed = capsys.readouterr()
    assert "run0" in listed.out
    assert "run1" not in listed.out
    assert "run1.json is damaged" in listed.err
    runs.callback(("suite=physionet48", f"out={tmp_path}"), False)
    assert "no run of suite physionet48" in capsys.readouterr().err


def test_a_damaged_run_or_one_of_an_older_format_hides_none_of_the_others_though_it_be_the_last(tmp_path: Path) -> None:
    _, old, cut = save_runs(tmp_path, [run(0), run(1), run(2)])
    text = old.read_text()
    old.write_text("{\n" + text[text.index('"schema"') :].replace('"schema": 1', '"schema": 0', 1))
    cut.write_bytes(cut.read_bytes()[:-20])
    told: list[str] = []
    assert [e.run.name for e in snapshots.series(tmp_path, "demo", told.append)] == ["run0"]
    assert "has schema 0" in told[0]
    assert "changed or cut short" in told[1]
    (tmp_path / "runs/demo/run0.json").unlink()
    with pytest.raises(StorageError, match="cut short"):
        snapshots.series(tmp_path, "demo", told.append)


def test_runs_that_end_in_the_same_second_keep_their_order(tmp_path: Path) -> None:
    ends = [f"2026-11-30T14:12:05.{part}Z" for part in ("090", "250", "700")]
    for number, date in enumerate(ends):
        snapshots.keep(tmp_path, run(number, name="20261130-141205", date=date))
    numbered = ["20261130-141205", "20261130-141205-2", "20261130-141205-3"]
    assert snapshots.names(tmp_path, "demo") == numbered
    infos = [info for _, _, info in snapshots.infos(tmp_path, silent)]
    assert {info.second for info in infos} == {"2026-11-30T14:12:05Z"}
    save_runs(tmp_path / "of days", [run(0, name=name, date="2026-11-30") for name in reversed(numbered)])
    assert snapshots.names(tmp_path / "of days", "demo") == numbered


def test_a_series_is_of_runs_that_asked_the_same(tmp_path: Path) -> None:
    other = [Override("draws", "5", "1")]
    runs = [
        run(0), msgspec.structs.replace(run(1), profile="full"), msgspec.structs.replace(run(2), overrides=other),
        msgspec.structs.replace(run(3), overrides=[Override("grid.seed", "1", "2")]), run(4, shard="1/2"), run(5),
    ]  # fmt: skip
    save_runs(tmp_path, runs)
    told: list[str] = []
    assert [e.run.name for e in snapshots.series(tmp_path, "demo", told.append)] == ["run0", "run3", "run5"]
    assert told == ["3 runs of another suite file, profile, split, shard or other settings of the suite left out"]
    assert [e.run.name for e in snapshots.series(tmp_path, "demo", told.append, "run3")] == ["run0", "run3"]


def test_the_runs_before_are_those_before_the_run_itself(tmp_path: Path) -> None:
    runs = [run(number) for number in range(4)]
    save_runs(tmp_path, runs)
    now = msgspec.structs.replace(runs[3], run=None)  # as the last run is collected from the ledger
    names = [e.run.name for e in snapshots.before(tmp_path, "demo", now, 2, silent)]
    assert names == ["run1", "run2"]
    assert [e.run.name for e in snapshots.before(tmp_path, "demo", runs[1], 1, silent)] == ["run0"]
    with pytest.raises(UsageError, match="holds no run before this one"):
        snapshots.before(tmp_path, "demo", runs[0], 5, silent)
    elsewhere = msgspec.structs.replace(now, planned=[(at, f"{key}0") for at, key in now.planned])
    assert [e.run.name for e in snapshots.before(tmp_path, "demo", elsewhere, 1, silent)] == ["run3"]


def test_runs_before_that_repeat_another_count_once_and_fewer_than_named_is_said(tmp_path: Path) -> None:
    first, new = run(0), run(2)
    again = msgspec.structs.replace(first, run=info(1))
    save_runs(tmp_path, [first, again, new])
    told: list[str] = []
    assert [e.run.name for e in snapshots.before(tmp_path, "demo", new, 5, told.append)] == ["run1"]
    assert told == ["the last 5 runs are named and 1 can be used; 1 more repeats the cells of another"]


def test_what_is_shared_of_a_run_holds_its_day_and_no_hour(tmp_path: Path) -> None:
    shared = redact(run(4))
    assert shared.run == info(4, date="2026-11-05")
    save_export(tmp_path / "shared.json", shared)
    assert b"10:00" not in (tmp_path / "shared.json").read_bytes()


def test_an_export_of_no_run_is_written_as_ever(tmp_path: Path) -> None:
    save_export(tmp_path / "a.json", msgspec.structs.replace(run(), run=None))
    assert b'"run"' not in (tmp_path / "a.json").read_bytes()
    assert load_export(tmp_path / "a.json").run is None


def test_a_copied_run_has_the_name_of_its_file_and_one_filed_under_another_suite_is_named(tmp_path: Path) -> None:
    path = snapshots.keep(tmp_path, run(0, name="a"))
    path.with_name("zz.json").write_bytes(path.read_bytes())
    assert snapshots.find(tmp_path, "demo", "zz").run.name == "zz"
    assert snapshots.names(tmp_path, "demo") == ["a", "zz"]
    other = tmp_path / "runs" / "mosi" / "a.json"
    other.parent.mkdir()
    other.write_bytes(path.read_bytes())
    with pytest.raises(StorageError, match="is a run of suite demo, filed under mosi"):
        snapshots.find(tmp_path, "mosi", "a")
