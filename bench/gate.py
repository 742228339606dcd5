"""Did a method get worse, by more than its own noise? A new run against a pinned one, method by method.

Cells are compared by their coordinates, since edited source rightly changes the key. What can be compared at all must be
the same test: data manifest, split, task definition, test counts.

**The noise floor.** A method's scores over seeds scatter around its mean with a standard deviation s, learnt from the
baseline's seeds (n - 1 degrees of freedom). Between two honest runs with fresh seeds, b of the baseline's and k of the new
run's, the difference of means then has the standard error s sqrt(1/b + 1/k), and

    noise floor = t(1 - alpha/2, n - 1) x s x sqrt(1/b + 1/k)

is exceeded by chance with probability alpha, whatever s is (Student 1908). Only the baseline's scatter enters, so a new run
cannot hide behind noise of its own. Where seeds coincide, only these are compared, seed by seed: identical code on a
CPU gives identical scores, and a change that keeps the random streams gives correlated ones, so the floor is then on the
safe side. A method whose baseline has fewer than two seeds, or does not scatter at all (it is deterministic), takes the
pooled s of the scattering methods of its table, with their degrees of freedom together: the scale on which this table
calls something noise.

**Verdicts.**
    improved, worse   the difference is beyond the noise floor (and beyond `tolerance`), or an ok cell is now not ok
    same              no difference, or it is within `tolerance`, or within the normal noise (z in place of t)
    inconclusive      between the two: it would be beyond the noise if s were known, and few seeds do not say; or the
                      noise cannot be learnt; or planned cells of the new run were not run yet
    not-comparable    another test, the baseline's cell is not ok, or the method is only in one of the two plans

Each method is judged at level alpha on its own. Of m unchanged methods run with fresh seeds, alpha x m are expected to be
called improved or worse; the report says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import NormalDist, fmean, variance
from typing import Literal

import msgspec

from bench.differences import deciding, sentence
from bench.errors import UsageError
from bench.leaderboard.aggregate import higher_is_better, join
from bench.leaderboard.redact import redact
from bench.leaderboard.storage import save_export
from bench.records import Export, Method, Record, failed_audits, method_of
from bench.stats import Table, table_of

Verdict = Literal["worse", "not-comparable", "inconclusive", "improved", "same"]
EXIT_CODE: dict[Verdict, int] = {"same": 0, "improved": 10, "worse": 11, "inconclusive": 12, "not-comparable": 13}
GRAVITY: tuple[Verdict, ...] = ("worse", "not-comparable", "inconclusive", "improved", "same")
"""The verdict on a whole run is the first of these that any method has."""

ABSENT = "absent modalities"
SAME_TEST = ("manifest", "split", "scaling", "hidden in", ABSENT, "profile", "scenario parameters")
"""Entries of `Record.provenance` that must agree for two cells to be the same test."""

ROUNDING = 1e-9
"""Differences up to this are none."""

Cells = dict[int, Record | None]
"""Seed -> record of one method; None where the planned cell was not run."""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """One method. difference: new - baseline of the primary metric, in the metric's own direction.

    seeds: those compared, or the new run's where none coincide. pooled: the noise is that of the table's other methods;
    freedom: its degrees of freedom. Numbers are None where they could not be made; `reason` says why.
    """

    method: Method
    metric: str
    verdict: Verdict
    reason: str
    baseline: float | None = None
    new: float | None = None
    difference: float | None = None
    noise_floor: float | None = None
    seeds: tuple[int, ...] = ()
    pooled: bool = False
    freedom: int = 0


class GateReport(msgspec.Struct, frozen=True, kw_only=True):
    """All judgements, worst first, and the verdict on the whole run. notes: what differs without forbidding to compare."""

    suite: str
    verdict: Verdict
    alpha: float
    tolerance: float
    judgements: tuple[Judgement, ...]
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return EXIT_CODE[self.verdict]


class _Noise(msgspec.Struct, frozen=True):
    """A variance between seeds and its degrees of freedom; 0 degrees: not known."""

    variance: float
    freedom: int
    pooled: bool


def pin(export: Export, path: Path) -> None:
    """Store a run as a baseline, redacted. UsageError when nothing in it is ok; StorageError when it cannot be written."""
    cells, _ = join(export)
    if not any(record and record.status == "ok" for at, record in cells.items() if not at.audit):
        raise UsageError(f"suite {export.suite} has no ok cell to pin; run it first: bench run suite={export.suite}")
    save_export(path, redact(export))


def gate(baseline: Export, new: Export, alpha: float = 0.05, tolerance: float = 0.0) -> GateReport:
    """Judge every method of either plan.

    alpha: how often an unchanged method may be called improved or worse by chance. tolerance: differences of the primary
    metric up to this never matter, in its own unit. Raises UsageError when a value makes no sense.
    """
    if not 0 < alpha < 1:
        raise UsageError(f'"alpha" = {alpha} is not accepted: a number between 0 and 1, e.g. alpha=0.05')
    if not (tolerance >= 0 and math.isfinite(tolerance)):
        raise UsageError(f'"tolerance" = {tolerance} is not accepted: a number from 0, e.g. tolerance=0.005')
    before, after = _methods(baseline), _methods(new)
    noise = _noise(before, _primaries(baseline))
    judgements = []
    for method in sorted(before.keys() | after.keys()):
        metric = {**_primaries(new), **_primaries(baseline)}.get(method.task, "")
        if reason := _incomparable(method, baseline, new, before.get(method), after.get(method)):
            judgements.append(Judgement(method=method, metric=metric, verdict="not-comparable", reason=reason))
        else:
            judged = _judge(method, metric, before[method], after[method], noise[method], alpha, tolerance)
            judgements.append(judged)
    if not judgements:
        raise UsageError("neither the baseline nor the new run has a scored cell: there is nothing to compare")
    judgements.sort(key=lambda j: (GRAVITY.index(j.verdict), j.method))
    return GateReport(
        suite=new.suite,
        verdict=judgements[0].verdict,
        alpha=alpha,
        tolerance=tolerance,
        judgements=tuple(judgements),
        notes=tuple(_notes(judgements, before, after, alpha)),
    )


def _methods(export: Export) -> dict[Method, Cells]:
    """The scored cells of each method; what an audit cell of it failed is held against all of them."""
    cells, _ = join(export)
    methods: dict[Method, Cells] = {}
    for at, record in cells.items():
        if not at.audit:
            methods.setdefault(method_of(at), {})[at.seed] = record
    for at, record in cells.items():
        failed = {name: record.audits[name] for name in failed_audits(record)} if at.audit and record else {}
        for seed, scored in methods.get(method_of(at), {}).items() if failed else ():
            if scored is not None:
                audits = {**scored.audits, **failed}
                methods[method_of(at)][seed] = msgspec.structs.replace(scored, audits=audits)
    return methods


def _primaries(export: Export) -> dict[str, str]:
    return {task.name: task.metrics[0] for task in export.tasks}


def _score(record: Record | None, metric: str) -> float | None:
    """The primary score of an ok cell that failed no audit."""
    return record.scores.get(metric) if record and record.status == "ok" and not failed_audits(record) else None


def _noise(methods: Mapping[Method, Cells], primaries: Mapping[str, str]) -> dict[Method, _Noise]:
    """The noise of every method of the baseline: its own, or its table's, or unknown (0 degrees of freedom).

    When every method with two seeds or more gives the same score for all of them, there is no noise: variance 0.
    """
    own: dict[Method, _Noise] = {}
    tables: dict[Table, list[Method]] = {}
    for method, cells in methods.items():
        tables.setdefault(table_of(method), []).append(method)
        scores = [s for r in cells.values() if (s := _score(r, primaries.get(method.task, ""))) is not None]
        if len(scores) >= 2:
            spread = 0.0 if max(scores) - min(scores) <= ROUNDING else variance(scores)
            own[method] = _Noise(spread, len(scores) - 1, pooled=False)
    noise: dict[Method, _Noise] = {}
    for members in tables.values():
        known = [own[m] for m in members if m in own]
        scattering = [n for n in known if n.variance > 0] or known
        freedom = sum(n.freedom for n in scattering)
        pooled = _Noise(sum(n.variance * n.freedom for n in scattering) / max(freedom, 1), freedom, pooled=True)
        noise |= {m: own[m] if m in own and own[m].variance > 0 else pooled for m in members}
    return noise


def _incomparable(method: Method, baseline: Export, new: Export, before: Cells | None, after: Cells | None) -> str:
    """Why a method cannot be compared, or "" when it can."""
    if baseline.suite != new.suite or baseline.dataset != new.dataset:
        return f"the baseline is of {baseline.suite} on {baseline.dataset}, this run of {new.suite} on {new.dataset}"
    differ = [sentence(deciding(export.overrides)) or "is the suite" for export in (baseline, new)]
    if differ[0] != differ[1]:
        return f"another suite in fact: the baseline {differ[0]}; this run {differ[1]}"
    if before is None:
        return "the baseline does not plan it; to have it judged next time: bench baseline pin"
    if after is None:
        return "the new run does not plan it; run the same grid as the baseline"
    tasks = [{(t.kind, t.metrics) for t in export.tasks if t.name == method.task} for export in (baseline, new)]
    if tasks[0] != tasks[1]:
        return f"the task {method.task} is defined otherwise: {_definition(tasks[0])}, now {_definition(tasks[1])}"
    metric = _primaries(baseline)[method.task]
    holes = [
        f"seed {seed}: {_state(record)}" for seed, record in sorted(before.items()) if _score(record, metric) is None
    ]
    if holes:
        return f"the baseline is not ok ({'; '.join(holes)})"
    for name in SAME_TEST:
        values = [_entries(cells, name) for cells in (before, after)]
        if values[1] and values[0] != values[1]:
            return f"the {name} differs: {_list(values[0])}, now {_list(values[1])}"
    counts = [{r.counts["test"] for r in c.values() if r and "test" in r.counts} for c in (before, after)]
    if counts[1] and counts[0] != counts[1]:
        return f"the number of test records differs: {_list(map(str, counts[0]))}, now {_list(map(str, counts[1]))}"
    return ""


def _entries(cells: Cells, name: str) -> set[str]:
    """What the records say under a name of `SAME_TEST`.

    Absent modalities were always filled, and that not said, until every ok cell was audited for what its fuser makes of their
    content; a cell that is not ok has no audits and tells nothing of it.
    """
    found = set()
    for record in cells.values():
        if record is None:
            continue
        said = record.provenance.get(name, "")
        if name == ABSENT and not said:
            if record.status != "ok":
                continue
            said = "" if "absent-ignored" in record.audits else "filled"
        found.add(said)
    return found


def _definition(tasks: Iterable[tuple[str, tuple[str, ...]]]) -> str:
    return " or ".join(f"{kind} by {', '.join(metrics)}" for kind, metrics in sorted(tasks)) or "unknown"


def _list(values: Iterable[str]) -> str:
    return " and ".join(sorted((f"{v[:16]}…" if len(v) > 40 else v) or "none" for v in values)) or "none"


def _state(record: Record | None) -> str:
    if record is None:
        return "not-run"
    if failed := failed_audits(record):
        return f"the audit {' and '.join(sorted(failed))} failed"
    if record.status == "ok":
        return "ok, but its primary score is not a number"
    return f"{record.status}: {record.reason}" if record.reason else record.status


def _judge(
    method: Method, metric: str, before: Cells, after: Cells, noise: _Noise, alpha: float, tolerance: float
) -> Judgement:
    """The verdict on a method that is ok throughout in the baseline and stands for the same test in both runs."""
    common = sorted(before.keys() & after.keys())
    seeds = common or sorted(after)
    scores = {seed: score for seed in seeds if (score := _score(after[seed], metric)) is not None}
    broken = [s for s in seeds if s not in scores and (r := after[s]) and r.status not in ("skipped", "not-run")]
    if broken:
        said = "; ".join(f"seed {seed}: {_state(after[seed])}" for seed in broken)
        return Judgement(
            method=method, metric=metric, verdict="worse", reason=f"was ok, now {said}", seeds=tuple(seeds)
        )
    if len(scores) < len(seeds):
        said = "; ".join(f"seed {seed}: {_state(after[seed])}" for seed in seeds if seed not in scores)
        reason = f"not every planned cell has a result ({said}); finish the run with the same command"
        return Judgement(method=method, metric=metric, verdict="inconclusive", reason=reason, seeds=tuple(seeds))

    old = [score for seed in (common or sorted(before)) if (score := _score(before[seed], metric)) is not None]
    difference = fmean(scores.values()) - fmean(old)
    error = math.sqrt(noise.variance * (1 / len(old) + 1 / len(scores)))
    floor = _critical(alpha, noise.freedom) * error if noise.freedom else None
    verdict, reason = _verdict(difference if higher_is_better(metric) else -difference, error, floor, alpha, tolerance)
    if noise.pooled and floor is not None and abs(difference) > ROUNDING:
        reason += "; noise of the table's other methods, since its own seeds show none"
    return Judgement(
        method=method,
        metric=metric,
        verdict=verdict,
        reason=reason if common else f"{reason}; no seed in common, means are compared",
        baseline=fmean(old),
        new=fmean(scores.values()),
        difference=difference,
        noise_floor=floor,
        seeds=tuple(seeds),
        pooled=noise.pooled,
        freedom=noise.freedom,
    )


def _critical(alpha: float, freedom: int) -> float:
    """The t with P(|T| > t) = alpha. Only the part of SciPy that holds it is imported, and only when it is needed."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - alpha / 2))


