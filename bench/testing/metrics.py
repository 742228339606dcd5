"""Promises of metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bench.cohort import TaskKind
from bench.discovery.metric import MetricSpec
from bench.metric import Metric
from bench.metrics.defined import needs
from bench.testing import common  # noqa: F401  the shared promises come first
from bench.testing.checks import promise
from bench.testing.words import NotReached, require, skip

RECORDS = 60
DRAWS = 400
"""Uninformed predictions whose mean score is held against the declared chance."""

CLOSE = 1e-6
"""How far the two forms of a score may be apart: one may add in single precision."""


@dataclass(frozen=True)
class Problem:
    """Predictions to be scored. name: in words; the rest as a metric takes it, all arrays
    read-only.
    """

    name: str
    truth: np.ndarray
    outputs: np.ndarray
    at_hand: dict[str, Any]

    def take(self, index: np.ndarray) -> Problem:
        """The same of these records. The validation part stays as it is."""
        at_hand = dict(self.at_hand)
        if "groups" in at_hand:
            at_hand["groups"] = at_hand["groups"][index]
        if "statics" in at_hand:
            at_hand["statics"] = {name: values[index] for name, values in at_hand["statics"].items()}
        return Problem(self.name, self.truth[index], self.outputs[index], at_hand)

    def saying(self, outputs: np.ndarray) -> Problem:
        """The same with other predictions."""
        return Problem(self.name, self.truth, outputs, self.at_hand)


class MetricSubject:
    """A metric under test."""

    def __init__(self, spec: MetricSpec):
        self.spec = spec

    @cached_property
    def metric(self) -> Metric:
        return self.spec.load()

    def built(self) -> Metric:
        """The metric; NotReached where it cannot be loaded."""
        try:
            return self.metric
        except Exception as error:
            raise NotReached("loads") from error

    def score(self, problem: Problem) -> float:
        """Of all records. NaN where it is not defined as declared, without a call."""
        if self.lacking(problem):
            return np.nan
        return self.built().score(problem.truth, problem.outputs, **problem.at_hand)

    def lacking(self, problem: Problem) -> str:
        return needs(self.spec.undefined, problem.truth, problem.outputs.shape[1], problem.outputs).lacking()

    @cached_property
    def problems(self) -> list[Problem]:
        """Of each kind of task: usual predictions, equal ones, coarse ones, and a part that has
        one class.
        """
        return [problem for kind in self.spec.kinds for problem in _problems(kind, self.spec)]

    @property
    def usual(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.name.endswith("usual predictions")]


def _problems(kind: TaskKind, spec: MetricSpec) -> Iterator[Problem]:
    rng = np.random.default_rng(RECORDS)
    truth, outputs = _predictions(kind, rng)
    at_hand: dict[str, Any] = {
        "groups": np.array([f"patient {k // 2}" for k in range(RECORDS)]),
        "statics": {"age": _fixed(rng.normal(60, 10, RECORDS)), "sex": _fixed(rng.random(RECORDS) < 0.5)},
        "validation": _predictions(kind, rng),
    }
    at_hand = {name: at_hand[name] for name in spec.asks}
    equal = np.repeat(outputs[:1], RECORDS, axis=0)
    coarse = outputs if kind == "multiclass" else np.round(outputs * 4) / 4
    for name, true, predicted in (
        ("usual predictions", truth, outputs),
        ("equal predictions", truth, equal),
        ("coarse predictions", truth, coarse),
        ("truths that are all the same", np.repeat(truth[:1], RECORDS, axis=0), outputs),
    ):
        yield Problem(f"{kind}, {name}", _fixed(true), _fixed(predicted), at_hand)


def _predictions(kind: TaskKind, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Truth and outputs that know something of it."""
    severity, noise = rng.normal(size=RECORDS), rng.normal(size=(RECORDS, 3))
    known = severity[:, None] + noise
    chance = 1 / (1 + np.exp(-known))
    if kind == "binary":
        return _fixed(severity > 0.5), _fixed(chance[:, :1])
    if kind == "multilabel":
        return _fixed(np.stack([severity > 0, severity > 0.7], axis=1)), _fixed(chance[:, :2])
    if kind == "multiclass":
        grown = np.exp(np.stack([-known[:, 0], np.zeros(RECORDS), known[:, 0]], axis=1))
        return _fixed(1 + (severity > 0.5) - (severity < -0.5)), _fixed(grown / grown.sum(axis=1, keepdims=True))
    return _fixed(severity), _fixed(known[:, :1])


