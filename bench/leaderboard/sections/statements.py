"""What a page says of where its numbers come from: each statement with how many records it holds for, unless all share it.

Records of one plan may come from several runs: under another revision or profile, on another device. What one of them says of
itself is never printed as if all said it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping

from bench.config.request import TRAINING_NOTE
from bench.config.suite import PATIENT, REFERENCE_STAY
from bench.data.release import GENERATED
from bench.leaderboard.render.text import safe, words
from bench.results.records import Export, Record
from bench.results.redact import is_public, redact_command
from bench.text.clean import code

NOTHING = "–"


def provenance(records: Collection[Record]) -> dict[str, dict[str, int]]:
    """Name -> value -> how many records say so, both sorted; nothing that names a machine or an hour.

    The counts of each name add up to the number of records: those that do not say it are counted under the empty value.
    """
    counted = Counter(entry for record in records for entry in record.provenance.items())
    found: dict[str, dict[str, int]] = {}
    for (name, value), count in sorted(counted.items()):
        if name != "command" and is_public(name, value):
            found.setdefault(name, {})[value] = count
    for values in found.values():
        if silent := len(records) - sum(values.values()):
            values[""] = values.get("", 0) + silent
    return found


def counted(values: Mapping[str, int], noun: str = "record") -> str:
    """Value -> count in words: the value alone where there is one, else each with how many say so. Empty values come last."""
    if len(values) == 1:
        return next(iter(values)) or NOTHING
    ordered = sorted(values.items(), key=lambda item: (not item[0], item))
    return "; ".join(f"{value or NOTHING} ({count:,} {noun}{'s' * (count != 1)})" for value, count in ordered)


def held(statement: str, records: Iterable[Record], holds: Callable[[Mapping[str, str]], bool]) -> str:
    """The statement, with how many scored records it holds for by their provenance, unless it holds for all of them."""
    share = _share(records, holds)
    return f"{statement} ({share} say so.)" if share else statement


def _share(records: Iterable[Record], holds: Callable[[Mapping[str, str]], bool]) -> str:
    """For how many scored records it holds, in words; empty for all of them."""
    answers = [holds(record.provenance) for record in records if not record.coordinates.audit]
    return "" if all(answers) else f"{sum(answers):,} of {len(answers):,} records"


def _of_split(split: str) -> Callable[[Mapping[str, str]], bool]:
    """Whether a record was made under that split; the default is not named by its label."""
    return lambda said: said.get("split", "").startswith(f"split={split}")


def title(export: Export, records: Collection[Record]) -> str:
    """What the export is of: with the split, unless it is the default one, and the release of the data, where it is known.

    A record that says nothing of a release is of the same data: their digest is in its key.
    """
    parts = [export.title]
    if export.split != PATIENT:
        share = _share(records, _of_split(export.split))
        parts.append(f", split={export.split}" + (f" ({share})" if share else ""))
    if release := GENERATED if export.synthetic else export.release:
        share = _share(records, lambda said: said.get("release", release) == release)
        parts.append(f" ({', '.join(filter(None, [release, share]))})")
    return "".join(parts)


def nobody(records: Iterable[Record]) -> list[str]:
    """The modalities that no record of their data has (`without_NAME` of the counts), sorted."""
    names = {name for record in records for name, count in record.counts.items() if count}
    return sorted(name.removeprefix("without_") for name in names if name.startswith("without_"))


def split_notes(export: Export, records: Collection[Record], crossing: int | None = None) -> list[str]:
    """What a reader must know of a split by record; nothing where patients stand on one side. crossing: how many do not."""
    if export.split != REFERENCE_STAY:
        return []
    count = "patients" if crossing is None else f"{crossing:,} patient{'s' * (crossing != 1)}"
    stand = "stands" if crossing == 1 else "stand"
    note = (
        f"**split={safe(export.split)}: parted by record, as published code does; {count} {stand} on both sides.** Only for "
        "comparison with published tables, never with a split by patient."
    )
    return [held(note, records, _of_split(export.split))]


EDITED = "edited since"
"""What a row says whose results are of before an edit."""


def edit_notes(export: Export) -> list[str]:
    """What was edited since the results were made, where anything was."""
    if not export.edits:
        return []
    names = [*map(safe, export.edits[:8]), *([f"{len(export.edits) - 8} more"] * (len(export.edits) > 8))]
    rows = f'Rows that say "{EDITED}" show results from before' if export.edited else "No result shown is of before"
    again = f"{code(redact_command(export.command))} makes them anew"
    return [f"**Edited since these results were made: {', '.join(names)}.** {rows}; {again}."]


def protocol_notes(export: Export, records: Collection[Record]) -> list[str]:
    """What a reader must know of a protocol that is not the harness's own: what scaling saw, where nothing was hidden, the
    notes of the plan; first of all, what was edited since.
    """
    notes = edit_notes(export)
    if export.scaling != "train":
        note = (
            f"**scaling.over={safe(export.scaling)}: means and deviations were learnt from all records before hiding, test "
            "records and hidden entries included (a small leak).** Only for comparison with published tables that were made so."
        )
        notes.append(held(note, records, lambda said: f"over {export.scaling}" in said.get("scaling", "")))
    if export.fill_absent:
        note = (
            "Modalities that a record lacks altogether were completed by every imputer that fills anything, and fusers read "
            "them as present (fill_absent)."
        )
        notes.append(held(note, records, lambda said: said.get("absent modalities") == "filled"))
    if export.hiding:
        note = f"Entries were hidden in {safe(export.hiding)} records alone; the others stay as recorded."
        notes.append(held(note, records, lambda said: said.get("hidden in") == export.hiding))
    return [*notes, *filter(None, (_plan_note(note, records) for note in export.notes))]


def _plan_note(note: str, records: Collection[Record]) -> str:
    """A note of the plan; of that on training, how many records were trained so, and nothing where none was: not every fuser
    is trained step by step.
    """
    if not note.startswith(TRAINING_NOTE):
        return safe(note)

    def trained(said: Mapping[str, str]) -> bool:
        return bool(said.get("training")) and said["training"] in note

    if records and not any(trained(record.provenance) for record in records):
        return ""
    return held(safe(note), records, trained)


def counts(records: Iterable[Record]) -> tuple[dict[str, int], list[str]]:
    """How many records the task has, by part, as far as all cells agree; a note where they do not: they cannot be compared."""
    found: dict[str, Counter[int]] = {}
    known = [record.counts for record in records if record.status == "ok" and record.counts]
    for each in known:
        for name, count in each.items():
            found.setdefault(name, Counter())[count] += 1
    agreed = {name: next(iter(values)) for name, values in found.items() if values.most_common(1)[0][1] == len(known)}
    if len(agreed) == len(found):
        return agreed, []
    cells = "; ".join(
        f"{words(name)} {counted({f'{count:,}': n for count, n in sorted(values.items())}, 'cell')}"
        for name, values in sorted(found.items())
        if name not in agreed
    )
    return agreed, [f"**The cells of this table were not scored on the same records**: {cells}; see the CSV file."]
