"""`bench plot`: pictures of imputations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.main import LazyGroup, components, say

if TYPE_CHECKING:
    from bench.figures.looks import Looks
    from bench.results.records import Export

COMMON = ("suite", "out", "to")
CHOSEN = ("task", "scenario", "modalities", "imputer", "fuser")
PATIENTS = "this picture shows patient-level values: keep it where the data may lie"


@click.group(cls=LazyGroup)
def plot() -> None:
    """Draw scores with their intervals, imputations of records, and what changes with missing
    rates, rounds or runs.
    """


plot.lazy = {
    "scores": ("bench.cli.plot:scores", "Scores of methods with intervals and tie groups, best first."),
    "heat": ("bench.cli.plot:heat", "Scores of every imputer with every fuser."),
    "rounds": ("bench.cli.plot:rounds", "Validation loss of federations over their rounds."),
    "imputation": ("bench.cli.plot:imputation", "Observed points, hidden truth, median and 5-95 % band of records."),
    "rates": ("bench.cli.plot:rates", "Scores over the missing rates or settings of a scenario."),
    "history": ("bench.cli.plot:history", "Scores, errors or costs over runs, with their steps."),
    "parity": ("bench.cli.plot:parity", "Two imputers record by record: MAE of one against the other."),
}


def _values(words: tuple[str, ...], single: tuple[str, ...], many: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The words by key. UsageError for one that is not accepted, or where no suite is named."""
    from bench.cli.words import values_by_key
    from bench.config.layers import NO_SUITE
    from bench.errors import UsageError

    values = values_by_key(words, (*COMMON, *single), many)
    if "from" not in values and "suite" not in values:
        raise UsageError(NO_SUITE)
    if Path(values.get("out", ("",))[0]).suffix in (".png", ".svg"):
        raise UsageError('"out" is the folder of the results; give to=FILE for the picture')
    return values


def _target(values: dict[str, tuple[str, ...]], name: str) -> Path:
    """Where the picture goes: `to`, else a file beside the results."""
    from bench.figures.printed import check_target

    out = Path(values.get("out", ("results",))[0]).expanduser()
    path = Path(values["to"][0]).expanduser() if "to" in values else out / "pictures" / f"{name}.png"
    check_target(path)
    return path


def _of(export: Export) -> str:
    """What a picture is of, for its title: of which data, and in what the run differs from the
    suite or the code as it is.
    """
    from bench.grid.differences import sentence
    from bench.leaderboard.statements import title

    marks = [title(export, export.records), sentence(export.overrides), "edited since" * bool(export.edited)]
    return "; ".join(filter(None, marks))


