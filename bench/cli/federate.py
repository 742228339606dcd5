"""`bench federate`: the folder of a site that trains with others over a network, and its scores."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.main import JSON, LazyGroup, answer, components, say

if TYPE_CHECKING:
    from bench.grid.cell import Cell
    from bench.run.prepare import Prepared


@click.group(cls=LazyGroup)
def federate() -> None:
    """Prepare the folder of a site that trains with others over a network, and score the model."""


federate.lazy = {
    "prepare": ("bench.cli.federate:prepare", "Write the folder of a site: its records, ready to be trained on."),
    "score": ("bench.cli.federate:score", "Score a model on the test records of a site."),
}


@click.command()
@click.argument("words", nargs=-1, metavar="to=DIR suite=NAME [client=N] [KEY=VALUE]...")
def prepare(words: tuple[str, ...]) -> None:
    """Write the folder of a site from the data at hand: one task, imputer, fuser, federation and
    seed.

    Takes the words of bench run; all sites say the same, but for data.root, cache and to. With
    client=N only the records of that client of the suite's partition are taken, else all. The
    folder holds records: keep it as you keep the data.
    """
    from bench.config.words import parse
    from bench.errors import UsageError

    own = {word.key: word.texts[0] for word in parse(words) if word.key in ("to", "client") and word.texts}
    rest = tuple(text for text in words if parse((text,))[0].key not in ("to", "client"))
    if not own.get("to"):
        raise UsageError('"to" is missing; for example: bench federate prepare to=DIR suite=NAME federation=fedavg')
    if not own.get("client", "0").isdigit():
        raise UsageError(f"client={own['client']} is no number; clients are counted from 0")
    from bench.config.request import request as read_request

    registry = components()
    request = read_request(rest, registry)
    from bench.components import Context
    from bench.execute.job import Job
    from bench.run.prepare import prepare as look_up
    from bench.run.schedule import setup_of
    from bench.sites import folder
    from bench.sites.agreement import check_free
    from bench.stages.order import BY_NAME

    path = Path(own["to"]).expanduser()
    client = int(own["client"]) if "client" in own else None
    before = look_up(request, registry, pending=True)
    agreement = folder.agreement_of(_only(before), setup_of(before), registry, request.suite.name)
    check_free(path, agreement, client)  # before any data are made
    prepared = look_up(request, registry, fetch=say)
    cell, setup = _only(prepared), setup_of(prepared)
    first = BY_NAME["cohort"]
    job = Job(id=cell.keys[first.name], stage=first.name, label=first.label(cell), cell=cell)
    first.run(job, setup, registry, Context(report=say))
    counts = folder.prepare(path, cell, setup, registry, request.suite.name, client)
    say(
        ", ".join(f"{count} {part}" for part, count in counts.items())
        + " records; keep the folder as you keep the data"
    )
    effects = {
        "valid": ("validation", "it is of no help to choose a round"),
        "test": ("test", "no model can be scored on it"),
    }
    for part, (noun, effect) in effects.items():
        if not counts[part]:
            say(f"warning: this site has no {noun} record, so {effect}")
    say("a server needs two of its files, which hold no record: agreement.json and form.safetensors")
    print(path)


def _only(prepared: Prepared) -> Cell:
    """The only cell of a plan that a federation trains. Raises UsageError where there are several,
    or none.
    """
    from bench.errors import UsageError
    from bench.grid.axes import NAMES

    cells = [
        cell
        for cell in prepared.plan.cells
        if not cell.coordinates.audit
        and not any(each.control for each in (cell.imputer, cell.fuser, cell.federation))
        and not {"pooled", "alone"} & prepared.registry.get("federation", cell.federation.name).tags
    ]
    if not cells:
        raise UsageError("no cell of this plan is trained by a federation; give federation=fedavg or another")
    values = {axis: dict.fromkeys(_typed(cell, axis) for cell in cells) for axis in NAMES}
    if several := {axis: each for axis, each in values.items() if len(each) > 1}:
        choices = ", and ".join(
            " or ".join(shlex.quote(f"{axis}={value}") for value in each) for axis, each in several.items()
        )
        raise UsageError(f"a site trains one cell, and these words give {len(cells)}; give {choices}")
    return cells[0]


def _typed(cell: Cell, axis: str) -> str:
    """The value of an axis as it is typed: of a component its label, without who trains it."""
    from bench.config.command import Variant

    value = cell.chosen[axis]
    return value.label if isinstance(value, Variant) else str(getattr(cell.coordinates, axis))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("model", type=click.Path(path_type=Path))
@JSON
def score(folder: Path, model: Path, as_json: bool) -> None:
    """Score a model on the test records of a site, which never leave it."""
    registry = components()
    from bench.metrics.patterns import SMALLEST
    from bench.sites.model import scores
    from bench.sites.site import Site

    number, measured = scores(Site(folder.expanduser(), registry), model.expanduser())
    shown = number if number >= SMALLEST else None
    if as_json:
        answer({"records": shown, "scores": measured.values, "undefined": measured.undefined})
        return
    print(f"{f'fewer than {SMALLEST}' if shown is None else shown} test records")
    for name, value in measured.values.items():
        print(f"  {name:<12}{value:.4f}")
    for name in measured.undefined:
        print(f"  {name:<12}not defined on these records")
