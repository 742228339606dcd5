"""Durations as people say them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.execute.progress import DAY, YEAR, clock

SECONDS = {"s": 1, "m": 60, "h": 3600, " days": DAY, " years": DAY * YEAR}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (59.4, "59s"), (200, "3m20s"), (3900, "1h05m"), (12 * DAY, "12 days"), (28905 * 3600, "3 years")],
)
def test_a_duration_has_two_units_at_most(seconds, words):
    assert clock(seconds) == words


@given(st.floats(0, 1e12))
def test_what_is_said_is_the_duration_to_a_fifth(seconds):
    parts = re.findall(r"([\d,]+)(s|m|h| days| years)", clock(seconds))
    spoken = sum(int(number.replace(",", "")) * SECONDS[unit] for number, unit in parts)
    assert abs(spoken - seconds) <= max(0.5, seconds / 4)
