"""The leaderboard: a pure function of an export, in Markdown for people, CSV and JSON for programs.

- `render(export)`: {"md": ..., "csv": ..., "json": ...}, and "html" on demand.
- `main_tables(export, width)`: its first part, as text for a terminal.
- `write(folder, stem, rendered)`.
- `save_export`, `load_export`, `redact`: exports as files that may be shared.

An export becomes a `Board`; each section (`sections/`) makes its structure of it, and blocks of the
structure; each target (`render/`) writes blocks, and knows no section.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.files import write_bytes
from bench.leaderboard.board import Board, blocks_of
from bench.leaderboard.render.csv import to_csv
from bench.leaderboard.render.json import to_json
from bench.leaderboard.render.markdown import to_markdown
from bench.leaderboard.render.terminal import to_terminal
from bench.leaderboard.sections.all import IN_TERMINAL, SECTIONS
from bench.leaderboard.sections.cells import cells
from bench.results.export_file import load_export, save_export
from bench.results.records import Export
from bench.results.redact import redact

__all__ = ["Board", "load_export", "main_tables", "redact", "render", "save_export", "write"]


def render(export: Export, wall_costs: bool = True, page: bool = False) -> dict[str, bytes]:
    """The leaderboard as "md", "csv" and "json": the same bytes for the same plan and records, in
    whatever order.

    page=True adds "html", one page that needs nothing else, for a browser.

    wall_costs=False leaves out everything that differs when the same cells are run again: the
    section on costs and what the summary says of them. CSV and JSON then hold no cost but the
    number of parameters.
    """
    board = Board(export, wall_costs)
    blocks = blocks_of(board, SECTIONS)
    rendered = {"md": to_markdown(blocks), "csv": to_csv([cells(board)]), "json": to_json(board, SECTIONS)}
    if page:
        from bench.leaderboard.render.html import to_html

        rendered["html"] = to_html(blocks)
    return {kind: text.encode() for kind, text in rendered.items()}


def main_tables(export: Export, width: int) -> str:
    """What a leaderboard is of, its tables of methods and the keys of its cells, as text for a
    terminal `width` characters wide. No column depends on how long anything took.
    """
    return to_terminal(blocks_of(Board(export, wall_costs=False), IN_TERMINAL), width)


def write(folder: Path, stem: str, rendered: Mapping[str, bytes]) -> list[Path]:
    """Write `folder/stem.md` and all other kinds that were rendered, each whole or not at all;
    returns the paths.

    Raises StorageError.
    """
    paths = []
    for suffix, content in rendered.items():
        path = folder / f"{stem}.{suffix}"
        write_bytes(path, content)
        paths.append(path)
    return paths
