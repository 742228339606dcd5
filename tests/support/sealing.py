"""One byte of a stored body, changed."""

from __future__ import annotations

from hypothesis import strategies as st

DAMAGE = st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
"""Where in a file, as a share of its length, and which bits of the byte there are turned over."""


def damaged(content: bytes, where: float, bits: int) -> bytes:
    """The content with one byte changed."""
    place = int(where * len(content))
    return content[:place] + bytes([content[place] ^ bits]) + content[place + 1 :]
