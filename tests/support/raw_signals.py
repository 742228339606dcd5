"""Tiny folders of MIMIC-CXR-JPG and MIMIC-IV-ECG for the tests: invented patients, real JPEG and
WFDB files; and how to embed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.components import Context
from bench.errors import BenchError
from bench_datasets.mimic4.embed import embedder as mimic4_embed
from bench_datasets.mimic4.params import CxrEmbedParams, EcgEmbedParams, Mimic4Params
from support.mimic4_tables import START, one_stay, write_csv

AVERAGE = "tiny_models:average"
LEADS = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
COLUMNS = ("dicom_id", "subject_id", "study_id", "ViewPosition", "StudyDate", "StudyTime")


def study_time(when: datetime) -> tuple[str, str]:
    """StudyDate and StudyTime as the metadata have them: no leading zeros in the time."""
    clock = when.strftime("%H%M%S").lstrip("0")
    return when.strftime("%Y%m%d"), f"{clock}.5" if clock else "0.5"


def xray_path(root: Path, number: int, subject: int) -> Path:
    return root / "files" / f"p{str(subject)[:2]}" / f"p{subject}" / f"s{5000 + number}" / f"image-{number}.jpg"


def xrays(
    root: Path, grey: Sequence[int | np.ndarray], hours: Sequence[float] = (), subject: int = 1, start: datetime = START
) -> Path:
    """One image for each grey value (or array of them), an hour apart, with its row in the
    metadata.
    """
    from PIL import Image

    rows: list[tuple[object, ...]] = [COLUMNS]
    for number, value in enumerate(grey):
        pixels = np.full((30, 20), value, np.uint8) if isinstance(value, int) else value
        path = xray_path(root, number, subject)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, quality=100)
        when = start + timedelta(hours=hours[number] if hours else number + 1)
        rows.append((f"image-{number}", subject, 5000 + number, "AP", *study_time(when)))
    write_csv(root / "mimic-cxr-2.0.0-metadata.csv.gz", rows)
    return root


def ecg_path(root: Path, number: int) -> Path:
    return root / "files" / "p1000" / "p10000001" / f"s{900 + number}" / str(900 + number)


def ecgs(root: Path, *signals: np.ndarray, leads: Sequence[str] = LEADS, rate: int = 500) -> Path:
    """One record for each signal (mV, [samples, leads]), an hour apart, with its row in the
    list.
    """
    import wfdb

    rows: list[tuple[object, ...]] = [("subject_id", "study_id", "file_name", "ecg_time", "path")]
    for number, signal in enumerate(signals):
        path = ecg_path(root, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        many = signal.shape[1]
        wfdb.wrsamp(
            path.name, fs=rate, units=["mV"] * many, sig_name=list(leads)[:many], p_signal=signal, fmt=["16"] * many,
            adc_gain=[1000.0] * many, baseline=[0] * many, write_dir=str(path.parent),
        )  # fmt: skip
        when = START + timedelta(hours=number + 1)
        rows.append((1, 900 + number, path.name, str(when), path.relative_to(root).as_posix()))
    write_csv(root / "record_list.csv", rows)
    return root


def stays(root: Path) -> Path:
    """MIMIC-IV with patient 1, who is in intensive care for 60 hours from START."""
    return one_stay(60).write(root)


def script(path: Path, module: Any, example: tuple[int, ...]) -> Path:
    """A TorchScript file of a module."""
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(module.eval(), torch.zeros(example)).save(str(path))
    return path


def rows_of(path: Path) -> list[tuple[int, datetime, list[float]]]:
    """subject_id, charttime and embedding of a file's rows."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    assert table.column_names == ["subject_id", "charttime", "embedding"]
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def cxr(
    source: Path, to: Path, root: Path | None = None, said: list[str] | None = None, **params: Any
) -> dict[str, Any]:
    typed = CxrEmbedParams(**{"model": AVERAGE, **params})
    report = (lambda line: None) if said is None else said.append
    return mimic4_embed.cxr(source, to, typed, Mimic4Params(), root, Context(report=report))


def ecg(source: Path, to: Path, said: list[str] | None = None, **params: Any) -> dict[str, Any]:
    typed = EcgEmbedParams(**{"model": AVERAGE, **params})
    report = (lambda line: None) if said is None else said.append
    return mimic4_embed.ecg(source, to, typed, Mimic4Params(), None, Context(report=report))


def values(path: Path) -> list[list[float]]:
    return [[round(number, 4) for number in row[2]] for row in rows_of(path)]


def refused(kind: type[BenchError], call: Callable[..., object], *given: Any, **named: Any) -> str:
    """The one line with which a call is refused."""
    with pytest.raises(kind) as caught:
        call(*given, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)
