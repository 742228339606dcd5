"""PhysioNet 2012 in the protocol of the CSDI evaluation: what can be set of it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench_datasets.physionet2012.params import Physionet2012Params, SetName

FOLDS = ("fold0", "fold1", "fold2", "fold3", "fold4")
"""The published folds of the CSDI evaluation."""


class Physionet2012CsdiParams(Physionet2012Params, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """PhysioNet 2012 in the protocol of the CSDI evaluation; see
    docs/reference/suites/csdi_healthcare.md.
    """

    sets: Annotated[
        tuple[SetName, ...], msgspec.Meta(description="Which of the sets a, b and c; published: set a.")
    ] = ("a",)
    clean: Annotated[
        bool,
        msgspec.Meta(
            description="Mend unit slips and remove implausible values as `physionet2012` does; published: values as "
            "typed."
        ),
    ] = False
    fold_seed: Annotated[int, msgspec.Meta(ge=0, lt=2**32, description="Seed of the five folds; published: 1.")] = 1
