"""What is checked of a submission, one after another, each with a verdict of one line.

Of records from others nothing is believed that can be computed here. Which cells there are, their
keys and what the table says are planned from the suite. Scores come from predictions, or from
computing cells again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from bench.errors import BenchError
from bench.grid.ingredients import differing as ingredients_that_differ
from bench.grid.ingredients import ingredients
from bench.leaderboard.audited import OF_CELL
from bench.registry import Registry
from bench.results.coordinates import Coordinates, cell_in_words
from bench.results.further import code_of
from bench.results.records import Export, Record
from bench.run.execute import Outcome
from bench.run.one_cell import OneCell
from bench.run.prepare import Prepared
from bench.run.rerun import rerun
from bench.submissions import board, folder, pinned, planned, scores

Verdict = Literal["ok", "REFUSED", "not checked"]
OK: Verdict = "ok"
REFUSED: Verdict = "REFUSED"
NOT_CHECKED: Verdict = "not checked"

OF_EVERY_CELL = ("scored-once", "imputed-reaches-fuser", "absent-ignored", "batch-independent")
"""Audits that every scored cell has, whether they apply or not."""

ALWAYS = ("scored-once", "batch-independent", "permuted-labels")
"""Audits that apply to every cell that has them."""

GROUPS = ("scores", "validation", "oracle", "imputation", "imputation_validation", "completion", "audits")
"""Fields of which a record holds all that a cell computed again holds."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. detail: the reason, or what was looked at."""

    what: str
    verdict: Verdict
    detail: str = ""

    @property
    def line(self) -> str:
        return f"{self.verdict}: {self.what}" + (f": {self.detail}" if self.detail else "")


@dataclass
class Verified:
    """What came of it. shown: the board as it would be; replaced: rows of it that the submitted
    ones stand for.
    """

    checks: list[Check] = field(default_factory=list)
    shown: Export | None = None
    replaced: list[Coordinates] = field(default_factory=list)

    @property
    def refused(self) -> list[Check]:
        return [check for check in self.checks if check.verdict == REFUSED]


def verify(
    place: Path,
    boards: Path,
    registry: Registry,
    places: Sequence[str],
    suite: str = "",
    run: Callable[[Prepared], Outcome] | None = None,
    fetch: Callable[[str], None] | None = None,
) -> Verified:
    """Check the submission in a folder.

    - boards: the folder of leaderboards. suite: a name or a file, where it is not the installed
      suite of the name that is submitted.
    - places: words that say where data, cache and results lie.
    - run: carries out a plan; where it is there, the first seed of each row is computed again.

    Raises UsageError where there is no such folder or suite, and DataError without the data: keys
    and pairing cannot be checked without them.
    """
    done = Verified()
    try:
        packed = folder.read(place)
    except folder.Refused as error:
        done.checks.append(Check("files and digests", REFUSED, str(error)))
        return done
    submission, records = packed.submission, packed.export.records
    done.checks.append(Check("files and digests", OK, f"{len(records)} cells of {submission.suite}"))
    done.checks.append(_refused_if("versions of plugins", pinned.differing(submission.plugins)))
    plan = planned.plan(suite or submission.suite, submission.words, places, submission.device, registry, fetch)
    if plan.request.suite.name != submission.suite:
        name = plan.request.suite.name
        done.checks.append(Check("suite", REFUSED, f"the rows are of {submission.suite}, the suite here is {name}"))
        return done
    rows = list(dict.fromkeys(planned.row_of(record.coordinates) for record in records))
    here = planned.of_rows(plan, rows)
    done.checks += _of_plan(here, packed.export)
    if done.refused:
        return done
    done.checks.append(_refused_if("audits", _audits_lacking(records) + planned.failing(records)))
    export = planned.export_of(here, records)
    path, there = board.board_of(boards, export)
    if there is None:
        done.checks.append(Check("pairing with the rows of the board", NOT_CHECKED, f"there is no {path}"))
    else:
        done.checks.append(_refused_if("pairing with the rows of the board", board.unpaired(there, export)))
    done.checks += _numbers(here, packed, run)
    done.shown, done.replaced = (export, []) if there is None else board.beside(there, export)
    return done


def _refused_if(what: str, problems: Sequence[str], detail: str = "") -> Check:
    return Check(what, REFUSED, planned.listed(problems)) if problems else Check(what, OK, detail)


def _audits_lacking(records: Sequence[Record]) -> list[str]:
    """Cells whose record has no outcome of an audit that is made of each."""
    problems = []
    for record in records:
        audit = record.coordinates.audit
        names = (OF_CELL.get(audit, audit),) if audit else OF_EVERY_CELL
        problems += [
            f"{cell_in_words(record.coordinates)}: no outcome of {name}"
            for name in names
            if name not in record.audits or (name in ALWAYS and record.audits[name].passed is None)
        ]
    return problems


