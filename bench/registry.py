"""Components by name: guarded discovery, typed parameters, lazy loading, nearest-name answers.

Nothing here imports a component's code: a component is known by its name, a lazy `module:attribute`
path and a parameter struct, all declared in the plugin's light module.
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, overload

import pluggy

import bench
from bench.discovery import owned
from bench.discovery.declared import declared as spec_of
from bench.discovery.declared import filled, looked_into
from bench.discovery.guard import error_line, loading, trial
from bench.discovery.metric import MetricSpec, unfit
from bench.discovery.metric import declared as metric_of
from bench.discovery.namesakes import namesakes
from bench.discovery.spec import BY_COUNTS, KINDS, MARK, Contents, Embedder, Kind, NoParams, Spec
from bench.errors import SLIP, PluginError, UsageError, unknown
from bench.federated.own import OWN as FEDERATIONS
from bench.hooks import hookspec
from bench.metrics import known
from bench.metrics.own import OWN as METRICS
from bench.text.clean import line

__all__ = ["BY_COUNTS", "KINDS", "MARK", "Contents", "Embedder", "NoParams", "Registry", "Spec", "discover"]


class Hooks:
    """The hook specifications of the project `bench`."""

    @hookspec
    def bench_register(self, registry: Registry) -> None:
        """Declare components. Called once per process, when a command first needs a name.

        registry: has one method per kind of component; each checks its arguments and raises
                  PluginError at once.
        """


@dataclass(frozen=True)
class Broken:
    """A plugin that could not be used, and why."""

    plugin: str
    reason: str


class Registry:
    """All components of this process. Filled by `discover`; a plugin's hook receives it."""

    def __init__(self) -> None:
        own: list[Spec | MetricSpec] = [*METRICS.values(), *FEDERATIONS.values()]
        self._specs: dict[tuple[str, str], Spec | MetricSpec] = {(spec.kind, spec.name): spec for spec in own}
        self.broken: list[Broken] = []
        self._plugin = "bench"

    def _add(self, kind: Kind, name: str, path: str, **declared: Any) -> None:
        self._keep(spec_of(kind, name, path, self._plugin, declared))

    def _keep(self, spec: Spec | MetricSpec) -> None:
        at = spec.kind, spec.name
        if at in self._specs:
            other = self._specs[at].plugin
            raise PluginError(f'{spec.kind} "{spec.name}" is declared by {spec.plugin} and already by {other}')
        self._specs[at] = spec

    def dataset(
        self, name: str, path: str, *, tasks: Iterable[Any], modalities: Iterable[str], **declared: Any
    ) -> None:
        """Declare a dataset, its tasks (`bench.cohort.Task`) and the names of its modalities."""
        self._add("dataset", name, path, tasks=tasks, modalities=modalities, **declared)

    def scenario(self, name: str, path: str, **declared: Any) -> None:
        """Declare a scenario: a subclass of `bench.components.Scenario`."""
        self._add("scenario", name, path, **declared)

    def imputer(self, name: str, path: str, **declared: Any) -> None:
        """Declare an imputer: a subclass of `bench.components.Imputer`."""
        self._add("imputer", name, path, **declared)

    def fuser(self, name: str, path: str, **declared: Any) -> None:
        """Declare a fuser: a subclass of `bench.components.Fuser`."""
        self._add("fuser", name, path, **declared)

    def federation(self, name: str, path: str, **declared: Any) -> None:
        """Declare a federation: a subclass of `bench.federation.Federation`."""
        self._add("federation", name, path, **declared)

    def metric(self, name: str, path: str, *, kinds: Iterable[str], **declared: Any) -> None:
        """Declare a metric of predictions for tasks of these kinds: a function, or a
        `bench.metric.Metric`.
        """
        self._keep(metric_of(name, path, self._plugin, {"kinds": kinds, **declared}))

    def names(self, kind: str) -> list[str]:
        """The names known of one kind, sorted."""
        return sorted(name for known, name in self._specs if known == kind)

    @overload
    def specs(self, kind: Literal["metric"]) -> list[MetricSpec]: ...  # type: ignore[overload-overlap]  # "metric" is a str too
    @overload
    def specs(self, kind: str) -> list[Spec]: ...
    def specs(self, kind: str) -> Any:
        """The components of one kind, or the metrics, sorted by name."""
        return [self._specs[kind, name] for name in self.names(kind)]

    @property
    def metrics(self) -> dict[str, MetricSpec]:
        """Name -> metric, the harness's own first, in the order in which they were declared."""
        return {name: spec for (_, name), spec in self._specs.items() if isinstance(spec, MetricSpec)}

    @overload
    def get(self, kind: Literal["metric"], name: str, origin: str = ...) -> MetricSpec: ...  # type: ignore[overload-overlap]  # the same
    @overload
    def get(self, kind: str, name: str, origin: str = ...) -> Spec: ...
    def get(self, kind: str, name: str, origin: str = "the caller") -> Any:
        """The component of that kind and name; UsageError with the nearest name when there is
        none.
        """
        if (kind, name) not in self._specs:
            others = namesakes(self.names, kind, name)
            known = () if others else self.names(kind)  # what is alike in spelling is not what was meant
            raise self._unknown(kind, name, known, origin, f"{others}see all with: bench list {kind}s")
        return self._specs[kind, name]

    def find(
        self, name: str, origin: str = "the caller", others: Iterable[str] = (), hint: str = ""
    ) -> list[Spec | MetricSpec]:
        """The components of any kind, and the metrics, with that name; UsageError with the nearest
        when there is none.

        others: names that are no components and would have been understood; hint: where to see them
                all.
        """
        specs = [self._specs[kind, name] for kind in (*KINDS, "metric") if (kind, name) in self._specs]
        if not specs:
            known = {*(known for _, known in self._specs), *others}
            raise self._unknown("name", name, known, origin, hint or "see: bench list imputers")
        return specs

    def look_into(self, spec: Spec, root: Path, params: Any) -> Spec:
        """A dataset with what its files in `root` have, where only they say it (`Spec.contents`);
        others as they are. From then on the registry has it so.

        Raises the dataset's own DataError, and PluginError for what no declaration could say.
        """
        return self._replace(looked_into(spec, root, params)) if spec.contents else spec

    def hold(self, spec: Spec, contents: Contents) -> None:
        """The same with contents that are known already."""
        self._replace(filled(spec, contents))

    def _replace(self, full: Spec) -> Spec:
        if wrong := _unfit(full, self.metrics):
            raise PluginError(wrong)
        self._specs[full.kind, full.name] = full
        return full

    def _unknown(self, kind: str, name: str, known: Iterable[str], origin: str, hint: str) -> UsageError:
        """The error for a name that is not known. A plugin that could not be loaded may be the one
        that has it, so that only a name that differs by a slip is proposed beside it.
        """
        reasons = "; ".join(f"{broken.plugin}: {broken.reason}" for broken in self.broken)
        if not reasons:
            return unknown(kind, name, known, origin, hint)
        error = unknown(kind, name, known, origin, hint, alike=SLIP)
        return UsageError(f"{error} (plugins that could not be loaded, and may have it: {reasons})")

    def _leave_out(self, plugin: str) -> None:
        """Take back what a plugin declared. No other plugin can have its names then."""
        self._specs = {key: spec for key, spec in self._specs.items() if spec.plugin != plugin}

    def register_plugin(self, label: str, module: Any) -> None:
        """Take one plugin module: check the contract it was written for, then call its hook.

        Never raises for what the plugin does: a plugin that is broken is put into `broken` with its
        reason, and what it declared before it broke is taken back.
        """
        self._take(label, lambda: module)
        self._settle()

    def _settle(self) -> None:
        """Once all have declared: leave out plugins with a task or a fuser whose metrics do not
        fit, and let this process know the metrics.
        """
        metrics = self.metrics
        for plugin, wrong in [(spec.plugin, _unfit(spec, metrics)) for kind in KINDS for spec in self.specs(kind)]:
            if wrong and all(broken.plugin != plugin for broken in self.broken):
                self.broken.append(Broken(plugin, line(wrong)))
                self._leave_out(plugin)
        known.use(self.metrics)

    def _take(self, label: str, load: Callable[[], Any], advice: str = "", first: bool = False) -> None:
        """`register_plugin` for a module that is still to be loaded. advice: how to do without it,
        if that takes long; first: try it in a copy of this process before.
        """
        before, self._plugin = dict(self._specs), label
        try:
            if first and (ended := trial(f"plugin {label}", lambda: self._register(label, load()), advice)):
                raise PluginError(f"{ended}; mend or uninstall it")
            with loading(f"plugin {label}", advice):
                self._register(label, load())
            if any(self._specs.get(key) is not spec for key, spec in before.items()):
                raise PluginError("it changed what other plugins declared")
        except BaseException as error:
            self._specs = before
            known = isinstance(error, PluginError)
            self.broken.append(Broken(label, line(str(error)) if known else error_line(error)))
        finally:
            self._plugin = "bench"

    def _register(self, label: str, module: Any) -> None:
        contract = getattr(module, "bench_contract", None)
        if contract != bench.CONTRACT:
            claim = "states no bench_contract" if contract is None else f"was written for contract {contract}"
            raise PluginError(f"{claim}; this bench ({bench.__version__}) speaks contract {bench.CONTRACT}")
        manager = pluggy.PluginManager("bench")
        manager.add_hookspecs(Hooks)
        manager.register(module, name=label)
        manager.check_pending()
        manager.hook.bench_register(registry=self)


