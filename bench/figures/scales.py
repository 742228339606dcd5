"""From the values of an axis to places between two ends, and the values that are named along it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bench.figures.shapes import Axis

MOST_TICKS = 8


def scale(
    axis: Axis, values: Sequence[float], first: float, last: float
) -> tuple[Callable[[float], float], list[tuple[float, str]]]:
    """From a value to its place between first and last, and the ticks with their names.

    values: at least one, those that are drawn; a little room is left beside them unless the ends
            are fixed.
    """
    if axis.log:
        low, high = math.log10(min(values)), math.log10(max(values))
        room = max(0.06 * (high - low), 0.1)
        low, high = low - room, high + room

        def place(value: float) -> float:
            return first + (math.log10(value) - low) / (high - low) * (last - first)

        steps = (1, 2, 5) if high - low < 2.5 else (1,)
        steps_of_ten = [s * 10.0**k for k in range(math.floor(low), math.ceil(high) + 1) for s in steps]
        ticks = [tick for tick in steps_of_ten if low <= math.log10(tick) <= high]
        return place, [(tick, number(tick)) for tick in ticks[:: max(1, math.ceil(len(ticks) / MOST_TICKS))]]
    low, high = axis.ends or (min(values), max(values))
    if axis.ends is None:
        room = max(0.06 * (high - low), 1e-9 + 1e-3 * abs(high))
        low, high = low - room, high + room

    def straight(value: float) -> float:
        return first + (value - low) / (high - low) * (last - first)

    if axis.ticks:
        return straight, list(axis.ticks)
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= raw * 0.999)
    begin = math.ceil(low / step - 1e-9)
    rounded = [round(k * step, 12) for k in range(begin, math.floor(high / step + 1e-9) + 1)]
    return straight, list(zip(rounded, _names(rounded), strict=True))


def _names(ticks: Sequence[float]) -> list[str]:
    """The ticks in as few digits as tell them apart, all written in one way."""
    if all(tick == 0 or 1e-3 <= abs(tick) < 1e9 for tick in ticks):
        digits = max((len(f"{tick:.10f}".rstrip("0").partition(".")[2]) for tick in ticks), default=0)
        return [f"{tick:,.{digits}f}" for tick in ticks]
    written = ([f"{tick:.{digits}e}" for tick in ticks] for digits in range(17))
    return next(names for names in written if len(set(names)) == len(ticks))


def number(value: float) -> str:
    """A tick in few digits."""
    return f"{value:,.10g}" if 1e-3 <= abs(value) < 1e6 or value == 0 else f"{value:.0e}"
