"""Suites: typed TOML files. A stranger's suites are found through the entry-point group `bench.suites`."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from bench.errors import UsageError, nearest, unknown
from bench.overrides import merge
from bench.records import Published
from bench.typed import convert

AXES = ("task", "modalities", "scenario", "imputer", "fuser", "seed")
"""The axes of the grid; also the words of the command line that replace `grid.*`."""


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How groups are parted: the suite's own seed, never a cell's."""

    seed: int = 0
    fractions: tuple[float, float, float] = (0.70, 0.15, 0.15)


class Grid(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is run when the command line does not say otherwise."""

    task: tuple[str, ...]
    modalities: tuple[str, ...] = ("all",)
    scenario: tuple[str, ...] = ("natural",)
    imputer: tuple[str, ...]
    fuser: tuple[str, ...]
    seed: tuple[int, ...]


class Controls(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Imputers and fusers that are always in the grid, so that a table shows what is gained over them."""

    imputer: tuple[str, ...] = ("none", "mask_only", "mean")
    fuser: tuple[str, ...] = ("linear",)


class Scaling(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Standardisation by visible training entries; values beyond `winsorise` standard deviations are set to it."""

    winsorise: float = 10.0


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one cell may use: wall time and memory (anonymous, of its worker process)."""

    time: str = "1h"
    memory: str = "16GiB"


class Stats(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Paired bootstrap over groups x seeds."""

    resamples: int = 1000
    alpha: float = 0.05
    seed: int = 0


class Audits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which audit cells are added: one of each per task and fuser, on the first scenario, imputer and seed."""

    cells: tuple[str, ...] = ("permuted-labels", "repeat")


class Suite(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A suite, after its profile and the command line were laid over the file. See docs/suites.md."""

    name: str
    title: str
    dataset: str
    grid: Grid
    summary: str = ""
    data: dict[str, Any] = {}
    split: Split = Split()
    modalities: dict[str, tuple[str, ...]] = {}
    draws: int = 1
    controls: Controls = Controls()
    scaling: Scaling = Scaling()
    limits: Limits = Limits()
    stats: Stats = Stats()
    audits: Audits = Audits()
    scenario: dict[str, dict[str, Any]] = {}
    imputer: dict[str, dict[str, Any]] = {}
    fuser: dict[str, dict[str, Any]] = {}
    profiles: dict[str, dict[str, Any]] = {}
    published: tuple[Published, ...] = ()


def find_suites() -> dict[str, Path]:
    """Name -> file of every installed suite: the stems of `*.toml` in the packages under `bench.suites`."""
    packages = {entry.value for entry in importlib.metadata.entry_points(group="bench.suites")} | {"bench_suites"}
    found: dict[str, Path] = {}
    for package in sorted(packages, key=lambda name: (name != "bench_suites", name)):
        try:
            folder = importlib.resources.files(package)
        except ModuleNotFoundError:
            continue
        for file in sorted(Path(str(folder)).glob("*.toml")):
            found.setdefault(file.stem, file)
    return found


def read(name: str, origin: str = "the command line") -> tuple[dict[str, Any], Path]:
    """The plain tree of a suite, by name or by path to a .toml file, and where it stands."""
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UsageError(f'suite file "{name}" (from {origin}) does not exist')
    else:
        suites = find_suites()
        if name not in suites:
            raise unknown("suite", name, suites, origin, "see all with: bench list suites")
        path = suites[name]
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), path
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"suite file {path} is not valid TOML: {error}") from error


def resolve(tree: Mapping[str, Any], path: Path, profile: str, overrides: Mapping[str, Any]) -> Suite:
    """The typed suite: file, then profile, then overrides (a plain tree of the same shape).

    Raises UsageError naming the key, the file with its line or the command line, and the nearest accepted key.
    """
    profiles = tree.get("profiles", {})
    if profile not in profiles and profile != "demo":
        raise unknown("profile", profile, {*profiles, "demo"}, "the command line")
    layers = [
        (dict(tree), f"{path.name}"),
        (profiles.get(profile, {}), f"profile {profile} of {path.name}"),
        (overrides, "the command line"),
    ]
    text = path.read_text(encoding="utf-8")
    for layer, origin in layers:
        _check_keys(layer, origin, text)
    whole: dict[str, Any] = {}
    for layer, _ in layers:
        whole = merge(whole, layer)
    suite = convert(whole, Suite, "", f"suite {path.name} with profile {profile}")
    if abs(sum(suite.split.fractions) - 1) > 1e-9 or min(suite.split.fractions) <= 0:
        raise UsageError(
            f'"split.fractions" = {list(suite.split.fractions)} must be positive and sum to 1 ({path.name})'
        )
    return suite


def _check_keys(layer: Mapping[str, Any], origin: str, text: str) -> None:
    """Refuse unknown keys of a layer with the line they stand on; types are checked once, on the whole."""
    for dotted, known in _unknown_keys(layer, Suite, ""):
        where = origin if origin == "the command line" else f"{origin}{_line(text, dotted)}"
        raise UsageError(
            f'key "{dotted}" is not known (from {where}); {nearest(dotted, known)}accepted: {", ".join(sorted(known))}'
        )


def _unknown_keys(layer: Mapping[str, Any], struct: type, prefix: str) -> Iterator[tuple[str, list[str]]]:
    fields = {f.name: f.type for f in msgspec.structs.fields(struct)}
    for key, value in layer.items():
        if key not in fields:
            yield prefix + key, [prefix + name for name in fields]
        elif isinstance(fields[key], type) and issubclass(fields[key], msgspec.Struct) and isinstance(value, Mapping):
            yield from _unknown_keys(value, fields[key], f"{prefix}{key}.")
        elif prefix + key == "profiles" and isinstance(value, Mapping):
            for name, fragment in value.items():
                yield from _unknown_keys(fragment, Suite, f"profiles.{name}.")


def _line(text: str, dotted: str) -> str:
    last = re.escape(dotted.rsplit(".", 1)[-1])
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(rf"\s*(\[+.*\b{last}\b.*\]|[\"']?{last}[\"']?\s*=)", line):
            return f", line {number}"
    return ""
