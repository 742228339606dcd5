"""The benchmark from Python and from notebooks: the same plans, runs and tables as on the command
line, as pandas DataFrames.

    from bench import api

    api.plan("mimic48", "data.stays=300", imputer=["mean", "locf"], seed=[1, 2])
    board = api.run("mimic48", "data.stays=300", imputer=["mean", "locf"], seed=[1, 2])
    board.rows

Words are those of the command line, as text (`"data.stays=300"`) or, where the key is a name of
Python, as keyword (`seed=[1, 2]`). The first word may be the name of a suite or its file alone. All
functions raise `UsageError`, `DataError`, `PluginError` or `StorageError` (`bench.errors`), each
with one line that says what to type instead.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from html import escape
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from bench.leaderboard import Board
    from bench.registry import Registry
    from bench.results.records import Export

__all__ = ["Leaderboard", "leaderboard", "plan", "run"]

Value = str | int | float | Iterable[str | int | float]

FRAME = 720
"""Pixels that a leaderboard is high in a notebook."""


class Leaderboard:
    """The tables of a run as DataFrames, and the files that `bench report` writes.

    In a notebook it is shown as the HTML page. status: how many planned cells ended how.
    """

    def __init__(self, export: Export):
        from bench.leaderboard import Board

        self.export = export
        self._board: Board = Board(export)

    @property
    def status(self) -> dict[str, int]:
        from bench.leaderboard.rows import statuses

        return statuses(self._board.scored)

    @property
    def winners(self) -> pd.DataFrame:
        """A row per table: the best method, its score and the ends of its interval (low, high).

        Also how many others are in its tie group, the best control, and what the best costs.
        """
        import msgspec
        import pandas as pd

        from bench.leaderboard.sections import winners

        return pd.DataFrame([msgspec.structs.asdict(each) for each in self._board[winners.SECTION]])

    @property
    def rows(self) -> pd.DataFrame:
        """A row per method and table, in the order of the tables.

        - task, modalities, scenario, rank, tie_group, imputer, fuser, control.
        - metric: the primary one; low, high: the ends of its interval.
        - of each metric its mean over seeds, and `NAME_std`, the sample standard deviation.
        - cells: how many ended how; reasons: why.

        Missing where a row has no rank, or a seed lacks the metric.
        """
        import pandas as pd

        from bench.leaderboard.sections import tables

        lines = []
        for table in self._board[tables.SECTION]:
            for row in table.rows:
                line: dict[str, Any] = {"task": table.task, "modalities": table.modalities, "scenario": table.scenario}
                line |= {"rank": row.rank, "tie_group": row.tie_group, "imputer": row.imputer, "fuser": row.fuser}
                line |= {"control": row.control, "metric": table.primary}
                for name in table.metrics:
                    score = row.scores.get(name)
                    line |= {name: score.mean if score else None, f"{name}_std": score.std if score else None}
                low, high = row.interval or (None, None)
                cells = ", ".join(f"{number} {status}" for status, number in row.statuses.items())
                lines.append({**line, "low": low, "high": high, "cells": cells, "reasons": "; ".join(row.reasons)})
        return pd.DataFrame(lines).astype({"rank": "Int64", "tie_group": "Int64"}) if lines else pd.DataFrame()

    @property
    def cells(self) -> pd.DataFrame:
        """A row per planned cell with all that its record holds, as in the CSV file."""
        import io

        import pandas as pd

        from bench.leaderboard.render.csv import to_csv
        from bench.leaderboard.sections.cells import cells

        return pd.read_csv(io.StringIO(to_csv([cells(self._board)])))

    def markdown(self) -> str:
        return self._text("md")

    def html(self) -> str:
        """One page that needs nothing else."""
        return self._text("html")

    def latex(self, columns: Iterable[str] = ()) -> str:
        """The main tables for a paper (booktabs). columns: of rank, ties, imputer, fuser, interval
        and the names of metrics, as a list or as on the command line ("imputer,auroc").
        """
        from bench.leaderboard.render.latex import to_latex

        return to_latex(self._board, columns.split(",") if isinstance(columns, str) else list(columns))

    def save(self, to: str | Path, page: bool = True) -> list[Path]:
        """Write what `bench report` writes into a folder, and return the paths. page: the HTML
        page too.
        """
        from bench.leaderboard import redact, render, save_export, write
        from bench.results.collect import records_path, stem

        folder, shared = Path(to), redact(self.export)
        paths = write(folder, stem(shared), render(shared, page=page))
        save_export(records_path(folder, shared), shared)
        return [*paths, records_path(folder, shared)]

    def _text(self, kind: str) -> str:
        from bench.leaderboard import render

        return render(self.export, page=kind == "html")[kind].decode()

    def _repr_html_(self) -> str:
        page = escape(self.html())
        return f'<iframe srcdoc="{page}" width="100%" height="{FRAME}" style="border:0" title="leaderboard"></iframe>'

    def __repr__(self) -> str:
        states = ", ".join(f"{number} {status}" for status, number in self.status.items())
        return f"Leaderboard({self.export.suite!r}: {states})"


def plan(*words: str, **values: Value) -> pd.DataFrame:
    """A row per cell of the plan: key, state, the coordinates, and skip (why it does not run).
    Runs nothing.

    state: ok, failed, skipped, timeout, oom, or not-run. Where the data are not here yet, keys are
    missing.
    """
    import msgspec
    import pandas as pd

    from bench.config.request import request
    from bench.run.prepare import prepare

    registry = _registry()
    prepared = prepare(request(_words(words, values), registry), registry, pending=True)
    lines = []
    for cell in prepared.cells:
        record = prepared.done.get(cell.key)
        state = record.status if record else "skipped" if cell.skip else "not-run"
        at = msgspec.structs.asdict(cell.coordinates)
        lines.append({"key": None if prepared.pending else cell.key, "state": state, **at, "skip": cell.skip})
    return pd.DataFrame(lines)


def run(*words: str, progress: bool = True, **values: Value) -> Leaderboard:
    """Run every cell that the ledger lacks, and return the leaderboard of the run.

    progress: lines on stderr, as on the command line. Ctrl-C (in a notebook: interrupt) ends it
    with nothing lost; the same call goes on. Cells that failed are rows of the leaderboard.
    """
    from bench.config.request import request
    from bench.execute import executors
    from bench.execute.api import Watch
    from bench.execute.progress import Progress
    from bench.execute.stopping import stopping
    from bench.run import requested, snapshot
    from bench.run.execute import execute
    from bench.run.prepare import prepare
    from bench.run.schedule import workers_of

    say = _say if progress else _nothing
    registry = _registry(say)
    wanted = request(_words(words, values), registry)
    executors.check_here(wanted.settings)
    snapshot.check(wanted)
    prepared = prepare(wanted, registry, fetch=say)
    snapshot.check(wanted, prepared)
    shown = Progress(workers_of(prepared)) if progress else None
    watch = shown.watch(lambda job: prepared.estimates.of(job.stage, job.cell)) if shown else Watch(lambda result: None)
    with _without_main(), shown or nullcontext(), stopping(watch, say):
        outcome = execute(prepared, watch, shown.expect if shown else lambda jobs: None)
    snapshot.keep(outcome, say)
    settings = wanted.settings
    words_of = (f"suite={settings.suite}", f"out={settings.out}")
    export, _ = requested.export_of(words_of, lambda: registry, say)
    return Leaderboard(export)


def leaderboard(*words: str, **values: Value) -> Leaderboard:
    """The leaderboard of a records file (`NAME.records.json`), of the last run of a suite, of one
    that was kept (`run="NAME"`), or of the cells that further words select.
    """
    from bench.run import requested

    if len(words) == 1 and not values and words[0].endswith(".json"):
        words = (f"from={words[0]}",)
    export, _ = requested.export_of(_words(words, values), _registry, _say)
    return Leaderboard(export)


@contextmanager
def _without_main() -> Iterator[None]:
    """Worker processes that start inside do not run the script of the person again. A spawned
    process would import it, and with it the call that starts the run.
    """
    before = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = before


def _words(words: tuple[str, ...], values: dict[str, Value]) -> tuple[str, ...]:
    """The words of a command line."""
    from bench.config.words import halves

    typed = list(words)
    if typed and not halves(typed[0])[1]:
        typed[0] = f"suite={typed[0]}"
    for key, value in values.items():
        many = [value] if isinstance(value, str | int | float) else list(value)
        if not many:
            raise UsageError(f'"{key}" is empty; give it a value or leave it out')
        typed.append(f"{key}={','.join(map(str, many))}")
    return tuple(typed)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _nothing(message: str) -> None:
    """Of a run that shows no progress."""


def _registry(say: Any = _say) -> Registry:
    from bench.registry import discover

    registry = discover(tried=True)
    for broken in registry.broken:
        say(f"warning: plugin {broken.plugin} was left out: {broken.reason}")
    return registry
