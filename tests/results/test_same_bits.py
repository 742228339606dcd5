"""Two results of a cell are the same or not by what its methods decide, and by no clock."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from bench.results.coordinates import Coordinates
from bench.results.federated import Done, Federated, Trained
from bench.results.predictions import Predictions, digest_of, earlier_digest_of
from bench.results.records import Audit, Note, Record
from bench.results.same_bits import OTHER_LAYOUT, compare, compare_predictions, differing
from support.fake_exports import make_record


def rounds(seconds: float, loss: float) -> Federated:
    done = Done(number=1, chosen=[0], dropped=[], slow=[], train_loss=loss, valid_loss=None, steps={}, up={}, down={},
                seconds=seconds)  # fmt: skip
    return Federated(partition="p", rule="iid", metric="auroc", clients=[], fuser=Trained(rounds=[done]))


AT = Coordinates("demo", "ihm", "all", "mcar", "mean", "gru", 1)
BEFORE = make_record(AT, 0.5, notes=[Note("kept", [3])], federated=rounds(1.0, 0.25), imputation_errors="ab" * 32)


def changed(record: Record, field: str, **values: Any) -> Record:
    """The record with some values of a field that is a table."""
    return msgspec.structs.replace(record, **{field: {**getattr(record, field), **values}})


def test_a_record_is_the_same_as_itself_and_every_field_of_a_result_is_compared() -> None:
    compared = compare(BEFORE, BEFORE)
    assert not any(each.differing for each in compared)
    assert {each.field for each in compared} == {
        "predictions", "imputation_errors", "scores", "validation", "imputation", "hidden", "counts", "notes", "costs",
        "federated", "audits",
    }  # fmt: skip


SAME = {
    "seconds": changed(BEFORE, "costs", fit_seconds=9.0),
    "memory": changed(BEFORE, "costs", peak_memory_bytes=1.0),
    "seconds of rounds": msgspec.structs.replace(BEFORE, federated=rounds(9.0, 0.25)),
    "what an audit measured": changed(BEFORE, "audits", **{"scored-once": Audit(True, "other words")}),
    "provenance": msgspec.structs.replace(BEFORE, provenance={"host": "elsewhere"}),
    "suite": msgspec.structs.replace(BEFORE, coordinates=msgspec.structs.replace(AT, suite="other")),
    "a further metric": changed(BEFORE, "scores", acc=0.5),
    "a score by other code": msgspec.structs.replace(changed(BEFORE, "scores", auprc=0.9), metrics_code="other"),
}
OTHER = {
    "predictions": msgspec.structs.replace(BEFORE, predictions="cd" * 32),
    "imputation_errors": msgspec.structs.replace(BEFORE, imputation_errors="cd" * 32),
    "scores": changed(BEFORE, "scores", auroc=np.nextafter(0.5, 1)),
    "imputation": changed(BEFORE, "imputation", all={**BEFORE.imputation["all"], "mae": 0.0}),
    "counts": changed(BEFORE, "counts", test=1),
    "costs": changed(BEFORE, "costs", parameters=1.0),
    "notes": msgspec.structs.replace(BEFORE, notes=[Note("kept", [4])]),
    "federated": msgspec.structs.replace(BEFORE, federated=rounds(1.0, 0.26)),
    "audits": changed(BEFORE, "audits", **{"scored-once": Audit(False)}),
}
ALONE = {
    "predictions": msgspec.structs.replace(BEFORE, predictions=""),
    "completion_errors": msgspec.structs.replace(BEFORE, completion_errors="cd" * 32),
    "audits": changed(BEFORE, "audits", **{"of later code": Audit(False)}),
}


@pytest.mark.parametrize("what", SAME)
def test_what_no_method_decides_makes_no_difference(what: str) -> None:
    assert not any(each.differing for each in compare(BEFORE, SAME[what]))


@pytest.mark.parametrize("field", OTHER)
def test_one_bit_makes_a_difference_that_is_named(field: str) -> None:
    compared = compare(BEFORE, OTHER[field])
    assert [each.field for each in compared if each.differing] == [field]
    assert (differing(BEFORE, OTHER[field]) == ()) is (field in ("counts", "costs", "notes", "federated"))


@pytest.mark.parametrize("field", ALONE)
def test_predictions_and_failed_audits_that_one_record_lacks_differ(field: str) -> None:
    for pair in ((BEFORE, ALONE[field]), (ALONE[field], BEFORE)):
        assert [each.field for each in compare(*pair) if each.differing] == [field] == list(differing(*pair))


def test_a_score_that_differs_is_shown_in_full_with_its_distance() -> None:
    (each,) = [each for each in compare(BEFORE, changed(BEFORE, "scores", auroc=0.75)) if each.differing]
    assert each.differing == {"auroc": "0.5, now 0.75 (+0.25)"}
    assert each.values == len(BEFORE.scores)


def predictions(*outputs: float, valid: bool = True) -> Predictions:
    values = np.array(outputs, np.float32)[:, None]
    ids = np.array([f"r{k}" for k in range(len(outputs))])
    part = Predictions(ids, ids, np.zeros(len(ids), np.float32), values)
    return replace(part, valid=part) if valid else part


def test_predictions_are_compared_record_by_record() -> None:
    before = predictions(0.25, 0.5, 0.75)
    assert compare_predictions(before, before).differing == {}
    assert compare_predictions(before, before).values == 6
    moved = replace(predictions(0.25, 0.5, 0.875), valid=before.valid)
    assert compare_predictions(before, moved).differing == {"test": "1 of 3 records differ, by 0.12 at most"}
    assert compare_predictions(before, predictions(0.25, 0.5)).differing == dict.fromkeys(
        ("test", "validation"), "other records"
    )
    truth = replace(before, truth=np.ones(3, np.float32))
    assert compare_predictions(before, truth).differing == {
        "test": "the same outputs beside other outcomes, patients or statics"
    }
    assert compare_predictions(predictions(0.25, valid=False), predictions(0.25)).differing == {}


def test_a_digest_over_an_earlier_layout_is_compared_with_that_layout_or_not_at_all() -> None:
    part = predictions(0.25, 0.5)
    whole = replace(part, statics=np.zeros((2, 1), np.float32), static_names=np.array(["age"]))
    before = msgspec.structs.replace(BEFORE, predictions=earlier_digest_of(part))
    after = msgspec.structs.replace(BEFORE, predictions=digest_of(whole), metrics_code="of today")
    assert before.predictions != digest_of(part)
    same, *_ = compare(before, after, {digest_of(whole), earlier_digest_of(whole)})
    assert (same.field, same.values, same.differing, same.left_out) == ("predictions", 1, {}, {})
    moved = predictions(0.25, 0.75)
    other, *_ = compare(before, after, {digest_of(moved), earlier_digest_of(moved)})
    assert other.differing == {"predictions": "differs"}
    unknown, *_ = compare(before, after)
    assert (unknown.values, unknown.differing, unknown.left_out) == (0, {}, {"predictions": OTHER_LAYOUT})


def test_a_score_by_other_code_is_compared_and_breaks_no_promise() -> None:
    other = msgspec.structs.replace(changed(BEFORE, "scores", auroc=0.75), metrics_code="of today")
    (scores,) = [each for each in compare(BEFORE, other) if each.field == "scores"]
    assert (scores.values, scores.differing) == (len(BEFORE.scores), {})
    assert scores.by_other_code == {"auroc": "0.5, now 0.75 (+0.25)"}


def test_what_one_record_lacks_is_named_as_left_out() -> None:
    further = changed(BEFORE, "scores", acc=0.5)
    for pair, why in (
        ((BEFORE, further), "the record does not have it"),
        ((further, BEFORE), "only the record has it"),
    ):
        (left,) = [each for each in compare(*pair) if each.left_out]
        assert (left.field, left.left_out, left.differing) == ("scores", {"acc": why}, {})
