"""A pickle of {part: {key: array}} becomes an .npz and a JSON sidecar, once, in a child process
with limits.

    NAME.pkl.<first digits of its SHA-256>.converted/
        arrays.npz   "part/key" -> float32 [n, ...], or text [n] or [n, k]
        about.json   `About`

Only these are read afterwards, with pickling disabled. The child scans, loads and checks
(`bench_datasets.safe_pickle.reader`). A file is refused when it is too large for the child's memory
or time, or crashes the child; this process goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.arrays import npz
from bench.errors import DataError, StorageError
from bench.files import read_bytes, replacing
from bench_datasets.safe_pickle.reader import Array, Refused, load

ARRAYS, ABOUT = "arrays.npz", "about.json"
FORMAT = 1
REFUSED = 3
LONGEST_LIST = 1_000_000
WAITING = 112
"""Seconds, of those that a conversion may take, in which it may wait for the machine; the others it
may compute. A few bytes can ask for more steps than there is time: tuples of tuples of the same
tuple, each twice in the next.
"""


class Field(msgspec.Struct, frozen=True):
    """A key that is kept. kind: number or text; dims: how many axes it may have."""

    kind: str
    dims: tuple[int, ...]


class Layout(msgspec.Struct, frozen=True):
    """What is kept of a file. parts: name in the file -> ours; all of ours must be found.
    fields: key -> what it must be.
    """

    parts: dict[str, str]
    fields: dict[str, Field]


class About(msgspec.Struct, frozen=True):
    """The sidecar. sizes: part -> records; keys: "part/key" -> shape; left_out: keys of the file
    that are not kept.
    """

    format: int
    source: str
    sha256: str
    bytes: int
    sizes: dict[str, int]
    keys: dict[str, tuple[int, ...]]
    left_out: tuple[str, ...]
    arrays_sha256: str


class _Job(msgspec.Struct):
    source: str
    folder: str
    sha256: str
    layout: Layout
    memory: int
    seconds: int


def limits(size: int) -> tuple[int, int]:
    """Bytes of address space and seconds that a file of so many bytes may take."""
    return 4 * size + 2 * 2**30, 120 + size // (5 * 2**20)


def folder_of(source: Path, digest: str) -> Path:
    """Where the conversion of a file of that SHA-256 lies."""
    return source.parent / f"{source.name}.{digest[:12]}.converted"


@contextlib.contextmanager
def converted(
    source: Path, layout: Layout, report: Callable[[str], None]
) -> Iterator[tuple[dict[str, np.ndarray], About]]:
    """The arrays of a pickle and what is known of it; from the conversion beside it, else made and
    put there.

    Where nothing can be written beside it, the conversion is made in a temporary folder and does
    not outlive the block. Raises Refused, naming the file, for what is no pickle of plain arrays in
    that layout.
    """
    digest = sha256(source)
    place = folder_of(source, digest)
    if (conversion := _read(place, digest)) is not None:
        yield conversion
        return
    if place.exists():
        shutil.rmtree(place, ignore_errors=True)
    size = source.stat().st_size
    report(f"converting {source.name} ({size / 2**20:,.0f} MiB), once")
    if not os.access(source.parent, os.W_OK):
        import tempfile

        report(f"{source.parent} cannot be written to: the conversion is not kept")
        with tempfile.TemporaryDirectory() as temporary:
            yield _made(source, Path(temporary) / "converted", digest, layout, size)
        return
    yield _made(source, place, digest, layout, size)


def sha256(path: Path) -> str:
    """Of the content of a file. Raises DataError when it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _made(source: Path, place: Path, digest: str, layout: Layout, size: int) -> tuple[dict[str, np.ndarray], About]:
    memory, seconds = limits(size)
    with replacing(place) as temporary:
        temporary.mkdir()
        job = _Job(str(source), str(temporary), digest, layout, memory, seconds)
        run(job)
    conversion = _read(place, digest)
    if conversion is None:
        raise StorageError(f"the conversion {place} is damaged as soon as it is written; is the disk full?")
    return conversion


