"""Two imputers record by record: which of them is nearer to what was hidden, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.config.words import ORIGIN
from bench.errors import StorageError, UsageError, unknown
from bench.figures import printed
from bench.figures.shapes import Axis, Chart, Line, Point
from bench.grid.matching_rows import matching, the_one
from bench.metrics.imputation import TERMS, Errors, metric
from bench.results.collect import suite_word
from bench.results.completions import imputations
from bench.results.coordinates import Repeat, TableKey, table_of
from bench.results.ledger import Ledger
from bench.results.records import Export

SHOWN = 0.99
"""Share of the records that the frame is made for; the panel says how many lie outside."""


@dataclass(frozen=True)
class Parity:
    """One scenario: MAE over the hidden entries of each test record, float64 [n] for the first and
    second imputer.

    imputers: their labels.
    """

    title: str
    imputers: tuple[str, str]
    first: np.ndarray
    second: np.ndarray

    @property
    def below(self) -> float:
        """Share of records below the diagonal: the second imputer is nearer. Equal ones do not
        count.
        """
        return float((self.second < self.first).mean())


def parities(
    planned: Export,
    ledger: Ledger,
    imputers: tuple[str, str],
    scenarios: Sequence[str] = (),
    modalities: Sequence[str] = (),
    seeds: Sequence[str] = (),
    modality: str = "",
) -> list[Parity]:
    """One per modality set and scenario in which both imputers were scored. Several seeds: their
    entries taken together.

    imputers: labels, or names that stand for one. scenarios: labels, or names that stand for all
              their variants.
    modality: over the entries of one modality only. Raises UsageError for a name that is not there
    or stands for several imputers, StorageError when the ledger lacks what is asked for.
    """
    records_by_key = ledger.load({key for _, key in planned.planned})
    errors: dict[TableKey, dict[str, dict[Repeat, Errors]]] = {}
    lost = False
    there = {at.scenario for at, _ in planned.planned}
    shown = {label for name in scenarios for label in matching(name, there)} if scenarios else there
    cells = {at: records_by_key.get(key) for at, key in planned.planned if not at.audit}
    for method, at, record in imputations(cells):
        wanted = (
            at.scenario in shown
            and (not modalities or at.modalities in modalities)
            and (not seeds or str(at.seed) in seeds)
        )
        if record is None or record.status != "ok" or not record.imputation or not wanted:
            continue
        seeds_of = errors.setdefault(table_of(method), {}).setdefault(method.imputer, {})
        if at.repeat not in seeds_of:
            kept = ledger.errors(record)
            if kept is None:
                lost = True
            else:
                seeds_of[at.repeat] = kept.by_id()
    known = list(dict.fromkeys(name for place in errors.values() for name, kept in place.items() if kept))
    if known:
        imputers = the_one("imputer", imputers[0], known), the_one("imputer", imputers[1], known)
    panels = []
    for table, place in errors.items():
        first, second = (place.get(name, {}) for name in imputers)
        shared = sorted(first.keys() & second.keys())
        if not shared:
            continue
        one, two = (sum(_sums(kept[seed], modality) for seed in shared) for kept in (first, second))
        assert isinstance(one, np.ndarray)
        assert isinstance(two, np.ndarray)
        hidden = one[:, TERMS.index("hidden")] > 0
        if hidden.any():
            sets = dict.fromkeys(at.modalities for at, _ in planned.planned)
            title = table.title if len(sets) > 1 else table.scenario
            panels.append(Parity(title, imputers, metric("mae", one[hidden]), metric("mae", two[hidden])))
    if not panels:
        if lost:
            raise StorageError(f"the ledger {ledger.folder} lacks the errors of these imputations; run the suite again")
        raise UsageError(
            f"{' and '.join(imputers)} were scored together on no hidden entry of the last run; for example: "
            f"bench run {suite_word(planned)} imputer={','.join(name.partition('(')[0] for name in imputers)} scenario=mcar"
        )
    return panels


def _sums(errors: Errors, modality: str) -> np.ndarray:
    if not modality:
        return errors.all
    if modality not in errors.modalities:
        raise unknown("modality", modality, errors.modalities.tolist(), ORIGIN)
    return errors.sums[:, errors.modalities.tolist().index(modality)]


def draw(panels: Sequence[Parity], title: str, path: Path) -> None:
    """A panel per scenario, all with the same frame."""
    first, second = panels[0].imputers
    short = [name.partition("(")[0] for name in (first, second)]
    nearer = short[1] if short[0] != short[1] else second
    frame = 1.05 * max(float(np.quantile(np.concatenate([p.first, p.second]), SHOWN)) for p in panels) or 1.0
    x_axis, y_axis = (Axis(f"MAE of {name} (standard deviations)", ends=(0.0, frame)) for name in (first, second))
    charts = []
    for parity in panels:
        outside = int(((parity.first > frame) | (parity.second > frame)).sum())
        share = f"{nearer} is nearer for {100 * parity.below:.0f} % of {len(parity.first):,} records"
        beyond = f"\n{outside} outside the frame" if outside else ""
        points = [Point(x, y, "") for x, y in zip(parity.first.tolist(), parity.second.tolist(), strict=True)]
        charts.append(
            Chart(
                [Line(points, joined=False)],
                x_axis,
                y_axis,
                share,
                diagonal=True,
                title=f"{parity.title}\n{share}{beyond}",
            )
        )
    printed.draw(charts, title, path)
