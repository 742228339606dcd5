"""The held-out entries of a published evaluation, drawn as its code draws them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bench.components import Scenario
from bench.scenarios.params.published_holdout import PublishedHoldoutParams


class PublishedHoldout(Scenario[PublishedHoldoutParams]):
    """The entries that CSDI's public code hides (its evaluation of PhysioNet 2012; many later
    papers copy it).

    One legacy NumPy generator, RandomState(seed), serves all records in ascending order of their
    ids (as numbers where all are whole numbers). A record's `count` observed positions are listed
    bin by bin and within a bin channel by channel (all modalities side by side, in the cohort's
    order). Of these `choice` takes int(rate * count) without replacement. A record without any is
    passed over. So the mask of a record depends on the records before it: it is that of the
    publication only on the publication's cohort (`physionet2012_csdi`). Each rate starts from a
    fresh generator; masks are not nested.
    """

    unit = "entries"

    def hide_cohort(self, observed: Mapping[str, np.ndarray], ids: Sequence[str]) -> dict[str, np.ndarray] | None:
        generator = np.random.RandomState(self.params.seed)
        known = np.concatenate(list(observed.values()), axis=2)
        hidden = np.zeros(known.shape, bool)
        for record in _ascending(ids):
            positions = np.flatnonzero(known[record])
            if len(positions):
                chosen = generator.choice(positions, int(self.params.rate * len(positions)), replace=False)
                hidden[record].reshape(-1)[chosen] = True
        edges = np.cumsum([mask.shape[2] for mask in observed.values()])[:-1]
        return dict(zip(observed, np.split(hidden, edges, axis=2), strict=True))

    def hide(
        self, observed: Mapping[str, np.ndarray], rng: Callable[[str], np.random.Generator]
    ) -> dict[str, np.ndarray]:
        masks = self.hide_cohort({name: known[None] for name, known in observed.items()}, ["0"])
        return {name: mask[0] for name, mask in (masks or {}).items()}

    def expected(self, observed: Mapping[str, np.ndarray]) -> float:
        count = sum(int(known.sum()) for known in observed.values())
        return int(self.params.rate * count) / max(count, 1)

    def spread(self, observed: Mapping[str, np.ndarray]) -> float:
        return 0.0


def _ascending(ids: Sequence[str]) -> list[int]:
    """The places of the records in the order of their ids."""
    numbers = all(record.isascii() and record.isdigit() for record in ids)
    return sorted(range(len(ids)), key=lambda place: (int(ids[place]) if numbers else 0, ids[place]))
