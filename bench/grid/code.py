"""What a source file says to Python: a digest without comments and words for people, and what it
imports.

To parse all sources that a plan asks about takes a second, so what was found is kept in the cache,
by the SHA-256 of the file.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import sys
from pathlib import Path

import msgspec

from bench.data.places import cache_folder
from bench.errors import BenchError
from bench.files import write_bytes
from bench.results.sealed import seal, unseal

FORMAT = 2
"""Raised by hand when the digest or the imports of the same file would come out differently."""

MOST = 20_000
"""Files that are remembered."""


class Import(msgspec.Struct, frozen=True, array_like=True):
    """One import statement. level: the dots before a relative one. names: empty for `import
    module`.
    """

    module: str
    names: tuple[str, ...] = ()
    level: int = 0


class Code(msgspec.Struct, frozen=True, array_like=True):
    """digest: of the syntax tree without docstrings and descriptions (`Meta(description=...)`);
    imports: all import statements, at any place in it.
    """

    digest: str
    imports: tuple[Import, ...] = ()


_known: dict[str, Code] = {}
_loaded: set[Path] = set()
_new: set[str] = set()


def code_of(content: bytes) -> Code:
    """What a source file says. One that cannot be parsed has the digest of its bytes, and
    imports nothing.
    """
    key = hashlib.sha256(content).hexdigest()
    if key not in _known and (path := _file()) not in _loaded:
        _loaded.add(path)
        with contextlib.suppress(OSError, ValueError):
            _known.update(msgspec.json.decode(unseal(path.read_bytes()), type=dict[str, Code]))
    if key not in _known:
        _known[key] = _parsed(content, key)
        _new.add(key)
    return _known[key]


def remember() -> None:
    """Keep what was found for the next command. Where the cache cannot be written, nothing is
    kept.
    """
    if not _new:
        return
    _new.clear()
    entries = dict(list(_known.items())[-MOST:])
    with contextlib.suppress(OSError, RuntimeError, BenchError):
        write_bytes(_file(), seal(msgspec.json.encode(entries)))


def _file() -> Path:
    try:
        return cache_folder() / f"sources-{FORMAT}-{sys.version_info.major}.{sys.version_info.minor}.json"
    except RuntimeError:  # the home folder is not known
        return Path()


def _parsed(content: bytes, key: str) -> Code:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return Code(key)
    imports = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [Import(alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imports.append(Import(node.module or "", tuple(alias.name for alias in node.names), node.level))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Meta"):
            node.keywords = [each for each in node.keywords if each.arg != "description"]
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [each for each in body if not _is_text(each)]  # type: ignore[attr-defined]  # it has one
    return Code(hashlib.sha256(ast.dump(tree).encode()).hexdigest(), tuple(imports))


def _is_text(node: ast.stmt) -> bool:
    """Whether a statement is but a text: a docstring, of whatever stands before it too."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
