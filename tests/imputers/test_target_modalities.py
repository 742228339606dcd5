"""Which modalities a learnt imputer completes itself, and what becomes of the others."""

from __future__ import annotations

import numpy as np
import pytest

from bench.components import Context
from bench.errors import UsageError
from bench.testing.toy import toy_cohort
from bench_imputers.target_modalities import WIDEST, Rest, chosen

WIDTHS = {"vitals": 3, "labs": 2, "codes": 60}


@pytest.fixture(scope="module")
def cohort():
    return toy_cohort(n=24, length=6, modalities=WIDTHS)


def test_without_targets_it_is_every_modality_that_is_not_too_wide():
    assert chosen(WIDTHS, (), WIDEST) == ("vitals", "labs")
    assert chosen(WIDTHS, (), 2) == ("labs",)
    assert chosen(WIDTHS, (), 60) == ("vitals", "labs", "codes")


def test_targets_that_are_named_are_taken_however_wide_and_in_the_order_of_the_cohort():
    assert chosen(WIDTHS, ("codes", "vitals"), 1) == ("vitals", "codes")


def test_a_target_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(
        UsageError, match=r'modality "vital" is not known \(from targets of imputer x\); did you mean "vitals"'
    ):
        chosen(WIDTHS, ("vital",), WIDEST, "x")


def test_a_cohort_with_nothing_narrow_enough_is_refused_with_the_widths():
    with pytest.raises(
        UsageError, match=r"at most widest=1 channels, and there is none \(vitals 3, labs 2, codes 60\)"
    ):
        chosen(WIDTHS, (), 1)


def test_the_others_are_carried_forward_in_every_draw_and_else_get_the_training_mean(cohort):
    rest = Rest()
    rest.fit(cohort, ("vitals",), Context())
    again = Rest()
    again.load_state_dict(rest.state_dict())
    made = again.impute(cohort, ("vitals",), 3, Context())
    assert set(made) == {"labs", "codes"}
    labs, grid = made["labs"], cohort.modalities["labs"].grid
    assert labs.shape == (3, *grid.shape)
    seen = cohort.modalities["labs"].observed
    means = [grid[..., k][seen[..., k]].mean(dtype=np.float64) for k in range(2)]
    for record in range(len(cohort)):
        for channel in range(2):
            value = np.float32(means[channel])
            for here in range(cohort.length):
                value = grid[record, here, channel] if seen[record, here, channel] else value
                assert (labs[:, record, here, channel] == value).all()


def test_nothing_is_left_where_every_modality_is_a_target(cohort):
    rest = Rest()
    rest.fit(cohort, ("vitals", "labs", "codes"), Context())
    assert rest.impute(cohort, ("vitals", "labs", "codes"), 2, Context()) == {}
