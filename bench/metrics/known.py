"""The metrics that this process knows: the harness's own, and those of the plugins that were
discovered last.

A task names its metrics, and code that scores a prediction has the task at hand, not the registry.
So this table is the process's own. `bench.registry` puts into it what plugins declare.
"""

from __future__ import annotations

from collections.abc import Mapping

from bench.discovery.metric import MetricSpec
from bench.errors import unknown
from bench.metrics.own import OWN

_in_use: Mapping[str, MetricSpec] = OWN


def use(metrics: Mapping[str, MetricSpec]) -> None:
    """Know these metrics from now on."""
    global _in_use
    _in_use = metrics


def metrics() -> Mapping[str, MetricSpec]:
    """Name -> metric."""
    return _in_use


def metric(name: str) -> MetricSpec:
    """The metric of that name. Raises UsageError, with the nearest name, where there is none."""
    if name not in _in_use:
        raise unknown("metric", name, _in_use, "a task", "see all with: bench list metrics")
    return _in_use[name]
