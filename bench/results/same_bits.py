"""Whether two results of one cell are the same to the last bit, and in what they differ."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from bench.results.federated import Federated
from bench.results.records import Record

if TYPE_CHECKING:
    import numpy as np

    from bench.results.predictions import Predictions

DIGESTS = ("predictions", "imputation_errors", "completion_errors")
"""Fields that name all that a cell predicted."""

SCORED = (
    "scores", "validation", "oracle", "undefined", "imputation", "imputation_validation", "completion", "patterns",
    "calibration",
)  # fmt: skip
"""Fields that are computed from it, by code that a record names."""

OTHERS = ("hidden", "counts", "notes", "costs", "federated")
"""Fields of which nothing is compared that a clock or the memory at hand decides."""

REPEATED_COSTS = frozenset({"parameters", "imputer_parameters", "steps", "imputer_steps", "draws", "completion_draws"})


ONE_SIDED = {True: "only the record has it", False: "the record does not have it"}
ALONE = {True: "only before", False: "only now"}
"""Whether a value was there before -> in words."""

OTHER_LAYOUT = "the digest in one of the records is over an earlier layout of the file"


class Compared(msgspec.Struct, frozen=True):
    """One field of two records.

    - values: how many were compared.
    - differing: what differs -> in words.
    - by_other_code: what differs and was computed by other code of metrics -> in words.
    - left_out: what was not compared -> why.
    """

    field: str
    values: int
    differing: dict[str, str] = {}
    by_other_code: dict[str, str] = {}
    left_out: dict[str, str] = {}


def compare(before: Record, after: Record, digests: Container[str] = ()) -> list[Compared]:
    """The fields of both records, and of each what both hold.

    digests: of the predictions of `after`, in every layout of their file. Predictions that one of
    the records lacks differ, and so does an audit that failed in one alone. Timings, memory and
    what audits measured may differ, and so may coordinates and provenance. A score by other code
    may differ too: it is named apart.
    """
    compared = []
    for name in (*DIGESTS, *SCORED, *OTHERS, "audits"):
        old, new = _values(before, name), _values(after, name)
        if name == DIGESTS[0] and before.predictions in digests:
            new = old
        both = [each for each in old if each in new]
        failed = [each for each, passed in (old | new).items() if name == "audits" and passed is False]
        alone = (old.keys() ^ new.keys()) & {*failed, *DIGESTS}
        left_out = {each: ONE_SIDED[each in old] for each in sorted((old.keys() ^ new.keys()) - alone)}
        if name == DIGESTS[0] and both and old != new and not digests and _layouts_differ(before, after):
            both, left_out = [], {name: OTHER_LAYOUT}
        changes = {each: _change(old[each], new[each]) for each in both if old[each] != new[each]}
        changes |= {each: ALONE[each in old] for each in sorted(alone)}
        excused = name in SCORED and before.metrics_code != after.metrics_code
        differ, by_other_code = ({}, changes) if excused else (changes, {})
        if both or alone or left_out:
            compared.append(Compared(name, len(both) + len(alone), differ, by_other_code, left_out))
    return compared


def _layouts_differ(before: Record, after: Record) -> bool:
    """Whether the digests of predictions may be over two layouts of their file."""
    return bool(before.metrics_code) != bool(after.metrics_code)


def differing(one: Record, other: Record) -> tuple[str, ...]:
    """The fields in which two results of one key differ, of those that its methods decide."""
    return tuple(each.field for each in compare(one, other) if each.differing and each.field not in OTHERS)


def differing_pair(records: Sequence[Record]) -> tuple[Record, Record, tuple[str, ...]]:
    """Of some results of one key the first, the first that differs from it (else the last one),
    and in what they differ.
    """
    first = records[0]
    other = next((each for each in records if differing(first, each)), records[-1])
    return first, other, differing(first, other)


def _change(before: Any, after: Any) -> str:
    if isinstance(before, float | int) and isinstance(after, float | int):
        return f"{before!r}, now {after!r} ({after - before:+.2g})"
    return "differs"


def _values(record: Record, field: str) -> dict[str, Any]:
    """Name -> value of all that a field holds; empty where it holds nothing."""
    content = getattr(record, field)
    if field == "costs":
        return {name: value for name, value in content.items() if name in REPEATED_COSTS}
    if field == "federated":
        return _rounds(content)
    if field == "audits":
        return {name: audit.passed for name, audit in content.items()}
    if isinstance(content, dict):
        return dict(_flat(content))
    return {field: msgspec.to_builtins(content)} if content else {}


def _flat(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from ((f"{name} {inner}", each) for inner, each in value.items())
        else:
            yield name, value


def _rounds(federated: Federated | None) -> dict[str, Any]:
    """What of a federation's rounds depends on no clock."""
    if federated is None:
        return {}
    plain = msgspec.to_builtins(federated)
    for method in ("fuser", "imputer"):
        for done in (plain[method] or {}).get("rounds", ()):
            del done["seconds"]
    return {name: value for name, value in plain.items() if value is not None}


def compare_predictions(before: Predictions, after: Predictions) -> Compared:
    """The predictions themselves: how many records of a part differ, and by how much. `values`
    counts records.
    """
    import numpy as np

    changes: dict[str, str] = {}
    parts = [("test", before, after)]
    if before.valid is not None and after.valid is not None:
        parts.append(("validation", before.valid, after.valid))
    for part, old, new in parts:
        if old.outputs.shape != new.outputs.shape or not np.array_equal(old.ids, new.ids):
            changes[part] = "other records"
        elif moved := int((old.outputs != new.outputs).any(axis=1).sum()):
            largest = float(np.abs(old.outputs.astype(float) - new.outputs).max())
            changes[part] = f"{moved:,} of {len(old.ids):,} records differ, by {largest:.2g} at most"
        elif not all(
            _same(getattr(old, name), getattr(new, name)) for name in ("groups", "truth", "statics", "oracle")
        ):
            changes[part] = "the same outputs beside other outcomes, patients or statics"
    return Compared(DIGESTS[0], sum(len(old.ids) for _, old, _ in parts), changes)


def _same(old: np.ndarray | None, new: np.ndarray | None) -> bool:
    if old is None or new is None:
        return True
    return old.shape == new.shape and old.dtype == new.dtype and old.tobytes() == new.tobytes()
