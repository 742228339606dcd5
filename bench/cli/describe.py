"""`bench list`, `bench show` and `bench doctor`: what there is, what it takes, and what is
broken.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import click

from bench.cli.main import JSON, answer, components, say
from bench.text.clean import indented, line

if TYPE_CHECKING:
    from bench.discovery.metric import MetricSpec
    from bench.registry import Spec

KEY = r"(?=.*[0-9])[0-9a-f]{6,64}"
"""The beginning of a key of a cell: hexadecimal, with a digit, so that it is no word."""

SCHEMA = "suite-schema"
COLUMNS = "columns that can divide its records among clients"
KINDS = ("suites", "imputers", "fusers", "datasets", "scenarios", "federations", "metrics")


@click.command("list")
@click.argument("kind", metavar="|".join(KINDS), default="")
@JSON
def list_(kind: str, as_json: bool) -> None:
    """List suites, imputers, fusers, datasets, scenarios, federations or metrics. Without a word:
    how many there are of each.
    """
    from bench.config.layers import broken_packages, find_suites
    from bench.errors import unknown

    if not kind:
        counts = _counts()
        if as_json:
            answer(counts)
        else:
            print("\n".join(f"{number:4}  bench list {name}" for name, number in counts.items()))
        return
    kind = kind if kind.endswith("s") else kind + "s"
    if kind not in KINDS:
        raise unknown("kind", kind, KINDS, "the command line")
    if kind == "suites":
        rows: list[dict[str, Any]] = [
            {"name": name, "title": _title(name), "file": str(path)} for name, path in find_suites().items()
        ]
        for broken in broken_packages():
            say(f"warning: a package of suites was left out: {broken}")
    elif kind == "metrics":
        metrics = components().metrics.values()
        rows = [{"name": s.name, "title": s.summary, **_described_metric(s)} for s in metrics]
    else:
        registry = components()
        rows = [
            {"name": s.name, "title": s.summary, "tags": sorted(s.tags), "version": s.version, "plugin": s.plugin}
            for s in registry.specs(kind[:-1])
        ]
    if as_json:
        answer(rows)
        return
    width = max((len(str(row["name"])) for row in rows), default=0)
    for row in rows:
        print(f"{row['name']:<{width}}  {line(str(row['title']))}")


def _counts() -> dict[str, int]:
    """Kind -> how many there are."""
    from bench.config.layers import find_suites

    registry = components()
    sizes = {"suites": len(find_suites()), "metrics": len(registry.metrics)}
    return {kind: sizes[kind] if kind in sizes else len(registry.specs(kind[:-1])) for kind in KINDS}


def _title(suite: str) -> str:
    from bench.config.layers import read
    from bench.errors import UsageError

    try:
        return str(read(suite)[0].get("title", ""))
    except UsageError as error:
        return f"cannot be used: {error}"


@click.command()
@click.argument("name")
@JSON
def show(name: str, as_json: bool) -> None:
    """Show a method, dataset, scenario, metric or suite: parameters with defaults, paper, tags.

    NAME may also be the path of a suite file, the key of a cell (see: bench cell), or suite-schema:
    the JSON schema of suite files.
    """
    from bench.config.layers import find_suites
    from bench.config.suite import schema
    from bench.discovery.metric import MetricSpec

    if name == SCHEMA:
        answer(schema())
        return
    suites = find_suites()
    if name in suites or name.endswith(".toml"):
        _show_suite(name, as_json)
        return
    if re.fullmatch(KEY, name):
        from bench.cli.cells import cell

        context = click.get_current_context()
        context.invoke(cell, key=name, words=(), as_json=as_json)
        return
    specs = components().find(name, "the command line", {*suites, SCHEMA}, f"see: bench list {'|'.join(KINDS)}")
    described = [_described_metric(s) if isinstance(s, MetricSpec) else _describe(s) for s in specs]
    if as_json:
        answer(described)
        return
    for number, spec in enumerate(specs):
        text = _metric_text(spec) if isinstance(spec, MetricSpec) else _text(spec)
        print(("\n" if number else "") + text)


def _show_suite(name: str, as_json: bool) -> None:
    from bench.config.layers import Layers, read, resolve
    from bench.grid.described import axes_in_words

    tree, path = read(name)
    resolved = {"demo": resolve(Layers(tree, path, "demo", {}))}
    resolved |= {p: resolve(Layers(tree, path, p, {})) for p in tree.get("profiles", {}) if p != "demo"}
    if as_json:
        answer(resolved)
        return
    print(f"suite {name}: {line(str(tree.get('title', '')))}\n  {line(str(tree.get('summary', '')))}")
    print(f"  file: {path}\n  dataset: {tree.get('dataset', '')}")
    dataset = next((spec for spec in components().specs("dataset") if spec.name == tree.get("dataset")), None)
    if dataset and dataset.columns:
        print(f"  {COLUMNS}: {', '.join(dataset.columns)}")
    for profile, suite in resolved.items():
        print(f"  profile {profile}:")
        for axis, values in axes_in_words(suite).items():
            print(f"    {axis:<11}{values}")
    print(f"  run it: bench run suite={name}")


def _declared(spec: Spec | MetricSpec) -> dict[str, Any]:
    """What is declared of components and of metrics alike."""
    names = ("kind", "name", "version", "summary", "paper", "plugin", "path")
    return {name: getattr(spec, name) for name in names}


def _describe(spec: Spec) -> dict[str, Any]:
    import msgspec

    from bench.discovery.parameters import parameters

    return {
        **_declared(spec),
        "tags": sorted(spec.tags),
        "randomness": spec.randomness,
        "parameters": msgspec.to_builtins(parameters(spec.params)),
        "presets": {name: msgspec.to_builtins(choice) for name, choice in (spec.presets or {}).items()},
        "tasks": {name: task.summary for name, task in spec.tasks.items()},
        "modalities": list(spec.modalities),
        "splits": list(spec.splits),
        "columns": list(spec.columns),
        "space": {name: list(values) for name, values in spec.space.items()},
        "expected_failures": dict(spec.expected_failures),
    }


def _described_metric(spec: MetricSpec) -> dict[str, Any]:
    return {
        **_declared(spec),
        "tasks": list(spec.kinds),
        "higher": spec.higher,
        "chance": spec.chance,
        "undefined": spec.undefined,
        "asks": list(spec.asks),
    }


def _metric_text(spec: MetricSpec) -> str:
    from bench.discovery.metric import UNDEFINED

    lines = [f"metric {spec.name} (version {spec.version}, from {spec.plugin})", f"  {spec.summary}"]
    if spec.paper:
        lines.append(f"  paper: {spec.paper}")
    lines.append(f"  for {', '.join(spec.kinds)} tasks; {spec.direction}")
    if spec.chance is not None:
        lines.append(f"  an uninformed prediction scores {spec.chance:g}")
    lines.append(f"  undefined where {UNDEFINED[spec.undefined]}")
    if spec.asks:
        lines.append(f"  takes besides truth and predictions: {', '.join(spec.asks)}")
    lines.append(f"  compare methods by it: bench report suite=NAME metrics={spec.name}")
    return "\n".join(map(indented, lines))


def _text(spec: Spec) -> str:
    from bench.discovery.parameters import parameters
    from bench.discovery.spec import TAGS

    lines = [f"{spec.kind} {spec.name} (version {spec.version}, from {spec.plugin})", f"  {spec.summary}"]
    if spec.paper:
        lines.append(f"  paper: {spec.paper}")
    lines.append(f"  randomness: {spec.randomness}")
    lines += [f"  tag {tag}: {TAGS[tag]}" for tag in sorted(spec.tags)]
    if spec.modalities:
        lines.append(f"  modalities: {', '.join(spec.modalities)}")
    if spec.splits:
        lines.append(f"  splits of its own: {', '.join(spec.splits)}")
    if spec.columns:
        lines.append(f"  {COLUMNS}: {', '.join(spec.columns)}")
    lines += [
        f"  task {task.name} ({task.kind}; {', '.join(task.metrics)}): {task.summary}" for task in spec.tasks.values()
    ]
    rows = parameters(spec.params)
    lines.append("  parameters:" if rows else "  no parameters")
    prefix = "data" if spec.kind == "dataset" else f"{spec.kind}.{spec.name}"
    for row in rows:
        default = ",".join(map(str, row.default)) if isinstance(row.default, list | tuple) else row.default
        lines.append(f"    {prefix}.{row.name}={default} ({row.accepted}) {row.description}".rstrip())
    if spec.presets:
        lines.append(f"  presets ({prefix}.{spec.presets.parameter}); what is given wins:")
        lines += [f"    {name}: {_words(choice)}" for name, choice in spec.presets.items()]
    lines += [f"  tuning chooses {name} from: {', '.join(map(str, values))}" for name, values in spec.space.items()]
    lines += [f"  expected to fail {check}: {reason}" for check, reason in spec.expected_failures.items()]
    return "\n".join(map(indented, lines))


def _words(choice: Any) -> str:
    import msgspec

    return " ".join(f"{name}={value}" for name, value in msgspec.to_builtins(choice).items())


@click.command()
@JSON
def doctor(as_json: bool) -> None:
    """Say what this installation has, and which plugins are broken. Exit code 4 when one is."""
    import os
    import shutil
    from pathlib import Path

    from bench.config.command import Settings
    from bench.config.layers import broken_packages, find_suites
    from bench.data import places
    from bench.data.location import locate
    from bench.errors import BenchError
    from bench.execute import device
    from bench.registry import KINDS as COMPONENTS
    from bench.results import provenance

    registry = components()
    settings = Settings()
    kind = device.resolve("auto")
    facts: dict[str, Any] = {
        **provenance.surroundings(),
        "device": device.name(kind),
        "cores": device.cores(),
        "gpus": list(device.gpus().values()),
        "torch built for": f"CUDA {device.torch_cuda()}" if device.torch_cuda() else "CPU",
        "cache": str(settings.cache_folder()),
        "suites": sorted(find_suites()),
        **{f"{name}s": registry.names(name) for name in (*COMPONENTS, "metric")},
    }
    for folder in (settings.cache_folder(), Path.cwd()):
        existing = next(p for p in [folder, *folder.parents] if p.exists())
        writable = "writable" if os.access(existing, os.W_OK) else "NOT writable"
        facts[f"space at {folder}"] = f"{shutil.disk_usage(existing).free / 2**30:.1f} GiB free, {writable}"
    if earlier := places.earlier(settings.cache_folder()):
        held = sum(map(places.size, earlier)) / 2**20
        facts["earlier cache"] = f"{held:,.1f} MiB that nothing reads any more; free it: bench cache prune"
    for spec in registry.specs("dataset"):
        try:
            root, files, _ = locate(spec, spec.parameters({}), "", settings.cache_folder())
            facts[f"data {spec.name}"] = f"{len(files)} files in {root}" if files else "generated"
        except BenchError as error:
            facts[f"data {spec.name}"] = f"not found: {error}"
    unloadable = []
    for name in (*COMPONENTS, "metric"):
        for spec in registry.specs(name):
            try:
                spec.load()
            except BenchError as error:
                unloadable.append(str(error))
    broken = [*(f"{b.plugin}: {b.reason}" for b in registry.broken), *broken_packages()]
    if as_json:
        answer({**facts, "broken": broken, "unloadable": unloadable})
    else:
        for key, value in facts.items():
            print(f"{key:<22} {', '.join(value) if isinstance(value, list) else value}")
        for each in broken:
            print(f"BROKEN PLUGIN          {line(each)}")
        for each in unloadable:
            print(f"CANNOT BE LOADED       {line(each)}")
    sys.exit(4 if broken or unloadable else 0)
