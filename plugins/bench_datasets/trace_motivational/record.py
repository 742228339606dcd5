"""One record of the synthetic TRACE study: its parameters, its latent series, the features that its
conditions are made of.

Latent dimensions: 0-7 low (slow waves with a trend), 8-13 mid, 14-29 high (fast waves, and a burst
in some records). Equation numbers are those of TRACE, appendix A.3; what the paper leaves open is
decided in docs/reference/suites/trace_motivational.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STEPS = 50
"""Observed steps, at t = k / 49."""

HORIZON = 10
"""Further steps on the same grid: the target."""

DIMS = 30
LOW, MID, HIGH = slice(0, 8), slice(8, 14), slice(14, 30)
FEATURES = 28
"""Width of the vectors u1 and u2 before projection."""

BURST = 0.7
"""Probability that a record has a burst."""

NUISANCE = 0.05
"""Standard deviation of the entries of u1 and u2 that mean nothing."""

MOMENTS = (np.mean, np.std, np.min, np.max)


@dataclass(frozen=True)
class Drawn:
    """Generation parameters of n records. Waves: name -> float64 [n, dims of the group]; drift,
    burst: name -> [n].
    """

    low: dict[str, np.ndarray]
    mid: dict[str, np.ndarray]
    high: dict[str, np.ndarray]
    drift: dict[str, np.ndarray]
    burst: dict[str, np.ndarray]


@dataclass(frozen=True)
class Latent:
    """Latent series float64 [n, steps + horizon, dims], drift included, and the burst alone [n,
    steps + horizon].
    """

    whole: np.ndarray
    mid: np.ndarray
    high: np.ndarray
    burst: np.ndarray


def draw(rng: np.random.Generator, n: int) -> Drawn:
    """Parameters of n records, each independent of the others."""

    def waves(dims: slice, **ranges: tuple[float, float]) -> dict[str, np.ndarray]:
        count = dims.stop - dims.start
        parameters = {name: rng.uniform(low, high, (n, count)) for name, (low, high) in ranges.items()}
        return {**parameters, "phi": rng.uniform(0, 2 * np.pi, (n, count))}

    low = waves(LOW, f=(0.6, 2.0), a=(0.6, 1.5), s=(-1.0, 1.0), q=(-0.3, 0.3))
    mid = waves(MID, f=(2.5, 5.0), a=(0.4, 1.2))
    high = waves(HIGH, f=(6.0, 11.0), a=(0.2, 0.9))
    present = rng.random(n) < BURST
    burst = {
        "present": present.astype(float),
        "mu": rng.uniform(0.15, 0.85, n) * present,
        "sigma": rng.uniform(0.05, 0.1, n) * present,
        "A": rng.uniform(0.8, 2.2, n) * present,
    }
    drift = {"a": rng.uniform(0.05, 0.35, n), "f": rng.uniform(0.1, 0.5, n), "phi": rng.uniform(0, 2 * np.pi, n)}
    return Drawn(low, mid, high, drift, burst)


def latent(drawn: Drawn) -> Latent:
    """The series of those parameters, at t = k / 49 for k = 0 to 59, before mixing and noise."""
    t = np.arange(STEPS + HORIZON)[None, :, None] / (STEPS - 1)

    def wave(group: dict[str, np.ndarray]) -> np.ndarray:
        a, f, phi = (group[name][:, None] for name in ("a", "f", "phi"))
        values: np.ndarray = a * np.sin(2 * np.pi * f * t + phi)
        return values

    low = wave(drawn.low) + drawn.low["s"][:, None] * (t - 0.5) + drawn.low["q"][:, None] * (t - 0.5) ** 2
    mid = wave(drawn.mid)
    a, f, phi = (drawn.high[name][:, None] for name in ("a", "f", "phi"))
    high = wave(drawn.high) + 0.3 * a * np.cos(2 * np.pi * 1.7 * f * t + phi / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        shape = np.exp(-((t[..., 0] - drawn.burst["mu"][:, None]) ** 2) / (2 * drawn.burst["sigma"][:, None] ** 2))
    burst = np.where(drawn.burst["present"][:, None] > 0, drawn.burst["A"][:, None] * shape, 0.0)
    drift = drawn.drift["a"][:, None] * np.sin(
        2 * np.pi * drawn.drift["f"][:, None] * t[..., 0] + drawn.drift["phi"][:, None]
    )
    whole = np.concatenate([low, mid, high + burst[..., None]], axis=2) + drift[..., None]
    return Latent(whole, mid, high, burst)


def features(drawn: Drawn, latent: Latent, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """u1 (low group and drift) and u2 (mid, high and burst), float64 [n, FEATURES] each.
    Energies are over the 50 steps.
    """
    n = len(latent.whole)
    low, mid, high, burst = drawn.low, drawn.mid, drawn.high, drawn.burst
    u1 = [moment(low[name], axis=1) for name in ("a", "f", "phi", "s", "q") for moment in MOMENTS]
    u1 += [(low["a"] * low["f"]).mean(axis=1), (low["s"] * low["q"]).mean(axis=1)]
    u1 += [drawn.drift[name] for name in ("a", "f", "phi")]
    u1 += list(rng.normal(scale=NUISANCE, size=(3, n)))
    past = {"mid": latent.mid[:, :STEPS], "high": latent.high[:, :STEPS], "burst": latent.burst[:, :STEPS]}
    energy = {name: (series**2).mean(axis=tuple(range(1, series.ndim))) for name, series in past.items()}
    u2 = [moment(group[name], axis=1) for group in (mid, high) for name in ("a", "f", "phi") for moment in MOMENTS[:2]]
    u2 += [(mid["a"] * mid["f"]).mean(axis=1), (high["a"] * high["f"]).mean(axis=1)]
    u2 += [burst[name] for name in ("present", "mu", "sigma", "A")]
    u2 += [energy["mid"], energy["high"], energy["burst"], np.log(energy["high"] / energy["mid"])]
    u2 += [(past["high"] ** 2).mean(axis=1).max(axis=1)]
    u2 += list(rng.normal(scale=NUISANCE, size=(5, n)))
    return np.stack(u1, axis=1), np.stack(u2, axis=1)
