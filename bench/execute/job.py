"""A job: one stage to be done by a worker, with all it needs, as plain data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import msgspec

from bench import arrays
from bench.components import Context
from bench.config.suite import Hiding, Scaling, Split
from bench.data.places import keyed
from bench.grid.plan import Cell


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What all jobs of a run share.

    manifest: of the files that cohort_key was made with; "" where the dataset has none. differ: what may differ between
    weights and data, as in `bench.config.suite.Weights`.
    """

    dataset: str
    data: dict[str, Any]
    root: str
    cache: str
    cohort_key: str
    manifest: str = ""
    split: Split
    scaling: Scaling
    hiding: Hiding
    fill_absent: bool
    draws: int
    precision: str
    threads: int
    differ: tuple[str, ...] = ()

    def folder(self, *parts: str) -> Path:
        return Path(self.cache).joinpath(*parts)


def completed_file(cache: Path, key: str) -> Path:
    """Where the completed grid of an imputation lies; written last, so the imputation is there when this is."""
    return keyed(cache, "imputations") / key / "completed.safetensors"


def errors_file(cache: Path, key: str) -> Path:
    """Where the errors of an imputation on each test record lie, where anything was hidden and filled."""
    return keyed(cache, "imputations") / key / "errors.npz"


def is_imputed(cache: Path, key: str) -> bool:
    """Whether an imputation is there with all its parts; arrays are compared with their digests when they are read."""
    try:
        about = json.loads(arrays.metadata(completed_file(cache, key))["about"])
        folder = completed_file(cache, key).parent
        parts = ["draws.safetensors"] * bool(drawn(about)) + ["state.safetensors"] * bool(about.get("learnt"))
        whole = all(arrays.is_complete(folder / part) for part in parts)
        return whole and (not about.get("errors") or errors_file(cache, key).is_file())
    except (arrays.Damaged, KeyError, TypeError, ValueError):
        return False


def drawn(about: dict[str, Any]) -> bool:
    """Whether all draws of an imputation were stored beside their median."""
    return bool(about.get("drawn", about["costs"]["draws"] > 1))


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One stage: `cohort` needs no cell, `impute` and `fuse` do.

    id: the stage's key. needs: ids of jobs that come first. estimate: seconds it will probably take.
    """

    id: str
    kind: Literal["cohort", "impute", "fuse"]
    label: str
    needs: tuple[str, ...] = ()
    cell: Cell | None = None
    device: str = "cpu"
    estimate: float = 1.0

    def context(self, setup: Setup, **guest: Any) -> Context:
        """The surroundings of this job's component, with a scratch folder of its own that survives interruption."""
        assert self.cell is not None
        return Context(
            seed=self.cell.coordinates.seed,
            device=self.device,
            precision=setup.precision,
            scratch=setup.folder("scratch", self.id),
            **guest,
        )
