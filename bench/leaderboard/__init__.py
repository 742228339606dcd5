"""The leaderboard: a pure function of an export, in Markdown for people, CSV and JSON for programs.

render(export) -> {"md": ..., "csv": ..., "json": ...}, and "html" on demand     write(folder, stem, rendered)
save_export, load_export, redact                           exports as files that may be shared
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from bench.files import write_bytes
from bench.leaderboard.aggregate import aggregate, join
from bench.leaderboard.board import Board
from bench.leaderboard.render.flat import to_csv
from bench.leaderboard.render.markdown import to_markdown
from bench.results.export_file import load_export, save_export
from bench.results.records import Export, Method
from bench.results.redact import redact
from bench.text.clean import json_text

__all__ = ["aggregate_export", "load_export", "redact", "render", "save_export", "write"]


def render(export: Export, wall_costs: bool = True, page: bool = False) -> dict[str, bytes]:
    """The leaderboard as "md", "csv" and "json": the same bytes for the same plan and records, in whatever order.

    page=True adds "html", one page that needs nothing else, for a browser.

    wall_costs=False leaves out everything that differs when the same cells are run again: the section on costs, and in
    CSV and JSON all costs but the number of parameters. What is above the section on costs never depends on it.
    """
    cells, notes = join(export)
    board = aggregate(export, cells, notes, wall_costs)
    unranked = {
        Method(table.task, table.modalities, table.scenario, row.imputer, row.fuser): row.unranked
        for table in board.tables
        for row in table.rows
    }
    rendered = {
        "md": to_markdown(board).encode(),
        "csv": to_csv(export, cells, unranked, wall_costs).encode(),
        "json": json_text(
            msgspec.json.format(msgspec.json.encode(board, order="deterministic").decode(), indent=1)
        ).encode()
        + b"\n",
    }
    if page:
        from bench.leaderboard.render.html import to_html

        rendered["html"] = to_html(board).encode()
    return rendered


def aggregate_export(export: Export) -> Board:
    """The leaderboard as plain data, before it is written in any form."""
    return aggregate(export, *join(export))


def write(folder: Path, stem: str, rendered: Mapping[str, bytes]) -> list[Path]:
    """Write `folder/stem.md` and all other kinds that were rendered, each whole or not at all; returns the paths.

    Raises StorageError.
    """
    paths = []
    for suffix, content in rendered.items():
        path = folder / f"{stem}.{suffix}"
        write_bytes(path, content)
        paths.append(path)
    return paths
