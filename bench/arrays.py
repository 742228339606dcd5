"""Named arrays in safetensors files: written whole, read memory-mapped without copying, checked,
never a pickle. And .npz files read within bounds (`npz`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
import numpy as np

from bench.errors import StorageError
from bench.files import replacing, state_of
from bench.text.json_file import decoded

if TYPE_CHECKING:
    from numpy.lib.npyio import NpzFile

__all__ = ["Damaged", "metadata", "npz", "read", "write"]

_DTYPES = {
    "BOOL": np.bool_,
    "U8": np.uint8,
    "I8": np.int8,
    "I32": np.int32,
    "I64": np.int64,
    "F16": np.float16,
    "F32": np.float32,
    "F64": np.float64,
}

STORED = tuple(np.dtype(kind) for kind in _DTYPES.values())
"""The types of arrays that can be stored."""

_ABOUT = "gapbench"
"""The one entry of the file's own metadata, since the library writes several in no fixed order:
JSON of format, digest, ours.
"""

LONGEST_HEADER = 100_000_000
"""Bytes, as in the safetensors format. How many values they may hold, `bench.text.json_file`
says.
"""

FORMAT = 2
"""Of what the harness keeps in such files. Format 1 has no checksum of the metadata; it is still
read. A file of any other format counts as damaged: it is made again.
"""


class _About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands beside the arrays. text_sha256: of the metadata and the digest; None in files
    of format 1.
    """

    format: int
    metadata: dict[str, str]
    sha256: str
    text_sha256: str | None = None


_table, _beside = msgspec.json.Decoder(dict[str, Any]), msgspec.json.Decoder(_About)

_checked: set[tuple[str, tuple[int, ...]]] = set()
"""Files whose content this process has compared with its digest: path, and all that the file
system says of their last change.
"""


def forget_checks() -> None:
    """Compare the digest of every file again when it is read next."""
    _checked.clear()


class Damaged(StorageError):
    """A file of arrays is cut short, changed or gone. path: which; a cache that holds it may remove
    it.
    """

    def __init__(self, path: Path, what: str):
        super().__init__(f"{path} {what}; delete it and run the same command again")
        self.path, self.what = path, what


