"""Pickles of plain arrays, read without running anything that they name.

Unpickling calls what the file names, so a file can run code. Here nothing of it is called:

1. `scan` walks the opcodes without executing any. It refuses a file that names anything beyond what
   arrays need, builds objects or refers outside itself. The same for a file that claims more bytes
   than it has, or goes on after its end.
2. `load` unpickles with a class lookup of exact (module, name) pairs. Each pair stands for a
   stand-in of ours that checks its arguments and keeps bytes. NumPy's own constructors trust their
   arguments and are never reached.

Allowed pairs (specs/mosi-mosei, section 4): numpy.ndarray, numpy.dtype, _reconstruct and scalar
under both names of NumPy's multiarray module, _frombuffer under both of numeric, _codecs.encode.
Files of either NumPy major version load. Strings of Python 2 are read as latin1, then decoded as
UTF-8 where they can be.
"""

from __future__ import annotations

import contextlib
import math
import pickle
import pickletools
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bench.errors import DataError
from bench_datasets.foreign import kind_of

LARGEST = 32 * 2**30
"""Bytes of the largest file that is opened."""

MOST_DIMS = 4
LONGEST_TEXT = 4096
"""Bytes of one entry of an array of text."""

_SKIPPED = 2**16
"""Arguments longer than this are skipped while scanning: they are data, and no name is so long."""

_PLAIN = re.compile(r"[<>=|]?(?:([biuf])(1|2|4|8|16)|([SU])(\d{1,4})|(O)8?)")

_FORBIDDEN = {
    "PERSID": "a persistent id",
    "BINPERSID": "a persistent id",
    "EXT1": "the extension registry",
    "EXT2": "the extension registry",
    "EXT4": "the extension registry",
    "INST": "an instance of a class",
    "OBJ": "an instance of a class",
    "NEWOBJ": "an instance of a class",
    "NEWOBJ_EX": "an instance of a class",
    "EMPTY_SET": "a set",
    "ADDITEMS": "a set",
    "FROZENSET": "a frozen set",
    "NEXT_BUFFER": "a buffer outside the file",
    "READONLY_BUFFER": "a buffer outside the file",
}
_WHOSE = {
    "pandas": "tables of pandas",
    "torch": "tensors or models of PyTorch",
    "tensorflow": "objects of TensorFlow",
    "keras": "objects of Keras",
    "jax": "arrays of JAX",
    "sklearn": "models of scikit-learn",
    "scipy": "objects of SciPy",
    "xgboost": "models of XGBoost",
    "datetime": "dates",
    "collections": "containers of Python's collections",
    "pathlib": "paths",
    "decimal": "decimal numbers",
}
"""The package of a class -> what its objects are."""

_NEUTRAL = {"PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"}
_GETS = {"GET", "BINGET", "LONG_BINGET"}
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}
_PYTHON2 = {"STRING", "BINSTRING", "SHORT_BINSTRING"}


class Refused(DataError):
    """A file that is not a pickle of plain arrays. Nothing of it was run."""


@dataclass(frozen=True)
class Scan:
    """What the opcodes say. names: every global, (module, name); python2: whether strings of
    Python 2 are inside.
    """

    names: frozenset[tuple[str, str]]
    python2: bool


class _Skipped(bytes):
    """So many bytes that were passed over: as long as they are, and empty."""

    claimed: int

    def __len__(self) -> int:
        return self.claimed


class _Reader:
    """A file for `pickletools.genops` that passes over long arguments and knows where it ends."""

    def __init__(self, stream: BinaryIO, size: int):
        self._stream, self._size = stream, size

    def tell(self) -> int:
        return self._stream.tell()

    def readline(self) -> bytes:
        return self._stream.readline()

    def read(self, count: int) -> bytes:
        left = self._size - self._stream.tell()
        if count > max(left, 1):
            raise Refused(f"it is cut short or damaged: it claims {count:,} bytes where {left:,} are left")
        if count <= _SKIPPED:
            return self._stream.read(count)
        self._stream.seek(count, 1)
        skipped = _Skipped()
        skipped.claimed = count
        return skipped


