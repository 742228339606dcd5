"""A stand-in for the Beijing Multi-Site Air Quality data: made-up files of the same names and
columns, read by the same code.

Weather passes over the city in spells of days. Calm days gather particles, north-westerly wind
clears them, winter has more of them. So the next day can be forecast in part, from the last day
and from the weather. Nothing here is computed from recorded values.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np

from bench.files import write_bytes, write_text
from bench.registry import MARK
from bench.seeds import generator
from bench_datasets.beijing_air.files import STATIONS, file_name
from bench_datasets.beijing_air.params import BeijingAirParams
from bench_datasets.beijing_air.table import DAYS, FIRST, HOURS, POINTS, TIME, VARIABLES, WIND

VERSION = 1
HEADER = ("No", *TIME, *(variable.name for variable in VARIABLES[:-1]), WIND, VARIABLES[-1].name, "station")

GAPS = {"pollutants": (0.0012, 12.0), "weather": (0.00015, 6.0)}
"""Modality -> the chance that a gap begins in an hour, and its mean length in hours."""


def from_params(folder: Path, params: BeijingAirParams, report: Callable[[str], None]) -> None:
    """Write the stand-in into a new folder."""
    generate(folder, params.generated_stations, params.generator_seed)


def generate(folder: Path, stations: int, seed: int) -> None:
    """The files of the first `stations` stations, and the mark by which they are known to be made
    up. A station's file does not depend on how many others there are.
    """
    city = _city(generator(seed, "data", "beijing_air", "city"))
    for station in STATIONS[:stations]:
        write_text(folder / file_name(station), _file(station, city, generator(seed, "data", "beijing_air", station)))
    about = {"dataset": "beijing_air", "version": VERSION, "generated_stations": stations, "generator_seed": seed}
    write_bytes(folder / MARK, msgspec.json.encode(about))


def _city(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """What all stations share, each float64 [HOURS]: the wind from the north-west (of unit
    deviation), the stock of particles (the same), season (1 in midwinter) and hour of the day.
    """
    hour = np.arange(HOURS)
    season = np.cos(2 * np.pi * (hour / 24 + 45) / 365.25)
    wind = _walk(HOURS, 20.0, rng)
    gain = 1 - np.exp(-1 / 20)
    stock = np.zeros(HOURS)
    pushed = -wind + 0.6 * _walk(HOURS, 30.0, rng)
    for place in range(1, HOURS):
        stock[place] = stock[place - 1] + gain * (1.6 * pushed[place] - stock[place - 1])
    return {"wind": wind, "stock": stock / stock.std(), "season": season, "hour": hour % 24}


def _file(station: str, city: dict[str, np.ndarray], rng: np.random.Generator) -> str:
    """The text of one station's file."""
    wind = city["wind"] + 0.5 * _walk(HOURS, 12.0, rng)
    sun = np.cos(2 * np.pi * (city["hour"] - 15) / 24)
    particles = 3.9 + 0.75 * city["stock"] + 0.25 * city["season"] - 0.1 * sun + 0.2 * rng.normal()
    pm25 = np.exp(particles + 0.35 * _walk(HOURS, 10.0, rng))
    temperature = 13 - 14 * city["season"] + 4 * sun - 1.5 * wind + _walk(HOURS, 48.0, rng)
    columns = {
        "PM2.5": np.clip(pm25, 2, 999),
        "PM10": np.clip(pm25 * np.exp(0.3 + 0.25 * _walk(HOURS, 10.0, rng)), 2, 999),
        "SO2": np.clip(pm25**0.7 * np.exp(0.4 * city["season"] + 0.4 * _walk(HOURS, 20.0, rng)), 1, 500),
        "NO2": np.clip(6 * pm25**0.5 * np.exp(-0.2 * sun + 0.2 * _walk(HOURS, 8.0, rng)), 2, 290),
        "CO": np.clip(100 * np.rint(1.6 * pm25**0.5 * np.exp(0.25 * _walk(HOURS, 15.0, rng))), 100, 10_000),
        "O3": np.clip(50 * np.exp(0.9 * sun - 0.8 * city["season"] - 0.2 * city["stock"]), 1, 450),
        "TEMP": temperature,
        "PRES": 1011 + 9 * city["season"] + 3 * wind + _walk(HOURS, 60.0, rng),
        "DEWP": np.clip(temperature - 8 - 3 * wind + 2 * city["stock"], -43, 29),
        "RAIN": np.where(rng.random(HOURS) < 0.02 * (1.2 - city["season"]), rng.exponential(1.5, HOURS), 0.0),
        "WSPM": np.abs(1.7 + 0.9 * wind + 0.4 * rng.normal(size=HOURS)),
    }
    texts = {
        name: np.char.mod("%.0f" if name in ("PM2.5", "PM10", "SO2", "NO2", "CO", "O3") else "%.1f", value)
        for name, value in columns.items()
    }
    point = np.rint(14 - 7 * np.minimum(wind, 0) + rng.normal(scale=1.5, size=HOURS))
    texts[WIND] = np.array(POINTS)[point.astype(int) % len(POINTS)]
    for variable in VARIABLES:
        texts[variable.name] = np.where(_gaps(*GAPS[variable.modality], rng), "NA", texts[variable.name])
    texts[WIND] = np.where(_gaps(*GAPS["weather"], rng), "NA", np.char.add(np.char.add('"', texts[WIND]), '"'))
    days = [FIRST + timedelta(day) for day in range(DAYS)]
    ordered = [texts[name] for name in HEADER[5:-1]]
    lines = [",".join(f'"{name}"' for name in HEADER)]
    for place, fields in enumerate(zip(*ordered, strict=True)):
        day = days[place // 24]
        lines.append(f'{place + 1},{day.year},{day.month},{day.day},{place % 24},{",".join(fields)},"{station}"')
    return "\r\n".join(lines) + "\r\n"


def _walk(length: int, hours: float, rng: np.random.Generator) -> np.ndarray:
    """A stationary autoregression of unit deviation whose correlation falls to 1/e in so many
    hours: float64 [length].
    """
    rho = np.exp(-1 / hours)
    noise = rng.normal(size=length) * np.sqrt(1 - rho**2)
    states = np.empty(length)
    state = rng.normal()
    for place, shock in enumerate(noise.tolist()):
        state = rho * state + shock
        states[place] = state
    return states


def _gaps(chance: float, mean: float, rng: np.random.Generator) -> np.ndarray:
    """Where nothing was recorded, in runs of random length: bool [HOURS]."""
    missing = np.zeros(HOURS, bool)
    starts = np.flatnonzero(rng.random(HOURS) < chance)
    for start, length in zip(starts, rng.geometric(1 / mean, len(starts)), strict=True):
        missing[start : start + length] = True
    return missing
