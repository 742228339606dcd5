"""Where the files of CMU-MOSI and CMU-MOSEI are. Light: looks at names only, opens nothing.

Accepted as data.root: the folder that holds the file, or one above it in a usual place (`mosi/`,
`MOSI/Processed/`, ...).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.errors import DataError
from bench.registry import BY_COUNTS, MARK
from bench_datasets.affect.params import MosiParams

KNOWN = {
    "mosi": ("mosi_data.pkl", "mosi_data_noalign.pkl", "mosi_raw.pkl", "aligned_50.pkl", "unaligned_50.pkl"),
    "mosei": (
        "mosei_senti_data.pkl",
        "mosei_senti_data_noalign.pkl",
        "aligned_50.pkl",
        "unaligned_50.pkl",
    ),
}
"""Dataset -> the names its files are passed on under: MulT, MultiBench, MMSA."""

ORACLE = "oracle.npz"
"""Beside a generated file: the best possible prediction of each sample."""

ACCESS = (
    "the features are passed on by the authors of MultiBench (github.com/pliang279/MultiBench), MMSA (github.com/thuiar/MMSA) "
    "and MulT (github.com/yaohungt/Multimodal-Transformer): download one of their files by hand and follow their terms"
)


@dataclass(frozen=True)
class AffectFiles:
    """What is there. features: the pickle or .npz; mark, oracle: of generated files only."""

    features: Path
    mark: Path | None = None
    oracle: Path | None = None


def mosi_files(root: Path, params: MosiParams) -> list[Path]:
    """The files that decide the content of `mosi`. Raises DataError as `find` does."""
    return _listed(find("mosi", root, params))


def mosei_files(root: Path, params: MosiParams) -> list[Path]:
    """The files that decide the content of `mosei`. Raises DataError as `find` does."""
    return _listed(find("mosei", root, params))


def _listed(files: AffectFiles) -> list[Path]:
    return [path for path in (files.features, files.mark, files.oracle) if path]


def mosi_release(root: Path, params: MosiParams) -> str:
    """What the features are of: see `_release`."""
    return _release("mosi", root, params)


def mosei_release(root: Path, params: MosiParams) -> str:
    """What the features are of: see `_release`."""
    return _release("mosei", root, params)


def _release(dataset: str, root: Path, params: MosiParams) -> str:
    """For a file as it is passed on: "CMU-MOSI" (or MOSEI), followed by `BY_COUNTS`. The reader
    checks that its folds have a published size; no digest of these files is published. For other
    data: what differs (own features, folds of any size).
    """
    own = ", features of your own" if find(dataset, root, params).features.suffix == ".npz" else ""
    folds = ", folds of any size" if params.fold_sizes == "any" else ""
    return f"CMU-{dataset.upper()}{own}{folds or BY_COUNTS * (not own)}"


def find(dataset: str, root: Path, params: MosiParams) -> AffectFiles:
    """The one file of features under `root`.

    Raises DataError, with what to type next, when there is none or there are several, and for a
    file of a kind that is not read.
    """
    features = _named(root, params.file) if params.file else _only(dataset, root)
    mark = features.parent / MARK
    if not mark.is_file():
        return AffectFiles(features)
    oracle = features.parent / ORACLE
    return AffectFiles(features, mark, oracle if oracle.is_file() else None)


def _named(root: Path, file: str) -> Path:
    path = root / Path(file).expanduser()
    if not path.is_file():
        raise DataError(f'data.file = "{file}" is not a file ({path}); a path is absolute or relative to data.root')
    if path.suffix not in (".pkl", ".pickle", ".npz"):
        raise DataError(
            f'data.file = "{file}" is not read: a cache of torch (.pt, .dt) can hold any object, and a computational sequence '
            "(.csd) is not aligned. Accepted: .pkl of MulT, MultiBench or MMSA, or an .npz of your own "
            "(docs/reference/suites/mosi.md)"
        )
    return path


def _only(dataset: str, root: Path) -> Path:
    upper = dataset.upper()
    places = (
        "",
        dataset,
        upper,
        f"{dataset}/Processed",
        f"{upper}/Processed",
        "Processed",
        f"CMU-{upper}",
        f"cmu-{dataset}",
    )
    paths = {
        (folder / name).resolve(): folder / name
        for place in places
        for name in KNOWN[dataset]
        if (folder := root / place).is_dir() and (folder / name).is_file()
    }
    if not paths:
        raise DataError(f"no file of {dataset} under {root}: looked for {', '.join(KNOWN[dataset])}; {ACCESS}")
    if len(paths) > 1:
        names = [str(path.relative_to(root)) for path in paths.values()]
        raise DataError(
            f"several files of {dataset} lie under {root}: {', '.join(names)}; give one: data.file={names[0]}"
        )
    return next(iter(paths.values()))