def write(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Write `arrays` (and text metadata) to one safetensors file, whole or not at all, with a
    digest of the content.
    """
    from safetensors.numpy import save_file

    ordered = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with replacing(path) as temporary:
        about: dict[str, Any] = {"format": FORMAT, "sha256": _digest(ordered), "metadata": dict(metadata or {})}
        about["text_sha256"] = _text_digest(about["sha256"], about["metadata"])
        save_file(ordered, temporary, metadata={_ABOUT: json.dumps(about, sort_keys=True)})


def _text_digest(digest: str, metadata: Mapping[str, str]) -> str:
    """Of the metadata and of the digest of the arrays, so that either is believed as it was
    written or not at all.
    """
    return hashlib.sha256(json.dumps([digest, metadata], sort_keys=True).encode()).hexdigest()


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    whole = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        whole.update(f"{name} {array.dtype} {array.shape}".encode())
        whole.update(array.reshape(-1).view(np.uint8).data)
    return whole.hexdigest()


def _header(path: Path) -> tuple[dict[str, Any], int, int]:
    """The JSON header of a safetensors file, where its data begin and how long it is. Raises
    Damaged.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= size:
                raise ValueError("the header is cut short")
            if length > LONGEST_HEADER:
                raise ValueError(f"the header is longer than {LONGEST_HEADER // 10**6} MB")
            text = file.read(length)
            header = decoded(text, _table)  # which takes no text that is not Unicode, as Python's own does
        if not text.rstrip(b" ").endswith(b"}"):
            raise ValueError("the header is not padded with spaces")
        for name, entry in header.items():
            if name != "__metadata__":
                _check_entry(entry, size - 8 - length)
    except FileNotFoundError:
        raise Damaged(path, "is gone") from None
    except (ValueError, KeyError, TypeError, msgspec.DecodeError) as error:
        raise Damaged(path, f"is not a complete safetensors file ({error})") from error
    except OSError as error:
        raise Damaged(path, f"cannot be read ({error.strerror or error})") from error
    return header, 8 + length, size


def _check_entry(entry: Any, room: int) -> None:
    """Raise ValueError, KeyError or TypeError unless an entry of the header fits the data:
    `room` bytes.
    """
    begin, end = entry["data_offsets"]
    shape = entry["shape"]
    if not isinstance(shape, list) or not all(
        type(number) is int and 0 <= number < 2**48 for number in (begin, end, *shape)
    ):
        raise ValueError("offsets and shapes must be whole numbers")
    if not begin <= end <= room:
        raise ValueError("the data are cut short")
    if math.prod(shape) * np.dtype(_DTYPES[entry["dtype"]]).itemsize != end - begin:
        raise ValueError("a shape that does not fit its data")


def metadata(path: Path) -> dict[str, str]:
    """The text metadata of a file; its data are not looked at. Raises Damaged."""
    return _about(path, _header(path)[0])[0]


def _about(path: Path, header: dict[str, Any]) -> tuple[dict[str, str], str]:
    """Our metadata and the digest of the arrays. Raises Damaged for a file of another format, or
    metadata that were changed.
    """
    try:
        about = decoded(header["__metadata__"][_ABOUT].encode(), _beside)
        if about.format not in (1, FORMAT):
            raise ValueError(f"format {about.format}")
    except (ValueError, TypeError, KeyError, AttributeError, msgspec.DecodeError) as error:
        raise Damaged(path, "was written by another version or is damaged") from error
    sealed = about.text_sha256 is not None or about.format != 1
    if sealed and (about.format != FORMAT or about.text_sha256 != _text_digest(about.sha256, about.metadata)):
        raise Damaged(path, "was changed since it was written: its checksum does not match")
    return about.metadata, about.sha256


def is_complete(path: Path) -> bool:
    """Whether a file is there, of our format and not cut short, as far as its header tells."""
    try:
        metadata(path)
    except StorageError:
        return False
    return True


def read(path: Path, key: str = "") -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays (read-only, memory-mapped) and the metadata of a safetensors file.

    key: what its metadata must hold as "key", where given: an intact file of something else is as
         wrong as a damaged one.

    The layout is that of the safetensors format: an 8-byte little-endian header length, a JSON
    header, the data. The library's own NumPy reader copies every array; mapping them keeps a reload
    of gigabytes below a millisecond. The content is compared with its digest the first time a
    process reads the file. Raises Damaged.
    """
    header, start, _ = _header(path)
    about, digest = _about(path, header)
    if key and about.get("key") != key:
        raise Damaged(path, "is the file of something else")
    header.pop("__metadata__", None)
    whole = np.memmap(path, np.uint8, "r")
    arrays = {}
    try:
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            raw = whole[start + begin : start + end]
            dtype = np.dtype(_DTYPES[entry["dtype"]])
            if (start + begin) % dtype.alignment:
                raw = raw.copy()
            arrays[name] = raw.view(dtype).reshape(entry["shape"])
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(path, f"is not a complete safetensors file ({error})") from error
    mark = (str(path), state_of(path.stat()))
    if mark not in _checked:
        if _digest(arrays) != digest:
            raise Damaged(path, "was changed since it was written: its digest does not match")
        _checked.add(mark)
    return arrays, about


@contextlib.contextmanager
def npz(file: Path | IO[bytes], most: int) -> Iterator[NpzFile]:
    """The arrays of an .npz file whose members are `most` bytes together, at most, once they are
    unpacked. Nothing is unpickled.

    Raises ValueError for more, and what `numpy` and `zipfile` raise for a damaged file. No member
    gives more than it says.
    """
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > most:
        raise ValueError(f"it would unpack to {unpacked:,} bytes; at most {most:,} are read")
    if not isinstance(file, Path):
        file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        yield stored
