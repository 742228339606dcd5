"""What of the Beijing Multi-Site Air Quality data is read, and how."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

StationName = Literal[
    "Aotizhongxin", "Changping", "Dingling", "Dongsi", "Guanyuan", "Gucheng",
    "Huairou", "Nongzhanguan", "Shunyi", "Tiantan", "Wanliu", "Wanshouxigong",
]  # fmt: skip

DATES = "dates"
"""The split that the cohort carries: train, valid and test by date."""

STATION = "station"
"""The column that names the station of each record."""

Month = Annotated[str, msgspec.Meta(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]


class BeijingAirParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of the Beijing Multi-Site Air Quality data is read, and how; see
    docs/reference/datasets/beijing_air.md.
    """

    stations: Annotated[
        tuple[StationName, ...],
        msgspec.Meta(description="Which of the 12 stations; empty: all that are present."),
    ] = ()
    history_days: Annotated[
        int,
        msgspec.Meta(ge=1, le=28, description="Days before the forecast day that a record holds, in hourly bins."),
    ] = 3
    stride_days: Annotated[
        int, msgspec.Meta(ge=1, le=28, description="Days from one forecast day of a station to its next.")
    ] = 1
    target_hours: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=24,
            description="Hours of the forecast day with a PM2.5 value from which on its mean is known; 20 as in GB 3095-2012.",
        ),
    ] = 20
    valid_from: Annotated[
        Month, msgspec.Meta(description="First month, as YYYY-MM, of the validation part of the split `dates`.")
    ] = "2015-03"
    test_from: Annotated[
        Month, msgspec.Meta(description="First month, as YYYY-MM, of the test part of the split `dates`.")
    ] = "2016-03"
    generated_stations: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=12,
            description="Stations of the generated stand-in. With `data.root=synthetic` only; else a warning says that it "
            "has no effect.",
        ),
    ] = 12
    generator_seed: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="Seed of the generated stand-in. With `data.root=synthetic` only; else a warning says that it has "
            "no effect.",
        ),
    ] = 0
