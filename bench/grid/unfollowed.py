"""What decides a component's results and no key can see, because reading import statements does not
find it.

A key covers the modules of a component's own package, found by their import statements, and the
versions of the libraries they import (`bench.grid.identity`). No key changes when these are edited:
code loaded by a name made at run time, files beside the code, programs that are started, and
libraries without a version. Old results would then be taken for new ones. `bench check` names them.
They are found by reading the source too, so this is a list of the usual ways, not of all.
"""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.grid.identity import distribution, imports, is_followed, reached, source_file

BY_NAME = ("importlib.import_module", "__import__", "importlib.__import__", "pkgutil.resolve_name")
"""Import what their first argument names; a literal name of a library that is imported elsewhere
as well is covered.
"""

LOADERS = (
    "exec", "eval", "compile", "runpy.", "pkgutil.get_data", "pkgutil.iter_modules", "pkgutil.walk_packages",
    "importlib.util.spec_from_file_location", "importlib.machinery.", "importlib.resources.", "importlib.reload",
    "importlib.metadata.entry_points", "pkg_resources.", "imp.", "ctypes.CDLL", "ctypes.cdll.", "cffi.", "zipimport.",
    "torch.ops.load_library", "torch.hub.load", "torch.utils.cpp_extension.", "torch.jit.load", "sys.path.", "sys.meta_path.",
    "site.addsitedir",
)  # fmt: skip
"""Calls that bring code or files of a package in another way; one that ends in a dot stands for
all that is in it.
"""

PROGRAMS = ("subprocess.", "os.system", "os.popen", "os.exec", "os.spawn", "os.posix_spawn")

READERS = (
    "open", "io.open", "os.open", "codecs.open", "gzip.open", "bz2.open", "lzma.open", "numpy.load", "numpy.loadtxt",
    "numpy.genfromtxt", "numpy.fromfile", "numpy.memmap", "pandas.read_", "polars.read_", "torch.load", "joblib.load",
    "safetensors.safe_open", "safetensors.torch.load_file", "safetensors.numpy.load_file", "tomllib.load",
    "urllib.request.urlopen",
)  # fmt: skip
READER_METHODS = ("read_text", "read_bytes", "open")
"""Of a path, whatever it is called."""

OWN_PLACE = ("__file__", "__path__", "__spec__", "__loader__")


def unfollowed(module: str, reads_data: bool = False) -> list[str]:
    """Each place by which something decides the results of a component in `module` and is in no
    key, in words.

    reads_data: reading files is the component's business (a dataset), since the digest of the data
                covers them.
    """
    files, libraries = reached(module)
    home = module.partition(".")[0]
    lines: list[str] = []
    for name, path in sorted(files.items()):
        if name.partition(".")[0] == "bench" != home:
            continue  # what the harness reads and starts is its own affair
        if path is None:
            if not _is_folder(name):
                lines.append(f"{name} has no source file")
            continue
        content = path.read_bytes()
        try:
            tree = ast.parse(content)
        except SyntaxError:
            lines.append(f"{path.name} cannot be parsed")
            continue
        places = {*_places(tree, libraries, reads_data)}
        lines += [f"{path.name}, line {line}: {what}" for line, what in sorted(places)]
        lines += [f"{path.name}: {what}" for what in _imported(content, name, path, home)]
    return [*lines, *(why for library in sorted(libraries) if (why := _unversioned(library)))]


