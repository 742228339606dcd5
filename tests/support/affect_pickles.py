"""Small files in the layouts in which CMU-MOSI is passed on, and one in the layout of Python 2."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np

SIZES = {"train": 6, "valid": 3, "test": 4}
STEPS = 8
Content = dict[str, dict[str, Any]]


def aligned(sizes: dict[str, int] = SIZES, left: bool = True, widths: tuple[int, int, int] = (4, 2, 3)) -> Content:
    """As MulT's mosi_data.pkl. Sample k of a part has k % 5 + 2 words, of values k + 1, k +
    1.25, ... in channel 0.
    """
    content: Content = {}
    for number, (part, size) in enumerate(sizes.items()):
        arrays = {
            name: np.zeros((size, STEPS, width), np.float32)
            for name, width in zip(("text", "audio", "vision"), widths, strict=True)
        }
        for k in range(size):
            length = words(k)
            place = slice(STEPS - length, STEPS) if left else slice(0, length)
            for array in arrays.values():
                array[k, place] = k + 1 + 0.25 * np.arange(length)[:, None]
        video = [f"v{number}_{k // 2}" for k in range(size)]
        ids = np.array([[video[k], f"{k}.0", f"{k}.9"] for k in range(size)]).astype("S")
        labels = (np.arange(size) % 7 - 3.0)[:, None, None]
        content[part] = {**arrays, "labels": labels, "id": ids}
    return content


def words(sample: int) -> int:
    """How many words a sample has."""
    return sample % 5 + 2


def multibench() -> Content:
    """As MultiBench's mosi_raw.pkl: ids are a list of video[k]."""
    content = aligned()
    for part, arrays in content.items():
        arrays["id"] = [f"{part}{k // 2}[{k}]" for k in range(len(arrays["id"]))]
    return content


def mmsa(frames: tuple[int, int] | None = None, widths: tuple[int, int, int] = (4, 2, 3)) -> Content:
    """As MMSA's aligned_50.pkl, or unaligned_50.pkl with so many steps of audio and vision. Padded
    on the right.

    The attention mask covers one token more than text has values.
    """
    content = aligned(left=False, widths=widths)
    for part, arrays in content.items():
        size = len(arrays["id"])
        arrays["regression_labels"] = arrays.pop("labels").ravel()
        arrays["id"] = np.array([f"{part}{k // 2}$_${k}" for k in range(size)], dtype=object)
        arrays["raw_text"] = np.array(["some words"] * size, dtype=object)
        arrays["annotations"] = np.array(["Positive"] * size)
        bert = np.zeros((size, 3, STEPS))
        for k in range(size):
            bert[k, 1, : words(k) + 1] = 1
        arrays["text_bert"] = bert
        if frames:
            for name, steps, width in zip(("audio", "vision"), frames, widths[1:], strict=True):
                lengths = [2 * words(k) for k in range(size)]
                arrays[name] = np.zeros((size, steps, width))
                for k, length in enumerate(lengths):
                    arrays[name][k, :length] = 1 + np.arange(length)[:, None]
                arrays[f"{name}_lengths"] = lengths
    return content


def write(path: Path, content: Any, protocol: int = 4) -> Path:
    """The pickle of `content`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def python2(values: np.ndarray, text: str) -> bytes:
    """{"a": float64 array, "name": text} as Python 2 and NumPy 1 pickle it (protocol 2, byte
    strings).
    """

    def string(raw: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(raw)) + raw

    shape = b"(" + b"".join(b"K" + bytes([side]) for side in values.shape) + b"t"
    kind = b"cnumpy\ndtype\n(U\x02f8K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    state = b"(K\x01" + shape + kind + b"\x89" + string(values.astype("<f8").tobytes()) + b"tb"
    return b"\x80\x02}(U\x01a" + array + state + b"U\x04name" + string(text.encode()) + b"u."
