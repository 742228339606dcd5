"""`benchmarks/damage.py`, a few bytes of each kind of file: a changed byte is noticed, and
mended or named, never believed.
"""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.damage import KINDS, trials

pytestmark = pytest.mark.timeout(1200)

BYTES = 5


@pytest.fixture(scope="module")
def ends() -> dict[str, Counter[str]]:
    """Kind of file -> how damages of it ended."""
    return dict(trials(BYTES, seed=1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_byte_is_noticed_and_mended_or_named(ends, kind):
    counted = ends[kind]
    assert counted["believed"] == 0
    assert counted["mended"] + counted["named"] == BYTES
