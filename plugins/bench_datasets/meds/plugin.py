"""`meds`, declared. Light: nothing here reads data."""

from __future__ import annotations

from bench.registry import Registry
from bench_datasets.meds.params import MedsParams


def register(registry: Registry) -> None:
    """Declare `meds`."""
    registry.dataset(
        "meds",
        "bench_datasets.meds.dataset:Meds",
        params=MedsParams,
        tasks=(),
        modalities=(),
        contents="bench_datasets.meds.mapping:contents",
        files="bench_datasets.meds.mapping:files",
        seconds=2.0,
        summary="data in the Medical Event Data Standard (MEDS 0.4), and a TOML file that says what the codes mean",
        paper=(
            "Arnrich, Choi, Fries, McDermott, Oh, Pollard, Shah, Steinberg, Wornow, van de Water. Medical Event Data "
            "Standard (MEDS): Facilitating machine learning for health. ICLR 2024 Workshop on Learning from Time Series "
            "For Health, 2024"
        ),
    )
