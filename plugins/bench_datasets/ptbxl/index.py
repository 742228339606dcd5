"""The index of PTB-XL: which records there are, of whom, from where, and what was found in them.

Statements are texts of Python dictionaries, code -> likelihood in percent. They are parsed as
literals and never run.
"""

from __future__ import annotations

import ast
import gzip
import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.cohort import Counts
from bench.errors import DataError
from bench.files import read_bytes
from bench_datasets.foreign import kind_of
from bench_datasets.ptbxl.params import CLASSES, PtbxlParams

LARGEST = 64 * 2**20
"""Bytes of a table: ten times the published index, which is the larger one."""

LONGEST = 2000
"""Characters of the statements of a record: ten times the longest published ones."""

FOLDS = 10
MERGED = "merged"
"""What small sites are called together."""

COLUMNS = ("ecg_id", "patient_id", "site", "scp_codes", "strat_fold", "filename_lr")
_NAME = re.compile(r"records100/[0-9]{5}/[0-9]{5}_lr", re.ASCII)


@dataclass(frozen=True)
class Index:
    """The records in the order of the file.

    - ids: number of each record, int64 [n]. patients: int64 [n].
    - folds: int64 [n], 1 to 10.
    - sites: str [n], "" where unknown.
    - names: path of each record below the folder, without suffix, str [n].
    - codes: of each record, SCP code -> likelihood in percent.
    """

    ids: np.ndarray
    patients: np.ndarray
    folds: np.ndarray
    sites: np.ndarray
    names: np.ndarray
    codes: list[dict[str, float]]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> Index:
        """Those records (int [k]), in that order."""
        return Index(
            self.ids[rows],
            self.patients[rows],
            self.folds[rows],
            self.sites[rows],
            self.names[rows],
            [self.codes[row] for row in rows],
        )


def content(path: Path) -> bytes:
    """What a table holds, unpacked where it is compressed. Raises DataError where it is damaged
    or too large.
    """
    try:
        if path.suffix != ".gz":
            return read_bytes(path, LARGEST)
        with gzip.open(path) as stream:
            unpacked = stream.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); fetch it again: bench data fetch ptbxl") from error
    if len(unpacked) > LARGEST:
        raise DataError(f"{path} unpacks to more than {LARGEST // 2**20} MiB, as no table of PTB-XL does")
    return unpacked


def read_index(path: Path) -> Index:
    """The index. Raises DataError for a file that is none, and for a record that is not whole:
    without number, patient, fold, name or statements. The same for a record that stands there
    twice, and for a patient in two folds.
    """
    table = _table(path, COLUMNS)
    try:
        numbers = {name: _whole(table[name]) for name in ("ecg_id", "patient_id", "strat_fold")}
        sites = table["site"].fillna("").map(lambda text: str(int(float(text))) if text else "")
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path}: {error}; ecg_id, patient_id, strat_fold and site are whole numbers") from None
    names = table["filename_lr"].fillna("").to_numpy(str)
    for row, name in enumerate(names):
        if not _NAME.fullmatch(name):
            raise DataError(f"{path}, record {row + 1}: filename_lr is no name like records100/00000/00001_lr")
    index = Index(
        numbers["ecg_id"],
        numbers["patient_id"],
        numbers["strat_fold"],
        sites.to_numpy(str),
        names,
        [_codes(text, f"{path}, record {row + 1}") for row, text in enumerate(table["scp_codes"].fillna(""))],
    )
    if len(np.unique(index.ids)) < len(index) or len(np.unique(names)) < len(index):
        raise DataError(f"{path} lists a record twice (ecg_id, filename_lr)")
    if not ((index.folds >= 1) & (index.folds <= FOLDS)).all():
        raise DataError(f"{path}: strat_fold must be 1 to {FOLDS}")
    if len(np.unique(np.stack([index.patients, index.folds]), axis=1).T) > len(np.unique(index.patients)):
        raise DataError(f"{path}: a patient stands in two folds (strat_fold), as in no release of PTB-XL")
    return index


