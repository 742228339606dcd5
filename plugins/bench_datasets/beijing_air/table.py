"""The variables of the Beijing Multi-Site Air Quality data: modality, unit, plausible range, and
the days that the files cover.

The ranges remove what no instrument in Beijing can mean: sentinels such as -999, shifted decimals.
They keep every value of the published files. PM2.5 and PM10 of 999, PM2.5 above PM10 and ozone of
1071 stay, since nothing says which of two readings is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

FIRST = date(2013, 3, 1)
DAYS = 1461
HOURS = 24 * DAYS
"""Every file covers these hours, to 2017-02-28 23:00, local time (UTC+8, no summer time)."""


@dataclass(frozen=True)
class Variable:
    """A column of the files: its name there, modality, unit, plausible range."""

    name: str
    modality: str
    unit: str
    low: float
    high: float


VARIABLES: tuple[Variable, ...] = (
    Variable("PM2.5", "pollutants", "µg/m³", 0, 1000),
    Variable("PM10", "pollutants", "µg/m³", 0, 1000),
    Variable("SO2", "pollutants", "µg/m³", 0, 1000),
    Variable("NO2", "pollutants", "µg/m³", 0, 500),
    Variable("CO", "pollutants", "µg/m³", 0, 20_000),
    Variable("O3", "pollutants", "µg/m³", 0, 1200),
    Variable("TEMP", "weather", "°C", -40, 50),
    Variable("PRES", "weather", "hPa", 950, 1060),
    Variable("DEWP", "weather", "°C", -60, 35),
    Variable("RAIN", "weather", "mm", 0, 200),
    Variable("WSPM", "weather", "m/s", 0, 50),
)

PM25 = 0
"""The place of PM2.5 in VARIABLES."""

WIND = "wd"
POINTS: tuple[str, ...] = (
    "N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW",
)  # fmt: skip
"""The column of the wind's direction, and what it holds: where the wind comes from, clockwise."""

WIND_CHANNELS = ("wd_sin", "wd_cos")
MODALITIES: tuple[str, ...] = ("pollutants", "weather")
TIME = ("year", "month", "day", "hour")
LIMIT = 75.0
"""µg/m³: the limit of the 24-hour mean of PM2.5 in residential areas (GB 3095-2012, grade II)."""


def names(modality: str) -> tuple[str, ...]:
    """The channels of a modality, in their order; the wind's direction as the sine and the cosine
    of its angle.
    """
    plain = tuple(variable.name for variable in VARIABLES if variable.modality == modality)
    return plain + (WIND_CHANNELS if modality == "weather" else ())


def units(modality: str) -> tuple[str, ...]:
    """The unit of each channel of a modality."""
    plain = tuple(variable.unit for variable in VARIABLES if variable.modality == modality)
    return plain + (("1", "1") if modality == "weather" else ())
