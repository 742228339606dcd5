"""`bench data`: list, fetch, verify, embed."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

import click

from bench.cli.main import JSON, LazyGroup, answer, components, say

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bench.cohort import Count
    from bench.registry import Embedder, Registry, Spec

WORDS = click.argument("words", nargs=-1, metavar="[data.root=DIR] [data.KEY=VALUE]... [cache=DIR]")


@click.group(cls=LazyGroup)
def data() -> None:
    """List, fetch, verify or embed data."""


data.lazy = {
    "list": ("bench.cli.data:list_", "List datasets and whether their files are here."),
    "fetch": ("bench.cli.data:fetch", "Download a dataset that needs no credentials; goes on where it stopped."),
    "verify": ("bench.cli.data:verify", "Read a dataset and say what is in it, and what was left out or repaired."),
    "embed": (
        "bench.cli.data:embed",
        "Make a modality's prepared embeddings with a torch model; goes on where it stopped.",
    ),
}


WHERE = ("modality", "from", "to", "device")
"""Words of `bench data embed` beside the embedder's own parameters."""


def _understand(name: str, words: tuple[str, ...], registry: Registry) -> tuple[Spec, Any, str, Path]:
    """The dataset, its typed parameters, the data.root that was given, and the cache."""
    from bench.config.command import Settings
    from bench.config.conversion import convert, is_many, types_of
    from bench.config.request import several, single
    from bench.config.words import ORIGIN, parse
    from bench.errors import unknown

    spec = registry.get("dataset", name, ORIGIN)
    known = types_of(spec.params)
    values: dict[str, Any] = {}
    root, cache = "", ""
    for word in parse(words):
        key = word.key.removeprefix("data.")
        if word.key == "data.root":
            root = single(word, str)
        elif word.key == "cache":
            cache = single(word, str)
        elif word.key.startswith("data.") and key in known:
            values[key] = several(word, known[key]) if is_many(known[key]) else single(word, known[key])
        else:
            raise unknown("key", word.key, ["data.root", "cache", *(f"data.{k}" for k in known)], ORIGIN)
    params = convert(values, spec.params, "data", ORIGIN)
    return spec, params, root, Settings(cache=cache).cache_folder()


@click.command("list")
@JSON
def list_(as_json: bool) -> None:
    """List datasets and whether their files are here."""
    from bench.config.command import Settings
    from bench.data.location import locate
    from bench.errors import BenchError

    registry = components()
    rows = []
    for spec in registry.specs("dataset"):
        row = {
            "name": spec.name,
            "title": spec.summary,
            "fetchable": bool(spec.fetch) and not spec.fetch_name,
            "root": "",
            "files": 0,
            "reason": "",
        }
        try:
            root, files, _ = locate(spec, spec.parameters({}), "", Settings().cache_folder())
            row |= {"root": str(root), "files": len(files)}
        except BenchError as error:
            row["reason"] = str(error)
        rows.append(row)
    if as_json:
        answer(rows)
        return
    for row in rows:
        here = f"{row['files']} files in {row['root']}" if row["root"] else f"not here: {row['reason']}"
        print(f"{row['name']}  {row['title']}\n  {here}")


@click.command()
@click.argument("name")
@WORDS
def fetch(name: str, words: tuple[str, ...]) -> None:
    """Download a dataset that needs no credentials into data.root (default: the cache). Goes on
    where it stopped.
    """
    from pathlib import Path

    from bench.config.words import ORIGIN
    from bench.data.location import fetched, forget_kept
    from bench.errors import DataError, unknown

    registry = components()
    parts = {spec.fetch_name: spec.name for spec in registry.specs("dataset") if spec.fetch_name}
    if name not in parts and name not in registry.names("dataset"):
        raise unknown("dataset", name, [*registry.names("dataset"), *parts], ORIGIN)
    spec, params, root, cache = _understand(parts.get(name, name), words, registry)
    if not spec.fetch:
        raise DataError(f"{name} cannot be downloaded by a program; see: bench show {name}")
    if spec.fetch_name and name != spec.fetch_name:
        raise DataError(
            f"{name} as a whole cannot be downloaded by a program (see: bench show {name}); what of it is open to everybody "
            f"can: bench data fetch {spec.fetch_name}"
        )
    folder = Path(root).expanduser().absolute() if root else fetched(cache)
    forget_kept(folder, cache)
    spec.call(spec.fetch, folder, params, say)
    print(folder)