def _of_plan(here: Prepared, export: Export) -> Iterator[Check]:
    """Cells and keys, against the plan of the same rows here."""
    records = {record.coordinates: record for record in export.records}
    cells = {cell.coordinates: cell for cell in here.plan.cells}
    strange = [f"{cell_in_words(at)}: the suite plans no such cell" for at in records if at not in cells]
    strange += planned.lacking(here.request.overrides)
    if len(records) < len(export.records):
        strange.append("a cell has two records")
    yield _refused_if("cells of the suite", strange + planned.unfinished(here.plan.cells, list(records.values())))
    moved = [at for at, record in records.items() if at in cells and cells[at].key != record.key]
    if moved:
        now = ingredients(here.request, here.registry, here.plan.manifest, here.plan.device, here.synthetic)
        words = ", ".join(ingredients_that_differ(export.ingredients, now)) or "the keys themselves were changed"
        yield Check("keys", REFUSED, f"{len(moved)} of {len(records)} are others here; what differs: {words}")
    else:
        yield Check("keys", OK, "as planned here")
    other = [
        f"{cell_in_words(at)}: scored by other code than that here"
        for at, record in records.items()
        if record.metrics_code != code_of([*record.scores, *record.undefined])
    ]
    yield _refused_if("code of metrics", other)


def _numbers(here: Prepared, packed: folder.Packed, run: Callable[[Prepared], Outcome] | None) -> Iterator[Check]:
    """Scores from predictions, and cells computed again."""
    records = packed.export.records
    bare = [record for record in records if record.key not in packed.predictions]
    tasks = here.registry.get("dataset", here.request.suite.dataset).tasks
    if packed.predictions:
        problems = [
            f"{cell_in_words(record.coordinates)}: {each}"
            for record in records
            if record.key in packed.predictions
            for each in scores.differing(record, packed.predictions[record.key], tasks[record.coordinates.task])
        ]
        yield _refused_if("scores from predictions", problems, f"{len(packed.predictions)} cells, the same bits")
    if bare and run is None:
        yield Check(
            "scores",
            NOT_CHECKED,
            f"of {len(bare)} cells no predictions are packed and nothing was computed again; --rerun does",
        )
    if run is None:
        yield Check(
            "that the methods give these results",
            NOT_CHECKED,
            "imputation errors, patterns, costs and predictions; see --rerun",
        )
        yield Check(
            "what else the records say",
            NOT_CHECKED,
            "counts of train and valid records and of those left out, shares hidden, notes, the rest of the provenance",
        )
        return
    first: dict[Coordinates, Record] = {}
    for record in sorted(records, key=lambda each: each.coordinates):
        if not record.coordinates.audit:
            first.setdefault(planned.row_of(record.coordinates), record)
    yield _again(here, list(first.values()), run)
    if rest := len(records) - len(first):
        yield Check("other seeds", NOT_CHECKED, f"{rest} cells were not computed again")


def _again(here: Prepared, records: Sequence[Record], run: Callable[[Prepared], Outcome]) -> Check:
    """Cells computed again from nothing, the bits compared."""
    what = "the first seed of each row, computed again"
    problems: list[str] = []
    excused: list[str] = []
    cells = {cell.coordinates: cell for cell in here.plan.cells}
    for record in records:
        at = cell_in_words(record.coordinates)
        try:
            done = rerun(OneCell(record, here, cells[record.coordinates], []), None, run)
        except BenchError as error:
            problems.append(f"{at}: {error}")
            continue
        if done.after is None or done.after.status != "ok":
            problems.append(f"{at}: {done.after.reason if done.after else done.outcome.stopped}")
            continue
        differs = [f"{name} {change}" for each in done.compared for name, change in each.differing.items()]
        lost = [
            f"{group} {name} is missing"
            for group in GROUPS
            for name in getattr(done.after, group)
            if name not in getattr(record, group)
        ]
        if differs + lost:
            excuse = f" (not as it was: {', '.join(done.excuses)})" if done.excuses else ""
            (excused if done.excuses and not lost else problems).append(
                f"{at}: {planned.listed([*differs, *lost])}{excuse}"
            )
    if problems:
        return Check(what, REFUSED, planned.listed([*problems, *excused]))
    if excused:
        return Check(
            what, REFUSED, f"{planned.listed(excused)}; verify where the rows were made, or with the same libraries"
        )
    return Check(what, OK, f"{len(records)} cells, the same bits")


def plain(done: Verified) -> dict[str, object]:
    """The verdict for programs."""
    return {
        "accepted": not done.refused,
        "checks": [{"what": each.what, "verdict": each.verdict, "detail": each.detail} for each in done.checks],
        "replaces": [msgspec.to_builtins(row) for row in done.replaced],
    }
