"""JSON under a checksum: whichever byte is changed, and whatever to, it is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.results.sealed import seal, unseal
from support.sealing import DAMAGE, damaged


@given(st.binary(max_size=60))
def test_what_is_sealed_comes_back(body):
    assert unseal(seal(body)) == body


@given(st.binary(max_size=60), DAMAGE)
@settings(max_examples=300)
def test_any_changed_byte_is_noticed(body, damage):
    with pytest.raises(ValueError, match="checksum"):
        unseal(damaged(seal(body), *damage))


@pytest.mark.parametrize("other", [b"", b"{}", seal(b"{}")[:-1], seal(b"{}") + b"\n", b" " + seal(b"{}")])
def test_only_the_exact_document_is_taken(other):
    with pytest.raises(ValueError, match="whole document"):
        unseal(other)
