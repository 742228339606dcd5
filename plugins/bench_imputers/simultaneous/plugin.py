"""Imputers that read the other channels of the same bin, declared; their code is imported when one
is built.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.registry import Registry
from bench.workload import Workload


class RidgeParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ridge regression per channel."""

    alpha: Annotated[
        float,
        msgspec.Meta(gt=0, description="Weight of the penalty, the sum of squared coefficients (scikit-learn's)."),
    ] = 1.0


def ridge_seconds(params: RidgeParams, work: Workload) -> float:
    """Measured for bins by the thousand: sums of products and completing are alike in cost."""
    return 1e-3 * work.records * work.width


def register(registry: Registry) -> None:
    """Declare `einthoven` and `ridge`."""
    registry.imputer(
        "einthoven",
        "bench_imputers.simultaneous.einthoven:Einthoven",
        summary="limb leads of an ECG from two others at the same instant, in closed form; all else as linear does",
        paper="Einthoven, Fahr, de Waart. Pflügers Archiv 150, 1913; Goldberger. American Heart Journal 23, 1942",
        tags=("sums",),
        seconds=0.5,
    )
    registry.imputer(
        "ridge",
        "bench_imputers.simultaneous.ridge:Ridge",
        params=RidgeParams,
        summary="each channel from all others in the same bin, by ridge regression; where they are missing, as linear does",
        paper="Hoerl, Kennard. Ridge regression: biased estimation for nonorthogonal problems. Technometrics 12, 1970",
        tags=("sums",),
        seconds=ridge_seconds,
    )
