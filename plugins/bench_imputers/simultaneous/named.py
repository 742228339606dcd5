"""Arrays of several parts of an imputer in one mapping, `PART/NAME`, taken apart again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def parts_of(arrays: Mapping[str, np.ndarray], *parts: str) -> dict[str, dict[str, np.ndarray]]:
    """Part -> name -> array. A part without arrays is empty; raises KeyError for any other part."""
    by_part: dict[str, dict[str, np.ndarray]] = {part: {} for part in parts}
    for key, array in arrays.items():
        part, _, name = key.partition("/")
        by_part[part][name] = array
    return by_part
