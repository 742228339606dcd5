"""`bench.presets`: what a preset decides, what is implied, and what was given."""

from __future__ import annotations

import msgspec
import pytest

from bench.presets import Presets


class Params(msgspec.Struct, frozen=True, kw_only=True):
    preset: str = "small"
    width: int | None = None
    masks: bool | None = None


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    width: int
    masks: bool
    fixed: str


PRESETS = Presets(
    "preset",
    {"small": Choice(width=8, masks=True, fixed="a"), "large": Choice(width=64, masks=False, fixed="b")},
)


@pytest.mark.parametrize(
    ("given", "implied", "choice"),
    [
        ({}, {}, Choice(width=8, masks=True, fixed="a")),
        ({"preset": "large"}, {}, Choice(width=64, masks=False, fixed="b")),
        ({"preset": "large", "width": 5}, {}, Choice(width=5, masks=False, fixed="b")),
        ({"masks": False}, {}, Choice(width=8, masks=False, fixed="a")),  # false is given, null is not
        ({}, {"width": 3}, Choice(width=3, masks=True, fixed="a")),
        ({"width": 5}, {"width": 3, "masks": None}, Choice(width=5, masks=True, fixed="a")),
    ],
)
def test_what_is_given_wins_over_what_is_implied_and_that_over_the_preset(given, implied, choice):
    assert PRESETS.over(Params(**given), **implied) == choice


def test_presets_are_a_mapping_in_the_order_they_were_written():
    assert [*PRESETS] == ["small", "large"]
    assert PRESETS["large"].width == 64
    assert (len(PRESETS), PRESETS.parameter) == (2, "preset")
