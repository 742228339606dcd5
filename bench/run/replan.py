"""A command planned again on another machine, and compared with the plan that was made first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import msgspec

from bench.config.request import request as read_request
from bench.config.words import without
from bench.errors import StorageError
from bench.grid.ingredients import differing, ingredients
from bench.registry import Registry
from bench.run.prepare import Prepared, prepare

PLACES = (
    "executor", "shared", "slurm", "ray", "address", "workers", "budget", "shard", "shuffle", "out", "cache", "device", "retry",
)  # fmt: skip
"""Words of a command that say where and when, which another machine does not follow."""


def replan(
    words: Sequence[str],
    places: Sequence[str],
    device: str,
    before: Mapping[str, str],
    jobs: Collection[str],
    registry: Registry,
    fetch: Callable[[str], None] | None = None,
) -> Prepared:
    """The plan of a command, made again here. Raises BenchError, StorageError where its cells are
    others.

    - words: of the command. places: words that take the place of those in `PLACES`.
    - device: "cpu" or "cuda", which keys are made for.
    - before: what keys were made of there (`bench.grid.ingredients`).
    - jobs: ids that must be planned.
    - fetch: as in `bench.run.prepare.prepare`.
    """
    prepared = prepare(read_request([*without(words, PLACES), *places], registry), registry, fetch, on=device)
    request = msgspec.structs.replace(prepared.request, words=tuple(words))
    known = {key for cell in prepared.plan.cells for key in cell.keys.values()}
    if not known.issuperset(jobs):
        now = ingredients(request, registry, prepared.plan.manifest, device, prepared.synthetic)
        edits = ", ".join(differing(before, now)) or "the cells"
        raise StorageError(f"it plans other cells than were submitted ({edits}); run the same command again")
    return replace(prepared, request=request)
