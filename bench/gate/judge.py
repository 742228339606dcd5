"""The verdicts: every quantity of every method of two runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from statistics import NormalDist

import msgspec

from bench.errors import UsageError
from bench.gate.machine import deterministic, on_cpu, other_machine
from bench.gate.noise import Difference, Noise, difference, pool
from bench.gate.quantities import Quantity, Run, quantities, read
from bench.gate.same_test import PIN_NEXT, incomparable, listed, scored, state
from bench.gate.verdict import GRAVITY, GateReport, Judgement, MethodVerdict, Verdict, gravest
from bench.results.coordinates import Method, Repeat, TableKey, table_of
from bench.results.records import Export
from bench.statistics.student import critical

Pooled = dict[tuple[TableKey, Quantity], Noise]


def gate(
    baseline: Export,
    new: Export,
    alpha: float = 0.05,
    tolerance: float = 0.0,
    cost_tolerance: float | None = None,
    earlier: Sequence[Export] = (),
    pinned: bool = True,
) -> GateReport:
    """Judge every quantity of every method of either plan; see `bench.gate`.

    - alpha: how often an unchanged method may be called improved or worse by chance.
    - tolerance: differences of scores, imputation errors and calibration up to this never matter,
      each in its own unit.
    - earlier: runs before the baseline, oldest first. Each method is compared with the mean of
      those runs, the baseline among them, that have it in the same test.
    - pinned: whether somebody pinned the baseline. Else it is the run before.
    - cost_tolerance: where given, costs are judged as well, and relative differences up to this
      never matter.

    Raises UsageError when a value makes no sense.
    """
    if not 0 < alpha < 1:
        raise UsageError(f'"alpha" = {alpha} is not accepted: a number between 0 and 1, e.g. alpha=0.05')
    for name, value in (("tolerance", tolerance), ("cost tolerance", cost_tolerance or 0.0)):
        if not (value >= 0 and math.isfinite(value)):
            raise UsageError(f'"{name}" = {value} is not accepted: a number from 0, e.g. tolerance=0.005')
    before, after = read(baseline), read(new)
    gating = _Gate(before, after, alpha, tolerance, cost_tolerance, [read(export) for export in earlier])
    judgements = [judged for method in gating.all_methods() for judged in gating.of(method).judge(method)]
    if not pinned:
        judgements = [msgspec.structs.replace(j, reason=j.reason.removesuffix(PIN_NEXT)) for j in judgements]
    if not judgements:
        raise UsageError("neither the baseline nor the new run has a scored cell: there is nothing to compare")
    judgements.sort(key=lambda j: (GRAVITY.index(j.verdict), j.method))
    by_method: dict[Method, list[Verdict]] = {}
    for judged in judgements:
        by_method.setdefault(judged.method, []).append(judged.verdict)
    methods = sorted((GRAVITY.index(gravest(v)), m) for m, v in by_method.items())
    return GateReport(
        suite=new.suite,
        verdict=judgements[0].verdict,
        alpha=alpha,
        tolerance=tolerance,
        cost_tolerance=cost_tolerance,
        methods=tuple(MethodVerdict(method, GRAVITY[place]) for place, method in methods),
        judgements=tuple(judgements),
        notes=tuple([*_baseline_note(baseline, earlier), *_notes(judgements, before, after, alpha)]),
    )


class _Gate:
    """Two runs and the settings by which they are compared."""

    def __init__(
        self,
        before: Run,
        after: Run,
        alpha: float,
        tolerance: float,
        cost_tolerance: float | None,
        earlier: Sequence[Run] = (),
    ):
        self.before, self.after, self.earlier = before, after, earlier
        self.alpha, self.tolerance, self.cost_tolerance = alpha, tolerance, cost_tolerance
        self.costs = cost_tolerance is not None
        self.others: dict[tuple[int, ...], _Gate] = {}
        self.pooled: Pooled = {}
        for methods in (before.methods, before.imputations):
            measured = dict.fromkeys(q for m in methods for q in quantities(before, m, self.costs))
            self.pooled |= pool(methods, measured)

    def all_methods(self) -> list[Method]:
        """Of the new plan, and what all runs before it plan. Imputations that no run scores are
        none; the rest of them stands or falls with its methods.
        """
        runs = [*self.earlier, self.before]
        held = {m for run in runs for m in run.imputations if quantities(run, m, self.costs)}
        planned = self.after.imputations.keys()
        expected = set.intersection(*(set(run.methods) for run in runs))
        return [*sorted(held & planned), *sorted(expected | self.after.methods.keys())]

    def of(self, method: Method) -> _Gate:
        """The new run against those runs alone that have the method in the same test; against the
        newest that plans it where none has.
        """
        runs = [*self.earlier, self.before]
        if len(runs) == 1:
            return self
        usable = [k for k, run in enumerate(runs) if not incomparable(method, run, self.after)]
        usable = usable or [k for k, run in enumerate(runs) if run.cells_of(method) is not None][-1:]
        if not usable or len(usable) == len(runs):
            return self
        if (key := tuple(usable)) not in self.others:
            *earlier, before = (runs[k] for k in usable)
            settings = self.alpha, self.tolerance, self.cost_tolerance
            self.others[key] = _Gate(before, self.after, *settings, earlier)
        return self.others[key]

    def judge(self, method: Method) -> list[Judgement]:
        """One judgement per quantity, or a single one where the method as a whole has no result
        to compare.
        """
        primary = self.before.primary(method.task) or self.after.primary(method.task) if method.task else "mae"
        whole = partial(Judgement, method=method, kind="score" if method.task else "imputation", metric=primary)
        if reason := incomparable(method, self.before, self.after):
            return [whole(verdict="not-comparable", reason=reason)]
        before, after = self.before.cells_of(method) or {}, self.after.cells_of(method) or {}
        seeds = tuple(sorted(before.keys() & after.keys()) or sorted(after))
        if method.task and (broken := self._broken(method, primary, seeds)):
            return [whole(seeds=seeds, verdict=broken[0], reason=broken[1])]
        if not method.task and (missing := [seed for seed in seeds if (r := after[seed]) is None or r.status != "ok"]):
            states = "; ".join(f"seed {seed}: {self._state(method, seed)}" for seed in missing)
            return [whole(seeds=seeds, verdict="inconclusive", reason=self._unfinished(states))]
        measured = quantities(self.before, method, self.costs)
        shared = {cost: sum((q.kind == "cost") == cost for q in measured) for cost in (False, True)}
        return [self._quantity(method, q, self.alpha / shared[q.kind == "cost"], seeds) for q in measured]

    def _state(self, method: Method, seed: Repeat) -> str:
        if seed in self.after.edited_seeds(method):
            return "edited since"
        return state((self.after.cells_of(method) or {})[seed])

    def _unfinished(self, states: str) -> str:
        return f"not every planned cell has a result of the code as it is ({states}); run the suite again with the same command"

    def _broken(self, method: Method, metric: str, seeds: tuple[Repeat, ...]) -> tuple[Verdict, str] | None:
        """The verdict on a method that lacks its primary score under some seed; None where it
        has all.
        """
        after = self.after.methods[method]
        holes = [s for s in seeds if not scored(after[s], metric)]
        failed = [s for s in holes if (r := after[s]) and r.status not in ("skipped", "not-run")]
        if failed:
            return "worse", "was ok, now " + "; ".join(f"seed {s}: {self._state(method, s)}" for s in failed)
        if holes:
            return "inconclusive", self._unfinished("; ".join(f"seed {s}: {self._state(method, s)}" for s in holes))
        return None

    def _quantity(self, method: Method, quantity: Quantity, level: float, seeds: tuple[Repeat, ...]) -> Judgement:
        before, after = self.before.cells_of(method) or {}, self.after.cells_of(method) or {}
        old, new = quantity.values(before), quantity.values({seed: after[seed] for seed in seeds})
        about = partial(Judgement, method=method, kind=quantity.kind, metric=quantity.name, level=level)
        lost = [seed for seed in seeds if seed not in new and (seed in old or seed not in before)]
        if lost:
            reason = f"the baseline has it, the new run lacks it under seed {', '.join(map(str, lost))}"
            return about(seeds=seeds, verdict="worse", reason=reason)
        if quantity.kind == "cost" and (names := other_machine(before, after)):
            return about(seeds=seeds, verdict="not-comparable", reason=f"measured on another {names}")
        if not new:
            return about(seeds=seeds, verdict="inconclusive", reason="no seed of the new run has it")
        alike = self._alike(method, quantity)
        runs = [*alike, self.before, self.after]
        cpu, declared = on_cpu(run.cells_of(method) or {} for run in runs), deterministic(method, runs)
        change = difference(
            old,
            new,
            self.pooled.get((table_of(method), quantity), Noise(0.0, 0)),
            identical=cpu and declared is True and quantity.kind != "cost",
            fixed=cpu and declared is not False,
            earlier=[quantity.values(run.cells_of(method) or {}) for run in alike],
            together=quantity.kind == "cost",
        )
        floor = critical(level, change.freedom) * change.error if change.freedom else None
        tolerance = self.tolerance
        if quantity.kind == "cost":
            tolerance = (self.cost_tolerance or 0.0) * abs(change.baseline)
        verdict, reason = _verdict(change, quantity.higher, floor, level, tolerance)
        if change.pooled and floor is not None and not change.nothing:
            reason += "; noise of the table's other methods, since its own seeds show none"
        if change.runs > 1:
            reason += f"; the baseline is the mean of {change.runs} runs"
        return about(
            verdict=verdict,
            reason=reason if before.keys() & after.keys() else f"{reason}; no seed in common, means are compared",
            baseline=change.baseline,
            new=change.new,
            difference=change.value,
            noise_floor=floor,
            seeds=change.seeds,
            paired=change.paired,
            pooled=change.pooled,
            freedom=change.freedom,
        )

    def _alike(self, method: Method, quantity: Quantity) -> list[Run]:
        """The earlier runs in which the method is ok, on the same test as in the new one."""
        alike = [run for run in self.earlier if not incomparable(method, run, self.after)]
        if quantity.kind != "cost":
            return alike
        after = self.after.cells_of(method) or {}
        return [run for run in alike if not other_machine(run.cells_of(method) or {}, after)]


def _baseline_note(baseline: Export, earlier: Sequence[Export]) -> list[str]:
    runs = [export.run.name for export in (*earlier, baseline) if export.run]
    if len(runs) > 1:
        return [f"The baseline is the last {len(runs)} runs: {', '.join(runs)}."]
    return [f"The baseline is run {run}." for run in runs]


def _verdict(
    change: Difference, higher: bool, floor: float | None, level: float, tolerance: float
) -> tuple[Verdict, str]:
    """higher: whether more is better; floor: the noise floor at this level, None where the noise
    is not known.
    """
    size = abs(change.value)
    if change.nothing:
        return "same", "no difference"
    if size <= tolerance:
        return "same", "within the tolerance"
    if floor is None:
        return "inconclusive", "the baseline has too few seeds to know its noise; pin one with three seeds or more"
    if size > floor:
        better = (change.value > 0) == higher
        return ("improved" if better else "worse"), "beyond the noise" if floor > 0 else "it has no noise"
    if size <= NormalDist().inv_cdf(1 - level / 2) * change.error:
        return "same", "within the noise"
    return "inconclusive", "near the noise, which few seeds do not pin down; more seeds in both runs would decide"


def _notes(judgements: Iterable[Judgement], before: Run, after: Run, alpha: float) -> list[str]:
    """What a reader should know beside the verdicts."""
    notes = []
    if after.export.edits:
        notes.append(
            f"Edited since the new run: {', '.join(after.export.edits)}. Results from before count as not run."
        )
    for name in ("device", "device type", "precision"):
        values = [
            {r.provenance.get(name, "") for cells in run.methods.values() for r in cells.values() if r}
            for run in (before, after)
        ]
        if all(values) and values[0] != values[1]:
            notes.append(f"The {name} differs: {listed(values[0])}, now {listed(values[1])}.")
    moved = {j.method for j in judgements if j.noise_floor and j.difference is not None and j.reason != "no difference"}
    if len(moved) > 1:
        notes.append(
            f"{len(moved)} methods moved and were judged at {100 * alpha:g} % each, shared by their quantities. If nothing but "
            f"the seeds had changed, at most {alpha * len(moved):.1f} of them would be called improved or worse by chance."
        )
    return notes
