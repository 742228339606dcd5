"""What a fuser completes by itself (tag `own_imputer`): scored and audited as an imputation is.

Scored are hidden entries of the whole test part, also of records without a known outcome: the very
entries on which imputers are scored.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.cohort import Cohort
from bench.components import Context, Fuser, Imputer
from bench.data.splits import PARTS
from bench.errors import PluginError
from bench.metrics.imputation import pack
from bench.registry import Spec
from bench.results.records import COMPLETION_AUDITS, Audit
from bench.stages import handed
from bench.stages.imputer_audits import ImputerAudits
from bench.stages.imputing import complete
from bench.stages.twin import LEAST, SHARE, Twin
from bench.stages.view import View

TEST = PARTS.index("test")


class Completing(Imputer[Any]):
    """A fuser as the imputer that it also is; it was fitted as a fuser."""

    def __init__(self, fuser: Fuser[Any], spec: Spec):
        super().__init__(fuser.params)
        self.fuser, self.who = fuser, handed.who(spec)

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        return None

    def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray]:
        completed = self.fuser.impute(cohort, draws, context)
        if completed is None:
            raise PluginError(f"{self.who}impute completes some records and not others; it must complete all or none")
        return completed


@dataclass(frozen=True)
class Completion:
    """Scores, audits and costs as in `bench.results.records.Measures`.

    errors: of each test record, as `bench.metrics.imputation.pack` writes them; empty where nothing
            was scored.
    """

    scores: Mapping[str, dict[str, float]]
    audits: Mapping[str, Audit]
    costs: Mapping[str, float]
    errors: bytes = b""


NOTHING = Completion({}, {}, {})


def scored_completion(
    fuser: Fuser[Any],
    twin: Twin,
    spec: Spec,
    seen: View,
    cohort: Cohort,
    context: Context,
    *,
    draws: int,
    key: str,
    fitted: float,
) -> Completion:
    """Let a fitted fuser complete the test part, score what is hidden and audit it. Nothing where
    nothing is hidden, or where the fuser's parameters ask for no completion.

    - twin: of the fuser as an imputer, made before any call.
    - cohort: all records, as the fuser sees them. seen: what is hidden of them.
    - key: decides the samples of the audits. fitted: the seconds that the fit took.

    Raises PluginError for what is no completion.
    """
    index = np.flatnonzero(seen.parts == TEST)
    tests = replace(seen, cohort=seen.cohort.take(index), parts=seen.parts[index], recorded=seen.recorded.take(index))
    part = cohort.take(index).without_targets()
    if not any(mask.any() for mask in tests.hidden.values()):
        return NOTHING
    if fuser.impute(part.take(np.arange(1)), 1, context) is None:
        return NOTHING
    draws = draws if "draws" in spec.tags else 1
    began = time.perf_counter()
    completed, several, scored, untouched = complete(Completing(fuser, spec), spec, tests, part, draws, context)
    took = time.perf_counter() - began
    stage = several or {name: values[None] for name, values in completed.items()}
    audits = ImputerAudits(twin, spec, part, stage, context, max(SHARE * (fitted + took), LEAST))
    audits.run(seconds=took, key=key)
    errors = scored.errors(TEST)
    return Completion(
        scores=scored.scores(TEST),
        audits={
            COMPLETION_AUDITS[name]: audit
            for name, audit in {"observed-untouched": untouched, **audits.results}.items()
        },
        costs={
            "complete_seconds": took,
            "complete_seconds_per_draw": took / (len(part) * draws),
            "completion_draws": float(draws),
            "completion_audit_seconds": audits.seconds,
        },
        errors=pack(errors) if errors else b"",
    )
