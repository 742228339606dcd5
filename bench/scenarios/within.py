"""The (p_s, p_w) protocol: bins hidden within some modalities of some records."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bench.components import Scenario
from bench.scenarios.params.within import WithinParams
from bench.scenarios.presence import present


class Within(Scenario[WithinParams]):
    """Hides bins within modalities, in the sense p_s and p_w have in the CondI paper (section 4.1),
    but with an effect.

    1. A record is affected with probability ps.
    2. Of its K modalities that hold an observation, n are affected: n uniform on 1..K (or
       `affected`, at most K), the subset uniform. A modality that is absent by nature takes no
       part, since hiding in it would do nothing.
    3. In each of them exactly h = round(pw * length) bins are hidden, all channels; half goes to
       the even number. `point`: uniform without replacement. `block`: contiguous blocks, round(10 h
       / length) of them where they fit, at least one bin apart, so their mean length is length /
       10; uniform over all such arrangements.
    4. At least one observed value of the record stays: where none would, one bin that holds an
       observation is shown again. A bin without any takes its place where there is one, which hides
       nothing more and keeps h exact.

    With `redraw=epoch` training records get a new mask at each epoch, as in CondI's code
    (dataset.py): hiding then augments, and in time a method sees every value.

    Expected share of the cells: ps * (K + 1) / (2 K) * h / length, a little less where h = length
    (step 4). Masks are nested in `ps`, and in `pw` for `point`.
    """

    unit = "cells"

    def hide(
        self, observed: Mapping[str, np.ndarray], rng: Callable[[str], np.random.Generator]
    ) -> dict[str, np.ndarray]:
        names = present(observed)
        record = rng("")
        if not names or record.random() >= self.params.ps:
            return {}
        count = record.integers(1, len(names) + 1) if self.params.affected is None else self.params.affected
        chosen = [names[place] for place in record.permutation(len(names))[:count]]
        bins = {}
        for name in chosen:
            length = len(observed[name])
            hidden = round(self.params.pw * length)
            pick = _points if self.params.pattern == "point" else _blocks
            bins[name] = np.zeros(length, bool)
            bins[name][pick(hidden, length, rng(name))] = True
        if len(chosen) == len(names):
            _keep_one(bins, {name: np.any(observed[name], axis=1) for name in names}, names, record)
        return {name: np.repeat(mask[:, None], observed[name].shape[1], axis=1) for name, mask in bins.items()}

    def expected(self, observed: Mapping[str, np.ndarray]) -> float:
        chances, shares = self._outcomes(observed)
        return float(chances @ shares)

    def spread(self, observed: Mapping[str, np.ndarray]) -> float:
        chances, shares = self._outcomes(observed)
        mean = chances @ shares
        return float(np.sqrt(chances @ (shares - mean) ** 2 + (1 - chances.sum()) * mean**2))

    def _outcomes(self, observed: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The probability of each number of affected modalities, 1 to K, and the share of the
        cells it hides.
        """
        names = present(observed)
        most = len(names)
        if not most:
            return np.zeros(0), np.zeros(0)
        length = len(observed[names[0]])
        hidden = round(self.params.pw * length)
        numbers = np.arange(1, most + 1)
        fixed = self.params.affected
        chances = np.full(most, 1 / most) if fixed is None else (numbers == min(fixed, most)).astype(float)
        cells = numbers * float(hidden)
        if hidden == length:
            cells[-1] -= 1
        return self.params.ps * chances, cells / (most * length)


def _points(hidden: int, length: int, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(length)[:hidden]


def _blocks(hidden: int, length: int, rng: np.random.Generator) -> np.ndarray:
    if not hidden:
        return np.zeros(0, int)
    blocks = min(max(1, round(10 * hidden / length)), hidden, length - hidden + 1)
    cuts = np.sort(rng.permutation(hidden - 1)[: blocks - 1]) + 1
    sizes = np.diff([0, *cuts, hidden])
    shown_before = np.sort(rng.permutation(length - hidden + 1)[:blocks])
    return np.arange(hidden) + np.repeat(shown_before, sizes)


def _keep_one(
    bins: dict[str, np.ndarray], known: Mapping[str, np.ndarray], names: list[str], rng: np.random.Generator
) -> None:
    """Show one observed bin again, in place, if `bins` (modality -> bool [length]) would hide
    all that are `known`.
    """
    if any((known[name] & ~bins[name]).any() for name in names):
        return
    places = [(name, place) for name in names for place in np.flatnonzero(known[name])]
    name, place = places[rng.integers(len(places))]
    shown = np.flatnonzero(~bins[name])
    bins[name][place] = False
    if len(shown):
        bins[name][rng.choice(shown)] = True
