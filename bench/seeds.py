"""Seeds, derived per axis by hashing, so that adding a method or changing the order of a run
changes nothing else.

Axes in use:

- `data`: generated cohorts.
- `mask`: what a scenario hides.
- `init`: starting weights.
- `order`: batches.
- `draws`: samples of a generative imputer.
- `noise`: dropout and other training noise.
- `audit`: of audits.
- `bootstrap`: of resampling.
- `tune`: trials.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["derive", "generator"]


def derive(seed: int, axis: str, *names: object) -> int:
    """A seed in [0, 2**63) that depends on nothing but the cell's seed, the axis and the names
    given.
    """
    text = "\x1f".join([str(int(seed)), axis, *(str(name) for name in names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def generator(seed: int, axis: str, *names: object) -> np.random.Generator:
    """A counter-based NumPy generator (Philox) keyed by `derive(seed, axis, *names)`."""
    import numpy as np

    return np.random.Generator(np.random.Philox(key=derive(seed, axis, *names)))
