"""Imputers that look along time, channel by channel, within a record; where it has no value: the
training mean.

Distances in time are counted in bins, which are regular, so that ties are exact.
"""

from __future__ import annotations

import numpy as np

from bench_imputers.naive.channels import Mean


class Locf(Mean):
    """Last observation carried forward; bins before the first one get the training mean."""

    def complete(self, grid: np.ndarray, observed: np.ndarray, fill: np.ndarray) -> np.ndarray:
        value, place = _before(grid, observed)
        return np.where(place >= 0, value, fill)


class Nearest(Mean):
    """The value nearest in time; of two equally near, the earlier."""

    def complete(self, grid: np.ndarray, observed: np.ndarray, fill: np.ndarray) -> np.ndarray:
        length = grid.shape[1]
        earlier, left = _before(grid, observed)
        later, right = _after(grid, observed)
        here = np.arange(length, dtype=np.int32)[:, None]
        first = (left >= 0) & ((right == length) | (here - left <= right - here))
        return np.where(first, earlier, np.where(right < length, later, fill))


class Linear(Mean):
    """Linear interpolation between the values before and after; beyond the first and the last,
    the nearest value.
    """

    def complete(self, grid: np.ndarray, observed: np.ndarray, fill: np.ndarray) -> np.ndarray:
        length = grid.shape[1]
        earlier, left = _before(grid, observed)
        later, right = _after(grid, observed)
        here = np.arange(length, dtype=np.int32)[:, None]
        line: np.ndarray = (later - earlier) * (here - left).astype(np.float32)
        line /= np.maximum(right - left, 1)
        line += earlier
        np.copyto(line, earlier, where=right == length)
        np.copyto(line, later, where=left < 0)
        np.copyto(line, fill, where=(left < 0) & (right == length))
        np.copyto(line, grid, where=observed)
        return line


def _before(grid: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The last observed value at or before each bin (0 where there is none) and its bin (int32,
    -1 where none).
    """
    values = np.empty(grid.shape, np.float32)
    places = np.empty(grid.shape, np.int32)
    value = np.zeros(grid.shape[::2], np.float32)
    place = np.full(grid.shape[::2], -1, np.int32)
    for here in range(grid.shape[1]):
        seen = observed[:, here]
        np.copyto(value, grid[:, here], where=seen)
        place[seen] = here
        values[:, here] = value
        places[:, here] = place
    return values, places


def _after(grid: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first observed value at or after each bin (0 where there is none) and its bin (int32,
    length where none).
    """
    values, places = _before(grid[:, ::-1], observed[:, ::-1])
    return values[:, ::-1], (grid.shape[1] - 1 - places)[:, ::-1]
