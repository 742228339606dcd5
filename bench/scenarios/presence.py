"""Which modalities of a record hold anything, so that a scenario's effect is never spent on what
is absent already.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def present(observed: Mapping[str, np.ndarray]) -> list[str]:
    """The modalities with at least one observed value, in alphabetical order, so that no draw
    depends on their order.

    observed: modality -> bool [length, channels].
    """
    return sorted(name for name, mask in observed.items() if mask.any())
