"""Draws the main result of a leaderboard for a page of results: the primary score of each ranked
row, with its interval.

    .venv/bin/python docs/figures.py leaderboards/physionet48-fusers.json FIGURE.svg [IMPUTER]

Reads the JSON that `bench report` wrote: a panel per table, with the best possible score where it
is known. With IMPUTER, only the rows behind that imputer. Needs the extra `report`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.plots import style


def main(board: str, to: str, imputer: str = "") -> None:
    tables = json.loads(Path(board).read_text(encoding="utf-8"))["tables"]
    rows = [
        [row for row in table["rows"] if row["rank"] and row["interval"] and imputer in ("", row["imputer"])]
        for table in tables
    ]
    height = 0.8 + 0.22 * max(map(len, rows))
    picture, panels = style.figure(len(tables), 1, 7, height)
    for table, ranked, axes in zip(tables, rows, panels[:, 0], strict=True):
        metric = table["primary"]
        for place, row in enumerate(ranked):
            colour = style.PALETTE[0 if row["tie_group"] == 1 else 1]
            axes.plot(row["interval"], [place, place], color=colour, linewidth=1.2)
            axes.plot(row["scores"][metric]["mean"], place, "o", color=colour, markersize=4)
        if table["oracle"]:
            axes.axvline(table["oracle"][metric], color="black", linestyle=":", linewidth=1)
        names = [row["fuser"] if imputer else f"{row['imputer']} + {row['fuser']}" for row in ranked]
        axes.set_yticks(range(len(ranked)), names)
        axes.invert_yaxis()
        behind = f", behind {imputer}" if imputer else ""
        axes.set_title(
            f"{table['task']}, {table['modalities']}: {metric.upper()} of {table['counts']['test']:,} records{behind}"
        )
    best = "; dotted: best possible" if any(table["oracle"] for table in tables) else ""
    panels[-1, 0].set_xlabel(f"point: mean over seeds; line: 95 % interval\nblue: tie group 1{best}")
    picture.savefig(to, metadata={"Date": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