def _verdict(gain: float, error: float, floor: float | None, alpha: float, tolerance: float) -> tuple[Verdict, str]:
    """gain: new - baseline, positive is better; error: its standard error between honest runs; floor: see the module."""
    size = abs(gain)
    if size <= ROUNDING:
        return "same", "no difference"
    if size <= tolerance:
        return "same", "within the tolerance"
    if floor is None:
        return "inconclusive", "the baseline has too few seeds to know its noise; pin one with three seeds or more"
    if size > max(floor, ROUNDING):
        return ("improved" if gain > 0 else "worse"), "beyond the noise" if floor > 0 else "the baseline has no noise"
    if size <= NormalDist().inv_cdf(1 - alpha / 2) * error:
        return "same", "within the noise"
    return "inconclusive", "near the noise, which few seeds do not pin down; more seeds in the baseline would decide"


def _notes(
    judgements: Iterable[Judgement], before: Mapping[Method, Cells], after: Mapping[Method, Cells], alpha: float
) -> list[str]:
    """What a reader should know beside the verdicts."""
    notes = []
    for name in ("device", "device type", "precision"):
        values = [
            {r.provenance.get(name, "") for cells in run.values() for r in cells.values() if r}
            for run in (before, after)
        ]
        if all(values) and values[0] != values[1]:
            notes.append(f"The {name} differs: {_list(values[0])}, now {_list(values[1])}.")
    moved = sum(j.noise_floor is not None and abs(j.difference or 0) > ROUNDING for j in judgements)
    if moved > 1:
        notes.append(
            f"{moved} methods moved and were judged at {100 * alpha:g} % each: if nothing but the seeds had changed, about "
            f"{alpha * moved:.1f} of them would be called improved or worse by chance."
        )
    return notes
