"""The files of MulT, MultiBench and MMSA, and .npz files of one's own, brought to one form and
checked.

The content of a file tells which kind it is, not its name:

- `regression_labels` (MMSA) or `labels`;
- one number of steps for all modalities (aligned) or not;
- ids of the form `video[k]` (MultiBench's mosi_raw.pkl).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.arrays import npz
from bench.cohort import Counts
from bench.errors import DataError
from bench_datasets.affect.files import AffectFiles
from bench_datasets.affect.params import MosiParams
from bench_datasets.safe_pickle.convert import Field, Layout, converted

PARTS = ("train", "valid", "test")
MODALITIES = ("text", "audio", "vision")
SCALE = 3.0
"""Sentiment lies between minus and plus this."""

LAYOUT = Layout(
    parts={"train": "train", "valid": "valid", "dev": "valid", "test": "test"},
    fields={
        **{name: Field("number", (3,)) for name in MODALITIES},
        "labels": Field("number", (1, 2, 3)),
        "regression_labels": Field("number", (1, 2)),
        "text_bert": Field("number", (3,)),
        "audio_lengths": Field("number", (1,)),
        "vision_lengths": Field("number", (1,)),
        "id": Field("text", (1, 2)),
        "video": Field("text", (1,)),
    },
)
"""What is kept of a file, and of an .npz of one's own ("train/text" and so on)."""

FOLD_SIZES: dict[str, dict[tuple[int, ...], str]] = {
    "mosi": {(1284, 229, 686): "MulT, MMSA", (1283, 214, 686): "MultiBench, mosi_raw.pkl"},
    "mosei": {(16326, 1871, 4659): "MMSA", (16265, 1869, 4643): "MulT, MultiBench, mosei_senti_data.pkl"},
}
"""Dataset -> train, valid and test samples of the files that are passed on (specs/mosi-mosei,
section 2).
"""

LARGEST, TIMES = 128 * 2**20, 8
"""An .npz may unpack to so many bytes, and so many times its own size: steps of padding compress
well, numbers do not.
"""

_INDEXED = re.compile(r"(.+)\[\d+\]")


@dataclass(frozen=True)
class Samples:
    """All samples of a file: train, then valid, then test.

    - ids, videos: str [n]. part: int8 [n]. labels: float32 [n].
    - values: modality -> float32 [n, steps, channels], padded as the file has it.
    - text_mask: bool [n, steps], True at tokens; or None.
    - lengths: audio and vision -> int64 [n], where the file says them.
    - kind: whose file it is, in words.
    - aligned: all modalities have the same steps.
    - approximate: they have, but text and the others were cut differently.
    - pipeline: what the features were made with.
    """

    ids: np.ndarray
    videos: np.ndarray
    part: np.ndarray
    labels: np.ndarray
    values: dict[str, np.ndarray]
    text_mask: np.ndarray | None
    lengths: dict[str, np.ndarray]
    kind: str
    aligned: bool
    approximate: bool
    pipeline: str


def read(
    dataset: str, files: AffectFiles, params: MosiParams, report: Callable[[str], None], counts: Counts
) -> Samples:
    """The samples of a file, every one of them; what is odd is counted. Raises DataError, with
    the file, for what is refused.
    """
    path = files.features
    if path.suffix == ".npz":
        return _samples(dataset, path, _own(path), params, files.mark is not None, counts)
    with converted(path, LAYOUT, report) as (arrays, _):
        return _samples(dataset, path, arrays, params, files.mark is not None, counts)


