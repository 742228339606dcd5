"""What a suite asks for, in words."""

from __future__ import annotations

from bench.config.suite import Suite
from bench.config.words import in_ranges
from bench.grid.axes import NAMES, shown


def axes_in_words(suite: Suite) -> dict[str, str]:
    """Axis -> its values, of axes with another value than the default one; and the controls."""
    values_by_axis = {axis: list(map(str, getattr(suite.grid, axis))) for axis in NAMES}
    values_in_words = {
        axis: ", ".join(in_ranges(values))
        for axis, values in values_by_axis.items()
        if any(shown(axis, value) for value in values)
    }
    controls = [*suite.controls.imputer, *(f"fuser {name}" for name in suite.controls.fuser)]
    return {**values_in_words, "controls": ", ".join(controls)}
