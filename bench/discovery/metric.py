"""A metric as its plugin declared it. Light: its function is loaded when a score is computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, get_args

from bench.cohort import Task, TaskKind
from bench.discovery.guard import error_line, value_line
from bench.discovery.lazy import PATH, load
from bench.errors import PluginError, nearest, unknown
from bench.text.names import check

if TYPE_CHECKING:
    from bench.metric import Metric

Ask = Literal["groups", "statics", "validation"]
ASKS: tuple[Ask, ...] = get_args(Ask)
TASK_KINDS: tuple[TaskKind, ...] = get_args(TaskKind)

UNDEFINED: Mapping[str, str] = {
    "no record": "no record counts",
    "no positive": "no record has the label or is of the class, for one label or class",
    "one class": "all records have the label or none has, for one label; or no record is of the class, for one of several",
    "same class": "all records are of one class, or have a label alike",
    "all zero": "every truth is 0",
    "constant truth": "all truths are the same, for one value of a forecast",
    "constant": "all truths are the same, or all predictions are",
}
"""The rules by which a score may be undefined, each with when that is; `bench.metrics.defined`
has their functions.
"""


@dataclass(frozen=True)
class MetricSpec:
    """A metric of predictions: what a table and a plan must know of it.

    - path: lazy path of a function `(truth, outputs) -> float`, or of a `bench.metric.Metric`.
    - kinds: of the tasks that it is for.
    - higher: larger is better; None: neither is, as of a value that depends on the truth alone.
    - chance: what an uninformed prediction scores; None where it depends on the data.
    - undefined: the rule by which there is no score (`UNDEFINED`).
    - asks: what its function takes besides truth and outputs (`bench.metric.Metric`). A metric that
      asks is never the primary one of a task, since models are selected by truth and outputs alone.
    """

    name: str
    path: str
    kinds: tuple[TaskKind, ...] = ()
    higher: bool | None = True
    chance: float | None = None
    undefined: str = "no record"
    asks: tuple[Ask, ...] = ()
    summary: str = ""
    paper: str = ""
    version: str = "1"
    plugin: str = ""
    """the distribution and module that declared it"""

    kind: ClassVar[Literal["metric"]] = "metric"
    expected_failures: ClassVar[Mapping[str, str]] = {}

    @property
    def direction(self) -> str:
        """In words."""
        return {True: "higher is better", False: "lower is better", None: "neither higher nor lower is better"}[
            self.higher
        ]

    def load(self) -> Metric:
        """The metric itself. Raises PluginError, with the plugin and the reason, when it cannot be
        imported or called.
        """
        return _loaded(self)

    def answer(self, function: Callable[..., Any], *arguments: Any, **at_hand: Any) -> Any:
        """What a function of the metric gives. Raises PluginError where it fails."""
        try:
            return function(*arguments, **at_hand)
        except (Exception, SystemExit) as error:
            failed = f'metric "{self.name}" (from {self.plugin}) failed'
            raise PluginError(f"{failed}: {error_line(error)}", public=failed) from error


@cache
def _loaded(spec: MetricSpec) -> Metric:
    from bench.metric import Metric

    what = f'metric "{spec.name}" (from {spec.plugin})'
    attribute = load(spec.path, what)
    if isinstance(attribute, Metric):
        return attribute
    if not callable(attribute):
        raise PluginError(f"{what}: {spec.path} is no function and no bench.metric.Metric, but {value_line(attribute)}")
    return Metric(attribute)


def declared(name: Any, path: Any, plugin: str, declarations: Mapping[str, Any]) -> MetricSpec:
    """The metric as it was declared. Raises PluginError, naming the plugin and the declaration,
    for what is not accepted.
    """
    if not isinstance(name, str):
        raise PluginError(f"the name of a metric of {plugin} must be text, got {value_line(name)}")
    check("metric", name, plugin, PluginError)
    known = [field.name for field in fields(MetricSpec) if field.name not in ("name", "path", "plugin")]
    for key in declarations:
        if key not in known:
            raise _refused(
                name, plugin, f'"{key}" is no declaration; {nearest(key, known)}accepted: {", ".join(known)}'
            )
    try:
        converted = {
            **declarations,
            **{key: tuple(declarations[key]) for key in ("kinds", "asks") if key in declarations},
        }
    except TypeError:
        raise _refused(name, plugin, '"kinds" and "asks" must be tuples of texts') from None
    spec = MetricSpec(name=name, path=path, plugin=plugin, **converted)
    if wrong := next(_wrong(spec), ""):
        raise _refused(name, plugin, wrong)
    return spec


def _refused(name: str, plugin: str, why: str) -> PluginError:
    return PluginError(f'metric "{name}" of {plugin}: {why}')


def _wrong(spec: MetricSpec) -> Iterator[str]:
    """What of a declaration is not accepted, in words."""
    if not isinstance(spec.path, str) or not PATH.fullmatch(spec.path):
        yield f"the path must read module:attribute, got {value_line(spec.path)}"
    for key in ("summary", "paper", "version"):
        if not isinstance(getattr(spec, key), str):
            yield f'"{key}" must be text, got {value_line(getattr(spec, key))}'
    for key, accepted in (("kinds", TASK_KINDS), ("asks", ASKS)):
        for each in getattr(spec, key):
            if each not in accepted:
                yield f'"{key}" must be some of {", ".join(accepted)}, got {value_line(each)}'
    if not spec.kinds:
        yield f'"kinds" must name the kinds of tasks that it is for: {", ".join(TASK_KINDS)}'
    if spec.higher not in (True, False, None):
        yield f'"higher" must be true, false or None, got {value_line(spec.higher)}'
    if spec.undefined not in UNDEFINED:
        yield f'"undefined" must be one of: {"; ".join(UNDEFINED)}; got {value_line(spec.undefined)}'
    chance = spec.chance
    if chance is not None and (
        not isinstance(chance, int | float) or isinstance(chance, bool) or not math.isfinite(chance)
    ):
        yield f'"chance" must be a finite number or None, got {value_line(chance)}'


class Measured(Protocol):
    """A task, or what a table knows of one."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...


def unfit(task: Task, metrics: Mapping[str, MetricSpec]) -> str:
    """Which metric of a task is not known, not for its kind, or may not be its primary one, in
    words; "" where all fit.
    """
    for name in task.metrics:
        if wrong := unfit_for(task, name, metrics):
            return wrong
    primary = metrics[task.primary]
    if primary.asks or primary.higher is None:
        why = f"takes {' and '.join(primary.asks)}" if primary.asks else "has no better direction"
        return f'task {task.name} has the primary metric "{task.primary}", which {why}: put another one first'
    return ""


def unfit_for(task: Measured, name: str, metrics: Mapping[str, MetricSpec]) -> str:
    """Why a metric cannot be computed for a task, in words; "" where it can."""
    if name not in metrics:
        return str(unknown("metric", name, metrics, f"task {task.name}", "see all with: bench list metrics"))
    if task.kind not in metrics[name].kinds:
        for_it = ", ".join(known for known, spec in metrics.items() if task.kind in spec.kinds)
        return f'task {task.name} has the metric "{name}", which is not for {task.kind} tasks; accepted: {for_it}'
    return ""
