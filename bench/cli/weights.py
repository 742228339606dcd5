"""`bench weights`: what imputers have learnt, as files that travel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.main import JSON, LazyGroup, answer, components, say

if TYPE_CHECKING:
    import numpy as np

    from bench.grid.cell import Cell
    from bench.registry import Registry
    from bench.run.last_run import LastRun
    from bench.stages.weights import WeightsRecord


@click.group(cls=LazyGroup)
def weights() -> None:
    """Save what an imputer has learnt, check and install what somebody else has saved, list what
    is there.
    """


weights.lazy = {
    "save": ("bench.cli.weights:save", "Write what an imputer of the last run has learnt, with its record."),
    "load": ("bench.cli.weights:load", "Check a file of weights and install it in the cache."),
    "list": ("bench.cli.weights:list_", "List weights in a folder, or those that are installed."),
}


@click.command()
@click.argument(
    "words", nargs=-1, metavar="suite=NAME imputer=NAME to=FILE.safetensors [by=WHO] [licence=TEXT] [KEY=VALUE]..."
)
def save(words: tuple[str, ...]) -> None:
    """Write what one imputer of the last run has learnt, with the record of how; a copy of the
    record stands beside it.

    Words: suite, out, cache, data.root; imputer, seed, scenario, modalities where the run has
    several; by and licence are put into the record. What was learnt from patients may be as
    protected as they are: the terms of the data set decide.
    """
    from bench.cli.words import values_by_key
    from bench.errors import UsageError
    from bench.grid.axes import OF_IMPUTATION
    from bench.run.last_run import choose, imputations, last_run, only
    from bench.stages.weights import write

    values = values_by_key(words, ("suite", "out", "cache", "data.root", "to", "by", "licence"), OF_IMPUTATION)
    for needed in ("suite", "imputer", "to"):
        if needed not in values:
            raise UsageError(f'"{needed}" is missing; for example: bench weights save suite=NAME imputer=NAME to=FILE')
    one = {key: texts[0] for key, texts in values.items()}
    registry = components()
    run = last_run(one["suite"], one.get("out", "results"), registry, one.get("cache", ""), one.get("data.root", ""))
    cells = choose(imputations(run), {axis: values[axis] for axis in OF_IMPUTATION if axis in values})
    for axis in OF_IMPUTATION:
        only(cells, axis)
    state, record = _learnt(cells[0], run, registry)
    record.by = one.get("by", "")
    record.licence = one.get("licence") or f"not stated; ask what the terms of {record.dataset} allow"
    path = Path(one["to"]).expanduser()
    write(path, state, record)
    say(f"{record.component}: {record.size()}")
    if not run.planned.synthetic:
        say(f"these weights were learnt from records of {record.dataset}: pass them on only where its terms allow it")
    print(path)


def _learnt(cell: Cell, run: LastRun, registry: Registry) -> tuple[dict[str, np.ndarray], WeightsRecord]:
    """The state an imputation left in the cache, and its record."""
    import msgspec
    import numpy as np

    import bench
    from bench import arrays
    from bench.errors import UsageError
    from bench.grid.identity import sources
    from bench.run.last_run import missing, seen_of
    from bench.stages import artifacts
    from bench.stages.imputing import load
    from bench.stages.weights import WeightsRecord, channels_of, cut_of

    name = cell.imputer.name
    spec = registry.get("imputer", name)
    if {"hides_values", "leaves_nan"} & spec.tags:
        raise UsageError(f"{name} is a control that fills in nothing: it has no weights to save")
    if cell.imputer.weights:
        raise UsageError(f"{cell.imputer.label} was not trained in this run but loaded; pass on the file it came from")
    store, key = run.setup.store, cell.keys["impute"]
    if not artifacts.is_imputed(store, key):
        raise missing(f"the imputation of {cell.imputer.label}", run)
    file = store.open(artifacts.imputation(key, "state.safetensors"))
    if not file.is_file():
        raise UsageError(f"{name} learns nothing that could be saved; see: bench show {name}")
    state, _ = arrays.read(file)
    seen = seen_of(cell, run, registry)
    imputation = load(store, key)
    *modalities, statics = channels_of(seen.cohort, seen.scaler)
    source, libraries = sources(spec.path.partition(":")[0])
    suite, plan = run.prepared.request.suite, run.prepared.plan
    dataset = registry.get("dataset", suite.dataset)
    record: WeightsRecord = WeightsRecord(
        component=name,
        version=spec.version,
        params=cell.imputer.params,
        source=source,
        libraries=libraries,
        parameters=int(imputation.costs.get("imputer_parameters", 0)),
        suite=suite.name,
        dataset=dataset.name,
        synthetic=run.prepared.synthetic,
        data=msgspec.to_builtins(dataset.parameters(suite.data)),
        manifest=plan.manifest,
        split=cell.split.identity(),
        train_records=int(np.sum(seen.parts == 0)),
        scenario=cell.scenario.label,
        scenario_params=cell.scenario.params,
        seed=cell.coordinates.seed,
        modalities=modalities,
        statics=statics,
        cut=cut_of(seen.scaler),
        length=seen.cohort.length,
        bin_hours=seen.cohort.bin_hours,
        budget={"fit_seconds": imputation.costs["impute_fit_seconds"]},
        device=plan.device if "torch" in spec.tags else "cpu",
        scores=imputation.scores,
        arrays={},
        gapbench=bench.__version__,
    )
    return state, record


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("words", nargs=-1, metavar="[cache=DIR]")
def load(file: Path, words: tuple[str, ...]) -> None:
    """Check a file of weights and install it in the cache, where weights=DIGEST finds it. Prints
    its digest.
    """
    from bench.cli.words import values_by_key
    from bench.config.command import Settings
    from bench.stages.weights import install, read

    values = values_by_key(words, ("cache",), ())
    weights = read(file.expanduser())
    spec = components().get("imputer", weights.record.component, f"the weights {file}")
    spec.parameters(weights.record.params, f"the weights {file}")
    install(weights, Settings(cache=values.get("cache", ("",))[0]).cache_folder())
    for line in _lines(weights.record):
        say(line)
    if warning := _sources_differ(weights.record, spec.path):
        say(f"warning: {warning}")
    say(f"use them: bench run suite=NAME imputer={weights.record.component} weights={weights.name}")
    print(weights.digest)


def _lines(record: WeightsRecord) -> list[str]:
    scores = record.scores.get("all", {})
    shown = ", ".join(f"{name} {scores[name]:.4f}" for name in ("mae", "rmse", "crps") if name in scores)
    channels = sum(len(part.channels) for part in record.modalities)
    return [
        record.in_words(),
        f"{record.size()}; {channels} channels of {', '.join(part.modality for part in record.modalities)}; "
        f"{record.length} bins of {record.bin_hours:g} h",
        f"scores on its own hidden test entries: {shown or 'none, nothing was hidden'}",
        f"licence: {record.licence or 'not stated'}",
    ]


def _sources_differ(record: WeightsRecord, path: str) -> str:
    from bench.grid.identity import sources

    source, _ = sources(path.partition(":")[0])
    return "" if source == record.source else f"the code of {record.component} was edited since these weights were made"


@click.command("list")
@click.argument("words", nargs=-1, metavar="[DIR] [cache=DIR]")
@JSON
def list_(words: tuple[str, ...], as_json: bool) -> None:
    """List the weights in a folder; without one, those that are installed in the cache."""
    from bench.cli.words import values_by_key
    from bench.config.command import Settings
    from bench.errors import BenchError, UsageError
    from bench.stages.weights import folder, read

    folders = [word for word in words if "=" not in word]
    if len(folders) > 1:
        raise UsageError(f"one folder is listed at a time, got {len(folders)}: {', '.join(folders)}")
    values = values_by_key(tuple(word for word in words if "=" in word), ("cache",), ())
    place = (
        Path(folders[0]).expanduser()
        if folders
        else folder(Settings(cache=values.get("cache", ("",))[0]).cache_folder())
    )
    if folders and not place.is_dir():
        raise UsageError(f"there is no folder {place}; without one, what is installed is listed: bench weights list")
    files = []
    for path in sorted(place.glob("*.safetensors")):
        try:
            files.append(read(path))
        except (BenchError, OSError) as error:
            say(f"warning: {error}")
    if as_json:
        answer([{"name": w.name, "digest": w.digest, "file": str(w.path), "record": w.record} for w in files])
        return
    for one in files:
        mae = one.record.scores.get("all", {}).get("mae")
        print(f"{one.name}  {one.record.in_words()}" + (f", MAE {mae:.4f}" if mae is not None else ""))
        print(f"          {one.path}")
    if not files:
        say(f"no weights in {place}")
