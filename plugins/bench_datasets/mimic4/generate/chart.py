"""The bedside chart of one stay: the true hourly values, and the irregular, noisy rows that record
some of them.

With s(t) = severity + TREND_GAIN * trend * tanh((t - 24) / 24), t in hours since ICU admission, the
standardised true value of variable v in hour h is

    x_v(h) = loadings_v . z(h) + level_v + fluctuation_v(h)
             + daily_v * cos(2 pi (clock(h) - 17) / 24)

Here z(h) is the latent state with s(h + 1/2) in place of severity. level_v is constant for the
stay, and fluctuation_v is an AR(1) process (PHI per hour). Variables of a tie share part of both.
Value = mean + sd * x, or its exponential for a log variable, clipped to what a body can show. A row
records the true value of its hour with error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from bench_datasets.mimic4.generate.state import AXES, vector
from bench_datasets.mimic4.generate.variables import ITEMS, ROUNDS, VARIABLES

PHI = 0.92
TREND_GAIN = 1.2
TIE_SHARE = 0.85  # of the variance of a tied variable's level and fluctuation
ERROR = 0.12  # of a row, in sd of the variable
DUPLICATES, OUT_OF_RANGE, FRACTIONS, EARLY = 0.004, 0.0008, 0.05, 0.004  # shares of rows with these faults
SLIPS = (0.0, 999999.0, 10.0)  # a zero, the code for "too high to read", a decimal point that slipped (a factor)
SEVERITY, TREND = AXES.index("severity"), AXES.index("trend")

_NAMES = [v.name for v in VARIABLES]
_TIES = sorted({v.tie.rstrip("-") for v in VARIABLES if v.tie})
_LOADINGS = np.array([vector(v.loadings) for v in VARIABLES])
_REST = 1 - (_LOADINGS**2).sum(axis=1)
_LEVEL = np.sqrt(_REST * [v.level for v in VARIABLES])
_FLUCTUATION = np.sqrt(_REST * [1 - v.level for v in VARIABLES])
_MEAN, _SD, _LOW, _HIGH, _DAILY = (
    np.array([getattr(v, name) for v in VARIABLES]) for name in ("mean", "sd", "low", "high", "daily")
)
_LOG = np.array([v.log for v in VARIABLES])
_TIED = np.array([bool(v.tie) for v in VARIABLES])
_TIE = np.array([_TIES.index(v.tie.rstrip("-")) if v.tie else 0 for v in VARIABLES])
_SHARED = np.where(_TIED, math.sqrt(TIE_SHARE), 0.0) * [-1 if v.tie.endswith("-") else 1 for v in VARIABLES]
_OWN = np.where(_TIED, math.sqrt(1 - TIE_SHARE), 1.0)

_ROUNDS = list(ROUNDS)
_RATE = np.log([max(r.rate, 1e-12) for r in ROUNDS.values()])
_SICKER = np.array([vector(r.sicker) for r in ROUNDS.values()])
_GATE = np.array([vector(r.gate) for r in ROUNDS.values()])
_GATED = np.array([bool(r.gate) for r in ROUNDS.values()])
_GATE_BIAS = np.array([r.gate_bias for r in ROUNDS.values()])
_ARRIVAL = _ROUNDS.index("arrival")
_CHANCE = np.array([[i.chance if i.round == name else 0.0 for i in ITEMS] for name in _ROUNDS])

ITEM_VARIABLE = np.array([_NAMES.index(i.variable) if i.variable else -1 for i in ITEMS])
_ITEM = {name: np.array([getattr(i, name) for i in ITEMS]) for name in ("digits", "scale", "shift", "mean", "sd")}
_STATES = np.array([len(i.states) for i in ITEMS])
_FIO2 = next(index for index, item in enumerate(ITEMS) if item.variable == "Inspired O2 Fraction")


@dataclass(frozen=True)
class Chart:
    """The rows of one stay by time.

    - time: seconds since 1970. delay: seconds until the row is stored.
    - item: index into ITEMS.
    - number: NaN for a text item. state: 1-based, 0 for a number item.
    - caregiver, warning: the columns of that name.
    """

    time: np.ndarray
    delay: np.ndarray
    item: np.ndarray
    number: np.ndarray
    state: np.ndarray
    caregiver: np.ndarray
    warning: np.ndarray


def truth(rng: np.random.Generator, z: np.ndarray, intime: int, hours: int) -> np.ndarray:
    """True values by hour of the stay: float64 [hours, 30], in the units of VARIABLES; see the
    head of this module.
    """
    steps = np.arange(hours)
    state = np.repeat(z[None], hours, axis=0)
    state[:, SEVERITY] += TREND_GAIN * z[TREND] * np.tanh((steps + 0.5 - 24) / 24)
    state[:, TREND] = 0.0
    noise = rng.standard_normal((hours + 1, len(VARIABLES) + len(_TIES)))
    noise[2:] *= math.sqrt(1 - PHI**2)
    noise[1:] = lfilter([1.0], [1.0, -PHI], noise[1:], axis=0)
    noise = _OWN * noise[:, : len(VARIABLES)] + _SHARED * noise[:, len(VARIABLES) + _TIE]
    level, fluctuation = noise[0], noise[1:]
    clock = (intime / 3600 + steps + 0.5) % 24
    x = state @ _LOADINGS.T + _LEVEL * level + _FLUCTUATION * fluctuation
    x += _DAILY * np.cos(2 * np.pi * (clock[:, None] - 17) / 24)
    values = _MEAN + _SD * x
    values[:, _LOG] = np.exp(values[:, _LOG])
    return np.asarray(np.clip(values, _LOW, _HIGH))


def chart(
    rng: np.random.Generator, z: np.ndarray, values: np.ndarray, intime: int, outtime: int, density: float
) -> Chart:
    """Rows that record `values` (the truth of this stay) between intime and outtime; `density`
    multiplies how many.

    How often depends on the visible axes of z and never on the outcome.
    """
    length = (outtime - intime) / 3600
    open_ = ~_GATED | (rng.random(len(_ROUNDS)) < 1 / (1 + np.exp(-(_GATE_BIAS + _GATE @ z))))
    counts = rng.poisson(np.exp(_RATE + _SICKER @ z) * length * density * open_)
    counts[_ARRIVAL] = 1
    kind = np.repeat(np.arange(len(_ROUNDS)), counts)
    moment = rng.random(len(kind)) * np.where(kind == _ARRIVAL, min(1.0, length), length)
    early = rng.random(len(kind)) < EARLY
    moment = np.where(early, -2 * moment / length, moment)
    time = (intime + (moment * 3600).astype(np.int64)) // 60 * 60
    row, item = np.nonzero(rng.random((len(kind), len(ITEMS))) < _CHANCE[kind])
    time = time[row]

    again = np.flatnonzero(rng.random(len(item)) < DUPLICATES)
    time, item = np.concatenate([time, time[again]]), np.concatenate([item, item[again]])
    order = np.argsort(time, kind="stable")
    time, item = time[order], item[order]
    number, state = _record(rng, item, values, (time - intime) // 3600)
    draws = rng.random((3, len(item)))
    return Chart(
        time=time,
        delay=60 * (1 + (draws[0] ** 3 * 90)).astype(np.int64),
        item=item,
        number=number,
        state=state,
        caregiver=(10_000 + draws[1] * 300).astype(np.int64),
        warning=(draws[2] < 0.02).astype(np.int64),
    )


def _record(
    rng: np.random.Generator, item: np.ndarray, values: np.ndarray, hour: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What a nurse or a machine writes: the number (NaN for a text that has none) and the
    1-based state (0: no text).
    """
    variable = ITEM_VARIABLE[item]
    own = variable < 0
    error = rng.standard_normal(len(item))
    true = values[np.clip(hour, 0, len(values) - 1), variable]
    spread = np.where(_LOG[variable], true * _SD[variable], _SD[variable])
    number = (true + ERROR * spread * error) * _ITEM["scale"][item] + _ITEM["shift"][item]
    number = np.where(own, _ITEM["mean"][item] + _ITEM["sd"][item] * error, number)
    number = np.where(own, number, np.maximum(number, 0.0))
    number = np.where(variable == _NAMES.index("O2 Saturation"), np.minimum(number, 100), number)
    power = 10.0 ** _ITEM["digits"][item]
    number = np.round(number * power) / power

    states = _STATES[item]
    picked = np.where(own, 1 + np.floor(rng.random(len(item)) * np.maximum(states, 1)), np.clip(number, 1, states))
    state = np.where(states > 0, picked, 0).astype(np.int64)
    number = np.where(states > 0, np.where(own, np.nan, state), number)

    airway = item == _FIO2
    number = np.where(airway, np.clip(np.round(number / 5) * 5, 21, 100), number)
    number = np.where(airway & (rng.random(len(item)) < FRACTIONS), number / 100, number)
    slip = (rng.random(len(item)) < OUT_OF_RANGE) & (states == 0)
    which = rng.integers(len(SLIPS), size=len(item))
    wrong = np.where(which == 2, number * SLIPS[2], np.array(SLIPS)[which])
    return np.where(slip, wrong, number), state
