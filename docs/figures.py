"""Draws the main result of a leaderboard for a page of results: the primary score of each ranked row, with its interval.

    .venv/bin/python docs/figures.py leaderboards/physionet48-fusers.json FIGURE.svg [IMPUTER]

Reads the JSON that `bench report` wrote; with IMPUTER, only the rows behind that imputer. Needs the extra `report`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.plots import style


def main(board: str, to: str, imputer: str = "") -> None:
    (table,) = json.loads(Path(board).read_text(encoding="utf-8"))["tables"]
    metric = table["primary"]
    rows = [row for row in table["rows"] if row["rank"] and row["interval"] and imputer in ("", row["imputer"])]
    names = [row["fuser"] if imputer else f"{row['imputer']} + {row['fuser']}" for row in rows]
    picture, ((axes,),) = style.figure(1, 1, 7, 0.6 + 0.22 * len(rows))
    for place, row in enumerate(rows):
        colour = style.PALETTE[0 if row["tie_group"] == 1 else 1]
        axes.plot(row["interval"], [place, place], color=colour, linewidth=1.2)
        axes.plot(row["scores"][metric]["mean"], place, "o", color=colour, markersize=4)
    axes.set_yticks(range(len(rows)), names)
    axes.invert_yaxis()
    behind = f" behind {imputer}" if imputer else ""
    axes.set_title(f"{metric.upper()}, {table['counts']['test']:,} test records{behind}")
    axes.set_xlabel("point: mean over seeds; line: 95 % interval; blue: tie group 1")
    picture.savefig(to, metadata={"Date": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
