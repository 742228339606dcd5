"""The runs that are kept: the last readable one of each suite for its leaderboard, and the
history of all.

What cannot be read is named, never passed over.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from bench.errors import BenchError, StorageError
from bench.history import blocks, history
from bench.history.chosen import chooser
from bench.leaderboard.blocks import Block, Heading, Paragraph
from bench.leaderboard.board import Board
from bench.leaderboard.sections import head
from bench.pages.sources import Unread
from bench.results.export_file import load_export
from bench.results.redact import redact, redact_text
from bench.results.snapshots import folder_of, infos, series

WARNING = "warning: "
FEWEST = 2
"""Runs that make a history."""


class Kept(msgspec.Struct, frozen=True):
    """What a folder of results keeps of runs.

    - last: the file of the last readable run of each suite.
    - histories: suite -> the page of its history, of suites with several runs.
    - unread: files that cannot be read.
    """

    last: list[Path]
    histories: dict[str, list[Block]]
    unread: list[Unread]


def kept(out: Path) -> Kept:
    """The runs in a folder of results; nothing where there are none."""
    files_by_suite: dict[str, list[Path]] = {}
    for path, suite, _ in infos(out, lambda message: None):
        files_by_suite.setdefault(suite, []).append(path)
    readable = {path for files in files_by_suite.values() for path in files}
    unread = [
        Unread(f"{path.parent.name}/{path.name}", "it is no snapshot of a run, or is damaged")
        for path in sorted((out / "runs").glob("*/*.json"))
        if path not in readable
    ]
    last: list[Path] = []
    for suite, files in files_by_suite.items():
        for path in reversed(files):
            try:
                load_export(path, "bench run")
            except StorageError as error:
                unread.append(Unread(f"{suite}/{path.name}", _short(out, suite, str(error))))
                continue
            last.append(path)
            break
    torn = {each.name for each in unread}
    histories: dict[str, list[Block]] = {}
    for suite, files in files_by_suite.items():
        if sum(f"{suite}/{path.name}" not in torn for path in files) >= FEWEST:
            page, lost = _history(out, suite)
            unread += [each for each in lost if f"{suite}/{each.reason.partition(' ')[0]}" not in torn]
            if page:
                histories[suite] = page
    return Kept(last, histories, unread)


def _history(out: Path, suite: str) -> tuple[list[Block], list[Unread]]:
    """The page of a suite, empty where too few of its runs can be compared; and what is lost."""
    messages: list[str] = []
    try:
        exports = [redact(export) for export in series(out, suite, messages.append)]
        over = history(exports, chooser(exports)) if len(exports) >= FEWEST else None
    except BenchError as error:
        return [], [Unread(f"history of {suite}", _short(out, suite, str(error)))]
    warnings = [message.removeprefix(WARNING) for message in messages if message.startswith(WARNING)]
    lost = [Unread(f"a run of {suite}", _short(out, suite, message)) for message in warnings]
    if over is None or not over.lines:
        return [], lost
    _, *rest = blocks(over)
    title = Heading(1, f"History of {Board(exports[-1])[head.SECTION].title}")
    notes = [Paragraph(f"{message}.") for message in messages if not message.startswith(WARNING)]
    return [title, *notes, *rest], lost


def _short(out: Path, suite: str, message: str) -> str:
    """A message without the folder of the runs."""
    return redact_text(message.replace(f"{folder_of(out, suite)}/", ""))
