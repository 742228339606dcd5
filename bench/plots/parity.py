"""Two imputers record by record: which of them is nearer to what was hidden, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.config.words import ORIGIN
from bench.errors import StorageError, UsageError, unknown
from bench.grid.matching_rows import matching, the_one
from bench.metrics.imputation import TERMS, Errors, metric
from bench.plots import style
from bench.results.collect import suite_word
from bench.results.completions import imputations
from bench.results.coordinates import Repeat, TableKey, table_of
from bench.results.ledger import Ledger
from bench.results.records import Export

SHOWN = 0.99
"""Share of the records that the frame is made for; the panel says how many lie outside."""

WIDTH, SIDE = 4.0, 3.2
"""Inches: of a panel, and of the axes in it at least, along which titles and names are written."""


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
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    drawn, axes = style.figure(rows, columns, WIDTH, 4.2)
    frame = 1.05 * max(float(np.quantile(np.concatenate([p.first, p.second]), SHOWN)) for p in panels) or 1.0
    for place, parity in enumerate(panels):
        axis = axes[place // columns, place % columns]
        axis.plot([0, frame], [0, frame], color="black", linewidth=0.8)
        size = float(np.clip(400 / len(parity.first), 4, 18))
        axis.scatter(
            parity.first,
            parity.second,
            s=size,
            color=style.colour(0),
            alpha=0.45,
            linewidths=0,
            rasterized=len(parity.first) > 5000,
        )
        axis.set(xlim=(0, frame), ylim=(0, frame), aspect="equal")
        axis.set_xlabel(style.wrapped(f"MAE of {first} (standard deviations)", SIDE))
        axis.set_ylabel(style.wrapped(f"MAE of {second} (standard deviations)", SIDE))
        share = f"{nearer} is nearer for {100 * parity.below:.0f} % of {len(parity.first):,} records"
        axis.set_title("\n".join(style.wrapped(text, SIDE) for text in (parity.title, share)))
        axis.locator_params(nbins=5)
        outside = int(((parity.first > frame) | (parity.second > frame)).sum())
        if outside:
            axis.text(0.98, 0.02, f"{outside} outside the frame", transform=axis.transAxes, ha="right", fontsize=8)
    for place in range(len(panels), rows * columns):
        axes[place // columns, place % columns].set_visible(False)
    style.title(drawn, title)
    style.save(drawn, path)
