"""`bench data embed mimic4`: raw chest X-rays and ECGs become the Parquet file of embeddings that
the dataset reads.

Files are read and embedded in parts of a fixed size. Each part is stored, whole or not at all, in a
folder beside the result before the next one begins. After an interruption the same command goes on
and gives the same bytes as an uninterrupted run. Model, preprocessing, files and libraries decide
whether stored parts belong to the work.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.components import Context
from bench.errors import DataError, PluginError, UsageError
from bench.files import replacing, write_text
from bench_datasets.mimic4.embed.index import IMAGES, RECORDINGS, Index, Listing, read_index
from bench_datasets.mimic4.embed.model import Model, load_model
from bench_datasets.mimic4.embed.read import (
    Unreadable,
    need_pillow,
    need_wfdb,
    prepare_image,
    prepare_leads,
    read_leads,
    read_pixels,
)
from bench_datasets.mimic4.embeddings import PROVENANCE, made_by
from bench_datasets.mimic4.params import CxrEmbedParams, EcgEmbedParams, EmbedParams, Mimic4Params

RESAMPLED = "resampled"
"""The remark on a file that was changed to another sampling rate."""

NOT_FINITE = "the model gives numbers that are not finite"
"""Why a file that could be read has no vector all the same."""

EVERY = 5.0
"""Seconds between two lines of progress."""

Read = Callable[[Path], tuple[np.ndarray, str]]
"""A file as the array a model takes, and a remark that is counted, or nothing."""


@dataclass(frozen=True)
class Kind:
    """One modality. preprocessing: in words, for the provenance; libraries: what decides its
    values.
    """

    name: str
    noun: str
    listing: Listing
    preprocessing: str
    libraries: tuple[str, ...]


def cxr(
    source: Path, to: Path, params: CxrEmbedParams, data: Mimic4Params, root: Path | None, context: Context
) -> dict[str, Any]:
    """Embeddings of the images of MIMIC-CXR-JPG: all views, one row per image. See `embed`."""
    need_pillow()

    def reader(own: Callable[[np.ndarray], np.ndarray] | None) -> Read:
        def read(path: Path) -> tuple[np.ndarray, str]:
            pixels = read_pixels(path)
            return own(pixels) if own else prepare_image(pixels, params.side, params.low, params.high), ""

        return read

    words = f"grey, 0..255 to {params.low:g}..{params.high:g}, {params.side} x {params.side} by area"
    kind = Kind("cxr", "images", IMAGES, words, ("numpy", "pillow", "scipy", "torch"))
    return embed(kind, reader, source, to, params, data, root, context)


def ecg(
    source: Path, to: Path, params: EcgEmbedParams, data: Mimic4Params, root: Path | None, context: Context
) -> dict[str, Any]:
    """Embeddings of the recordings of MIMIC-IV-ECG, one row per recording. See `embed`."""
    need_wfdb()

    def reader(own: Callable[[np.ndarray], np.ndarray] | None) -> Read:
        def read(path: Path) -> tuple[np.ndarray, str]:
            values, resampled = read_leads(path, params.leads, params.rate)
            return own(values) if own else prepare_leads(values, params.samples), RESAMPLED if resampled else ""

        return read

    words = f"mV, leads {','.join(params.leads)}, first {params.samples} samples at {params.rate} Hz, zeros where none"
    kind = Kind("ecg", "recordings", RECORDINGS, words, ("numpy", "scipy", "torch", "wfdb"))
    return embed(kind, reader, source, to, params, data, root, context)


def embed(
    kind: Kind,
    reader: Callable[[Callable[[np.ndarray], np.ndarray] | None], Read],
    source: Path,
    to: Path,
    params: EmbedParams,
    data: Mimic4Params,
    root: Path | None,
    context: Context,
) -> dict[str, Any]:
    """Write `to` (subject_id, charttime, embedding: list of float32), and return what it holds as
    plain values.

    root: with it, only files from the window of an ICU stay are embedded. A file is left out and
    counted ("unreadable") when it cannot be read, or when the model gives numbers that are not
    finite.

    Raises DataError for a list that is missing or damaged and when no file can be read. Raises
    UsageError when `to` holds something else. Raises PluginError for a model that fails, gives
    another form or gives no finite vector at all.
    """
    counts = Counter[str]()
    model = load_model(params, context.device)
    context.report(f"reading the list of {kind.noun}")
    index = read_index(kind.listing, source, data, root, counts)
    libraries = {name: importlib.metadata.version(name) for name in kind.libraries}
    about = {
        "modality": kind.name,
        **model.about,
        "method": params.method,
        "options": params.options,
        "preprocessing": "the model's own" if model.preprocess else kind.preprocessing,
        "device": context.device,
        "batch": params.batch,
        "part": params.part,
        "files_sha256": index.digest(),
        "libraries": libraries | {"gapbench": importlib.metadata.version("gapbench")},
    }
    if to.exists():
        return _again(kind, to, about, counts)
    if counts["without a readable id or time, skipped"]:
        context.report(
            f"warning: {counts['without a readable id or time, skipped']:,} rows of the list have no readable id or time and are "
            "skipped"
        )
    work = _Work(kind, model, reader(model.preprocess), params, index, context, to.with_name(f".{to.name}.parts"))
    work.begin(about)
    files, results = work.parts()
    rows = sum(results.vectors)
    left_out = sum(results.unreadable.values())
    if not rows:
        shutil.rmtree(work.folder, ignore_errors=True)
        if lost := results.unreadable[NOT_FINITE]:
            raise PluginError(
                f"the model {model.about['model']} gives numbers that are not finite for each of the {lost:,} {kind.noun} that "
                "could be read. Check that its weights are complete, and that its input has the form it expects"
            )
        raise DataError(
            f"none of the {counts['to embed']:,} {kind.noun} listed in {source} can be read: {next(iter(results.unreadable))}; "
            f"is it the folder of {kind.listing.collection} with files/ in it?"
        )
    if left_out:
        context.report(
            f"warning: {left_out:,} of {counts['to embed']:,} {kind.noun} could not be embedded and are left out; the first: "
            f"{next(iter(results.unreadable))}"
        )
    if results.remarks[RESAMPLED]:
        context.report(
            f"warning: {results.remarks[RESAMPLED]:,} {kind.noun} had another sampling rate and were resampled"
        )
    provenance = {
        "rows": rows,
        "width": results.width,
        "unreadable": dict(results.unreadable),
        "remarks": dict(results.remarks),
    }
    _join(files, to, about | provenance)
    shutil.rmtree(work.folder, ignore_errors=True)
    return _summary(to, about | provenance, counts, anew=True)


def _again(kind: Kind, to: Path, about: dict[str, Any], counts: Counter[str]) -> dict[str, Any]:
    """The summary of a result that is there already; UsageError when it is not the result of
    this very command.
    """
    before = made_by(to)
    changed = [name for name, value in about.items() if before.get(name) != value]
    if changed:
        what = f"was made differently ({', '.join(changed)})" if before else f"is no file of embeddings of {kind.noun}"
        raise UsageError(
            f"to={to} is there already and {what}; nothing was done: name another file, or remove it first"
        )
    return _summary(to, before, counts, anew=False)


def _summary(to: Path, provenance: dict[str, Any], counts: Counter[str], anew: bool) -> dict[str, Any]:
    kept = ("modality", "rows", "width", "model", "model_sha256", "preprocessing", "unreadable", "remarks")
    return {"file": str(to), "made": anew, **{name: provenance[name] for name in kept}, "counts": dict(counts)}


@dataclass
class _Results:
    """What the parts hold together. unreadable: reason -> files, in the order met."""

    vectors: list[int]
    width: int
    unreadable: Counter[str]
    remarks: Counter[str]


@dataclass
class _Work:
    """One result in the making. folder: where its parts lie."""

    kind: Kind
    model: Model
    read: Read
    params: EmbedParams
    index: Index
    context: Context
    folder: Path
    width: int = 0

    def begin(self, about: dict[str, Any]) -> None:
        """Make the folder of the parts; remove, with a report, the parts of other work."""
        key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
        marker = self.folder / "key"
        if self.folder.is_dir() and (not marker.is_file() or marker.read_text("utf-8") != key):
            self.context.report(
                f"parts of another model, other settings or other files lie in {self.folder}; removing them"
            )
            shutil.rmtree(self.folder)
        write_text(marker, key)

    def parts(self) -> tuple[list[Path], _Results]:
        """Every part, made where it is not there yet."""
        import pyarrow.parquet as pq

        total, size = self.index.rows.num_rows, self.params.part
        files = [self.folder / f"{start // size:06}.parquet" for start in range(0, total, size)]
        there = [file.is_file() for file in files]
        if any(there):
            done = sum(min(size, total - number * size) for number, is_there in enumerate(there) if is_there)
            self.context.report(f"going on: {done:,} of {total:,} {self.kind.noun} were done before")
        else:
            done = 0
        progress = _Progress(self.context, self.kind.noun, done, total)
        results = _Results([], 0, Counter(), Counter())
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for number, file in enumerate(files):
                if not there[number]:
                    part = self._part(self.index.rows.slice(number * size, size), pool, progress)
                    with replacing(file) as temporary:
                        pq.write_table(part, temporary)
                schema = pq.read_schema(file)
                provenance = json.loads(schema.metadata[PROVENANCE])
                results.vectors.append(provenance["rows"])
                results.unreadable.update(provenance["unreadable"])
                results.remarks.update(provenance["remarks"])
                self._same_width(provenance["width"])
        results.width = self.width
        return files, results

    def _part(self, rows: Any, pool: ThreadPoolExecutor, progress: _Progress) -> Any:
        """The Arrow table of these rows of the index, unreadable files left out and counted in
        its metadata.
        """
        paths = [self.index.folder / path for path in rows.column("path").to_pylist()]
        vectors: list[np.ndarray] = []
        kept: list[int] = []
        unreadable, remarks = Counter[str](), Counter[str]()
        for start, batch in _ahead(pool, self._try, paths, self.params.batch):
            arrays, places = [], []
            for place, (array, remark) in enumerate(batch, start):
                if array is None:
                    unreadable[remark] += 1
                    continue
                arrays.append(array)
                places.append(place)
                if remark:
                    remarks[remark] += 1
            if arrays:
                out = self.model.embed(self._stack(arrays))
                self._same_width(out.shape[1])
                finite = np.isfinite(out).all(axis=1)
                unreadable.update({NOT_FINITE: int((~finite).sum())} if not finite.all() else {})
                kept += [place for place, good in zip(places, finite, strict=True) if good]
                vectors.append(out[finite])
            progress.went_on(len(batch))
        values = np.concatenate(vectors) if vectors else np.zeros((0, 0), np.float32)
        provenance = {
            "rows": len(kept),
            "width": values.shape[1],
            "unreadable": dict(unreadable),
            "remarks": dict(remarks),
        }
        return _table(rows.take(np.array(kept, np.int64)), values, provenance)

    def _try(self, path: Path) -> tuple[np.ndarray | None, str]:
        try:
            return self.read(path)
        except Unreadable as error:
            return None, str(error).replace(str(path), "the file")
        except Exception as error:
            raise PluginError(
                f"preprocess of {self.model.about['model']} fails on one of the {self.kind.noun} ({type(error).__name__}); "
                "it is called with one array and returns one"
            ) from error

    def _stack(self, arrays: list[np.ndarray]) -> np.ndarray:
        shapes = {np.shape(array) for array in arrays}
        if len(shapes) > 1:
            raise PluginError(
                f"the preprocessing of {self.model.about['model']} gives arrays of several shapes: {sorted(shapes)[:3]}"
            )
        return np.stack(arrays).astype(np.float32, copy=False)

    def _same_width(self, width: int) -> None:
        if width and self.width and width != self.width:
            raise PluginError(
                f"the model {self.model.about['model']} gives {width} numbers for some {self.kind.noun} and {self.width} for "
                "others; all must have equally many"
            )
        self.width = self.width or width


def _ahead(
    pool: ThreadPoolExecutor, read: Callable[[Path], Any], paths: list[Path], size: int
) -> Iterator[tuple[int, list[Any]]]:
    """Batches of files with the place of the first; while one is used, the next one is read."""
    waiting = [pool.submit(read, path) for path in paths[:size]]
    for start in range(0, len(paths), size):
        now, waiting = waiting, [pool.submit(read, path) for path in paths[start + size : start + 2 * size]]
        yield start, [future.result() for future in now]


def _table(rows: Any, values: np.ndarray, provenance: dict[str, Any]) -> Any:
    import pyarrow as pa

    offsets = pa.array(np.arange(len(values) + 1, dtype=np.int32) * values.shape[1], pa.int32())
    columns = [
        rows.column("subject_id").cast(pa.int64()),
        rows.column("charttime").cast(pa.timestamp("us")),
        pa.ListArray.from_arrays(offsets, pa.array(values.reshape(-1), pa.float32())),
    ]
    arrow_table = pa.table(columns, names=["subject_id", "charttime", "embedding"])
    return arrow_table.replace_schema_metadata({PROVENANCE: json.dumps(provenance)})


def _join(files: list[Path], to: Path, provenance: dict[str, Any]) -> None:
    """All parts as one file, one part in memory at a time; where it came from stands in its
    metadata.
    """
    import pyarrow.parquet as pq

    schema = pq.read_schema(files[0]).with_metadata({PROVENANCE: msgspec.json.encode(provenance, order="sorted")})
    with replacing(to) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for file in files:
            writer.write_table(pq.read_table(file).replace_schema_metadata(schema.metadata))


class _Progress:
    """A line every few seconds: how many are done, and about how long the rest will take."""

    def __init__(self, context: Context, noun: str, done: int, total: int) -> None:
        self._context, self._noun, self._done, self._total = context, noun, done, total
        self._before, self._began = done, time.monotonic()
        self._said = self._began

    def went_on(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._said < EVERY and self._done < self._total:
            return
        self._said = now
        rate = (self._done - self._before) / max(now - self._began, 1e-6)
        left = (self._total - self._done) / max(rate, 1e-6)
        self._context.report(
            f"{self._done:,} of {self._total:,} {self._noun}, {rate:.1f} a second, about {left / 60:.0f} min left"
        )
