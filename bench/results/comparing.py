"""Which metrics a table shows and compares methods by: those of the tasks, and further ones that
somebody asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench.cohort import Task
from bench.discovery.metric import MetricSpec, unfit_for
from bench.errors import UsageError, unknown
from bench.results.records import MetricSummary, TaskSummary


def summaries(
    tasks: Iterable[Task | TaskSummary], further: Sequence[str], metrics: Mapping[str, MetricSpec], origin: str
) -> list[TaskSummary]:
    """What a table must know of each task, whose methods are compared by `further` metrics too, as
    far as these are for it.

    Raises UsageError for a metric that is not known, or is for none of the tasks.
    """
    tasks = list(tasks)
    for name in further:
        if name not in metrics:
            raise unknown("metric", name, metrics, origin, "see all with: bench list metrics")
        if all(unfit_for(task, name, metrics) for task in tasks):
            kinds = " and ".join(sorted({task.kind for task in tasks}))
            raise UsageError(
                f'metric "{name}" (from {origin}) is for {" and ".join(metrics[name].kinds)} tasks, and these are {kinds}; '
                "see which there are: bench list metrics"
            )
    return [_summary(task, [name for name in further if not unfit_for(task, name, metrics)]) for task in tasks]


def _summary(task: Task | TaskSummary, further: Sequence[str]) -> TaskSummary:
    shown = tuple(dict.fromkeys([*task.metrics, *further]))
    compared = tuple(dict.fromkeys(name for name in further if name != task.metrics[0]))
    return TaskSummary(task.name, task.kind, shown, task.summary, compared)


def described(tasks: Iterable[TaskSummary], metrics: Mapping[str, MetricSpec]) -> dict[str, MetricSummary]:
    """What a table must know of the metrics of these tasks."""
    names = dict.fromkeys(name for task in tasks for name in task.metrics if name in metrics)
    return {name: MetricSummary(metrics[name].higher, metrics[name].chance, metrics[name].summary) for name in names}
