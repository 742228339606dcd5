"""The benchmark from Python: the same words, plans, runs and tables as on the command line."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest

from bench import api
from bench.errors import UsageError
from bench.leaderboard import load_export, render, save_export
from bench.leaderboard.render.latex import FIXED, escaped, to_latex
from support.fake_exports import make_export
from support.whole_export import whole

BOARDS = Path(__file__).parents[2] / "leaderboards"
SMALL = ("data.stays=100", "data.root=synthetic", "modalities=vitals")


def board(folder: Path, export=None) -> api.Leaderboard:
    save_export(folder / "a.records.json", export or make_export())
    return api.leaderboard(str(folder / "a.records.json"))


def test_rows_are_those_of_the_tables_in_their_order(tmp_path: Path) -> None:
    export = make_export(["mean", "locf"], ["gbm", "gru"])
    rows = board(tmp_path, export).rows
    assert rows["rank"].tolist() == [1, 1, 3, 3]  # two and two have the same score
    assert rows["auroc"].tolist() == sorted(rows["auroc"], reverse=True)
    written = [line.split("|") for line in render(export)["md"].decode().splitlines() if line.startswith("| ")]
    shown = [(cells[3].strip(" †"), cells[4].strip()) for cells in written if cells[1].strip().isdigit()]
    assert list(zip(rows["imputer"], rows["fuser"], strict=True)) == shown[: len(rows)]


def test_a_row_without_a_rank_has_a_missing_one_and_no_score(tmp_path: Path) -> None:
    export = make_export(["mean", "locf"], ["gbm"])
    del export.records[0]
    rows = board(tmp_path, export).rows
    assert rows["rank"].isna().tolist() == rows["auroc"].isna().tolist() == [False, True]
    assert rows["cells"].tolist() == ["3 ok", "2 ok, 1 not-run"]


def test_cells_are_those_of_the_csv_file(tmp_path: Path) -> None:
    export = make_export()
    lines = list(csv.DictReader(io.StringIO(render(export)["csv"].decode())))
    cells = board(tmp_path, export).cells
    assert list(cells.columns) == list(lines[0])
    assert cells["key"].tolist() == [line["key"] for line in lines]


def test_winners_have_one_row_per_table(tmp_path: Path) -> None:
    winners = board(tmp_path, whole()).winners
    assert len(winners) == len(winners[["task", "modalities", "scenario"]].drop_duplicates()) == 4
    best = api.leaderboard(str(BOARDS / "physionet48.records.json")).winners.iloc[0]
    assert best["low"] < best["score"] < best["high"]


def test_a_notebook_shows_the_page_in_a_frame_of_its_own(tmp_path: Path) -> None:
    shown = board(tmp_path)
    assert shown._repr_html_().startswith('<iframe srcdoc="&lt;!DOCTYPE html&gt;')
    assert shown._repr_html_().count("<") == 2
    assert repr(shown).startswith("Leaderboard('demo': ")


def test_a_leaderboard_saved_is_the_one_of_bench_report(tmp_path: Path) -> None:
    path = BOARDS / "trace_motivational-sizes.records.json"
    saved = api.leaderboard(str(path)).save(tmp_path, page=False)
    assert {each.name for each in saved} >= {path.name, path.name.replace("records.json", "md")}
    assert load_export(tmp_path / path.name) == load_export(path)
    written = path.name.replace("records.json", "md")
    assert (tmp_path / written).read_bytes() == (BOARDS / written).read_bytes()


@pytest.mark.parametrize(
    ("words", "values", "typed"),
    [
        (("mimic48",), {"seed": [1, 2]}, ("suite=mimic48", "seed=1,2")),
        (("suite=mimic48", "data.stays=3"), {"imputer": "mean"}, ("suite=mimic48", "data.stays=3", "imputer=mean")),
        (("mine.toml",), {"workers": 2}, ("suite=mine.toml", "workers=2")),
    ],
)
def test_words_are_those_of_the_command_line(words, values, typed) -> None:
    assert api._words(words, values) == typed


def test_an_empty_list_of_values_and_a_slip_are_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match='"seed" is empty'):
        api.plan("mimic48", seed=[])
    with pytest.raises(UsageError, match='did you mean "mimic48"'):
        api.plan("mimic49")


SCRIPT = f"""
from bench import api
words = ("mimic48", {", ".join(map(repr, SMALL))})
values = dict(imputer="mean", fuser="linear", task="ihm48", seed=[1], out="results")
board = api.run(*words, progress=False, **values)
plan = api.plan(*words, **values)
assert set(plan["state"]) == {{"ok"}}, plan
assert len(plan) == len(board.cells)
assert set(board.rows["imputer"]) >= {{"mean"}}
print("ran once")
"""


@pytest.mark.slow
def test_a_script_runs_a_suite_though_it_has_no_main_guard(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.stdout, done.returncode) == ("ran once\n", 0), done.stderr


def test_latex_has_the_chosen_columns_and_says_what_its_numbers_are_of(tmp_path: Path) -> None:
    text = board(tmp_path, make_export(["mean", "mask_only"], ["gbm"])).latex(["imputer", "auprc", "rank"])
    head, *rows = [line.removesuffix(r" \\") for line in text.splitlines() if line.endswith(r"\\")]
    assert head == r"imputer & AUPRC $\uparrow$ & rank"
    assert sorted(row.split(" & ")[0] for row in rows) == [r"mask\_only", r"mean$^\dagger$"]
    assert text.count(r"\textbf{") == 1
    for word in ("test record", "seeds: 42, 52, 72", "sample standard deviation", "a control"):
        assert word in text


@pytest.mark.parametrize("path", sorted(BOARDS.glob("*.records.json")), ids=lambda path: path.stem)
def test_every_committed_board_is_balanced_latex_without_a_sign_it_cannot_print(path: Path) -> None:
    from bench.leaderboard import Board

    export = load_export(path)
    names = [name for name in export.tasks[0].metrics if name]
    text = to_latex(Board(export), [*FIXED, *names])
    assert text.isascii()
    bare = text.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    assert text.count(r"\begin{") == text.count(r"\end{") > 0
    for line in text.splitlines():
        if line.endswith(r"\\"):
            assert line.replace(r"\&", "").count("&") == len([*FIXED, *names]) - 1


def test_a_table_without_a_chosen_metric_has_its_primary_one_and_text_is_taken_as_words(tmp_path: Path) -> None:
    shown = board(tmp_path)
    assert shown.latex("imputer,fuser") == shown.latex(["imputer", "fuser", "auroc"])


def test_a_column_that_is_none_is_refused_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r'column "aurok" is not known .* did you mean "auroc"'):
        board(tmp_path).latex(["aurok"])


def test_signs_of_latex_are_written_so_that_they_print() -> None:
    assert escaped("a_b & 5 % {x}\\") == r"a\_b \& 5 \% \{x\}\textbackslash{}"
