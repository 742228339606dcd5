"""`bench ledger merge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.main import JSON, LazyGroup, answer, say

if TYPE_CHECKING:
    from bench.results.merge import Conflict, Merged
    from bench.results.records import Record


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
    and named: exit code 7.
    """
    from bench.results import merge as merging
    from bench.results.ledger import Ledger

    folders, out = _folders(words)
    into = Ledger(out)
    merged: dict[str, merging.Merged] = {}
    with into.locked():
        for folder in folders:
            source = Ledger(folder)
            each = merged[str(folder)] = merging.merge(source, into)
            for name in each.damaged[:5]:
                say(f"warning: {name} in {source.folder} is damaged and was left out")
            for suite in merging.plans(source, into):
                say(f"{folder} ran other cells of suite {suite}; {out} keeps its own plan, which bench report shows")
    conflicts = [conflict for each in merged.values() for conflict in each.conflicts]
    if as_json:
        answer({name: _plain(each) for name, each in merged.items()})
    else:
        print(f"{out}: {merging.summary(merged)}")
    for conflict in conflicts[:10]:
        say(_told(conflict))
    if len(conflicts) > 10:
        say(f"... and {len(conflicts) - 10:,} more; all of them are in {into.folder / 'conflicts'}")
    if held := sum(each.held for each in merged.values()) + len(conflicts):
        cells = "1 cell is" if held == 1 else f"{held:,} cells are"
        say(f"{cells} in no table, since results differ; run the suite here, and what it gives counts")
    raise SystemExit(7 if conflicts else 0)


def _folders(words: tuple[str, ...]) -> tuple[list[Path], Path]:
    """The folders to merge, and the one to merge into. Raises UsageError."""
    from bench.config.words import ORIGIN, halves
    from bench.errors import UsageError

    named = [Path(word).expanduser() for word in words if halves(word)[0] != "out" or not halves(word)[1]]
    outs = [halves(word)[2] for word in words if halves(word)[:2] == ("out", "=")]
    out = Path(outs[0] if outs else "results").expanduser()
    if not named or len(outs) > 1 or outs == [""]:
        raise UsageError(
            f"folders of results are wanted, and one out=DIR (from {ORIGIN}); for example: bench ledger merge part1 part2 "
            "out=results"
        )
    for folder in named:
        if not (folder / "ledger").is_dir():
            raise UsageError(f'"{folder}" (from {ORIGIN}) holds no ledger; give the folder that out= named in its run')
        if out.exists() and folder.samefile(out):
            raise UsageError(f'"{folder}" (from {ORIGIN}) is also out=; give another')
    return named, out


def _told(conflict: Conflict) -> str:
    """A conflict in one line: which cell, in what it differs, and what may be the reason."""
    from bench.config.training import CLOCKED
    from bench.results.coordinates import cell_in_words

    records = conflict.here, conflict.other
    where = [f"{origin} ({_made_on(each)})" for origin, each in zip(conflict.origins, records, strict=True)]
    clocked = "; its training ends by a clock" * any(CLOCKED in each.provenance for each in records)
    cell = cell_in_words(conflict.here.coordinates)
    scores = [
        f"; {name} {score:.6g} and {conflict.other.scores[name]:.6g}"
        for name, score in list(conflict.here.scores.items())[:1]
        if name in conflict.other.scores
    ]
    fields = ", ".join(name.replace("_", " ") for name in conflict.fields)
    return f"conflict: {cell}: {fields} differ in {' and '.join(where)}{''.join(scores)}{clocked}"


def _made_on(record: Record) -> str:
    provenance = record.provenance
    return f"{provenance.get('host', 'unknown host')}, {provenance.get('device', 'unknown device')}"


def _plain(merged: Merged) -> dict[str, object]:
    return {
        "taken": len(merged.taken), "same": merged.same, "outdone": merged.outdone, "held": merged.held,
        "conflicts": [{"key": each.here.key, "fields": each.fields} for each in merged.conflicts],
        "damaged": merged.damaged,
    }  # fmt: skip
