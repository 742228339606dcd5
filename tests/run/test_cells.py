"""What runs leave of their cells, whoever runs the jobs: status, reason, notes, audits, masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.data.places import keyed
from bench.results.records import Record, failed_audits
from support import inline

REGISTRY = inline.registry()
PLAIN = ("imputer=mean", "scenario=natural")


def records(folder: Path, *words: str) -> Sequence[Record]:
    """The records of a run."""
    prepared = inline.prepared(folder, REGISTRY, *words)
    inline.run(prepared)
    return inline.records(prepared)


def test_an_imputation_is_shared_by_fusers_and_by_seeds_when_nothing_is_random(tmp_path: Path) -> None:
    assert len(records(tmp_path, *PLAIN, "fuser=waits,linear", "seed=1,2")) == 4
    assert len(list(keyed(tmp_path / "cache", "imputations").iterdir())) == 1


def test_a_mask_is_the_same_for_every_method_and_differs_between_seeds(tmp_path: Path) -> None:
    made = records(tmp_path, "imputer=mean,locf", "seed=1,2")
    assert len(list(keyed(tmp_path / "cache", "masks").iterdir())) == 2
    shares = {record.coordinates.seed: record.hidden["realised"] for record in made}
    assert len(set(shares.values())) == 2
    for record in made:
        assert record.hidden["realised"] == shares[record.coordinates.seed]
        assert record.hidden["realised"] == pytest.approx(0.3, abs=0.02)
        assert record.imputation["all"]["mae"] > 0


def test_a_memory_error_is_out_of_memory_and_not_a_failure(tmp_path: Path) -> None:
    assert [record.status for record in records(tmp_path, *PLAIN, "fuser.waits.fail=memory")] == ["oom"]


def test_a_combination_that_makes_no_sense_is_skipped_with_its_reason(tmp_path: Path) -> None:
    made = records(tmp_path, "imputer=none,mean", "scenario=natural", "fuser=linear,gbm")
    skipped = [record for record in made if record.status == "skipped"]
    assert [(r.coordinates.imputer, r.coordinates.fuser) for r in skipped] == [("none", "linear")]
    assert "not nan_aware" in skipped[0].reason


def test_a_component_that_cannot_be_loaded_fails_its_cells_and_is_never_replaced(tmp_path: Path) -> None:
    made = records(tmp_path, "imputer=absent,mean", "scenario=natural")
    assert Counter(record.status for record in made) == {"ok": 1, "failed": 1}
    assert any("bench_toy.nowhere" in record.reason for record in made)


def test_what_a_fuser_notes_of_its_fit_stands_in_the_record(tmp_path: Path) -> None:
    [record] = records(tmp_path, *PLAIN, "fuser.waits.seconds=0.1")
    assert [(note.name, note.values) for note in record.notes] == [("waits", [1])]


@pytest.mark.parametrize(
    ("fuser", "audit"),
    [
        ("peeks", "batch-independent"),
        ("blind", "imputed-reaches-fuser"),
        ("careless", "absent-ignored"),
        ("restless", "repeat-identical"),
    ],
)
def test_a_broken_promise_is_found_by_its_audit(tmp_path: Path, fuser: str, audit: str) -> None:
    made = records(tmp_path, *PLAIN, f"fuser={fuser}", "audits.cells=repeat")
    assert audit in {name for record in made for name in failed_audits(record)}


def test_a_prediction_that_is_not_a_number_fails_the_cell_instead_of_shrinking_the_test_set(
    tmp_path: Path,
) -> None:
    [record] = records(tmp_path, *PLAIN, "fuser=holes")
    assert record.status == "failed"
    assert "values that are not finite numbers" in record.reason


def test_permuted_labels_score_at_chance(tmp_path: Path) -> None:
    made = records(tmp_path, *PLAIN, "fuser=linear,gbm", "audits.cells=permuted-labels")
    audits = [record.audits["permuted-labels"] for record in made if record.coordinates.audit]
    assert len(audits) == 2
    assert all(audit.passed for audit in audits)
