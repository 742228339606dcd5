"""Pickles and arrays of prepared features, made up."""

from __future__ import annotations

import functools
import io
import pickle
import pickletools
import random
import zipfile
from typing import Any

from benchmarks.doors.case import Case
from benchmarks.mutations import (
    STRANGE,
    STRANGER,
    mutated_bytes,
)


@functools.cache
def _contents() -> list[Any]:
    from support import affect_pickles as files

    sizes = {"train": 4, "valid": 2, "test": 2}
    plain = files.aligned(sizes)
    return [plain, files.multibench(), files.mmsa(), files.mmsa(frames=(14, 12))]


def _mutated_arrays(content: Any, chance: random.Random) -> Any:
    """A dictionary of parts of arrays in which some are of another type, shape or value."""
    import numpy as np

    content = {part: dict(arrays) for part, arrays in content.items()}
    for _ in range(chance.choice([1, 1, 2, 3])):
        part = chance.choice(sorted(content))
        if not isinstance(content[part], dict) or not content[part]:
            continue
        key = chance.choice(sorted(content[part]))
        value = content[part][key]
        how = chance.randrange(9)
        if how == 0:
            content[part][key] = chance.choice([*STRANGER, b"x", {1, 2}, (1, (2,)), 1j])
        elif how == 1:
            del content[part][key]
        elif how == 2:
            content[part][chance.choice(["x", "../x", "labels", "id", "a/b", "\0"])] = value
        elif how == 3 and isinstance(value, np.ndarray):
            content[part][key] = (
                value.astype(chance.choice(["O", "U8", "S8", "f2", "f8", "?", "i1", "c8"]), copy=True)
                if value.dtype.kind in "fiu"
                else value[:1]
            )
        elif how == 4 and isinstance(value, np.ndarray):
            shape = chance.choice(
                [value[..., None], value[:0], value[..., :0], value[:1], np.concatenate([value, value]), value.ravel()]
            )
            content[part][key] = shape
        elif how == 5 and isinstance(value, np.ndarray) and value.dtype.kind == "f":
            copy = value.copy()
            copy.reshape(-1)[chance.randrange(max(copy.size, 1)) :: 3] = chance.choice(
                [np.nan, np.inf, -np.inf, 1e30, -9.0, 1e-40]
            )
            content[part][key] = copy
        elif how == 6:
            content[part] = chance.choice(
                [*STRANGE, list(content[part].values()), content[chance.choice(sorted(content))]]
            )
        elif how == 7:
            content[chance.choice(["x", "dev", "train", "../x"])] = content.pop(part)
        elif isinstance(value, list):
            content[part][key] = [*value[1:], chance.choice(STRANGE)]
    return content


HOSTILE = [
    # a tuple of two of itself, thirty times: 2**30 when it is shown
    b"\x80\x04)" + b"\x94h\x00" * 0 + b"".join(b"\x94h%c\x86" % k for k in range(30)) + b".",
    b"\x80\x02]" + b"q\x00" + b"h\x00a" * 1 + b".",  # a list inside itself
    b"\x80\x04" + b"(" * 100_000 + b".",
    b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".",
    b"\x80\x04" + b"N" + b"\x85" * 100_000 + b".",
    b"\x80\x02L" + b"9" * 100_000 + b"L\n.",
    b"I" + b"9" * 100_000 + b"\n.",
    b"\x80\x02\x8b" + (200_000).to_bytes(4, "little") + b"\x7f" * 200_000 + b".",
]
"""Pickles of a few bytes that cost whoever reads them much, or end in the middle of what they
are.
"""


def _opcodes(content: bytes, chance: random.Random) -> bytes:
    """The same pickle with steps twice, gone, exchanged, or taken from elsewhere."""
    marks = [place for _, _, place in pickletools.genops(content)]
    steps = [content[begin:end] for begin, end in zip(marks, [*marks[1:], len(content)], strict=True)]
    for _ in range(chance.choice([1, 2, 4])):
        place, other = chance.randrange(len(steps)), chance.randrange(len(steps))
        how = chance.randrange(5)
        if how == 0:
            steps.insert(other, steps[place])
        elif how == 1 and len(steps) > 1:
            del steps[place]
        elif how == 2:
            steps[place], steps[other] = steps[other], steps[place]
        elif how == 3:
            steps.insert(
                place,
                chance.choice(
                    [
                        b"(",
                        b")",
                        b"]",
                        b"}",
                        b"N",
                        b"0",
                        b"2",
                        b"t",
                        b"u",
                        b"b",
                        b"R",
                        b"\x85",
                        b"\x86",
                        b"\x94",
                        b"\x8f",
                        b"K\x01",
                        b".",
                    ]
                ),
            )
        else:
            steps[place] = chance.choice(
                [
                    b"G\x7f\xf8\0\0\0\0\0\0",
                    b"J\xff\xff\xff\x7f",
                    b"\x8a\x09" + b"\xff" * 8 + b"\x7f",
                    b"X\x03\0\0\0\xed\xa0\x80",
                    b"B\0\0\0\x7f",
                ]
            )
    return b"".join(steps)


def pickles(chance: random.Random) -> Case:
    """Pickles of arrays as CMU-MOSI is passed on, and .npz files of one's own."""
    content = chance.choice(_contents())
    protocol = chance.choice([0, 2, 3, 4, 4, 5])
    how = chance.random()
    name = "mosi_data.pkl"
    if how < 0.3:
        whole = mutated_bytes(pickle.dumps(content, protocol), chance)
    elif how < 0.55:
        whole = _opcodes(pickle.dumps(content, protocol), chance)
    elif how < 0.85:
        whole = pickle.dumps(_mutated_arrays(content, chance), protocol)
    elif how < 0.9:
        whole = chance.choice(HOSTILE)
    else:
        name, whole = "mine.npz", _npz(content, chance)
    asked = ("data.file=mine.npz",) if name == "mine.npz" else ()
    word = ("data", "verify", "mosi", "data.root=m", "data.terms=accepted", "data.fold_sizes=any", *asked)
    return Case([word], {f"m/{name}": whole}, converted_here=chance.random() < 0.95)


def _npz(content: Any, chance: random.Random) -> bytes:
    import numpy as np

    mutate = chance.random() < 0.6
    content = _mutated_arrays(content, chance) if mutate else content
    arrays = {}
    for part, fields in content.items():
        for key, value in fields.items() if isinstance(fields, dict) else ():
            made = np.asarray(value) if isinstance(value, np.ndarray) else np.asarray(value, object)
            if not mutate and made.dtype == object:  # as one saves text on purpose
                made = made.astype(str)
            arrays[f"{part}/{key}"] = made
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for key, array in arrays.items():
            inner = io.BytesIO()
            try:
                np.lib.format.write_array(inner, array, allow_pickle=True)
            except (ValueError, TypeError):
                continue
            archive.writestr(zipfile.ZipInfo(f"{key}.npy".replace("\0", "0"), (2012, 1, 1, 0, 0, 0)), inner.getvalue())
    whole = stream.getvalue()
    return whole if mutate else mutated_bytes(whole, chance)
