"""Datasets that come with the harness. Light: nothing here reads data."""

from __future__ import annotations

from typing import Literal

import msgspec

from bench.cohort import Task
from bench.hooks import hookimpl
from bench.registry import Registry

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


_METRICS = ("auroc", "auprc", "f1", "brier")


@hookimpl
def bench_register(registry: Registry) -> None:
    registry.dataset(
        "physionet2012",
        "bench_datasets.physionet2012:Physionet2012",
        params=Physionet2012Params,
        tasks=(
            Task("ihm", "binary", _METRICS, summary="death before leaving the hospital"),
            Task("los", "binary", _METRICS, summary="leaves the hospital alive 2 to 4 days after admission to the ICU"),
        ),
        modalities=("vitals", "labs", "respiratory", "fluids"),
        files="bench_datasets.physionet2012_files:files",
        fetch="bench_datasets.physionet2012_fetch:fetch",
        seconds=1.0,
        summary="ICU stays of adults, the first 48 hours, 37 variables and 5 statics (12,000 stays in sets a, b and c)",
        paper=(
            "Silva, Moody, Scott, Celi, Mark. Predicting in-hospital mortality of ICU patients: "
            "the PhysioNet/Computing in Cardiology Challenge 2012. Computing in Cardiology 39:245-248, 2012"
        ),
    )
