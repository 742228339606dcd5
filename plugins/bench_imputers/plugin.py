"""The imputers of this package, declared by name; nothing heavy is imported here."""

from __future__ import annotations

from bench.hooks import hookimpl
from bench.registry import Registry

bench_contract = 1


@hookimpl
def bench_register(registry: Registry) -> None:
    for name, path, summary in (
        ("zero", "channels:Zero", "0 everywhere: the training mean before winsorising, on the standardised scale"),
        ("mean", "channels:Mean", "the channel's mean over visible training entries"),
        ("median", "channels:Median", "the channel's median over visible training entries"),
        ("locf", "temporal:Locf", "the record's last earlier value, else the training mean"),
        (
            "nearest",
            "temporal:Nearest",
            "the record's value nearest in time (the earlier of two), else the training mean",
        ),
        (
            "linear",
            "temporal:Linear",
            "a line between the record's values, nearest at the ends, else the training mean",
        ),
    ):
        registry.imputer(name, f"bench_imputers.{path}", summary=summary, seconds=0.1)
    registry.imputer(
        "none",
        "bench_imputers.controls:Unfilled",
        summary="control: no imputation, what is missing stays NaN",
        tags=("leaves_nan",),
        seconds=0.1,
    )
    registry.imputer(
        "mask_only",
        "bench_imputers.controls:MaskOnly",
        summary="control: no value at all, only what was observed and when",
        tags=("hides_values",),
        seconds=0.1,
    )
