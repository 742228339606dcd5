"""The split: by group, by hash, by nothing else; and, where it is asked for, by record as
published code does.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.config.suite import Split
from bench.data.splits import PARTS, crossing, part, split, split_records

GROUPS = [f"patient {number}" for number in range(4000)]
NAMES = st.lists(st.text(max_size=6), max_size=40)


@given(NAMES, st.integers())
def test_all_records_of_a_group_stand_in_one_part(groups, seed):
    parts = split(groups * 2, seed)
    assert parts.dtype == np.int8
    assert all(0 <= part < len(PARTS) for part in parts)
    assert len({(group, part) for group, part in zip(groups * 2, parts, strict=True)}) == len(set(groups))


@given(NAMES, NAMES, st.integers())
def test_adding_groups_or_changing_their_order_moves_nobody(groups, more, seed):
    alone = dict(zip(groups, split(groups, seed), strict=True))
    together = [*more, *reversed(groups)]
    assert alone.items() <= dict(zip(together, split(together, seed), strict=True)).items()


@pytest.mark.parametrize("fractions", [(0.7, 0.15, 0.15), (0.5, 0.25, 0.25), (0.98, 0.01, 0.01), (0.1, 0.1, 0.8)])
def test_the_parts_have_about_the_shares_that_were_asked_for(fractions):
    shares = np.bincount(split(GROUPS, 0, fractions), minlength=3) / len(GROUPS)
    error = np.sqrt(np.array(fractions) * (1 - np.array(fractions)) / len(GROUPS))
    assert (abs(shares - fractions) < 4 * error).all()


def test_another_seed_gives_another_split():
    agreement = np.mean(split(GROUPS, 1) == split(GROUPS, 2))
    assert agreement == pytest.approx(0.7**2 + 2 * 0.15**2, abs=0.04)


def test_a_larger_train_part_keeps_who_was_in_the_smaller_one():
    small, large = split(GROUPS, 0, (0.5, 0.25, 0.25)), split(GROUPS, 0, (0.7, 0.15, 0.15))
    assert (large[small == 0] == 0).all()


def test_the_derivation_is_fixed_for_all_time():
    assert split([f"p{number}" for number in range(24)], 2012).tolist() == [
        2, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 2, 2, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0,
    ]  # fmt: skip


@pytest.mark.parametrize("fractions", [(0.5, 0.5, 0.5), (1.0, 0.0, 0.0), (0.7, 0.4, -0.1)])
def test_fractions_must_be_positive_and_sum_to_one(fractions):
    with pytest.raises(ValueError, match="must be positive and sum to 1"):
        split(GROUPS, 0, fractions)


def published(stays: list[int]) -> tuple[list[int], list[int], list[int]]:
    """The published rule, written down again from its description (mimic48 protocol, section 9)."""
    unique = sorted(set(stays))
    np.random.seed(0)  # noqa: NPY002 - as it was published
    np.random.shuffle(unique)  # noqa: NPY002
    n = len(unique)
    return unique[: int(0.7 * n)], unique[int(0.7 * n) : int(0.85 * n)], unique[int(0.85 * n) :]


@given(st.lists(st.integers(1, 10**9), max_size=60))
def test_the_legacy_rule_is_the_published_one(stays):
    parts = split_records([str(stay) for stay in stays], 0)
    for number, expected in enumerate(published(stays)):
        assert {stay for stay, part in zip(stays, parts, strict=True) if part == number} == set(expected)


def test_the_legacy_rule_takes_ids_that_are_no_numbers_in_the_order_of_their_letters():
    ids = ["b", "10", "a", "9"]
    expected = ["10", "9", "a", "b"]
    np.random.seed(5)  # noqa: NPY002
    np.random.shuffle(expected)  # noqa: NPY002
    assert [expected.index(i) >= 2 for i in ids] == [p > 0 for p in split_records(ids, 5, (0.5, 0.25, 0.25))]


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 9)), unique_by=lambda pair: pair[0], max_size=60))
def test_by_default_no_group_stands_on_both_sides_and_under_the_legacy_rule_those_that_do_are_counted(records):
    ids, groups = [str(record) for record, _ in records], [f"patient {group}" for _, group in records]
    assert crossing(np.array(groups), part(Split(), ids, groups)) == 0
    parts = part(Split(by="reference-stay"), ids, groups)
    sides = {group: {side for g, side in zip(groups, parts, strict=True) if g == group} for group in groups}
    assert crossing(np.array(groups), parts) == sum(len(side) > 1 for side in sides.values())


def test_a_split_that_the_data_carry_is_used_as_it_is_and_its_name_alone_decides_keys():
    carried = {"fold3": np.array([2, 0, 1], np.int8)}
    rule = Split(by="fold3", seed=4)
    assert part(rule, ["a", "b", "c"], ["a", "b", "c"], carried).tolist() == [2, 0, 1]
    assert rule.identity() == Split(by="fold3", fractions=(0.5, 0.25, 0.25)).identity() == {"by": "fold3"}
    assert (rule.label, rule.legacy, rule.in_words()) == ("split=fold3", False, "split=fold3 (of the dataset)")


def test_the_default_rule_is_in_keys_as_it_was_before_there_was_another():
    assert Split(seed=3).identity() == {"seed": 3, "fractions": [0.7, 0.15, 0.15]}
    assert Split(by="reference-stay").identity() != Split().identity()
    assert "patients on both sides" in Split(by="reference-stay").in_words()