def _own(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz of one's own. Raises DataError for what it should not hold, and for
    what would unpack to far more than it has.
    """
    arrays_by_place: dict[str, np.ndarray] = {}
    try:
        with npz(path, LARGEST + TIMES * path.stat().st_size) as arrays:
            for place in arrays.files:
                part, _, key = place.partition("/")
                field = LAYOUT.fields.get(key)
                if part not in PARTS or field is None:
                    raise DataError(
                        f'{path} holds "{place}"; accepted: PART/KEY with PART one of {", ".join(PARTS)} and KEY one of '
                        f"{', '.join(LAYOUT.fields)}"
                    )
                values = arrays[place]
                number = field.kind == "number"
                if values.dtype.kind not in ("biuf" if number else "U") or values.ndim not in field.dims:
                    raise DataError(
                        f"{path}: {place} is {values.dtype} with {values.ndim} axes; expected {field.kind}, "
                        f"{' or '.join(map(str, field.dims))} axes"
                    )
                with np.errstate(over="ignore"):
                    arrays_by_place[place] = values.astype(np.float32) if number else values
    except DataError:
        raise
    except Exception as error:  # numpy and zipfile raise a dozen kinds for what is damaged or claims too much
        raise DataError(
            f"{path} is no .npz of plain arrays ({error}); write it with numpy.savez, see docs/reference/suites/mosi.md"
        ) from error
    return arrays_by_place


def _samples(
    dataset: str,
    path: Path,
    arrays: Mapping[str, np.ndarray],
    params: MosiParams,
    generated: bool,
    counts: Counts,
) -> Samples:
    arrays_by_key: dict[str, np.ndarray] = {}
    keys = {place.partition("/")[2] for place in arrays}
    label = "regression_labels" if "regression_labels" in keys else "labels"
    for key in (*MODALITIES, label, "id"):
        if lacking := [part for part in PARTS if f"{part}/{key}" not in arrays]:
            raise DataError(
                f"{path} lacks {key} in {', '.join(lacking)}; "
                "see docs/reference/suites/mosi.md for the files that are read"
            )
    sizes = tuple(len(arrays[f"{part}/{label}"]) for part in PARTS)
    for key in keys:
        present = [arrays[f"{part}/{key}"] for part in PARTS if f"{part}/{key}" in arrays]
        if len(present) < 3:
            raise DataError(f"{path} has {key} in {len(present)} of its 3 parts")
        if len({part.shape[1:] for part in present}) > 1:
            raise DataError(
                f"{path}: {key} has another shape from part to part ({', '.join(str(p.shape) for p in present)})"
            )
        if (got := tuple(len(part) for part in present)) != sizes:
            raise DataError(f"{path}: {key} has {got} records in train, valid and test, {label} has {sizes}")
        arrays_by_key[key] = np.concatenate(present)
    _check_sizes(dataset, path, sizes, params, generated, counts)
    values = {name: arrays_by_key[name] for name in MODALITIES}
    for name, array in values.items():
        if not array.shape[1] or not array.shape[2]:
            raise DataError(f"{path}: {name} has shape {array.shape}: no step or no channel")
    ids, videos, indexed = _names(path, arrays_by_key, counts)
    part = np.repeat(np.arange(3, dtype=np.int8), sizes)
    _check_videos(path, videos, part)
    text_mask = None
    if "text_bert" in arrays_by_key:
        if arrays_by_key["text_bert"].shape[1:] != (3, values["text"].shape[1]):
            raise DataError(
                f"{path}: text_bert has shape {arrays_by_key['text_bert'].shape}, expected [n, 3, steps of text]"
            )
        text_mask = arrays_by_key["text_bert"][:, 1] > 0
    steps = {name: array.shape[1] for name, array in values.items()}
    aligned = len(set(steps.values())) == 1
    approximate = aligned and (indexed or path.name.endswith("_raw.pkl"))
    kind = _kind(path, label, aligned, approximate, generated)
    return Samples(
        ids=ids,
        videos=videos,
        part=part,
        labels=_labels(path, arrays_by_key[label], counts),
        values=values,
        text_mask=text_mask,
        lengths=_lengths(path, arrays_by_key),
        kind=kind,
        aligned=aligned,
        approximate=approximate,
        pipeline=_pipeline(path, params, label, values["text"].shape[2], generated),
    )


def _kind(path: Path, label: str, aligned: bool, approximate: bool, generated: bool) -> str:
    if path.suffix == ".npz":
        whose = "features of one's own"
    elif label == "regression_labels":
        whose = "MMSA"
    else:
        whose = "MultiBench, built from HDF5" if approximate else "MulT or MultiBench"
    how = "approximately aligned" if approximate else "aligned" if aligned else "not aligned"
    return f"{'generated, in the form of ' if generated else ''}{whose}, {how}"


def _pipeline(path: Path, params: MosiParams, label: str, width: int, generated: bool) -> str:
    if params.feature_pipeline:
        return params.feature_pipeline
    if generated:
        return "generated"
    if path.suffix == ".npz":
        raise DataError(
            f"{path} does not say what its features were made with, and scores on other features cannot be compared: "
            "give data.feature_pipeline=NAME"
        )
    text = "BERT" if label == "regression_labels" and width == 768 else "GloVe 840B" if width == 300 else "text"
    return f"{text} {width}, COVAREP, Facet"


def _check_sizes(
    dataset: str, path: Path, sizes: tuple[int, ...], params: MosiParams, generated: bool, counts: Counts
) -> None:
    for part, size in zip(PARTS, sizes, strict=True):
        counts.found(f"samples in {part}", size)
    if not min(sizes):
        raise DataError(f"{path} has {sizes} samples in train, valid and test: a part is empty")
    if generated or sizes in FOLD_SIZES[dataset]:
        return
    published = "; ".join(f"{_triple(known)} ({whose})" for known, whose in FOLD_SIZES[dataset].items())
    if params.fold_sizes == "published":
        other = next((name for name, known in FOLD_SIZES.items() if sizes in known), "")
        hint = f"these are the folds of {other}" if other else "were samples dropped, or is it another data set?"
        raise DataError(
            f"{path} has folds of {_triple(sizes)} samples; published for {dataset}: {published}; {hint} A subset of your own is "
            "read with data.fold_sizes=any"
        )
    counts.found("samples in folds of sizes that were not published", sum(sizes))


def _triple(sizes: tuple[int, ...]) -> str:
    return " / ".join(f"{size:,}" for size in sizes)


def _names(path: Path, arrays_by_key: Mapping[str, np.ndarray], counts: Counts) -> tuple[np.ndarray, np.ndarray, bool]:
    """Ids, their videos, and whether the ids are those of MultiBench's own HDF5 files."""
    own_ids = arrays_by_key["id"]
    rows = own_ids.reshape(len(own_ids), -1).tolist()
    first = [row[0] for row in rows]
    indexed = all(_INDEXED.fullmatch(name) for name in first)
    if "video" in arrays_by_key:
        videos = arrays_by_key["video"].tolist()
    elif indexed:
        videos = [match[1] for match in map(_INDEXED.fullmatch, first) if match]
    elif all("$_$" in name for name in first):
        videos = [name.partition("$_$")[0] for name in first]
    elif own_ids.ndim == 2 and own_ids.shape[1] > 1:
        videos = first
    else:
        raise DataError(
            f'{path}: the ids do not tell the video (the first is "{first[0][:40]}"); accepted: three columns '
            "(video, start, end), video[k], video$_$clip, or a key `video` beside `id`"
        )
    if not all(videos):
        raise DataError(f"{path}: {sum(not video for video in videos)} samples have no video in their id")
    seen: Counter[str] = Counter()
    ids = []
    for row in rows:
        name = "_".join(row)
        seen[name] += 1
        ids.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    counts.repaired("ids that stand several times, numbered", sum(times - 1 for times in seen.values()))
    counts.found("videos", len(set(videos)))
    if len(set(ids)) < len(ids):
        raise DataError(f"{path}: ids stand several times and cannot be numbered apart")
    return np.array(ids), np.array(videos), indexed


def _check_videos(path: Path, videos: np.ndarray, part: np.ndarray) -> None:
    names, of = np.unique(videos, return_inverse=True)
    inside = np.zeros((len(names), 3), bool)
    inside[of, part] = True
    several = names[inside.sum(axis=1) > 1]
    if len(several):
        raise DataError(
            f"{path}: {len(several)} videos stand in two folds ({', '.join(several[:3].tolist())}); the published folds are "
            "disjoint in videos, so the file was put together otherwise: take one as it was passed on"
        )


def _labels(path: Path, column: np.ndarray, counts: Counts) -> np.ndarray:
    if column.size != len(column):
        raise DataError(f"{path}: labels have shape {column.shape}; expected one number per sample")
    labels = column.reshape(-1).astype(np.float32)
    labels[~np.isfinite(labels)] = np.nan
    counts.left_out("samples whose label is not a number, outcome unknown", np.isnan(labels).sum())
    counts.found("samples of label 0", (labels == 0).sum())
    if np.isnan(labels).all():
        raise DataError(f"{path}: no label is a number")
    if np.nanmax(np.abs(labels)) > SCALE + 1e-5:
        raise DataError(f"{path}: labels reach {np.nanmax(np.abs(labels)):g}; sentiment lies between -3 and 3")
    return labels


def _lengths(path: Path, arrays_by_key: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    lengths = {}
    for name in ("audio", "vision"):
        if (numbers := arrays_by_key.get(f"{name}_lengths")) is not None:
            if not np.isfinite(numbers).all() or (numbers < 0).any() or (numbers != np.rint(numbers)).any():
                raise DataError(f"{path}: {name}_lengths holds something else than whole numbers from 0 on")
            lengths[name] = numbers.astype(np.int64)
    return lengths
