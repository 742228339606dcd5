"""Seeds: derived per axis by hashing, independent of one another."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.components import Context
from bench.seeds import derive, generator

AXES = ("data", "mask", "init", "order", "draws", "noise", "audit", "bootstrap")


@given(st.integers(), st.text(), st.lists(st.text() | st.integers()))
def test_a_derived_seed_fits_every_library(seed, axis, names):
    assert 0 <= derive(seed, axis, *names) < 2**63


def test_axes_names_and_seeds_all_lead_to_seeds_of_their_own():
    wanted = list(itertools.product(range(20), AXES, [(), ("a",), ("b",), ("a", "b"), ("ab",), (0,)]))
    assert len({derive(seed, axis, *names) for seed, axis, names in wanted}) == len(wanted)


def test_where_one_name_ends_matters():
    assert derive(1, "mask", "a", "bc") != derive(1, "mask", "ab", "c")
    assert derive(1, "mask", "1") == derive(1, "mask", 1)


def test_the_derivation_is_fixed_for_all_time():
    assert derive(0, "data") == int.from_bytes(hashlib.sha256(b"0\x1fdata").digest()[:8], "little") // 2
    assert derive(0, "data") == 3547684127435271545
    assert derive(42, "mask", "mcar", "r0001") == 4349836525544570992
    assert derive(-1, "init") == 6455623631341454506


def test_the_random_numbers_are_fixed_for_all_time():
    assert generator(42, "mask", "mcar").integers(0, 1000, 5).tolist() == [291, 1, 406, 804, 398]
    assert generator(42, "init").random(2).tolist() == [0.9198511148480109, 0.8931935740181559]


def test_the_same_axis_begins_anew_and_another_is_independent():
    assert np.array_equal(generator(1, "order").random(5), generator(1, "order").random(5))
    streams = np.array([generator(seed, axis).normal(size=2000) for seed in (1, 2) for axis in AXES])
    correlation = np.corrcoef(streams) - np.eye(len(streams))
    assert abs(correlation).max() < 5 / np.sqrt(2000)


def test_numpys_global_generator_is_left_alone():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    generator(1, "mask").random(10)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_a_component_gets_the_same_seeds_from_its_context():
    context = Context(seed=42)
    assert context.seed_for("mask", "mcar") == derive(42, "mask", "mcar")
    assert np.array_equal(context.rng("init").random(3), generator(42, "init").random(3))