def _fixed(values: np.ndarray) -> np.ndarray:
    fixed = np.ascontiguousarray(values, np.float32).copy()
    fixed.flags.writeable = False
    return fixed


def require_close(one: float, two: float, what: str) -> None:
    same = (np.isnan(one) and np.isnan(two)) or abs(one - two) <= CLOSE * max(1.0, abs(one))
    require(bool(same), f"{what}: {one!r} and {two!r}")


@promise("metric", first=True)
def loads(subject: MetricSubject) -> None:
    """It can be imported: a function, or a `bench.metric.Metric`."""
    subject.spec.load()


@promise("metric")
def scores(subject: MetricSubject) -> None:
    """It gives one number for usual, equal and coarse predictions of every kind of task that it
    is for, where it is defined.
    """
    subject.built()
    for problem in subject.problems:
        score = subject.score(problem)
        require(isinstance(score, int | float | np.number), f"{problem.name}: it gives {type(score).__name__}")
        require(not np.isinf(score), f"{problem.name}: the score is infinite")
    for problem in subject.usual:
        require(not np.isnan(subject.score(problem)), f"{problem.name}: the score is NaN")


@promise("metric")
def order_ignored(subject: MetricSubject) -> None:
    """The order of records changes nothing."""
    subject.built()
    order = np.random.default_rng(1).permutation(RECORDS)
    for problem in subject.problems:
        again = subject.score(problem.take(order))
        require_close(subject.score(problem), again, f"{problem.name}, in another order")


@promise("metric")
def weights_repeat_records(subject: MetricSubject) -> None:
    """Its bootstrap gives for whole weights what its score gives for repeated records."""
    metric = subject.built()
    rng = np.random.default_rng(2)
    for problem in subject.problems:
        weights = np.concatenate([np.ones((RECORDS, 1)), rng.integers(0, 3, (RECORDS, 8))], axis=1).astype(np.float32)
        kept = [k for k, w in enumerate(weights.T) if not subject.lacking(problem.take(_repeated(w)))]
        if not kept or subject.lacking(problem):
            continue
        evaluate = metric.evaluator(problem.truth, problem.outputs, **problem.at_hand)
        with np.errstate(invalid="ignore", divide="ignore"):  # as where a table is made
            scores = np.asarray(evaluate(np.ascontiguousarray(weights[:, kept])))
        require(scores.shape == (len(kept),), f"{problem.name}: the bootstrap gives the shape {scores.shape}")
        for k, score in zip(kept, scores, strict=True):
            again = subject.score(problem.take(_repeated(weights[:, k])))
            require_close(float(score), again, f"{problem.name}, with weights and with repeated records")


def _repeated(weights: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(weights)), weights.astype(int))


@promise("metric")
def direction_as_declared(subject: MetricSubject) -> None:
    """A perfect prediction is no worse than the same one given to the wrong records."""
    if subject.spec.higher is None:
        skip("neither higher nor lower is better")
    subject.built()
    rng = np.random.default_rng(3)
    for problem in subject.usual:
        perfect = problem.saying(_fixed(_perfect(problem)))
        wrong = problem.saying(_fixed(perfect.outputs[rng.permutation(RECORDS)]))
        best, worse = subject.score(perfect), subject.score(wrong)
        right = best >= worse if subject.spec.higher else best <= worse
        require(bool(right), f"{problem.name}: perfect predictions score {best:.4g}, shuffled ones {worse:.4g}")


def _perfect(problem: Problem) -> np.ndarray:
    width = problem.outputs.shape[1]
    if problem.truth.ndim == 1 and width > 1:
        of_classes: np.ndarray = problem.truth[:, None] == np.arange(width)
        return of_classes
    return problem.truth.reshape(problem.outputs.shape)


@promise("metric")
def chance_as_declared(subject: MetricSubject) -> None:
    """Predictions given to random records score the declared chance in the mean."""
    chance = subject.spec.chance
    if chance is None:
        skip("no chance is declared")
    subject.built()
    rng = np.random.default_rng(4)
    for problem in subject.usual:
        scores = [
            subject.score(problem.saying(_fixed(problem.outputs[rng.permutation(RECORDS)]))) for _ in range(DRAWS)
        ]
        mean, error = float(np.mean(scores)), float(np.std(scores) / np.sqrt(DRAWS))
        require(
            abs(mean - chance) <= 5 * error + CLOSE,
            f"{problem.name}: {mean:.4f} in the mean over {DRAWS} shuffled predictions, standard error {error:.4f}; declared "
            f"is {chance:g}",
        )
