"""`bench cell`, `bench rerun` and `bench predictions`: one cell, by its key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.main import JSON, answer, components, say

if TYPE_CHECKING:
    from bench.registry import Registry
    from bench.results.ledger import Ledger
    from bench.results.records import Record
    from bench.run.execute import Outcome
    from bench.run.one_cell import OneCell
    from bench.run.prepare import Prepared
    from bench.run.rerun import Rerun

KEY = click.argument("key")
CALLED = {"costs": "parameters, steps, draws", "imputation": "errors on hidden entries"}
"""Fields of records under other names."""

PLACES = "[out=DIR] [cache=DIR] [data.root=DIR] [from=FILE]"


@click.command()
@KEY
@click.argument("words", nargs=-1, metavar=PLACES)
@JSON
def cell(key: str, words: tuple[str, ...], as_json: bool) -> None:
    """Show one cell: parameters, scores, audits, costs, notes, surroundings, files, and the command
    that makes it again.

    KEY is the beginning of its key, 6 characters or more. Words: out, the folder of its run, or
    from=FILE, a records file beside a leaderboard; cache; suite, data.root, tuned and weights where
    files have moved since.
    """
    import shutil

    from bench.errors import BenchError
    from bench.run.one_cell import content

    values = _values(words)
    ledger, record = _record(key, values)
    planned, problem = None, ""
    try:
        planned = _planned(record, ledger, values, components())
    except BenchError as error:
        problem = str(error)
    known = content(record, ledger, planned, problem, [f"{name}={value}" for name, value in values.items()])
    if as_json:
        answer(known)
        return
    from bench.leaderboard.cell_page import blocks
    from bench.leaderboard.render.terminal import to_terminal

    print(to_terminal(blocks(known), shutil.get_terminal_size((100, 24)).columns), end="")


@click.command()
@KEY
@click.argument("words", nargs=-1, metavar=f"{PLACES} [again=STAGE]")
@JSON
def rerun(key: str, words: tuple[str, ...], as_json: bool) -> None:
    """Compute one cell again and compare it with its record, bit by bit. Writes nothing into the
    ledger.

    KEY and words are those of bench cell. Nothing is taken from the cache: data are prepared,
    hidden, imputed and fused again. again=STAGE begins at that stage: cohort, hide, impute or fuse.
    Exit code: 0 the same bits, 7 other bits on the same surroundings, 13 other bits on other
    surroundings, 1 the cell did not end well.
    """
    from bench.results.coordinates import cell_in_words
    from bench.run.rerun import check_stage
    from bench.run.rerun import rerun as compute

    values = _values(words, "again")
    first = check_stage(values.get("again", ""))
    ledger, record = _record(key, values)
    registry = components()
    planned = _planned(record, ledger, values, registry, fetch=True)
    say(f"{cell_in_words(record.coordinates)}: computed again, beside its record of {record.status}")
    if planned.moved:
        say(f"its key is another now, so this is the cell as it would be run today: {', '.join(planned.moved)}")
    done = compute(planned, ledger, _carry_out, first)
    for what, log in done.logs.items():
        say(f"{what} failed; what it said, which stays on this machine: {log}")
    if as_json:
        answer(_plain(record, done))
    else:
        _tell(record, done)
    raise SystemExit(_code(record, done))


@click.command()
@KEY
@click.argument("words", nargs=-1, metavar="to=FILE.parquet|FILE.csv [part=test,valid] [out=DIR]")
@click.option("--replace", is_flag=True, help="Put it in the place of a file that is there.")
def predictions(key: str, words: tuple[str, ...], replace: bool) -> None:
    """Write what one cell predicted for each record, as Parquet or CSV. Patient-level: it stays
    where the data may lie.

    KEY is the beginning of its key, 6 characters or more. A line per record: part, id, group (the
    patient), truth, output, what is known of the patient (static), and the best possible output of
    generated data (oracle). part=test by default.
    """
    from bench.cli.words import values_by_key
    from bench.config.words import ORIGIN
    from bench.errors import UsageError
    from bench.results.ledger import Ledger
    from bench.results.predictions_file import PARTS, check_target, table, write
    from bench.results.short_keys import record_in_ledger

    values = values_by_key(words, ("to", "out"), ("part",))
    if "to" not in values:
        raise UsageError(
            f'"to" is missing (from {ORIGIN}); for example: bench predictions {key} to=predictions.parquet'
        )
    parts = values.get("part", PARTS[:1])
    target = check_target(Path(values["to"][0]).expanduser(), replace)
    ledger = Ledger(Path(values.get("out", ("results",))[0]).expanduser())
    record = record_in_ledger(ledger, key)
    if not record.predictions:
        ended = f"it ended {record.status}" + f" ({record.reason})" * bool(record.reason)
        raise UsageError(f"the cell {record.key} has no predictions: {ended}")
    lines = table(ledger.predictions(record), parts)
    write(lines, target)
    say(f"{len(lines):,} records, each with its id, outcome and prediction: {', '.join(lines.columns)}")
    say("patient-level: keep this file where the data may lie; never commit or send it")
    print(target)


def _values(words: tuple[str, ...], *more: str) -> dict[str, str]:
    from bench.cli.words import values_by_key
    from bench.config.words import ORIGIN
    from bench.errors import UsageError
    from bench.run.one_cell import GIVEN

    values = {key: texts[0] for key, texts in values_by_key(words, ("out", "from", "cache", *GIVEN, *more), ()).items()}
    if "out" in values and "from" in values:
        raise UsageError(f'"out" and "from" (from {ORIGIN}) name two places of one record; keep one')
    return values


def _record(key: str, values: dict[str, str]) -> tuple[Ledger | None, Record]:
    """The record of a key, and the ledger it lies in: None where it is from an export."""
    from bench.results.ledger import Ledger
    from bench.results.short_keys import record_in_export, record_in_ledger

    if "from" in values:
        from bench.leaderboard import load_export

        return None, record_in_export(load_export(Path(values["from"]).expanduser()), key, values["from"])
    ledger = Ledger(Path(values.get("out", "results")).expanduser())
    return ledger, record_in_ledger(ledger, key)


def _planned(
    record: Record, ledger: Ledger | None, values: dict[str, str], registry: Registry, fetch: bool = False
) -> OneCell:
    from bench.run.one_cell import GIVEN, plan_again, words_again

    words = words_again(record, {name: values[name] for name in GIVEN if name in values})
    words += [f"{name}={values[name]}" for name in ("out", "cache") if name in values]
    return plan_again(record, words, registry, ledger, say if fetch else None)


def _carry_out(prepared: Prepared) -> Outcome:
    from bench.cli.grid import carry_out

    return carry_out(prepared, remember=False)


def _tell(record: Record, done: Rerun) -> None:
    """What was compared, line by line, and the verdict."""
    from tabulate import tabulate

    rows = []
    for each in done.compared:
        changes = [f"{name}: {change}" if name != each.field else change for name, change in each.differing.items()]
        if not each.values:
            continue
        changes += [f"{name}: {change}, by other code of metrics" for name, change in each.by_other_code.items()]
        same = f"{each.values - len(changes):,} of {each.values:,} same"
        rows.append([_called(each.field), same, "; ".join(changes[:3]) + "; ..." * (len(changes) > 3)])
    if rows:
        print(tabulate(rows, tablefmt="plain", disable_numparse=True))
    for each in done.compared:
        for why in dict.fromkeys(each.left_out.values()):
            names = [name for name, reason in each.left_out.items() if reason == why and name != each.field]
            print(f"not compared: {' '.join([_called(each.field), ', '.join(names)]).strip()}, because {why}")
    if done.cached:
        print(f"taken from the cache: {', '.join(done.cached)}")
    for excuse in done.excuses:
        print(f"not as it was: {excuse}")
    print(_verdict(record, done))


def _called(field: str) -> str:
    return CALLED.get(field, field.replace("_", " "))


def _verdict(record: Record, done: Rerun) -> str:
    after = done.after
    if after is None:
        return f"nothing was compared: {done.outcome.stopped or 'it was stopped'}"
    if after.status != "ok":
        before = f"it was {record.status}" if record.status != after.status else "as in its record"
        return f"{after.status} ({after.reason}); {before}"
    if record.status != "ok":
        return f"ok, and its record says {record.status} ({record.reason}): there is nothing to compare with"
    if done.same:
        other_code = any(each.by_other_code for each in done.compared)
        return "the same bits" + ", but for scores by other code of metrics: no promise is broken" * other_code
    if done.excuses:
        return "other bits, and not everything is as it was: no promise is broken"
    return "OTHER BITS although everything is as it was: a promise is broken"


def _code(record: Record, done: Rerun) -> int:
    from bench.cli.grid import unfinished_code

    if done.after is None:
        return unfinished_code(done.outcome)
    if done.after.status != "ok":
        return 1
    if record.status != "ok":
        return 13
    return 0 if done.same else 13 if done.excuses else 7


def _plain(record: Record, done: Rerun) -> dict[str, Any]:
    return {
        "key": record.key,
        "coordinates": record.coordinates,
        "verdict": _verdict(record, done),
        "same": bool(done.after and done.after.status == record.status == "ok" and done.same),
        "compared": done.compared,
        "not_as_it_was": done.excuses,
        "from_cache": done.cached,
        "status": done.after.status if done.after else "not-run",
    }