@click.command()
@click.argument("name")
@WORDS
@JSON
def verify(name: str, words: tuple[str, ...], as_json: bool) -> None:
    """Read a dataset and say what is in it, and what was left out or repaired."""
    import time

    import msgspec
    import numpy as np

    from bench.components import Context
    from bench.data import counted
    from bench.data.location import SYNTHETIC, locate
    from bench.data.manifest import manifest
    from bench.data.release import release_of
    from bench.stages.validate import validate

    registry = components()
    spec, params, root, cache = _understand(name, words, registry)
    folder, files, synthetic = locate(spec, params, root, cache, say, only_there=root != SYNTHETIC)
    spec = registry.look_into(spec, folder, params)
    digest = manifest(files, cache) if files else spec.version
    entries = spec.call(spec.verify, folder, params) if spec.verify else []
    if not as_json:
        for entry in entries:
            print(f"{entry['status']:<8} {entry['item']}: {entry['detail']}")
    started = time.perf_counter()
    everything_trains = "uses_split" in spec.tags
    context = Context(
        report=say, parts=(lambda ids, groups: np.zeros(len(groups), np.int8)) if everything_trains else None
    )
    cohort = spec.build(params).prepare(folder, context)
    seconds = time.perf_counter() - started
    validate(cohort, spec)
    if files:
        counted.remember(spec.name, digest, len(cohort), cache)

    summary: dict[str, Any] = {
        "dataset": name,
        "root": str(folder),
        "synthetic": synthetic,
        "manifest": digest,
        "release": release_of(spec, params, folder, synthetic, digest, cache),
        "files": {
            str(f.relative_to(folder)) if f.is_relative_to(folder) else f.name: f.stat().st_size for f in files[:50]
        },
        "found": entries,
        "records": len(cohort),
        "groups": len(np.unique(cohort.groups)),
        "modalities": {
            m: {
                "channels": list(s.channels),
                "observed share": round(float(s.observed.mean()), 4),
                "records with any": int(s.available.sum()),
                "events": len(s.events.times),
            }
            for m, s in cohort.modalities.items()
        },
        "tasks": {
            t: {
                "known": int((~np.isnan(v)).reshape(len(v), -1).all(1).sum()),
                "labels": int(np.prod(v.shape[1:])),
                **({"positives": int(np.nansum(v))} if spec.tasks[t].kind in ("binary", "multilabel") else {}),
            }
            for t, v in cohort.targets.items()
        },
        "counts": msgspec.to_builtins(cohort.counts),
        "seconds": round(seconds, 2),
    }
    if as_json:
        answer(summary)
        return
    generated = " (a generated cohort, not real records)" if synthetic else ""
    print(f"{name} in {folder}{generated}\n  digest of the data {digest}")
    if summary["release"] and not synthetic:
        print(f"  {summary['release']}")
    print(f"  {len(files)} files, {len(cohort)} records, read in {seconds:.1f} s")
    for m, about in summary["modalities"].items():
        share, records = about["observed share"], about["records with any"]
        print(f"  {m}: {len(about['channels'])} channels, {share:.1%} of hours observed, {records} records")
    for t, about in summary["tasks"].items():
        print(f"  task {t}: {about['known']} records with a known outcome{_positives(about)}")
    _print_counts(cohort.counts)


def _positives(about: dict[str, Any]) -> str:
    if "positives" not in about or not about["known"]:
        return ""
    if about["labels"] == 1:
        return f", {about['positives']} positive"
    each = about["positives"] / about["known"]
    return f", {about['positives']} positive labels over {about['labels']} labels, {each:.2f} a record"


