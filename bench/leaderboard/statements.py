"""What a page says of where its numbers come from: each statement with how many records it holds
for, unless all share it.

Records of one plan may come from several runs: under another revision or profile, on another
device. What one of them says of itself is never printed as if all said it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from bench.config.request import TRAINING_NOTES
from bench.config.suite import REFERENCE_STAY
from bench.config.training import CLOCKED
from bench.data.release import GENERATED
from bench.grid.axes import PATIENT
from bench.leaderboard.blocks import Rich, code, strong
from bench.leaderboard.words import spaced
from bench.results.records import Export, Record
from bench.results.redact import is_public, redact_command

NOTHING = "–"


def provenance(records: Collection[Record]) -> dict[str, dict[str, int]]:
    """Name -> value -> how many records say so, both sorted; nothing that names a machine or an
    hour.

    The counts of each name add up to the number of records: those that do not say it are counted
    under the empty value.
    """
    entries = Counter(entry for record in records for entry in record.provenance.items())
    by_name: dict[str, dict[str, int]] = {}
    for (name, value), count in sorted(entries.items()):
        if name != "command" and is_public(name, value):
            by_name.setdefault(name, {})[value] = count
    for values in by_name.values():
        if silent := len(records) - sum(values.values()):
            values[""] = values.get("", 0) + silent
    return by_name


def counted(values: Mapping[str, int], noun: str = "record") -> str:
    """Value -> count in words: the value alone where there is one, else each with how many say
    so. Empty values come last.
    """
    if len(values) == 1:
        return next(iter(values)) or NOTHING
    ordered = sorted(values.items(), key=lambda item: (not item[0], item))
    return "; ".join(f"{value or NOTHING} ({count:,} {noun}{'s' * (count != 1)})" for value, count in ordered)


def held(statement: str, records: Iterable[Record], holds: Callable[[Mapping[str, str]], bool]) -> str:
    """The statement, with how many scored records it holds for by their provenance, unless it
    holds for all of them.
    """
    share = _share(records, holds)
    return Rich(statement, f" ({share} say so.)") if share else statement


def _share(records: Iterable[Record], holds: Callable[[Mapping[str, str]], bool]) -> str:
    """For how many scored records it holds, in words; empty for all of them."""
    answers = [holds(record.provenance) for record in records if not record.coordinates.audit]
    return "" if all(answers) else f"{sum(answers):,} of {len(answers):,} records"


def _of_splits(splits: Sequence[str]) -> Callable[[Mapping[str, str]], bool]:
    """Whether a record was made under one of these splits; the default is not named by its
    label.
    """
    return lambda provenance: any(provenance.get("split", "").startswith(f"split={each}") for each in splits)


def title(export: Export, records: Collection[Record]) -> str:
    """What the export is of: with the split, unless it is the default one, and the release of the
    data, where it is known.

    A record that says nothing of a release is of the same data: their digest is in its key.
    """
    parts = [export.title]
    if export.splits != [PATIENT]:
        share = _share(records, _of_splits(export.splits))
        parts.append(f", split={','.join(export.splits)}" + (f" ({share})" if share else ""))
    if release := GENERATED if export.synthetic else export.release:
        share = _share(records, lambda provenance: provenance.get("release", release) == release)
        parts.append(f" ({', '.join(filter(None, [release, share]))})")
    return "".join(parts)


def nobody(records: Iterable[Record]) -> list[str]:
    """The modalities that no record of their data has (`without_NAME` of the counts), sorted."""
    names = {name for record in records for name, count in record.counts.items() if count}
    return sorted(name.removeprefix("without_") for name in names if name.startswith("without_"))


def split_notes(export: Export, records: Collection[Record], crossing: int | None = None) -> list[str]:
    """What a reader must know of a split by record; nothing where patients stand on one side.
    crossing: how many do not.
    """
    if export.splits != [REFERENCE_STAY]:
        return []
    count = "patients" if crossing is None else f"{crossing:,} patient{'s' * (crossing != 1)}"
    stand = "stands" if crossing == 1 else "stand"
    note = Rich(
        strong(f"split={REFERENCE_STAY}: split by record, as published code does; {count} {stand} on both sides."),
        " Only for comparison with published tables, never with a split by patient.",
    )
    return [held(note, records, _of_splits(export.splits))]


def run_notes(export: Export) -> list[str]:
    """Which run an export is of, where it is of one that was asked for."""
    if not (run := export.run):
        return []
    where = ", ".join(filter(None, [run.day, run.code]))
    return [Rich("Run ", code(run.name), f" ({where}): {run.in_words()}.")]


EDITED = "edited since"
"""What a row says whose results were made before an edit."""


def edit_notes(export: Export) -> list[str]:
    """What was edited since the results were made, where anything was."""
    if not export.edits:
        return []
    names = [*export.edits[:8], *([f"{len(export.edits) - 8} more"] * (len(export.edits) > 8))]
    rows = f'Rows that say "{EDITED}" show results from before' if export.edited else "No result shown is from before"
    edited = strong(f"Edited since these results were made: {', '.join(names)}.")
    return [Rich(edited, f" {rows}; ", code(redact_command(export.command)), " makes them again.")]


def protocol_notes(export: Export, records: Collection[Record]) -> list[str]:
    """What a reader must know of a protocol that is not the harness's own. First what was edited
    since; then what scaling saw, where nothing was hidden, and the notes of the plan.
    """
    notes = edit_notes(export)
    if export.scaling != "train":
        note = Rich(
            strong(
                f"scaling.over={export.scaling}: means and deviations were learnt from all records before hiding, test "
                "records and hidden entries included (a small leak)."
            ),
            " Only for comparison with published tables that were made so.",
        )
        notes.append(held(note, records, lambda provenance: f"over {export.scaling}" in provenance.get("scaling", "")))
    if export.fill_absent:
        filled = (
            "Modalities that a record lacks altogether were completed by every imputer that fills anything, and fusers read "
            "them as present (fill_absent)."
        )
        notes.append(held(filled, records, lambda provenance: provenance.get("absent modalities") == "filled"))
    if export.hiding:
        hidden = f"Entries were hidden in {export.hiding} records alone; the others stay as recorded."
        notes.append(held(hidden, records, lambda provenance: provenance.get("hidden in") == export.hiding))
    if any("redraw=epoch" in record.coordinates.scenario for record in records):
        notes.append(
            "Training records got a new mask at each epoch (redraw=epoch), so in time a method saw all their values. "
            "Validation and test records kept their masks."
        )
    clocked = (
        "Training ended by a calibrated clock (`seconds`): the same command gives other steps and other bits each time."
    )
    if any(CLOCKED in record.provenance for record in records):
        notes.append(held(clocked, records, lambda provenance: CLOCKED in provenance))
    return [*notes, *filter(None, (_plan_note(note, records) for note in export.notes))]


def _plan_note(note: str, records: Collection[Record]) -> str:
    """A note of the plan; of one on training, how many records were trained so, and nothing where
    none was: not every method is trained step by step.
    """
    kind = next((kind for kind, begin in TRAINING_NOTES.items() if note.startswith(begin)), None)
    if kind is None:
        return note
    entry = {"fuser": "training", "imputer": "imputer training"}[kind]

    def trained(provenance: Mapping[str, str]) -> bool:
        return bool(provenance.get(entry)) and provenance[entry] in note

    if records and not any(trained(record.provenance) for record in records):
        return ""
    if "early stop" not in note:
        note = EPOCHS.sub(r" took at most \1", note)
    return Rich(held(note, records, trained), *_by_rounds(kind, records))


EPOCHS = re.compile(r" took ([\d,]+ epochs)")
"""In a note on training: what is a bound where a method may stop early."""


def _by_rounds(kind: str, records: Collection[Record]) -> list[str]:
    """That rounds take the place of epochs and steps for methods of a kind that clients train,
    where any is.
    """
    federated = [record.federated for record in records if record.federated and getattr(record.federated, kind)]
    rounds = dict.fromkeys(each.in_rounds for each in federated)
    return [f" Under a federation, rounds take the place of epochs and steps: {'; '.join(rounds)}."] if rounds else []


def counts(records: Iterable[Record]) -> tuple[dict[str, int], list[str]]:
    """How many records the task has, by part, as far as all cells agree; a note where those of one
    split do not: they cannot be compared.
    """
    by_name: dict[str, Counter[int]] = {}
    of_split: dict[str, list[dict[str, int]]] = {}
    known = [record for record in records if record.status == "ok" and record.counts]
    for record in known:
        of_split.setdefault(record.coordinates.split, []).append(record.counts)
        for name, count in record.counts.items():
            by_name.setdefault(name, Counter())[count] += 1
    agreed = {name: next(iter(values)) for name, values in by_name.items() if values.most_common(1)[0][1] == len(known)}
    unequal = [
        name
        for name in sorted(by_name)
        if any(len({each.get(name) for each in same}) > 1 for same in of_split.values())
    ]
    if not unequal:
        return agreed, []
    cells = "; ".join(
        f"{spaced(name)} {counted({f'{count:,}': n for count, n in sorted(by_name[name].items())}, 'cell')}"
        for name in unequal
    )
    return agreed, [
        Rich(strong("The cells of this table were not scored on the same records"), f": {cells}; see the CSV file.")
    ]
