"""Limb leads of an ECG from two others at the same instant.

Three electrodes give two independent voltages, so any two of the six limb leads tell the others.
III = II - I (Einthoven); aVR = -(I + II) / 2, aVL = I - II / 2, aVF = II - I / 2 (Goldberger). A
hidden limb lead is thus no test of an imputer unless all others are hidden with it.
This is the baseline that shows it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.cohort import Cohort, Task
from bench.components import Context, Imputer, NotFitted
from bench.registry import NoParams
from bench.sums import Summed, Sums, product_matrix, products
from bench_imputers.naive.temporal import Linear
from bench_imputers.simultaneous.named import parts_of

LIMB = ("i", "ii", "iii", "avr", "avl", "avf")
"""Names of channels that are limb leads, lower case."""

BASIS = {"i": (1.0, 0.0, 0.0), "ii": (0.0, 1.0, 0.0)}
"""The leads that the others are learnt from, as functions of themselves."""

CUT = 6.0
"""Standard deviations. Values beyond teach nothing: the harness cuts at 10, and what was cut keeps
no identity.
"""

FEWEST = 10
"""Bins with a lead, I and II from which on its relation is learnt."""


class Einthoven(Summed, Imputer[NoParams]):
    """Limb leads are found by the names of channels, whatever modality they stand in.

    Values arrive standardised per channel, so that a lead is an affine function of I and II whose
    numbers depend on means and deviations that an imputer is not told. They are learnt: lead = a I
    + b II + c, by least squares over the training bins in which all three are visible. On data that
    keep the identities the residual is rounding alone. They are learnt from exact sums of products:
    the same bits, however records are divided among clients.

    Of a bin with two or more visible limb leads, I and II are solved for by least squares and every
    missing limb lead is computed from them. All other entries, and those of other channels, are
    completed as `linear` does. The result is deterministic: one draw.
    """

    def __init__(self, params: NoParams):
        super().__init__(params)
        self._between = Linear(params)
        self._affine: dict[str, np.ndarray] | None = None

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        self.begin(self.summary(train), context)

    def summary(self, cohort: Cohort, task: Task | None = None) -> Sums:
        """See `bench.sums.Summed`: the sums of `linear`, and for each lead those of the products of
        I, II, the lead and 1.
        """
        totals = {f"between/{name}": total for name, total in self._between.summary(cohort).totals.items()}
        values = limb_leads(cohort)
        for lead in values if BASIS.keys() <= values.keys() else ():
            rows = np.column_stack([values[each].ravel() for each in (*BASIS, lead)])
            rows = rows[(np.abs(rows) <= CUT).all(axis=1)]  # NaN is not
            totals[f"limb/{lead}"] = products(np.column_stack([rows, np.ones(len(rows))]))
        return Sums(None, None, totals)

    def begin(self, sums: Sums, context: Context) -> None:
        """See `bench.sums.Summed`."""
        parts = parts_of(sums.totals, "between", "limb")
        self._between.begin(Sums(None, None, parts["between"]), context)
        self._affine = {}
        for lead, total in parts["limb"].items():
            matrix = product_matrix(total)
            if lead in BASIS:
                self._affine[lead] = np.array(BASIS[lead])
            elif matrix[3, 3] >= FEWEST:
                known = [0, 1, 3]
                self._affine[lead] = np.linalg.lstsq(matrix[np.ix_(known, known)], matrix[known, 2], rcond=None)[0]

    def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray]:
        if self._affine is None:
            raise NotFitted("Einthoven must be fitted, or given a state, before it imputes")
        completed = self._between.impute(cohort, 1, context)
        values = {lead: entries for lead, entries in limb_leads(cohort).items() if lead in self._affine}
        if len(values) > 2:
            solved = _solved(values, self._affine)
            for lead, (name, channel) in _places(cohort).items():
                if lead in solved:
                    known = ~np.isnan(solved[lead]) & ~np.asarray(cohort.modalities[name].observed)[..., channel]
                    np.copyto(completed[name][0, ..., channel], solved[lead], where=known, casting="same_kind")
        return completed

    def parameters(self) -> int:
        return 3 * len(self._affine or {})

    def state_dict(self) -> dict[str, np.ndarray]:
        fills = {f"between/{name}": fill for name, fill in self._between.state_dict().items()}
        return fills | {f"limb/{lead}": row for lead, row in (self._affine or {}).items()}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        parts = parts_of(state, "between", "limb")
        self._between.load_state_dict(parts["between"])
        self._affine = parts["limb"]


def limb_leads(cohort: Cohort) -> dict[str, np.ndarray]:
    """Limb lead -> its visible values, float32 [n, length], NaN where it is not visible; in the
    order of `LIMB`.
    """
    return {
        lead: np.where(
            np.asarray(cohort.modalities[name].observed)[..., channel],
            np.asarray(cohort.modalities[name].grid)[..., channel],
            np.float32(np.nan),
        )
        for lead, (name, channel) in _places(cohort).items()
    }


def _places(cohort: Cohort) -> dict[str, tuple[str, int]]:
    """Limb lead -> modality and place of its channel; of two channels of one name the first."""
    places: dict[str, tuple[str, int]] = {}
    for name, series in cohort.modalities.items():
        for channel, label in enumerate(series.channels):
            places.setdefault(label.strip().lower(), (name, channel))
    return {lead: places[lead] for lead in LIMB if lead in places}


def _solved(values: Mapping[str, np.ndarray], affine: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every lead from the visible ones of its bin, float64 [n, length]; NaN where fewer than two
    are visible.

    Bins with the same leads visible are solved together, entry by entry: a product of matrices
    would round a record otherwise among other ones.
    """
    leads = list(values)
    visible = np.stack([~np.isnan(values[lead]) for lead in leads])
    patterns = np.tensordot(2 ** np.arange(len(leads)), visible.astype(np.int64), axes=1)
    solved = {lead: np.full(patterns.shape, np.nan) for lead in leads}
    for pattern in np.unique(patterns):
        seen = [lead for place, lead in enumerate(leads) if pattern >> place & 1]
        if len(seen) < 2 or len(seen) == len(leads):
            continue
        here = patterns == pattern
        inverse = np.linalg.pinv(np.stack([affine[lead][:2] for lead in seen]))
        rest = [values[lead][here].astype(np.float64) - affine[lead][2] for lead in seen]
        one, two = (sum(weight * each for weight, each in zip(row, rest, strict=True)) for row in inverse)
        for lead in leads:
            if lead not in seen:
                a, b, c = affine[lead]
                solved[lead][here] = a * one + b * two + c
    return solved