def _print_counts(counts: Mapping[str, Count]) -> None:
    """In two blocks: what the cohort lacks or holds otherwise than it was recorded, and what
    there is.
    """
    lines = {what: f"    {count.number:>8}  {what}" for what, count in counts.items()}
    changed = [line for what, line in lines.items() if counts[what].kind != "found"]
    there = [line for what, line in lines.items() if counts[what].kind == "found"]
    print("\n".join(["  left out or repaired:", *changed] if changed else ["  nothing was left out or repaired"]))
    if there:
        print("\n".join(["  also counted:", *there]))


@click.command()
@click.argument("name")
@click.argument("words", nargs=-1, metavar="modality=NAME from=DIR model=MODEL to=FILE [KEY=VALUE]... [data.root=DIR]")
@JSON
def embed(name: str, words: tuple[str, ...], as_json: bool) -> None:
    """Make a modality's prepared embeddings out of raw files, with a torch model that you name.

    from: the folder of the raw files; to: the file that is written. With data.root, only what was
    recorded in a stay of that dataset. Goes on where an earlier attempt stopped.
    """
    import os
    from pathlib import Path

    from bench.components import Context
    from bench.data.location import locate

    registry = components()
    of_data = [word.startswith(("cache=", "data.")) for word in words]
    spec, data_params, root, cache = _understand(
        name, tuple(word for word, theirs in zip(words, of_data, strict=True) if theirs), registry
    )
    embedder, params, where, device = _embedding(
        spec, [word for word, theirs in zip(words, of_data, strict=True) if not theirs]
    )
    folder = None
    if root or os.environ.get("BENCH_DATA_ROOT"):
        folder = locate(spec, data_params, root, cache, say).root
        say(f"embedding what was recorded in a stay of {folder}")
    summary = spec.call(
        embedder.path,
        source=Path(where["from"]).expanduser(),
        to=Path(where["to"]).expanduser().absolute(),
        params=params,
        data=data_params,
        root=folder,
        context=Context(device=device, report=say),
    )
    if as_json:
        answer(summary)
        return
    if not summary["made"]:
        say("it was there already; to make it again, remove it first")
    left_out = sum(summary["unreadable"].values())
    print(
        f"{summary['file']}\n  {summary['rows']:,} vectors of {summary['width']} numbers, "
        f"{left_out:,} files could not be embedded"
    )
    print(f"  model {summary['model']}, sha256 {summary['model_sha256']}\n  {summary['preprocessing']}")


def _embedding(spec: Spec, words: list[str]) -> tuple[Embedder, Any, dict[str, str], str]:
    """The embedder, its typed parameters, the given modality, from and to, and the device."""
    from bench.config.command import Settings
    from bench.config.conversion import convert, is_many, types_of
    from bench.config.request import several, single
    from bench.config.words import ORIGIN, merge, parse
    from bench.errors import DataError, UsageError, unknown
    from bench.execute import device

    if not spec.embed:
        raise DataError(f"{spec.name} has nothing to embed: it reads no prepared embeddings")
    parsed = parse(words)
    where = {word.key: single(word, str) for word in parsed if word.key in WHERE}
    for key in ("modality", "from", "to"):
        if not where.get(key):
            hint = f"accepted: {', '.join(sorted(spec.embed))}" if key == "modality" else f"give {key}=PATH"
            raise UsageError(f'"{key}" is required and was not given (from {ORIGIN}); {hint}')
    if where["modality"] not in spec.embed:
        raise unknown("modality", where["modality"], spec.embed, ORIGIN)
    embedder = spec.embed[where["modality"]]
    known = types_of(embedder.params)
    values: dict[str, Any] = {}
    for word in parsed:
        head, _, rest = word.key.partition(".")
        if word.key in WHERE:
            continue
        if head not in known or bool(rest) != (typing.get_origin(known[head]) is dict):
            raise unknown("key", word.key, [*WHERE, *known, "data.root", "cache"], ORIGIN)
        kind = typing.get_args(known[head])[1] if rest else known[head]
        value: Any = several(word, kind) if is_many(kind) else single(word, kind)
        values = merge(values, {head: {rest: value}} if rest else {head: value})
    settings = convert({"device": where.get("device", "auto")}, Settings, "", ORIGIN)
    return embedder, convert(values, embedder.params, "", ORIGIN), where, device.resolve(settings.device)
