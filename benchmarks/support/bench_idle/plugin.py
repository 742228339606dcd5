"""Registered through the same door as any plugin; the light module."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bench.cohort import Task
from bench.hooks import hookimpl
from bench.registry import Registry

bench_contract = 1

TASK = Task("toy", "binary", ("auroc", "auprc", "f1"), summary="latent severity above its median")


class CohortParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How large the cohort is."""

    n: Annotated[int, msgspec.Meta(description="Records.")] = 200


class IdleParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A parameter without effect, to have many cells."""

    k: Annotated[int, msgspec.Meta(description="Changes nothing but the key of a cell.")] = 0


@hookimpl
def bench_register(registry: Registry) -> None:
    registry.dataset(
        "idle", "bench_idle.parts:Generated", tasks=[TASK], modalities=("vitals", "labs"), params=CohortParams,
        tags=("synthetic",), summary="a generated toy cohort", seconds=0.1,
    )  # fmt: skip
    registry.fuser(
        "idle", "bench_idle.parts:Idle", params=IdleParams, randomness="seeded", seconds=0.0001,
        summary="learns nothing and looks at four bins",
    )  # fmt: skip
