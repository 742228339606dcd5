"""What a dataset counts: every count has one kind, and counting in parts is counting at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cohort import COUNT_KINDS, Count, Counts
from bench.errors import PluginError

COUNTED = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 10**9)))


def kind_of(name: str) -> str:
    return COUNT_KINDS[ord(name) % len(COUNT_KINDS)]


def counted(entries: list[tuple[str, int]]) -> Counts:
    counts = Counts()
    for name, number in entries:
        getattr(counts, kind_of(name))(name, number)
    return counts


@given(COUNTED, COUNTED)
def test_counting_in_parts_is_counting_at_once(one: list[tuple[str, int]], other: list[tuple[str, int]]) -> None:
    counts = counted(one)
    counts.add(counted(other).by_name())
    assert counts.by_name() == counted([*one, *other]).by_name()


@given(COUNTED)
def test_every_count_has_the_kind_of_its_method_and_the_kinds_share_out_all(entries: list[tuple[str, int]]) -> None:
    counts = counted(entries)
    found = counts.by_name()
    assert list(found) == sorted({name for name, number in entries if number})
    assert all(count == Count(counts.number(name), kind_of(name)) for name, count in found.items())
    assert sum(counts.total(kind) for kind in COUNT_KINDS) == sum(number for _, number in entries)


@pytest.mark.parametrize("first", COUNT_KINDS)
@pytest.mark.parametrize("then", COUNT_KINDS)
def test_a_name_has_one_kind(first: str, then: str) -> None:
    counts = Counts()
    getattr(counts, first)("rows", 2)
    if first == then:
        getattr(counts, then)("rows", np.int64(3))
        assert counts.number("rows") == 5
        assert type(counts.number("rows")) is int
        return
    with pytest.raises(PluginError, match=f'"rows" was counted as {first} and now as {then}'):
        getattr(counts, then)("rows", 3)
    assert counts.number("rows") == 2


@pytest.mark.parametrize("number", [1.0, "3", None, np.float32(2)])
def test_a_count_is_a_whole_number(number: object) -> None:
    with pytest.raises(TypeError):
        Counts().found("rows", number)  # type: ignore[arg-type]
