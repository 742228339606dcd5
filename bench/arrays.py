"""Named arrays in safetensors files: written whole, read memory-mapped without copying, never a pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.errors import StorageError
from bench.files import replacing

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


def write(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Write `arrays` (and text metadata) to one safetensors file, whole or not at all."""
    from safetensors.numpy import save_file

    with replacing(path) as temporary:
        # No metadata must be None: with an empty dict and no array, the library writes a header that is no JSON.
        save_file(
            {k: np.asarray(v, order="C") for k, v in arrays.items()}, temporary, metadata=dict(metadata or {}) or None
        )


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays (read-only, memory-mapped) and the metadata of a safetensors file.

    The layout is that of the safetensors format: an 8-byte little-endian header length, a JSON header, the data. The
    library's own NumPy reader copies every array; mapping them keeps a reload of gigabytes below a millisecond.
    Raises StorageError when the file is not complete.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if 0 < length <= size else None
        if header is None:
            raise ValueError("the header is cut short")
        metadata = header.pop("__metadata__", {})
        start = 8 + length
        if start + max((entry["data_offsets"][1] for entry in header.values()), default=0) > size:
            raise ValueError("the data are cut short")
        whole = np.memmap(path, np.uint8, "r") if size else np.zeros(0, np.uint8)
        arrays = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            raw = whole[start + begin : start + end]
            dtype = np.dtype(_DTYPES[entry["dtype"]])
            if (start + begin) % dtype.alignment:
                raw = raw.copy()
            arrays[name] = raw.view(dtype).reshape(entry["shape"])
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{path} is not a complete safetensors file ({error}); delete it and run again") from error
    return arrays, metadata
