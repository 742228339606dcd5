"""`bench report`."""

from __future__ import annotations

import gc
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.main import JSON, answer_json, components, say

if TYPE_CHECKING:
    from bench.results.records import Export


@click.command()
@click.argument(
    "words",
    nargs=-1,
    metavar="suite=NAME [run=NAME] [metrics=NAME,...] [out=DIR] [to=DIR] [columns=A,B] [KEY=VALUE]... | from=FILE [to=DIR]",
)
@click.option(
    "--print", "show", is_flag=True, help="Print the main tables as well, as wide as the terminal; the files hold all."
)
@JSON
@click.option(
    "--html", "page", is_flag=True, help="Write one HTML page as well: sortable tables and pictures, no network."
)
@click.option(
    "--latex", is_flag=True, help="Write the main tables for a paper as well (booktabs); columns=A,B chooses columns."
)
@click.option(
    "--no-costs",
    is_flag=True,
    help="Leave out timings and memory, so that equal runs give equal tables; the records keep them.",
)
def report(words: tuple[str, ...], show: bool, as_json: bool, page: bool, latex: bool, no_costs: bool) -> None:
    """Write the leaderboard of a suite: Markdown, CSV, JSON, and the records it is made of.

    Shows the last run of the suite, an earlier one (run=NAME, see: bench runs), or the cells that
    further words select. With metrics= it compares methods by further metrics too, without a fit
    (see: bench list metrics). With --latex, columns= takes rank, ties, imputer, fuser, interval and
    metrics. With from=FILE it makes the same tables from a records file alone.
    They go to to=DIR (default: OUT/leaderboards) and replace what stands there of the suite, a page
    of an earlier --html too.
    """
    from bench.errors import UsageError
    from bench.leaderboard import Board, main_tables, render, save_export, write
    from bench.leaderboard.render.latex import to_latex
    from bench.results.collect import records_path, stem
    from bench.results.export_file import command_of
    from bench.results.redact import redact

    gc.disable()  # nothing is thrown away here; looking for it among ten thousand records takes a tenth of the time
    columns, rest = _columns(words)
    if columns and not latex:
        raise UsageError('"columns" chooses columns of --latex; add it, or leave columns= out')
    export, folder = export_of(rest)
    shared, records = redact(export), records_path(folder, export)
    page = (
        page or (folder / f"{stem(export)}.html").exists()
    )  # an older page beside a new table would be of another run
    rendered = render(export, wall_costs=not no_costs, page=page)
    if latex:
        rendered["tex"] = to_latex(Board(shared), columns).encode()
    if (before := command_of(records)) not in ("", shared.command):
        say(f"replaces the table of: {before} (to=DIR writes to another folder)")
    paths = write(folder, stem(export), rendered)
    save_export(records, shared)
    if as_json:
        answer_json(rendered["json"].decode())
        return
    if show:
        print(main_tables(export, shutil.get_terminal_size((100, 24)).columns))
    for path in [*paths, records]:
        print(path)


def _columns(words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns that are chosen, and the other words."""
    from bench.config.words import parse

    chosen = next((word for word in parse(words) if word.key == "columns"), None)
    return (chosen.texts, tuple(word.text for word in parse(words) if word.key != "columns")) if chosen else ((), words)


def export_of(words: tuple[str, ...], command: str = "report") -> tuple[Export, Path]:
    """The export that the words ask for, and the folder its tables go to."""
    from bench.run import requested

    return requested.export_of(words, components, say, command)


def last_run_now(suite: str, out: Path) -> Export:
    """The plan of the last run of a suite, with what was edited since."""
    from bench.run import requested

    return requested.last_run_now(suite, out, components, say)
