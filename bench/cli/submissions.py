"""`bench submit` and `bench verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.main import JSON, answer, components, say

if TYPE_CHECKING:
    from bench.run.execute import Outcome
    from bench.run.prepare import Prepared


@click.command()
@click.argument(
    "words",
    nargs=-1,
    metavar="suite=NAME to=FOLDER [imputer=NAME,...] [fuser=NAME,...] [run=NAME] [out=DIR] [cache=DIR] [data.root=DIR]",
)
@click.option(
    "--predictions",
    is_flag=True,
    help="Pack what was predicted for each record too, so that scores can be computed again; open data only.",
)
def submit(words: tuple[str, ...], predictions: bool) -> None:
    """Pack rows of the last run (or of run=NAME) as a folder for a pull request.

    Words for axes (imputer, fuser, task, modalities, scenario, federation) select rows. A row is
    packed whole: all seeds of the suite, all audits passed, under the keys that the code here
    plans. Nothing else is packed, and the reason says what to type.
    """
    import shlex

    from bench.cli.words import values_by_key
    from bench.config.layers import NO_SUITE, name_of
    from bench.config.words import ORIGIN, halves
    from bench.errors import UsageError
    from bench.results.collect import last_plan
    from bench.results.ledger import Ledger
    from bench.results.snapshots import find
    from bench.submissions.pack import ROW_AXES, pack

    values = values_by_key(words, ("suite", "to", "run", "out", "cache", "data.root"), ROW_AXES)
    if "suite" not in values:
        raise UsageError(NO_SUITE)
    if "to" not in values:
        raise UsageError(f'"to" is missing (from {ORIGIN}); for example: to=submissions/MY-METHOD')
    suite, out = values["suite"][0], Path(values.get("out", ("results",))[0]).expanduser()
    ledger, to = Ledger(out), Path(values["to"][0]).expanduser()
    run = find(out, name_of(suite), values["run"][0]) if "run" in values else last_plan(ledger, name_of(suite), suite)
    typed = [f"{key}={values[key][0]}" for key in ("data.root", "cache") if key in values]
    if "data.root" not in values:
        typed += [
            word for word in shlex.split(run.command) if halves(word)[0] == "data.root" and halves(word)[2] != "..."
        ]
    axes = {axis: values[axis] for axis in ROW_AXES if axis in values}
    places = [*typed, f"out={out}"]
    records = pack(run, ledger, suite, axes, places, to, components(), predictions, say)
    say(f"{len(records)} cells; look at the folder, then check it as others will: bench verify {shlex.quote(str(to))}")
    if predictions:
        say("it holds what was predicted for each record, with its id and outcome")
    print(to)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("words", nargs=-1, metavar="[leaderboards=DIR] [suite=FILE] [data.root=DIR] [cache=DIR]")
@click.option(
    "--rerun",
    "again",
    is_flag=True,
    help="Compute the first seed of each row again and compare all bits. Runs the code of the plugin.",
)
@click.option(
    "--requirements", is_flag=True, help="Print the plugins to install, as pip reads them, and check nothing else."
)
@JSON
def verify(folder: Path, words: tuple[str, ...], again: bool, requirements: bool, as_json: bool) -> None:
    """Check a folder of bench submit, and print the leaderboard as it would be.

    Checked are files and digests, versions, cells, keys, audits, pairing with the rows of the
    board in leaderboards=DIR (default: leaderboards), and scores where predictions are packed or
    with --rerun. Each is one line: ok, REFUSED or not checked. The data must be here. Exit code: 0
    nothing was refused, 7 something was.
    """
    import shutil
    import tempfile

    from bench.cli.words import values_by_key
    from bench.config.words import ORIGIN
    from bench.errors import UsageError
    from bench.leaderboard import main_tables
    from bench.results.coordinates import cell_in_words
    from bench.submissions import pinned
    from bench.submissions.checks import plain
    from bench.submissions.checks import verify as check
    from bench.submissions.folder import about

    values = {
        key: texts[0]
        for key, texts in values_by_key(words, ("leaderboards", "suite", "data.root", "cache"), ()).items()
    }
    if requirements:
        for line in pinned.requirements(about(folder).plugins):
            print(line)
        return
    boards = Path(values.get("leaderboards", "leaderboards")).expanduser()
    if "leaderboards" in values and not boards.is_dir():
        raise UsageError(
            f'"leaderboards" = {values["leaderboards"]} (from {ORIGIN}) is no folder; give the folder of the boards, or '
            "leave it out"
        )
    with tempfile.TemporaryDirectory() as nowhere:  # what a ledger here holds is no proof of anything
        places = [f"{key}={values[key]}" for key in ("data.root", "cache") if key in values] + [f"out={nowhere}"]
        run = _carry_out if again else None
        done = check(folder, boards, components(), places, values.get("suite", ""), run, say)
    if as_json:
        answer(plain(done))
    else:
        for each in done.checks:
            print(each.line)
        if done.shown is not None:
            for row in done.replaced:
                print(f"replaces on the board: {cell_in_words(row).partition(' seed ')[0]}")
            print("\nThe board as it would be:\n")
            print(main_tables(done.shown, shutil.get_terminal_size((100, 24)).columns))
    raise SystemExit(7 if done.refused else 0)


def _carry_out(prepared: Prepared) -> Outcome:
    from bench.cli.grid import carry_out

    return carry_out(prepared, remember=False)
