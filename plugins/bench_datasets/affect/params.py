"""What of CMU-MOSI and CMU-MOSEI is read, and how."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

FOLDS = "folds"
"""The split that comes with the files: train, valid and test videos."""


class MosiParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of CMU-MOSI or CMU-MOSEI is read, and how; see docs/mosi.md. Paths are absolute or relative to data.root.

    file:             the file to read where a folder holds several, or an .npz of features of your own.
    feature_pipeline: what the features were made with; empty: what files of that kind are known for. An .npz must say it.
    zero_rows:        a row of audio or vision that is 0 in all channels, inside a segment, is "missing" or a "value".
    fold_sizes:       "published" refuses folds of other sizes than any published ones, "any" takes them and counts.
    bins:             bins of the grid over a segment, for files whose modalities are not aligned.
    terms:            "accepted": you follow the terms under which you were given the files. Generated files need none.
    samples, generator_seed: size and seed of the stand-in, with data.root=synthetic only (else a warning).
    """

    file: str = ""
    feature_pipeline: str = ""
    zero_rows: Literal["missing", "value"] = "missing"
    fold_sizes: Literal["published", "any"] = "published"
    bins: Annotated[int, msgspec.Meta(ge=1, le=500)] = 50
    terms: Literal["", "accepted"] = ""
    samples: Annotated[int, msgspec.Meta(ge=60, le=100_000)] = 600
    generator_seed: Annotated[int, msgspec.Meta(ge=0)] = 0


class MoseiParams(MosiParams, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same of CMU-MOSEI."""
