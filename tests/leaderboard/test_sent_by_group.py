"""What clients send in a round is told by group of arrays, where a method has several."""

from __future__ import annotations

import json

import msgspec

from bench.leaderboard import render
from bench.results.records import Export, Record
from support.whole_export import whole

GROUPS = {"shared": 4_000, "mod": 2_500_000, "buffer": 12_000}


def sending(up: dict[str, int]) -> Export:
    """An export whose federated fuser sent these bytes in each of its two rounds."""
    export = whole()
    export.records = [_sending(record, up) if record.federated else record for record in export.records]
    return export


def _sending(record: Record, up: dict[str, int]) -> Record:
    assert record.federated
    assert record.federated.fuser
    rounds = [msgspec.structs.replace(done, up=up) for done in record.federated.fuser.rounds]
    fuser = msgspec.structs.replace(record.federated.fuser, rounds=rounds)
    return msgspec.structs.replace(record, federated=msgspec.structs.replace(record.federated, fuser=fuser))


def rows(export: Export) -> list[dict[str, object]]:
    [first, *_] = json.loads(render(export)["json"])["federations"]
    return [row for row in first["rows"] if row["federation"] == "fedavg"]


def test_groups_stand_in_a_note_and_sum_to_the_column() -> None:
    export = sending(GROUPS)
    page = render(export)["md"].decode()
    assert "MB up of a round by group of arrays." in page
    assert "linear, fedavg: buffer 0.012, mod 2.500, shared 0.004" in page
    for row in rows(export):
        assert row["up_by_group"] == GROUPS
        assert row["up"] == sum(GROUPS.values())


def test_one_group_alone_needs_no_note() -> None:
    export = sending({"shared": 4_000})
    assert "by group of arrays" not in render(export)["md"].decode()
    assert all(row["up_by_group"] == {"shared": 4_000} for row in rows(export))