def _places(tree: ast.Module, libraries: set[str], reads_data: bool) -> Iterator[tuple[int, str]]:
    names, scratch = _names(tree), _scratch(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in OWN_PLACE:
            yield node.lineno, f"{node.id} leads to files beside the code"
        if not isinstance(node, ast.Call):
            continue
        called = _called(node.func, names)
        if _one_of(called, BY_NAME):
            literal = _text(node.args[0]) if node.args else None
            head = (literal or "").partition(".")[0]
            if literal is None or head not in {*sys.stdlib_module_names, *libraries, "bench"}:
                yield node.lineno, f"{called} loads {literal or 'a module whose name is made at run time'}"
        elif _one_of(called, LOADERS):
            yield node.lineno, f"{called} loads code or files"
        elif _one_of(called, PROGRAMS):
            yield node.lineno, f"{called} starts another program"
        elif not reads_data and not _writes(node, called) and _reads(node, called) and not _mentions(node, scratch):
            yield node.lineno, f"{called or ast.unparse(node.func).rpartition('.')[2]} reads a file"


def _names(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for, in full."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                head = alias.name.partition(".")[0]
                names[alias.asname or head] = alias.name if alias.asname else head
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _called(func: ast.expr, names: dict[str, str]) -> str:
    """The full name of what is called; empty where it is not a name (a method of some object)."""
    parts = []
    while isinstance(func, ast.Attribute):
        parts.append(func.attr)
        func = func.value
    if not isinstance(func, ast.Name):
        return ""
    whole = ".".join([names.get(func.id, func.id), *reversed(parts)])
    known = func.id in names or not parts
    return whole.removeprefix("builtins.") if known else ""


def _one_of(called: str, known: tuple[str, ...]) -> bool:
    return any(called == each or (each[-1] in "._" and called.startswith(each)) for each in known)


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _reads(node: ast.Call, called: str) -> bool:
    method = isinstance(node.func, ast.Attribute) and not called and node.func.attr in READER_METHODS
    return method or _one_of(called, READERS)


def _writes(node: ast.Call, called: str) -> bool:
    """Whether a call of `open` says that it writes."""
    mode = next((keyword.value for keyword in node.keywords if keyword.arg == "mode"), None)
    position = 1 if called else 0
    if mode is None and len(node.args) > position:
        mode = node.args[position]
    return mode is not None and bool({*(_text(mode) or "")} & {*"wax"}) and len(_text(mode) or "") <= 3


def _scratch(tree: ast.Module) -> set[str]:
    """Names that stand for the scratch folder (`Context.scratch`) and what lies in it:
    checkpoints of the same key.
    """
    names = {"scratch"}
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr)]
    before = 0
    while before != len(names):
        before = len(names)
        for node in assigned:
            if node.value is not None and _mentions(node.value, names):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def _mentions(node: ast.AST, names: set[str]) -> bool:
    """Whether an expression has one of these names in it, or an attribute `scratch`."""
    return any(
        (isinstance(part, ast.Name) and part.id in names)
        or (isinstance(part, ast.Attribute) and part.attr == "scratch")
        for part in ast.walk(node)
    )


def _imported(content: bytes, name: str, path: Path, home: str) -> Iterator[str]:
    """Modules of the own package that are imported and have no source: compiled ones, or none at
    all.
    """
    for imported in sorted(imports(content, name, path.name == "__init__.py")):
        if not imported.startswith(f"{home}.") or not is_followed(imported, home) or source_file(imported):
            continue
        base, _, last = imported.rpartition(".")
        package = source_file(base)
        if package is None:
            if not _is_folder(base):
                yield f"{imported} has no source file"
        elif any((package.parent / f"{last}{suffix}").is_file() for suffix in importlib.machinery.EXTENSION_SUFFIXES):
            yield f"{imported} is compiled"


def _is_folder(package: str) -> bool:
    """Whether a package without `__init__.py` is a folder of modules, whose imports are followed
    one by one.
    """
    top, *rest = package.split(".")
    spec = importlib.util.find_spec(top)
    places = (spec.submodule_search_locations or []) if spec else []
    return any(Path(place).joinpath(*rest).is_dir() for place in places)


def _unversioned(library: str) -> str:
    """Why edits of a library that is imported change no key; empty where its version tells, or
    it is not installed.
    """
    installed = distribution(library)
    if installed is None:
        try:
            there = importlib.util.find_spec(library) is not None
        except (ImportError, ValueError):
            there = False
        return f"{library} is imported, and no installed distribution of that name tells its version" * there
    location = installed.read_text("direct_url.json")
    if location and json.loads(location).get("dir_info", {}).get("editable"):
        return f"{library} is installed as editable: its version stays when it is edited"
    return ""
