"""What of PTB-XL is there: release, folds, leads, plausible units, and whether the limb leads are
functions of each other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench_datasets.ptbxl.files import find
from bench_datasets.ptbxl.index import read_classes, read_index
from bench_datasets.ptbxl.params import CLASSES, LEADS, PtbxlParams
from bench_datasets.ptbxl.read import need_wfdb, read_record
from bench_datasets.ptbxl.release import release

LOOKED_AT = 200
"""Records whose samples are looked at, spread evenly over the index."""

LARGEST, SHARE = 20.0, 0.999
"""mV, and the share of samples that must be smaller."""

ROUNDING = 0.0021
"""mV. Each lead is rounded to 0.001; the identities have up to three of them."""


def verify(root: Path, params: PtbxlParams) -> list[dict[str, Any]]:
    """One entry per thing looked at: item, status (ok, differs, unknown) and detail. Raises
    DataError as reading does.
    """
    need_wfdb()
    files = find(root)
    index, classes = read_index(files.index), read_classes(files.statements)
    named = release(root, params)
    codes = {code for record in index.codes for code in record}
    chosen = np.unique(np.linspace(0, len(index) - 1, LOOKED_AT).astype(int))
    values = np.stack([read_record(files.base / index.names[row]) for row in chosen])
    small = float((np.abs(values) < LARGEST).mean())
    return [
        _entry("release", bool(named), named or "none known", otherwise="unknown"),
        _entry("records", True, f"{len(index):,} of {len(np.unique(index.patients)):,} patients"),
        _entry("folds", True, ", ".join(f"{number:,}" for number in np.bincount(index.folds)[1:])),
        _entry("statements", True, f"{len(classes)} diagnostic ones in {len(CLASSES)} classes; {len(codes)} are used"),
        _entry("leads", True, f"12 leads of 10 s at 100 Hz in {len(chosen)} records"),
        _entry("unit", small >= SHARE, f"{100 * small:.2f} % of the samples are below {LARGEST:g} mV"),
        _entry(
            "limb leads",
            True,
            f"{100 * limb_share(values):.2f} % of the samples are functions of I and II, to rounding",
        ),
    ]


def limb_share(values: np.ndarray) -> float:
    """The share of samples on which III = II - I, aVR = -(I + II) / 2, aVL = I - II / 2 and aVF =
    II - I / 2 hold to rounding. values: mV [..., 12].
    """
    lead = {name: values[..., place] for place, name in enumerate(LEADS)}
    one, two = lead["I"], lead["II"]
    wanted = {"III": two - one, "aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2}
    return float(np.all([np.abs(lead[name] - value) < ROUNDING for name, value in wanted.items()], axis=0).mean())


def _entry(item: str, fits: bool, detail: str, otherwise: str = "differs") -> dict[str, Any]:
    return {"item": item, "status": "ok" if fits else otherwise, "detail": detail}
