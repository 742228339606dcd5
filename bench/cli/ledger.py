"""`bench ledger merge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.main import JSON, LazyGroup, answer, say

if TYPE_CHECKING:
    from bench.results.merge import Merged

NAMED = 5
"""Damaged files of a folder that are named; and twice as many cells in conflict."""


@click.group(cls=LazyGroup)
def ledger() -> None:
    """Merge the ledgers of runs that were divided among machines."""


ledger.lazy = {"merge": ("bench.cli.ledger:merge", "Bring the records of several folders of results into one.")}


@click.command()
@click.argument("words", nargs=-1, metavar="DIR... [out=DIR]")
@JSON
def merge(words: tuple[str, ...], as_json: bool) -> None:
    """Bring the records of several folders of results (what out= named) into one, which may hold
    some already.

    Of one key a result counts more than a failure. Results that differ are kept out of every table
    and named, until bench run makes the cell again: exit code 7.
    """
    from bench.results import merge as merging
    from bench.results.conflicts import in_words, still_in_words
    from bench.results.ledger import Ledger

    folders, out = _folders(words)
    into = Ledger(out)
    merged: dict[str, merging.Merged] = {}
    with into.locked():
        for folder in folders:
            source = Ledger(folder)
            each = merged[str(folder)] = merging.merge(source, into)
            others = [*merging.plans(source, into, each.damaged)]
            for name in each.damaged[:NAMED]:
                say(f"warning: {name} in {source.folder} is damaged and was left out")
            if len(each.damaged) > NAMED:
                say(f"... and {len(each.damaged) - NAMED:,} more")
            for suite in others:
                say(f"{folder} ran other cells of suite {suite}; {out} keeps its own plan, which bench report shows")
    if as_json:
        answer({name: _plain(each) for name, each in merged.items()})
    else:
        print(f"{out}: {merging.summary(merged.values())}")
    unsettled = into.in_conflict()
    fresh = {conflict.here.key: conflict for each in merged.values() for conflict in each.conflicts}
    for key in unsettled[: 2 * NAMED]:
        say(in_words(fresh[key], into) if key in fresh else still_in_words(key, into))
    if len(unsettled) > 2 * NAMED:
        say(f"... and {len(unsettled) - 2 * NAMED:,} more; all of them are in {into.folder / 'conflicts'}")
    if unsettled:
        cells = "1 cell is" if len(unsettled) == 1 else f"{len(unsettled):,} cells are"
        say(f"{cells} in no table, since results differ; run the suite here, and what it gives counts")
    raise SystemExit(7 if unsettled else 0)


def _folders(words: tuple[str, ...]) -> tuple[list[Path], Path]:
    """The folders to merge, and the one to merge into. Raises UsageError."""
    from bench.config.words import ORIGIN, halves
    from bench.errors import UsageError, unknown

    named = [Path(word).expanduser() for word in words if halves(word)[0] != "out" or not halves(word)[1]]
    outs = [halves(word)[2] for word in words if halves(word)[:2] == ("out", "=")]
    out = Path(outs[0] if outs else "results").expanduser()
    if not named or len(outs) > 1 or outs == [""]:
        raise UsageError(
            f"folders of results are wanted, and one out=DIR (from {ORIGIN}); for example: bench ledger merge part1 part2 "
            "out=results"
        )
    for number, folder in enumerate(named):
        key, sign, _ = halves(str(folder))
        if sign and not folder.exists():
            raise unknown("word", key, ["out"], ORIGIN)
        if folder.resolve() in [earlier.resolve() for earlier in named[:number]]:
            raise UsageError(f'"{folder}" (from {ORIGIN}) is named twice; name each folder once')
        if not (folder / "ledger").is_dir():
            raise UsageError(f'"{folder}" (from {ORIGIN}) holds no ledger; give the folder that out= named in its run')
        if out.exists() and folder.samefile(out):
            raise UsageError(f'"{folder}" (from {ORIGIN}) is also out=; give another')
    return named, out


def _plain(merged: Merged) -> dict[str, object]:
    return {
        "taken": len(merged.taken), "same": merged.same, "outdone": merged.outdone, "held": merged.held,
        "settled": merged.settled,
        "conflicts": [{"key": each.here.key, "fields": each.fields} for each in merged.conflicts],
        "damaged": merged.damaged,
    }  # fmt: skip
