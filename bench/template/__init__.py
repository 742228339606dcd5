"""What `bench new` writes: a working package of methods or of a dataset with its contract tests,
or a suite of tables of one's own.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import importlib.util
import keyword
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from string import Template

import bench
from bench.config.layers import find_suites
from bench.config.words import ORIGIN
from bench.errors import UsageError
from bench.files import write_text
from bench.template.made_up import tables
from bench.text.names import check

PLUGIN = {
    "pyproject.toml.template": "pyproject.toml",
    "README.md.template": "README.md",
    "init.py.template": "src/{module}/__init__.py",
    "plugin.py.template": "src/{module}/plugin.py",
    "imputer.py.template": "src/{module}/imputer.py",
    "fuser.py.template": "src/{module}/fuser.py",
    "federation.py.template": "src/{module}/federation.py",
    "test_contract.py.template": "tests/test_contract.py",
}
DATASET = {
    "dataset/pyproject.toml.template": "pyproject.toml",
    "dataset/README.md.template": "README.md",
    "dataset/init.py.template": "src/{module}/__init__.py",
    "dataset/plugin.py.template": "src/{module}/plugin.py",
    "dataset/files.py.template": "src/{module}/files.py",
    "dataset/dataset.py.template": "src/{module}/dataset.py",
    "dataset/generate.py.template": "src/{module}/generate.py",
    "dataset/suite.toml.template": "suite.toml",
    "dataset/test_contract.py.template": "tests/test_contract.py",
}
SUITE = {
    "suite/suite.toml.template": "{name}.toml",
    "suite/longcsv.toml.template": "longcsv.toml",
}
"""Template -> where it goes, in the new folder."""


def render(name: str, folder: Path) -> list[Path]:
    """Write the package `name` of methods into `folder`; returns the files, in order.

    name: of the distribution, such as "gap-filler"; the package is called the same with
    underscores. Raises UsageError when that is no usable name or a file is in the way (nothing is
    written then). Raises StorageError when it cannot be written; what was written before that is
    removed again.
    """
    return _written(_rendered(PLUGIN, _of_package("plugin", name), folder), folder, f"plugin {name}")


def render_dataset(name: str, folder: Path) -> list[Path]:
    """The same for a package with a dataset and a suite of it."""
    return _written(_rendered(DATASET, _of_package("dataset", name), folder), folder, f"dataset {name}")


def render_suite(name: str, folder: Path) -> list[Path]:
    """The same for a suite of tables of one's own: the suite, what the tables hold, and two
    made-up tables.
    """
    check("suite", name, ORIGIN)
    if name in find_suites():
        raise UsageError(f'suite name "{name}" (from {ORIGIN}) is that of an installed suite; choose another')
    texts = _rendered(SUITE, {"name": name, "folder": shlex.quote(str(folder))}, folder)
    texts |= {folder / file: text for file, text in tables().items()}
    return _written(texts, folder, f"suite {name}")


def _of_package(kind: str, name: str) -> dict[str, str]:
    module = _module(kind, name)
    return {
        "distribution": module.replace("_", "-"),
        "module": module,
        "title": "".join(part.capitalize() for part in module.split("_")),
        "contract": str(bench.CONTRACT),
        "version": bench.__version__,
    }


def _rendered(templates: Mapping[str, str], values: Mapping[str, str], folder: Path) -> dict[Path, str]:
    own = importlib.resources.files(__name__)
    return {
        folder / place.format(**values): Template((own / template).read_text(encoding="utf-8")).substitute(values)
        for template, place in templates.items()
    }


def _written(texts: Mapping[Path, str], folder: Path, what: str) -> list[Path]:
    """The files, once they are written. what: the words of the command behind `bench new`."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            f'"{folder}" (from the command line) is a file; name a folder that is new or has none of these files'
        )
    in_the_way = [str(path) for path in texts if path.exists()]
    if in_the_way:
        raise UsageError(
            f"these files exist and are not overwritten: {', '.join(in_the_way)}; choose another folder: "
            f"bench new {what} FOLDER"
        )
    written: list[Path] = []
    new_folders = {parent for path in texts for parent in path.parents if not parent.exists()}
    try:
        for path, text in texts.items():
            write_text(path, text)
            written.append(path)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        for parent in sorted(new_folders, key=lambda p: len(p.parts), reverse=True):
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise
    return written


def _module(kind: str, name: str) -> str:
    """The import name of a new package, or UsageError."""
    accepted = 'small letters, digits and single hyphens or underscores, beginning with a letter, such as "gap-filler"'
    if not re.fullmatch(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*", name):
        raise UsageError(f'{kind} name "{name}" (from the command line) is not accepted; accepted: {accepted}')
    module = name.replace("-", "_")
    taken = {"bench", "bench_datasets", "bench_imputers", "bench_fusers", "bench_suites", "gapbench", "tests"}
    why = f'"{module}" is a word of Python' if keyword.iskeyword(module) else ""
    if module in sys.stdlib_module_names or module in taken or importlib.util.find_spec(module):
        why = f'a package "{module}" exists already'
    if why:
        raise UsageError(f'{kind} name "{name}" (from the command line) is not accepted: {why}; accepted: {accepted}')
    return module