def read_classes(path: Path) -> dict[str, int]:
    """SCP code -> place of its superclass in `CLASSES`, of the diagnostic statements alone."""
    table = _table(path, ("diagnostic", "diagnostic_class"), first="code")
    chosen = table[table["diagnostic"].isin(("1", "1.0"))]
    if stray := sorted(set(chosen["diagnostic_class"].fillna("")) - set(CLASSES)):
        raise DataError(
            f"{path}: diagnostic_class has other classes than {', '.join(CLASSES)}: {', '.join(stray)[:200]}"
        )
    if chosen.empty:
        raise DataError(f"{path} has no diagnostic statement (diagnostic = 1)")
    return {code: CLASSES.index(name) for code, name in zip(chosen["code"], chosen["diagnostic_class"], strict=True)}


def labels_of(index: Index, classes: dict[str, int], params: PtbxlParams) -> np.ndarray:
    """Which superclasses each record has, bool [n, 5]: those of its diagnostic statements with
    a likelihood of `min_likelihood` or more.
    """
    labels = np.zeros((len(index), len(CLASSES)), bool)
    for row, codes in enumerate(index.codes):
        for code, likelihood in codes.items():
            if code in classes and likelihood >= params.min_likelihood:
                labels[row, classes[code]] = True
    return labels


def single_of(labels: np.ndarray, rule: str) -> np.ndarray:
    """The one superclass of each record, float32 [n]: the first it has (`priority`), or the only
    one (`only`, NaN for several). NaN where there is none. labels: bool [n, 5].
    """
    single: np.ndarray = labels.argmax(axis=1).astype(np.float32)
    number = labels.sum(axis=1)
    single[(number == 0) | ((number > 1) & (rule == "only"))] = np.nan
    return single


def merged(sites: np.ndarray, below: int, counts: Counts) -> np.ndarray:
    """The sites, those with fewer than `below` records named `MERGED`, and counted. Unknown ones
    stay unknown.
    """
    names, of, sizes = np.unique(sites, return_inverse=True, return_counts=True)
    small = (sizes < below) & (names != "")
    counts.left_out("records without a site", (sites == "").sum())
    counts.found("sites", (names != "").sum())
    counts.repaired(f"sites of fewer than {below} records, merged into one", small.sum())
    counts.repaired("records of merged sites", sizes[small].sum())
    renamed: np.ndarray = np.where(small, MERGED, names)
    return renamed[of]


def _table(path: Path, columns: tuple[str, ...], first: str = "") -> pd.DataFrame:
    """Columns of a table as texts. first: what the first column is called, where it has no name."""
    data = content(path)
    try:
        table = pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    except (ValueError, pd.errors.ParserError, UnicodeDecodeError) as error:
        kind = kind_of(path)
        reason = f"is {kind}" if kind else f"is no table ({str(error).splitlines()[0][:200]})"
        raise DataError(f"{path} {reason}; fetch it again: bench data fetch ptbxl") from error
    if first:
        table = table.rename(columns={table.columns[0]: first})
    if lacking := [name for name in columns if name not in table.columns]:
        raise DataError(f"{path} lacks the columns {', '.join(lacking)}; is it the file of PTB-XL?")
    if table.empty:
        raise DataError(f"{path} lists nothing")
    return table


def _whole(column: pd.Series[str]) -> np.ndarray:
    """Whole numbers, int64 [n], which the published file writes as 15709.0 where others of the
    column are unknown.
    """
    numbers: np.ndarray = column.astype(float).to_numpy()
    if not (np.isfinite(numbers) & (np.abs(numbers) < 2**53) & (numbers == np.rint(numbers))).all():
        raise ValueError(f"{column.name} is not a whole number in some record")
    whole: np.ndarray = numbers.astype(np.int64)
    return whole


def _codes(text: str, place: str) -> dict[str, float]:
    try:
        if len(text) > LONGEST:
            raise ValueError
        codes = ast.literal_eval(text)
        if not isinstance(codes, dict):
            raise ValueError
        read = {code: float(likelihood) for code, likelihood in codes.items() if isinstance(code, str)}
        if len(read) < len(codes) or not all(0 <= likelihood <= 100 for likelihood in read.values()):
            raise ValueError
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, OverflowError):
        raise DataError(f"{place}: scp_codes is no dictionary of codes and likelihoods from 0 to 100") from None
    return read
