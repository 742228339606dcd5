"""One cell as blocks: what it was made of, what it scored, where it lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench.grid.variants import short
from bench.leaderboard.blocks import Block, Cell, Command, Heading, Notes, Number, Paragraph, Table
from bench.leaderboard.words import columns, metric, spaced
from bench.results.coordinates import cell_in_words
from bench.results.records import IMPUTATION_METRICS, Audit, Record

if TYPE_CHECKING:
    from bench.run.one_cell import Content

OUTCOMES = {True: "pass", False: "FAIL", None: "n.a."}


def blocks(content: Content) -> list[Block]:
    """Everything that is known of it; what it does not have is left out."""
    record = content.record
    why = f" ({record.reason})" if record.reason else ""
    page: list[Block] = [
        Heading(1, cell_in_words(record.coordinates)),
        Paragraph(f"Suite {record.coordinates.suite}; {record.status}{why}; key {record.key}"),
        *_parameters(content),
        *_scores(record),
        *_imputation(record),
        *_numbers("Records", record.counts),
        *_listed("Audits", {name: _outcome(audit) for name, audit in record.audits.items()}),
        *_numbers("Costs", record.costs),
        *_notes(record),
        *_federated(record),
        *_listed("Surroundings", {name: value for name, value in record.provenance.items() if name != "command"}),
        *_listed(
            "Keys of its stages",
            {name: key + ", in the cache" * cached for name, (key, cached) in content.stages.items()},
        ),
        *[Heading(2, "Files")] * bool(content.files),
    ]
    for name, path in content.files.items():
        page += [Paragraph(f"{name}{' (gone)' * (path in content.lost)}:"), Command(path)]
    commands = [Command(command) for command in (content.again, content.run) if command]
    return [*page, Heading(2, "Run it again"), *commands]


def _parameters(content: Content) -> list[Block]:
    if content.problem:
        return [Paragraph(f"Its run cannot be planned any more, so its parameters are not known: {content.problem}")]
    page = _listed(
        "Parameters",
        {
            f"{kind} {label}": ", ".join(f"{name}={short(value)}" for name, value in params.items()) or "no parameters"
            for kind, (label, params) in content.parameters.items()
        },
    )
    if content.moved:
        page.append(Paragraph(f"Its key is another now, since something differs: {', '.join(content.moved)}."))
    return page


def _scores(record: Record) -> list[Block]:
    names = list(dict.fromkeys([*record.scores, *record.validation, *record.oracle]))
    parts = {"test": record.scores, "validation": record.validation, "best possible": record.oracle}
    parts = {name: scores for name, scores in parts.items() if scores}
    rows: list[list[Cell]] = [
        [metric(name), *(_number(scores.get(name)) for scores in parts.values())] for name in names
    ]
    undefined = [Notes([f"Not defined on the test part: {', '.join(map(metric, record.undefined))}."])]
    return (
        [Heading(2, "Scores"), Table(columns("metric", *parts), rows), *undefined[: len(record.undefined)]]
        if rows
        else []
    )


def _imputation(record: Record) -> list[Block]:
    """Scores on hidden entries, of the imputer and of what the fuser completes by itself."""
    page: list[Block] = []
    for title, scored in (("imputer", record.imputation), ("fuser's own completion", record.completion)):
        names = [name for name in (*IMPUTATION_METRICS, "hidden") if any(name in scores for scores in scored.values())]
        rows: list[list[Cell]] = [
            [modality, *(_number(scores.get(name)) for name in names)] for modality, scores in scored.items()
        ]
        if rows:
            page += [Heading(2, f"Hidden entries: {title}"), Table(columns("modality", *map(metric, names)), rows)]
    return page


def _outcome(audit: Audit) -> str:
    return ", ".join(filter(None, [OUTCOMES[audit.passed], audit.detail]))


def _notes(record: Record) -> list[Block]:
    notes = [n if isinstance(n, str) else f"{n.name}: {', '.join(map(short, n.values))}" for n in record.notes]
    return [Heading(2, "Notes of the fuser"), Notes(notes)] if notes else []


def _federated(record: Record) -> list[Block]:
    federated = record.federated
    if federated is None:
        return []
    shown: dict[str, Any] = {"clients": len(federated.clients), "partition": federated.rule}
    for name in ("imputer", "fuser"):
        if trained := getattr(federated, name):
            shown |= {f"rounds of the {name}": len(trained.rounds), f"round of the {name} that was kept": trained.best}
    return _listed("Federation", shown)


def _numbers(title: str, values: Mapping[str, float]) -> list[Block]:
    rows: list[list[Cell]] = [[spaced(name), _number(value)] for name, value in values.items()]
    return [Heading(2, title), Table(columns("what", "value"), rows)] if rows else []


def _listed(title: str, values: Mapping[str, Any]) -> list[Block]:
    """Values that may be long, a line each."""
    return [Heading(2, title), Notes([f"{name}: {value}" for name, value in values.items()])] if values else []


def _number(value: float | None) -> Cell:
    """In full where it is a score; whole numbers as such."""
    if value is None:
        return None
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else Number(value, ".6g")
