"""Exact sums: the same bits, however values are divided and in whatever order they are added."""

from __future__ import annotations

import functools
import math
import operator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.components import Context
from bench.registry import discover
from bench.stages.scale import Scaler
from bench.sums import condensed, deviations, exact, means, product_matrix, products
from bench.testing import toy_cohort

values = arrays(np.float32, st.integers(0, 40), elements=st.floats(width=32, allow_nan=False, allow_infinity=False))


@given(values, st.data())
def test_sums_of_parts_are_those_of_the_whole_bit_by_bit(column, data):
    owner = data.draw(arrays(np.int8, len(column), elements=st.integers(0, 3)))
    parts = [exact([column[owner == client]]) for client in range(4)]
    whole = exact([column])
    for order in (parts, parts[::-1]):
        assert np.array_equal(functools.reduce(operator.add, order), whole)


@given(values.filter(len))
def test_mean_and_deviation_are_those_of_exact_arithmetic(column):
    numbers = [Fraction(float(value)) for value in column]
    mean = sum(numbers) / len(numbers)
    variance = sum((number - mean) ** 2 for number in numbers) / len(numbers)
    sums = exact([column])
    assert means(sums)[0] == float(mean)
    assert deviations(sums)[0] == math.sqrt(float(variance))


@given(values, values)
def test_condensed_sums_have_the_same_totals_bit_by_bit_also_when_they_are_added(one, other):
    whole, parts = exact([np.concatenate([one, other])]), [condensed(exact([each])) for each in (one, other)]
    for sums in (condensed(whole), parts[0] + parts[1], condensed(parts[0] + parts[1])):
        assert means(sums).tolist() == means(whole).tolist()
        assert deviations(sums).tolist() == deviations(whole).tolist()


def test_values_with_the_same_count_sum_and_squares_look_alike_once_condensed():
    # 1 + 5 + 6 = 2 + 3 + 7 and 1 + 25 + 36 = 4 + 9 + 49.
    apart, alike = np.float32([1, 5, 6]), np.float32([2, 3, 7])
    assert not np.array_equal(exact([apart]), exact([alike]))
    assert np.array_equal(condensed(exact([apart])), condensed(exact([alike])))


def test_other_sums_come_back_as_they_are_when_condensed():
    for sums in (np.arange(3.0), np.arange(3), np.zeros((2, 4, 5), np.int64), np.array(3.0)):
        assert np.array_equal(condensed(sums), sums)


def test_of_no_value_mean_and_deviation_are_0():
    sums = exact([np.zeros(0, np.float32)])
    assert means(sums).tolist() == deviations(sums).tolist() == [0]


rows = arrays(np.float32, st.tuples(st.integers(0, 30), st.integers(1, 4)), elements=st.floats(-16, 16, width=32))


@given(rows, st.data())
def test_sums_of_products_are_exact_and_those_of_parts_are_those_of_the_whole(table, data):
    owner = data.draw(arrays(np.int8, len(table), elements=st.integers(0, 3)))
    whole = product_matrix(products(table))
    parts = [products(table[owner == client]) for client in range(4)]
    for order in (parts, parts[::-1]):
        assert np.array_equal(product_matrix(functools.reduce(operator.add, order)), whole)
    rounded = [[round(Fraction(float(value)) * 2**16) for value in row] for row in table]  # half to even, as rint
    for one in range(table.shape[1]):
        for other in range(table.shape[1]):
            total = Fraction(sum(row[one] * row[other] for row in rounded), 2**32)
            assert whole[one, other] == float(total)


@pytest.mark.parametrize("value", [math.nan, math.inf, 16.1])
def test_products_of_what_is_not_finite_or_too_large_are_refused(value):
    with pytest.raises(ValueError, match="finite numbers from -16 to 16"):
        products(np.array([[value]]))


@given(st.lists(st.integers(0, 4), min_size=24, max_size=24))
def test_clients_that_add_their_sums_scale_like_one_place(owners):
    cohort = toy_cohort(n=24, length=6)
    owner = np.array(owners)
    whole = Scaler.fit(cohort)
    for name, series in cohort.modalities.items():
        parts = [cohort.take(np.flatnonzero(owner == client)).modalities[name] for client in range(5)]
        channels = range(series.grid.shape[2])
        sums = [exact([part.grid[..., k][part.observed[..., k]] for k in channels]) for part in parts]
        assert np.array_equal(means(functools.reduce(operator.add, sums)), whole.state[f"series.{name}"][0])


@pytest.mark.parametrize("name", [s.name for s in discover().specs("imputer") if "sums" in s.tags])
def test_an_imputer_that_learns_from_sums_completes_alike_however_records_are_divided(name):
    spec, cohort, context = discover().get("imputer", name), toy_cohort(n=24, length=6), Context()
    central = spec.build()
    central.fit(cohort, cohort.take(np.arange(0)), context)
    divided = spec.build()
    parts = [cohort.take(index) for index in np.array_split(np.arange(24)[::-1], [1, 5, 17])]
    divided.begin(functools.reduce(operator.add, [divided.summary(part) for part in parts]), context)
    for one, other in zip(
        central.impute(cohort, 1, context).values(), divided.impute(cohort, 1, context).values(), strict=True
    ):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("kind", ["imputer", "fuser"])
def test_tags_say_how_a_method_can_be_trained_by_clients(kind):
    from bench.learner import Learner
    from bench.sums import Summed

    for spec in discover().specs(kind):
        if spec.name.startswith("pypots."):
            continue  # needs a library that may be absent; none of it is a learner
        component = spec.load()
        assert ("learner" in spec.tags) == issubclass(component, Learner), spec.name
        assert ("sums" in spec.tags) == (issubclass(component, Summed) and not issubclass(component, Learner)), (
            spec.name
        )
