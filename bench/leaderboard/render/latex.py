"""The main tables as LaTeX, for a paper: booktabs, chosen columns, and a caption that says what the
numbers are of.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.config.words import ORIGIN
from bench.errors import unknown
from bench.leaderboard.board import Board
from bench.leaderboard.rows import Row, Score
from bench.leaderboard.sections import tables
from bench.leaderboard.task_table import TaskTable
from bench.leaderboard.words import count, metric, percent
from bench.results.coordinates import in_words
from bench.text import clean

FIXED = ("rank", "ties", "imputer", "fuser", "interval")
"""Columns besides the metrics: ties is the tie group, interval that of the primary metric."""

SIGNS = {
    "\\": r"\textbackslash{}",
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    '"': r"\textquotedbl{}", "·": r"$\cdot$", "–": "--", "…": r"\ldots{}", "†": r"$^\dagger$", "±": r"$\pm$", "×": r"$\times$",
    "≥": r"$\geq$", "≤": r"$\leq$", "µ": r"\textmu{}", "²": r"$^2$", "³": r"$^3$",
}  # fmt: skip
"""What LaTeX would read as a command or cannot print, and how it is written instead."""


def to_latex(board: Board, columns: Sequence[str] = ()) -> str:
    """A `table` per main table, best method first; ends with a newline.

    columns: of `FIXED` and the metrics of the task, in the order given; none: rank, imputer, fuser,
    the primary metric with its interval, and the second metric. UsageError for another.

    The document needs the packages booktabs and, for `\\textquotedbl` and `\\textmu`, textcomp with
    T1 fonts.
    """
    every = board[tables.SECTION]
    accepted = [*FIXED, *dict.fromkeys(name for table in every for name in table.metrics)]
    for column in columns:
        if column not in accepted:
            raise unknown("column", column, accepted, ORIGIN)
    return "\n".join(_table(board, table, columns) for table in every)


def escaped(text: str) -> str:
    """Text on one line that LaTeX prints as it stands."""
    return "".join(SIGNS.get(sign, sign) for sign in clean.line(text))


def _table(board: Board, table: TaskTable, columns: Sequence[str]) -> str:
    chosen = [name for name in columns if name in (*FIXED, *table.metrics)] or _default(table)
    if not set(chosen) & set(table.metrics):
        chosen.append(table.primary)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_caption(board, table, chosen)}}}",
        rf"\begin{{tabular}}{{{''.join('l' if name in ('imputer', 'fuser') else 'r' for name in chosen)}}}",
        r"\toprule",
        " & ".join(_head(table, name) for name in chosen) + r" \\",
        r"\midrule",
        *(" & ".join(_cell(table, row, name) for name in chosen) + r" \\" for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _default(table: TaskTable) -> list[str]:
    interval = ["interval"] if table.alpha else []
    return ["rank", "imputer", "fuser", table.primary, *interval, *table.metrics[1:2]]


def _head(table: TaskTable, name: str) -> str:
    if name == "interval":
        return escaped(f"{percent(table.alpha)} interval" if table.alpha else "interval")
    if name in FIXED:
        return {"ties": "tie group"}.get(name, name)
    arrow = {True: r" $\uparrow$", False: r" $\downarrow$", None: ""}[table.higher[name]]
    return escaped(metric(name)) + arrow


def _cell(table: TaskTable, row: Row, name: str) -> str:
    if name in ("imputer", "fuser"):
        control = row.control_imputer if name == "imputer" else row.control_fuser
        return escaped(f"{getattr(row, name)}{'†' * control}")
    if name == "rank":
        return "--" if row.rank is None else str(row.rank)
    if name == "ties":
        return "--" if row.tie_group is None else str(row.tie_group)
    if name == "interval":
        return f"{row.interval[0]:.4f}--{row.interval[1]:.4f}" if row.interval else "--"
    score = row.scores.get(name)
    if score is None:
        return "--"
    return rf"\textbf{{{_score(score)}}}" if _is_best(table, row, name) else _score(score)


def _score(score: Score) -> str:
    return f"{score.mean:.4f}" if score.std is None else rf"{score.mean:.4f} $\pm$ {score.std:.4f}"


def _is_best(table: TaskTable, row: Row, name: str) -> bool:
    """Whether no row with a rank prints a better mean."""
    higher = table.higher[name]
    if higher is None or not row.eligible:
        return False
    means = [float(f"{each.scores[name].mean:.4f}") for each in table.eligible.values() if name in each.scores]
    return float(f"{row.scores[name].mean:.4f}") == (max(means) if higher else min(means))


def _caption(board: Board, table: TaskTable, chosen: Sequence[str]) -> str:
    """Which data, how many test records and seeds, what stands behind the signs."""
    export = board.export
    cohort = " (synthetic cohort)" if export.synthetic else f" ({export.release})" if export.release else ""
    test = f" on {count(table.counts['test'], 'test record')}" if "test" in table.counts else ""
    parts = [f"{export.title}{cohort}: {table.title}{test}; {in_words(table.seeds)}."]
    several = len(table.seeds) > 1
    parts.append(f"Mean{' ± sample standard deviation over seeds' * several}; the best of a column is bold.")
    if "interval" in chosen and table.alpha:
        what = f"Intervals: {percent(table.alpha)}, paired bootstrap over patients{' and seeds' * several}"
        parts.append(f"{what}, of {metric(table.primary)}.")
    if "ties" in chosen:
        parts.append("Methods of tie group 1 cannot be told from the best.")
    if any(row.control for row in table.rows):
        parts.append("†: a control.")
    if any(not row.eligible for row in table.rows):
        parts.append("–: no rank, since a seed is missing or an audit failed.")
    return escaped(" ".join(parts))
