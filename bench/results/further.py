"""Scores that a record lacks, from its stored predictions, without a fit: of a metric that was
added or edited since, or that somebody asks for later. What was computed once is kept in the
ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from bench.discovery.metric import MetricSpec
from bench.errors import PluginError, StorageError
from bench.grid.identity import digest, of_metric
from bench.metrics.known import metrics
from bench.results.ledger import Ledger
from bench.results.records import Further, Record, TaskSummary

Say = Callable[[str], None]


def code_of(names: Iterable[str]) -> str:
    """The digest of the code of these metrics, as a record notes it; "" where one of them is not
    known.
    """
    known = metrics()
    ordered = sorted(names)
    return digest([of_metric(known[name]) for name in ordered]) if all(name in known for name in ordered) else ""


def completed(records: Sequence[Record], tasks: Iterable[TaskSummary], ledger: Ledger, say: Say) -> list[Record]:
    """The records with a score of every metric of their task that is known, defined and can be
    computed.

    The primary score stays as it is: its code is in the key. A record whose metrics are not those
    of the code as it is gets all others again. Warns of what cannot be computed.
    """
    of_task = {task.name: task for task in tasks}
    wanted: dict[str, list[int]] = {}
    codes: dict[tuple[str, ...], str] = {}
    for place, record in enumerate(records):
        task = of_task.get(record.coordinates.task)
        if record.status != "ok" or record.coordinates.audit or not record.predictions or task is None:
            continue
        tried = tuple(sorted({*record.scores, *record.undefined}))
        if tried not in codes:
            codes[tried] = code_of(tried)
        trusted = tried if record.metrics_code == codes[tried] != "" else ()
        for name in task.metrics[1:]:
            if name not in trusted and name in metrics():
                wanted.setdefault(name, []).append(place)
    whole = list(records)
    for name, places in wanted.items():
        _complete(whole, places, metrics()[name], ledger, say)
    return whole


def _complete(records: list[Record], places: Sequence[int], spec: MetricSpec, ledger: Ledger, say: Say) -> None:
    """Put one metric into these records."""
    code = of_metric(spec)
    try:
        known = ledger.scores(code)
    except StorageError as error:
        say(f"warning: {error}; they are computed again")
        known = {}
    missing = {records[place].predictions: records[place] for place in places} if places else {}
    missing = {name: record for name, record in missing.items() if name not in known}
    if missing:
        say(f"computing {spec.name} of {len(missing):,} cells from their stored predictions")
    failed: Counter[str] = Counter()
    for name, record in missing.items():
        try:
            known[name] = _scored(record, spec, ledger)
        except (StorageError, PluginError) as error:
            failed[str(error)] += 1
    if len(missing) > sum(failed.values()):
        ledger.keep_scores(code, known)
    for why, count in failed.items():
        say(f"warning: {spec.name} is missing for {count:,} cell{'s' * (count != 1)}: {why}")
    for place in places:
        further = known.get(records[place].predictions, Further())
        records[place] = _with(records[place], spec.name, further)


def _scored(record: Record, spec: MetricSpec, ledger: Ledger) -> Further:
    """One metric of one cell. Raises StorageError and PluginError where it cannot be computed."""
    from bench.metrics.scoring import scores_of

    predictions = ledger.predictions(record)
    predictions.needed_by(spec)
    scores = {}
    for name, part in (("test", predictions), ("validation", predictions.valid), ("oracle", predictions.ideal)):
        if part is None:
            continue
        result = scores_of([spec.name], part.truth, part.outputs, part.at_hand())
        if spec.name in result.failed and name == "test":
            raise PluginError(result.failed[spec.name])
        scores[name] = result.values.get(spec.name)
    return Further(**scores)


def _with(record: Record, name: str, further: Further) -> Record:
    groups = {"scores": further.test, "validation": further.validation, "oracle": further.oracle}
    changed = {}
    for group, score in groups.items():
        held = {key: value for key, value in getattr(record, group).items() if key != name}
        changed[group] = held if score is None else {**held, name: score}
    return msgspec.structs.replace(record, **changed)