@click.command()
@click.argument(
    "words", nargs=-1, metavar="suite=NAME [imputer=A,B] [record=ID,..] [channel=X,..] [to=FILE] [KEY=VALUE]..."
)
def imputation(words: tuple[str, ...]) -> None:
    """Draw records of the last run as they were observed, hidden and imputed, in recorded units.
    Patient-level.

    Words: suite, out, cache, data.root; imputer, scenario, modalities, seed (of the run); record,
    channel, modality (what to draw; default: test records and channels with most hidden entries);
    to=FILE.png or FILE.svg. A label's name without its brackets stands for all labels that have it;
    your shell wants quotes around brackets.
    """
    from bench.grid.axes import OF_IMPUTATION
    from bench.plots.imputation import METHODS, draw, panels
    from bench.run.last_run import choose, imputations, last_run, only, seen_of

    values = _values(words, ("cache", "data.root"), (*OF_IMPUTATION, "record", "channel", "modality"))
    path = _target(values, "imputation")
    registry = components()
    run = last_run(
        values["suite"][0],
        values.get("out", ("results",))[0],
        registry,
        cache=values.get("cache", ("",))[0],
        root=values.get("data.root", ("",))[0],
    )
    cells = choose(imputations(run), {axis: values[axis] for axis in OF_IMPUTATION if axis in values})
    for axis in ("split", "modalities", "seed"):
        if axis in values:
            only(cells, axis)
        cells = [cell for cell in cells if getattr(cell.coordinates, axis) == getattr(cells[0].coordinates, axis)]
    if "scenario" in values:
        only(cells, "scenario")
        scenario = cells[0].coordinates.scenario
    else:
        firsts = {cell.coordinates.scenario: cell for cell in reversed(cells)}
        order = list(dict.fromkeys(cell.coordinates.scenario for cell in cells))
        scenario = next((s for s in order if seen_of(firsts[s], run, registry).truth), order[0])
    cells = [cell for cell in cells if cell.coordinates.scenario == scenario]
    cells = [
        cell for cell in cells if not {"leaves_nan", "hides_values"} & registry.get("imputer", cell.imputer.name).tags
    ]
    if "imputer" not in values:
        cells = cells[:METHODS]
    if not cells:
        from bench.errors import UsageError

        raise UsageError("none of these imputers fills anything; name another with imputer=NAME")
    panel_rows = panels(
        cells, run, registry, values.get("record", ()), values.get("channel", ()), values.get("modality", ())
    )
    at = cells[0].coordinates
    draw(panel_rows, f"{_of(run.planned)}: {at.modalities} · {at.scenario}, seed {at.seed}", path)
    if not run.planned.synthetic:
        say(PATIENTS)
    print(path)


@click.command()
@click.argument("words", nargs=-1, metavar="suite=NAME|from=FILE [metric=mae] [imputer=A,B] [scenario=NAME] [to=FILE]")
def rates(words: tuple[str, ...]) -> None:
    """Draw a score over the rates of a scenario, a line per method with its interval.

    Words: suite, run and out, or from=FILE (a records file); metric; scenario and imputer (what to
    draw); to=FILE.png or FILE.svg. The metric is of hidden entries (mae, rmse, crps, coverage50,
    coverage90), or the primary one of a task. An imputer is a label, or its name where one label
    has it; your shell wants quotes around brackets. Holds no patient-level value.
    """
    from bench.errors import UsageError
    from bench.leaderboard.sections.imputation import METRICS
    from bench.plots.rates import curves_of, degradations_of, draw, draw_degradations

    values = _values(words, ("from", "run", "metric"), ("imputer", "scenario"))
    path = _target(values, "rates")
    metric = values.get("metric", ("mae",))[0]
    export, looks = _export(values)
    if metric in METRICS:
        curves = curves_of(export, metric, values.get("imputer", ()), values.get("scenario", ()))
        draw(curves, metric, f"{_of(export)}: hidden entries of the test part", path, looks)
    else:
        every = degradations_of(export, metric, values.get("scenario", ()))
        if "imputer" in values:
            raise UsageError(
                f"of {metric} the best methods are drawn; leave out imputer=, or name a metric of imputers"
            )
        draw_degradations(every, f"{_of(export)}: predictions of the test part", path, looks)
    print(path)


def _export(values: dict[str, tuple[str, ...]]) -> tuple[Export, Looks]:
    """The export that the words name, and how its methods look in all pictures."""
    from bench.cli.report import export_of
    from bench.leaderboard import Board

    export, _ = export_of(tuple(f"{key}={values[key][0]}" for key in ("suite", "run", "out", "from") if key in values))
    return export, Board(export).looks


def _draw_tables(words: tuple[str, ...], name: str) -> None:
    from bench.plots.standing import draw

    values = _values(words, ("from", "run"), CHOSEN)
    path = _target(values, name)
    export, looks = _export(values)
    chosen = {key: texts for key, texts in values.items() if key in CHOSEN}
    draw(name, export, looks, chosen, _of(export), path)
    print(path)


TABLES = "suite=NAME|from=FILE [task=NAME] [scenario=NAME] [imputer=A,B] [fuser=A,B] [to=FILE]"


