"""The section on federations tells all that decides how its numbers are read."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from bench.leaderboard import render
from bench.leaderboard.statements import protocol_notes
from bench.results.federated import Federated
from bench.results.records import Export, Record
from support.whole_export import whole


def changed(**fuser: Any) -> Export:
    """An export whose federated fuser was trained so."""
    export = whole()
    export.records = [_changed(record, fuser) if record.federated else record for record in export.records]
    return export


def _changed(record: Record, fuser: dict[str, Any]) -> Record:
    assert record.federated
    trained = msgspec.structs.replace(record.federated.fuser, **fuser)
    return msgspec.structs.replace(record, federated=msgspec.structs.replace(record.federated, fuser=trained))


def told(export: Export) -> tuple[str, dict[str, Any]]:
    """The page, and the first row that clients trained."""
    rendered = render(export)
    [first, *_] = json.loads(rendered["json"])["federations"]
    return rendered["md"].decode(), next(row for row in first["rows"] if row["clients"])


@pytest.mark.parametrize("epsilon", [0.0, 3.5])
def test_noise_is_told_however_little_epsilon_it_leaves(epsilon: float) -> None:
    page, row = told(changed(epsilon=epsilon, delta=1e-5))
    assert "No noise was added" not in page
    assert "at delta 1e-05" in page
    assert row["epsilon"] == epsilon


def test_no_noise_is_told_too() -> None:
    page, row = told(changed(epsilon=None))
    assert "No noise was added" in page
    assert row["epsilon"] is None


def test_clients_without_a_score_are_counted_beside_those_that_have_one() -> None:
    page, row = told(whole())
    assert "Clients with a score: 2 of 3 clients." in page
    assert (row["scored"], row["clients"]) == (2, 3)
    assert row["mean"]["mean"] == pytest.approx(row["worst"]["mean"] + row["spread"]["mean"])  # of two clients


def test_rounds_are_told_as_the_record_has_them_and_of_an_earlier_record_as_far_as_it_tells() -> None:
    kept = next(record.federated for record in whole().records if record.federated)
    assert kept.in_rounds == "2 rounds, 2 of 3 clients in each, 1 answer lost"
    assert msgspec.structs.replace(kept, held="2 rounds of 1 epoch").in_rounds == "2 rounds of 1 epoch"
    nothing = Federated(partition="", rule="", metric="auroc", clients=[])
    assert (nothing.in_rounds, nothing.mean) == ("", None)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("15 epochs, batches of 64", "at most 15 epochs"),
        ("15 epochs, no early stop", "15 epochs"),
        ("70 optimiser steps", "70"),
    ],
)
def test_epochs_are_a_bound_where_training_may_end_early_and_rounds_take_their_place(given: str, shown: str) -> None:
    export = whole()
    export.notes = [f"Every fuser trained step by step took {given}, unless its label says otherwise."]
    records = [msgspec.structs.replace(each, provenance={"training": given}) for each in export.records]
    note = str(protocol_notes(export, records)[-1])
    assert f"took {shown}" in note
    assert note.endswith("take the place of epochs and steps: 2 rounds, 2 of 3 clients in each, 1 answer lost.")
    central = [record for record in records if not record.federated]
    assert "federation" not in str(protocol_notes(export, central)[-1])
