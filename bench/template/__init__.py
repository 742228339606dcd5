"""What `bench new plugin NAME` writes: a working package with an imputer, a fuser, a
federation and their contract tests.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import importlib.util
import keyword
import re
import sys
from pathlib import Path
from string import Template

import bench
from bench.errors import UsageError
from bench.files import write_text

FILES = {
    "pyproject.toml.template": "pyproject.toml",
    "README.md.template": "README.md",
    "init.py.template": "src/{module}/__init__.py",
    "plugin.py.template": "src/{module}/plugin.py",
    "imputer.py.template": "src/{module}/imputer.py",
    "fuser.py.template": "src/{module}/fuser.py",
    "federation.py.template": "src/{module}/federation.py",
    "test_contract.py.template": "tests/test_contract.py",
}
"""Template -> where it goes, in the folder of the new package."""


def render(name: str, folder: Path) -> list[Path]:
    """Write the package `name` into `folder`; returns the files, in order.

    name: of the distribution, such as "gap-filler"; the package is called the same with
    underscores. Raises UsageError when that is no usable name or a file is in the way (nothing is
    written then). Raises StorageError when it cannot be written; what was written before that is
    removed again.
    """
    module, own = _module(name), importlib.resources.files(__name__)
    values = {
        "distribution": module.replace("_", "-"),
        "module": module,
        "title": "".join(part.capitalize() for part in module.split("_")),
        "contract": str(bench.CONTRACT),
        "version": bench.__version__,
    }
    texts = {
        folder / place.format(module=module): Template((own / template).read_text(encoding="utf-8")).substitute(values)
        for template, place in FILES.items()
    }
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            f'"{folder}" (from the command line) is a file; name a folder that is new or has none of these files'
        )
    in_the_way = [str(path) for path in texts if path.exists()]
    if in_the_way:
        raise UsageError(
            f"these files exist and are not overwritten: {', '.join(in_the_way)}; choose another folder: "
            f"bench new plugin {name} FOLDER"
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


def _module(name: str) -> str:
    """The import name of a new package, or UsageError."""
    accepted = 'small letters, digits and single hyphens or underscores, beginning with a letter, such as "gap-filler"'
    if not re.fullmatch(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*", name):
        raise UsageError(f'plugin name "{name}" (from the command line) is not accepted; accepted: {accepted}')
    module = name.replace("-", "_")
    taken = {"bench", "bench_datasets", "bench_imputers", "bench_fusers", "bench_suites", "gapbench", "tests"}
    why = f'"{module}" is a word of Python' if keyword.iskeyword(module) else ""
    if module in sys.stdlib_module_names or module in taken or importlib.util.find_spec(module):
        why = f'a package "{module}" exists already'
    if why:
        raise UsageError(f'plugin name "{name}" (from the command line) is not accepted: {why}; accepted: {accepted}')
    return module
