"""What of CMU-MOSI or CMU-MOSEI is there: whose file, its checksum, folds, alignment and
features.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.cohort import Counts
from bench_datasets.affect.dataset import check_terms
from bench_datasets.affect.files import find
from bench_datasets.affect.params import MosiParams
from bench_datasets.affect.read import FOLD_SIZES, MODALITIES, PARTS, read
from bench_datasets.safe_pickle.convert import sha256

CHECKSUMS = {
    "mosi": {
        "d3994fd25681f9c7ad6e9c6596a6fe9b4beb85ff7d478ba978b124139002e5f9": "MMSA, aligned_50.pkl",
        "78e0f8b5ef8ff71558e7307848fc1fa929ecb078203f565ab22b9daab2e02524": "MMSA, unaligned_50.pkl",
    },
    "mosei": {
        "45eccfb748a87c80ecab9bfac29582e7b1466bf6605ff29d3b338a75120bf791": "MMSA, aligned_50.pkl",
        "ad8b23d50557045e7d47959ce6c5b955d8d983f2979c7d9b7b9226f6dd6fec1f": "MMSA, unaligned_50.pkl",
    },
}
"""Dataset -> SHA-256 -> file, as published by MMSA; the others publish none."""


def mosi(root: Path, params: MosiParams) -> list[dict[str, Any]]:
    """Of CMU-MOSI; see `verify`."""
    return verify("mosi", root, params)


def mosei(root: Path, params: MosiParams) -> list[dict[str, Any]]:
    """Of CMU-MOSEI; see `verify`."""
    return verify("mosei", root, params)


def verify(dataset: str, root: Path, params: MosiParams) -> list[dict[str, Any]]:
    """One entry per thing looked at: item, status (ok, differs, unknown) and detail. Raises
    DataError as reading does.
    """
    files = find(dataset, root, params)
    check_terms(files, params)
    samples = read(dataset, files, params, lambda line: None, Counts())
    digest = sha256(files.features)
    whose = CHECKSUMS[dataset].get(digest)
    sizes = tuple(int((samples.part == number).sum()) for number in range(len(PARTS)))
    published = FOLD_SIZES[dataset].get(sizes)
    shapes = ", ".join(f"{name} {'x'.join(map(str, samples.values[name].shape[1:]))}" for name in MODALITIES)
    alignment = (
        "approximate"
        if samples.approximate
        else "by word"
        if samples.aligned
        else "none; steps are places in the segment"
    )
    return [
        _entry("file", "ok", f"{files.features}: {samples.kind}"),
        _entry("checksum", "ok" if whose else "unknown", f"{whose or 'none published for this file'}: {digest}"),
        _entry(
            "folds",
            "unknown" if files.mark else "ok" if published else "differs",
            f"{' / '.join(f'{size:,}' for size in sizes)}: {published or 'not a published size'}",
        ),
        _entry("alignment", "differs" if samples.approximate else "ok", alignment),
        _entry("features", "ok", f"{samples.pipeline}: {shapes}"),
        _entry("terms", "ok", "generated, none" if files.mark else "said to be followed (data.terms=accepted)"),
    ]


def _entry(item: str, status: str, detail: str) -> dict[str, Any]:
    return {"item": item, "status": status, "detail": detail}
