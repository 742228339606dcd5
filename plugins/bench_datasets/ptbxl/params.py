"""What of PTB-XL is read, and how its statements become labels. Light."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

RATE = 100
"""Samples per second of the files that are read (`records100`)."""

SAMPLES = 1000
"""Samples of a record: 10 s."""

LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")
CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
LEADS = LIMB + CHEST
"""In the order of the files."""

CLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
"""Superclasses, in the order that the single label goes by (CondI, preprocess.py)."""

FOLD = "strat_fold"
"""The split that the authors of PTB-XL recommend: folds 1 to 8, 9 and 10."""

SITE = "site"
"""The column with the site of recording."""


class PtbxlParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of PTB-XL is read, and how its statements become labels; see
    docs/reference/suites/ptbxl.md.
    """

    length: Annotated[
        int,
        msgspec.Meta(ge=10, le=SAMPLES, description="Samples of each record: those in the middle. 1000 is all 10 s."),
    ] = SAMPLES
    min_likelihood: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            le=100,
            description="A statement counts from this likelihood on, in percent. 0: every statement that is listed, also "
            "with likelihood 0, as in CondI's code; 100: certain ones alone, as in FedMultimodal.",
        ),
    ] = 0.0
    single: Annotated[
        Literal["priority", "only"],
        msgspec.Meta(
            description="The label of a record with several superclasses in the task `diagnosis`: the first of NORM, MI, "
            "STTC, CD, HYP (priority, as in CondI's code), or none (only)."
        ),
    ] = "priority"
    unlabelled: Annotated[
        Literal["left_out", "kept"],
        msgspec.Meta(
            description="Records without any superclass: left out, or kept as records with none of the labels of `diagnoses` "
            "and an unknown `diagnosis`."
        ),
    ] = "left_out"
    merge_sites_below: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="Sites with fewer records of the cohort are one site, `merged`, in the column `site`; 0: none is merged.",
        ),
    ] = 50
    records: Annotated[
        int,
        msgspec.Meta(
            ge=40,
            le=100_000,
            description="Records of the generated stand-in. With `data.root=synthetic` only; else a warning says that it "
            "has no effect.",
        ),
    ] = 800
    generator_seed: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="Seed of the generated stand-in. With `data.root=synthetic` only; else a warning says that it has "
            "no effect.",
        ),
    ] = 0
