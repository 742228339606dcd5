"""What the audit `imputed-reaches-fuser` can tell of a model that noise of privacy has drowned."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.results.predictions import Predictions
from bench.results.records import Audit, Measures

REACHES = "imputed-reaches-fuser"

MOST = 0.1
"""The share of stuck predictions above which the audit cannot pass: it asks that 90 % move."""


def drowned(measures: Measures, predictions: Predictions | None) -> Mapping[str, Audit]:
    """The audit as not applicable, where it failed and noise is why; else nothing.

    A sigmoid, a softmax or a tanh that is driven to its end gives many records the same bits, and a
    shift of what they read cannot show. So it is asked how many test predictions are stuck: the
    same to the bit as that of another record. Only of a fuser whose training had noise added.
    """
    audit, kept = measures.audits.get(REACHES), measures.federated
    noisy = kept is not None and kept.fuser is not None and kept.fuser.epsilon is not None
    if audit is None or audit.passed is not False or not noisy or predictions is None:
        return {}
    _, place, many = np.unique(predictions.outputs, axis=0, return_inverse=True, return_counts=True)
    stuck = int((many[place.reshape(-1)] > 1).sum())
    if stuck <= MOST * len(predictions.outputs):
        return {}
    return {
        REACHES: Audit(
            None,
            f"privacy.noise drowned the model: {stuck} of {len(predictions.outputs)} test predictions are the same to the bit "
            f"as another, so a shift may not show; {audit.detail}",
        )
    }
