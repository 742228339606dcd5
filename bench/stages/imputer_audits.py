"""Audits made inside every impute stage: a seeded sample of its own records is completed again,
otherwise than in the stage.

`imputer-independent`: alone, in other company and another order, and after other calls, a record
gets the values it got in the stage. `draws-nested`: asked for another number of draws, the first
ones are the same. Both up to rounding (`bench.stages.contract.TOLERANCE`). Asked is the twin of the
imputer (`bench.stages.twin`), which knows nothing of the stage's calls.

Time. A stage may spend `SHARE` of its own seconds on this, and `LEAST` seconds in any case (both of
`bench.stages.twin`). Two calls are always made: one record alone with another number of draws, and
a few in other company. Where draws take so long that this alone would take too long, they are made
with fewer draws. More follow, up to `ALONE` records, while one more call like the last fits into
the time. How many records it came to and how long it took stand in the costs, not here: findings
shall be the same in every run.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bench.cohort import Cohort
from bench.components import Context
from bench.registry import Spec
from bench.results.records import Audit
from bench.stages.contract import TOLERANCE, apart, broken_completion
from bench.stages.twin import Twin, sample

ALONE, COMPANY = 16, 64
"""Records that are completed again alone, and in one call in other company, at most (of small
cohorts half).
"""

Completed = Mapping[str, np.ndarray]
"""modality -> float32 [draws, n, length, channels]"""


@dataclass
class ImputerAudits:
    """Audits of what an imputer made of a cohort, and what they found.

    twin: made before the first of the stage's calls. stage: what these gave, all draws. limit:
          seconds that the audits may take.
    independent, nested: what differed first, "" where nothing did; records: how many were completed
                         again.
    """

    twin: Twin
    spec: Spec
    cohort: Cohort
    stage: Completed
    context: Context
    limit: float = float("inf")
    independent: str = ""
    nested: str = ""
    seconds: float = 0.0
    _seen: set[int] = field(default_factory=set)

    @property
    def draws(self) -> int:
        """How many the stage asked for."""
        return len(next(iter(self.stage.values())))

    @property
    def several(self) -> bool:
        return "draws" in self.spec.tags

    @property
    def records(self) -> int:
        return len(self._seen)

    @property
    def results(self) -> dict[str, Audit]:
        """By name, as a record keeps them."""
        if self.spec.randomness == "stochastic":
            excused = Audit(None, "declared stochastic: two results cannot be compared")
            return {"imputer-independent": excused, "draws-nested": excused}
        same = "records completed again, alone and in other company and order, got the same values"
        nested = Audit(not self.nested, self.nested or "the first draws are the same, however many are asked for")
        return {
            "imputer-independent": Audit(not self.independent, self.independent or same),
            "draws-nested": nested if self.several else Audit(None, "returns a single draw"),
        }

    def run(self, alone: int = ALONE, seconds: float = 0.0, key: str = "") -> ImputerAudits:
        """Make the calls. alone: how many records are completed alone at most; seconds: what the
        stage's own calls took; key: decides the sample.
        """
        self.twin.seconds = seconds
        if self.spec.randomness == "stochastic":
            return self
        most = max(2, min(COMPANY, len(self.cohort) // 2))
        order = sample(self.cohort, max(most, alone), "imputer", key)
        first, rest = order[:1], order[1:]
        draws, other = self._affordable(seconds), (self.draws + 1) // 2 if self.draws > 1 else 1 + self.several
        few = min(draws, other) if draws > 1 else other
        each = self._again(first, few, "alone") / few * draws
        company = max(2, int(min((self.limit - self.seconds) / max(each, 1e-9), most)))
        self._again(np.concatenate([rest[: company - 1][::-1], first]), draws, "in other company and order")
        numbers = sorted({1, self.draws - 1, self.draws + 1} - {0, few}) if self.several else []
        further = [(first, number) for number in numbers] + [(record, draws) for record in rest[: alone - 1, None]]
        for record, number in further:
            if self.independent or self.nested or self.seconds + each > self.limit:
                break
            each = self._again(record, number, "alone") / number * draws
        return self

    def _affordable(self, seconds: float) -> int:
        """With how many draws three records can be completed in the time there is, from the
        seconds of the stage: 2 at least.
        """
        three = 3 * seconds / len(self.cohort)
        return self.draws if three <= self.limit else min(self.draws, max(2, int(self.draws * self.limit / three)))

    def _again(self, index: np.ndarray, draws: int, how: str) -> float:
        """Complete some records again and compare them with what the stage made of them; the
        seconds that the call took.

        Where another number of draws gives other values, the same records with the stage's number
        of draws tell whether it is that number or their company that counts.
        """
        before = self.seconds
        completed, problem = self._call(index, draws)
        took = self.seconds - before
        stage = {name: values[:, index] for name, values in self.stage.items()}
        self._seen |= set(index.tolist())
        differs = problem or self._difference(completed, stage)
        if not differs:
            return took
        if draws == self.draws:
            self.independent = self.independent or f"{how}, {differs}"
            return took
        whole, problem = self._call(index, self.draws)
        dependent = problem or self._difference(whole, stage)
        if dependent:
            self.independent = self.independent or f"{how}, {dependent}"
            differs = self._difference(completed, whole) if completed and whole else ""
        if differs:
            self.nested = self.nested or f"asked for {draws} draws and for {self.draws}, {differs}"
        return took

    def _call(self, index: np.ndarray, draws: int) -> tuple[Completed, str]:
        """What the twin gives for these records, or nothing and what is wrong with it."""
        began = time.perf_counter()
        part = self.cohort.take(index)
        completed, problem = self.twin.ask(part, draws)
        self.seconds += time.perf_counter() - began
        problem = problem or broken_completion(completed, part, draws if self.several else 1, self.spec.tags)
        return ({}, problem) if problem else (completed, "")

    def _difference(self, one: Completed, two: Completed) -> str:
        """In words, how far the draws that both have are apart; "" where it is rounding."""
        precision = self.context.precision if "torch" in self.spec.tags else "fp32"
        for name in one:
            common = min(len(one[name]), len(two[name]))
            by = apart(one[name][:common], two[name][:common], TOLERANCE[precision])
            if by:
                return f"values of {name} differ by up to {by:.1g}"
        return ""
