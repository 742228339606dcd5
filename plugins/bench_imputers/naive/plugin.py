"""The naive fills and the controls, declared; their code is imported when one is built."""

from __future__ import annotations

from bench.registry import Registry

LEARNT = {"zero": "learns_nothing", "median": ""}
"""What imputers learn by, as a tag, where it is not sums."""


def register(registry: Registry) -> None:
    """Declare them all."""
    for name, path, summary in (
        (
            "zero",
            "naive.channels:Zero",
            "0 everywhere: the training mean before winsorising, on the standardised scale",
        ),
        ("mean", "naive.channels:Mean", "the channel's mean over visible training entries"),
        ("median", "naive.channels:Median", "the channel's median over visible training entries"),
        ("locf", "naive.temporal:Locf", "the record's last earlier value, else the training mean"),
        (
            "nearest",
            "naive.temporal:Nearest",
            "the record's value nearest in time (the earlier of two), else the training mean",
        ),
        (
            "linear",
            "naive.temporal:Linear",
            "a line between the record's values, nearest at the ends, else the training mean",
        ),
    ):
        tag = LEARNT.get(name, "sums")
        registry.imputer(name, f"bench_imputers.{path}", summary=summary, seconds=0.1, tags=(tag,) if tag else ())
    registry.imputer(
        "none",
        "bench_imputers.naive.controls:Unfilled",
        summary="control: no imputation, what is missing stays NaN",
        tags=("leaves_nan", "learns_nothing"),
        seconds=0.1,
    )
    registry.imputer(
        "mask_only",
        "bench_imputers.naive.controls:MaskOnly",
        summary="control: no value at all, only what was observed and when",
        tags=("hides_values", "learns_nothing"),
        seconds=0.1,
    )
