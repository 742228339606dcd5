"""`bench plot` of scores, heat maps, rounds and predictions: the pictures of a page as files."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from bench.cli.main import cli
from bench.errors import UsageError
from bench.leaderboard import Board, load_export
from bench.leaderboard.sections import degradation, tables

pytest.importorskip("matplotlib")

BOARDS = Path(__file__).parents[2] / "leaderboards"
FUSERS, UNITS = (BOARDS / f"{name}.records.json" for name in ("physionet48-fusers", "mimic48_federated-federated"))


def plot(name: str, source: Path, to: Path, *words: str) -> str:
    """What is written in the picture."""
    cli.main(["plot", name, f"from={source}", f"to={to}", *words], standalone_mode=False)
    return "\n".join(map(html.unescape, re.findall(r"<text[^>]*>([^<]*)</text>", to.read_text(encoding="utf-8"))))


def test_scores_are_those_of_the_table_best_first(tmp_path: Path) -> None:
    text = plot("scores", FUSERS, tmp_path / "a.svg")
    (table,) = Board(load_export(FUSERS))[tables.SECTION]
    first = [f"{row.scores[table.primary].mean:.4f}" for row in list(table.eligible.values())[:20]]
    shown = re.findall(r"^0\.\d{4}$", text, re.MULTILINE)
    assert shown[:20] == first
    assert shown == sorted(shown, reverse=True)
    assert "linear + gbm(tuned)" in text
    assert "more …" in text


def test_a_heat_map_has_every_score_of_the_table(tmp_path: Path) -> None:
    text = plot("heat", FUSERS, tmp_path / "a.svg", "fuser=gru,linear")
    (table,) = Board(load_export(FUSERS))[tables.SECTION]
    rows = [row for row in table.rows if row.fuser in ("gru", "linear")]
    expected = sorted(f"{row.scores[table.primary].mean:.3f}" for row in rows)
    assert sorted(re.findall(r"^0\.\d{3}$", text, re.MULTILINE)) == expected
    assert "gbm" not in text


def test_rounds_name_every_federation(tmp_path: Path) -> None:
    text = plot("rounds", UNITS, tmp_path / "a.svg", "task=ihm48", "imputer=locf")
    assert "locf + gru, fedavg" in text
    assert text.count("validation loss") == 4  # one panel for each of four settings


def test_predictions_over_the_settings_of_a_scenario_are_those_of_the_page(tmp_path: Path) -> None:
    text = plot("rates", UNITS, tmp_path / "a.svg", "metric=auroc")
    every = Board(load_export(UNITS))[degradation.SECTION]
    assert [each.task for each in every] == ["ihm48", "los3"]
    for each in every:
        assert each.parameters == ["ps", "pw"]
        assert each.settings == [(0.2, 0.2), (0.2, 0.8), (0.8, 0.2), (0.8, 0.8)]
        assert all(name in text for name in each.names)
        for row in each.rows:
            for score, ends in zip(row.scores, row.intervals, strict=True):
                assert score is not None
                assert ends is not None
                assert ends[0] < ends[1]


@pytest.mark.parametrize(
    ("name", "source", "words", "said"),
    [
        ("scores", UNITS, ("task=ihm4",), 'did you mean "ihm48"'),
        ("heat", FUSERS, ("fuser=gru",), "two imputers and two fusers"),
        ("rounds", FUSERS, (), "no method of these tables was trained in rounds"),
        ("rates", FUSERS, ("metric=auroc",), "needs a scenario that was run in two settings"),
        ("rates", UNITS, ("metric=aurok",), 'did you mean "auroc"'),
        ("rates", UNITS, ("metric=auroc", "imputer=locf"), "leave out imputer="),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    tmp_path: Path, name: str, source: Path, words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        plot(name, source, tmp_path / "a.svg", *words)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
