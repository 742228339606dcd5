"""`beijing_air`, declared. Light: nothing here reads data."""

from __future__ import annotations

from bench.cohort import Task
from bench.registry import Registry
from bench_datasets.beijing_air.params import DATES, STATION, BeijingAirParams
from bench_datasets.metrics import CLASSIFICATION


def register(registry: Registry) -> None:
    """Declare `beijing_air`."""
    registry.dataset(
        "beijing_air",
        "bench_datasets.beijing_air.dataset:BeijingAir",
        params=BeijingAirParams,
        tasks=(
            Task(
                "pm25_day",
                "regression",
                ("mae", "rmse", "corr"),
                summary="mean PM2.5 of the next day, µg/m³",
                eligible=0.97,
            ),
            Task(
                "pm25_above75",
                "binary",
                CLASSIFICATION,
                summary="mean PM2.5 of the next day above 75 µg/m³ (GB 3095-2012, grade II)",
                eligible=0.97,
            ),
            Task(
                "pm25_hours",
                "regression",
                ("mae", "rmse"),
                outputs=24,
                summary="PM2.5 of each hour of the next day, µg/m³",
                eligible=0.86,
            ),
        ),
        modalities=("pollutants", "weather"),
        splits=(DATES,),
        columns=(STATION,),
        channels=lambda params: {"pollutants": 6, "weather": 7},
        generated_records=lambda params: params.generated_stations * 1440 // params.stride_days,
        files="bench_datasets.beijing_air.files:files",
        release="bench_datasets.beijing_air.release:release",
        fetch="bench_datasets.beijing_air.fetch:fetch",
        generate="bench_datasets.beijing_air.generate:from_params",
        generate_params=("generated_stations", "generator_seed"),
        verify="bench_datasets.beijing_air.verify:verify",
        seconds=0.4,
        summary="air quality and weather of 12 stations in Beijing, hour by hour, 2013 to 2017; PM2.5 of the next day",
        paper=(
            "Zhang, Guo, Dong, He, Xu, Chen. Cautionary tales on air-quality improvement in Beijing. Proceedings of the Royal "
            "Society A 473:20170457, 2017"
        ),
    )