def scan(path: Path) -> Scan:
    """Look at every opcode, execute none. Raises Refused with what is wrong, DataError when the
    file cannot be read.
    """
    with _refusing(path), path.open("rb") as stream:
        size = path.stat().st_size
        if size > LARGEST:
            raise Refused(f"it has {size / 2**30:.0f} GiB, more than the {LARGEST // 2**30} that are read")
        if kind := kind_of(path):
            raise Refused(f"it is {kind}, not a pickle")
        result = _walk(_Reader(stream, size))
        if left := size - stream.tell():
            raise Refused(f"{left:,} bytes follow its end")
        if strange := sorted(result.names - ALLOWED.keys()):
            more = f" and {len(strange) - 5} more" if len(strange) > 5 else ""
            named = ", ".join(".".join(pair) for pair in strange[:5])
            raise Refused(
                f"it names {named}{more}{_whose(result.names)}, which reading it would run; a file of arrays names nothing of "
                "that kind"
            )
        return result


def _whose(names: Collection[tuple[str, str]]) -> str:
    """Whose objects a file holds, by what it names, in words; "" where that is unknown."""
    owners = {_WHOSE[top] for module, _ in sorted(names) if (top := module.partition(".")[0]) in _WHOSE}
    return f" (it holds {' and '.join(sorted(owners))}: save its arrays with numpy.savez)" if owners else ""


def _walk(reader: _Reader) -> Scan:
    names: set[tuple[str, str]] = set()
    memo: dict[int, str | None] = {}
    pushed: list[str | None] = [None, None]
    python2 = False
    for count, (opcode, argument, _) in enumerate(pickletools.genops(reader)):  # type: ignore[arg-type]  # no more is asked of a file
        code = opcode.name
        if code in _FORBIDDEN:
            raise Refused(f"it asks for {_FORBIDDEN[code]}{_whose(names)}, which a file of arrays does not")
        python2 |= code in _PYTHON2
        if code in _PUTS or code == "MEMOIZE":
            place = len(memo) if code == "MEMOIZE" else int(argument or 0)
            if place > count:
                raise Refused(f"it is damaged: it keeps {place:,} objects after {count:,} steps")
            memo[place] = pushed[-1]
        elif code == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            names.add((module, name))
        elif code == "STACK_GLOBAL":
            module_, name_ = pushed
            if module_ is None or name_ is None:
                raise Refused("it computes the name of what it calls")
            names.add((module_, name_))
        if code not in _NEUTRAL:
            value = memo.get(int(argument or 0)) if code in _GETS else argument
            pushed = [pushed[-1], value if isinstance(value, str) and code != "GLOBAL" else None]
    return Scan(frozenset(names), python2)


def load(path: Path) -> tuple[Any, bool]:
    """What the file holds, made of dicts, lists, tuples, numbers, text and `Array`; whether its
    text is of Python 2.

    Scans first. Raises Refused, with nothing run, for everything that is no pickle of plain arrays.
    """
    result = scan(path)
    with _refusing(path), path.open("rb") as stream:
        return _Unpickler(stream, encoding="latin1").load(), result.python2


