"""Rows of a ledger as a folder that can be handed in. Only what could be accepted is packed."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import msgspec

from bench.config.words import ORIGIN
from bench.errors import UsageError, nearest
from bench.grid.axes import AXES
from bench.grid.differences import deciding, sentence
from bench.grid.ingredients import DEVICE, differing, ingredients
from bench.grid.matching_rows import matching
from bench.registry import Registry
from bench.results.coordinates import Coordinates
from bench.results.ledger import Ledger
from bench.results.predictions import pack as packed_bytes
from bench.results.records import Export, Record
from bench.results.redact import redact
from bench.run.prepare import Prepared
from bench.submissions import folder, planned
from bench.submissions.pinned import pinned

ROW_AXES = tuple(axis.name for axis in AXES if axis.place != "repeat")
"""Axes by which rows can be selected; a row has all its seeds and splits."""


def pack(
    run: Export,
    ledger: Ledger,
    suite: str,
    values_of_axis: Mapping[str, Sequence[str]],
    places: Sequence[str],
    to: Path,
    registry: Registry,
    predictions: bool = False,
    fetch: Callable[[str], None] | None = None,
) -> list[Record]:
    """Write the rows of a run that these values select to a folder; their records.

    - run: the plan of the last run, or the snapshot of an earlier one.
    - suite: its name or file. places: words that say where data and cache lie.
    - predictions: with those of the ledger.

    Raises UsageError for what could not be accepted, with the reason and what to type.
    """
    if to.exists() or to.is_symlink():
        raise UsageError(f"{to} is there already; give another to=FOLDER, or remove it")
    if run.profile != "demo" or deciding(run.overrides):
        differs = sentence(deciding(run.overrides)) or f"has the profile {run.profile}"
        raise UsageError(f"the run {differs}, so its rows stand in no table of the suite; run the suite as it is")
    rows = _chosen(run, values_of_axis)
    words = [word for word in shlex.split(run.command)[2:] if folder.is_of_methods(word)]
    device = run.ingredients.get(DEVICE, "cpu")
    plan = planned.of_rows(planned.plan(suite, words, places, device, registry, fetch), rows)
    again = shlex.join(["bench", "run", f"suite={suite}", *words])
    if problems := planned.lacking(plan.request.overrides):
        raise UsageError(
            f"{planned.listed(problems)}; run the suite with all of them, without the word that leaves them out"
        )
    records = _records(plan, run, ledger, rows, again)
    if problems := planned.unfinished(plan.plan.cells, records):
        raise UsageError(
            f"{len(problems)} cells have no result: {planned.listed(problems)}; finish them with: {again} retry=true"
        )
    if failures := planned.failing(records):
        raise UsageError(
            f"audits failed, so these rows have no rank: {planned.listed(failures)}; mend the method (bench check says "
            f"more) and run again: {again}"
        )
    arrays = _predictions(plan, ledger, records) if predictions else {}
    plugins = pinned(plan.plan.cells, registry)
    export = redact(planned.export_of(plan, records))
    about = {"suite": run.suite, "words": words, "device": device, "plugins": plugins}
    folder.write(to, about, export, arrays, _readme(run.suite, rows, plugins, bool(arrays)))
    return export.records


def _chosen(run: Export, values_of_axis: Mapping[str, Sequence[str]]) -> list[Coordinates]:
    """The rows of a run that values of axes select. Raises UsageError for a value that none has."""
    rows = list(dict.fromkeys(planned.row_of(at) for at, _ in run.planned))
    for axis, values in values_of_axis.items():
        there = list(dict.fromkeys(str(getattr(row, axis)) for row in rows))
        labels: list[str] = []
        for value in values:
            stands_for = matching(value, there)
            if not stands_for:
                raise UsageError(
                    f'{axis} "{value}" (from {ORIGIN}) is not in the run; {nearest(value, there)}there: '
                    f"{', '.join(there) or 'nothing that fits the other words'}"
                )
            labels += stands_for
        rows = [row for row in rows if str(getattr(row, axis)) in labels]
    return rows


def _records(
    plan: Prepared, run: Export, ledger: Ledger, rows: Collection[Coordinates], again: str
) -> list[Record]:  # fmt: skip
    """The records of these rows, which must be of the keys that are planned here."""
    if not plan.plan.cells:
        raise UsageError(f"the suite plans none of these rows any more; run it again: {again}")
    keys = {cell.coordinates: cell.key for cell in plan.plan.cells}
    moved = [at for at, key in run.planned if at in keys and keys[at] != key]
    if moved:
        now = ingredients(plan.request, plan.registry, plan.plan.manifest, plan.plan.device, plan.synthetic)
        edits = ", ".join(differing(run.ingredients, now)) or "the code of its methods"
        raise UsageError(
            f"{len(moved)} cells have other keys than when they were run ({edits}): the code, the suite, the data or "
            f"settings are other ones now; run again with: {again}"
        )
    if run.run is not None:
        return [record for record in run.records if planned.row_of(record.coordinates) in rows]
    held = ledger.load(keys.values())
    return [msgspec.structs.replace(held[key], coordinates=at) for at, key in keys.items() if key in held]


def _predictions(plan: Prepared, ledger: Ledger, records: Collection[Record]) -> dict[str, bytes]:
    """Key of a cell -> the bytes of its predictions. Raises UsageError for data that are not open,
    and StorageError where they are not in the ledger.
    """
    dataset = plan.registry.get("dataset", plan.request.suite.dataset)
    if not planned.is_open(dataset, plan.synthetic):
        raise UsageError(
            f"predictions hold values of single records, and the dataset {dataset.name} does not declare that anybody may "
            "have them; leave out --predictions"
        )
    return {record.key: packed_bytes(ledger.predictions(record)) for record in records}


def _readme(suite: str, rows: Sequence[Coordinates], plugins: Sequence[folder.Pinned], arrays: bool) -> str:
    named = sorted({f"- {row.imputer} + {row.fuser} ({row.task}, {row.modalities}, {row.scenario})" for row in rows})
    more = ["- `predictions/`: what they predicted for each record of the test and the validation part."] * arrays
    return "\n".join(
        [
            f"# Rows for the leaderboard of {suite}",
            "",
            *named,
            "",
            "Made with: " + ", ".join(f"`{each.in_words}`" for each in plugins) + ".",
            "",
            "- `submission.toml`: methods, versions and digests.",
            "- `records.json`: the results of each cell.",
            *more,
            "",
            "Checked by `bench verify FOLDER`.",
            "",
        ]
    )