def run(job: _Job) -> None:
    """Do the job in a child. Raises Refused with the one line that the child says, or with how
    it ended.
    """
    line = [sys.executable, "-P", "-m", "bench_datasets.safe_pickle.convert"]
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    try:
        done = subprocess.run(
            line,
            input=msgspec.json.encode(job),
            capture_output=True,
            env=os.environ | threads,
            timeout=job.seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"{job.source} is refused: it was not converted within {job.seconds} s") from None
    if done.returncode == REFUSED:
        raise Refused(json.loads(done.stdout)["refused"])
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise Refused(
            f"{job.source} is refused: its conversion used all of its {max(1, job.seconds - WAITING)} s of computing, "
            "or the system ended it because memory ran out"
        )
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Refused(
            f"{job.source} is refused: the process that converts it ended with {done.returncode} within "
            f"{job.memory / 2**30:.1f} GiB and {job.seconds} s{': ' + lines[-1] if lines else ''}"
        )


def _read(place: Path, digest: str) -> tuple[dict[str, np.ndarray], About] | None:
    """A conversion that is whole and of that file; else None."""
    try:
        about = msgspec.json.decode(read_bytes(place / ABOUT, 2**24), type=About)
        if about.format != FORMAT or about.sha256 != digest or sha256(place / ARRAYS) != about.arrays_sha256:
            return None
        with npz(place / ARRAYS, (place / ARRAYS).stat().st_size) as stored:  # which are not compressed
            return {key: stored[key] for key in stored.files}, about
    except (OSError, DataError, ValueError, RecursionError, msgspec.MsgspecError):
        return None


