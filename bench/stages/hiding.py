"""The work of the stage `hide`: a scenario's mask of a whole cohort, and the cohort with what is
hidden taken out.

The mask depends on nothing but (seed, scenario, parameters, record id). It is the same for every
method, whatever the order of the records and whichever other records are in the cohort. Where a
scenario hides a cohort at once, as published procedures do, it depends on the other records too,
and still on no method.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench import seeds
from bench.cohort import Cohort, Events, Series, bins_of
from bench.components import Scenario
from bench.errors import PluginError
from bench.scenarios.presence import present
from bench.stages.handed import is_plain, kind_of

AGAIN = 16
"""Records for which a scenario is asked a second time, in another order."""

STANDARD_ERRORS = 5.0
"""How far the realised share of hidden units may lie from the expected one."""


@dataclass(frozen=True)
class Hidden:
    """What a scenario hides of a cohort.

    - visible: modality -> bool [n, length, channels]; recorded and shown.
    - hidden: modality -> bool [n, length, channels]; recorded and taken out, the truth of
      imputation scores.
    - shares: expected, realised and standard_error (of the realised share, known before it is
      drawn), in the scenario's unit, and entries: the share of all recorded values that is hidden.
    """

    visible: dict[str, np.ndarray]
    hidden: dict[str, np.ndarray]
    shares: dict[str, float]


def hide(cohort: Cohort, scenario: Scenario[Any], seed: int, label: str) -> Hidden:
    """What `scenario` hides of `cohort` under `seed`.

    label: the scenario's registered name. Its parameters are left out on purpose: variants of one
    scenario then start from the same random numbers, so that curves over a rate compare nested
    masks and not chance.

    Raises PluginError in three cases:

    - The scenario returns something that is no mask.
    - The realised share of hidden units is further from the expected one than chance explains (see
      `_assert_share`).
    - It hides something else of a record that it is asked for again.
    """
    if scenario.unit not in ("entries", "cells"):
        raise PluginError(f'scenario "{label}": unit must be "entries" or "cells"')
    observed = {name: _read_only(series.observed) for name, series in cohort.modalities.items()}
    hidden = {name: np.zeros(known.shape, bool) for name, known in observed.items()}
    expected, spread, units, realised = np.zeros((4, len(cohort)))
    whole = _at_once(scenario, observed, cohort, label)
    for i, record in enumerate(cohort.ids):
        known = {name: mask[i] for name, mask in observed.items()}
        names = present(known)
        if whole is None:
            masks = scenario.hide(known, _generators(seed, label, str(record)))
        else:
            masks = {name: mask[i] for name, mask in whole.items()}
        for name, mask in masks.items():
            _check_mask(name, mask, known, label)
            hidden[name][i] = mask
        if scenario.unit == "entries":
            units[i] = sum(int(known[name].sum()) for name in names)
            realised[i] = sum(int((known[name] & masks[name]).sum()) for name in names if name in masks)
        else:
            units[i] = len(names) * cohort.length
            realised[i] = sum(int(masks[name].any(axis=1).sum()) for name in names if name in masks)
        if names:
            expected[i], spread[i] = scenario.expected(known), scenario.spread(known)
    for name in hidden:
        hidden[name] &= observed[name]
    if whole is None and len(cohort):
        _ask_again(scenario, observed, hidden, cohort, seed, label)
    shares = _assert_share(expected, spread, units, realised, label, scenario.unit)
    recorded = sum(int(known.sum()) for known in observed.values())
    shares["entries"] = sum(int(mask.sum()) for mask in hidden.values()) / max(recorded, 1)
    return Hidden({name: known & ~hidden[name] for name, known in observed.items()}, hidden, shares)


def shown_in_epoch(cohort: Cohort, scenario: Scenario[Any], seed: int, label: str, epoch: int) -> dict[str, np.ndarray]:
    """What an epoch shows of records with masks of its own: modality -> bool [n, length, channels].

    Depends on (seed, scenario, parameters, record id, epoch) alone. The share is not asserted: with
    hundreds of epochs chance alone would leave the bounds once.
    """
    observed = {name: _read_only(series.observed) for name, series in cohort.modalities.items()}
    visible = {name: np.array(known) for name, known in observed.items()}
    for i, record in enumerate(cohort.ids):
        known = {name: mask[i] for name, mask in observed.items()}
        masks = scenario.hide(known, _generators(seed, label, str(record), "epoch", epoch))
        for name, mask in masks.items():
            _check_mask(name, mask, known, label)
            visible[name][i] &= ~mask
    return visible


def _at_once(
    scenario: Scenario[Any], observed: Mapping[str, np.ndarray], cohort: Cohort, label: str
) -> dict[str, np.ndarray] | None:
    """The masks of a scenario that hides a cohort at once, as many as there are records; else
    None.
    """
    whole = scenario.hide_cohort(observed, cohort.ids.tolist())
    for name, mask in (whole or {}).items():
        if name not in observed:
            raise PluginError(
                f'scenario "{label}": hide_cohort() must return only modalities: {", ".join(sorted(observed))}'
            )
        if not isinstance(mask, np.ndarray) or mask.shape[:1] != (len(cohort),):
            raise PluginError(
                f'scenario "{label}", modality "{name}": hide_cohort() must return a bool array [n, length, channels] '
                f"with n = {len(cohort)} records"
            )
    return whole


def _ask_again(
    scenario: Scenario[Any],
    observed: Mapping[str, np.ndarray],
    hidden: Mapping[str, np.ndarray],
    cohort: Cohort,
    seed: int,
    label: str,
) -> None:
    """PluginError where some records' masks are others when they are asked for again, the last
    first. What is hidden of a record may depend on nothing but the record and its generators, not
    on calls before or on a generator of the process.
    """
    for i in np.unique(np.linspace(0, len(cohort) - 1, AGAIN).astype(int))[::-1]:
        known, record = {name: mask[i] for name, mask in observed.items()}, str(cohort.ids[i])
        masks = scenario.hide(known, _generators(seed, label, record))
        for name, mask in masks.items():
            _check_mask(name, mask, known, label)
        for name, mask in hidden.items():
            again = masks[name] & observed[name][i] if name in masks else np.zeros_like(mask[i])
            if not np.array_equal(again, mask[i]):
                raise PluginError(
                    f'scenario "{label}" hides other entries of {name} when it is asked for the same record again; what it hides '
                    "may depend on the record and its generators alone"
                )


def _read_only(mask: np.ndarray) -> np.ndarray:
    view = np.asarray(mask).view()
    view.flags.writeable = False
    return view


def _generators(seed: int, label: str, record: str, *more: object) -> Callable[[str], np.random.Generator]:
    return lambda name: seeds.generator(seed, "mask", label, record, name, *more)


def _check_mask(name: str, mask: np.ndarray, known: Mapping[str, np.ndarray], label: str) -> None:
    if name not in known:
        raise PluginError(
            f'scenario "{label}": hide() must return only modalities of the record: {", ".join(sorted(known))}'
        )
    if not is_plain(mask) or mask.dtype != np.bool_ or mask.shape != known[name].shape:
        raise PluginError(
            f'scenario "{label}", modality "{name}": hide() must return a bool array {list(known[name].shape)} '
            f"(length, channels), got {kind_of(mask)}"
        )


def _assert_share(
    expected: np.ndarray, spread: np.ndarray, units: np.ndarray, realised: np.ndarray, label: str, unit: str
) -> dict[str, float]:
    """The shares of the whole cohort, or PluginError when they do not agree.

    Per record (all [n]): expected share, its standard deviation, units, and units realised as
    hidden. Records are independent, so by Bernstein's inequality the sum of their deviations
    exceeds 5 standard errors plus 5**2 / 6 times the largest deviation in under 8 of a million
    cohorts. The second term matters only where few records are affected, and is absent where
    nothing is left to chance.
    """
    total = max(float(units.sum()), 1.0)
    deviations = realised - expected * units
    error = float(np.sqrt(((spread * units) ** 2).sum())) / total
    largest = float(np.abs(deviations[spread > 0]).max(initial=0.0)) / total
    bound = STANDARD_ERRORS * error + STANDARD_ERRORS**2 / 6 * largest + 1e-9
    shares = {
        "expected": float((expected * units).sum()) / total,
        "realised": float(realised.sum()) / total,
        "standard_error": error,
    }
    if not abs(shares["realised"] - shares["expected"]) <= bound:
        raise PluginError(
            f'scenario "{label}" hid {shares["realised"]:.6f} of the {unit}, but its parameters promise '
            f"{shares['expected']:.6f} (allowed difference {bound:.6f}, standard error {error:.6f}); "
            "its hide() or its expected() is wrong"
        )
    return shares


def apply(cohort: Cohort, visible: Mapping[str, np.ndarray]) -> Cohort:
    """The cohort as methods may see it: what is not visible leaves the grid, the events and the
    flags.

    visible: modality -> bool [n, length, channels], within `observed`. An event leaves with its
    (record, channel, bin) cell; rows left without a value are dropped. Events outside the grid
    leave under every scenario: no cell can hide them, and the time after the window may tell the
    outcome.
    """
    return cohort.with_modalities(
        {
            name: _apply(series, np.asarray(visible[name]), cohort.bin_hours)
            for name, series in cohort.modalities.items()
        }
    )


def _apply(series: Series, visible: np.ndarray, bin_hours: float) -> Series:
    if visible.shape != series.observed.shape or (visible & ~series.observed).any():
        raise ValueError("`visible` must have the shape of `observed` and be True only where that is")
    return replace(
        series,
        grid=np.where(visible, series.grid, np.float32(np.nan)),
        observed=visible,
        events=_visible_events(series.events, visible, bin_hours),
        available=np.any(visible, axis=(1, 2)),
        filled=np.zeros(len(visible), bool),
        draws=None,
    )


def _visible_events(events: Events, visible: np.ndarray, bin_hours: float) -> Events:
    records = events.records()
    bins = bins_of(events.times, bin_hours)
    inside = np.flatnonzero((bins >= 0) & (bins < visible.shape[1]))
    values = np.where(visible[records[inside], bins[inside]], events.values[inside], np.float32(np.nan))
    left = ~np.isnan(values).all(axis=1)
    rows = inside[left]
    counts = np.bincount(records[rows], minlength=len(visible))
    return Events(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), events.times[rows], values[left])