def _unfit(spec: Spec, metrics: Mapping[str, MetricSpec]) -> str:
    """Which metric that a component names does not fit, in words; "" where all do."""
    wrong = next(filter(None, (unfit(task, metrics) for task in spec.tasks.values())), "")
    strange = next((name for name in spec.selects_by if name not in metrics), "")
    if strange:
        wrong = str(unknown("metric", strange, metrics, "selects_by", "see all with: bench list metrics"))
    return f'{spec.kind} "{spec.name}" of {spec.plugin}: {wrong}' if wrong else ""


WITHOUT = "; to do without it, name in BENCH_PLUGINS the plugins to load (see docs/reference/plugin-contract.md)"


def discover(tried: bool = False) -> Registry:
    """A registry filled from every installed plugin (entry-point group `bench`), each inside its
    own guard.

    Those of the distribution that owns `bench` come first: whatever others are called and declare,
    a name of ours is ours. Where one of them cannot be loaded, no others are, since their names
    would be free.

    BENCH_PLUGINS, where set, is a comma-separated list of entry-point names to load; others are
    left out.

    tried: load those of others in a copy of this process first (`bench.discovery.guard.trial`), so
    that none can end it or hold it up.
    """
    registry = Registry()
    only = os.environ.get("BENCH_PLUGINS")
    allowed = None if only is None else {name.strip() for name in only.split(",")}

    def wanted(entry: importlib.metadata.EntryPoint) -> bool:
        return allowed is None or entry.name in allowed

    entry_points = owned.installed("bench")
    for entry in entry_points.ours:
        registry._take(owned.label(entry), partial(owned.load, entry))
    ours_broken = bool(registry.broken)
    for entry in filter(wanted, entry_points.others):
        if ours_broken:
            reason = f"not loaded, since {registry.broken[0].plugin} of the harness itself could not be"
            registry.broken.append(Broken(owned.label(entry), reason))
        else:
            registry._take(owned.label(entry), entry.load, WITHOUT, first=tried)
    registry.broken += [Broken(plugin, reason) for plugin, reason in entry_points.refused]
    installed = {entry.name for entry in (*entry_points.ours, *entry_points.others)}
    for name in sorted((allowed or set()) - installed - {""}):
        reason = f"no such plugin is installed (from BENCH_PLUGINS); installed are: {', '.join(sorted(installed))}"
        registry.broken.append(Broken(name, reason))
    for entry in entry_points.ours:
        if not wanted(entry):
            registry._leave_out(owned.label(entry))
    registry._settle()
    return registry