@contextlib.contextmanager
def _refusing(path: Path) -> Any:
    """One clear line, with the file, for whatever goes wrong inside."""
    try:
        yield
    except Refused as error:
        raise Refused(f"{path} is refused: {error}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except MemoryError as error:
        raise Refused(f"{path} is refused: it needs more memory than it may have") from error
    except ValueError as error:
        unknown = re.match(r"at position (\d+), opcode", str(error))
        if not unknown:
            raise Refused(f"{path} is refused: it is no whole pickle of plain arrays ({error})") from error
        place = int(unknown[1])
        what = (
            "it is no pickle at all"
            if place == 0
            else f"it is damaged, or no pickle: byte {place:,} begins nothing known"
        )
        raise Refused(f"{path} is refused: {what}") from error
    except Exception as error:  # whatever a damaged or hostile file makes the unpickler or a stand-in say
        raise Refused(f"{path} is refused: it is no whole pickle of plain arrays ({error})") from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise Refused(f"it names {module}.{name}, which reading it would run") from None

    def persistent_load(self, pid: Any) -> Any:
        raise Refused("it asks for a persistent id")


class Array:
    """An array of the file. values: np.ndarray of numbers or text; or, of an array of objects,
    the flat list of them.
    """

    def __init__(self) -> None:
        self.values: np.ndarray | None = None
        self.objects: list[Any] | None = None
        self.shape: tuple[int, ...] = ()

    def __setstate__(self, state: Any) -> None:
        shape, kind, fortran, content = state[-4:]
        self.fill(content, kind, shape, bool(fortran))

    def fill(self, content: Any, kind: Any, shape: Any, fortran: bool) -> None:
        """Take the bytes (or the list of objects). Raises ValueError where they do not fit the
        shape and the kind.
        """
        if not isinstance(kind, _Kind):
            raise ValueError("an array without a type")
        if not isinstance(shape, tuple) or len(shape) > MOST_DIMS or not all(type(k) is int and k >= 0 for k in shape):
            raise ValueError(f"an array of {MOST_DIMS} dimensions at most is accepted, not {str(shape)[:60]}")
        self.shape = shape
        if kind.text == "O":
            if not isinstance(content, list) or len(content) != math.prod(shape):
                raise ValueError("an array of objects without them")
            self.objects = content
            return
        if isinstance(content, str):
            content = content.encode("latin1")
        if not isinstance(content, bytes | bytearray):
            raise ValueError("an array without bytes")
        plain = kind.plain()
        if math.prod(shape) * plain.itemsize != len(content):
            raise ValueError(f"an array of shape {shape} and type {plain} has {len(content):,} bytes")
        array = np.frombuffer(content, plain) if content else np.empty(0, plain)
        if plain.kind == "U" and content and int(array.view(plain.byteorder + "u4").max()) > 0x10FFFF:
            raise ValueError("an array of text holds no text")
        self.values = array.reshape(shape, order="F" if fortran else "C")


class _Kind:
    """A type of numbers (b, i, u, f), of text (S, U) or of objects (O), as far as the file has
    described it.
    """

    def __init__(self, text: str):
        bare = text.lstrip("<>=|")
        self.text = "O" if bare.startswith("O") else bare
        self.order = text[0] if text[0] in "<>" else "="

    def __setstate__(self, state: Any) -> None:
        _, order, inside, names, fields, *rest = state
        if inside is not None or names or fields or any(rest[3:]):
            raise ValueError("an array of records or with metadata")
        if order not in ("<", ">", "=", "|"):
            raise ValueError(f"the byte order {str(order)[:20]}")
        self.order = order if order in "<>" else "="

    def plain(self) -> np.dtype[Any]:
        dtype = np.dtype(self.text).newbyteorder("<" if self.order == "=" else self.order)  # type: ignore[arg-type]  # one of four
        if not 0 < dtype.itemsize <= LONGEST_TEXT:
            raise ValueError(f"entries of {dtype.itemsize} bytes")
        return dtype


class _StandIn:
    """Called in place of a NumPy function. It has no state, so a file cannot change what it
    does.
    """

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., Any]):
        self._make = make

    def __call__(self, *arguments: Any) -> Any:
        return self._make(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise Refused("it would change a function")


def _not_called(*arguments: Any) -> Any:
    raise ValueError("an array that is made and not read")


def _reconstruct(what: Any, shape: Any, code: Any) -> Array:
    if what is not _NDARRAY:
        raise ValueError("something else than an array")
    return Array()


def _dtype(text: Any, align: Any = False, copy: Any = False) -> _Kind:
    if isinstance(text, bytes):
        text = text.decode("ascii")
    if not isinstance(text, str) or not _PLAIN.fullmatch(text):
        raise ValueError(f"the type {str(text)[:40]!r}; accepted: numbers and text")
    return _Kind(text)


def _scalar(kind: Any, content: Any = None) -> Any:
    one = Array()
    one.fill(content, kind, (), False)
    if one.values is None:
        raise ValueError("an object in place of a number")
    return one.values[()].item()


def _frombuffer(content: Any, kind: Any, shape: Any, order: Any, axes: Any = None) -> Array:
    if order not in ("C", "F") or axes is not None:
        raise ValueError(f"the order {str(order)[:20]} of an array")
    array = Array()
    array.fill(content, kind, shape, order == "F")
    return array


def _encode(text: Any, encoding: Any = None) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError(f"the encoding {str(encoding)[:20]}")
    return text.encode("latin1")


_NDARRAY = _StandIn(_not_called)
_RECONSTRUCT, _SCALAR, _FROMBUFFER = _StandIn(_reconstruct), _StandIn(_scalar), _StandIn(_frombuffer)

ALLOWED: dict[tuple[str, str], _StandIn] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _StandIn(_dtype),
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy.core.multiarray", "scalar"): _SCALAR,
    ("numpy._core.multiarray", "scalar"): _SCALAR,
    ("numpy.core.numeric", "_frombuffer"): _FROMBUFFER,
    ("numpy._core.numeric", "_frombuffer"): _FROMBUFFER,
    ("_codecs", "encode"): _StandIn(_encode),
}
"""All that a file may name -> what stands in for it."""