@click.command()
@click.argument("words", nargs=-1, metavar=TABLES)
def scores(words: tuple[str, ...]) -> None:
    """Draw the scores of methods with their intervals, a panel per table; one ground is one tie
    group.

    Words: suite, run and out, or from=FILE (a records file); task, scenario, modalities, imputer,
    fuser (what to draw); to=FILE.png or FILE.svg. Holds no patient-level value.
    """
    _draw_tables(words, "scores")


@click.command()
@click.argument("words", nargs=-1, metavar=TABLES)
def heat(words: tuple[str, ...]) -> None:
    """Draw the scores of every imputer with every fuser, a panel per table.

    Words: suite, run and out, or from=FILE (a records file); task, scenario, modalities, imputer,
    fuser (what to draw); to=FILE.png or FILE.svg. Holds no patient-level value.
    """
    _draw_tables(words, "heat")


@click.command()
@click.argument("words", nargs=-1, metavar=TABLES)
def rounds(words: tuple[str, ...]) -> None:
    """Draw the validation loss of federations over their rounds, a panel per table.

    Words: suite, run and out, or from=FILE (a records file); task, scenario, modalities, imputer,
    fuser (what to draw); to=FILE.png or FILE.svg. Holds no patient-level value.
    """
    _draw_tables(words, "rounds")


@click.command()
@click.argument("words", nargs=-1, metavar="suite=NAME|FILE... [metric=NAME,..] [to=FILE] [KEY=VALUE]...")
def history(words: tuple[str, ...]) -> None:
    """Draw scores over runs, or what metric names, a panel per method, with intervals and steps.

    Words: those of bench history; to=FILE.png or FILE.svg. Hollow points repeat the values of an
    earlier run. Holds no patient-level value.
    """
    from bench.cli.history import history_of
    from bench.config.words import halves, parse, without
    from bench.plots.history import chosen, draw

    values = {word.key: word.texts for word in parse(word for word in words if halves(word)[1])}
    path = _target({key: values[key] for key in ("to", "out") if key in values}, "history")
    shown = history_of(tuple(without(words, ("to",))))
    draw(shown, chosen(shown, "metric" in values), f"History of {shown.title}", path)
    print(path)


@click.command()
@click.argument("words", nargs=-1, metavar="suite=NAME imputer=A,B [scenario=NAME] [modality=NAME] [to=FILE]")
def parity(words: tuple[str, ...]) -> None:
    """Draw MAE on the hidden entries of each test record, one imputer against another.
    Patient-level.

    Words: suite, out; imputer=FIRST,SECOND; scenario, modalities, seed (of the run); modality
    (count only its entries); to=FILE.png or FILE.svg. An imputer is a label, or its name where one
    label has it; your shell wants quotes around
    brackets: 'imputer=locf,csdi(eta=0, chunk=8)'.
    """
    from bench.cli.report import last_run_now
    from bench.config.words import ORIGIN
    from bench.errors import UsageError
    from bench.grid.axes import OF_IMPUTATION
    from bench.plots.parity import draw, parities
    from bench.results.ledger import Ledger

    values = _values(words, ("modality",), OF_IMPUTATION)
    path = _target(values, "parity")
    names = values.get("imputer", ())
    if len(names) != 2 or names[0] == names[1]:
        raise UsageError(
            f'"imputer" must name two that differ (from {ORIGIN}), the one across and the one upwards: imputer=locf,mean'
        )
    out = Path(values.get("out", ("results",))[0]).expanduser()
    ledger, planned = Ledger(out), last_run_now(values["suite"][0], out)
    panels = parities(
        planned,
        ledger,
        (names[0], names[1]),
        values.get("scenario", ()),
        values.get("modalities", ()),
        values.get("seed", ()),
        values.get("modality", ("",))[0],
    )
    draw(panels, f"{_of(planned)}: a point per test record", path)
    if not planned.synthetic:
        say(PATIENTS)
    print(path)
