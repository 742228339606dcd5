"""What a gate says: a judgement per quantity, the report of all, and the exit codes."""

from __future__ import annotations

from typing import Literal

import msgspec

from bench.gate.quantities import Kind
from bench.results.coordinates import Method, Repeat

Verdict = Literal["worse", "not-comparable", "inconclusive", "improved", "same"]
EXIT_CODE: dict[Verdict, int] = {"same": 0, "improved": 10, "worse": 11, "inconclusive": 12, "not-comparable": 13}
GRAVITY: tuple[Verdict, ...] = ("worse", "not-comparable", "inconclusive", "improved", "same")
"""The verdict on a method is the first of these that any of its quantities has; on a whole run,
that any method has.
"""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity of one method; of an imputation, the method has neither task nor fuser ("").

    - difference: new - baseline, in the quantity's own direction.
    - level: at which it is judged.
    - seeds: those compared, or the new run's where none coincide.
    - paired: by seeds.
    - pooled: the noise is that of the table's other methods.
    - freedom: degrees of freedom of the noise.

    Numbers are None where they could not be made; `reason` says why.
    """

    method: Method
    kind: Kind
    metric: str
    verdict: Verdict
    reason: str
    baseline: float | None = None
    new: float | None = None
    difference: float | None = None
    noise_floor: float | None = None
    level: float | None = None
    seeds: tuple[Repeat, ...] = ()
    paired: bool = False
    pooled: bool = False
    freedom: int = 0


class MethodVerdict(msgspec.Struct, frozen=True):
    """The worst verdict on any quantity of a method."""

    method: Method
    verdict: Verdict


class GateReport(msgspec.Struct, frozen=True, kw_only=True):
    """All judgements, worst first; methods: each with its verdict, worst first; the verdict on the
    whole run.

    notes: what differs without forbidding to compare. cost_tolerance: None where costs are not
           judged.
    """

    suite: str
    verdict: Verdict
    alpha: float
    tolerance: float
    cost_tolerance: float | None
    methods: tuple[MethodVerdict, ...]
    judgements: tuple[Judgement, ...]
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return EXIT_CODE[self.verdict]


def gravest(verdicts: list[Verdict]) -> Verdict:
    return min(verdicts, key=GRAVITY.index)
