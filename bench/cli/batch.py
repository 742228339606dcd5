"""`bench work`, which a queue runs, and `bench collect`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from bench.cli.main import JSON, answer, components, say
from bench.cli.words import values_by_key

NAMED = 5
"""Damaged files that are named."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("element", type=click.IntRange(min=0))
def work(folder: Path, element: int) -> None:
    """Do one part of a batch that bench run executor=slurm submitted; the queue runs this."""
    from bench.run.element import Element, Place

    place = Place.of(os.environ)
    from bench.errors import UsageError
    from bench.execute.batch import Batch

    batch = Batch(folder.absolute())
    if element >= (number := len(batch.order.elements)):
        raise UsageError(f"{folder} has no element {element}; it has 0 to {number - 1}")
    Element(batch, element, place, components(), say).run()


@click.command()
@click.argument("words", nargs=-1, metavar="[out=DIR]")
@JSON
def collect(words: tuple[str, ...], as_json: bool) -> None:
    """Bring into the ledger what the jobs of bench run executor=slurm have finished, however many
    of them. Can be repeated; says what is still in the queue.
    """
    from bench.errors import StorageError, UsageError
    from bench.execute import batch as batches
    from bench.execute import sbatch
    from bench.results.ledger import Ledger
    from bench.results.merge import Merged, summary

    out = Path(values_by_key(words, ("out",), ()).get("out", ("results",))[0]).expanduser().absolute()
    ledger = Ledger(out)
    if not ledger.folder.is_dir():
        raise UsageError(f"{out} holds no ledger; give the folder of the run: bench collect out=DIR")
    merged: dict[str, Merged] = {}
    waiting: dict[str, int] = {}
    lost = 0
    with ledger.locked():
        for batch in batches.remembered(ledger):
            try:
                queued = batch.in_queue(
                    sbatch.queued()
                )  # before its files are read: what has left the queue wrote them all
            except StorageError as error:
                say(f"warning: {error}")
                queued = set(range(len(batch.order.elements)))
            merged |= {f"{batch.folder} {number}": each for number, each in enumerate(batch.collect(ledger))}
            left = {
                job: number for number, jobs in enumerate(batch.order.elements) for job in jobs if not batch.ended(job)
            }
            waiting[batch.folder.name] = sum(number in queued for number in left.values())
            gone = [job for job, number in left.items() if number not in queued]
            lost += len(gone)
            if not queued:
                batches.close(ledger, batch)
    damaged = [name for each in merged.values() for name in each.damaged]
    for name in damaged[:NAMED]:
        say(f"warning: {name} is damaged and was left out; run the same command again")
    if len(damaged) > NAMED:
        say(f"... and {len(damaged) - NAMED:,} more")
    if as_json:
        taken = sum(len(each.taken) for each in merged.values())
        answer({"ledger": str(ledger.folder), "taken": taken, "queued": sum(waiting.values()), "lost": lost})
        return
    print(f"{out}: {summary(merged.values())}")
    if queued_jobs := sum(waiting.values()):
        say(f"{queued_jobs:,} jobs are in the queue")
    if lost:
        say(
            f"{lost:,} jobs left the queue before their end (a lost machine, or scancel); the same bench run submits them again"
        )