def pick(content: Any, layout: Layout, python2: bool = False) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays of a loaded file that the layout names, and the keys it does not. Raises Refused
    for another layout.

    Numbers become float32, text becomes text; every field of a part has as many records.
    """
    if not isinstance(content, dict):
        raise Refused(f"it holds a {_word(content)}, not a dictionary of {', '.join(layout.parts)}")
    named = {_text(key): value for key, value in content.items()}
    arrays: dict[str, np.ndarray] = {}
    left_out = [name for name in named if name not in layout.parts]
    for theirs, part in layout.parts.items():
        if theirs not in named:
            continue
        fields = named[theirs]
        if any(place.startswith(f"{part}/") for place in arrays):
            raise Refused(f"it has the part {part} twice ({', '.join(layout.parts)})")
        if isinstance(fields, list):
            raise Refused(
                f"{theirs} is a list of samples (words, not vectors, as files for language models have); this dataset reads "
                "files whose parts are dictionaries of arrays"
            )
        if not isinstance(fields, dict):
            raise Refused(f"{theirs} is a {_word(fields)}, not a dictionary of arrays")
        for key, value in fields.items():
            field = layout.fields.get(_text(key))
            if field is None:
                left_out.append(f"{part}/{_text(key)}")
                continue
            place = f"{part}/{_text(key)}"
            array = _numbers(place, value) if field.kind == "number" else _texts(place, value, python2)
            if array.ndim not in field.dims:
                raise Refused(f"{place} has {array.ndim} axes (shape {array.shape}), expected {_or(field.dims)}")
            arrays[place] = array
    parts = {place.partition("/")[0] for place in arrays}
    if missing := [part for part in dict.fromkeys(layout.parts.values()) if part not in parts]:
        raise Refused(
            f"it has no arrays of the part {', '.join(missing)}, which has to hold some of {', '.join(layout.fields)} (keys of "
            f"the file: {', '.join(sorted(named))[:200] or 'none'}; not known: {', '.join(left_out)[:200] or 'none'})"
        )
    for part in parts:
        sizes = {place: len(array) for place, array in arrays.items() if place.startswith(part + "/")}
        if len(set(sizes.values())) > 1:
            raise Refused(f"its arrays differ in length: {', '.join(f'{k} {n:,}' for k, n in sorted(sizes.items()))}")
    return arrays, left_out


def _numbers(place: str, value: Any) -> np.ndarray:
    if isinstance(value, list | tuple) and all(type(item) in (int, float, bool) for item in value):
        numbers = np.array(value, np.float32)
    elif isinstance(value, Array) and value.values is not None and value.values.dtype.kind in "biuf":
        with np.errstate(over="ignore"):
            numbers = value.values.astype(np.float32)
    else:
        raise Refused(f"{place} is a {_word(value)}, expected an array of numbers")
    return numbers


def _texts(place: str, value: Any, python2: bool) -> np.ndarray:
    shape: tuple[int, ...]
    if isinstance(value, Array) and value.values is not None:
        if value.values.dtype.kind not in "SUbiuf":
            raise Refused(f"{place} is no array of text")
        shape, flat = value.shape, value.values.ravel().tolist()
    elif isinstance(value, Array) and value.objects is not None:
        shape, flat = value.shape, value.objects
    elif isinstance(value, list | tuple):
        rows = [item if isinstance(item, list | tuple) else [item] for item in value[: LONGEST_LIST + 1]]
        widths = {len(row) for row in rows}
        if len(widths) > 1 or max(widths, default=1) > 8:
            raise Refused(f"{place} is a list of rows of different lengths")
        shape = (len(rows), *widths) if any(isinstance(item, list | tuple) for item in value[:1]) else (len(rows),)
        flat = [item for row in rows for item in row]
    else:
        raise Refused(f"{place} is a {_word(value)}, expected text")
    if len(flat) > LONGEST_LIST * 8:
        raise Refused(f"{place} holds {len(flat):,} texts")
    if any(type(item) not in (str, bytes, int, float) for item in flat):
        raise Refused(f"{place} holds something else than text")
    return np.array([_text(item, python2) for item in flat], dtype=str).reshape(shape)


def _text(value: Any, python2: bool = False) -> str:
    """Text as UTF-8 where it can be; text of Python 2 came as latin1."""
    if isinstance(value, str) and python2:
        with contextlib.suppress(UnicodeError):
            value = value.encode("latin1")
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin1")
    return str(value)[:4096]


def _word(value: Any) -> str:
    if isinstance(value, Array):
        return f"array of {'objects' if value.objects is not None else value.values.dtype}"  # type: ignore[union-attr]  # has one of the two
    return type(value).__name__


def _or(dims: tuple[int, ...]) -> str:
    return " or ".join(map(str, dims))


def _child(job: _Job) -> None:
    import resource

    computing = max(1, job.seconds - WAITING)
    resource.setrlimit(resource.RLIMIT_CPU, (computing, computing + 1))
    if sys.platform != "darwin":  # where it is not kept
        resource.setrlimit(resource.RLIMIT_AS, (job.memory, job.memory))
    source, folder = Path(job.source), Path(job.folder)
    content, python2 = load(source)
    try:
        arrays, left_out = pick(content, job.layout, python2)
    except Refused as error:
        raise Refused(f"{source} is refused: {error}") from error
    np.savez(folder / ARRAYS, **arrays)  # type: ignore[arg-type]  # none is called allow_pickle
    about = About(
        format=FORMAT,
        source=source.name,
        sha256=job.sha256,
        bytes=source.stat().st_size,
        sizes=_sizes(arrays),
        keys={place: array.shape for place, array in arrays.items()},
        left_out=tuple(left_out),
        arrays_sha256=sha256(folder / ARRAYS),
    )
    (folder / ABOUT).write_bytes(msgspec.json.encode(about))


def _sizes(arrays: Mapping[str, np.ndarray]) -> dict[str, int]:
    return {place.partition("/")[0]: len(array) for place, array in arrays.items()}


def main() -> int:
    """The child: a job on stdin; what is refused goes to stdout as one line."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=_Job)
    try:
        _child(job)
    except MemoryError:
        message = (
            f"{job.source} is refused: it needs more than the {job.memory / 2**30:.1f} GiB that its conversion may have"
        )
    except DataError as error:
        message = str(error)
    else:
        return 0
    print(json.dumps({"refused": message}))
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
