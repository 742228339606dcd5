"""What of CMU-MOSI and CMU-MOSEI is read, and how."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

FOLDS = "folds"
"""The split that comes with the files: train, valid and test videos."""


class MosiParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of CMU-MOSI or CMU-MOSEI is read, and how; see docs/reference/suites/mosi.md.

    Paths are absolute or relative to data.root."""

    file: Annotated[
        str,
        msgspec.Meta(description="The file to read where a folder holds several, or an .npz of features of your own."),
    ] = ""
    feature_pipeline: Annotated[
        str,
        msgspec.Meta(
            description="What the features were made with; empty: what files of that kind are known for. An .npz must say "
            "it."
        ),
    ] = ""
    zero_rows: Annotated[
        Literal["missing", "value"],
        msgspec.Meta(
            description="A row of audio or vision that is 0 in all channels, inside a segment, is missing (the tracker "
            "failed) or a value."
        ),
    ] = "missing"
    fold_sizes: Annotated[
        Literal["published", "any"],
        msgspec.Meta(
            description="Folds of other sizes than any published ones are refused (published), or taken and counted "
            "(any)."
        ),
    ] = "published"
    bins: Annotated[
        int,
        msgspec.Meta(
            ge=1, le=500, description="Bins of the grid over a segment, for files whose modalities are not aligned."
        ),
    ] = 50
    terms: Annotated[
        Literal["", "accepted"],
        msgspec.Meta(
            description="`accepted`: you follow the terms under which you were given the files. Generated files need "
            "none."
        ),
    ] = ""
    samples: Annotated[
        int,
        msgspec.Meta(
            ge=60,
            le=100_000,
            description="Segments of the generated stand-in. With `data.root=synthetic` only; else a warning says that it "
            "has no effect.",
        ),
    ] = 600
    generator_seed: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="Seed of the generated stand-in. With `data.root=synthetic` only; else a warning says that it has "
            "no effect.",
        ),
    ] = 0


class MoseiParams(MosiParams, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same of CMU-MOSEI."""
